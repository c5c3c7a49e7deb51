/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose line is it? The whole daemon, allowed to act, behind a real rsyslogd that anyone on the machine can write
 * to. Hosts and VMs are simulated, sockets and files are not; the virtual clock is moved along by hand.
 */
#include "daemon/vmft-daemon.h"

#include "migrate/vmft-fake-world.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_US    (30 * G_USEC_PER_SEC)
#define RSYSLOGD       "/usr/sbin/rsyslogd"
#define JOURNAL_REMOTE "/usr/lib/systemd/systemd-journal-remote"
#define NOBODY         65534
#define FAULT          "critical medium error, dev sda, sector 4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"
#define GIB            (1024.0 * 1024 * 1024)

typedef struct
{
  char *dir;
  guint16 guest_port; /* where rsyslogd listens for guests */
  int kmsg[2];
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftStore *store;
  VmftConf *conf;
  VmftHypervisor *hypervisor;
  VmftDaemon *daemon;
  GSubprocess *rsyslogd;
} Fixture;

/* --- fixture --- */

static void
write_text (Fixture *f, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, &error));
  g_assert_no_error (error);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-provenance-XXXXXX", &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_chmod (f->dir, 0755), ==, 0);
  g_assert_cmpint (pipe2 (f->kmsg, O_DIRECT | O_NONBLOCK | O_CLOEXEC), ==, 0);
  g_assert_cmpint (fcntl (f->kmsg[1], F_SETPIPE_SZ, 1 << 20), >, 0); /* a page for each record */
  f->clock = vmft_fake_clock_new (g_get_real_time ());
  f->world = vmft_fake_world_new (f->clock, 7);
  f->store = vmft_memory_store_new ();
  vmft_fake_world_add_host (f->world, "a", (guint64) (16 * GIB), 0.1 * GIB);
  vmft_fake_world_add_host (f->world, "b", (guint64) (16 * GIB), 0.1 * GIB);
  vm.name = "web";
  vm.memory_bytes = (guint64) GIB;
  vmft_fake_world_add_vm (f->world, "a", &vm);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  static const char *const names[] = { "vmftd.conf",   "rsyslog.conf",   "rsyslog.pid",
                                       "rsyslog.port", "kern.log",       "log",
                                       "web.log",      "remote.journal", "memory" };

  if (f->rsyslogd != NULL)
    {
      g_subprocess_force_exit (f->rsyslogd);
      g_subprocess_wait (f->rsyslogd, NULL, NULL);
      g_clear_object (&f->rsyslogd);
    }
  g_clear_object (&f->daemon);
  g_clear_object (&f->hypervisor);
  g_clear_pointer (&f->conf, vmft_conf_unref);
  g_object_unref (f->world);
  g_object_unref (f->store);
  g_object_unref (f->clock);
  close (f->kmsg[0]);
  close (f->kmsg[1]);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (f->dir, names[i], NULL);

      g_unlink (path);
    }
  g_assert_cmpint (g_rmdir (f->dir), ==, 0);
  g_free (f->dir);
}

static void
turn (Fixture *f)
{
  g_usleep (500);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 2000);
}

static GVariant *
status (Fixture *f)
{
  return g_variant_ref_sink (vmft_daemon_describe (f->daemon));
}

static GVariant *
describe_source (Fixture *f, const char *name)
{
  g_autoptr (GVariant) dict = status (f);
  g_autoptr (GVariant) input = g_variant_lookup_value (dict, "input", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) sources = g_variant_lookup_value (input, "sources", G_VARIANT_TYPE ("aa{sv}"));

  g_assert_nonnull (sources);
  for (gsize i = 0; i < g_variant_n_children (sources); i++)
    {
      g_autoptr (GVariant) source = g_variant_get_child_value (sources, i);

      if (g_strcmp0 (vmft_dict_string (source, "name"), name) == 0)
        return g_steal_pointer (&source);
    }
  g_error ("there is no source %s", name);
}

