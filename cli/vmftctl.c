/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include <locale.h>
#include <string.h>
#include <vmft-config.h>

static const VmftVerb verbs[] = {
  { "status", "", "Show what the daemon sees and does", vmft_verb_status },
  { "list", "", "List the VMs of this host", vmft_verb_list },
  { "show", "VM", "Show one VM: load, estimates, where it can go", vmft_verb_show },
  { "estimate", "VM", "Show how long each mode would take for one VM", vmft_verb_estimate },
  { "accuracy", "", "Show forecasts against outcomes", vmft_verb_accuracy },
  { "alarms", "", "List the log lines that counted as evidence", vmft_verb_alarms },
  { "incidents", "", "List incidents", vmft_verb_incidents },
  { "why", "ID", "Explain an incident: lines, scores, lead time, estimates, choices", vmft_verb_why },
  { "acknowledge", "ID", "Acknowledge an incident", vmft_verb_acknowledge },
  { "answers", "[forget KEY|overrule TEMPLATE ANSWER]", "Show, forget or overrule what log inference said",
    vmft_verb_answers },
  { "plan", "", "Show what would be done, or what was planned last", vmft_verb_plan },
  { "policy", "VM [KEY=VALUE…]", "Show or change what is wanted of one VM", vmft_verb_policy },
  { "evacuate", "", "Move every VM off this host", vmft_verb_evacuate },
  { "migrate", "VM", "Move one VM", vmft_verb_migrate },
  { "drill", "CLASS", "Rehearse a fault: recorded and planned, nothing moves", vmft_verb_drill },
  { "history", "", "List migrations, running and past", vmft_verb_history },
  { "abort", "ID", "End a running migration; the VM stays", vmft_verb_abort },
  { "leads", "[import FILE|export]", "Show, import or export lead times", vmft_verb_leads },
  { "record", "[ID]", "List or fetch what was recorded around incidents", vmft_verb_record },
  { "mode", "[observe|advise|act]", "Show or set how far vmftd may go by itself", vmft_verb_mode },
  { "inhibit", "", "Hold all plans back for a while", vmft_verb_inhibit },
  { "watch", "", "Show what happens, as it happens", vmft_verb_watch },
  { "config", "[check [FILE]|show]", "Check a configuration, or show the one in force", vmft_verb_config },
  { "replay", "FILE…", "Show what would have happened on this log", vmft_verb_replay },
  { "templates", "FILE", "Show the templates of a log", vmft_verb_templates },
  { "reload", "", "Make the daemon read its configuration again", vmft_verb_reload },
};

static void
print_help (void)
{
  g_print ("Usage:\n  vmftctl [--help|--version] COMMAND [OPTION…]\n\n"
           "Ask vmftd, which moves VMs off a failing host before it fails.\n\nCommands:\n");
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      g_autofree char *usage = g_strjoin (" ", verbs[i].name, verbs[i].arguments, NULL);
      int gap = MAX (32 - (int) g_utf8_strlen (usage, -1), 0);

      g_print ("  %s%*s %s\n", usage, gap, "", verbs[i].summary);
    }
  g_print ("\nA VM is named by its name, id or UUID. Every command takes --json, and --help for its own "
           "options.\n");
}

static const VmftVerb *
find_verb (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (strcmp (verbs[i].name, name) == 0)
      return &verbs[i];
  return NULL;
}

int
main (int argc, char **argv)
{
  VmftCli cli = { 0 };
  VmftExit exit;

  setlocale (LC_ALL, "");
  if (argc < 2)
    {
      g_printerr ("vmftctl: a command is missing (vmftctl --help lists them)\n");
      return VMFT_EXIT_USAGE;
    }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0 || strcmp (argv[1], "help") == 0)
    {
      print_help ();
      return VMFT_EXIT_OK;
    }
  if (strcmp (argv[1], "--version") == 0 || strcmp (argv[1], "version") == 0)
    {
      g_print ("vmftctl %s\n", VMFT_VERSION);
      return VMFT_EXIT_OK;
    }
  cli.verb = find_verb (argv[1]);
  if (cli.verb == NULL)
    {
      g_printerr ("vmftctl: “%s” is not a command (vmftctl --help lists them)\n", argv[1]);
      return VMFT_EXIT_USAGE;
    }
  exit = cli.verb->run (&cli, argc - 1, argv + 1);
  g_clear_object (&cli.bus);
  return exit;
}
