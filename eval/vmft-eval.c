/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-eval.h"

#include "vmft-config.h"

#include <locale.h>

/* Exit codes: what was asked failed; what was asked makes no sense. */
#define EXIT_FAILED 1
#define EXIT_USAGE  2

static const struct
{
  const char *name;
  const char *arguments;
  const char *summary;
  VmftEvalFunc run;
} verbs[] = {
  { "templates", "[--content] [--assign] FILE", "templates of a log, or the template of each line",
    vmft_eval_templates },
  { "series", "--data DIR --templates FILE [OPTION…]", "the paper's data, scored as the paper's tables were",
    vmft_eval_series },
  { "runs", "[--learn DIR]… [--json] DIR…", "alarms in recorded kernel-fault runs, and how early they come",
    vmft_eval_runs },
  { "policy", "[--scenarios N] [--seed N] [--json]", "weight that plans save on simulated hosts",
    vmft_eval_policy },
};

static void
print_verbs (void)
{
  g_print ("Usage: vmft-eval VERB [OPTION…] …\n\nReplays of labelled data, scorers, baselines.\n\n");
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    g_print ("  %s %s\n      %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
  g_print ("\n`vmft-eval VERB --help` tells the options; `vmft-eval --version` the version.\n");
}

static int
run_verb (VmftEvalFunc run, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (run (argc, argv, &error))
    return 0;
  g_printerr ("vmft-eval %s: %s\n", argv[0], error->message);
  return error->domain == G_OPTION_ERROR ? EXIT_USAGE : EXIT_FAILED;
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  if (argc < 2)
    {
      print_verbs ();
      return EXIT_USAGE;
    }
  if (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h") || g_str_equal (argv[1], "help"))
    {
      print_verbs ();
      return 0;
    }
  if (g_str_equal (argv[1], "--version"))
    {
      g_print ("vmft-eval %s\n", VMFT_VERSION);
      return 0;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      if (g_str_equal (argv[1], verbs[i].name))
        return run_verb (verbs[i].run, argc - 1, argv + 1);
    }
  g_printerr ("vmft-eval: no verb \"%s\"; `vmft-eval --help` lists them\n", argv[1]);
  return EXIT_USAGE;
}
