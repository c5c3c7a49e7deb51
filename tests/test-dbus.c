/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.vmft1 on a bus of the test's own: methods, options, errors, signals, objects, and who may do what. */
#include "daemon/vmft-dbus.h"

#include "daemon/vmft-script-source.h"
#include "migrate/vmft-fake-world.h"
#include "vmft-dbus-generated.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_US (10 * G_USEC_PER_SEC)
#define NOBODY      65534
#define MIB         (1024.0 * 1024)

/* --- a bus on which any user may speak --- */

static const char bus_config[] =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
    "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">"
    "<busconfig><type>system</type><keep_umask/><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
    "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_type=\"method_call\"/>"
    "<allow send_type=\"signal\"/><allow send_requested_reply=\"true\" send_type=\"method_return\"/>"
    "<allow send_requested_reply=\"true\" send_type=\"error\"/><allow receive_type=\"method_call\"/>"
    "<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/><allow receive_type=\"signal\"/>"
    "</policy></busconfig>";

typedef struct
{
  char *dir;
  char *address;
  GPid bus_pid;
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftStore *store;
  VmftHypervisor *hypervisor;
  VmftSource *source;
  VmftDaemon *daemon;
  VmftDbus *dbus;
  GDBusConnection *client;
  char *uuid;
} Fixture;

/* Like a blocking iteration, but a deadline is looked at all the same. */
static void
take_turn (void)
{
  if (!g_main_context_iteration (NULL, FALSE))
    g_usleep (1000);
}

/* A test that fails leaves no bus behind. */
static void
die_with_parent (gpointer user_data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* The socket is there before anyone listens on it. */
static gboolean
is_listening (const char *path)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);

  return connection != NULL;
}

static void
start_bus (Fixture *f)
{
  g_autofree char *path = g_build_filename (f->dir, "bus.conf", NULL);
  g_autofree char *option = g_strconcat ("--config-file=", path, NULL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  g_autofree char *text = g_strdup_printf (bus_config, f->dir);
#pragma GCC diagnostic pop
  char *argv[] = { (char *) "dbus-daemon", option, (char *) "--nofork", (char *) "--nopidfile", NULL };
  g_autofree char *socket = g_build_filename (f->dir, "bus", NULL);
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (chmod (f->dir, 0755), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, &error));
  g_assert_true (g_spawn_async (NULL, argv, NULL,
                                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
                                    G_SPAWN_STDERR_TO_DEV_NULL,
                                die_with_parent, NULL, &f->bus_pid, &error));
  g_assert_no_error (error);
  while (!is_listening (socket) && g_get_monotonic_time () < deadline_us)
    g_usleep (2000);
  g_assert_cmpint (chmod (socket, 0777), ==, 0);
  f->address = g_strdup_printf ("unix:path=%s", socket);
}

static GDBusConnection *
connect_to (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      f->address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
      NULL, &error);

  g_assert_no_error (error);
  return connection;
}

