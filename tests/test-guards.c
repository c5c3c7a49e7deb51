/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guards remember, across restarts; and each of them says why in the plan. */
#include "daemon-story.h"

#include "daemon/vmft-guards.h"

#define NOW G_GINT64_CONSTANT (1700000000000000)

/* --- the memory --- */

static void
put (VmftStore *store, const char *table, guint64 id, const char *record)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) parsed = g_variant_parse (G_VARIANT_TYPE_VARDICT, record, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (vmft_store_put_id (store, table, id, NOW + (gint64) id, parsed, &error));
  g_assert_no_error (error);
}

static void
test_restart_forgets_nothing (void)
{
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  g_autoptr (VmftGuards) guards = NULL;
  g_autoptr (GError) error = NULL;
  VmftPolicyState state;

  put (store, VMFT_STORE_MIGRATIONS, 1,
       "{'uuid': <'u1'>, 'state': <'completed'>, 'ended_us': <int64 5>, 'incident_id': <uint64 3>}");
  put (store, VMFT_STORE_MIGRATIONS, 2, "{'uuid': <'u2'>, 'state': <'failed'>, 'incident_id': <uint64 3>}");
  put (store, VMFT_STORE_MIGRATIONS, 3, "{'uuid': <'u2'>, 'state': <'failed'>, 'incident_id': <uint64 3>}");
  put (store, VMFT_STORE_MIGRATIONS, 4, "{'uuid': <'u3'>, 'state': <'aborted'>, 'incident_id': <uint64 3>}");
  put (store, VMFT_STORE_PLANS, 1, "{'template': <'flux low'>, 'executed': <true>}");
  put (store, VMFT_STORE_PLANS, 2, "{'template': <'only advised'>, 'executed': <false>}");
  for (guint run = 0; run < 2; run++)
    {
      g_clear_pointer (&guards, vmft_guards_free);
      guards = vmft_guards_new (store);
      g_assert_cmpint (vmft_guards_last_moved (guards, "u1"), ==, 5);
      g_assert_cmpint (vmft_guards_last_moved (guards, "u2"), ==, VMFT_TIME_UNKNOWN);
      g_assert_cmpuint (vmft_guards_n_failures (guards, 3, "u2"), ==, 2);
      g_assert_cmpuint (vmft_guards_n_failures (guards, 4, "u2"), ==, 0);
      g_assert_cmpuint (vmft_guards_n_failures (guards, 3, "u3"), ==, 0);
      vmft_guards_get_state (guards, "flux low", &state);
      g_assert_cmpint (state.template_evacuated_us, ==, NOW + 1);
      g_assert_cmpuint (state.n_failed_in_row, ==, 2); /* since the last that went well */
      g_assert_cmpint (state.last_failed_us, ==, NOW + 3);
      vmft_guards_get_state (guards, "only advised", &state);
      g_assert_cmpint (state.template_evacuated_us, ==, VMFT_TIME_UNKNOWN);
      g_assert_cmpint (state.inhibit_until_us, ==, run == 0 ? 0 : NOW + 7);
      g_assert_true (vmft_guards_inhibit (guards, NOW + 7, "new disks", NOW, &error));
      vmft_guards_get_state (guards, NULL, &state);
      g_assert_cmpstr (state.inhibit_reason, ==, "new disks");
    }
  vmft_guards_note_move (guards, 3, "u2", NOW, TRUE);
  vmft_guards_get_state (guards, NULL, &state);
  g_assert_cmpuint (state.n_failed_in_row, ==, 0);
}

/* --- in the daemon, and in the plan's own words --- */

static void
expect_plan (Story *s, const char *guard, const char *says)
{
  const VmftQuery query = { .limit = 1 };
  g_autoptr (GVariant) records = g_variant_ref_sink (vmft_daemon_list_plans (s->daemon, &query, NULL));
  g_autoptr (GVariant) plan = g_variant_get_child_value (records, 0);

  g_assert_cmpstr (vmft_dict_string (plan, "guard"), ==, guard);
  if (says != NULL)
    g_assert_nonnull (strstr (vmft_dict_string (plan, "reason"), says));
}

