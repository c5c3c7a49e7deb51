/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One migration through the real hypervisor, for suites that have two hosts. Exit 0 when the outcome is the one that
 * was asked for and the main loop was never held up. */
#include "vmft-common.h"
#include "vmft-evacuation-spec.h"
#include "vmft-migrate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MAIN_LOOP_LIMIT_US 10000

typedef struct
{
  VmftHypervisor *hypervisor;
  VmftClock *clock;
  GMainLoop *loop;
  VmftMigrationSpec *spec;
  char *domain;
  char *expect;
  GVariant *policy; /* (nullable): changes to the VM's policy, made first */
  guint sample_s;
  double abort_after_s;
  gboolean attach;
  gboolean probe;
  gboolean watch;
  gboolean copy;
  gboolean save;
  char *save_directory;
  double switch_after_s;
  gboolean started;
  int status;
} Run;

/* --- how long the main loop sleeps anywhere but in poll() --- */

typedef struct
{
  gint64 away_since_us;
  long n_slept;
  gint64 worst_us;
  int machine_us; /* atomic */
} LoopWatch;

static LoopWatch loop_watch;

/* what the machine does to a thread that only wants a millisecond's sleep: nobody here can do better than that */
static gpointer
watch_machine (gpointer data)
{
  for (;;)
    {
      gint64 before_us = g_get_monotonic_time ();
      gint64 late_us;

      g_usleep (1000);
      late_us = g_get_monotonic_time () - before_us - 1000;
      if (late_us > g_atomic_int_get (&loop_watch.machine_us))
        g_atomic_int_set (&loop_watch.machine_us, (int) MIN (late_us, G_MAXINT));
    }
  return NULL;
}

