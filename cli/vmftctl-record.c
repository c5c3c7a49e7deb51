/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"
#include "vmft-exec.h"

#include <errno.h>
#include <glib/gstdio.h>

#define UPLOAD_TIMEOUT_S     600.0
#define UPLOAD_TIMEOUT_MAX_S 86400.0

typedef struct
{
  char *output;
  char *upload_command;
  double timeout_s;
  gboolean all;
} Options;

static const char *const files[] = { "log.txt", "pressure.jsonl", "labels.json" };

static void
print_runs (GVariant *runs)
{
  static const char *const headings[] = { "Incident", "State", "Class", "Locus", "First alarm",
                                          "Failure",  "Lines", "Size",  NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) rows = vmft_cli_rows (runs);

  for (guint i = 0; i < rows->len; i++)
    {
      GVariant *row = rows->pdata[i];
      g_autofree char *size = vmft_cli_bytes (row, "size_bytes");

      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (row, "incident", 0));
      vmft_table_add_printf (table, "%s", vmft_cli_text (row, "state"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (row, "class"));
      vmft_table_add_printf (table, "%s", vmft_cli_text (row, "locus"));
      vmft_table_add_printf (table, "%.19s", vmft_cli_text (row, "inject_time"));
      vmft_table_add_printf (table, "%.19s", vmft_cli_text (row, "failure_time"));
      vmft_table_add_printf (table, "%" G_GINT64_FORMAT, vmft_dict_int64 (row, "lines", 0));
      vmft_table_add_printf (table, "%s", size);
    }
  vmft_cli_print_table (table);
}

/* --- fetching --- */

