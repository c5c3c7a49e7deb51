/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-evacuation.h"
#include "vmft-fake-world.h"

#include <glib/gstdio.h>
#include <string.h>

#define MIB   1048576.0
#define GIB   (G_GUINT64_CONSTANT (1) << 30)
#define START G_GINT64_CONSTANT (1700000000000000)
#define N_VMS 3

typedef struct
{
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftHypervisor *hypervisor; /* on host a */
  VmftStore *store;
  VmftEvacuation *evacuation;
  VmftEvacuationConfig config;
  const char *uuids[N_VMS];
  GString *story; /* "vm1:running vm1:completed " */
  guint n_finished;
  guint n_progress;
  guint64 last_plan;
} Fixture;

static void
advance (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static void
on_step_changed (VmftEvacuation *evacuation, const VmftEvacuationStep *step, Fixture *f)
{
  g_string_append_printf (f->story, "%s:%s ", step->name, vmft_step_state_to_string (step->state));
}

static void
on_progress (VmftEvacuation *evacuation, const VmftEvacuationStep *step, Fixture *f)
{
  f->n_progress++;
}

static void
on_finished (VmftEvacuation *evacuation, Fixture *f)
{
  f->n_finished++;
}

static void
open_daemon (Fixture *f)
{
  f->hypervisor = vmft_fake_world_open (f->world, "a");
  vmft_hypervisor_start (f->hypervisor);
  advance (f, 0.1);
  f->evacuation = vmft_evacuation_new (f->hypervisor, f->clock, f->store, &f->config);
  vmft_evacuation_add_target (f->evacuation, "b", "fake://b", NULL, 0);
  vmft_evacuation_add_target (f->evacuation, "c", "fake://c", NULL, 0);
  g_signal_connect (f->evacuation, "step-changed", G_CALLBACK (on_step_changed), f);
  g_signal_connect (f->evacuation, "progress", G_CALLBACK (on_progress), f);
  g_signal_connect (f->evacuation, "finished", G_CALLBACK (on_finished), f);
}

static void
kill_daemon (Fixture *f)
{
  vmft_fake_world_kill_client (f->world, f->hypervisor);
  g_signal_handlers_disconnect_by_data (f->evacuation, f);
  vmft_evacuation_abandon (f->evacuation);
  g_clear_object (&f->evacuation);
  g_clear_object (&f->hypervisor);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->clock = vmft_fake_clock_new (START);
  f->world = vmft_fake_world_new (f->clock, 1);
  f->store = vmft_memory_store_new ();
  f->config = VMFT_EVACUATION_CONFIG_DEFAULT;
  f->story = g_string_new (NULL);
  vmft_fake_world_add_host (f->world, "a", 64 * GIB, 100 * MIB);
  vmft_fake_world_add_host (f->world, "b", 64 * GIB, 100 * MIB);
  vmft_fake_world_add_host (f->world, "c", 64 * GIB, 100 * MIB);
  for (guint i = 0; i < N_VMS; i++)
    {
      VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;

      vm.memory_bytes = GIB / 2;
      f->uuids[i] = vmft_fake_world_add_vm (f->world, "a", &vm);
    }
  open_daemon (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_fake_world_check (f->world, &error));
  g_assert_no_error (error);
  kill_daemon (f);
  advance (f, 120);
  g_string_free (f->story, TRUE);
  g_assert_finalize_object (f->store);
  g_assert_finalize_object (f->world);
  g_assert_finalize_object (f->clock);
}

/* every VM that still runs on a, in order */
static VmftPlan *
make_plan (Fixture *f, VmftMode mode)
{
  VmftPlan *plan = vmft_plan_new (vmft_clock_real_us (f->clock));

  plan->id = ++f->last_plan;
  for (guint i = 0; i < N_VMS; i++)
    {
      g_autofree char *name = g_strdup_printf ("vm%u", i + 1);
      VmftPlanStep *step = NULL;

      if (g_strcmp0 (vmft_fake_world_where (f->world, f->uuids[i]), "a") != 0)
        continue;
      step = vmft_plan_add_step (plan, f->uuids[i], name);
      step->destination = g_strdup ("b");
      step->mode = mode;
      step->allow_postcopy = mode >= VMFT_MODE_HYBRID;
    }
  return plan;
}

static void
start (Fixture *f, VmftMode mode)
{
  g_autoptr (VmftPlan) plan = make_plan (f, mode);

  vmft_evacuation_start (f->evacuation, plan);
}

static void
assert_all_on (Fixture *f, const char *host)
{
  for (guint i = 0; i < N_VMS; i++)
    g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[i]), ==, host);
}