/* Lines that the source @name has handed over. */
static gint64
count_lines (Fixture *f, const char *name)
{
  g_autoptr (GVariant) source = describe_source (f, name);

  return vmft_dict_int64 (source, "lines", -1);
}

/* The port that the kernel chose for vmftd's receiver. */
static guint16
get_receiver_port (Fixture *f)
{
  g_autoptr (GVariant) source = describe_source (f, "net");
  g_autofree const char **addresses = NULL;

  g_assert_true (g_variant_lookup (source, "addresses", "^a&s", &addresses));
  g_assert_nonnull (addresses[0]);
  return (guint16) g_ascii_strtoull (strrchr (addresses[0], ':') + 1, NULL, 10);
}

static void
wait_for_lines (Fixture *f, const char *name, gint64 n)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (count_lines (f, name) < n && g_get_monotonic_time () < deadline_us)
    turn (f);
  g_assert_cmpint (count_lines (f, name), >=, n);
}

static void
advance (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

/* A daemon in mode act whose learning is over and whose VM has been sampled. */
static void
start_daemon (Fixture *f, const char *sources)
{
  g_autofree char *path = g_build_filename (f->dir, "vmftd.conf", NULL);
  g_autofree char *text = g_strdup_printf ("[Daemon]\nmode=act\nhostname=%s\nsysfs=%s\nproc=%s\n"
                                           "[Detector]\nlearning-lines=10\n[Destination b]\nuri=fake://b\n%s",
                                           g_get_host_name (), f->dir, f->dir, sources);
  g_autoptr (GError) error = NULL;

  write_text (f, "vmftd.conf", text);
  f->conf = vmft_conf_load (path, &error);
  g_assert_no_error (error);
  f->hypervisor = vmft_fake_world_open (f->world, "a");
  f->daemon = vmft_daemon_new (f->conf, f->clock, f->store, f->hypervisor, &error);
  g_assert_no_error (error);
  g_assert_true (vmft_daemon_add_configured_sources (f->daemon, &error));
  g_assert_no_error (error);
  vmft_daemon_start (f->daemon);
  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *record =
          g_strdup_printf ("6,%u,500000000,-;EXT4-fs (vda%u): mounted filesystem\n", i, i % 4);

      g_assert_cmpint (write (f->kmsg[1], record, strlen (record)), >, 0);
    }
  wait_for_lines (f, "kernel", 20);
  advance (f, 90);
}

static void
start (Fixture *f, const char *net_trust)
{
  g_autofree char *sources = g_strdup_printf ("[Source kernel]\ntype=kmsg\npath=/proc/self/fd/%d\n"
                                              "[Source net]\ntype=syslog\nlisten=tcp:127.0.0.1:0\ntrust=%s\n"
                                              "[Source log]\ntype=file\npath=%s/kern.log\n",
                                              f->kmsg[0], net_trust, f->dir);

  start_daemon (f, sources);
}

/* rsyslogd binds its socket first and opens it to everyone a moment later; it says in a file which port it got. */
static gboolean
rsyslogd_is_ready (Fixture *f)
{
  g_autofree char *log = g_build_filename (f->dir, "log", NULL);
  g_autofree char *path = g_build_filename (f->dir, "rsyslog.port", NULL);
  g_autofree char *port = NULL;
  GStatBuf about;

  if (g_stat (log, &about) != 0 || (about.st_mode & S_IWOTH) == 0 ||
      !g_file_get_contents (path, &port, NULL, NULL))
    return FALSE;
  f->guest_port = (guint16) g_ascii_strtoull (port, NULL, 10);
  return f->guest_port != 0;
}

