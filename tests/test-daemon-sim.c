/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole daemon on the virtual clock: scripted log, hosts that exist only here, the store that a restart finds. */
#include "daemon/vmft-daemon.h"

#include "daemon/vmft-script-source.h"
#include "daemon/vmft-sqlite-store.h"
#include "migrate/vmft-fake-world.h"

#include <glib/gstdio.h>

#define START_US (G_GINT64_CONSTANT (1790000000) * G_USEC_PER_SEC)
#define GBIT_BPS (113.0 * 1024 * 1024)
#define MIB      (1024.0 * 1024)
#define N_VMS    3

/* --- a story: one host that fails, two it can send to --- */

typedef struct
{
  char *dir;
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftStore *store;
  VmftConf *conf;
  VmftHypervisor *hypervisor;
  VmftSource *source;
  VmftDaemon *daemon;
  const char *trust;
  const char *extra; /* (nullable): more configuration */
  char *uuids[N_VMS];
} Story;

static void
write_conf (Story *s, const char *mode)
{
  g_autofree char *path = g_build_filename (s->dir, "vmftd.conf", NULL);
  g_autofree char *text =
      g_strdup_printf ("[Daemon]\nmode=%s\nhostname=*\nsysfs=%s\nproc=%s\nstate-directory=%s\n"
                       "[Detector]\nlearning-lines=20\n"
                       "[Destination b]\nuri=fake://b\n[Destination c]\nuri=fake://c\nweight=0.5\n%s",
                       mode, s->dir, s->dir, s->dir, s->extra ? s->extra : "");
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, &error));
  g_clear_pointer (&s->conf, vmft_conf_unref);
  s->conf = vmft_conf_load (path, &error);
  g_assert_no_error (error);
}

static void
add_vms (Story *s)
{
  static const struct
  {
    const char *name;
    double memory_mib, dirty_mib_s, working_set_mib;
  } kinds[N_VMS] = { { "idle", 512, 0.1, 4 }, { "middle", 1024, 30, 200 }, { "busy", 1024, 170, 700 } };

  for (guint i = 0; i < N_VMS; i++)
    {
      VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;

      vm.name = kinds[i].name;
      vm.memory_bytes = (guint64) (kinds[i].memory_mib * MIB);
      vm.dirty_bps = kinds[i].dirty_mib_s * MIB;
      vm.working_set_bytes = kinds[i].working_set_mib * MIB;
      vm.sweep = TRUE;
      s->uuids[i] = g_strdup (vmft_fake_world_add_vm (s->world, "a", &vm));
    }
}

static Story *
story_new (const char *mode, const char *trust, const char *extra)
{
  Story *s = g_new0 (Story, 1);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  s->dir = g_dir_make_tmp ("vmft-sim-XXXXXX", &error);
  g_assert_no_error (error);
  s->trust = trust;
  s->extra = extra;
  s->clock = vmft_fake_clock_new (START_US);
  s->world = vmft_fake_world_new (s->clock, 7);
  vmft_fake_world_add_host (s->world, "a", (guint64) (16 * 1024 * MIB), GBIT_BPS);
  vmft_fake_world_add_host (s->world, "b", (guint64) (16 * 1024 * MIB), GBIT_BPS);
  vmft_fake_world_add_host (s->world, "c", (guint64) (16 * 1024 * MIB), GBIT_BPS);
  add_vms (s);
  write_conf (s, mode);
  path = g_build_filename (s->dir, "vmft.db", NULL);
  s->store = VMFT_STORE (vmft_sqlite_store_new (path, s->clock, &error));
  g_assert_no_error (error);
  return s;
}

