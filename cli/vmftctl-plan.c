/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

static VmftExit
show_last (VmftCli *cli)
{
  GVariantDict options;
  g_autoptr (GVariant) plans = NULL;
  g_autoptr (GPtrArray) rows = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "limit", "u", 1u);
  plans = vmft_cli_call (cli, "ListPlans", NULL, g_variant_dict_end (&options), &exit);
  if (plans == NULL)
    return exit;
  rows = vmft_cli_rows (plans);
  if (cli->json)
    vmft_cli_print_json (plans);
  else if (rows->len == 0)
    g_print ("No plan has been made.\n");
  else
    vmft_cli_print_plan (rows->pdata[0], FALSE);
  return VMFT_EXIT_OK;
}

VmftExit
vmft_verb_plan (VmftCli *cli, int argc, char **argv)
{
  g_autofree char *host_fault = NULL;
  gboolean last = FALSE, estimates = FALSE;
  const GOptionEntry entries[] = {
    { "host-fault", 0, 0, G_OPTION_ARG_STRING, &host_fault, "Suppose a fault of CLASS on the whole host",
      "CLASS" },
    { "last", 'l', 0, G_OPTION_ARG_NONE, &last, "Show the plan made last", NULL },
    { "estimates", 'e', 0, G_OPTION_ARG_NONE, &estimates, "Show every mode's estimate", NULL },
    { NULL },
  };
  GVariantDict options;
  g_autoptr (GVariant) plan = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 0, 0, &exit))
    return exit;
  if (last && host_fault != NULL)
    return vmft_cli_usage (cli, "--last and --host-fault exclude each other");
  if (last)
    return show_last (cli);
  g_variant_dict_init (&options, NULL);
  if (host_fault != NULL)
    g_variant_dict_insert (&options, "host-fault", "s", host_fault);
  plan = vmft_cli_call (cli, "Plan", NULL, g_variant_dict_end (&options), &exit);
  if (plan == NULL)
    return exit;
  if (cli->json)
    vmft_cli_print_json (plan);
  else
    vmft_cli_print_plan (plan, estimates);
  return VMFT_EXIT_OK;
}