static const char *
stored_state (Fixture *f, guint64 id)
{
  g_autoptr (GVariant) record = vmft_store_get_id (f->store, VMFT_STORE_MIGRATIONS, id, NULL);

  return record != NULL ? g_intern_string (vmft_dict_string (record, "state")) : NULL;
}

/* --- */

static void
test_in_order (Fixture *f, gconstpointer data)
{
  start (f, VMFT_MODE_PRECOPY);
  g_assert_cmpstr (stored_state (f, 1), ==, "running");
  g_assert_cmpstr (stored_state (f, 2), ==, "waiting");
  advance (f, 30);
  g_assert_cmpstr (f->story->str, ==,
                   "vm1:waiting vm2:waiting vm3:waiting vm1:running vm1:completed vm2:running vm2:completed "
                   "vm3:running vm3:completed ");
  assert_all_on (f, "b");
  g_assert_cmpuint (f->n_finished, ==, 1);
  g_assert_cmpuint (f->n_progress, >=, 20);
  g_assert_true (vmft_evacuation_is_finished (f->evacuation));
  g_assert_cmpstr (stored_state (f, 3), ==, "completed");
}

static void
test_record (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) record = NULL;
  g_autoptr (VmftEvacuationStep) step = NULL;
  g_autoptr (GError) error = NULL;

  start (f, VMFT_MODE_POSTCOPY);
  advance (f, 30);
  record = vmft_store_get_id (f->store, VMFT_STORE_MIGRATIONS, 1, &error);
  step = vmft_evacuation_step_from_variant (record, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (step->name, ==, "vm1");
  g_assert_cmpstr (step->destination, ==, "b");
  g_assert_cmpint (step->outcome, ==, VMFT_OUTCOME_COMPLETED);
  g_assert_cmpfloat_with_epsilon (step->total_s, 5.5, 0.3);
  g_assert_cmpfloat_with_epsilon (step->downtime_s, 0.003, 0.001);
  g_assert_cmpuint (step->transferred_bytes, ==, GIB / 2);
  g_assert_true (step->postcopy);
  g_assert_cmpint (step->ended_us - step->started_us, >=, 5 * G_USEC_PER_SEC);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  f->config.limit_out = 2;
  kill_daemon (f);
  open_daemon (f);
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 1);
  g_assert_cmpuint (vmft_fake_world_count_jobs (f->world, "a"), ==, 2);
  advance (f, 40);
  assert_all_on (f, "b");
}

static void
test_next_destination (Fixture *f, gconstpointer data)
{
  const VmftEvacuationStep *step = NULL;

  vmft_fake_world_refuse (f->world, "b", "no room");
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 40);
  assert_all_on (f, "c");
  step = vmft_evacuation_find (f->evacuation, f->uuids[0]);
  g_assert_cmpstr (step->destination, ==, "c");
  g_assert_cmpuint (step->attempts, ==, 2);
}

static char *
b_is_barred (const VmftEvacuationStep *step, gpointer user_data)
{
  const gboolean *barred = user_data;

  return *barred && strcmp (step->destination, "b") == 0 ? g_strdup ("b is suspect itself") : NULL;
}

/* What was planned for a host that has become suspect meanwhile goes elsewhere, or nowhere. */
static void
test_barred_meanwhile (Fixture *f, gconstpointer data)
{
  gboolean barred = FALSE;

  vmft_evacuation_set_barred (f->evacuation, b_is_barred, &barred);
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 1);
  barred = TRUE;
  advance (f, 60);
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[0]), ==, "b");
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[1]), ==, "c");
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[2]), ==, "c");
}