static gboolean
start_rsyslogd (Fixture *f)
{
  g_autofree char *conf = g_build_filename (f->dir, "rsyslog.conf", NULL);
  g_autofree char *pid = g_build_filename (f->dir, "rsyslog.pid", NULL);
  g_autofree char *log = g_build_filename (f->dir, "log", NULL);
  g_autofree char *text = g_strdup_printf (
      "global(workDirectory=\"%s\")\n"
      "module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"%s\")\n"
      "module(load=\"imtcp\")\n"
      "input(type=\"imtcp\" address=\"127.0.0.1\" port=\"0\" listenPortFileName=\"%s/rsyslog.port\")\n"
      "action(type=\"omfile\" file=\"%s/kern.log\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"%u\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" "
      "template=\"RSYSLOG_SyslogProtocol23Format\" action.resumeInterval=\"1\" "
      "action.resumeRetryCount=\"-1\")\n",
      f->dir, log, f->dir, f->dir, get_receiver_port (f));
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  g_autoptr (GError) error = NULL;

  write_text (f, "rsyslog.conf", text);
  f->rsyslogd =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
                        "setpriv", "--pdeathsig", "KILL", RSYSLOGD, "-n", "-f", conf, "-i", pid, NULL);
  g_assert_no_error (error);
  while (!rsyslogd_is_ready (f) && g_get_monotonic_time () < deadline_us)
    turn (f);
  return rsyslogd_is_ready (f);
}

static gboolean
can_run (void)
{
  if (geteuid () != 0)
    g_test_skip ("needs root to become nobody");
  else if (g_access (RSYSLOGD, X_OK) != 0)
    g_test_skip ("rsyslogd is not there");
  else
    return TRUE;
  return FALSE;
}

/* --- senders --- */

/* What any user can do: write to the socket that stands for /dev/log. */
static void
say_as_nobody (Fixture *f, const char *text)
{
  g_autofree char *log = g_build_filename (f->dir, "log", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  gsize length = strlen (text);
  int wait_status = 0;
  pid_t pid;

  g_strlcpy (address.sun_path, log, sizeof address.sun_path);
  pid = fork ();
  if (pid == 0)
    {
      int fd = socket (AF_UNIX, SOCK_DGRAM, 0);

      if (setgroups (0, NULL) != 0 || setresgid (NOBODY, NOBODY, NOBODY) != 0 ||
          setresuid (NOBODY, NOBODY, NOBODY) != 0)
        _exit (2);
      _exit (sendto (fd, text, length, 0, (struct sockaddr *) &address, sizeof address) == (gssize) length
                 ? 0
                 : 1);
    }
  g_assert_cmpint (waitpid (pid, &wait_status, 0), ==, pid);
  g_assert_true (WIFEXITED (wait_status));
  g_assert_cmpint (WEXITSTATUS (wait_status), ==, 0);
}

/* What a guest's rsyslogd does. */
static void
say_as_host (Fixture *f, const char *host, const char *text)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");
  g_autofree char *line = g_strdup_printf ("<3>1 %s %s kernel - - - %s\n", stamp, host, text);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect_to_host (client, "127.0.0.1", f->guest_port, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), line,
                                            strlen (line), NULL, NULL, &error));
}

/* --- what came of it --- */

static GVariant *
list (Fixture *f, GVariant *(*what) (VmftDaemon *, const VmftQuery *, GError **) )
{
  const VmftQuery query = { 0 };
  g_autoptr (GError) error = NULL;
  GVariant *records = what (f->daemon, &query, &error);

  g_assert_no_error (error);
  return g_variant_ref_sink (records);
}

static gsize
count (Fixture *f, GVariant *(*what) (VmftDaemon *, const VmftQuery *, GError **) )
{
  g_autoptr (GVariant) records = list (f, what);

  return g_variant_n_children (records);
}

static void
wait_for_incident (Fixture *f)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (count (f, vmft_daemon_list_incidents) == 0 && g_get_monotonic_time () < deadline_us)
    turn (f);
  g_assert_cmpuint (count (f, vmft_daemon_list_incidents), ==, 1);
}

