/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

static void
print_link (GVariant *destination)
{
  g_autoptr (GVariant) link = g_variant_lookup_value (destination, "link", G_VARIANT_TYPE_VARDICT);
  g_autofree char *bandwidth = link ? vmft_cli_bytes (link, "bandwidth_bps") : NULL;
  g_autofree char *startup = link ? vmft_cli_duration (link, "startup_s") : NULL;

  if (link != NULL)
    g_print ("  %s/s after %s, from %" G_GINT64_FORMAT " jobs\n", bandwidth, startup,
             vmft_dict_int64 (link, "jobs", 0));
}

static void
print_destinations (GVariant *vm, gboolean estimates)
{
  g_autoptr (GPtrArray) destinations = vmft_cli_children (vm, "destinations");

  for (guint i = 0; i < destinations->len; i++)
    {
      GVariant *destination = destinations->pdata[i];
      g_autoptr (GPtrArray) modes = vmft_cli_children (destination, "estimates");

      g_print ("To %s: %s%s\n", vmft_cli_text (destination, "destination"),
               vmft_dict_boolean (destination, "movable", FALSE) ? "can move" : "cannot move: ",
               vmft_dict_boolean (destination, "movable", FALSE) ? ""
                                                                 : vmft_cli_text (destination, "reason"));
      print_link (destination);
      if (estimates && modes->len > 0)
        vmft_cli_print_estimates (modes, "  ");
    }
  if (destinations->len == 0)
    g_print ("No destination is configured.\n");
}

static void
print_load (GVariant *vm)
{
  g_autoptr (GVariant) curve = g_variant_lookup_value (vm, "curve", G_VARIANT_TYPE_VARDICT);
  g_autofree char *memory = vmft_cli_bytes (vm, "memory_bytes");
  g_autofree char *resident = vmft_cli_bytes (vm, "resident_bytes");

  g_print ("%-14s %s, %s in use", "Memory:", memory, resident);
  if (vmft_dict_double (vm, "written_share", 0.0) > 0.0)
    g_print (", %.0f%% written", 100.0 * vmft_dict_double (vm, "written_share", 0.0));
  g_print ("\n");
  if (curve != NULL && vmft_dict_boolean (curve, "measured", FALSE))
    {
      g_autofree char *rate = vmft_cli_bytes (curve, "rate_bps");
      g_autofree char *set = vmft_cli_bytes (curve, "working_set_bytes");

      g_print ("%-14s %s/s over a working set of %s, %" G_GINT64_FORMAT " samples\n", "Dirty rate:", rate,
               set, vmft_dict_int64 (curve, "samples", 0));
    }
  else
    {
      g_print ("%-14s not measured yet, assumed\n", "Dirty rate:");
    }
}

static void
print_policy (GVariant *vm)
{
  gint64 downtime_ms = vmft_dict_int64 (vm, "max_downtime_ms", 0);

  g_print ("%-14s priority %" G_GINT64_FORMAT ", modes %s", "Policy:", vmft_dict_int64 (vm, "priority", 0),
           vmft_cli_text (vm, "allowed_modes"));
  if (downtime_ms > 0)
    g_print (", downtime up to %" G_GINT64_FORMAT " ms", downtime_ms);
  g_print ("%s\n", vmft_dict_boolean (vm, "off", FALSE) ? ", off" : "");
}

static void
print_vm (GVariant *vm)
{
  g_autoptr (GPtrArray) disks = vmft_cli_children (vm, "disks");

  g_print ("%-14s %s (%s)\n", "VM:", vmft_cli_text (vm, "name"), vmft_cli_text (vm, "uuid"));
  g_print ("%-14s %s, %s, %" G_GINT64_FORMAT " vCPUs\n",
           "State:", vmft_dict_boolean (vm, "running", FALSE) ? "running" : "not running",
           vmft_dict_boolean (vm, "kvm", FALSE) ? "KVM" : "TCG", vmft_dict_int64 (vm, "vcpus", 0));
  print_load (vm);
  print_policy (vm);
  for (guint i = 0; i < disks->len; i++)
    g_print ("%-14s %s on %s%s%s%s%s%s\n", i == 0 ? "Disks:" : "", vmft_cli_text (disks->pdata[i], "target"),
             vmft_cli_text (disks->pdata[i], "source"),
             vmft_dict_string (disks->pdata[i], "pool") ? " of storage pool " : "",
             vmft_dict_string (disks->pdata[i], "pool") ? vmft_cli_text (disks->pdata[i], "pool") : "",
             vmft_dict_string (disks->pdata[i], "device") ? ", device " : "",
             vmft_dict_string (disks->pdata[i], "device") ? vmft_cli_text (disks->pdata[i], "device") : "",
             vmft_dict_boolean (disks->pdata[i], "shared", FALSE) ? ", shared" : "");
  if (vmft_dict_string (vm, "blocker") != NULL)
    g_print ("%-14s %s\n", "Blocked:", vmft_cli_text (vm, "blocker"));
  print_destinations (vm, TRUE);
}

static void
print_estimate (GVariant *vm)
{
  print_load (vm);
  print_destinations (vm, TRUE);
}

static VmftExit
show_vm (VmftCli *cli, int argc, char **argv, VmftCliPrint print)
{
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 1, 1, &exit))
    return exit;
  return vmft_cli_show (cli, "GetVM", g_variant_new ("(s)", argv[1]), NULL, print);
}

VmftExit
vmft_verb_show (VmftCli *cli, int argc, char **argv)
{
  return show_vm (cli, argc, argv, print_vm);
}

VmftExit
vmft_verb_estimate (VmftCli *cli, int argc, char **argv)
{
  return show_vm (cli, argc, argv, print_estimate);
}
