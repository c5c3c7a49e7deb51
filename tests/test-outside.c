/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon and its outward faces: a fault in the log, and what HTTP, alerts and heartbeat make of it. */
#include "daemon/vmft-outside.h"
#include "daemon/vmft-sqlite-store.h"

#include "daemon/vmft-script-source.h"
#include "migrate/vmft-fake-world.h"

#include <glib/gstdio.h>

#define START_US (G_GINT64_CONSTANT (1790000000) * G_USEC_PER_SEC)
#define MIB      (1024.0 * 1024)
#define DEADLINE (10 * G_USEC_PER_SEC)
#define TOKEN    "0123456789abcdef0123"

typedef struct
{
  char *dir;
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftStore *store;
  VmftConf *conf;
  VmftSource *source;
  VmftDaemon *daemon;
  VmftOutside *outside;
} Fixture;

static char *
in_dir (Fixture *f, const char *name)
{
  return g_build_filename (f->dir, name, NULL);
}

static void
write_file (Fixture *f, const char *name, int mode, const char *format, ...)
{
  g_autofree char *path = in_dir (f, name);
  g_autofree char *text = NULL;
  va_list list;

  va_start (list, format);
  text = g_strdup_vprintf (format, list);
  va_end (list);
  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, mode, NULL));
}

static VmftConf *
load_conf (Fixture *f, const char *more)
{
  g_autofree char *path = in_dir (f, "vmftd.conf");
  g_autoptr (GError) error = NULL;
  VmftConf *conf;

  write_file (f, "vmftd.conf", 0600,
              "[Daemon]\nmode=advise\nhostname=*\nsysfs=%s\nproc=%s\nstate-directory=%s\n"
              "[Detector]\nlearning-lines=20\n[Destination b]\nuri=fake://b\n%s",
              f->dir, f->dir, f->dir, more);
  conf = vmft_conf_load (path, &error);
  g_assert_no_error (error);
  return conf;
}

static void
add_vm (Fixture *f)
{
  VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;

  vm.name = "web";
  vm.memory_bytes = (guint64) (512 * MIB);
  vm.dirty_bps = 1 * MIB;
  vm.working_set_bytes = 16 * MIB;
  vmft_fake_world_add_vm (f->world, "a", &vm);
}

static void
set_up (Fixture *f, gconstpointer more)
{
  g_autoptr (VmftHypervisor) hypervisor = NULL;
  g_autofree char *text = NULL;
  g_autofree char *database = NULL;
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-outside-XXXXXX", NULL);
  f->clock = vmft_fake_clock_new (START_US);
  f->world = vmft_fake_world_new (f->clock, 7);
  vmft_fake_world_add_host (f->world, "a", (guint64) (16 * 1024 * MIB), 113 * MIB);
  vmft_fake_world_add_host (f->world, "b", (guint64) (16 * 1024 * MIB), 113 * MIB);
  add_vm (f);
  write_file (f, "tokens", 0600, "web " TOKEN "\n");
  write_file (f, "hook", 0700, "#!/bin/sh\necho $1 >> %s/told\n", f->dir);
  text =
      g_strdup_printf ("[HTTP]\nlisten=127.0.0.1:0\n[Heartbeat]\nlisten=127.0.0.1:0\ntokens-file=%s/tokens\n"
                       "[Alerts]\ncommand=%s/hook\n",
                       f->dir, f->dir);
  f->conf = load_conf (f, text);
  database = in_dir (f, "vmft.db");
  f->store = VMFT_STORE (vmft_sqlite_store_new (database, f->clock, &error));
  g_assert_no_error (error);
  hypervisor = vmft_fake_world_open (f->world, "a");
  f->daemon = vmft_daemon_new (f->conf, f->clock, f->store, hypervisor, &error);
  g_assert_no_error (error);
  f->source = vmft_script_source_new ("kern", VMFT_TRUST_KERNEL, f->clock, f->store);
  vmft_daemon_add_source (f->daemon, f->source);
  vmft_daemon_start (f->daemon);
  f->outside = vmft_outside_new (f->daemon, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer more)
{
  static const char *const names[] = { "vmftd.conf", "tokens",      "hook",       "told",
                                       "vmft.db",    "vmft.db-wal", "vmft.db-shm" };

  g_clear_pointer (&f->outside, vmft_outside_free);
  g_object_unref (f->daemon);
  g_object_unref (f->source);
  g_object_unref (f->store);
  g_object_unref (f->world);
  g_object_unref (f->clock);
  vmft_conf_unref (f->conf);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = in_dir (f, names[i]);

      g_unlink (path);
    }
  g_rmdir (f->dir);
  g_free (f->dir);
}

