/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An evacuation of the host it runs on, again and again until no guest is left: vmftd's hands without its eyes, for the
 * chaos test. May be killed at any moment and started again: its history says what it was doing. SIGUSR1 cancels. */
#include "vmft-common.h"
#include "vmft-migrate.h"
#include "vmft-sqlite-store.h"

#include <glib-unix.h>

#define MAX_PLANS 40

typedef struct
{
  VmftHypervisor *hypervisor;
  VmftClock *clock;
  VmftStore *store;
  VmftEvacuation *evacuation;
  GMainLoop *loop;
  guint n_plans;
  guint seed;
  guint fds_before;
  gboolean started;
  int status;
} Run;

static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
stop (Run *run, int status)
{
  run->status = status;
  g_main_loop_quit (run->loop);
}

static VmftPlan *
make_plan (Run *run)
{
  const VmftMode modes[] = { VMFT_MODE_PRECOPY, VMFT_MODE_POSTCOPY, VMFT_MODE_XBZRLE, VMFT_MODE_HYBRID };
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (run->hypervisor);
  VmftPlan *plan = vmft_plan_new (vmft_clock_real_us (run->clock));

  plan->id = ++run->n_plans;
  for (guint i = 0; i < vms->len; i++)
    {
      const VmftVm *vm = g_ptr_array_index (vms, i);
      VmftPlanStep *step = NULL;

      if (!vm->running || vm->blocker != NULL)
        continue;
      step = vmft_plan_add_step (plan, vm->uuid, vm->name);
      step->destination = g_strdup ("other");
      step->mode = modes[(i + run->seed + run->n_plans) % G_N_ELEMENTS (modes)];
      step->allow_postcopy = step->mode == VMFT_MODE_HYBRID || step->mode == VMFT_MODE_POSTCOPY;
    }
  return plan;
}

static void
next_plan (Run *run)
{
  g_autoptr (VmftPlan) plan = make_plan (run);

  if (plan->steps->len == 0)
    {
      g_print ("evacuated fds=%d\n", (int) count_fds () - (int) run->fds_before);
      stop (run, 0);
    }
  else if (run->n_plans > MAX_PLANS)
    {
      g_print ("given up\n");
      stop (run, 1);
    }
  else
    vmft_evacuation_replan (run->evacuation, plan);
}

static gboolean
on_next (gpointer user_data)
{
  Run *run = user_data;

  if (!vmft_hypervisor_is_connected (run->hypervisor))
    return G_SOURCE_CONTINUE;
  next_plan (run);
  return G_SOURCE_REMOVE;
}

static void
on_finished (VmftEvacuation *evacuation, Run *run)
{
  /* the inventory hears of the last departure a little later */
  vmft_clock_add_timer (run->clock, 700, on_next, run, NULL);
}

static void
on_step_changed (VmftEvacuation *evacuation, const VmftEvacuationStep *step, gpointer user_data)
{
  g_print ("%s %s %s%s%s\n", step->name, vmft_mode_to_string (step->mode),
           vmft_step_state_to_string (step->state), step->message != NULL ? ": " : "",
           step->message != NULL ? step->message : "");
}

static void
on_connected (VmftHypervisor *hypervisor, gboolean up, Run *run)
{
  if (!up || run->started)
    return;
  run->started = TRUE;
  run->fds_before = count_fds ();
  if (vmft_evacuation_reattach (run->evacuation) == 0)
    vmft_clock_add_timer (run->clock, 100, on_next, run, NULL);
}

static gboolean
on_cancel (gpointer user_data)
{
  Run *run = user_data;

  vmft_evacuation_cancel (run->evacuation, "cancelled");
  return G_SOURCE_CONTINUE;
}

static gboolean
open_all (Run *run, int argc, char **argv, GError **error)
{
  g_autofree char *uri = NULL, *destination = NULL, *migrate_uri = NULL, *history = NULL;
  int seed = 0;
  const GOptionEntry entries[] = {
    { "uri", 0, 0, G_OPTION_ARG_STRING, &uri, "libvirt of this host", "URI" },
    { "destination", 0, 0, G_OPTION_ARG_STRING, &destination, "libvirt of the other", "URI" },
    { "migrate-uri", 0, 0, G_OPTION_ARG_STRING, &migrate_uri, "tcp://HOST", "URI" },
    { "history", 0, 0, G_OPTION_ARG_FILENAME, &history, "database", "FILE" },
    { "seed", 0, 0, G_OPTION_ARG_INT, &seed, "turns the modes round", "N" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  const VmftEvacuationConfig config = VMFT_EVACUATION_CONFIG_DEFAULT;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (uri == NULL || destination == NULL || history == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "--uri, --destination and --history are wanted");
      return FALSE;
    }
  run->store = VMFT_STORE (vmft_sqlite_store_new (history, run->clock, error));
  if (run->store == NULL)
    return FALSE;
  run->seed = (guint) seed;
  run->hypervisor = vmft_libvirt_hypervisor_new (uri, run->clock);
  run->evacuation = vmft_evacuation_new (run->hypervisor, run->clock, run->store, &config);
  vmft_evacuation_add_target (run->evacuation, "other", destination, migrate_uri, 0);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  Run run = { .clock = clock, .loop = loop, .status = 2 };

  if (!open_all (&run, argc, argv, &error))
    {
      g_printerr ("hosts-evacuate: %s\n", error->message);
      return 2;
    }
  g_signal_connect (run.evacuation, "step-changed", G_CALLBACK (on_step_changed), &run);
  g_signal_connect (run.evacuation, "finished", G_CALLBACK (on_finished), &run);
  g_signal_connect (run.hypervisor, "connected", G_CALLBACK (on_connected), &run);
  g_unix_signal_add (SIGUSR1, on_cancel, &run);
  vmft_hypervisor_start (run.hypervisor);
  g_main_loop_run (loop);
  g_clear_object (&run.evacuation);
  g_clear_object (&run.hypervisor);
  g_clear_object (&run.store);
  return run.status;
}
