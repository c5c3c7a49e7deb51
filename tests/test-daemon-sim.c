/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole daemon on the virtual clock: scripted log, hosts that exist only here, the store that a restart finds. */
#include "daemon-story.h"

#define N_VMS 3

static Story *
new_story (const char *mode, VmftTrust trust, const char *extra)
{
  Story *s = story_new (mode, trust, extra, 7);

  story_add_vm (s, "idle", 512, 0.1, 4);
  story_add_vm (s, "middle", 1024, 30, 200);
  story_add_vm (s, "busy", 1024, 170, 700);
  return s;
}

/* The first plan with its steps; (transfer full). */
static GVariant *
last_record (Story *s, GVariant *(*list) (VmftDaemon *, const VmftQuery *, GError **) )
{
  const VmftQuery query = { .limit = 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) records = NULL;
  GVariant *found = list (s->daemon, &query, &error);

  g_assert_no_error (error);
  records = g_variant_ref_sink (found);
  return g_variant_n_children (records) > 0 ? g_variant_get_child_value (records, 0) : NULL;
}

static guint
count_records (Story *s, GVariant *(*list) (VmftDaemon *, const VmftQuery *, GError **) )
{
  const VmftQuery query = { 0 };
  g_autoptr (GVariant) records = g_variant_ref_sink (list (s->daemon, &query, NULL));

  return (guint) g_variant_n_children (records);
}

static void
assert_rows (GVariant *story, const char *key, gsize n)
{
  g_autoptr (GVariant) rows = g_variant_lookup_value (story, key, NULL);

  g_assert_nonnull (rows);
  g_assert_cmpuint (g_variant_n_children (rows), ==, n);
}

/* --- stories --- */

static void
test_main_story (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);
  g_autoptr (GVariant) plan = NULL;
  g_autoptr (GVariant) story = NULL;
  g_autoptr (GError) error = NULL;

  story_run_up (s);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_incidents), ==, 0);
  story_say_fault (s, 1.0);
  story_advance (s, 1.5);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_nonnull (plan);
  g_assert_cmpstr (vmft_dict_string (plan, "verdict"), ==, "go");
  g_assert_true (vmft_dict_boolean (plan, "executed", FALSE));
  g_assert_cmpfloat (vmft_dict_double (plan, "evidence_to_call_s", 9.0), <, 0.1);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 1);

  story_advance (s, 120.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), ==, N_VMS);

  story = vmft_daemon_explain (s->daemon, 1, &error);
  g_assert_no_error (error);
  g_variant_ref_sink (story);
  assert_rows (story, "alarms", 2);
  assert_rows (story, "plans", 2); /* go, then nothing left to move */
  assert_rows (story, "migrations", N_VMS);
  vmft_fake_world_kill_host (s->world, "a");
  story_advance (s, 5.0);
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
}

static void
expect_held_back (const char *mode, VmftTrust trust, const char *guard)
{
  g_autoptr (Story) s = new_story (mode, trust, NULL);
  g_autoptr (GVariant) plan = NULL;

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 60.0);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_nonnull (plan);
  g_assert_cmpstr (vmft_dict_string (plan, "guard"), ==, guard);
  g_assert_false (vmft_dict_boolean (plan, "executed", TRUE));
  g_assert_cmpuint (story_count_on (s, "a"), ==, N_VMS);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), ==, 0);
}

static void
test_observe (void)
{
  expect_held_back ("observe", VMFT_TRUST_KERNEL, "observe");
}

static void
test_advise (void)
{
  expect_held_back ("advise", VMFT_TRUST_KERNEL, "advise");
}

/* Anyone could have said it: an incident that says why nothing comes of it, in every mode. */
static void
test_untrusted (void)
{
  static const char *const modes[] = { "observe", "advise", "act" };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_autoptr (Story) s = new_story (modes[i], VMFT_TRUST_CLAIMED, NULL);
      g_autoptr (GVariant) incident = NULL;
      g_autofree char *suspicion = NULL;

      story_run_up (s);
      story_say_fault (s, 1.0);
      story_advance (s, 60.0);
      incident = last_record (s, vmft_daemon_list_incidents);
      g_assert_cmpstr (vmft_dict_string (incident, "state"), ==, "confirmed");
      g_assert_nonnull (strstr (vmft_dict_string (incident, "no_plan"), "no trusted source"));
      g_assert_cmpuint (count_records (s, vmft_daemon_list_plans), ==, 0);
      g_assert_cmpuint (story_count_on (s, "a"), ==, N_VMS);
      suspicion = vmft_daemon_get_suspicion (s->daemon); /* or anybody could close a host to others' VMs */
      g_assert_null (suspicion);
    }
}