static void
test_nobody_takes_it (Fixture *f, gconstpointer data)
{
  const VmftEvacuationStep *step = NULL;

  vmft_fake_world_refuse (f->world, "b", "no room");
  vmft_fake_world_refuse (f->world, "c", "suspect itself");
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 40);
  assert_all_on (f, "a");
  step = vmft_evacuation_find (f->evacuation, f->uuids[0]);
  g_assert_cmpint (step->state, ==, VMFT_STEP_FAILED);
  g_assert_cmpstr (step->message, ==, "suspect itself");
  g_assert_cmpuint (f->n_finished, ==, 1);
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 8);
  for (guint64 id = 3; id > 1; id--) /* from the end: a step that goes must not start the next */
    g_assert_true (vmft_evacuation_cancel_step (f->evacuation, id, "the host is healthy again", NULL));
  advance (f, 20);
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[0]), ==, "b");
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[1]), ==, "a");
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[2]), ==, "a");
  g_assert_cmpint (vmft_evacuation_find (f->evacuation, f->uuids[1])->state, ==, VMFT_STEP_ABORTED);
  g_assert_cmpstr (vmft_evacuation_find (f->evacuation, f->uuids[1])->message, ==,
                   "the host is healthy again");
  g_assert_cmpuint (f->n_finished, ==, 1);
}

static void
test_cancel_is_too_late_in_postcopy (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  start (f, VMFT_MODE_POSTCOPY);
  advance (f, 2);
  g_assert_cmpstr (stored_state (f, 1), ==, "post-copy");
  g_assert_false (vmft_evacuation_cancel_step (f->evacuation, 1, "no", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED);
  g_clear_error (&error);
  g_assert_false (vmft_evacuation_cancel_step (f->evacuation, 99, "no", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND);
  advance (f, 30);
  assert_all_on (f, "b");
}

static void
test_switch (Fixture *f, gconstpointer data)
{
  VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;
  g_autoptr (VmftPlan) plan = vmft_plan_new (0);
  VmftPlanStep *step = NULL;
  const char *uuid = NULL;

  vm.dirty_bps = 200 * MIB;
  vm.working_set_bytes = 256 * MIB;
  uuid = vmft_fake_world_add_vm (f->world, "a", &vm);
  step = vmft_plan_add_step (plan, uuid, "writer");
  step->destination = g_strdup ("b");
  step->mode = VMFT_MODE_PRECOPY;
  step->allow_postcopy = TRUE;
  vmft_evacuation_start (f->evacuation, plan);
  advance (f, 60);
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "a");
  vmft_evacuation_switch (f->evacuation, uuid);
  advance (f, 6);
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "b");
  g_assert_cmpstr (f->story->str, ==,
                   "writer:waiting writer:running writer:switching writer:post-copy writer:completed ");
}

/* --- failures --- */

static void
test_broken_postcopy_is_resumed (Fixture *f, gconstpointer data)
{
  start (f, VMFT_MODE_POSTCOPY);
  advance (f, 2);
  vmft_fake_world_set_link (f->world, "b", 0);
  advance (f, 40);
  g_assert_cmpstr (stored_state (f, 1), ==, "recovering");
  g_assert_null (vmft_fake_world_where (f->world, f->uuids[0]));
  /* the others did not wait for it */
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[1]), ==, "c");
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[2]), ==, "c");
  g_assert_cmpuint (f->n_finished, ==, 1);
  g_assert_false (vmft_evacuation_is_finished (f->evacuation));
  vmft_fake_world_set_link (f->world, "b", 100 * MIB);
  advance (f, 40);
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[0]), ==, "b");
  g_assert_cmpuint (f->n_finished, ==, 2);
  g_assert_cmpuint (vmft_fake_world_get_losses (f->world)->len, ==, 0);
}

static void
test_libvirtd_restarts (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) again = NULL;

  start (f, VMFT_MODE_PRECOPY);
  advance (f, 2);
  vmft_fake_world_restart_libvirtd (f->world, "a", 5.0);
  advance (f, 1);
  g_assert_cmpstr (stored_state (f, 1), ==, "failed");
  g_assert_cmpstr (stored_state (f, 2), ==, "waiting");
  advance (f, 20);
  again = make_plan (f, VMFT_MODE_PRECOPY);
  vmft_evacuation_start (f->evacuation, again);
  advance (f, 40);
  assert_all_on (f, "b");
}

