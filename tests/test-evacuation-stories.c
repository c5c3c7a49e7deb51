/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evacuations with random faults and fixed seeds: some hundreds, or as many as VMFT_STORIES says; each processor tells
 * its share. What must hold in each: no guest ever runs twice, none is lost but by a fault that takes it whatever vmft
 * does, and once the faults are over every guest gets away. */
#include "vmft-common.h"
#include "vmft-evacuation.h"
#include "vmft-fake-world.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB        1048576.0
#define GIB        (G_GUINT64_CONSTANT (1) << 30)
#define START      G_GINT64_CONSTANT (1700000000000000)
#define N_STORIES  300
#define N_VMS      4
#define TROUBLE_S  90.0 /* faults strike within it; all is healed after it */
#define PATIENCE_S 1200.0

typedef struct
{
  GRand *rand;
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftHypervisor *hypervisor;
  VmftStore *store;
  VmftEvacuation *evacuation;
  VmftEvacuationConfig config;
  const char *uuids[N_VMS];
  gboolean doomed[N_VMS]; /* by a fault that no daemon can prevent */
  guint64 last_plan;
  gboolean b_is_dead;
} Story;

static void
advance (Story *s, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (s->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static VmftPlan *
make_plan (Story *s)
{
  VmftPlan *plan = vmft_plan_new (vmft_clock_real_us (s->clock));
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (s->hypervisor);

  plan->id = ++s->last_plan;
  for (guint i = 0; i < vms->len; i++)
    {
      const VmftVm *vm = g_ptr_array_index (vms, i);
      const VmftEvacuationStep *present = vmft_evacuation_find (s->evacuation, vm->uuid);
      VmftPlanStep *step;

      /* as the daemon does: who is under way is left alone */
      if (present != NULL && vmft_step_state_has_job (present->state))
        continue;
      step = vmft_plan_add_step (plan, vm->uuid, vm->name);
      step->destination = g_strdup (g_rand_boolean (s->rand) ? "b" : "c");
      step->mode = g_rand_int_range (s->rand, 0, VMFT_N_MODES);
      /* the last resort of a guest that writes faster than the link */
      if (s->last_plan > 3)
        step->mode = VMFT_MODE_HYBRID;
      step->allow_postcopy = step->mode >= VMFT_MODE_HYBRID;
    }
  return plan;
}

static void
start_plan (Story *s)
{
  g_autoptr (VmftPlan) plan = make_plan (s);

  vmft_evacuation_start (s->evacuation, plan);
}

/* as the daemon does it: from the end, for a step that goes must not start the next; what is in post-copy stays */
static void
call_off (Story *s, const char *reason)
{
  const GPtrArray *steps = vmft_evacuation_get_steps (s->evacuation);

  for (guint i = steps->len; i > 0; i--)
    {
      const VmftEvacuationStep *step = g_ptr_array_index (steps, i - 1);
      g_autoptr (GError) error = NULL;

      if (!vmft_step_state_is_over (step->state) &&
          !vmft_evacuation_cancel_step (s->evacuation, step->id, reason, &error))
        g_assert_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED);
    }
}

static void
open_daemon (Story *s)
{
  s->hypervisor = vmft_fake_world_open (s->world, "a");
  vmft_hypervisor_start (s->hypervisor);
  advance (s, 0.1);
  s->evacuation = vmft_evacuation_new (s->hypervisor, s->clock, s->store, &s->config);
  vmft_evacuation_add_target (s->evacuation, "b", "fake://b", NULL, 0);
  vmft_evacuation_add_target (s->evacuation, "c", "fake://c", NULL, 2);
  vmft_evacuation_reattach (s->evacuation);
}

static void
close_daemon (Story *s)
{
  vmft_fake_world_kill_client (s->world, s->hypervisor);
  vmft_evacuation_abandon (s->evacuation);
  g_clear_object (&s->evacuation);
  g_clear_object (&s->hypervisor);
}

/* --- faults --- */

/* what is in post-copy when one of its two hosts dies cannot be kept by anyone */
static void
note_doomed (Story *s, const char *host)
{
  for (guint i = 0; i < N_VMS; i++)
    {
      const char *where = vmft_fake_world_where (s->world, s->uuids[i]);
      const VmftEvacuationStep *step = vmft_evacuation_find (s->evacuation, s->uuids[i]);

      /* nowhere: between two hosts, in a stop or in a broken post-copy job */
      if (where == NULL || g_str_equal (where, host) ||
          (step != NULL && (step->state == VMFT_STEP_POSTCOPY || step->state == VMFT_STEP_RECOVERING)))
        s->doomed[i] = TRUE;
    }
}

static void
strike (Story *s)
{
  const char *uuid = s->uuids[g_rand_int_range (s->rand, 0, N_VMS)];
  const char *host = g_rand_boolean (s->rand) ? "b" : "c";

  switch (g_rand_int_range (s->rand, 0, 10))
    {
    case 0:
      vmft_fake_world_refuse (s->world, host, "no room");
      break;
    case 1:
      vmft_fake_world_set_link (s->world, host, 0.0);
      break;
    case 2:
      vmft_fake_world_set_link (s->world, "a", 0.0);
      break;
    case 3:
      vmft_fake_world_restart_libvirtd (s->world, "a", g_rand_double_range (s->rand, 0.2, 8.0));
      break;
    case 4:
      vmft_fake_world_restart_libvirtd (s->world, host, g_rand_double_range (s->rand, 0.2, 8.0));
      break;
    case 5:
      vmft_fake_world_lose_job (s->world, uuid);
      break;
    case 6:
      close_daemon (s);
      advance (s, g_rand_double_range (s->rand, 0.0, 5.0));
      open_daemon (s);
      break;
    case 7:
      call_off (s, "changed my mind");
      break;
    case 8:
      vmft_evacuation_switch (s->evacuation, uuid);
      break;
    default:
      if (s->b_is_dead || g_rand_int_range (s->rand, 0, 8) > 0)
        break;
      note_doomed (s, "b");
      s->b_is_dead = TRUE;
      vmft_fake_world_kill_host (s->world, "b");
      break;
    }
}

static void
heal (Story *s)
{
  const char *const hosts[] = { "a", "b", "c" };

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      vmft_fake_world_refuse (s->world, hosts[i], NULL);
      vmft_fake_world_set_link (s->world, hosts[i], 100 * MIB);
    }
}