static void
advance (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static void
say (Fixture *f, double in_s, const char *text)
{
  VmftTime at_us = vmft_time_add_s (vmft_clock_real_us (f->clock), in_s);
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (at_us / G_USEC_PER_SEC);
  g_autofree char *stamp = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *line = g_strdup_printf ("%s.%06d+00:00 a kernel: [ 4000.000000] %s", stamp,
                                           (int) (at_us % G_USEC_PER_SEC), text);

  vmft_script_source_add (VMFT_SCRIPT_SOURCE (f->source), at_us, line);
}

static void
run_into_fault (Fixture *f)
{
  for (guint i = 0; i < 30; i++)
    say (f, 0.1 * i, "EXT4-fs (vda1): mounted filesystem with ordered data mode");
  advance (f, 90.0);
  say (f, 1.0, "critical medium error, dev sda, sector 4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
  say (f, 1.2, "I/O error, dev sda, sector 4008 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2");
  advance (f, 2.0);
}

static char *
ask (guint16 port, const char *path, const char *token)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (GString) answer = g_string_new (NULL);
  g_autofree char *text = g_strdup_printf (
      "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n", path,
      token);
  gint64 end_us = g_get_monotonic_time () + DEADLINE;
  GSocket *socket;

  g_socket_client_set_enable_proxy (client, FALSE);
  connection = g_socket_client_connect_to_host (client, "127.0.0.1", port, NULL, NULL);
  g_assert_nonnull (connection);
  socket = g_socket_connection_get_socket (connection);
  g_assert_cmpint (g_socket_send (socket, text, strlen (text), NULL, NULL), ==, strlen (text));
  while (g_get_monotonic_time () < end_us)
    {
      char buffer[4096];
      gssize n;

      g_main_context_iteration (NULL, FALSE);
      if (g_socket_condition_check (socket, G_IO_IN | G_IO_HUP) == 0)
        continue;
      n = g_socket_receive (socket, buffer, sizeof buffer, NULL, NULL);
      if (n <= 0)
        break;
      g_string_append_len (answer, buffer, n);
    }
  return g_string_free (g_steal_pointer (&answer), FALSE);
}

static GVariant *
ask_json (Fixture *f, const char *path)
{
  g_autofree char *answer = ask (vmft_outside_get_http_port (f->outside), path, "");
  g_autoptr (GError) error = NULL;
  GVariant *value;

  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 200 "));
  value = vmft_json_to_variant (strstr (answer, "\r\n\r\n") + 4, &error);
  g_assert_no_error (error);
  return value;
}

static GVariant *
first_of (GVariant *list)
{
  g_autoptr (GVariant) boxed = NULL;

  g_assert_cmpuint (g_variant_n_children (list), >, 0);
  boxed = g_variant_get_child_value (list, 0);
  return g_variant_get_variant (boxed);
}

static void
expect_steps (Fixture *f, guint n)
{
  g_autoptr (GVariant) incidents = ask_json (f, "/api/v1/incidents");
  g_autoptr (GVariant) incident = first_of (incidents);
  g_autoptr (GVariant) plan = g_variant_lookup_value (incident, "plan", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) steps = g_variant_lookup_value (plan, "steps", G_VARIANT_TYPE_ARRAY);
  g_autoptr (GVariant) step = NULL;

  g_assert_cmpuint (g_variant_n_children (steps), ==, n);
  step = first_of (steps);
  g_assert_cmpstr (vmft_dict_string (step, "name"), ==, "web");
}

/* A reload makes all of it anew, from what the store kept. */
static void
test_plan_after_reload (Fixture *f, gconstpointer more)
{
  g_autoptr (GError) error = NULL;

  run_into_fault (f);
  expect_steps (f, 1);
  vmft_outside_free (f->outside);
  f->outside = vmft_outside_new (f->daemon, &error);
  g_assert_no_error (error);
  expect_steps (f, 1);
}

static void
test_fault_over_http (Fixture *f, gconstpointer more)
{
  g_autoptr (GVariant) quiet = ask_json (f, "/api/v1/incidents");
  g_autoptr (GVariant) incidents = NULL, incident = NULL, lead = NULL, lines = NULL, plan = NULL, vms = NULL,
                       vm = NULL, status = NULL, plans = NULL, inference = NULL;

  g_assert_cmpuint (g_variant_n_children (quiet), ==, 0);
  run_into_fault (f);
  incidents = ask_json (f, "/api/v1/incidents");
  incident = first_of (incidents);
  g_assert_cmpstr (vmft_dict_string (incident, "state"), ==, "confirmed");
  lead = g_variant_lookup_value (incident, "lead", G_VARIANT_TYPE_VARDICT);
  lines = g_variant_lookup_value (incident, "lines", NULL);
  plan = g_variant_lookup_value (incident, "plan", G_VARIANT_TYPE_VARDICT);
  g_assert_cmpfloat (vmft_dict_double (lead, "p50_s", 0), >, 60);
  g_assert_cmpuint (g_variant_n_children (lines), ==, 2);
  g_assert_cmpstr (vmft_dict_string (plan, "verdict"), ==, "advise");
  vms = ask_json (f, "/api/v1/vms");
  vm = first_of (vms);
  g_assert_cmpstr (vmft_dict_string (vm, "name"), ==, "web");
  plans = ask_json (f, "/api/v1/plans?limit=1");
  g_assert_cmpuint (g_variant_n_children (plans), ==, 1);
  status = ask_json (f, "/api/v1/status");
  g_assert_cmpstr (vmft_dict_string (status, "operation"), ==, "advise");
  inference = g_variant_lookup_value (status, "inference", G_VARIANT_TYPE_VARDICT);
  g_assert_cmpstr (vmft_dict_string (inference, "provider"), ==, "kernel-model");
}

static void
check_metrics (const char *text)
{
  g_autofree char *promtool = g_find_program_in_path ("promtool");
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *said = NULL;

  if (promtool == NULL)
    {
      g_test_skip ("promtool (Debian package prometheus) is not installed");
      return;
    }
  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  G_SUBPROCESS_FLAGS_STDERR_MERGE,
                              NULL, promtool, "check", "metrics", NULL);
  g_assert_true (g_subprocess_communicate_utf8 (process, text, NULL, &said, NULL, NULL));
  g_assert_cmpstr (said, ==, "");
}