static void
test_new_plan_replaces_the_queue (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;
  VmftPlanStep *step = NULL;

  start (f, VMFT_MODE_PRECOPY);
  advance (f, 2);
  plan = vmft_plan_new (0);
  step = vmft_plan_add_step (plan, f->uuids[2], "vm3");
  step->destination = g_strdup ("c");
  step->mode = VMFT_MODE_POSTCOPY;
  vmft_plan_add_refusal (plan, f->uuids[1], "vm2", FALSE, g_strdup ("not needed"));
  vmft_evacuation_start (f->evacuation, plan);
  advance (f, 40);
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[0]), ==, "b");
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[1]), ==, "a");
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[2]), ==, "c");
}

static void
test_vm_goes_by_itself (Fixture *f, gconstpointer data)
{
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 2);
  vmft_fake_world_stop_vm (f->world, f->uuids[0]);
  vmft_fake_world_stop_vm (f->world, f->uuids[1]);
  advance (f, 30);
  g_assert_cmpint (vmft_evacuation_find (f->evacuation, f->uuids[0])->state, ==, VMFT_STEP_FAILED);
  g_assert_cmpint (vmft_evacuation_find (f->evacuation, f->uuids[1])->state, ==, VMFT_STEP_ABORTED);
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[2]), ==, "b");
}

static void
test_full_disk (Fixture *f, gconstpointer data)
{
  GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);

  vmft_memory_store_fail_after (VMFT_MEMORY_STORE (f->store), 2);
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 40);
  assert_all_on (f, "b");
  g_log_set_always_fatal (fatal);
}

/* --- when libvirt cannot move it --- */

static void
reopen (Fixture *f)
{
  kill_daemon (f);
  open_daemon (f);
}

static void
test_saved_by_plan (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = make_plan (f, VMFT_MODE_PRECOPY);
  const VmftEvacuationStep *step = NULL;

  for (guint i = 0; i < plan->steps->len; i++)
    ((VmftPlanStep *) plan->steps->pdata[i])->save = TRUE;
  vmft_evacuation_start (f->evacuation, plan);
  advance (f, 5);
  step = vmft_evacuation_find (f->evacuation, f->uuids[0]);
  g_assert_cmpint (step->action, ==, VMFT_ACTION_SAVE);
  g_assert_cmpint (step->state, ==, VMFT_STEP_COMPLETED);
  assert_all_on (f, NULL);
  g_assert_cmpuint (vmft_fake_world_get_losses (f->world)->len, ==, 0);
}

/* Each step says for itself what is to be done. */
static void
test_moved_and_saved (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = make_plan (f, VMFT_MODE_PRECOPY);
  VmftPlanStep *last = plan->steps->pdata[N_VMS - 1];

  plan->verdict = VMFT_PLAN_GO;
  last->save = TRUE;
  g_clear_pointer (&last->destination, g_free);
  vmft_evacuation_start (f->evacuation, plan);
  advance (f, 60);
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[0]), ==, "b");
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[1]), ==, "b");
  g_assert_null (vmft_fake_world_where (f->world, f->uuids[2]));
  g_assert_true (g_str_has_suffix (f->story->str, "vm2:completed vm3:running vm3:completed "));
  g_assert_cmpuint (vmft_fake_world_get_losses (f->world)->len, ==, 0);
  g_assert_cmpuint (f->n_finished, ==, 1);
}

static void
test_saved_when_refused (Fixture *f, gconstpointer data)
{
  f->config.save_refused = TRUE;
  reopen (f);
  vmft_fake_world_refuse (f->world, "b", "no room");
  vmft_fake_world_refuse (f->world, "c", "no room");
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 30);
  assert_all_on (f, NULL);
  g_assert_cmpuint (vmft_fake_world_get_losses (f->world)->len, ==, 0);
  g_assert_cmpuint (f->n_finished, ==, 1);
}

static void
start_command (Fixture *f, const char *command)
{
  f->config.exec_command = command;
  reopen (f);
  start (f, VMFT_MODE_PRECOPY);
}

static void
run_command (Fixture *f, const char *command)
{
  start_command (f, command);
  while (f->n_finished == 0)
    {
      if (g_str_equal (stored_state (f, 1), "waiting"))
        advance (f, 10);
      else
        g_main_context_iteration (NULL, TRUE);
    }
}

