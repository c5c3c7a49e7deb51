/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-eval.h"

#include "vmft-common.h"
#include "vmft-detector.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>

typedef struct
{
  gboolean content;
  gboolean assign;
  gboolean json;
  int depth;
  double similarity;
  int max_children;
  int max_clusters;
  VmftDrain *drain;
  guint64 lines;
  GVariantBuilder *ids; /* with both @assign and @json */
} Templates;

static FILE *
open_log (const char *path, GError **error)
{
  FILE *file = g_str_equal (path, "-") ? fdopen (0, "r") : fopen (path, "re");

  if (file == NULL)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "%s: %s", path, g_strerror (errno));
  return file;
}

static void
take_line (Templates *self, const char *data, gsize length)
{
  VmftSlice text = { data, length };
  VmftDrainMatch match;
  VmftLine line;

  if (!self->content)
    {
      vmft_line_split (&line, VMFT_LINE_AUTO, data, length, VMFT_TIME_UNKNOWN);
      text = line.text;
    }
  vmft_drain_add (self->drain, text.data, text.length, &match);
  self->lines++;
  if (self->assign && self->json)
    g_variant_builder_add (self->ids, "u", match.id);
  else if (self->assign)
    printf ("%u\n", match.id);
}

static gboolean
read_log (Templates *self, const char *path, GError **error)
{
  FILE *file = open_log (path, error);
  char *buffer = NULL;
  size_t allocated = 0;
  ssize_t length;
  int saved;

  if (file == NULL)
    return FALSE;
  while ((length = getline (&buffer, &allocated, file)) >= 0)
    take_line (self, buffer, (gsize) length - (buffer[length - 1] == '\n' ? 1 : 0));
  saved = ferror (file) ? errno : 0;
  free (buffer);
  fclose (file);
  if (saved != 0)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved), "%s: %s", path, g_strerror (saved));
  return saved == 0;
}

static void
add_row (const VmftDrainTemplate *info, gpointer user_data)
{
  g_autofree char *text = vmft_text_printable (info->text, (gssize) info->length);

  vmft_table_add_printf (user_data, "%u", info->id);
  vmft_table_add_printf (user_data, "%" G_GUINT64_FORMAT, info->size);
  vmft_table_add_printf (user_data, "%s", text);
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

static void
print_json (Templates *self)
{
  g_auto (GVariantBuilder) templates = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autofree char *text = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "lines", "t", self->lines);
  if (self->assign)
    {
      g_variant_dict_insert_value (&dict, "ids", g_variant_builder_end (self->ids));
    }
  else
    {
      vmft_drain_foreach (self->drain, add_record, &templates);
      g_variant_dict_insert_value (&dict, "templates", g_variant_builder_end (&templates));
    }
  text = vmft_json_from_variant (g_variant_dict_end (&dict), TRUE);
  puts (text);
}

static void
print_table (Templates *self)
{
  static const char *const headings[] = { "Id", "Count", "Template", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autofree char *text = NULL;

  vmft_drain_foreach (self->drain, add_row, table);
  text = vmft_table_to_string (table);
  fputs (text, stdout);
}

static gboolean
run (Templates *self, const char *path, GError **error)
{
  g_auto (GVariantBuilder) ids = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("au"));
  g_autoptr (VmftDrain) drain = NULL;
  VmftDrainConfig config;

  vmft_drain_config_init (&config);
  config.depth = (guint) MAX (self->depth, 0);
  config.similarity = self->similarity;
  config.max_children = (guint) MAX (self->max_children, 0);
  config.max_clusters = (guint) MAX (self->max_clusters, 0);
  drain = vmft_drain_new (&config, error);
  if (drain == NULL)
    return FALSE;
  self->drain = drain;
  self->ids = &ids;
  if (!read_log (self, path, error))
    return FALSE;
  if (self->json)
    print_json (self);
  else if (!self->assign)
    print_table (self);
  return TRUE;
}

gboolean
vmft_eval_templates (int argc, char **argv, GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE");
  Templates self = { .depth = 4, .similarity = 0.4, .max_children = 100 };
  const GOptionEntry entries[] = {
    { "content", 0, 0, G_OPTION_ARG_NONE, &self.content, "Lines are bare messages, no header to split off",
      NULL },
    { "assign", 0, 0, G_OPTION_ARG_NONE, &self.assign, "Print one template id per line of input", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "Print JSON", NULL },
    { "depth", 0, 0, G_OPTION_ARG_INT, &self.depth, "Depth of the tree (4)", "N" },
    { "similarity", 0, 0, G_OPTION_ARG_DOUBLE, &self.similarity,
      "Share of equal words to join a template (0.4)", "S" },
    { "max-children", 0, 0, G_OPTION_ARG_INT, &self.max_children, "Children of a tree node (100)", "N" },
    { "max-clusters", 0, 0, G_OPTION_ARG_INT, &self.max_clusters, "Keep the N templates used last (all)",
      "N" },
    { NULL },
  };

  g_option_context_set_summary (context, "Reads a log (- for standard input) and prints its templates.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc != 2)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "needs one FILE; see --help");
      return FALSE;
    }
  return run (&self, argv[1], error);
}