/* The operator lets it act while the incident is open. */
static void
test_operation_changes (void)
{
  g_autoptr (Story) s = new_story ("advise", VMFT_TRUST_KERNEL, NULL);
  g_autoptr (GError) error = NULL;

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 20.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, N_VMS);
  g_assert_true (vmft_daemon_set_operation (s->daemon, VMFT_OPERATION_ACT, &error));
  story_advance (s, 120.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);

  story_kill_daemon (s);
  story_start_daemon (s);
  g_assert_cmpint (vmft_daemon_get_operation (s->daemon), ==, VMFT_OPERATION_ACT);
}

static void
test_inhibited (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);
  g_autoptr (GError) error = NULL;

  story_run_up (s);
  g_assert_false (vmft_daemon_inhibit (s->daemon, STORY_START_US * 2, "", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (vmft_daemon_inhibit (s->daemon, vmft_time_add_s (vmft_clock_real_us (s->clock), 60.0),
                                      "disk swap", &error));
  story_say_fault (s, 1.0);
  story_advance (s, 50.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, N_VMS);
  story_advance (s, 120.0); /* it ends by itself, and the incident is still open */
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
}

/* Whoever says "stop" while VMs leave means those that have not begun. */
static void
test_stopped_on_the_way (gboolean by_mode)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);
  g_autoptr (GError) error = NULL;

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 1.5);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 1);
  if (by_mode)
    g_assert_true (vmft_daemon_set_operation (s->daemon, VMFT_OPERATION_OBSERVE, &error));
  else
    g_assert_true (vmft_daemon_inhibit (s->daemon, vmft_time_add_s (vmft_clock_real_us (s->clock), 3600.0),
                                        "wait", &error));
  story_advance (s, 120.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, N_VMS - 1);
  if (by_mode)
    g_assert_true (vmft_daemon_set_operation (s->daemon, VMFT_OPERATION_ACT, &error));
  else
    g_assert_true (vmft_daemon_inhibit (s->daemon, 0, "", &error));
  story_advance (s, 120.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
}

static void
test_observe_on_the_way (void)
{
  test_stopped_on_the_way (TRUE);
}

static void
test_inhibited_on_the_way (void)
{
  test_stopped_on_the_way (FALSE);
}

/* Killed at many a moment, the daemon comes back and moves each VM exactly once. */
static void
test_killed_and_restarted (void)
{
  for (double after_s = 0.05; after_s < 40.0; after_s = after_s * 1.7 + 0.3)
    {
      g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);

      story_run_up (s);
      story_say_fault (s, 1.0);
      story_advance (s, 1.0 + after_s);
      story_kill_daemon (s);
      story_advance (s, 2.0);
      story_start_daemon (s);
      story_advance (s, 200.0);
      g_test_message ("killed %.2f s after the fault: %u left", after_s, story_count_on (s, "a"));
      g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
      g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
      g_assert_cmpuint (vmft_fake_world_get_runs (s->world)->len, ==, 2 * N_VMS); /* on A, then elsewhere */
    }
}

/* The time until the daemon was back is not the time that the migration took. */
static void
test_nothing_learnt_from_absence (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);
  VmftAccuracy rows[VMFT_N_MODES] = { 0 };

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 3.0);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), >, 0);
  story_kill_daemon (s);
  story_advance (s, 300.0);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 0);
  g_assert_cmpuint (story_count_on (s, "a"), <, N_VMS);
  story_start_daemon (s);
  story_advance (s, 1.0);
  vmft_estimator_accuracy (vmft_daemon_get_estimator (s->daemon), rows);
  for (guint i = 0; i < VMFT_N_MODES; i++)
    g_assert_cmpuint (rows[i].n + rows[i].n_censored, ==, 0);
}

static double
reserved_at (Story *s, const char *name)
{
  g_autoptr (GVariant) status = g_variant_ref_sink (vmft_daemon_describe (s->daemon));
  g_autoptr (GVariant) list = g_variant_lookup_value (status, "destinations", NULL);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (list, i);

      if (g_strcmp0 (vmft_dict_string (row, "name"), name) == 0)
        return vmft_dict_double (row, "reserved_bytes", -1.0);
    }
  return -1.0;
}

