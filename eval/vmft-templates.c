/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-templates.h"

#include "vmft-common.h"
#include "vmft-line.h"
#include "vmft-log-file.h"

typedef struct
{
  VmftDrain *drain;
  gboolean content;
  VmftTemplatesFunc func;
  gpointer user_data;
  guint64 n_lines;
} Reading;

static gboolean
take_line (const char *data, gsize length, gpointer user_data)
{
  Reading *self = user_data;
  VmftSlice text = { data, length };
  VmftDrainMatch match;
  VmftLine line;

  if (!self->content)
    {
      vmft_line_split (&line, VMFT_LINE_AUTO, data, length, VMFT_TIME_UNKNOWN);
      text = line.text;
    }
  vmft_drain_add (self->drain, text.data, text.length, &match);
  self->n_lines++;
  if (self->func)
    self->func (match.id, self->user_data);
  return TRUE;
}

gboolean
vmft_templates_read (VmftDrain *drain,
                     const char *path,
                     gboolean content,
                     VmftTemplatesFunc func,
                     gpointer user_data,
                     guint64 *n_lines,
                     GError **error)
{
  Reading self = { .drain = drain, .content = content, .func = func, .user_data = user_data };
  gboolean read = vmft_log_file_read (path, take_line, &self, error);

  *n_lines = self.n_lines;
  return read;
}

static void
add_record (const VmftDrainTemplate *info, gpointer user_data)
{
  g_autofree char *text = vmft_text_printable (info->text, (gssize) info->length);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "u", info->id);
  g_variant_dict_insert (&dict, "count", "t", info->size);
  g_variant_dict_insert (&dict, "generation", "u", info->generation);
  g_variant_dict_insert (&dict, "template", "s", text);
  g_variant_builder_add_value (user_data, g_variant_dict_end (&dict));
}

GVariant *
vmft_templates_to_variant (VmftDrain *drain)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  vmft_drain_foreach (drain, add_record, &builder);
  return g_variant_builder_end (&builder);
}

static void
add_row (const VmftDrainTemplate *info, gpointer user_data)
{
  g_autofree char *text = vmft_text_printable (info->text, (gssize) info->length);

  vmft_table_add_printf (user_data, "%u", info->id);
  vmft_table_add_printf (user_data, "%" G_GUINT64_FORMAT, info->size);
  vmft_table_add_printf (user_data, "%s", text);
}

char *
vmft_templates_to_string (VmftDrain *drain)
{
  static const char *const headings[] = { "Id", "Count", "Template", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);

  vmft_drain_foreach (drain, add_row, table);
  return vmft_table_to_string (table);
}
