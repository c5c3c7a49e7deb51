/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include "vmft-replay.h"

#define LINK_BPS (113.0 * 1024 * 1024) /* what TCP makes of 1 Gbit/s */

typedef struct
{
  char *config_path, *operation, *vms_path, *bandwidth;
  char **vms;
  char **learn;
  gboolean untrusted;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->config_path);
  g_free (options->operation);
  g_free (options->vms_path);
  g_free (options->bandwidth);
  g_strfreev (options->vms);
  g_strfreev (options->learn);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* What the daemon would have told the journal is in the answer; only what goes wrong belongs on the terminal. */
static GLogWriterOutput
write_problems (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  return (level & G_LOG_LEVEL_MASK) <= G_LOG_LEVEL_WARNING
             ? g_log_writer_standard_streams (level, fields, n_fields, user_data)
             : G_LOG_WRITER_HANDLED;
}

static GPtrArray *
gather_vms (const Options *options, GError **error)
{
  g_autoptr (GPtrArray) vms = options->vms_path
                                  ? vmft_replay_read_vms (options->vms_path, error)
                                  : g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_replay_vm_free);

  for (guint i = 0; vms != NULL && options->vms != NULL && options->vms[i] != NULL; i++)
    {
      VmftReplayVm *vm = vmft_replay_parse_vm (options->vms[i], error);

      if (vm == NULL)
        return NULL;
      g_ptr_array_add (vms, vm);
    }
  return g_steal_pointer (&vms);
}

static gboolean
complete (const Options *options, VmftReplayOptions *replay, GError **error)
{
  guint64 bandwidth_bps = (guint64) LINK_BPS;

  *replay = (VmftReplayOptions){
    .config_path = options->config_path,
    .operation = VMFT_OPERATION_ACT,
    .untrusted = options->untrusted,
    .learn = options->learn,
  };
  if (options->operation != NULL && !vmft_operation_from_string (options->operation, &replay->operation))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "“%s” is not a mode of operation (observe, advise, act)", options->operation);
      return FALSE;
    }
  if (options->bandwidth != NULL && !vmft_text_parse_bytes (options->bandwidth, &bandwidth_bps, error))
    return FALSE;
  if (bandwidth_bps == 0)
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "the bandwidth must be more than 0");
      return FALSE;
    }
  replay->link_bps = (double) bandwidth_bps;
  return TRUE;
}

static void
print_replay (GVariant *replay)
{
  g_autoptr (GPtrArray) stories = vmft_cli_children (replay, "incidents");
  g_autofree char *from = vmft_cli_time (replay, "from_us");
  g_autofree char *to = vmft_cli_time (replay, "to_us");

  g_print ("%-12s %" G_GINT64_FORMAT " lines, %" G_GINT64_FORMAT " templates, %s to %s\n",
           "Log:", vmft_dict_int64 (replay, "lines", 0), vmft_dict_int64 (replay, "templates", 0), from, to);
  g_print ("%-12s %" G_GINT64_FORMAT " alarms, %u incidents, mode %s, %" G_GINT64_FORMAT " VMs%s\n",
           "Outcome:", vmft_dict_int64 (replay, "alarms", 0), stories->len,
           vmft_cli_text (replay, "operation"), vmft_dict_int64 (replay, "vms", 0),
           vmft_dict_boolean (replay, "learning", FALSE) ? ", learning" : "");
  for (guint i = 0; i < stories->len; i++)
    {
      g_print ("\n");
      vmft_cli_print_story (stories->pdata[i]);
    }
  if (vmft_dict_int64 (replay, "vms", 0) == 0 && stories->len > 0)
    g_print ("\nNo VM was on the host: --vm or --vms say which there were, and plans are made for them.\n");
}

VmftExit
vmft_verb_replay (VmftCli *cli, int argc, char **argv)
{
  g_auto (Options) options = { 0 };
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options.config_path,
      "vmftd's configuration (default: the defaults)", "FILE" },
    { "mode", 'm', 0, G_OPTION_ARG_STRING, &options.operation, "observe, advise or act (default: act)",
      "MODE" },
    { "learn", 'l', 0, G_OPTION_ARG_FILENAME_ARRAY, &options.learn,
      "Learn first what is normal from this log, whole", "FILE" },
    { "vm", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.vms,
      "A VM that was there: NAME:MEMORY[:DIRTY-RATE[:WORKING-SET]]", "VM" },
    { "vms", 0, 0, G_OPTION_ARG_FILENAME, &options.vms_path,
      "The VMs that were there: vmftctl list --json of that host", "FILE" },
    { "bandwidth", 'b', 0, G_OPTION_ARG_STRING, &options.bandwidth,
      "Of the link, bytes per second (default: 113M)", "BYTES" },
    { "untrusted", 'u', 0, G_OPTION_ARG_NONE, &options.untrusted,
      "Treat the log as one that anybody could have written", NULL },
    { NULL },
  };
  g_autoptr (GPtrArray) vms = NULL;
  g_autoptr (GVariant) outcome = NULL;
  g_autoptr (GError) error = NULL;
  VmftReplayOptions replay;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 1, G_MAXINT - 1, &exit))
    return exit;
  g_log_set_writer_func (write_problems, NULL, NULL);
  if (complete (&options, &replay, &error))
    replay.vms = vms = gather_vms (&options, &error);
  if (vms != NULL)
    outcome = vmft_replay (&replay, argv + 1, &error);
  if (outcome == NULL)
    return vmft_cli_fail (cli, error);
  g_variant_ref_sink (outcome);
  if (cli->json)
    vmft_cli_print_json (outcome);
  else
    print_replay (outcome);
  return VMFT_EXIT_OK;
}