static void
start_daemon (Fixture *f)
{
  g_autofree char *path = g_build_filename (f->dir, "vmftd.conf", NULL);
  g_autofree char *text = g_strdup_printf (
      "[Daemon]\nhostname=*\nsysfs=%s\nproc=%s\n[Destination b]\nuri=fake://b\n", f->dir, f->dir);
  VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;
  g_autoptr (VmftConf) conf = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, &error));
  conf = vmft_conf_load (path, &error);
  g_assert_no_error (error);
  f->clock = vmft_fake_clock_new (G_GINT64_CONSTANT (1790000000) * G_USEC_PER_SEC);
  f->world = vmft_fake_world_new (f->clock, 1);
  vmft_fake_world_add_host (f->world, "a", (guint64) (8192 * MIB), 113 * MIB);
  vmft_fake_world_add_host (f->world, "b", (guint64) (8192 * MIB), 113 * MIB);
  vm.name = "web";
  f->uuid = g_strdup (vmft_fake_world_add_vm (f->world, "a", &vm));
  f->store = vmft_memory_store_new ();
  f->hypervisor = vmft_fake_world_open (f->world, "a");
  f->daemon = vmft_daemon_new (conf, f->clock, f->store, f->hypervisor, &error);
  g_assert_no_error (error);
  f->source = vmft_script_source_new ("kern", VMFT_TRUST_KERNEL, f->clock, f->store);
  vmft_daemon_add_source (f->daemon, f->source);
  vmft_daemon_start (f->daemon);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 30 * G_USEC_PER_SEC);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-dbus-XXXXXX", &error);
  g_assert_no_error (error);
  start_bus (f);
  start_daemon (f);
  f->dbus = vmft_dbus_new (f->daemon, f->address, NULL, NULL);
  while (!vmft_dbus_owns_name (f->dbus) && g_get_monotonic_time () < deadline_us)
    take_turn ();
  g_assert_true (vmft_dbus_owns_name (f->dbus));
  f->client = connect_to (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  g_clear_pointer (&f->dbus, vmft_dbus_free);
  g_clear_object (&f->client);
  g_clear_object (&f->daemon);
  g_clear_object (&f->source);
  g_clear_object (&f->hypervisor);
  g_clear_object (&f->world);
  g_clear_object (&f->store);
  g_clear_object (&f->clock);
  kill (f->bus_pid, SIGTERM);
  waitpid (f->bus_pid, NULL, 0);
  dir = g_dir_open (f->dir, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (f->dir);
  g_free (f->dir);
  g_free (f->address);
  g_free (f->uuid);
}

/* --- calls --- */

typedef struct
{
  GVariant *reply;
  GError *error;
  gboolean done;
} Answer;

static void
on_reply (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  answer->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &answer->error);
  answer->done = TRUE;
}

/* @arguments: text of the tuple. Returns: (transfer full) (nullable): the reply. */
static GVariant *
call_at (Fixture *f,
         const char *path,
         const char *interface,
         const char *method,
         const char *arguments,
         GError **error)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  g_autoptr (GVariant) parsed = g_variant_parse (NULL, arguments, NULL, NULL, error);
  Answer answer = { 0 };

  g_assert_nonnull (parsed);
  vmft_error_quark ();
  g_dbus_connection_call (f->client, VMFT_DBUS_NAME, path, interface, method, parsed, NULL,
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_reply, &answer);
  while (!answer.done && g_get_monotonic_time () < deadline_us)
    take_turn ();
  g_assert_true (answer.done);
  if (answer.error != NULL)
    {
      g_dbus_error_strip_remote_error (answer.error);
      g_propagate_error (error, answer.error);
    }
  return answer.reply;
}

static GVariant *
call (Fixture *f, const char *method, const char *arguments, GError **error)
{
  return call_at (f, VMFT_DBUS_PATH, "org.vmft1.Manager", method, arguments, error);
}

static GVariant *
expect_reply (Fixture *f, const char *method, const char *arguments)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = call (f, method, arguments, &error);

  g_assert_no_error (error);
  return reply;
}

static void
expect_error (Fixture *f, const char *method, const char *arguments, VmftError code, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (call (f, method, arguments, &error));
  g_assert_error (error, VMFT_ERROR, (gint) code);
  g_assert_nonnull (strstr (error->message, part));
}

static void
advance (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static void
say_fault (Fixture *f)
{
  g_autoptr (GDateTime) now = g_date_time_new_from_unix_utc (vmft_clock_real_us (f->clock) / G_USEC_PER_SEC);
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *line =
      g_strdup_printf ("%s.000000+00:00 hosta kernel: [ 4000.000000] critical medium error, dev sda, "
                       "sector 4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
                       stamp);

  vmft_script_source_add (VMFT_SCRIPT_SOURCE (f->source), 0, line);
  advance (f, 0.5);
}

/* --- tests --- */

static void
test_every_list_answers (Fixture *f, gconstpointer data)
{
  static const char *const methods[] = { "GetStatus",       "ListVMs",     "ListAlarms",
                                         "ListIncidents",   "ListPlans",   "GetAccuracy",
                                         "DescribeLeads",   "ExportLeads", "ListMigrations",
                                         "GetConfiguration" };

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      g_autoptr (GVariant) reply = expect_reply (f, methods[i], "(@a{sv} {},)");

      g_assert_cmpuint (g_variant_n_children (reply), ==, 1);
    }
}