static void
test_exec (Fixture *f, gconstpointer data)
{
  g_autofree char *directory = g_dir_make_tmp ("vmft-exec-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "plan", NULL);
  g_autofree char *command = g_strdup_printf ("sh -c 'cat > %s; echo moving; echo all moved'", path);
  g_autofree char *json = NULL;
  g_autoptr (GVariant) plan = NULL;
  const VmftEvacuationStep *step = NULL;

  run_command (f, command);
  step = vmft_evacuation_find (f->evacuation, f->uuids[2]);
  g_assert_cmpint (step->state, ==, VMFT_STEP_COMPLETED);
  g_assert_cmpint (step->action, ==, VMFT_ACTION_EXEC);
  g_assert_cmpstr (step->message, ==, "all moved");
  g_assert_true (g_file_get_contents (path, &json, NULL, NULL));
  plan = vmft_json_to_variant (json, NULL);
  g_assert_nonnull (plan);
  g_assert_cmpint (vmft_dict_int64 (plan, "id", 0), ==, 1);
  g_unlink (path);
  g_rmdir (directory);
}

static void
test_exec_fails (Fixture *f, gconstpointer data)
{
  run_command (f, "sh -c 'echo cloud says no >&2; exit 3'");
  g_assert_cmpint (vmft_evacuation_find (f->evacuation, f->uuids[0])->state, ==, VMFT_STEP_FAILED);
  g_assert_cmpstr (vmft_evacuation_find (f->evacuation, f->uuids[0])->message, ==, "cloud says no");
}

static void
test_exec_again (Fixture *f, gconstpointer data)
{
  run_command (f, "sh -c 'exit 75'");
  g_assert_cmpint (vmft_evacuation_find (f->evacuation, f->uuids[0])->state, ==, VMFT_STEP_FAILED);
  g_assert_cmpuint (vmft_evacuation_find (f->evacuation, f->uuids[0])->attempts, ==, 3);
}

/* what the command was told to move, "vm1 vm2 " */
static char *
read_told (const char *path)
{
  g_autofree char *json = NULL;
  g_autoptr (GVariant) plan = NULL;
  g_autoptr (GVariant) steps = NULL;
  GString *names = g_string_new (NULL);

  g_assert_true (g_file_get_contents (path, &json, NULL, NULL));
  plan = vmft_json_to_variant (json, NULL);
  g_assert_nonnull (plan);
  steps = g_variant_lookup_value (plan, "steps", NULL);
  for (gsize i = 0; steps != NULL && i < g_variant_n_children (steps); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (steps, i);
      g_autoptr (GVariant) step = g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT)
                                      ? g_variant_get_variant (child)
                                      : g_variant_ref (child);

      g_string_append_printf (names, "%s ", vmft_dict_string (step, "name"));
    }
  return g_string_free (names, FALSE);
}

static void
wait_until_waiting (Fixture *f)
{
  while (!g_str_equal (stored_state (f, 1), "waiting"))
    g_main_context_iteration (NULL, TRUE);
}