/* Lines of no known family, of middling p: like those of a kernel that has something new to say. */
static void
say_something_new (Story *s)
{
  for (guint i = 0; i < 3; i++)
    story_say (s, 0.1 + 0.3 * i, "fluxcap 0000:07:00.0: coolant pressure error, retrying transfer");
}

static void
test_once_a_day (void)
{
  g_autoptr (Story) s = story_new ("act", VMFT_TRUST_KERNEL, "[Policy]\ncool-down=1s\n", 7);
  g_autoptr (GError) error = NULL;

  story_add_vm (s, "first", 512, 1, 10);
  story_run_up (s);
  say_something_new (s);
  story_advance (s, 120.0);
  g_assert_cmpuint (story_count_on (s, "a"), ==, 0); /* the first time it is taken at its word */
  g_assert_true (vmft_daemon_acknowledge (s->daemon, 1, FALSE, TRUE, &error));
  g_assert_no_error (error);

  story_add_vm (s, "second", 512, 1, 10);
  story_advance (s, 600.0);
  say_something_new (s);
  story_advance (s, 60.0);
  expect_plan (s, "once-a-day", "made the host evacuate within the last day");
  g_assert_cmpuint (story_count_on (s, "a"), ==, 1);
}

/* The operator said so, and a restart changes nothing. */
static void
test_inhibit_says_why (void)
{
  g_autoptr (Story) s = story_new ("act", VMFT_TRUST_KERNEL, NULL, 7);
  g_autoptr (GError) error = NULL;

  story_add_vm (s, "web", 512, 1, 10);
  story_run_up (s);
  g_assert_true (vmft_daemon_inhibit (s->daemon, vmft_time_add_s (vmft_clock_real_us (s->clock), 600.0),
                                      "firmware update", &error));
  story_say_fault (s, 0.1);
  story_advance (s, 60.0);
  expect_plan (s, "inhibit", "firmware update");
  story_kill_daemon (s);
  story_start_daemon (s);
  story_advance (s, 60.0);
  expect_plan (s, "inhibit", "firmware update");
  g_assert_cmpuint (story_count_on (s, "a"), ==, 1);
}

/* What fails again and again is left to the operator. */
static void
test_repeated_failures (void)
{
  g_autoptr (Story) s = story_new ("act", VMFT_TRUST_KERNEL, "[Policy]\nmax-failures=2\n", 7);
  const VmftQuery query = { 0 };
  g_autoptr (GVariant) migrations = NULL;

  for (guint i = 0; i < 3; i++)
    story_add_vm (s, NULL, 2048, 1, 10);
  story_run_up (s);
  story_say_fault (s, 0.1);
  story_advance (s, 3.0);
  for (guint i = 0; i < 60; i++)
    {
      for (guint k = 0; k < s->uuids->len; k++)
        vmft_fake_world_lose_job (s->world, g_ptr_array_index (s->uuids, k));
      story_advance (s, 5.0);
    }
  g_assert_cmpuint (story_count_on (s, "a"), ==, 3);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 0);
  migrations = g_variant_ref_sink (vmft_daemon_list_migrations (s->daemon, &query, NULL));
  g_assert_cmpuint (g_variant_n_children (migrations), >, 0);
  g_assert_cmpuint (g_variant_n_children (migrations), <=, 12);
}

int
main (int argc, char **argv)
{
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  g_test_add_func ("/guards/restart-forgets-nothing", test_restart_forgets_nothing);
  g_test_add_func ("/guards/once-a-day", test_once_a_day);
  g_test_add_func ("/guards/inhibit-says-why", test_inhibit_says_why);
  g_test_add_func ("/guards/repeated-failures", test_repeated_failures);
  return g_test_run ();
}