static void
test_vms (Fixture *f, gconstpointer data)
{
  g_autofree char *by_uuid = g_strdup_printf ("('%s', @a{sv} {})", f->uuid);
  g_autofree char *canonical = g_strcanon (g_strdup (f->uuid), "0123456789abcdef", '_');
  g_autofree char *path = g_strconcat (VMFT_DBUS_PATH "/vm/", canonical, NULL);
  g_autoptr (GVariant) object = NULL;
  g_autoptr (GError) error = NULL;

  g_variant_unref (expect_reply (f, "GetVM", "('web', @a{sv} {})"));
  g_variant_unref (expect_reply (f, "GetVM", by_uuid));
  expect_error (f, "GetVM", "('nonsense', @a{sv} {})", VMFT_ERROR_NOT_FOUND, "nonsense");
  object = call_at (f, path, "org.vmft1.VM", "Describe", "(@a{sv} {},)", &error);
  g_assert_no_error (error);
  g_assert_nonnull (object);
}

static void
test_policy_of_a_vm (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) reply = expect_reply (
      f, "SetPolicy", "('web', {'priority': <uint32 9>, 'modes': <'pre-copy'>, 'off': <true>})");
  g_autoptr (GVariant) record = g_variant_get_child_value (reply, 0);
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (f->hypervisor, "web");

  g_assert_cmpint (vmft_dict_int64 (record, "priority", 0), ==, 9);
  g_assert_cmpuint (vm->policy.priority, ==, 9);
  g_assert_cmpuint (vm->policy.modes, ==, vmft_mode_bit (VMFT_MODE_PRECOPY));
  g_assert_true (vm->policy.off);
  /* what is wrong in one changes none */
  expect_error (f, "SetPolicy", "('web', {'priority': <uint32 3>, 'modes': <'teleport'>})",
                VMFT_ERROR_INVALID, "teleport");
  expect_error (f, "SetPolicy", "('web', {'priority': <uint32 0>})", VMFT_ERROR_INVALID, "from 1 to 10");
  expect_error (f, "SetPolicy", "('web', {'priority': <'high'>})", VMFT_ERROR_INVALID, "priority:s");
  expect_error (f, "SetPolicy", "('web', {'colour': <'blue'>})", VMFT_ERROR_INVALID, "colour:s");
  expect_error (f, "SetPolicy", "('web', {'reset': <['colour']>})", VMFT_ERROR_INVALID, "colour");
  expect_error (f, "SetPolicy", "('nobody', @a{sv} {})", VMFT_ERROR_NOT_FOUND, "nobody");
  g_variant_unref (expect_reply (f, "SetPolicy", "('web', {'reset': <['off', 'modes']>})"));
  vmft_vm_unref (vm);
  vm = vmft_hypervisor_lookup (f->hypervisor, "web");
  g_assert_cmpuint (vm->policy.priority, ==, 9);
  g_assert_cmpuint (vm->policy.modes, ==, VMFT_MODES_ALL);
  g_assert_false (vm->policy.off);
}

static void
test_options_are_checked (Fixture *f, gconstpointer data)
{
  g_variant_unref (expect_reply (f, "ListAlarms", "({'limit': <uint32 1>},)"));
  expect_error (f, "ListAlarms", "({'limt': <uint32 1>},)", VMFT_ERROR_INVALID, "limt:u");
  expect_error (f, "ListAlarms", "({'limit': <'one'>},)", VMFT_ERROR_INVALID, "limit:u");
  expect_error (f, "GetStatus", "({'x': <1>},)", VMFT_ERROR_INVALID, "none");
  expect_error (f, "SetOperation", "('ponder', @a{sv} {})", VMFT_ERROR_INVALID, "observe, advise, act");
  expect_error (f, "Explain", "(uint64 77, @a{sv} {})", VMFT_ERROR_NOT_FOUND, "77");
  expect_error (f, "Plan", "({'host-fault': <'gremlins'>},)", VMFT_ERROR_INVALID, "gremlins");
  expect_error (f, "Drill", "('gremlins', @a{sv} {})", VMFT_ERROR_INVALID, "disk");
  expect_error (f, "Inhibit", "(int64 5, '', @a{sv} {})", VMFT_ERROR_INVALID, "reason");
}

