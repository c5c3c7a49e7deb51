/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include <string.h>

static void
print_leads (GVariant *leads)
{
  static const char *const headings[] = { "Class", "p5",  "p10",      "p50",    "p90",
                                          "Fails", "Own", "Censored", "Origin", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) rows = vmft_cli_rows (leads);

  for (guint i = 0; i < rows->len; i++)
    {
      static const char *const quantiles[] = { "p5_s", "p10_s", "p50_s", "p90_s" };
      GVariant *row = rows->pdata[i];

      vmft_table_add_printf (table, "%s", vmft_cli_text (row, "class"));
      for (guint q = 0; q < G_N_ELEMENTS (quantiles); q++)
        {
          g_autofree char *text = vmft_cli_duration (row, quantiles[q]);

          vmft_table_add_printf (table, "%s", text);
        }
      vmft_table_add_printf (table, "%.0f%%", 100.0 * vmft_dict_double (row, "pi", 0.0));
      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (row, "events", 0));
      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (row, "censored", 0));
      vmft_table_add_printf (table, "%s", vmft_cli_text (row, "origin"));
    }
  vmft_cli_print_table (table);
}

/* JSON gives av, the bus wants aa{sv}. */
static GVariant *
records_from_json (const char *text, GError **error)
{
  g_autoptr (GVariant) parsed = vmft_json_to_variant (text, error);
  g_autoptr (GPtrArray) rows = NULL;
  GVariantBuilder builder;

  if (parsed == NULL)
    return NULL;
  rows = vmft_cli_rows (parsed);
  if (rows->len == 0 || rows->len != g_variant_n_children (parsed))
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "not a list of records");
      return NULL;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < rows->len; i++)
    g_variant_builder_add_value (&builder, rows->pdata[i]);
  return g_variant_builder_end (&builder);
}

static VmftExit
import_leads (VmftCli *cli, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GVariant) imported = NULL;
  GVariant *records = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (g_file_get_contents (path, &text, NULL, &error))
    records = records_from_json (text, &error);
  if (records == NULL)
    {
      g_prefix_error (&error, "%s: ", path);
      return vmft_cli_fail (cli, error);
    }
  imported = vmft_cli_call (cli, "ImportLeads", g_variant_new ("(@aa{sv})", records), NULL, &exit);
  if (imported == NULL)
    return exit;
  if (!cli->json)
    g_print ("%u lead times imported\n", g_variant_get_uint32 (imported));
  return vmft_cli_done (cli, "{'imported': <%u>}", g_variant_get_uint32 (imported));
}

VmftExit
vmft_verb_leads (VmftCli *cli, int argc, char **argv)
{
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 0, 2, &exit))
    return exit;
  if (argc == 1)
    return vmft_cli_show (cli, "DescribeLeads", NULL, NULL, print_leads);
  if (argc == 3 && strcmp (argv[1], "import") == 0)
    return import_leads (cli, argv[2]);
  if (argc != 2 || strcmp (argv[1], "export") != 0)
    return vmft_cli_usage (cli, "say import FILE or export");
  return vmft_cli_show (cli, "ExportLeads", NULL, NULL, vmft_cli_print_json);
}