/* --- a story --- */

static void
begin (Story *s, guint seed)
{
  s->rand = g_rand_new_with_seed (seed);
  s->clock = vmft_fake_clock_new (START);
  s->world = vmft_fake_world_new (s->clock, seed);
  s->store = vmft_memory_store_new ();
  s->config = VMFT_EVACUATION_CONFIG_DEFAULT;
  s->config.limit_out = (guint) g_rand_int_range (s->rand, 1, 4);
  s->config.peer_to_peer = g_rand_int_range (s->rand, 0, 4) > 0;
  vmft_fake_world_add_host (s->world, "a", 64 * GIB, 100 * MIB);
  vmft_fake_world_add_host (s->world, "b", 64 * GIB, 100 * MIB);
  vmft_fake_world_add_host (s->world, "c", 64 * GIB, 100 * MIB);
  for (guint i = 0; i < N_VMS; i++)
    {
      VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;

      vm.memory_bytes = (guint64) g_rand_int_range (s->rand, 64, 1024) << 20;
      vm.working_set_bytes = (double) vm.memory_bytes * g_rand_double_range (s->rand, 0.05, 0.5);
      vm.dirty_bps = g_rand_double_range (s->rand, 0.0, 150.0) * MIB;
      vm.sweep = g_rand_boolean (s->rand);
      s->uuids[i] = vmft_fake_world_add_vm (s->world, "a", &vm);
    }
  open_daemon (s);
}