static void
test_leads (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) reply = expect_reply (
      f, "ImportLeads",
      "([{'class': <'disk'>, 'lead_s': <12.5>, 'origin': <'testbed'>}, {'class': <'disk'>, 'lead_s': <20.0>, "
      "'origin': <'testbed'>}], @a{sv} {})");
  g_autoptr (GVariant) exported = NULL;
  guint n = 0;

  g_variant_get (reply, "(u)", &n);
  g_assert_cmpuint (n, ==, 2);
  exported = expect_reply (f, "ExportLeads", "(@a{sv} {},)");
  expect_error (f, "ImportLeads", "([{'class': <'disk'>, 'lead_s': <-1.0>}], @a{sv} {})", VMFT_ERROR_INVALID,
                "");
}

typedef struct
{
  guint n;
  char *last;
} Heard;

static void
on_signal (GDBusConnection *connection,
           const char *sender,
           const char *path,
           const char *interface,
           const char *name,
           GVariant *parameters,
           gpointer user_data)
{
  Heard *heard = user_data;

  heard->n++;
  g_free (heard->last);
  heard->last = g_variant_print (parameters, FALSE);
}

static void
wait_for (Fixture *f, const guint *counter, guint n)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (*counter < n && g_get_monotonic_time () < deadline_us)
    take_turn ();
  g_assert_cmpuint (*counter, >=, n);
}

static guint
subscribe (Fixture *f, const char *interface, const char *name, Heard *heard)
{
  return g_dbus_connection_signal_subscribe (f->client, NULL, interface, name, NULL, NULL,
                                             G_DBUS_SIGNAL_FLAGS_NONE, on_signal, heard, NULL);
}

static void
test_incident_and_its_story (Fixture *f, gconstpointer data)
{
  Heard alarms = { 0 }, incidents = { 0 }, plans = { 0 }, properties = { 0 };
  g_autoptr (GVariant) story = NULL;
  g_autofree char *text = NULL;

  subscribe (f, "org.vmft1.Manager", "AlarmRaised", &alarms);
  subscribe (f, "org.vmft1.Manager", "IncidentChanged", &incidents);
  subscribe (f, "org.vmft1.Manager", "PlanMade", &plans);
  subscribe (f, "org.freedesktop.DBus.Properties", "PropertiesChanged", &properties);
  g_variant_unref (expect_reply (f, "GetStatus", "(@a{sv} {},)")); /* the subscriptions are at work */
  say_fault (f);
  wait_for (f, &alarms.n, 1);
  wait_for (f, &incidents.n, 1);
  wait_for (f, &plans.n, 1);
  wait_for (f, &properties.n, 1);
  g_assert_nonnull (strstr (properties.last, "OpenIncidents"));
  g_assert_nonnull (strstr (plans.last, "observe"));

  story = expect_reply (f, "Explain", "(uint64 1, @a{sv} {})");
  text = g_variant_print (story, FALSE);
  g_assert_nonnull (strstr (text, "critical medium error, dev sda"));
  g_assert_nonnull (strstr (text, "'lead'"));
  g_variant_unref (expect_reply (f, "Acknowledge", "(uint64 1, {'benign': <true>, 'clear': <true>})"));
  expect_error (f, "Acknowledge", "(uint64 2, @a{sv} {})", VMFT_ERROR_NOT_FOUND, "2");
  g_free (alarms.last);
  g_free (incidents.last);
  g_free (plans.last);
  g_free (properties.last);
}

static void
test_migration_object (Fixture *f, gconstpointer data)
{
  Heard added = { 0 }, changes = { 0 };
  g_autoptr (GVariant) plan = NULL;
  g_autoptr (GVariant) job = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  expect_error (f, "Migrate", "('web', {'mode': <'teleport'>})", VMFT_ERROR_INVALID, "teleport");
  expect_error (f, "Migrate", "('web', {'destination': <'mars'>})", VMFT_ERROR_NOT_FOUND, "mars");
  expect_error (f, "Migrate", "('nobody', @a{sv} {})", VMFT_ERROR_NOT_FOUND, "nobody");
  subscribe (f, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", &added);
  subscribe (f, "org.vmft1.Manager", "MigrationChanged", &changes);
  plan = expect_reply (f, "Migrate", "('web', {'mode': <'post-copy'>, 'destination': <'b'>})");
  text = g_variant_print (plan, FALSE);
  g_assert_nonnull (strstr (text, "'migration_id': <uint64 1>"));
  wait_for (f, &added.n, 1);
  g_assert_nonnull (strstr (added.last, "/org/vmft1/migration/1"));
  advance (f, 60.0);
  wait_for (f, &changes.n, 2);
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuid), ==, "b");
  job = call_at (f, "/org/vmft1/migration/1", "org.vmft1.Migration", "Describe", "(@a{sv} {},)", &error);
  g_assert_no_error (error);
  g_free (text);
  text = g_variant_print (job, FALSE);
  g_assert_nonnull (strstr (text, "completed"));
  g_assert_null (
      call_at (f, "/org/vmft1/migration/1", "org.vmft1.Migration", "Abort", "(@a{sv} {},)", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED);
  g_free (added.last);
  g_free (changes.last);
}

