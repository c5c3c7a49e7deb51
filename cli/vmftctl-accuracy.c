/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include <math.h>

static void
add_share (VmftTable *table, GVariant *row, const char *key)
{
  double value = vmft_dict_double (row, key, NAN);

  if (isfinite (value))
    vmft_table_add_printf (table, "%.0f%%", 100.0 * value);
  else
    vmft_table_add_printf (table, "-");
}

static void
print_accuracy (GVariant *modes)
{
  static const char *const headings[] = { "Mode",           "n", "Censored", "Median error", "Under p90",
                                          "Error of a*s+b", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) rows = vmft_cli_rows (modes);

  for (guint i = 0; i < rows->len; i++)
    {
      vmft_table_add_printf (table, "%s", vmft_cli_text (rows->pdata[i], "mode"));
      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (rows->pdata[i], "n", 0));
      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (rows->pdata[i], "censored", 0));
      add_share (table, rows->pdata[i], "median_error");
      add_share (table, rows->pdata[i], "p90_coverage");
      add_share (table, rows->pdata[i], "linear_median_error");
    }
  vmft_cli_print_table (table);
}

VmftExit
vmft_verb_accuracy (VmftCli *cli, int argc, char **argv)
{
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 0, 0, &exit))
    return exit;
  return vmft_cli_show (cli, "GetAccuracy", NULL, NULL, print_accuracy);
}