static gboolean
incident_is_trusted (Fixture *f)
{
  g_autoptr (GVariant) records = list (f, vmft_daemon_list_incidents);
  g_autoptr (GVariant) incident = g_variant_get_child_value (records, 0);

  return vmft_dict_boolean (incident, "trusted", FALSE);
}

static gsize
count_executed (Fixture *f)
{
  g_autoptr (GVariant) records = list (f, vmft_daemon_list_plans);
  gsize n = 0;

  for (gsize i = 0; i < g_variant_n_children (records); i++)
    {
      g_autoptr (GVariant) plan = g_variant_get_child_value (records, i);

      n += vmft_dict_boolean (plan, "executed", TRUE);
    }
  return n;
}

/* Not even a plan on paper, and the incident says why. */
static void
expect_no_plan (Fixture *f)
{
  g_autoptr (GVariant) records = list (f, vmft_daemon_list_incidents);
  g_autoptr (GVariant) incident =
      g_variant_n_children (records) > 0 ? g_variant_get_child_value (records, 0) : NULL;

  if (incident != NULL && g_strcmp0 (vmft_dict_string (incident, "state"), "confirmed") == 0)
    g_assert_nonnull (strstr (vmft_dict_string (incident, "no_plan"), "no trusted source"));
  g_assert_cmpuint (count (f, vmft_daemon_list_plans), ==, 0);
  g_assert_cmpuint (count (f, vmft_daemon_list_migrations), ==, 0);
}

/* --- stories --- */

static void
test_forged (Fixture *f, gconstpointer data)
{
  if (!can_run ())
    return;
  start (f, "claimed");
  g_assert_true (start_rsyslogd (f));
  say_as_nobody (f, "<3>kernel: " FAULT);
  say_as_nobody (
      f, "<3>kernel: I/O error, dev sda, sector 4008 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
  wait_for_incident (f);
  /* it came both ways, and two claims make no truth */
  wait_for_lines (f, "net", 2);
  wait_for_lines (f, "log", 2);
  advance (f, 600);
  g_assert_false (incident_is_trusted (f));
  expect_no_plan (f);
}

static void
test_witnessed (Fixture *f, gconstpointer data)
{
  static const char record[] = "3,50,600000000,-;" FAULT "\n SUBSYSTEM=block\n DEVICE=b8:0\n";
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  if (!can_run ())
    return;
  start (f, "claimed");
  g_assert_true (start_rsyslogd (f));
  say_as_nobody (f, "<3>kernel: " FAULT);
  wait_for_incident (f);
  g_assert_false (incident_is_trusted (f));
  expect_no_plan (f);

  g_assert_cmpint (write (f->kmsg[1], record, strlen (record)), >, 0);
  while (count_executed (f) == 0 && g_get_monotonic_time () < deadline_us)
    turn (f);
  g_assert_true (incident_is_trusted (f));
  g_assert_cmpuint (count_executed (f), ==, 1);
  g_assert_cmpuint (count (f, vmft_daemon_list_incidents), ==, 1);
  {
    g_autoptr (GVariant) records = list (f, vmft_daemon_list_incidents);
    g_autoptr (GVariant) incident = g_variant_get_child_value (records, 0);

    g_assert_null (vmft_dict_string (incident, "no_plan"));
  }
}

/* Minutes later the same words of the kernel are a record of their own, and trusted for themselves. */
static void
test_witness_too_late (Fixture *f, gconstpointer data)
{
  if (!can_run ())
    return;
  start (f, "claimed");
  g_assert_true (start_rsyslogd (f));
  say_as_nobody (f, "<3>kernel: " FAULT);
  wait_for_incident (f);
  advance (f, 30);
  say_as_nobody (f, "<3>kernel: " FAULT);
  wait_for_lines (f, "net", 2);
  g_assert_false (incident_is_trusted (f));
  expect_no_plan (f);
}

static void
test_guest (Fixture *f, gconstpointer data)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  if (!can_run ())
    return;
  start (f, "kernel");
  g_assert_true (start_rsyslogd (f));
  say_as_host (f, "guest1", FAULT);
  wait_for_lines (f, "net", 1);
  advance (f, 30);
  g_assert_cmpuint (count (f, vmft_daemon_list_incidents), ==, 0);
  expect_no_plan (f);

  /* the same line in this host's own name, to see that it would have been heard */
  say_as_host (f, g_get_host_name (), FAULT);
  while (count_executed (f) == 0 && g_get_monotonic_time () < deadline_us)
    turn (f);
  g_assert_cmpuint (count_executed (f), ==, 1);
}

