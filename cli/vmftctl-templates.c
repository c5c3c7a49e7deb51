/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include "vmft-templates.h"

static VmftExit
print_templates (VmftCli *cli, VmftDrain *drain, const char *path, gboolean content)
{
  g_autofree char *table = NULL;
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GError) error = NULL;
  GVariantDict dict;
  guint64 n_lines;

  if (!vmft_templates_read (drain, path, content, NULL, NULL, &n_lines, &error))
    return vmft_cli_fail (cli, error);
  if (!cli->json)
    {
      table = vmft_templates_to_string (drain);
      g_print ("%s\n", table);
      return VMFT_EXIT_OK;
    }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "lines", "t", n_lines);
  g_variant_dict_insert_value (&dict, "templates", vmft_templates_to_variant (drain));
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  vmft_cli_print_json (record);
  return VMFT_EXIT_OK;
}

VmftExit
vmft_verb_templates (VmftCli *cli, int argc, char **argv)
{
  gboolean content = FALSE;
  g_autofree char *masks_path = NULL;
  const GOptionEntry entries[] = {
    { "content", 'c', 0, G_OPTION_ARG_NONE, &content, "Lines are bare messages, no header to split off",
      NULL },
    { "masks", 'm', 0, G_OPTION_ARG_FILENAME, &masks_path,
      "Masks instead of the default ones, see vmftd.conf(5)", "FILE" },
    { NULL },
  };
  g_autoptr (VmftMaskRegex) masks = NULL;
  g_autoptr (VmftDrain) drain = NULL;
  g_autoptr (GError) error = NULL;
  VmftExit exit = VMFT_EXIT_OK;
  VmftDrainConfig config;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 1, 1, &exit))
    return exit;
  if (masks_path != NULL)
    masks = vmft_mask_regex_load (masks_path, &error);
  vmft_drain_config_init (&config);
  config.masks = masks;
  if (error == NULL)
    drain = vmft_drain_new (&config, &error);
  return drain ? print_templates (cli, drain, argv[1], content) : vmft_cli_fail (cli, error);
}
