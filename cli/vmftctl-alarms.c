/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

static void
print_alarms (GVariant *alarms)
{
  static const char *const headings[] = { "Id", "Incident", "Time", "p", "Class", "Locus", "Line", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) rows = vmft_cli_rows (alarms);

  for (guint i = 0; i < rows->len; i++)
    {
      GVariant *alarm = rows->pdata[i];
      g_autofree char *time = vmft_cli_time (alarm, "time_us");

      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (alarm, "id", 0));
      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (alarm, "incident_id", 0));
      vmft_table_add_printf (table, "%s", time);
      vmft_table_add_printf (table, "%.3f", vmft_dict_double (alarm, "p", 0.0));
      vmft_table_add_printf (table, "%s", vmft_cli_text (alarm, "class"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (alarm, "locus"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (alarm, "line"));
    }
  vmft_cli_print_table (table);
}

VmftExit
vmft_verb_alarms (VmftCli *cli, int argc, char **argv)
{
  return vmft_cli_list (cli, argc, argv, "ListAlarms", VMFT_CLI_LIST_INCIDENT, print_alarms);
}
