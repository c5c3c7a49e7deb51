/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

static const char *
can_move (GVariant *vm)
{
  g_autoptr (GPtrArray) destinations = vmft_cli_children (vm, "destinations");

  if (vmft_dict_boolean (vm, "off", FALSE))
    return "off";
  for (guint i = 0; i < destinations->len; i++)
    if (vmft_dict_boolean (destinations->pdata[i], "movable", FALSE))
      return "yes";
  return "no";
}

static char *
dirty_rate (GVariant *vm)
{
  g_autoptr (GVariant) curve = g_variant_lookup_value (vm, "curve", G_VARIANT_TYPE_VARDICT);
  g_autofree char *rate = NULL;

  if (curve == NULL || !vmft_dict_boolean (curve, "measured", FALSE))
    return g_strdup ("-");
  rate = vmft_cli_bytes (curve, "rate_bps");
  return g_strdup_printf ("%s/s", rate);
}

static void
print_vms (GVariant *vms)
{
  static const char *const headings[] = { "Id",         "Name",     "State",   "Memory", "In use",
                                          "Dirty rate", "Priority", "Movable", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) rows = vmft_cli_rows (vms);

  for (guint i = 0; i < rows->len; i++)
    {
      GVariant *vm = rows->pdata[i];
      g_autofree char *memory = vmft_cli_bytes (vm, "memory_bytes");
      g_autofree char *resident = vmft_cli_bytes (vm, "resident_bytes");
      g_autofree char *rate = dirty_rate (vm);
      gint64 id = vmft_dict_int64 (vm, "id", -1);

      if (id >= 0)
        vmft_table_add_printf (table, "%" G_GINT64_FORMAT, id);
      else
        vmft_table_add_printf (table, "-");
      vmft_table_add_printf (table, "%s", vmft_cli_text (vm, "name"));
      vmft_cli_add_state (table, vmft_dict_boolean (vm, "migrating", FALSE) ? "migrating"
                                 : vmft_dict_boolean (vm, "running", FALSE) ? "running"
                                                                            : "not running");
      vmft_table_add_printf (table, "%s", memory);
      vmft_table_add_printf (table, "%s", resident);
      vmft_table_add_printf (table, "%s", rate);
      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (vm, "priority", 0));
      vmft_table_add_printf (table, "%s", can_move (vm));
    }
  vmft_cli_print_table (table);
}

VmftExit
vmft_verb_list (VmftCli *cli, int argc, char **argv)
{
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 0, 0, &exit))
    return exit;
  return vmft_cli_show (cli, "ListVMs", NULL, NULL, print_vms);
}