/* Room is kept where the VM goes, and nowhere else. */
static void
test_destination_refuses (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);

  story_run_up (s);
  vmft_fake_world_refuse (s->world, "b", "not enough memory");
  story_say_fault (s, 1.0);
  story_advance (s, 2.5);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 1);
  g_assert_cmpfloat (reserved_at (s, "b"), ==, 0.0);
  g_assert_cmpfloat (reserved_at (s, "c"), >, 0.0);
  story_advance (s, 200.0);
  g_assert_cmpuint (story_count_on (s, "c"), ==, N_VMS);
  g_assert_cmpfloat (reserved_at (s, "c"), ==, 0.0);
}

static guint
count_saves (Story *s)
{
  const VmftQuery query = { 0 };
  g_autoptr (GVariant) records = g_variant_ref_sink (vmft_daemon_list_migrations (s->daemon, &query, NULL));
  guint n = 0;

  for (gsize i = 0; i < g_variant_n_children (records); i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (records, i);

      if (g_strcmp0 (vmft_dict_string (record, "action"), "save") != 0)
        continue;
      g_assert_cmpstr (vmft_dict_string (record, "state"), ==, "completed");
      n++;
    }
  return n;
}

/* Nobody can be reached when the fault comes: the fallback saves each VM, once; else they stay. */
static void
expect_without_destinations (const char *fallback, guint n_saved)
{
  g_autofree char *extra = g_strdup_printf ("[Policy]\nfallback=%s\n", fallback);
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, extra);
  g_autoptr (GVariant) plan = NULL;
  g_autoptr (GVariant) first = NULL;
  const VmftQuery query = { 0 };
  g_autoptr (GVariant) plans = NULL;

  vmft_fake_world_kill_host (s->world, "b");
  vmft_fake_world_kill_host (s->world, "c");
  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 300.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, N_VMS - n_saved);
  g_assert_cmpuint (count_saves (s), ==, n_saved);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), ==, n_saved);
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_cmpstr (vmft_dict_string (plan, "verdict"), ==, "nothing"); /* any more */
  assert_rows (plan, "steps", 0);
  plans = g_variant_ref_sink (vmft_daemon_list_plans (s->daemon, &query, NULL));
  first = g_variant_get_child_value (plans, g_variant_n_children (plans) - 1);
  g_assert_cmpstr (vmft_dict_string (first, "verdict"), ==, n_saved > 0 ? "save" : "nothing");
}

static void
test_no_destination_left (void)
{
  expect_without_destinations ("fastest", 0);
  expect_without_destinations ("alert", 0);
  expect_without_destinations ("save", N_VMS);
}

/* They go while the first VM is on its way: who is still here is saved, and nobody twice. */
static void
test_destinations_go (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, "[Policy]\nfallback=save\nmodes=pre-copy\n");

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 3.0);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 1);
  vmft_fake_world_kill_host (s->world, "b");
  vmft_fake_world_kill_host (s->world, "c");
  story_advance (s, 300.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
  g_assert_cmpuint (count_saves (s), ==, N_VMS);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), ==,
                    N_VMS + 1); /* the job that was lost */
}

static void
test_libvirtd_is_away (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);

  story_run_up (s);
  vmft_fake_world_restart_libvirtd (s->world, "a", 20.0);
  story_say_fault (s, 1.0);
  story_advance (s, 10.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, N_VMS);
  story_advance (s, 200.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
}

static void
test_link_breaks_and_heals (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, "[Policy]\nmodes=pre-copy\nmax-failures=20\n");

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 3.0);
  vmft_fake_world_set_link (s->world, "a", 0.0);
  story_advance (s, 10.0);
  vmft_fake_world_set_link (s->world, "a", STORY_LINK_BPS);
  story_advance (s, 300.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 1); /* the busy one, for which pre-copy alone never ends */
  g_assert_cmpstr (vmft_fake_world_where (s->world, g_ptr_array_index (s->uuids, 2)), ==, "a");
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
}

