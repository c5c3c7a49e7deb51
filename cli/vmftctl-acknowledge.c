/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

VmftExit
vmft_verb_acknowledge (VmftCli *cli, int argc, char **argv)
{
  gboolean benign = FALSE, clear = FALSE;
  const GOptionEntry entries[] = {
    { "benign", 0, 0, G_OPTION_ARG_NONE, &benign, "These lines are harmless on this host: they become normal",
      NULL },
    { "clear", 0, 0, G_OPTION_ARG_NONE, &clear, "The state behind the incident is gone", NULL },
    { NULL },
  };
  GVariantDict options;
  g_autoptr (GVariant) reply = NULL;
  VmftExit exit = VMFT_EXIT_OK;
  guint64 id;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 1, 1, &exit))
    return exit;
  id = vmft_cli_parse_id (cli, argv[1]);
  if (id == 0)
    return VMFT_EXIT_USAGE;
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "benign", "b", benign);
  g_variant_dict_insert (&options, "clear", "b", clear);
  reply = vmft_cli_call (cli, "Acknowledge", g_variant_new ("(t)", id), g_variant_dict_end (&options), &exit);
  return reply ? vmft_cli_done (cli, "{'id': <%t>, 'benign': <%b>, 'clear': <%b>}", id, benign, clear) : exit;
}