/* What the log of one VM says is about that VM, and claimed only. */
static void
test_vm_log (Fixture *f, gconstpointer data)
{
  g_autofree char *sources = g_strdup_printf ("[Source kernel]\ntype=kmsg\npath=/proc/self/fd/%d\n"
                                              "[Source vms]\ntype=qemu\npath=%s/*.log\n",
                                              f->kmsg[0], f->dir);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.123456Z");
  g_autoptr (GVariant) records = NULL;
  g_autoptr (GVariant) incident = NULL;

  for (guint i = 0; i < 3; i++)
    g_string_append_printf (text,
                            "%s qemu-system-x86_64: block I/O error in device 'drive-virtio-disk%u': "
                            "Input/output error (5)\n",
                            stamp, i);
  start_daemon (f, sources);
  write_text (f, "web.log", text->str);
  wait_for_lines (f, "vms", 3);
  wait_for_incident (f);
  records = list (f, vmft_daemon_list_incidents);
  incident = g_variant_get_child_value (records, 0);
  g_assert_cmpstr (vmft_dict_string (incident, "locus"), ==, "vm web");
  expect_no_plan (f);
}

/* A journal that came over the network says "kernel" because its sender did. */
static void
test_journal_of_others (Fixture *f, gconstpointer data)
{
  g_autofree char *sources = g_strdup_printf ("[Source kernel]\ntype=kmsg\npath=/proc/self/fd/%d\n"
                                              "[Source remote]\ntype=journal\ndirectory=%s\n",
                                              f->kmsg[0], f->dir);
  g_autofree char *output = g_strdup_printf ("--output=%s/remote.journal", f->dir);
  g_autofree char *entry = g_strdup_printf (
      "__REALTIME_TIMESTAMP=%" G_GINT64_FORMAT "\n__MONOTONIC_TIMESTAMP=1\n"
      "_BOOT_ID=0123456789abcdef0123456789abcdef\n_TRANSPORT=kernel\n_HOSTNAME=%s\nPRIORITY=3\n"
      "SYSLOG_IDENTIFIER=kernel\nMESSAGE=%s\n\n",
      g_get_real_time (), g_get_host_name (), FAULT);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  if (g_access (JOURNAL_REMOTE, X_OK) != 0)
    {
      g_test_skip ("systemd-journal-remote is not there");
      return;
    }
  start_daemon (f, sources);
  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
                              JOURNAL_REMOTE, output, "-", NULL);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (process, entry, NULL, NULL, NULL, &error));
  wait_for_incident (f);
  advance (f, 60);
  g_assert_false (incident_is_trusted (f));
  expect_no_plan (f);
}

static void
write_pressure (Fixture *f, guint64 memory_us)
{
  g_autofree char *text =
      g_strdup_printf ("some avg10=0.00 avg60=0.00 avg300=0.00 total=%" G_GUINT64_FORMAT "\n"
                       "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
                       memory_us);
  g_autofree char *path = g_build_filename (f->dir, "memory", NULL);
  FILE *file = g_fopen (path, g_access (path, F_OK) == 0 ? "r+" : "w"); /* in place, as /proc's are */

  g_assert_nonnull (file);
  fputs (text, file);
  fclose (file);
}