/* how often this thread went to sleep by itself; who never did was held up by the machine alone */
static long
count_sleeps (void)
{
  struct rusage usage = { 0 };

  return getrusage (RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

static gint
watched_poll (GPollFD *fds, guint n_fds, gint timeout_ms)
{
  gint64 away_us = g_get_monotonic_time () - loop_watch.away_since_us;
  gint result;

  if (loop_watch.away_since_us > 0 && count_sleeps () > loop_watch.n_slept)
    loop_watch.worst_us = MAX (loop_watch.worst_us, away_us);
  result = g_poll (fds, n_fds, timeout_ms);
  loop_watch.n_slept = count_sleeps ();
  loop_watch.away_since_us = g_get_monotonic_time ();
  return result;
}

/* --- the run --- */

static void
stop (Run *run, int status)
{
  run->status = status;
  g_main_loop_quit (run->loop);
}

static void
on_progress (VmftHypervisor *hypervisor, const VmftProgress *progress, gpointer user_data)
{
  g_print ("progress iteration=%u postcopy=%d elapsed=%.2f total=%" G_GUINT64_FORMAT
           " remaining=%" G_GUINT64_FORMAT " throughput=%" G_GUINT64_FORMAT "\n",
           progress->iteration, progress->postcopy, progress->elapsed_s, progress->total_bytes,
           progress->remaining_bytes, progress->throughput_bps);
}

static void
on_migrated (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftResult) result = vmft_hypervisor_migrate_finish (run->hypervisor, async, &error);

  if (result == NULL)
    {
      g_print ("result not-started: %s\n", error->message);
      stop (run, 1);
      return;
    }
  g_print ("result %s total=%.3f downtime=%.3f bytes=%" G_GUINT64_FORMAT
           " iterations=%u postcopy=%d refused=%d%s%s\n",
           vmft_outcome_to_string (result->outcome), result->total_s, result->downtime_s,
           result->transferred_bytes, result->iterations, result->postcopy, result->refused,
           result->message != NULL ? " message=" : "", result->message != NULL ? result->message : "");
  stop (run, g_str_equal (vmft_outcome_to_string (result->outcome), run->expect) ? 0 : 1);
}

static void
on_aborted (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (vmft_hypervisor_bool_finish (VMFT_HYPERVISOR (object), async, &error))
    g_print ("abort taken\n");
  else
    g_print ("abort refused: %s\n", error->message);
}

static gboolean
on_abort_time (gpointer user_data)
{
  Run *run = user_data;

  vmft_hypervisor_abort_async (run->hypervisor, run->spec->uuid, NULL, on_aborted, NULL);
  return G_SOURCE_REMOVE;
}

static void
on_switched (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (vmft_hypervisor_bool_finish (VMFT_HYPERVISOR (object), async, &error))
    g_print ("switch taken\n");
  else
    g_print ("switch refused: %s\n", error->message);
}

static gboolean
on_switch_time (gpointer user_data)
{
  Run *run = user_data;

  vmft_hypervisor_switch_async (run->hypervisor, run->spec->uuid, NULL, on_switched, NULL);
  return G_SOURCE_REMOVE;
}

static void
on_saved (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;
  gboolean ok = vmft_hypervisor_bool_finish (run->hypervisor, async, &error);

  g_print ("result %s%s\n", ok ? "saved" : "not-saved: ", ok ? "" : error->message);
  stop (run, ok ? 0 : 1);
}

/* as an evacuation whose operator allows it */
static void
copy_disks (Run *run)
{
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (run->hypervisor, run->domain);
  const VmftEvacuationConfig config = { .copy_storage = run->copy };
  g_autoptr (VmftEvacuationStep) step = vmft_evacuation_step_new (vm->uuid, vm->name);
  g_autoptr (VmftMigrationSpec) spec = vmft_evacuation_make_spec (&config, step, vm, 0);

  run->spec->copy_disks = g_strdupv (spec->copy_disks);
}

static void
migrate (Run *run)
{
  if (run->save)
    {
      vmft_hypervisor_save_async (run->hypervisor, run->spec->uuid, run->save_directory, NULL, on_saved, run);
      return;
    }
  copy_disks (run);
  if (run->switch_after_s > 0)
    vmft_clock_add_timer (run->clock, (guint) (run->switch_after_s * 1000), on_switch_time, run, NULL);
  if (run->attach)
    vmft_hypervisor_watch_job_async (run->hypervisor, run->spec->uuid, run->spec->destination_uri, NULL,
                                     on_migrated, run);
  else
    vmft_hypervisor_migrate_async (run->hypervisor, run->spec, NULL, on_migrated, run);
  if (run->abort_after_s > 0)
    vmft_clock_add_timer (run->clock, (guint) (run->abort_after_s * 1000), on_abort_time, run, NULL);
}

static void
on_probed (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftProbe) probe = vmft_hypervisor_probe_finish (run->hypervisor, async, &error);
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (run->hypervisor, run->domain);
  const char *obstacle = NULL;
  g_autofree char *modes = NULL;

  if (probe == NULL)
    {
      g_print ("result unreachable: %s\n", error->message);
      stop (run, 1);
      return;
    }
  obstacle = g_hash_table_lookup (probe->obstacles, run->spec->uuid);
  modes = vmft_modes_to_string (probe->modes);
  g_print ("result probe host=%s qemu=%lu free=%" G_GUINT64_FORMAT " movability=%u modes=%s obstacle=%s\n",
           probe->host_name, probe->qemu_version, probe->free_bytes, vm->movability->len, modes,
           obstacle != NULL && obstacle[0] != '\0' ? obstacle : "none");
  stop (run, 0);
}

static void
on_sampled (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;
  VmftDirtySample sample = { 0 };

  if (vmft_hypervisor_sample_dirty_finish (run->hypervisor, async, &sample, &error))
    g_print ("sample period=%.0f unique=%.0f stderr=%.0f\n", sample.period_s, sample.unique_bytes,
             sample.stderr_bytes);
  else
    g_print ("sample failed: %s\n", error->message);
  migrate (run);
}

static void
on_vm_failed (VmftHypervisor *hypervisor, const char *uuid, const char *reason, gpointer user_data)
{
  Run *run = user_data;

  g_print ("result vm-failed %s: %s\n", uuid, reason);
  if (run->watch)
    stop (run, 0);
}

static void
begin (Run *run)
{
  if (run->watch)
    g_print ("watching\n");
  else if (run->probe)
    vmft_hypervisor_probe_async (run->hypervisor, "B", run->spec->destination_uri, NULL, on_probed, run);
  else if (run->sample_s > 0)
    vmft_hypervisor_sample_dirty_async (run->hypervisor, run->spec->uuid, run->sample_s, NULL, on_sampled,
                                        run);
  else
    migrate (run);
}