/* Who was called off between two runs is not moved by the second. */
static void
test_exec_again_without (Fixture *f, gconstpointer data)
{
  g_autofree char *directory = g_dir_make_tmp ("vmft-exec-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "plan", NULL);
  g_autofree char *command = g_strdup_printf ("sh -c 'cat > %s; exit 75'", path);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autoptr (GError) error = NULL;

  start_command (f, command);
  wait_until_waiting (f);
  first = read_told (path);
  g_assert_cmpstr (first, ==, "vm1 vm2 vm3 ");
  g_assert_true (vmft_evacuation_cancel_step (f->evacuation, 2, "it stays", &error));
  g_assert_no_error (error);
  advance (f, 10);
  g_assert_cmpstr (stored_state (f, 1), ==, "running");
  g_assert_cmpstr (stored_state (f, 2), ==, "aborted");
  wait_until_waiting (f);
  second = read_told (path);
  g_assert_cmpstr (second, ==, "vm1 vm3 ");
  g_assert_true (vmft_evacuation_cancel_step (f->evacuation, 3, "enough", &error));
  g_assert_true (vmft_evacuation_cancel_step (f->evacuation, 1, "enough", &error));
  g_unlink (path);
  g_rmdir (directory);
}

static void
test_exec_not_there (Fixture *f, gconstpointer data)
{
  run_command (f, "/no/such/command");
  g_assert_cmpint (vmft_evacuation_find (f->evacuation, f->uuids[0])->state, ==, VMFT_STEP_FAILED);
}

static void
test_killed_during_exec (Fixture *f, gconstpointer data)
{
  VmftEvacuation *first = NULL;

  f->config.exec_command = "sleep 0.3";
  reopen (f);
  start (f, VMFT_MODE_PRECOPY);
  g_assert_cmpstr (stored_state (f, 1), ==, "running");
  g_set_weak_pointer (&first, f->evacuation);
  reopen (f);
  /* the command outlives its vmftd; so does, here, what waits for it */
  while (first != NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (stored_state (f, 1), ==, "running");
  vmft_fake_world_stop_vm (f->world, f->uuids[0]);
  g_assert_cmpuint (vmft_evacuation_reattach (f->evacuation), ==, 0);
  g_assert_cmpstr (stored_state (f, 1), ==, "completed");
  g_assert_cmpstr (stored_state (f, 2), ==, "failed");
}

/* --- killed at any moment --- */

static guint
count_arrivals (Fixture *f, const char *uuid)
{
  const GPtrArray *runs = vmft_fake_world_get_runs (f->world);
  guint n = 0;

  for (guint i = 0; i < runs->len; i++)
    {
      const VmftFakeRun *run = g_ptr_array_index (runs, i);

      n += g_str_equal (run->uuid, uuid) && !g_str_equal (run->host, "a");
    }
  return n;
}

static void
kill_and_take_up (Fixture *f, double after_s)
{
  start (f, f->config.peer_to_peer ? VMFT_MODE_HYBRID : VMFT_MODE_PRECOPY);
  advance (f, after_s);
  kill_daemon (f);
  advance (f, 0.7);
  open_daemon (f);
  vmft_evacuation_reattach (f->evacuation);
  advance (f, 30);
  g_assert_true (vmft_evacuation_is_finished (f->evacuation));
}

/* the VMs that are left are planned afresh; no VM moves twice */
static void
test_killed_at (gconstpointer data)
{
  gboolean peer_to_peer = GPOINTER_TO_INT (data);

  for (double after_s = 0.0; after_s < 20.0; after_s += 0.4)
    {
      Fixture f = { 0 };
      guint n_left = 0;

      set_up (&f, NULL);
      f.config.peer_to_peer = peer_to_peer;
      kill_daemon (&f);
      open_daemon (&f);
      kill_and_take_up (&f, after_s);
      for (guint i = 0; i < N_VMS; i++)
        n_left += g_strcmp0 (vmft_fake_world_where (f.world, f.uuids[i]), "a") == 0;
      if (n_left > 0)
        start (&f, VMFT_MODE_PRECOPY);
      advance (&f, 40);
      assert_all_on (&f, "b");
      for (guint i = 0; i < N_VMS; i++)
        g_assert_cmpuint (count_arrivals (&f, f.uuids[i]), ==, 1);
      g_assert_cmpuint (vmft_fake_world_get_losses (f.world)->len, ==, 0);
      tear_down (&f, NULL);
    }
}

/* How long a job took that ended meanwhile is known only so far: no longer than until now. */
static void
test_ended_while_away (Fixture *f, gconstpointer data)
{
  const VmftEvacuationStep *step = NULL;
  g_autoptr (GVariant) record = NULL;

  start (f, VMFT_MODE_PRECOPY);
  advance (f, 2);
  kill_daemon (f);
  advance (f, 60);
  open_daemon (f);
  vmft_evacuation_reattach (f->evacuation);
  advance (f, 1);
  step = vmft_evacuation_find (f->evacuation, f->uuids[0]);
  g_assert_cmpint (step->state, ==, VMFT_STEP_COMPLETED);
  g_assert_false (step->total_measured);
  record = vmft_store_get_id (f->store, VMFT_STORE_MIGRATIONS, 1, NULL);
  g_assert_cmpfloat (vmft_dict_double (record, "total_s", 0.0), >, 60.0);
  g_assert_nonnull (strstr (vmft_dict_string (record, "message"), "no longer than this"));
}

static void
test_killed_while_recovering (Fixture *f, gconstpointer data)
{
  start (f, VMFT_MODE_POSTCOPY);
  advance (f, 2);
  vmft_fake_world_set_link (f->world, "b", 0);
  advance (f, 6);
  kill_daemon (f);
  advance (f, 1);
  open_daemon (f);
  g_assert_cmpuint (vmft_evacuation_reattach (f->evacuation), >=, 1);
  advance (f, 2);
  g_assert_cmpstr (stored_state (f, 1), ==, "recovering");
  vmft_fake_world_set_link (f->world, "b", 100 * MIB);
  advance (f, 20);
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuids[0]), ==, "b");
  g_assert_cmpstr (stored_state (f, 1), ==, "completed");
}

