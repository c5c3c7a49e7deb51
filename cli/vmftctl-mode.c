/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

VmftExit
vmft_verb_mode (VmftCli *cli, int argc, char **argv)
{
  g_autoptr (GVariant) reply = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 0, 1, &exit))
    return exit;
  if (argc == 2)
    {
      reply = vmft_cli_call (cli, "SetOperation", g_variant_new ("(s)", argv[1]), NULL, &exit);
      return reply ? vmft_cli_done (cli, "{'operation': <%s>}", argv[1]) : exit;
    }
  reply = vmft_cli_call (cli, "GetStatus", NULL, NULL, &exit);
  if (reply == NULL)
    return exit;
  if (!cli->json)
    g_print ("%s\n", vmft_cli_text (reply, "operation"));
  return vmft_cli_done (cli, "{'operation': <%s>}", vmft_cli_text (reply, "operation"));
}

VmftExit
vmft_verb_reload (VmftCli *cli, int argc, char **argv)
{
  g_autoptr (GVariant) reply = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 0, 0, &exit))
    return exit;
  reply = vmft_cli_call (cli, "Reload", NULL, NULL, &exit);
  return reply ? vmft_cli_done (cli, "{'reloaded': <true>}") : exit;
}
