/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include <string.h>

static void
print_answers (GVariant *answers)
{
  static const char *const headings[] = { "Key", "Time", "Answer", "By", "Reason", "Template", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) rows = vmft_cli_rows (answers);

  for (guint i = 0; i < rows->len; i++)
    {
      GVariant *answer = rows->pdata[i];
      g_autofree char *time = vmft_cli_time (answer, "time_us");

      vmft_table_add_printf (table, "%s", vmft_cli_text (answer, "key"));
      vmft_table_add_printf (table, "%s", time);
      vmft_table_add_printf (table, "%s", vmft_cli_text (answer, "answer"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (answer, "provider"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (answer, "reason"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (answer, "template"));
    }
  vmft_cli_print_table (table);
}

VmftExit
vmft_verb_answers (VmftCli *cli, int argc, char **argv)
{
  g_autofree char *reason = NULL;
  const GOptionEntry entries[] = {
    { "reason", 0, 0, G_OPTION_ARG_STRING, &reason, "Why it is overruled, for the record", "TEXT" },
    { NULL },
  };
  g_autoptr (GVariant) reply = NULL;
  VmftExit exit = VMFT_EXIT_OK;
  GVariantDict options;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 0, 3, &exit))
    return exit;
  if (argc == 1)
    return vmft_cli_show (cli, "ListAnswers", NULL, NULL, print_answers);
  g_variant_dict_init (&options, NULL);
  if (argc == 3 && strcmp (argv[1], "forget") == 0)
    {
      reply = vmft_cli_call (cli, "ForgetAnswer", g_variant_new ("(s)", argv[2]),
                             g_variant_dict_end (&options), &exit);
      return reply ? vmft_cli_done (cli, "{'forgotten': <%s>}", argv[2]) : exit;
    }
  if (argc != 4 || strcmp (argv[1], "overrule") != 0)
    {
      g_variant_dict_clear (&options);
      return vmft_cli_usage (cli, "say forget KEY, or overrule KEY or TEMPLATE faulty, normal or unsure");
    }
  if (reason != NULL)
    g_variant_dict_insert (&options, "reason", "s", reason);
  reply = vmft_cli_call (cli, "OverruleAnswer", g_variant_new ("(ss)", argv[2], argv[3]),
                         g_variant_dict_end (&options), &exit);
  return reply ? vmft_cli_done (cli, "{'overruled': <%s>, 'answer': <%s>}", argv[2], argv[3]) : exit;
}