static void
test_drill_moves_nothing (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) plans = NULL;
  g_autofree char *text = NULL;

  g_variant_unref (expect_reply (f, "SetOperation", "('act', @a{sv} {})"));
  g_variant_unref (expect_reply (f, "Drill", "('disk', @a{sv} {})"));
  advance (f, 30.0);
  plans = expect_reply (f, "ListPlans", "(@a{sv} {},)");
  text = g_variant_print (plans, FALSE);
  g_assert_nonnull (strstr (text, "'guard': <'drill'>"));
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuid), ==, "a");
}

static void
test_drill_moves_when_told (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) plans = NULL;
  g_autofree char *text = NULL;

  g_variant_unref (expect_reply (f, "Drill", "('disk', {'move': <true>})"));
  advance (f, 60.0);
  plans = expect_reply (f, "ListPlans", "(@a{sv} {},)");
  text = g_variant_print (plans, FALSE);
  g_assert_nonnull (strstr (text, "'drill': <true>"));
  g_assert_cmpstr (vmft_fake_world_where (f->world, f->uuid), ==, "b");
}

/* --- who may do what --- */

/* Calls as another user; its output tells. Returns: its exit status. */
static int
call_as_nobody (Fixture *f, const char *method, const char *arguments, const char *options, char **output)
{
  g_autofree char *name = g_strconcat ("org.vmft1.Manager.", method, NULL);
  const char *argv[] = { "setpriv",
                         "--reuid=65534",
                         "--regid=65534",
                         "--clear-groups",
                         "gdbus",
                         "call",
                         "--address",
                         f->address,
                         "--dest",
                         VMFT_DBUS_NAME,
                         "--object-path",
                         VMFT_DBUS_PATH,
                         "--method",
                         name,
                         options,
                         NULL,
                         NULL };
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  if (arguments != NULL)
    {
      argv[14] = arguments;
      argv[15] = options;
    }
  process =
      g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, &error);
  g_assert_no_error (error);
  g_subprocess_wait_async (process, NULL, NULL, NULL);
  while (g_subprocess_get_identifier (process) != NULL && g_get_monotonic_time () < deadline_us)
    take_turn ();
  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, output, NULL, &error));
  return g_subprocess_get_exit_status (process);
}

static void
test_others_may_only_read (Fixture *f, gconstpointer data)
{
  g_autofree char *output = NULL;

  if (geteuid () != 0)
    {
      g_test_skip ("needs root to become somebody else");
      return;
    }
  g_assert_cmpint (call_as_nobody (f, "ListVMs", NULL, "{}", &output), ==, 0);
  g_clear_pointer (&output, g_free);
  g_assert_cmpint (call_as_nobody (f, "SetOperation", "act", "{}", &output), !=, 0);
  g_assert_nonnull (strstr (output, "AccessDenied"));
  g_assert_nonnull (strstr (output, "org.vmft1.configure"));
  g_assert_cmpint (vmft_daemon_get_operation (f->daemon), ==, VMFT_OPERATION_OBSERVE);
  g_clear_pointer (&output, g_free);
  g_assert_cmpint (call_as_nobody (f, "SetPolicy", "web", "{'off': <true>}", &output), !=, 0);
  g_assert_nonnull (strstr (output, "org.vmft1.configure"));
  g_clear_pointer (&output, g_free);
  g_assert_cmpint (call_as_nobody (f, "Evacuate", NULL, "{}", &output), !=, 0);
  g_assert_nonnull (strstr (output, "org.vmft1.migrate"));
  g_clear_pointer (&output, g_free);
  g_assert_cmpint (call_as_nobody (f, "Plan", NULL, "{}", &output), !=, 0);
  g_assert_nonnull (strstr (output, "org.vmft1.plan"));
  g_clear_pointer (&output, g_free);
  g_assert_cmpint (call_as_nobody (f, "Drill", "disk", "{'move': <true>}", &output), !=, 0);
  g_assert_nonnull (strstr (output, "org.vmft1.migrate"));
}

