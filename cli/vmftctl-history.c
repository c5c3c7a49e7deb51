/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

static void
print_migrations (GVariant *migrations)
{
  static const char *const headings[] = { "Id",       "Started", "VM",       "Mode", "To", "State",
                                          "Forecast", "Actual",  "Downtime", "Data", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) rows = vmft_cli_rows (migrations);

  for (guint i = 0; i < rows->len; i++)
    {
      GVariant *job = rows->pdata[i];
      g_autofree char *started = vmft_cli_time (job, "started_us");
      g_autofree char *forecast = vmft_cli_duration (job, "forecast_p50_s");
      g_autofree char *actual = vmft_cli_duration (job, "total_s");
      g_autofree char *downtime = vmft_cli_duration (job, "downtime_s");
      g_autofree char *bytes = vmft_cli_bytes (job, "transferred_bytes");

      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (job, "id", 0));
      vmft_table_add_printf (table, "%s", started);
      vmft_table_add_printf (table, "%s", vmft_cli_text (job, "name"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (job, "mode"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (job, "destination"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (job, "state"));
      vmft_table_add_printf (table, "%s", forecast);
      vmft_table_add_printf (table, "%s", actual);
      vmft_table_add_printf (table, "%s", downtime);
      vmft_table_add_printf (table, "%s", bytes);
    }
  vmft_cli_print_table (table);
}

VmftExit
vmft_verb_history (VmftCli *cli, int argc, char **argv)
{
  int limit = 50;
  gint64 incident = 0;
  const GOptionEntry entries[] = {
    { "limit", 'n', 0, G_OPTION_ARG_INT, &limit, "The newest N (0: all)", "N" },
    { "incident", 'i', 0, G_OPTION_ARG_INT64, &incident, "Of one incident", "ID" },
    { NULL },
  };
  GVariantDict options;
  g_autoptr (GVariant) migrations = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 0, 0, &exit))
    return exit;
  if (limit < 0 || incident < 0)
    return vmft_cli_usage (cli, "a number must not be negative");
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "limit", "u", (guint) limit);
  g_variant_dict_insert (&options, "incident", "t", (guint64) incident);
  migrations = vmft_cli_call (cli, "ListMigrations", NULL, g_variant_dict_end (&options), &exit);
  if (migrations == NULL)
    return exit;
  if (cli->json)
    vmft_cli_print_json (migrations);
  else
    print_migrations (migrations);
  return VMFT_EXIT_OK;
}

VmftExit
vmft_verb_abort (VmftCli *cli, int argc, char **argv)
{
  g_autofree char *path = NULL;
  g_autoptr (GVariant) reply = NULL;
  VmftExit exit = VMFT_EXIT_OK;
  guint64 id;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 1, 1, &exit))
    return exit;
  id = vmft_cli_parse_id (cli, argv[1]);
  if (id == 0)
    return VMFT_EXIT_USAGE;
  path = g_strdup_printf ("/org/vmft1/migration/%" G_GUINT64_FORMAT, id);
  reply = vmft_cli_call_at (cli, path, "org.vmft1.Migration", "Abort", NULL, NULL, &exit);
  return reply ? VMFT_EXIT_OK : exit;
}
