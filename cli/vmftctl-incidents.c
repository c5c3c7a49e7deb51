/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

static void
print_incidents (GVariant *incidents)
{
  static const char *const headings[] = { "Id",   "State",  "Class", "Locus", "First",
                                          "Last", "Alarms", "p",     "What",  NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) rows = vmft_cli_rows (incidents);

  for (guint i = 0; i < rows->len; i++)
    {
      GVariant *incident = rows->pdata[i];
      g_autofree char *first = vmft_cli_time (incident, "first_us");
      g_autofree char *last = vmft_cli_time (incident, "last_us");

      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (incident, "id", 0));
      vmft_table_add_printf (table, "%s%s", vmft_cli_text (incident, "state"),
                             vmft_dict_boolean (incident, "drill", FALSE) ? " (drill)" : "");
      vmft_table_paint (table, vmft_cli_state_sgr (vmft_cli_text (incident, "state")));
      vmft_table_add_printf (table, "%s", vmft_cli_text (incident, "class"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (incident, "locus"));
      vmft_table_add_printf (table, "%s", first);
      vmft_table_add_printf (table, "%s", last);
      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (incident, "alarms", 0));
      vmft_table_add_printf (table, "%.3f", vmft_dict_double (incident, "p", 0.0));
      vmft_table_add_printf (table, "%s",
                             vmft_dict_string (incident, "family") ? vmft_cli_text (incident, "family")
                                                                   : vmft_cli_text (incident, "template"));
    }
  vmft_cli_print_table (table);
}

VmftExit
vmft_verb_incidents (VmftCli *cli, int argc, char **argv)
{
  return vmft_cli_list (cli, argc, argv, "ListIncidents", VMFT_CLI_LIST_OPEN, print_incidents);
}