/* A VM goes only where its owner lets it, also when the first choice refuses it. */
static void
test_tags (void)
{
  g_autoptr (Story) s = story_new ("act", VMFT_TRUST_KERNEL,
                                   "tags=rack2\n[VM picky]\ntags=rack2\n[VM choosy]\ntags=rack2 ssd\n", 7);

  story_add_vm (s, "picky", 512, 1, 10);
  story_add_vm (s, "choosy", 512, 1, 10);
  story_run_up (s);
  vmft_fake_world_refuse (s->world, "c", "not enough memory");
  story_say_fault (s, 1.0);
  story_advance (s, 600.0); /* to be turned away, however often, is not to fail */
  g_assert_cmpuint (story_count_on (s, "a"), ==, 2);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), <, 20);
  vmft_fake_world_refuse (s->world, "c", NULL);
  story_advance (s, 120.0);
  g_assert_cmpstr (vmft_fake_world_where (s->world, g_ptr_array_index (s->uuids, 0)), ==, "c");
  g_assert_cmpstr (vmft_fake_world_where (s->world, g_ptr_array_index (s->uuids, 1)), ==, "a");
}

/* A VM whose job is lost does not wait for the end of the others to be planned again. */
static void
test_failure_is_planned_anew (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);
  const char *first = g_ptr_array_index (s->uuids, 0);
  g_autoptr (GVariant) plan = NULL;

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 3.0);
  vmft_fake_world_lose_job (s->world, first);
  story_advance (s, 6.0);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_cmpint (vmft_dict_int64 (plan, "id", 0), ==, 2);
  g_assert_true (vmft_dict_boolean (plan, "executed", FALSE));
  g_assert_cmpuint (story_count_on (s, "a"), >, 1); /* the evacuation is far from its end */
  story_advance (s, 120.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
}

/* The link carries less than the plan counted on: VMs that wait get a quicker mode before it is too late. */
static void
test_lead_shrinks (void)
{
  g_autoptr (Story) s = story_new ("act", VMFT_TRUST_KERNEL, NULL, 7);
  g_autoptr (GVariant) first = NULL;
  g_autoptr (GVariant) plan = NULL;

  for (guint i = 0; i < 4; i++)
    story_add_vm (s, NULL, 3072, 20, 500);
  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 3.0);
  first = last_record (s, vmft_daemon_list_plans);
  g_assert_true (vmft_dict_boolean (first, "executed", FALSE));
  vmft_fake_world_set_link (s->world, "a", STORY_LINK_BPS / 6.0);
  while (vmft_fake_world_count_jobs (s->world, "a") > 0 && story_count_on (s, "a") > 2)
    story_advance (s, 5.0);
  story_advance (s, 20.0);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_cmpint (vmft_dict_int64 (plan, "id", 0), >, 1);
  g_assert_true (vmft_dict_boolean (plan, "executed", FALSE));
  g_assert_cmpuint (story_count_on (s, "a"), >, 0);
  story_advance (s, 1200.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
}

/* A post-copy job that cannot be resumed for now keeps the host's other VMs neither waiting nor unplanned. */
static void
test_recovery_keeps_nobody (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, "[Policy]\nmodes=post-copy\nmax-failures=20\n");

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 3.0);
  vmft_fake_world_set_link (s->world, "b", 0.0);
  story_advance (s, 100.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
  g_assert_cmpuint (story_count_on (s, "c"), ==, N_VMS - 1);
  vmft_fake_world_set_link (s->world, "b", STORY_LINK_BPS);
  story_advance (s, 60.0);
  g_assert_cmpuint (story_count_on (s, "b"), ==, 1);
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
}

/* Nothing can be kept any more, but the VMs leave all the same. */
static void
test_store_takes_no_more (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);

  story_run_up (s);
  story_drop_daemon (s);
  story_set_store (s, vmft_memory_store_new ());
  story_run_up (s);
  vmft_memory_store_fail_after (VMFT_MEMORY_STORE (s->store), 0);
  story_say_fault (s, 1.0);
  story_advance (s, 200.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
}

/* The disk was swapped while the first VM was on its way. */
static void
expect_after_clearing (const char *choice, guint n_on_a)
{
  g_autofree char *extra = g_strdup_printf ("[Policy]\nwhen-cleared=%s\n", choice);
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, extra);
  g_autoptr (GError) error = NULL;

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, 3.0);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 1);
  g_assert_true (vmft_daemon_acknowledge (s->daemon, 1, FALSE, TRUE, &error));
  g_assert_no_error (error);
  story_advance (s, 200.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, n_on_a);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, NULL), ==, 0);
}

static void
test_incident_clears (void)
{
  expect_after_clearing ("finish", 0);
  expect_after_clearing ("stop", N_VMS - 1);
  expect_after_clearing ("abort", N_VMS);
}