static void
on_policy_set (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;

  if (vmft_hypervisor_bool_finish (run->hypervisor, async, &error))
    {
      begin (run);
      return;
    }
  g_print ("result policy: %s\n", error->message);
  stop (run, 1);
}

static void
set_policy (Run *run, const VmftVm *vm)
{
  VmftVmPolicy policy = vm->policy;
  g_autoptr (GError) error = NULL;

  if (vmft_vm_policy_change (&policy, run->policy, &error))
    {
      vmft_hypervisor_set_policy_async (run->hypervisor, vm->uuid, &policy, NULL, on_policy_set, run);
      return;
    }
  g_print ("result policy: %s\n", error->message);
  stop (run, 1);
}

static void
on_connected (VmftHypervisor *hypervisor, gboolean up, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (VmftVm) vm = NULL;

  g_print ("connected %d\n", up);
  if (!up || run->started)
    return;
  run->started = TRUE;
  vm = vmft_hypervisor_lookup (hypervisor, run->domain);
  if (vm == NULL)
    {
      g_print ("no domain %s\n", run->domain);
      stop (run, 1);
      return;
    }
  g_print ("vm %s id=%d pid=%d kvm=%d memory=%" G_GUINT64_FORMAT " resident=%" G_GUINT64_FORMAT
           " priority=%u blocker=%s\n",
           vm->name, vm->id, vm->qemu_pid, vm->kvm, vm->memory_bytes, vm->resident_bytes, vm->policy.priority,
           vm->blocker != NULL ? vm->blocker : "none");
  run->spec->uuid = g_strdup (vm->uuid);
  if (run->policy != NULL)
    set_policy (run, vm);
  else
    begin (run);
}

static gboolean
on_timeout (gpointer user_data)
{
  g_print ("timeout\n");
  stop (user_data, 3);
  return G_SOURCE_REMOVE;
}

