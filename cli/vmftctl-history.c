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
      vmft_table_add_printf (table, "%s", vmft_cli_mode (job));
      vmft_table_add_printf (table, "%s", vmft_cli_text (job, "destination"));
      vmft_cli_add_state (table, vmft_cli_text (job, "state"));
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
  return vmft_cli_list (cli, argc, argv, "ListMigrations", VMFT_CLI_LIST_INCIDENT, print_migrations);
}