/* A polkit that says what the test wants. */
typedef struct
{
  gboolean broken;
  gboolean allow;
  guint n_asked;
  char *action;
} Authority;

static const char authority_xml[] =
    "<node><interface name='org.freedesktop.PolicyKit1.Authority'><method name='CheckAuthorization'>"
    "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"
    "</method></interface></node>";

static void
on_check (GDBusConnection *connection,
          const char *sender,
          const char *path,
          const char *interface,
          const char *method,
          GVariant *parameters,
          GDBusMethodInvocation *invocation,
          gpointer user_data)
{
  Authority *authority = user_data;

  authority->n_asked++;
  g_free (authority->action);
  g_variant_get_child (parameters, 1, "s", &authority->action);
  if (authority->broken)
    g_dbus_method_invocation_return_dbus_error (invocation, "org.freedesktop.PolicyKit1.Error.Failed",
                                                "Action is not registered");
  else
    g_dbus_method_invocation_return_value (invocation,
                                           g_variant_new ("((bba{ss}))", authority->allow, FALSE, NULL));
}

static void
test_polkit_decides (Fixture *f, gconstpointer data)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_check };
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (authority_xml, NULL);
  g_autoptr (GDBusConnection) bus = connect_to (f);
  g_autoptr (GVariant) owned = NULL;
  g_autofree char *output = NULL;
  Authority authority = { 0 };

  if (geteuid () != 0)
    {
      g_test_skip ("needs root to become somebody else");
      return;
    }
  g_dbus_connection_register_object (bus, "/org/freedesktop/PolicyKit1/Authority", info->interfaces[0],
                                     &vtable, &authority, NULL, NULL);
  owned = g_dbus_connection_call_sync (
      bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
      g_variant_new ("(su)", "org.freedesktop.PolicyKit1", 4), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
  g_assert_nonnull (owned);
  g_assert_cmpint (call_as_nobody (f, "SetOperation", "advise", "{}", &output), !=, 0);
  g_assert_nonnull (strstr (output, "polkit says no"));
  g_assert_cmpstr (authority.action, ==, "org.vmft1.configure");
  g_clear_pointer (&output, g_free);
  g_assert_cmpint (call_as_nobody (f, "ListVMs", NULL, "{}", &output), !=, 0);
  g_assert_cmpstr (authority.action, ==, "org.vmft1.read");
  g_clear_pointer (&output, g_free);
  /* a polkit that cannot tell is not one that is absent: it lets nobody read */
  authority.broken = TRUE;
  g_assert_cmpint (call_as_nobody (f, "ListVMs", NULL, "{}", &output), !=, 0);
  g_assert_nonnull (strstr (output, "polkit cannot tell: Action is not registered"));
  g_clear_pointer (&output, g_free);
  g_assert_cmpuint (authority.n_asked, ==, 3);
  authority.broken = FALSE;
  authority.allow = TRUE;
  g_assert_cmpint (call_as_nobody (f, "SetOperation", "advise", "{}", &output), ==, 0);
  g_assert_cmpint (vmft_daemon_get_operation (f->daemon), ==, VMFT_OPERATION_ADVISE);
  g_assert_cmpuint (authority.n_asked, ==, 4);
  g_variant_unref (expect_reply (f, "SetOperation", "('act', @a{sv} {})")); /* root is not asked about */
  g_assert_cmpuint (authority.n_asked, ==, 4);
  g_free (authority.action);
}

/* --- the bus goes away --- */