static void
test_metrics (Fixture *f, gconstpointer more)
{
  g_autofree char *answer = NULL;

  run_into_fault (f);
  answer = ask (vmft_outside_get_http_port (f->outside), "/metrics", "");
  g_assert_nonnull (strstr (answer, "\nvmft_operation{mode=\"advise\"} 1\n"));
  g_assert_nonnull (strstr (answer, "\nvmft_open_incidents 1\n"));
  g_assert_nonnull (strstr (answer, "\nvmft_incident_lead_seconds{incident=\"1\",class=\"disk\","));
  g_assert_nonnull (
      strstr (answer, "\nvmft_vm_move_seconds{vm=\"web\",destination=\"b\",mode=\"pre-copy\"} "));
  g_assert_nonnull (strstr (answer, "\nvmft_source_lines_total{source=\"kern\"} 32\n"));
  check_metrics (strstr (answer, "\r\n\r\n") + 4);
}

static void
wait_for_told (Fixture *f, const char *what)
{
  g_autofree char *path = in_dir (f, "told");
  gint64 end_us = g_get_monotonic_time () + DEADLINE;
  gboolean found = FALSE;

  while (!found && g_get_monotonic_time () < end_us)
    {
      g_autofree char *text = NULL;

      g_main_context_iteration (NULL, FALSE);
      found = g_file_get_contents (path, &text, NULL, NULL) && strstr (text, what) != NULL;
    }
  if (!found)
    g_error ("never told: %s", what);
}