static gboolean
parse (Run *run, int argc, char **argv, GError **error)
{
  g_autofree char *uri = NULL, *destination = NULL, *migrate_uri = NULL, *mode_text = NULL, *policy = NULL;
  double bandwidth = 0.0;
  gboolean direct = FALSE, resume = FALSE, persistent = FALSE, allow_postcopy = FALSE, tls = FALSE;
  int downtime_ms = 0, parallel = 0, sample_s = 0;
  const GOptionEntry entries[] = {
    { "uri", 0, 0, G_OPTION_ARG_STRING, &uri, "libvirt of the source", "URI" },
    { "destination", 0, 0, G_OPTION_ARG_STRING, &destination, "libvirt of the destination", "URI" },
    { "migrate-uri", 0, 0, G_OPTION_ARG_STRING, &migrate_uri, "tcp://HOST", "URI" },
    { "mode", 0, 0, G_OPTION_ARG_STRING, &mode_text, "pre-copy, xbzrle, …", "MODE" },
    { "bandwidth", 0, 0, G_OPTION_ARG_DOUBLE, &bandwidth, "MiB/s", "N" },
    { "direct", 0, 0, G_OPTION_ARG_NONE, &direct, "not peer-to-peer", NULL },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &resume, "a broken post-copy job", NULL },
    { "persistent", 0, 0, G_OPTION_ARG_NONE, &persistent, "move the definition too", NULL },
    { "allow-postcopy", 0, 0, G_OPTION_ARG_NONE, &allow_postcopy, "it may be switched", NULL },
    { "attach", 0, 0, G_OPTION_ARG_NONE, &run->attach, "to a job that runs", NULL },
    { "tls", 0, 0, G_OPTION_ARG_NONE, &tls, "encrypt the stream", NULL },
    { "copy-storage", 0, 0, G_OPTION_ARG_NONE, &run->copy, "take local disks along", NULL },
    { "save", 0, 0, G_OPTION_ARG_NONE, &run->save, "do not migrate, save", NULL },
    { "save-directory", 0, 0, G_OPTION_ARG_FILENAME, &run->save_directory, "and where (managed)", "DIR" },
    { "switch-after", 0, 0, G_OPTION_ARG_DOUBLE, &run->switch_after_s, "to post-copy", "SECONDS" },
    { "probe", 0, 0, G_OPTION_ARG_NONE, &run->probe, "only ask the destination", NULL },
    { "watch", 0, 0, G_OPTION_ARG_NONE, &run->watch, "only wait until a VM fails", NULL },
    { "max-downtime", 0, 0, G_OPTION_ARG_INT, &downtime_ms, "ms", "N" },
    { "parallel", 0, 0, G_OPTION_ARG_INT, &parallel, "connections", "N" },
    { "sample", 0, 0, G_OPTION_ARG_INT, &sample_s, "dirty rate first", "SECONDS" },
    { "policy", 0, 0, G_OPTION_ARG_STRING, &policy, "change the VM's policy first", "a{sv}" },
    { "abort-after", 0, 0, G_OPTION_ARG_DOUBLE, &run->abort_after_s, "abort", "SECONDS" },
    { "expect", 0, 0, G_OPTION_ARG_STRING, &run->expect, "outcome (completed)", "OUTCOME" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("DOMAIN");
  VmftMode mode = VMFT_MODE_PRECOPY;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc != 2 || uri == NULL || destination == NULL ||
      (mode_text != NULL && !vmft_mode_from_string (mode_text, &mode)))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "DOMAIN, --uri, --destination and a --mode are wanted");
      return FALSE;
    }
  if (policy != NULL)
    run->policy = g_variant_parse (G_VARIANT_TYPE_VARDICT, policy, NULL, NULL, error);
  if (policy != NULL && run->policy == NULL)
    return FALSE;
  run->domain = g_strdup (argv[1]);
  run->sample_s = (guint) MAX (sample_s, 0);
  if (run->expect == NULL)
    run->expect = g_strdup ("completed");
  run->spec = vmft_migration_spec_new (NULL, mode);
  run->spec->destination = g_strdup ("B");
  run->spec->destination_uri = g_steal_pointer (&destination);
  run->spec->migrate_uri = g_steal_pointer (&migrate_uri);
  run->spec->bandwidth_bps = (guint64) (bandwidth * 1048576.0);
  run->spec->peer_to_peer = !direct;
  run->spec->resume = resume;
  run->spec->persistent = persistent;
  run->spec->tls = tls;
  run->spec->allow_postcopy |= allow_postcopy;
  run->spec->max_downtime_ms = (guint) MAX (downtime_ms, 0);
  run->spec->parallel_connections = (guint) MAX (parallel, 0);
  run->hypervisor = vmft_libvirt_hypervisor_new (uri, run->clock);
  vmft_libvirt_hypervisor_allow_copies (VMFT_LIBVIRT_HYPERVISOR (run->hypervisor), run->copy);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  Run run = { .clock = clock, .loop = loop, .status = 2 };

  g_thread_unref (g_thread_new ("machine", watch_machine, NULL));
  g_main_context_set_poll_func (NULL, watched_poll);
  if (!parse (&run, argc, argv, &error))
    {
      g_printerr ("hosts-migrate: %s\n", error->message);
      return 2;
    }
  g_signal_connect (run.hypervisor, "connected", G_CALLBACK (on_connected), &run);
  g_signal_connect (run.hypervisor, "vm-failed", G_CALLBACK (on_vm_failed), &run);
  g_signal_connect (run.hypervisor, "progress", G_CALLBACK (on_progress), &run);
  g_timeout_add_seconds (120, on_timeout, &run);
  vmft_hypervisor_start (run.hypervisor);
  g_main_loop_run (loop);
  g_print ("main loop held up for at most %.1f ms, any thread for %.1f ms\n",
           (double) loop_watch.worst_us / 1000.0, (double) loop_watch.machine_us / 1000.0);
  if (run.status == 0 && loop_watch.worst_us > MAX (MAIN_LOOP_LIMIT_US, 2 * loop_watch.machine_us))
    run.status = 4;
  vmft_migration_spec_free (run.spec);
  g_clear_object (&run.hypervisor);
  g_clear_pointer (&run.policy, g_variant_unref);
  g_free (run.domain);
  g_free (run.expect);
  g_free (run.save_directory);
  return run.status;
}
