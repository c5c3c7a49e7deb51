/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an operator orders: one VM, the whole host, a rehearsal, an end. */
#include "vmft-cli.h"

static void
print_plan (GVariant *plan)
{
  gint64 id = vmft_dict_int64 (plan, "migration_id", 0);

  vmft_cli_print_plan (plan, FALSE);
  if (id > 0)
    g_print ("Migration %" G_GINT64_FORMAT " is under way (vmftctl history).\n", id);
}

VmftExit
vmft_verb_migrate (VmftCli *cli, int argc, char **argv)
{
  g_autofree char *mode = NULL, *destination = NULL;
  gboolean wait = FALSE;
  const GOptionEntry entries[] = {
    { "mode", 'm', 0, G_OPTION_ARG_STRING, &mode, "pre-copy, xbzrle, auto-converge, hybrid or post-copy",
      "MODE" },
    { "to", 't', 0, G_OPTION_ARG_STRING, &destination, "A destination of the configuration", "NAME" },
    { "wait", 'w', 0, G_OPTION_ARG_NONE, &wait, "Stay until it is over, and tell how it goes", NULL },
    { NULL },
  };
  GVariantDict options;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 1, 1, &exit))
    return exit;
  g_variant_dict_init (&options, NULL);
  if (mode != NULL)
    g_variant_dict_insert (&options, "mode", "s", mode);
  if (destination != NULL)
    g_variant_dict_insert (&options, "destination", "s", destination);
  return vmft_cli_order (cli, "Migrate", g_variant_new ("(s)", argv[1]), g_variant_dict_end (&options), wait,
                         print_plan);
}

VmftExit
vmft_verb_evacuate (VmftCli *cli, int argc, char **argv)
{
  gboolean dry_run = FALSE, wait = FALSE;
  const GOptionEntry entries[] = {
    { "dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run, "Only say what would be done", NULL },
    { "wait", 'w', 0, G_OPTION_ARG_NONE, &wait, "Stay until it is over, and tell how it goes", NULL },
    { NULL },
  };
  GVariantDict options;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 0, 0, &exit))
    return exit;
  if (dry_run && wait)
    return vmft_cli_usage (cli, "--dry-run moves nothing: there is nothing to wait for");
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "dry-run", "b", dry_run);
  return vmft_cli_order (cli, "Evacuate", NULL, g_variant_dict_end (&options), wait, print_plan);
}

VmftExit
vmft_verb_drill (VmftCli *cli, int argc, char **argv)
{
  gboolean move = FALSE;
  const GOptionEntry entries[] = {
    { "move", 0, 0, G_OPTION_ARG_NONE, &move, "Carry the plan out: VMs really move", NULL },
    { NULL },
  };
  g_autoptr (GVariant) reply = NULL;
  VmftExit exit = VMFT_EXIT_OK;
  GVariantDict options;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 1, 1, &exit))
    return exit;
  g_variant_dict_init (&options, NULL);
  if (move)
    g_variant_dict_insert (&options, "move", "b", TRUE);
  reply = vmft_cli_call (cli, "Drill", g_variant_new ("(s)", argv[1]), g_variant_dict_end (&options), &exit);
  if (reply == NULL)
    return exit;
  if (!cli->json)
    g_print ("The rehearsal is recorded as an incident (vmftctl incidents); %s.\n",
             move ? "its plan is being carried out (vmftctl watch)" : "nothing moves");
  return vmft_cli_done (cli, "{'class': <%s>, 'move': <%b>}", argv[1], move);
}

VmftExit
vmft_verb_abort (VmftCli *cli, int argc, char **argv)
{
  g_autofree char *path = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;
  VmftExit exit = VMFT_EXIT_OK;
  guint64 id;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 1, 1, &exit))
    return exit;
  id = vmft_cli_parse_id (cli, argv[1]);
  if (id == 0)
    return VMFT_EXIT_USAGE;
  if (!vmft_cli_connect (cli, &exit))
    return exit;
  path = g_strdup_printf ("/org/vmft1/migration/%" G_GUINT64_FORMAT, id);
  reply = vmft_cli_query_at (cli, path, "org.vmft1.Migration", "Abort", NULL, NULL, &error);
  if (reply != NULL)
    return vmft_cli_done (cli, "{'id': <%t>}", id);
  /* a job's object goes with it */
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT))
    {
      g_clear_error (&error);
      g_set_error (&error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "no migration %" G_GUINT64_FORMAT " is running",
                   id);
    }
  return vmft_cli_fail (cli, error);
}
