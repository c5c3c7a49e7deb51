/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

VmftExit
vmft_verb_why (VmftCli *cli, int argc, char **argv)
{
  VmftExit exit = VMFT_EXIT_OK;
  guint64 id;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 1, 1, &exit))
    return exit;
  id = vmft_cli_parse_id (cli, argv[1]);
  if (id == 0)
    return VMFT_EXIT_USAGE;
  return vmft_cli_show (cli, "Explain", g_variant_new ("(t)", id), NULL, vmft_cli_print_story);
}