static void
start_daemon (Story *s)
{
  VmftTrust trust = strcmp (s->trust, "kernel") == 0 ? VMFT_TRUST_KERNEL : VMFT_TRUST_CLAIMED;
  g_autoptr (GError) error = NULL;

  s->hypervisor = vmft_fake_world_open (s->world, "a");
  s->source = vmft_script_source_new ("kern", trust, s->clock, s->store);
  s->daemon = vmft_daemon_new (s->conf, s->clock, s->store, s->hypervisor, &error);
  g_assert_no_error (error);
  vmft_daemon_add_source (s->daemon, s->source);
  vmft_daemon_start (s->daemon);
}

/* As SIGKILL does it: nothing is said goodbye to. */
static void
kill_daemon (Story *s)
{
  vmft_fake_world_kill_client (s->world, s->hypervisor);
  g_clear_object (&s->daemon);
  g_clear_object (&s->source);
  g_clear_object (&s->hypervisor);
}

static void
story_free (Story *s)
{
  g_autofree char *conf = g_build_filename (s->dir, "vmftd.conf", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;
  const char *name;

  g_assert_true (vmft_fake_world_check (s->world, &error));
  g_assert_no_error (error);
  g_clear_object (&s->daemon);
  g_clear_object (&s->source);
  g_clear_object (&s->hypervisor);
  g_object_unref (s->world);
  g_object_unref (s->store);
  g_object_unref (s->clock);
  vmft_conf_unref (s->conf);
  dir = g_dir_open (s->dir, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (s->dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (s->dir);
  for (guint i = 0; i < N_VMS; i++)
    g_free (s->uuids[i]);
  g_free (s->dir);
  g_free (s);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Story, story_free)

static void
advance (Story *s, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (s->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static void
say (Story *s, double in_s, const char *text)
{
  VmftTime at_us = vmft_time_add_s (vmft_clock_real_us (s->clock), in_s);
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (at_us / G_USEC_PER_SEC);
  g_autofree char *stamp = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *line = g_strdup_printf ("%s.%06d+00:00 hosta kernel: [ 4000.000000] %s", stamp,
                                           (int) (at_us % G_USEC_PER_SEC), text);

  vmft_script_source_add (VMFT_SCRIPT_SOURCE (s->source), at_us, line);
}

static void
say_benign (Story *s, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *text =
          g_strdup_printf ("EXT4-fs (vda%u): mounted filesystem with ordered data mode", i % 4);

      say (s, 0.1 * i, text);
    }
}

static void
say_fault (Story *s, double in_s)
{
  say (s, in_s,
       "critical medium error, dev sda, sector 4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
  say (s, in_s + 0.2, "I/O error, dev sda, sector 4008 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2");
}

static guint
count_on (Story *s, const char *host)
{
  guint n = 0;

  for (guint i = 0; i < N_VMS; i++)
    n += g_strcmp0 (vmft_fake_world_where (s->world, s->uuids[i]), host) == 0 ? 1 : 0;
  return n;
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
run_up (Story *s)
{
  start_daemon (s);
  say_benign (s, 30);
  advance (s, 90.0); /* learning ends, dirty rates are sampled */
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
  g_autoptr (Story) s = story_new ("act", "kernel", NULL);
  g_autoptr (GVariant) plan = NULL;
  g_autoptr (GVariant) story = NULL;
  g_autoptr (GError) error = NULL;

  run_up (s);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_incidents), ==, 0);
  say_fault (s, 1.0);
  advance (s, 1.5);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_nonnull (plan);
  g_assert_cmpstr (vmft_dict_string (plan, "verdict"), ==, "go");
  g_assert_true (vmft_dict_boolean (plan, "executed", FALSE));
  g_assert_cmpfloat (vmft_dict_double (plan, "evidence_to_call_s", 9.0), <, 0.1);
  g_assert_cmpuint (vmft_fake_world_count_jobs (s->world, "a"), ==, 1);

  advance (s, 120.0);
  g_assert_cmpuint (count_on (s, "a"), ==, 0);
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), ==, N_VMS);

  story = vmft_daemon_explain (s->daemon, 1, &error);
  g_assert_no_error (error);
  g_variant_ref_sink (story);
  assert_rows (story, "alarms", 2);
  assert_rows (story, "plans", 2); /* go, then nothing left to move */
  assert_rows (story, "migrations", N_VMS);
  vmft_fake_world_kill_host (s->world, "a");
  advance (s, 5.0);
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
}

static void
expect_held_back (const char *mode, const char *trust, const char *guard)
{
  g_autoptr (Story) s = story_new (mode, trust, NULL);
  g_autoptr (GVariant) plan = NULL;

  run_up (s);
  say_fault (s, 1.0);
  advance (s, 60.0);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_nonnull (plan);
  g_assert_cmpstr (vmft_dict_string (plan, "guard"), ==, guard);
  g_assert_false (vmft_dict_boolean (plan, "executed", TRUE));
  g_assert_cmpuint (count_on (s, "a"), ==, N_VMS);
  g_assert_cmpuint (count_records (s, vmft_daemon_list_migrations), ==, 0);
}

static void
test_observe (void)
{
  expect_held_back ("observe", "kernel", "observe");
}

static void
test_advise (void)
{
  expect_held_back ("advise", "kernel", "advise");
}

static void
test_untrusted (void)
{
  expect_held_back ("act", "claimed", "untrusted");
}

/* The operator lets it act while the incident is open. */
static void
test_operation_changes (void)
{
  g_autoptr (Story) s = story_new ("advise", "kernel", NULL);
  g_autoptr (GError) error = NULL;

  run_up (s);
  say_fault (s, 1.0);
  advance (s, 20.0);
  g_assert_cmpuint (count_on (s, "a"), ==, N_VMS);
  g_assert_true (vmft_daemon_set_operation (s->daemon, VMFT_OPERATION_ACT, &error));
  advance (s, 120.0);
  g_assert_cmpuint (count_on (s, "a"), ==, 0);

  kill_daemon (s);
  start_daemon (s);
  g_assert_cmpint (vmft_daemon_get_operation (s->daemon), ==, VMFT_OPERATION_ACT);
}

static void
test_inhibited (void)
{
  g_autoptr (Story) s = story_new ("act", "kernel", NULL);
  g_autoptr (GError) error = NULL;

  run_up (s);
  g_assert_false (vmft_daemon_inhibit (s->daemon, START_US * 2, "", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (vmft_daemon_inhibit (s->daemon, vmft_time_add_s (vmft_clock_real_us (s->clock), 60.0),
                                      "disk swap", &error));
  say_fault (s, 1.0);
  advance (s, 50.0);
  g_assert_cmpuint (count_on (s, "a"), ==, N_VMS);
  advance (s, 120.0); /* it ends by itself, and the incident is still open */
  g_assert_cmpuint (count_on (s, "a"), ==, 0);
}

/* Killed at many a moment, the daemon comes back and moves each VM exactly once. */
static void
test_killed_and_restarted (void)
{
  for (double after_s = 0.05; after_s < 40.0; after_s = after_s * 1.7 + 0.3)
    {
      g_autoptr (Story) s = story_new ("act", "kernel", NULL);

      run_up (s);
      say_fault (s, 1.0);
      advance (s, 1.0 + after_s);
      kill_daemon (s);
      advance (s, 2.0);
      start_daemon (s);
      advance (s, 200.0);
      g_test_message ("killed %.2f s after the fault: %u left", after_s, count_on (s, "a"));
      g_assert_cmpuint (count_on (s, "a"), ==, 0);
      g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
      g_assert_cmpuint (vmft_fake_world_get_runs (s->world)->len, ==, 2 * N_VMS); /* on A, then elsewhere */
    }
}

static void
test_destination_refuses (void)
{
  g_autoptr (Story) s = story_new ("act", "kernel", NULL);

  run_up (s);
  vmft_fake_world_refuse (s->world, "b", "not enough memory");
  say_fault (s, 1.0);
  advance (s, 200.0);
  g_assert_cmpuint (count_on (s, "c"), ==, N_VMS);
}

static void
test_libvirtd_is_away (void)
{
  g_autoptr (Story) s = story_new ("act", "kernel", NULL);

  run_up (s);
  vmft_fake_world_restart_libvirtd (s->world, "a", 20.0);
  say_fault (s, 1.0);
  advance (s, 10.0);
  g_assert_cmpuint (count_on (s, "a"), ==, N_VMS);
  advance (s, 200.0);
  g_assert_cmpuint (count_on (s, "a"), ==, 0);
}

static void
test_link_breaks_and_heals (void)
{
  g_autoptr (Story) s = story_new ("act", "kernel", "[Policy]\nmodes=pre-copy\nmax-failures=20\n");

  run_up (s);
  say_fault (s, 1.0);
  advance (s, 3.0);
  vmft_fake_world_set_link (s->world, "a", 0.0);
  advance (s, 10.0);
  vmft_fake_world_set_link (s->world, "a", GBIT_BPS);
  advance (s, 300.0);
  g_assert_cmpuint (count_on (s, "a"), ==, 1); /* the busy one, for which pre-copy alone never ends */
  g_assert_cmpstr (vmft_fake_world_where (s->world, s->uuids[2]), ==, "a");
  g_assert_cmpuint (vmft_fake_world_get_losses (s->world)->len, ==, 0);
}

/* Nothing can be kept any more, but the VMs leave all the same. */
static void
test_store_takes_no_more (void)
{
  g_autoptr (Story) s = story_new ("act", "kernel", NULL);

  run_up (s);
  g_clear_object (&s->daemon);
  g_clear_object (&s->source);
  g_clear_object (&s->hypervisor);
  g_object_unref (s->store);
  s->store = vmft_memory_store_new ();
  run_up (s);
  vmft_memory_store_fail_after (VMFT_MEMORY_STORE (s->store), 0);
  say_fault (s, 1.0);
  advance (s, 200.0);
  g_assert_cmpuint (count_on (s, "a"), ==, 0);
}

static void
test_old_lines_move_nothing (void)
{
  g_autoptr (Story) s = story_new ("act", "kernel", NULL);
  g_autoptr (GVariant) plan = NULL;

  start_daemon (s);
  say_benign (s, 30);
  say_fault (s, 5.0);
  kill_daemon (s); /* the source's lines go with it */
  advance (s, 3600.0);
  start_daemon (s);
  vmft_script_source_add (
      VMFT_SCRIPT_SOURCE (s->source), 0,
      "2026-09-21T14:13:25.000000+00:00 hosta kernel: [ 4000.0] critical medium error, dev sda, sector "
      "4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
  advance (s, 60.0);
  plan = last_record (s, vmft_daemon_list_plans);
  g_assert_nonnull (plan);
  g_assert_cmpstr (vmft_dict_string (plan, "guard"), ==, "backlog");
  g_assert_cmpuint (count_on (s, "a"), ==, N_VMS);
}

static void
test_same_seed_same_story (void)
{
  g_autofree char *first = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (Story) s = story_new ("act", "kernel", NULL);
      const VmftQuery query = { 0 };
      g_autoptr (GVariant) history = NULL;
      g_autofree char *json = NULL;

      run_up (s);
      say_fault (s, 1.0);
      advance (s, 120.0);
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
  g_test_add_func ("/daemon-sim/killed-and-restarted", test_killed_and_restarted);
  g_test_add_func ("/daemon-sim/destination-refuses", test_destination_refuses);
  g_test_add_func ("/daemon-sim/libvirtd-is-away", test_libvirtd_is_away);
  g_test_add_func ("/daemon-sim/link-breaks-and-heals", test_link_breaks_and_heals);
  g_test_add_func ("/daemon-sim/store-takes-no-more", test_store_takes_no_more);
  g_test_add_func ("/daemon-sim/old-lines", test_old_lines_move_nothing);
  g_test_add_func ("/daemon-sim/same-seed-same-story", test_same_seed_same_story);
  return g_test_run ();
}
