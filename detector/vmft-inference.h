/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-inference-provider.h"

G_BEGIN_DECLS

/**
 * VmftInferenceConfig: see vmftd.conf(5), group [Inference].
 * @max_queued: questions that may wait or run; more are dropped and counted
 * @max_running: questions asked at a time
 * @max_answers: answers kept; the oldest that are not overruled go first
 * @deadline_s: of one attempt
 * @max_attempts: per question
 * @backoff_s, @backoff_max_s: before the second attempt, doubled for each further one, plus up to a quarter
 * @breaker_failures: so many attempts failing in a row open the circuit breaker
 * @breaker_s: how long it stays open before one attempt probes the provider
 * @forget_failure_s: a question that failed for good may be asked again after so long
 * @n_benign: random benign templates given to the provider (the paper's few-shot samples)
 * @seed: of the random choices; 0: another one every time
 */
typedef struct
{
  guint max_queued;
  guint max_running;
  guint max_answers;
  double deadline_s;
  guint max_attempts;
  double backoff_s;
  double backoff_max_s;
  guint breaker_failures;
  double breaker_s;
  double forget_failure_s;
  guint n_benign;
  guint32 seed;
} VmftInferenceConfig;

#define VMFT_INFERENCE_CONFIG_DEFAULT                                                                        \
  ((VmftInferenceConfig){ .max_queued = 256,                                                                 \
                          .max_running = 2,                                                                  \
                          .max_answers = 10000,                                                              \
                          .deadline_s = 30.0,                                                                \
                          .max_attempts = 4,                                                                 \
                          .backoff_s = 1.0,                                                                  \
                          .backoff_max_s = 60.0,                                                             \
                          .breaker_failures = 5,                                                             \
                          .breaker_s = 300.0,                                                                \
                          .forget_failure_s = 3600.0,                                                        \
                          .n_benign = 18 })

/**
 * VmftBenignFunc:
 *
 * Returns: (transfer full): up to @n templates that this host has shown to be normal, chosen with @random;
 *   NULL-terminated
 */
typedef char **(*VmftBenignFunc) (GRand *random, guint n, gpointer user_data);

/**
 * VmftInference:
 *
 * Log inference (DESIGN 3.4, the paper's LLM step): asks a provider whether templates are faulty or normal, one
 * question a template, and remembers the answers in table %VMFT_STORE_ANSWERS. It never makes anyone wait.
 *
 * Signals:
 * - `answered` (const VmftAnswer *): an answer came, or the operator gave one; it is in the store by now, and no
 *   transaction is open
 */
#define VMFT_TYPE_INFERENCE vmft_inference_get_type ()
G_DECLARE_FINAL_TYPE (VmftInference, vmft_inference, VMFT, INFERENCE, GObject)

/**
 * vmft_inference_new:
 * @config: copied
 * @error: return location, the store's error
 *
 * Returns: (transfer full): log inference with the answers of earlier runs
 */
VmftInference *vmft_inference_new (VmftClock *clock,
                                   VmftStore *store,
                                   VmftInferenceProvider *provider,
                                   const VmftInferenceConfig *config,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_inference_set_benign: @func: (nullable): where the provider's benign samples come from. */
void vmft_inference_set_benign (VmftInference *self, VmftBenignFunc func, gpointer user_data);

/**
 * vmft_inference_ask:
 *
 * Puts a question unless it has been answered, is under way, or failed not long ago; cheap in all these cases,
 * and without effect on the store, so that it may be called while a line is being fed.
 *
 * Returns: whether the question is new and was queued
 */
gboolean vmft_inference_ask (VmftInference *self, const char *template_text);

/** vmft_inference_list: Returns: (transfer container) (element-type VmftAnswer): all answers, newest first. */
GPtrArray *vmft_inference_list (VmftInference *self);

/**
 * vmft_inference_forget:
 * @key: of an answer
 * @error: return location, %VMFT_ERROR_NOT_FOUND or the store's error
 *
 * Forgets an answer; the question may be asked again. What the answer has changed stays changed.
 */
gboolean vmft_inference_forget (VmftInference *self,
                                const char *key,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_inference_overrule:
 * @template_text: need not have been asked about
 * @reason: (nullable)
 * @error: return location, the store's error
 *
 * Puts the operator's answer in place of any other. vmft_answer_amend() holds for it all the same.
 */
gboolean vmft_inference_overrule (VmftInference *self,
                                  const char *template_text,
                                  VmftAnswerKind kind,
                                  const char *reason,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_inference_describe: Returns: (transfer floating): `a{sv}`: provider, breaker, queue, counters. */
GVariant *vmft_inference_describe (VmftInference *self);

G_END_DECLS
