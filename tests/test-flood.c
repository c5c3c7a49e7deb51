/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A million lines with ten faults among them, through the whole daemon into SQLite: each of the ten is found, memory
 * stays bounded, and the main loop goes on turning.
 */
#include "daemon/vmft-daemon.h"

#include "daemon/vmft-sqlite-store.h"
#include "migrate/vmft-fake-world.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_LINES      1000000
#define N_FAULTS     10
#define LEARN_LINES  2000
#define DEADLINE_US  (300 * G_USEC_PER_SEC)
#define GROWTH_KIB   (64 * 1024) /* a flood of 90 MB through a daemon of 20 */
#define LONGEST_TURN (500 * 1000)

typedef struct
{
  char *dir;
  char *log;
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftStore *store;
  VmftHypervisor *hypervisor;
  VmftConf *conf;
  VmftDaemon *daemon;
  guint16 port;
  gint64 last_turn_us; /* of processor time: what others do on this machine is not our turn */
  gint64 longest_turn_us;
} Fixture;

/* Benign kernel lines whose words vary, so that templates, values and the tree all have work. */
static void
make_line (GString *line, guint i)
{
  static const char *const texts[] = {
    "EXT4-fs (vda%u): mounted filesystem with ordered data mode. Opts: (null). Quota mode: none.",
    "br0: port %u(tap0) entered forwarding state",
    "device tap%u entered promiscuous mode",
    "IPv6: ADDRCONF(NETDEV_CHANGE): tap%u: link becomes ready",
    "usb 1-%u: new high-speed USB device number 7 using xhci_hcd",
    "kauditd_printk_skb: %u callbacks suppressed",
    "perf: interrupt took too long (2504 > %u), lowering kernel.perf_event_max_sample_rate to 79000",
    "audit: type=1400 audit(1700000000.%u:42): apparmor=\"STATUS\" operation=\"profile_load\"",
  };
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");

  g_string_printf (line, "%s.%06u+00:00 host kernel: ", stamp, i % 1000000);
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  g_string_append_printf (line, texts[i % G_N_ELEMENTS (texts)], i / 8);
#pragma GCC diagnostic pop
  G_GNUC_END_IGNORE_DEPRECATIONS
  g_string_append_c (line, '\n');
}

static gboolean
is_fault (guint i)
{
  return i % (N_LINES / N_FAULTS) == N_LINES / N_FAULTS / 2;
}

static void
make_flood_line (GString *line, guint i)
{
  make_line (line, i);
  if (is_fault (i))
    {
      g_string_truncate (line, (gsize) (strstr (line->str, "kernel: ") - line->str) + strlen ("kernel: "));
      g_string_append_printf (
          line, "critical medium error, dev sd%c, sector %u op 0x0:(READ) flags 0x0 phys_seg 1\n",
          'a' + (int) (i / (N_LINES / N_FAULTS)), i);
    }
}

/* --- fixture --- */

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autofree char *database = NULL;
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-flood-XXXXXX", &error);
  g_assert_no_error (error);
  f->log = g_build_filename (f->dir, "kern.log", NULL);
  f->clock = vmft_real_clock_new ();
  f->world = vmft_fake_world_new (f->clock, 7);
  vmft_fake_world_add_host (f->world, "a", G_GUINT64_CONSTANT (1) << 34, 1e8);
  database = g_build_filename (f->dir, "vmft.db", NULL);
  f->store = VMFT_STORE (vmft_sqlite_store_new (database, f->clock, &error));
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->dir, 0, NULL);
  const char *name;

  g_clear_object (&f->daemon);
  g_clear_object (&f->hypervisor);
  g_clear_pointer (&f->conf, vmft_conf_unref);
  g_object_unref (f->world);
  g_object_unref (f->store);
  g_object_unref (f->clock);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (f->dir);
  g_free (f->dir);
  g_free (f->log);
}

static void
start_daemon (Fixture *f, const char *source)
{
  g_autofree char *path = g_build_filename (f->dir, "vmftd.conf", NULL);
  g_autofree char *text =
      g_strdup_printf ("[Daemon]\nmode=advise\nhostname=*\nsysfs=%s\nproc=%s\n[Detector]\nlearning-lines=%d\n"
                       "[Source flood]\n%s\n",
                       f->dir, f->dir, LEARN_LINES, source);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, &error));
  f->conf = vmft_conf_load (path, &error);
  g_assert_no_error (error);
  f->hypervisor = vmft_fake_world_open (f->world, "a");
  f->daemon = vmft_daemon_new (f->conf, f->clock, f->store, f->hypervisor, &error);
  g_assert_no_error (error);
  g_assert_true (vmft_daemon_add_configured_sources (f->daemon, &error));
  g_assert_no_error (error);
  vmft_daemon_start (f->daemon);
}

static gint64
count_lines (Fixture *f)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (vmft_daemon_describe (f->daemon));
  g_autoptr (GVariant) input = g_variant_lookup_value (dict, "input", G_VARIANT_TYPE_VARDICT);

  return vmft_dict_int64 (input, "lines", -1);
}

static gint64
get_processor_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gboolean
on_turn (gpointer user_data)
{
  Fixture *f = user_data;
  gint64 now_us = get_processor_time ();

  if (f->last_turn_us != 0)
    f->longest_turn_us = MAX (f->longest_turn_us, now_us - f->last_turn_us);
  f->last_turn_us = now_us;
  return G_SOURCE_CONTINUE;
}

static void
wait_for_lines (Fixture *f, gint64 n)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  guint turn_id = g_timeout_add (5, on_turn, f);
  guint checks = 0;

  while ((++checks % 64 != 0 || count_lines (f) < n) && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (turn_id);
  f->last_turn_us = 0;
  g_assert_cmpint (count_lines (f), ==, n);
}

