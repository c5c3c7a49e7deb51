/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the operator sees of log inference, and says in its place. */
#include "vmft-daemon-private.h"

GVariant *
vmft_daemon_list_answers (VmftDaemon *self, const VmftQuery *query, GError **error)
{
  g_autoptr (GPtrArray) answers = vmft_inference_list (vmft_inquiry_get_inference (self->inquiry));
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < answers->len && (query->limit == 0 || i < query->limit); i++)
    g_variant_builder_add_value (&builder, vmft_answer_to_variant (g_ptr_array_index (answers, i)));
  return g_variant_builder_end (&builder);
}

gboolean
vmft_daemon_forget_answer (VmftDaemon *self, const char *key, GError **error)
{
  return vmft_inquiry_forget (self->inquiry, key, error);
}

gboolean
vmft_daemon_overrule_answer (VmftDaemon *self,
                             const char *template_text,
                             const char *answer,
                             const char *reason,
                             GError **error)
{
  const VmftAnswer *known = vmft_inquiry_find (self->inquiry, template_text);
  g_autofree char *text = g_strdup (known ? known->template_text : template_text);
  VmftAnswerKind kind;

  if (!vmft_answer_kind_from_string (answer, &kind))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "“%s” is not an answer (faulty, normal, unsure)",
                   answer);
      return FALSE;
    }
  if (*text == '\0')
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "which template is meant?");
      return FALSE;
    }
  return vmft_inference_overrule (vmft_inquiry_get_inference (self->inquiry), text, kind, reason, error);
}