static void
set_memory (Story *s, guint available_mib)
{
  g_autofree char *path = g_build_filename (s->dir, "meminfo", NULL);
  g_autofree char *text = g_strdup_printf ("MemTotal: %u kB\nMemAvailable: %u kB\nSwapFree: 0 kB\n",
                                           16384 * 1024, available_mib * 1024);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static guint
count_state (Story *s, const char *state)
{
  const VmftQuery query = { 0 };
  g_autoptr (GVariant) records = g_variant_ref_sink (vmft_daemon_list_migrations (s->daemon, &query, NULL));
  guint n = 0;

  for (gsize i = 0; i < g_variant_n_children (records); i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (records, i);

      n += g_strcmp0 (vmft_dict_string (record, "state"), state) == 0 ? 1 : 0;
    }
  return n;
}

/* 1.4 GiB are missing, so two of three VMs are to leave; the first is on its way, and slow. */
static Story *
new_story_under_pressure (const char *when_cleared)
{
  g_autofree char *extra = g_strdup_printf ("[Policy]\nwhen-cleared=%s\n", when_cleared);
  g_autoptr (Story) s = story_new ("act", VMFT_TRUST_KERNEL, extra, 7);

  for (guint i = 0; i < 3; i++)
    story_add_vm (s, NULL, 1024, 1, 10);
  set_memory (s, 200);
  story_run_up (s);
  vmft_fake_world_set_link (s->world, "a", STORY_LINK_BPS / 4.0);
  story_say (s, 1.0, "kworker/0:1: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)");
  story_say (s, 1.5, "kworker/0:1: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)");
  story_advance (s, 4.0);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 1);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), ==, 2);
  return g_steal_pointer (&s);
}

/* Memory comes back while the first is on its way: the second stays. */
static void
expect_after_relief (const char *when_cleared, guint n_on_a)
{
  g_autoptr (Story) s = new_story_under_pressure (when_cleared);
  g_autoptr (GVariant) plan = NULL;

  set_memory (s, 8000);
  story_advance (s, 20.0);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_cmpstr (vmft_dict_string (plan, "guard"), ==, "relieved");
  g_assert_cmpstr (vmft_dict_string (plan, "verdict"), ==, "nothing");
  story_advance (s, 400.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, n_on_a);
}

static void
test_pressure_goes (void)
{
  expect_after_relief ("stop", 2);
  expect_after_relief ("finish", 2); /* what has not begun is not needed, whatever else */
  expect_after_relief ("abort", 3);
}

/* Half of it comes back: the VM that is on its way frees the rest. */
static void
test_pressure_eases (void)
{
  g_autoptr (Story) s = new_story_under_pressure ("stop");

  set_memory (s, 1000);
  story_advance (s, 20.0);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 1);
  g_assert_cmpuint (count_state (s, "aborted"), ==, 1);
  set_memory (s, 2100);
  story_advance (s, 400.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 2);
}

/* It does not: what is missing still after two have left takes the third. */
static void
test_pressure_stays (void)
{
  g_autoptr (Story) s = new_story_under_pressure ("stop");

  story_advance (s, 20.0);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), ==, 2); /* no more than needed so far */
  story_advance (s, 400.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0);
}

static void
test_old_lines_move_nothing (void)
{
  g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);
  g_autoptr (GVariant) plan = NULL;

  story_start_daemon (s);
  story_say_fault (s, 5.0);
  story_kill_daemon (s); /* the source's lines go with it */
  story_advance (s, 3600.0);
  story_start_daemon (s);
  vmft_script_source_add (
      VMFT_SCRIPT_SOURCE (s->source), 0,
      "2026-09-21T14:13:25.000000+00:00 hosta kernel: [ 4000.0] critical medium error, dev sda, sector "
      "4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
  story_advance (s, 60.0);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_nonnull (plan);
  g_assert_cmpstr (vmft_dict_string (plan, "guard"), ==, "backlog");
  g_assert_cmpuint (story_count_on (s, "a"), ==, N_VMS);
}

/* A file system that the kernel takes away is the failure that its disk's errors announced: one record an incident,
 * whatever else fails after it. */