static void
test_bus_restarts (Fixture *f, gconstpointer data)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  g_autoptr (GVariant) reply = NULL;

  g_dbus_connection_set_exit_on_close (f->client, FALSE);
  g_clear_object (&f->client);
  kill (f->bus_pid, SIGKILL);
  waitpid (f->bus_pid, NULL, 0);
  while (vmft_dbus_owns_name (f->dbus) && g_get_monotonic_time () < deadline_us)
    take_turn ();
  say_fault (f); /* goes on without a bus */
  g_free (f->address);
  {
    g_autofree char *socket = g_build_filename (f->dir, "bus", NULL);

    g_unlink (socket);
  }
  start_bus (f);
  while (!vmft_dbus_owns_name (f->dbus) && g_get_monotonic_time () < deadline_us)
    {
      advance (f, 0.1); /* it tries again every 5 s */
      take_turn ();
    }
  f->client = connect_to (f);
  reply = expect_reply (f, "Explain", "(uint64 1, @a{sv} {})");
  g_assert_nonnull (reply);
}

/* --- what clients were promised --- */

static void
append_arguments (GString *out, GDBusArgInfo **arguments, const char *arrow)
{
  g_string_append (out, arrow);
  for (guint i = 0; arguments != NULL && arguments[i] != NULL; i++)
    g_string_append (out, arguments[i]->signature);
}

static char *
describe_interface (GDBusInterfaceInfo *info)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (guint i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    {
      g_string_append_printf (out, "%s.%s", info->name, info->methods[i]->name);
      append_arguments (out, info->methods[i]->in_args, "(");
      append_arguments (out, info->methods[i]->out_args, ")->");
      g_string_append_c (out, '\n');
    }
  for (guint i = 0; info->signals != NULL && info->signals[i] != NULL; i++)
    {
      g_string_append_printf (out, "%s.%s", info->name, info->signals[i]->name);
      append_arguments (out, info->signals[i]->args, "!");
      g_string_append_c (out, '\n');
    }
  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    g_string_append_printf (out, "%s.%s:%s\n", info->name, info->properties[i]->name,
                            info->properties[i]->signature);
  return g_string_free (g_steal_pointer (&out), FALSE);
}

/* Signatures in tests/org.vmft1.released stay as they are; more may come. */
static void
test_released_signatures (void)
{
  g_autofree char *manager = describe_interface (vmft_dbus_manager_interface_info ());
  g_autofree char *vm = describe_interface (vmft_dbus_vm_interface_info ());
  g_autofree char *migration = describe_interface (vmft_dbus_migration_interface_info ());
  g_autofree char *now = g_strconcat (manager, vm, migration, NULL);
  g_auto (GStrv) lines = g_strsplit (now, "\n", -1);
  g_autofree char *released = NULL;
  g_auto (GStrv) promises = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_get_contents (VMFT_SOURCE_ROOT "/tests/org.vmft1.released", &released, NULL, &error));
  promises = g_strsplit (released, "\n", -1);
  for (guint i = 0; promises[i] != NULL; i++)
    if (*promises[i] != '\0' && *promises[i] != '#' &&
        !g_strv_contains ((const char *const *) lines, promises[i]))
      g_error ("clients were promised %s; now there is\n%s", promises[i], now);
}

#define ADD(path, func) g_test_add ("/dbus/" path, Fixture, NULL, set_up, func, tear_down)

static void
add_tests_on_a_bus (void)
{
  ADD ("lists", test_every_list_answers);
  ADD ("vms", test_vms);
  ADD ("policy-of-a-vm", test_policy_of_a_vm);
  ADD ("options", test_options_are_checked);
  ADD ("leads", test_leads);
  ADD ("incident", test_incident_and_its_story);
  ADD ("migration", test_migration_object);
  ADD ("drill", test_drill_moves_nothing);
  ADD ("drill-that-moves", test_drill_moves_when_told);
  ADD ("others-may-only-read", test_others_may_only_read);
  ADD ("polkit-decides", test_polkit_decides);
  ADD ("bus-restarts", test_bus_restarts);
}

static void
test_no_bus (void)
{
  g_test_skip ("dbus-daemon is not installed");
}

int
main (int argc, char **argv)
{
  g_autofree char *bus = g_find_program_in_path ("dbus-daemon");

  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  if (bus != NULL)
    add_tests_on_a_bus ();
  else
    g_test_add_func ("/dbus/bus", test_no_bus);
  g_test_add_func ("/dbus/released-signatures", test_released_signatures);
  return g_test_run ();
}