static void
test_nothing_to_take_up (Fixture *f, gconstpointer data)
{
  start (f, VMFT_MODE_PRECOPY);
  advance (f, 30);
  kill_daemon (f);
  open_daemon (f);
  g_assert_cmpuint (vmft_evacuation_reattach (f->evacuation), ==, 0);
  advance (f, 1);
  g_assert_cmpuint (vmft_evacuation_get_steps (f->evacuation)->len, ==, 0);
}

static void
test_bad_records (void)
{
  const char *const bad[] = {
    "{}",
    "{'uuid': <'u'>, 'name': <'n'>}",
    "{'uuid': <'u'>, 'name': <'n'>, 'mode': <'teleport'>, 'state': <'running'>}",
    "{'uuid': <'u'>, 'name': <'n'>, 'mode': <'hybrid'>, 'state': <'flying'>}",
    "{'uuid': <3>, 'name': <'n'>, 'mode': <'hybrid'>, 'state': <'running'>}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GVariant) record = g_variant_parse (G_VARIANT_TYPE_VARDICT, bad[i], NULL, NULL, NULL);
      g_autoptr (VmftEvacuationStep) step = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_nonnull (record);
      step = vmft_evacuation_step_from_variant (record, &error);
      g_assert_null (step);
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
    }
}

static void
add (const char *path, void (*func) (Fixture *, gconstpointer))
{
  g_test_add (path, Fixture, NULL, set_up, func, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/evacuation/in-order", test_in_order);
  add ("/evacuation/record", test_record);
  add ("/evacuation/limit", test_limit);
  add ("/evacuation/next-destination", test_next_destination);
  add ("/evacuation/barred-meanwhile", test_barred_meanwhile);
  add ("/evacuation/nobody-takes-it", test_nobody_takes_it);
  add ("/evacuation/cancel", test_cancel);
  add ("/evacuation/cancel-is-too-late-in-postcopy", test_cancel_is_too_late_in_postcopy);
  add ("/evacuation/switch", test_switch);
  add ("/evacuation/broken-postcopy-is-resumed", test_broken_postcopy_is_resumed);
  add ("/evacuation/libvirtd-restarts", test_libvirtd_restarts);
  add ("/evacuation/new-plan-replaces-the-queue", test_new_plan_replaces_the_queue);
  add ("/evacuation/vm-goes-by-itself", test_vm_goes_by_itself);
  add ("/evacuation/full-disk", test_full_disk);
  add ("/evacuation/saved/by-plan", test_saved_by_plan);
  add ("/evacuation/saved/with-moves", test_moved_and_saved);
  add ("/evacuation/saved/when-refused", test_saved_when_refused);
  add ("/evacuation/exec/done", test_exec);
  add ("/evacuation/exec/fails", test_exec_fails);
  add ("/evacuation/exec/again", test_exec_again);
  add ("/evacuation/exec/again-without", test_exec_again_without);
  add ("/evacuation/exec/not-there", test_exec_not_there);
  add ("/evacuation/exec/killed", test_killed_during_exec);
  g_test_add_data_func ("/evacuation/killed-at/peer-to-peer", GINT_TO_POINTER (TRUE), test_killed_at);
  g_test_add_data_func ("/evacuation/killed-at/direct", GINT_TO_POINTER (FALSE), test_killed_at);
  add ("/evacuation/ended-while-away", test_ended_while_away);
  add ("/evacuation/killed-while-recovering", test_killed_while_recovering);
  add ("/evacuation/nothing-to-take-up", test_nothing_to_take_up);
  g_test_add_func ("/evacuation/bad-records", test_bad_records);
  return g_test_run ();
}