/* one that is being recovered must not keep the others waiting for a new plan */
static gboolean
needs_plan (Story *s)
{
  for (guint i = 0; i < N_VMS; i++)
    {
      const VmftEvacuationStep *step = vmft_evacuation_find (s->evacuation, s->uuids[i]);

      if (g_strcmp0 (vmft_fake_world_where (s->world, s->uuids[i]), "a") == 0 &&
          (step == NULL || vmft_step_state_is_over (step->state)))
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_over (Story *s)
{
  for (guint i = 0; i < N_VMS; i++)
    {
      if (s->doomed[i])
        continue;
      if (g_strcmp0 (vmft_fake_world_where (s->world, s->uuids[i]), "a") == 0 ||
          vmft_fake_world_where (s->world, s->uuids[i]) == NULL)
        return FALSE;
    }
  return vmft_fake_world_count_jobs (s->world, NULL) == 0;
}

static void
play (Story *s)
{
  double now_s = 0.0;

  start_plan (s);
  while (now_s < TROUBLE_S)
    {
      double pause_s = g_rand_double_range (s->rand, 0.05, 15.0);

      advance (s, pause_s);
      now_s += pause_s;
      strike (s);
      if (vmft_evacuation_is_finished (s->evacuation))
        start_plan (s);
    }
  heal (s);
  for (now_s = 0.0; now_s < PATIENCE_S && !is_over (s); now_s += 10.0)
    {
      /* as the daemon does when pre-copy cannot end in time */
      for (guint i = 0; i < N_VMS && now_s > 300.0; i++)
        vmft_evacuation_switch (s->evacuation, s->uuids[i]);
      /* a pre-copy job without end, that may not be switched, is given up for a plan that can end */
      if (now_s >= 400.0 && (guint) now_s % 200 == 0)
        call_off (s, "it does not converge");
      if (needs_plan (s))
        start_plan (s);
      advance (s, 10);
    }
}

static void
judge (Story *s, guint seed)
{
  const GPtrArray *losses = vmft_fake_world_get_losses (s->world);
  g_autoptr (GError) error = NULL;

  if (!vmft_fake_world_check (s->world, &error))
    g_error ("story %u: %s", seed, error->message);
  for (guint i = 0; i < losses->len; i++)
    {
      const VmftFakeLoss *loss = g_ptr_array_index (losses, i);
      gboolean doomed = FALSE;

      for (guint j = 0; j < N_VMS; j++)
        doomed |= s->doomed[j] && g_str_equal (s->uuids[j], loss->uuid);
      if (!doomed)
        g_error ("story %u: %s was lost: %s", seed, loss->uuid, loss->why);
    }
  if (is_over (s))
    return;
  for (guint i = 0; i < N_VMS; i++)
    {
      const char *where = vmft_fake_world_where (s->world, s->uuids[i]);
      const VmftEvacuationStep *step = vmft_evacuation_find (s->evacuation, s->uuids[i]);

      g_printerr ("guest %u: %s, %s, %s, %s: %s\n", i, s->doomed[i] ? "doomed" : "to be kept",
                  where != NULL ? where : "nowhere", step != NULL ? vmft_mode_to_string (step->mode) : "-",
                  step != NULL ? vmft_step_state_to_string (step->state) : "no step",
                  step != NULL && step->message != NULL ? step->message : "");
    }
  g_error ("story %u: a guest never got away", seed);
}

static void
end (Story *s)
{
  close_daemon (s);
  advance (s, 200);
  g_rand_free (s->rand);
  g_assert_finalize_object (s->world);
  g_object_unref (s->store);
  g_object_unref (s->clock);
}

static void
tell (guint seed, guint *n_lost)
{
  Story s = { 0 };

  begin (&s, seed);
  play (&s);
  judge (&s, seed);
  *n_lost += vmft_fake_world_get_losses (s.world)->len;
  end (&s);
}

/* one of @n workers: every n-th story */
static void
tell_some (guint first, guint last, guint n)
{
  guint n_told = 0, n_lost = 0;

  for (guint seed = first; seed <= last; seed += n, n_told++)
    tell (seed, &n_lost);
  g_printerr ("# %u stories: %u guests moved, %u lost that nobody could keep\n", n_told,
              n_told * N_VMS - n_lost, n_lost);
}

static void
test_stories (void)
{
  const char *one = g_getenv ("VMFT_STORY"), *many = g_getenv ("VMFT_STORIES");
  guint first = one != NULL ? (guint) atoi (one) : 1;
  guint last = one != NULL ? first : many != NULL ? (guint) atoi (many) : N_STORIES;
  guint n_workers = MIN (g_get_num_processors (), last - first + 1);
  g_autofree pid_t *workers = g_new0 (pid_t, n_workers);
  gint64 start_us = g_get_monotonic_time ();

  for (guint w = 0; w < n_workers; w++)
    {
      workers[w] = fork ();
      g_assert_cmpint (workers[w], >=, 0);
      if (workers[w] != 0)
        continue;
      tell_some (first + w, last, n_workers);
      _exit (0);
    }
  for (guint w = 0; w < n_workers; w++)
    {
      int status = 0;

      g_assert_cmpint (waitpid (workers[w], &status, 0), ==, workers[w]);
      g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
    }
  g_test_message ("%u stories in %.1f s", last - first + 1,
                  (double) (g_get_monotonic_time () - start_us) / G_USEC_PER_SEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* every story is full of failures, and says so */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_test_add_func ("/evacuation/stories", test_stories);
  return g_test_run ();
}