static gboolean
fetch_file (VmftCli *cli, guint64 incident, const char *name, const char *path, VmftExit *exit)
{
  g_autoptr (GByteArray) contents = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  for (;;)
    {
      g_autoptr (GVariant) data = vmft_cli_call (
          cli, "ReadRun", g_variant_new ("(tst)", incident, name, (guint64) contents->len), NULL, exit);
      const guint8 *bytes;
      gsize n = 0;

      if (data == NULL)
        return FALSE;
      bytes = g_variant_get_fixed_array (data, &n, 1);
      if (n == 0)
        break;
      g_byte_array_append (contents, bytes, (guint) n);
    }
  if (contents->len == 0)
    return TRUE; /* no such file in this run */
  if (g_file_set_contents_full (path, (const char *) contents->data, contents->len,
                                G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
    return TRUE;
  *exit = vmft_cli_fail (cli, error);
  return FALSE;
}

static void
remove_run (const char *directory)
{
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (directory, files[i], NULL);

      g_unlink (path);
    }
  g_rmdir (directory);
}

static gboolean
fetch_run (VmftCli *cli, guint64 incident, const char *directory, VmftExit *exit)
{
  if (g_mkdir_with_parents (directory, 0700) < 0)
    {
      g_autoptr (GError) error =
          g_error_new (VMFT_ERROR, VMFT_ERROR_FAILED, "%s: %s", directory, g_strerror (errno));

      *exit = vmft_cli_fail (cli, error);
      return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (directory, files[i], NULL);

      if (!fetch_file (cli, incident, files[i], path, exit))
        return FALSE;
    }
  return TRUE;
}

/* --- uploading --- */

static void
on_uploaded (GObject *object, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **held = user_data;

  *held = g_object_ref (result);
}

static gboolean
upload_run (VmftCli *cli, const Options *options, const char *directory, VmftExit *exit)
{
  g_autofree char *labels = g_build_filename (directory, "labels.json", NULL);
  g_autofree char *quoted = g_shell_quote (directory);
  g_autofree char *command = g_strconcat (options->upload_command, " ", quoted, NULL);
  g_autofree char *input = NULL, *message = NULL;
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  VmftExecResult outcome = VMFT_EXEC_FAILED;

  if (!g_file_get_contents (labels, &input, NULL, &error))
    {
      *exit = vmft_cli_fail (cli, error);
      return FALSE;
    }
  vmft_exec_run_async (clock, command, input, options->timeout_s, NULL, on_uploaded, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  if (!vmft_exec_run_finish (result, &outcome, &message, &error))
    {
      *exit = vmft_cli_fail (cli, error);
      return FALSE;
    }
  if (outcome == VMFT_EXEC_DONE)
    return TRUE;
  g_printerr ("vmftctl: %s: %s%s\n", options->upload_command,
              outcome == VMFT_EXEC_AGAIN ? "not now, try again later: " : "",
              message ? message : "it failed");
  *exit = VMFT_EXIT_FAILED;
  return FALSE;
}

/* --- one run, all runs --- */

/* The directory gets its name once all of it is there and has been taken: what has its name needs no second try. */
static gboolean
keep_run (VmftCli *cli, const Options *options, guint64 incident, const char *name, VmftExit *exit)
{
  g_autofree char *directory = g_build_filename (options->output, name, NULL);
  g_autofree char *partial = g_strconcat (directory, ".partial", NULL);

  remove_run (partial);
  if (!fetch_run (cli, incident, partial, exit) ||
      (options->upload_command != NULL && !upload_run (cli, options, partial, exit)))
    {
      remove_run (partial);
      return FALSE;
    }
  remove_run (directory);
  if (g_rename (partial, directory) < 0)
    {
      g_printerr ("vmftctl: %s: %s\n", directory, g_strerror (errno));
      *exit = VMFT_EXIT_FAILED;
      return FALSE;
    }
  return TRUE;
}

static char *
name_run (GVariant *run)
{
  g_autofree char *name = g_strdup_printf ("%s-%" G_GINT64_FORMAT, vmft_cli_text (run, "host"),
                                           vmft_dict_int64 (run, "incident", 0));

  return g_strdelimit (g_steal_pointer (&name), G_DIR_SEPARATOR_S, '_');
}

static gboolean
is_wanted (GVariant *run, const Options *options, guint64 incident, const char *name)
{
  g_autofree char *directory = g_build_filename (options->output, name, NULL);
  const char *state = vmft_cli_text (run, "state");

  if (!options->all)
    return (guint64) vmft_dict_int64 (run, "incident", 0) == incident;
  return (g_str_equal (state, "failed") || g_str_equal (state, "cleared")) &&
         !g_file_test (directory, G_FILE_TEST_IS_DIR);
}

static VmftExit
keep_runs (VmftCli *cli, const Options *options, guint64 incident)
{
  VmftExit exit = VMFT_EXIT_OK;
  g_autoptr (GVariant) runs = vmft_cli_call (cli, "ListRuns", NULL, NULL, &exit);
  g_autoptr (GPtrArray) rows = runs ? vmft_cli_rows (runs) : NULL;
  GVariantBuilder kept;
  guint n_kept = 0;

  if (rows == NULL)
    return exit;
  g_variant_builder_init (&kept, G_VARIANT_TYPE ("as"));
  for (guint i = 0; i < rows->len; i++)
    {
      g_autofree char *name = name_run (rows->pdata[i]);
      g_autofree char *directory = g_build_filename (options->output, name, NULL);

      if (!is_wanted (rows->pdata[i], options, incident, name) ||
          !keep_run (cli, options, (guint64) vmft_dict_int64 (rows->pdata[i], "incident", 0), name, &exit))
        continue;
      n_kept++;
      g_variant_builder_add (&kept, "s", directory);
      if (!cli->json)
        g_print ("%s\n", directory);
    }
  if (cli->json)
    vmft_cli_print_json (g_variant_builder_end (&kept));
  else
    g_variant_builder_clear (&kept);
  if (exit != VMFT_EXIT_OK || n_kept > 0 || options->all)
    return exit;
  g_printerr ("vmftctl: no run of incident %" G_GUINT64_FORMAT " is kept\n", incident);
  return VMFT_EXIT_NOT_FOUND;
}

static VmftExit
check_and_keep (VmftCli *cli, const Options *options, int argc, char **argv)
{
  guint64 incident = 0;

  if (argc == 2 && (incident = vmft_cli_parse_id (cli, argv[1])) == 0)
    return VMFT_EXIT_USAGE;
  if ((incident != 0) == options->all)
    return vmft_cli_usage (cli, "say which incident, or --all");
  if (options->output == NULL)
    return vmft_cli_usage (cli, "--output DIR is missing");
  if (!(options->timeout_s > 0.0 && options->timeout_s <= UPLOAD_TIMEOUT_MAX_S))
    return vmft_cli_usage (cli, "--timeout takes a number of seconds, a day at most");
  return keep_runs (cli, options, incident);
}

VmftExit
vmft_verb_record (VmftCli *cli, int argc, char **argv)
{
  Options options = { .timeout_s = UPLOAD_TIMEOUT_S };
  const GOptionEntry entries[] = {
    { "all", 0, 0, G_OPTION_ARG_NONE, &options.all, "Every finished run that is not in DIR yet", NULL },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &options.output, "Put runs there, as HOST-ID", "DIR" },
    { "upload-command", 0, 0, G_OPTION_ARG_STRING, &options.upload_command,
      "Then run this with the run's directory as last argument", "COMMAND" },
    { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &options.timeout_s, "How long it may take (600)", "SECONDS" },
    { NULL },
  };
  VmftExit exit = VMFT_EXIT_OK;

  if (vmft_cli_parse (cli, entries, &argc, &argv, 0, 1, &exit))
    {
      gboolean listing =
          argc == 1 && !options.all && options.output == NULL && options.upload_command == NULL;

      exit = listing ? vmft_cli_show (cli, "ListRuns", NULL, NULL, print_runs)
                     : check_and_keep (cli, &options, argc, argv);
    }
  g_free (options.output);
  g_free (options.upload_command);
  return exit;
}
