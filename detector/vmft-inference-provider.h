/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-answer.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftQuestion: what a provider is asked. Valid during the call that starts the question only.
 * @benign: NULL-terminated: templates that this host has shown to be normal, chosen at random
 *
 * A provider outside the house sees what vmft_prompt_scrub() leaves of them.
 */
typedef struct
{
  const char *template_text;
  const char *const *benign;
} VmftQuestion;

/** VmftReply: a provider's answer. */
typedef struct
{
  VmftAnswerKind kind;
  char *reason; /* (nullable): printable */
} VmftReply;

void vmft_reply_free (VmftReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftReply, vmft_reply_free)

/** vmft_reply_new: @reason: (nullable): made printable and cut to 200 bytes. Returns: (transfer full): a reply. */
VmftReply *vmft_reply_new (VmftAnswerKind kind, const char *reason);

/**
 * VmftInferenceProvider:
 *
 * Who answers. A provider knows neither queue nor cache nor deadline: it answers one question, or fails:
 * %VMFT_ERROR_UNAVAILABLE (try again), %VMFT_ERROR_INVALID (it said something that is no answer) or
 * %VMFT_ERROR_REFUSED (trying again does not help).
 */
#define VMFT_TYPE_INFERENCE_PROVIDER vmft_inference_provider_get_type ()
G_DECLARE_INTERFACE (VmftInferenceProvider, vmft_inference_provider, VMFT, INFERENCE_PROVIDER, GObject)

struct _VmftInferenceProviderInterface
{
  GTypeInterface parent;

  const char *(*get_name) (VmftInferenceProvider *self);
  void (*ask) (VmftInferenceProvider *self,
               const VmftQuestion *question,
               GCancellable *cancellable,
               GAsyncReadyCallback callback,
               gpointer user_data);
  VmftReply *(*ask_finish) (VmftInferenceProvider *self,
                            GAsyncResult *result,
                            double *retry_after_s,
                            GError **error);
};

/** vmft_inference_provider_get_name: Returns: "llm" or "none". */
const char *vmft_inference_provider_get_name (VmftInferenceProvider *self);

/** vmft_inference_provider_ask: asks; @callback runs on the main context, never from within this call. */
void vmft_inference_provider_ask (VmftInferenceProvider *self,
                                  const VmftQuestion *question,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);

/**
 * vmft_inference_provider_ask_finish:
 * @retry_after_s: (out): how long the provider wants to be left alone; 0 when it did not say
 *
 * Returns: (transfer full): the reply, or NULL with @error set
 */
VmftReply *vmft_inference_provider_ask_finish (VmftInferenceProvider *self,
                                               GAsyncResult *result,
                                               double *retry_after_s,
                                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_inference_none_new: Returns: (transfer full): the provider that is unsure of everything. */
VmftInferenceProvider *vmft_inference_none_new (void);

G_END_DECLS
