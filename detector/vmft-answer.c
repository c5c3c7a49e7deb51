/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-answer.h"

#define KEY_DIGITS 32

static const char *const kinds[] = {
  [VMFT_ANSWER_UNSURE] = "unsure",
  [VMFT_ANSWER_NORMAL] = "normal",
  [VMFT_ANSWER_FAULTY] = "faulty",
};

const char *
vmft_answer_kind_to_string (VmftAnswerKind kind)
{
  return kinds[kind];
}

gboolean
vmft_answer_kind_from_string (const char *text, VmftAnswerKind *kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_strcmp0 (text, kinds[i]) == 0)
      {
        *kind = (VmftAnswerKind) i;
        return TRUE;
      }
  return FALSE;
}

void
vmft_answer_free (VmftAnswer *answer)
{
  g_free (answer->key);
  g_free (answer->template_text);
  g_free (answer->reason);
  g_free (answer->provider);
  g_free (answer);
}

char *
vmft_answer_key (const char *template_text)
{
  char *key = g_compute_checksum_for_string (G_CHECKSUM_SHA256, template_text, -1);

  key[KEY_DIGITS] = '\0';
  return key;
}

GVariant *
vmft_answer_to_variant (const VmftAnswer *answer)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "key", "s", answer->key);
  g_variant_dict_insert (&dict, "template", "s", answer->template_text);
  g_variant_dict_insert (&dict, "answer", "s", vmft_answer_kind_to_string (answer->kind));
  g_variant_dict_insert (&dict, "reason", "s", answer->reason ? answer->reason : "");
  g_variant_dict_insert (&dict, "provider", "s", answer->provider);
  g_variant_dict_insert (&dict, "time_us", "x", answer->time_us);
  g_variant_dict_insert (&dict, "overruled", "b", answer->overruled);
  return g_variant_dict_end (&dict);
}

VmftAnswer *
vmft_answer_from_variant (GVariant *record)
{
  const char *template_text = vmft_dict_string (record, "template");
  const char *provider = vmft_dict_string (record, "provider");
  VmftAnswerKind kind;
  VmftAnswer *answer;

  if (template_text == NULL || provider == NULL ||
      !vmft_answer_kind_from_string (vmft_dict_string (record, "answer"), &kind))
    return NULL;
  answer = g_new0 (VmftAnswer, 1);
  answer->key = vmft_answer_key (template_text);
  answer->template_text = g_strdup (template_text);
  answer->kind = kind;
  answer->reason = g_strdup (vmft_dict_string (record, "reason"));
  answer->provider = g_strdup (provider);
  answer->time_us = vmft_dict_int64 (record, "time_us", VMFT_TIME_UNKNOWN);
  answer->overruled = vmft_dict_boolean (record, "overruled", FALSE);
  return answer;
}

VmftAmendment
vmft_answer_amend (VmftAnswerKind kind, double p, gboolean fault, gboolean has_family)
{
  if (kind == VMFT_ANSWER_FAULTY && !fault)
    return VMFT_AMENDMENT_RAISE;
  /* "p < limit", so that a p that is not a number protects too */
  if (kind == VMFT_ANSWER_NORMAL && fault && !has_family && p < VMFT_ANSWER_MAX_LOWERED_P)
    return VMFT_AMENDMENT_LOWER;
  return VMFT_AMENDMENT_NONE;
}
