/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

static void
print_sources (GVariant *input)
{
  g_autoptr (GPtrArray) sources = vmft_cli_children (input, "sources");

  for (guint i = 0; i < sources->len; i++)
    {
      GVariant *source = sources->pdata[i];
      const char *problem = vmft_cli_text (source, "problem");

      g_print ("%-14s %s%s%s%s\n", i == 0 ? "Sources:" : "", vmft_cli_text (source, "name"),
               vmft_dict_boolean (source, "trusted", FALSE) ? " (trusted)" : "", *problem != '-' ? ": " : "",
               *problem != '-' ? problem : "");
    }
}

static void
print_destinations (GVariant *status)
{
  g_autoptr (GPtrArray) destinations = vmft_cli_children (status, "destinations");

  for (guint i = 0; i < destinations->len; i++)
    {
      GVariant *destination = destinations->pdata[i];
      g_autofree char *free_memory = vmft_cli_bytes (destination, "free_bytes");
      gboolean reachable = vmft_dict_boolean (destination, "reachable", FALSE);

      g_print ("%-14s %s: %s, %s free%s\n", i == 0 ? "Destinations:" : "",
               vmft_cli_text (destination, "name"),
               reachable ? "reachable" : vmft_cli_text (destination, "problem"), free_memory,
               vmft_dict_boolean (destination, "suspect", FALSE) ? ", suspect" : "");
    }
}

/* What the readings of dirty rates cost. */
static void
print_sampler (GVariant *status)
{
  g_autoptr (GVariant) sampler = g_variant_lookup_value (status, "sampler", G_VARIANT_TYPE_VARDICT);

  if (sampler != NULL)
    g_print ("%-14s %" G_GINT64_FORMAT " readings, %" G_GINT64_FORMAT
             " failed, under way %.1f%% of the time\n",
             "Sampler:", vmft_dict_int64 (sampler, "readings", 0), vmft_dict_int64 (sampler, "failures", 0),
             100.0 * vmft_dict_double (sampler, "busy_share", 0.0));
}

static void
print_status (GVariant *status)
{
  g_autoptr (GVariant) detector = g_variant_lookup_value (status, "detector", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) input = g_variant_lookup_value (status, "input", G_VARIANT_TYPE_VARDICT);
  g_autofree char *started = vmft_cli_time (status, "started_us");
  g_autofree char *state = vmft_cli_paint (vmft_cli_text (status, "state"));
  g_autofree char *libvirt = vmft_cli_paint (
      vmft_dict_boolean (status, "libvirt_connected", FALSE) ? "connected" : "not connected (retrying)");

  g_print ("%-14s %s, vmftd %s since %s\n", "Host:", vmft_cli_text (status, "host"),
           vmft_cli_text (status, "version"), started);
  g_print ("%-14s %s, mode %s\n", "State:", state, vmft_cli_text (status, "operation"));
  if (vmft_dict_string (status, "inhibited_because") != NULL)
    {
      g_autofree char *until = vmft_cli_time (status, "inhibited_until_us");

      g_print ("%-14s until %s: %s\n", "Inhibited:", until, vmft_cli_text (status, "inhibited_because"));
    }
  g_print ("%-14s %s, %s\n", "Libvirt:", vmft_cli_text (status, "libvirt_uri"), libvirt);
  g_print ("%-14s %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT " open incidents, %" G_GINT64_FORMAT
           " migrations running\n",
           "VMs:", vmft_dict_int64 (status, "vms", 0), vmft_dict_int64 (status, "open_incidents", 0),
           vmft_dict_int64 (status, "running_migrations", 0));
  if (detector != NULL)
    g_print ("%-14s engine %s, %" G_GINT64_FORMAT " lines, %" G_GINT64_FORMAT " templates, %" G_GINT64_FORMAT
             " alarms%s\n",
             "Detector:", vmft_cli_text (detector, "engine"), vmft_dict_int64 (detector, "lines", 0),
             vmft_dict_int64 (detector, "templates", 0), vmft_dict_int64 (detector, "alarms", 0),
             vmft_dict_boolean (detector, "learning", FALSE) ? ", learning" : "");
  print_sampler (status);
  if (input != NULL)
    print_sources (input);
  print_destinations (status);
}

VmftExit
vmft_verb_status (VmftCli *cli, int argc, char **argv)
{
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 0, 0, &exit))
    return exit;
  return vmft_cli_show (cli, "GetStatus", NULL, NULL, print_status);
}
