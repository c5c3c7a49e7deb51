/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

G_BEGIN_DECLS

/** VmftAnswerKind: what log inference says of a template. */
typedef enum
{
  VMFT_ANSWER_UNSURE,
  VMFT_ANSWER_NORMAL,
  VMFT_ANSWER_FAULTY,
} VmftAnswerKind;

/** vmft_answer_kind_to_string: Returns: "unsure", "normal" or "faulty". */
const char *vmft_answer_kind_to_string (VmftAnswerKind kind);

/** vmft_answer_kind_from_string: Returns: whether @text is one of those words. */
gboolean vmft_answer_kind_from_string (const char *text, VmftAnswerKind *kind) G_GNUC_WARN_UNUSED_RESULT;

/**
 * VmftAnswer: one answer about one template's text.
 * @key: vmft_answer_key() of @template_text
 * @reason: (nullable): short and printable
 * @provider: "kernel-model", "llm" or "none"; "operator" when overruled
 * @overruled: the operator's word, which no provider replaces
 */
typedef struct
{
  char *key;
  char *template_text;
  VmftAnswerKind kind;
  char *reason;
  char *provider;
  VmftTime time_us;
  gboolean overruled;
} VmftAnswer;

void vmft_answer_free (VmftAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftAnswer, vmft_answer_free)

/**
 * vmft_answer_key:
 *
 * The text is what was asked about, and it changes with every generation of a template: so an answer belongs to
 * (template, generation), and a template that comes back after its eviction finds its answer again.
 *
 * Returns: (transfer full): 32 hexadecimal digits, the key in table %VMFT_STORE_ANSWERS
 */
char *vmft_answer_key (const char *template_text);

/** vmft_answer_to_variant: Returns: (transfer floating): the record `a{sv}`. */
GVariant *vmft_answer_to_variant (const VmftAnswer *answer);

/** vmft_answer_from_variant: Returns: (transfer full) (nullable): the answer; NULL for a record that is none. */
VmftAnswer *vmft_answer_from_variant (GVariant *record);

/** VmftAmendment: what an answer changes about a verdict that has already acted. */
typedef enum
{
  VMFT_AMENDMENT_NONE,
  VMFT_AMENDMENT_RAISE, /* the template counts as a fault from now on */
  VMFT_AMENDMENT_LOWER, /* it no longer does */
} VmftAmendment;

/** From here on an answer lowers nothing: log text is written by attackers, and so are answers about it. */
#define VMFT_ANSWER_MAX_LOWERED_P 0.9

/**
 * vmft_answer_amend:
 * @p: the kernel-message model's probability for the template
 * @fault: the template counts as a fault now
 * @has_family: it belongs to a known fault family
 *
 * The combining rule of DESIGN 3.4: an answer may raise a verdict; it lowers none that has a family or
 * p >= %VMFT_ANSWER_MAX_LOWERED_P, nor one whose p is not a number. That holds for an overruled answer too: it
 * speaks of a template wherever it appears, while acknowledging an incident speaks of one locus.
 *
 * Returns: the change
 */
VmftAmendment vmft_answer_amend (VmftAnswerKind kind, double p, gboolean fault, gboolean has_family);

G_END_DECLS