static void
test_alerts (Fixture *f, gconstpointer more)
{
  g_autoptr (GError) error = NULL;

  run_into_fault (f);
  wait_for_told (f, "incident-raised\n");
  wait_for_told (f, "plan-made\n");
  g_assert_true (vmft_daemon_acknowledge (f->daemon, 1, FALSE, TRUE, &error));
  g_assert_no_error (error);
  wait_for_told (f, "incident-cleared\n");
}

static void
test_heartbeat (Fixture *f, gconstpointer more)
{
  g_autofree char *answer = ask (vmft_outside_get_heartbeat_port (f->outside), "/heartbeat/web", TOKEN);
  g_autoptr (GVariant) leads = NULL;
  g_autoptr (GVariant) lead = NULL;

  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 204 "));
  run_into_fault (f);
  /* it beats on after the first alarm, and then no more: a failure that the history learns from */
  g_free (g_steal_pointer (&answer));
  advance (f, 100.0);
  answer = ask (vmft_outside_get_heartbeat_port (f->outside), "/heartbeat/web", TOKEN);
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 204 "));
  advance (f, 30.0);
  leads = g_variant_ref_sink (vmft_lead_model_export (vmft_daemon_get_leads (f->daemon)));
  g_assert_cmpuint (g_variant_n_children (leads), ==, 1);
  lead = g_variant_get_child_value (leads, 0);
  g_assert_false (vmft_dict_boolean (lead, "censored", TRUE));
  g_assert_cmpfloat (vmft_dict_double (lead, "lead_s", 0.0), >, 95.0);
  g_assert_cmpfloat (vmft_dict_double (lead, "lead_s", 0.0), <, 106.0);
}

/* A VM that was moved away beats no more, and has not failed. */
static void
test_moved (Fixture *f, gconstpointer more)
{
  g_autofree char *answer = NULL;
  g_autoptr (GVariant) leads = NULL;
  g_autoptr (GVariant) history = NULL;
  g_autoptr (GVariant) job = NULL;

  g_assert_true (vmft_daemon_set_operation (f->daemon, VMFT_OPERATION_ACT, NULL));
  run_into_fault (f);
  answer = ask (vmft_outside_get_heartbeat_port (f->outside), "/heartbeat/web", TOKEN);
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 204 "));
  advance (f, 15.0);
  history = ask_json (f, "/api/v1/history");
  job = first_of (history);
  g_assert_cmpstr (vmft_dict_string (job, "state"), ==, "completed");
  wait_for_told (f, "migration-finished\n");
  advance (f, 60.0);
  leads = g_variant_ref_sink (vmft_lead_model_export (vmft_daemon_get_leads (f->daemon)));
  for (gsize i = 0; i < g_variant_n_children (leads); i++)
    {
      g_autoptr (GVariant) lead = g_variant_get_child_value (leads, i);

      g_assert_true (vmft_dict_boolean (lead, "censored", FALSE));
    }
}

static void
test_configuration (Fixture *f, gconstpointer more)
{
  static const char *const bad[] = { "[HTTP]\nlisten=0.0.0.0:8638\n",
                                     "[HTTP]\nlisten=localhost:8638\n",
                                     "[HTTP]\ntoken-file=/nonexistent\n",
                                     "[Heartbeat]\nlisten=127.0.0.1:0\n",
                                     "[Alerts]\nevents=incident-solved\n",
                                     "[Alerts]\nwebhook=gopher://x\n",
                                     "[Alerts]\nwebhook-secret-file=/dev/null\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (VmftConf) conf = load_conf (f, bad[i]);
      g_autoptr (GError) error = NULL;

      g_assert_false (vmft_outside_check (conf, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
    }
  {
    g_autoptr (VmftConf) conf = load_conf (f, "");

    g_assert_true (vmft_outside_check (conf, NULL));
  }
}

#define add(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_init (&argc, &argv, NULL);
  add ("/outside/fault-over-http", test_fault_over_http);
  add ("/outside/plan-after-reload", test_plan_after_reload);
  add ("/outside/metrics", test_metrics);
  add ("/outside/alerts", test_alerts);
  add ("/outside/heartbeat", test_heartbeat);
  add ("/outside/moved", test_moved);
  add ("/outside/configuration", test_configuration);
  return g_test_run ();
}
