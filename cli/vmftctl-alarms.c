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
  int limit = 50;
  gint64 incident = 0;
  const GOptionEntry entries[] = {
    { "limit", 'n', 0, G_OPTION_ARG_INT, &limit, "The newest N (0: all)", "N" },
    { "incident", 'i', 0, G_OPTION_ARG_INT64, &incident, "Of one incident", "ID" },
    { NULL },
  };
  GVariantDict options;
  g_autoptr (GVariant) alarms = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 0, 0, &exit))
    return exit;
  if (limit < 0 || incident < 0)
    return vmft_cli_usage (cli, "a number must not be negative");
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "limit", "u", (guint) limit);
  g_variant_dict_insert (&options, "incident", "t", (guint64) incident);
  alarms = vmft_cli_call (cli, "ListAlarms", NULL, g_variant_dict_end (&options), &exit);
  if (alarms == NULL)
    return exit;
  if (cli->json)
    vmft_cli_print_json (alarms);
  else
    print_alarms (alarms);
  return VMFT_EXIT_OK;
}