static void
test_kernel_says_failed (void)
{
  g_autoptr (Story) s = new_story ("advise", VMFT_TRUST_KERNEL, NULL);
  g_autoptr (GVariant) leads = NULL;
  g_autoptr (GVariant) lead = NULL;
  g_autoptr (VmftVm) vm = NULL;

  story_run_up (s);
  story_say_fault (s, 1.0);
  story_say (s, 31.0, "EXT4-fs (sda1): Remounting filesystem read-only");
  story_advance (s, 10.0);
  leads = g_variant_ref_sink (vmft_lead_model_export (vmft_daemon_get_leads (s->daemon)));
  g_assert_cmpuint (g_variant_n_children (leads), ==, 0);
  g_clear_pointer (&leads, g_variant_unref);

  story_advance (s, 30.0);
  vm = vmft_hypervisor_lookup (s->hypervisor, g_ptr_array_index (s->uuids, 0));
  vmft_daemon_note_silence (s->daemon, vm, vmft_clock_real_us (s->clock));
  leads = g_variant_ref_sink (vmft_lead_model_export (vmft_daemon_get_leads (s->daemon)));
  g_assert_cmpuint (g_variant_n_children (leads), ==, 1);
  lead = g_variant_get_child_value (leads, 0);
  g_assert_false (vmft_dict_boolean (lead, "censored", TRUE));
  g_assert_cmpfloat_with_epsilon (vmft_dict_double (lead, "lead_s", 0.0), 30.0, 0.5);
}

static void
test_same_seed_same_story (void)
{
  g_autofree char *first = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (Story) s = new_story ("act", VMFT_TRUST_KERNEL, NULL);
      const VmftQuery query = { 0 };
      g_autoptr (GVariant) history = NULL;
      g_autofree char *json = NULL;

      story_run_up (s);
      story_say_fault (s, 1.0);
      story_advance (s, 120.0);
      history = g_variant_ref_sink (vmft_daemon_list_migrations (s->daemon, &query, NULL));
      json = vmft_json_from_variant (history, FALSE);
      if (first == NULL)
        first = g_steal_pointer (&json);
      else
        g_assert_cmpstr (json, ==, first);
    }
}

int
main (int argc, char **argv)
{
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  g_test_add_func ("/daemon-sim/main-story", test_main_story);
  g_test_add_func ("/daemon-sim/observe", test_observe);
  g_test_add_func ("/daemon-sim/advise", test_advise);
  g_test_add_func ("/daemon-sim/untrusted", test_untrusted);
  g_test_add_func ("/daemon-sim/operation-changes", test_operation_changes);
  g_test_add_func ("/daemon-sim/inhibited", test_inhibited);
  g_test_add_func ("/daemon-sim/observe-on-the-way", test_observe_on_the_way);
  g_test_add_func ("/daemon-sim/inhibited-on-the-way", test_inhibited_on_the_way);
  g_test_add_func ("/daemon-sim/killed-and-restarted", test_killed_and_restarted);
  g_test_add_func ("/daemon-sim/nothing-learnt-from-absence", test_nothing_learnt_from_absence);
  g_test_add_func ("/daemon-sim/destination-refuses", test_destination_refuses);
  g_test_add_func ("/daemon-sim/no-destination-left", test_no_destination_left);
  g_test_add_func ("/daemon-sim/destinations-go", test_destinations_go);
  g_test_add_func ("/daemon-sim/libvirtd-is-away", test_libvirtd_is_away);
  g_test_add_func ("/daemon-sim/link-breaks-and-heals", test_link_breaks_and_heals);
  g_test_add_func ("/daemon-sim/tags", test_tags);
  g_test_add_func ("/daemon-sim/failure-is-planned-anew", test_failure_is_planned_anew);
  g_test_add_func ("/daemon-sim/lead-shrinks", test_lead_shrinks);
  g_test_add_func ("/daemon-sim/recovery-keeps-nobody", test_recovery_keeps_nobody);
  g_test_add_func ("/daemon-sim/store-takes-no-more", test_store_takes_no_more);
  g_test_add_func ("/daemon-sim/incident-clears", test_incident_clears);
  g_test_add_func ("/daemon-sim/pressure-goes", test_pressure_goes);
  g_test_add_func ("/daemon-sim/pressure-eases", test_pressure_eases);
  g_test_add_func ("/daemon-sim/pressure-stays", test_pressure_stays);
  g_test_add_func ("/daemon-sim/old-lines", test_old_lines_move_nothing);
  g_test_add_func ("/daemon-sim/kernel-says-failed", test_kernel_says_failed);
  g_test_add_func ("/daemon-sim/same-seed-same-story", test_same_seed_same_story);
  return g_test_run ();
}
