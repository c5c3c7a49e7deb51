/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmftd's configuration: the one in force, or whether a file would be accepted; the latter needs no daemon. */
#include "vmft-cli.h"

#include "vmft-setup.h"

#include <string.h>
#include <vmft-config.h>

static VmftExit
check (VmftCli *cli, const char *path)
{
  const char *file = path ? path : VMFT_SETUP_DEFAULT_CONF;
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftConf) conf = vmft_setup_conf (path, NULL, &error);
  VmftExit exit = conf ? VMFT_EXIT_OK : vmft_cli_fail (cli, error);
  g_autofree char *problem = vmft_text_printable (error ? error->message : NULL, -1);

  if (conf != NULL && !cli->json)
    g_print ("%s is good\n", file);
  vmft_cli_done (cli, "{'file': <%s>, 'good': <%b>, 'error': <%s>}", file, conf != NULL, problem);
  return exit;
}

static void
print_configuration (GVariant *configuration)
{
  GVariantIter iter;
  const char *group;
  GVariant *boxed;

  g_variant_iter_init (&iter, configuration);
  for (gboolean first = TRUE; g_variant_iter_next (&iter, "{&sv}", &group, &boxed); first = FALSE)
    {
      g_autoptr (GVariant) keys = boxed;
      GVariantIter members;
      const char *key, *value;

      g_print ("%s[%s]\n", first ? "" : "\n", group);
      if (!g_variant_is_of_type (keys, G_VARIANT_TYPE ("a{ss}")))
        continue;
      g_variant_iter_init (&members, keys);
      while (g_variant_iter_next (&members, "{&s&s}", &key, &value))
        g_print ("%s=%s\n", key, value);
    }
}

VmftExit
vmft_verb_config (VmftCli *cli, int argc, char **argv)
{
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 0, 2, &exit))
    return exit;
  if (argc >= 2 && strcmp (argv[1], "check") == 0)
    return check (cli, argc == 3 ? argv[2] : NULL);
  if (argc == 1 || (argc == 2 && strcmp (argv[1], "show") == 0))
    return vmft_cli_show (cli, "GetConfiguration", NULL, NULL, print_configuration);
  return vmft_cli_usage (cli, "say check [FILE], or show");
}
