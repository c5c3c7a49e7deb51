/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-eval.h"

#include "vmft-common.h"
#include "vmft-templates.h"

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
  GVariantBuilder *ids; /* with both @assign and @json */
} Templates;

static void
take_id (guint32 id, gpointer user_data)
{
  Templates *self = user_data;

  if (self->json)
    g_variant_builder_add (self->ids, "u", id);
  else
    printf ("%u\n", id);
}

static void
print_json (Templates *self, VmftDrain *drain, guint64 n_lines)
{
  g_autofree char *text = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "lines", "t", n_lines);
  if (self->assign)
    g_variant_dict_insert_value (&dict, "ids", g_variant_builder_end (self->ids));
  else
    g_variant_dict_insert_value (&dict, "templates", vmft_templates_to_variant (drain));
  text = vmft_json_from_variant (g_variant_dict_end (&dict), TRUE);
  puts (text);
}

static gboolean
run (Templates *self, const char *path, GError **error)
{
  g_auto (GVariantBuilder) ids = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("au"));
  g_autoptr (VmftDrain) drain = NULL;
  g_autofree char *table = NULL;
  VmftDrainConfig config;
  guint64 n_lines;

  vmft_drain_config_init (&config);
  config.depth = (guint) MAX (self->depth, 0);
  config.similarity = self->similarity;
  config.max_children = (guint) MAX (self->max_children, 0);
  config.max_clusters = (guint) MAX (self->max_clusters, 0);
  drain = vmft_drain_new (&config, error);
  if (drain == NULL)
    return FALSE;
  self->ids = &ids;
  if (!vmft_templates_read (drain, path, self->content, self->assign ? take_id : NULL, self, &n_lines, error))
    return FALSE;
  if (self->json)
    {
      print_json (self, drain, n_lines);
    }
  else if (!self->assign)
    {
      table = vmft_templates_to_string (drain);
      fputs (table, stdout);
    }
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

  g_option_context_set_summary (context,
                                "Reads a log (- for standard input, .gz unpacked) and prints its templates.");
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