/* No line announces an out-of-memory kill: stalls do, and they are the kernel's own word. */
static void
test_pressure (Fixture *f, gconstpointer data)
{
  g_autofree char *sources = g_strdup_printf ("[Source kernel]\ntype=kmsg\npath=/proc/self/fd/%d\n"
                                              "[Source stalls]\ntype=pressure\ndirectory=%s\nio=0\ncpu=0\n",
                                              f->kmsg[0], f->dir);
  g_autoptr (GVariant) records = NULL;
  g_autoptr (GVariant) incident = NULL;

  write_pressure (f, 1000000);
  start_daemon (f, sources);
  g_assert_cmpuint (count (f, vmft_daemon_list_incidents), ==, 0);
  write_pressure (f, 1900000);
  advance (f, 2);
  write_pressure (f, 2900000);
  advance (f, 2);
  records = list (f, vmft_daemon_list_incidents);
  g_assert_cmpuint (g_variant_n_children (records), ==, 1);
  incident = g_variant_get_child_value (records, 0);
  g_assert_cmpstr (vmft_dict_string (incident, "class"), ==, "pressure");
  g_assert_cmpstr (vmft_dict_string (incident, "state"), ==, "confirmed");
  g_assert_true (vmft_dict_boolean (incident, "trusted", FALSE));
  g_assert_cmpuint (count (f, vmft_daemon_list_plans), >=, 1);
}

static void
expect_config_error (Fixture *f, const char *source, const char *words)
{
  g_autofree char *path = g_build_filename (f->dir, "vmftd.conf", NULL);
  g_autofree char *text =
      g_strdup_printf ("[Daemon]\nsysfs=%s\nproc=%s\n[Source x]\n%s", f->dir, f->dir, source);
  g_autoptr (VmftConf) conf = NULL;
  g_autoptr (VmftHypervisor) hypervisor = vmft_fake_world_open (f->world, "a");
  g_autoptr (VmftDaemon) daemon = NULL;
  g_autoptr (GError) error = NULL;

  write_text (f, "vmftd.conf", text);
  conf = vmft_conf_load (path, &error);
  if (conf != NULL)
    {
      daemon = vmft_daemon_new (conf, f->clock, f->store, hypervisor, &error);
      g_assert_no_error (error);
      g_assert_false (vmft_daemon_add_configured_sources (daemon, &error));
    }
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "[Source x]"));
  if (strstr (error->message, words) == NULL)
    g_error ("“%s” does not say “%s”", error->message, words);
}

static void
test_configuration (Fixture *f, gconstpointer data)
{
  expect_config_error (f, "type=file\n", "path");
  expect_config_error (f, "type=file\npath=relative.log\n", "absolute");
  expect_config_error (f, "type=kmsg\npath=/dev/kmsg /dev/null\n", "one absolute path");
  expect_config_error (f, "type=kmsg\nformat=kmsg\n", "not a key of type=kmsg");
  expect_config_error (f, "type=syslog\nlisten=tcp:0.0.0.0:514\n", "allow");
  expect_config_error (f, "type=syslog\npath=/var/log/x\n", "not a key of type=syslog");
  expect_config_error (f, "type=journal\ndirectory=/x\nnamespace=y\n", "not together");
  expect_config_error (f, "type=pressure\nmemory=1.5\n", "between 0 and 0.999");
  expect_config_error (f, "type=serial\n", "file, journal, kmsg, syslog, pressure, qemu");
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0)
    return g_log_writer_default (level, fields, n_fields, NULL);
  return G_LOG_WRITER_HANDLED;
}

#define ADD(path, func) g_test_add ("/provenance/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("forged", test_forged);
  ADD ("witnessed", test_witnessed);
  ADD ("witness-too-late", test_witness_too_late);
  ADD ("guest", test_guest);
  ADD ("vm-log", test_vm_log);
  ADD ("journal-of-others", test_journal_of_others);
  ADD ("pressure", test_pressure);
  ADD ("configuration", test_configuration);
  return g_test_run ();
}