static glong
peak_kib (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

static void
expect_each_fault (Fixture *f)
{
  const VmftQuery query = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) alarms = g_variant_ref_sink (vmft_daemon_list_alarms (f->daemon, &query, &error));

  for (guint i = 0; i < N_FAULTS; i++)
    {
      g_autofree char *words = g_strdup_printf ("critical medium error, dev sd%c,", 'a' + (int) i);
      guint found = 0;

      for (gsize j = 0; j < g_variant_n_children (alarms); j++)
        {
          g_autoptr (GVariant) alarm = g_variant_get_child_value (alarms, j);

          found += strstr (vmft_dict_string (alarm, "line"), words) != NULL;
        }
      g_assert_cmpuint (found, ==, 1);
    }
  /* "interrupt took too long" is a warning that no second boot has made normal: 125,000 of it are summed up */
  g_assert_cmpuint (g_variant_n_children (alarms), <, N_FAULTS + 25);
}

static void
report (Fixture *f, const char *what, gint64 begun_us, glong growth_kib)
{
  double seconds = vmft_time_diff_s (g_get_monotonic_time (), begun_us);

  g_test_message (
      "%s: %d lines in %.2f s, %.0f lines/s, peak memory +%ld KiB, longest turn of the main loop %.1f ms",
      what, N_LINES, seconds, N_LINES / seconds, growth_kib, (double) f->longest_turn_us / 1000);
  g_assert_cmpint (growth_kib, <, GROWTH_KIB);
  g_assert_cmpint (f->longest_turn_us, <, LONGEST_TURN);
}

/* --- by file --- */

static void
append (Fixture *f, guint from, guint to, gboolean flood)
{
  g_autoptr (GString) line = g_string_new (NULL);
  FILE *file = g_fopen (f->log, "a");

  g_assert_nonnull (file);
  for (guint i = from; i < to; i++)
    {
      if (flood)
        make_flood_line (line, i);
      else
        make_line (line, i);
      g_assert_cmpuint (fwrite (line->str, 1, line->len, file), ==, line->len);
    }
  g_assert_cmpint (fclose (file), ==, 0);
}

static void
test_file (Fixture *f, gconstpointer data)
{
  g_autofree char *source = g_strdup_printf ("type=file\npath=%s", f->log);
  gint64 begun_us;
  glong before_kib;

  append (f, 0, LEARN_LINES + 8, FALSE);
  start_daemon (f, source);
  wait_for_lines (f, LEARN_LINES + 8);
  before_kib = peak_kib ();
  append (f, 0, N_LINES, TRUE);
  begun_us = g_get_monotonic_time ();
  wait_for_lines (f, N_LINES + LEARN_LINES + 8);
  report (f, "file", begun_us, peak_kib () - before_kib);
  expect_each_fault (f);
}

/* --- by TCP --- */

/* The port that the kernel chose for it. */
static guint16
get_port (Fixture *f)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (vmft_daemon_describe (f->daemon));
  g_autoptr (GVariant) input = g_variant_lookup_value (dict, "input", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) sources = g_variant_lookup_value (input, "sources", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) source = g_variant_get_child_value (sources, 0);
  g_autofree const char **addresses = NULL;

  g_assert_true (g_variant_lookup (source, "addresses", "^a&s", &addresses));
  g_assert_nonnull (addresses[0]);
  return (guint16) g_ascii_strtoull (strrchr (addresses[0], ':') + 1, NULL, 10);
}

/* In a process of its own, so that its memory is not ours. */
static pid_t
start_sender (Fixture *f, guint n_lines, gboolean flood)
{
  g_autoptr (GString) line = g_string_new (NULL);
  struct sockaddr_storage native;
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", f->port);
  pid_t pid;
  FILE *stream;
  int fd;

  g_assert_true (g_socket_address_to_native (address, &native, sizeof native, NULL));
  pid = fork ();
  if (pid != 0)
    return pid;
  fd = socket (AF_INET, SOCK_STREAM, 0);
  if (connect (fd, (struct sockaddr *) &native, (socklen_t) g_socket_address_get_native_size (address)) != 0)
    _exit (1);
  stream = fdopen (fd, "w");
  for (guint i = 0; i < n_lines; i++)
    {
      if (flood)
        make_flood_line (line, i);
      else
        make_line (line, i);
      if (fwrite (line->str, 1, line->len, stream) != line->len)
        _exit (1);
    }
  _exit (fclose (stream) == 0 ? 0 : 1);
}

static void
join_sender (pid_t pid)
{
  int status = 0;

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

static void
test_tcp (Fixture *f, gconstpointer data)
{
  gint64 begun_us;
  glong before_kib;
  pid_t sender;

  start_daemon (f, "type=syslog\nlisten=tcp:127.0.0.1:0");
  f->port = get_port (f);
  sender = start_sender (f, LEARN_LINES + 8, FALSE);
  wait_for_lines (f, LEARN_LINES + 8);
  join_sender (sender);
  before_kib = peak_kib ();
  begun_us = g_get_monotonic_time ();
  sender = start_sender (f, N_LINES, TRUE);
  wait_for_lines (f, N_LINES + LEARN_LINES + 8);
  join_sender (sender);
  report (f, "tcp", begun_us, peak_kib () - before_kib);
  expect_each_fault (f);
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0)
    return g_log_writer_default (level, fields, n_fields, NULL);
  return G_LOG_WRITER_HANDLED;
}

#define ADD(path, func) g_test_add ("/flood/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("file", test_file);
  ADD ("tcp", test_tcp);
  return g_test_run ();
}
