/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One recorded run through each real source: a log file, a journal file of the real systemd-journal-remote, syslog over
 * TCP, and records as /dev/kmsg gives them. The detector must say the same of each. */
#include "daemon/vmft-file-source.h"
#include "daemon/vmft-journal-source.h"
#include "daemon/vmft-kmsg-source.h"
#include "daemon/vmft-syslog-source.h"

#include "vmft-detector.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define RUN         VMFT_SOURCE_ROOT "/testbed/recorded/hdd-1"
#define CONVERT     VMFT_SOURCE_ROOT "/testbed/convert"
#define REMOTE      "/lib/systemd/systemd-journal-remote"
#define DEADLINE_US (60 * G_USEC_PER_SEC)

typedef struct
{
  char *dir;
  VmftClock *clock;
  VmftStore *store;
  VmftSource *source;
  VmftDetector *detector;
  guint n_expected, n_kernel_expected, n_lines, n_kernel, n_faults;
  gboolean confirmed;
} Fixture;

static void
on_batch (VmftSource *source, const VmftBatch *batch, gpointer user_data)
{
  Fixture *f = user_data;

  for (gsize i = 0; i < batch->n_lines; i++)
    {
      VmftVerdict verdict;

      vmft_detector_feed (f->detector, &batch->lines[i], batch->source, &verdict);
      f->n_kernel += batch->lines[i].kernel;
      f->n_faults += verdict.fault && verdict.fault_class == VMFT_CLASS_DISK;
    }
  f->n_lines += (guint) batch->n_lines;
}

static void
on_incident (VmftDetector *detector, const VmftIncident *incident, gpointer user_data)
{
  Fixture *f = user_data;

  f->confirmed |= incident->state == VMFT_INCIDENT_CONFIRMED && incident->fault_class == VMFT_CLASS_DISK;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  VmftDetectorConfig config = VMFT_DETECTOR_CONFIG_DEFAULT;
  g_autoptr (GError) error = NULL;
  g_autofree char *log = NULL;
  gsize length = 0;

  f->dir = g_dir_make_tmp ("vmft-run-sources-XXXXXX", &error);
  g_assert_no_error (error);
  f->clock = vmft_real_clock_new ();
  f->store = vmft_memory_store_new ();
  f->detector = vmft_detector_new (f->clock, f->store, &config, &error);
  g_assert_no_error (error);
  g_signal_connect (f->detector, "incident", G_CALLBACK (on_incident), f);
  g_assert_true (g_file_get_contents (RUN "/log.txt", &log, &length, &error));
  for (gsize i = 0; i < length; i++)
    f->n_expected += log[i] == '\n';
  for (const char *at = log; (at = strstr (at, " kernel: [")) != NULL; at++)
    f->n_kernel_expected++;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->dir, 0, NULL);
  const char *name;

  g_clear_object (&f->source);
  g_object_unref (f->detector);
  g_object_unref (f->store);
  g_object_unref (f->clock);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (f->dir);
  g_free (f->dir);
}

static GSubprocess *
spawn (const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_NONE, &error);

  g_assert_no_error (error);
  return process;
}

static void
start (Fixture *f, VmftSource *source)
{
  f->source = source;
  g_signal_connect (source, "batch", G_CALLBACK (on_batch), f);
  vmft_source_start (source);
}

static void
expect_disk_fault (Fixture *f)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_US;

  while (f->n_lines < f->n_expected && g_get_monotonic_time () < deadline)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (2000);
  g_assert_cmpuint (f->n_lines, ==, f->n_expected);
  g_assert_cmpuint (f->n_kernel, >, f->n_expected / 2);
  g_assert_cmpuint (f->n_faults, >, 10);
  g_assert_true (f->confirmed);
}

static void
test_file (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "kern.log", NULL);
  g_autofree char *log = NULL;
  g_autoptr (GError) error = NULL;
  const char *const patterns[] = { path, NULL };
  gsize length = 0;

  g_assert_true (g_file_get_contents (RUN "/log.txt", &log, &length, &error));
  start (f, vmft_file_source_new ("kernel", patterns, VMFT_LINE_AUTO, VMFT_TRUST_KERNEL, f->clock, f->store));
  /* a file that comes later is read from its beginning */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_true (g_file_set_contents (path, log, (gssize) length, &error));
  expect_disk_fault (f);
}

static void
test_journal (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "run.journal", NULL);
  const char *const argv[] = { CONVERT, "to-journal", RUN, path, NULL };
  VmftJournalConfig config = { .directory = f->dir, .backlog_s = 1e9, .trust = VMFT_TRUST_KERNEL };
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_file_test (REMOTE, G_FILE_TEST_IS_EXECUTABLE))
    {
      g_test_skip (REMOTE " is not there");
      return;
    }
  process = spawn (argv);
  g_assert_true (g_subprocess_wait_check (process, NULL, &error));
  start (f, vmft_journal_source_new ("journal", &config, f->clock, f->store));
  expect_disk_fault (f);
}

static void
test_syslog (Fixture *f, gconstpointer data)
{
  const char *const listen[] = { "tcp:127.0.0.1:0", NULL };
  VmftSyslogConfig config = { .listen = listen,
                              .max_connections = VMFT_SYSLOG_MAX_CONNECTIONS,
                              .trust = VMFT_TRUST_KERNEL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *port = NULL;

  start (f, vmft_syslog_source_new ("net", &config, f->clock, &error));
  g_assert_no_error (error);
  port = g_strdup_printf ("%u", vmft_syslog_source_get_port (VMFT_SYSLOG_SOURCE (f->source), 0));
  process = spawn ((const char *const[]){ CONVERT, "send", RUN, "127.0.0.1", port, NULL });
  expect_disk_fault (f);
  g_assert_true (g_subprocess_wait_check (process, NULL, &error));
}

/* A pipe in packet mode gives one record for each read, as the device does. The kernel's lines are all it has. */
static void
test_kmsg (Fixture *f, gconstpointer data)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  int fds[2];

  g_assert_cmpint (pipe2 (fds, O_DIRECT | O_CLOEXEC), ==, 0);
  path = g_strdup_printf ("/proc/self/fd/%d", fds[0]);
  f->n_expected = f->n_kernel_expected;
  start (f, vmft_kmsg_source_new ("kernel", path, VMFT_BOOT_ID_PATH, f->clock, f->store));
  g_subprocess_launcher_take_stdout_fd (launcher, dup (fds[1]));
  process = g_subprocess_launcher_spawn (launcher, &error, CONVERT, "to-kmsg", RUN, NULL);
  g_assert_no_error (error);
  expect_disk_fault (f);
  g_assert_true (g_subprocess_wait_check (process, NULL, &error));
  g_clear_object (&f->source);
  close (fds[0]);
  close (fds[1]);
}

/* What comes back out of a journal is the run, to the byte. */
static void
test_round_trip (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "run.journal", NULL);
  g_autofree char *back = g_build_filename (f->dir, "back", NULL);
  g_autofree char *log_path = g_build_filename (back, "log.txt", NULL);
  g_autofree char *labels_path = g_build_filename (back, "labels.json", NULL);
  g_autofree char *before = NULL, *after = NULL;
  g_autoptr (GSubprocess) to = NULL;
  g_autoptr (GSubprocess) from = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_file_test (REMOTE, G_FILE_TEST_IS_EXECUTABLE))
    {
      g_test_skip (REMOTE " is not there");
      return;
    }
  to = spawn ((const char *const[]){ CONVERT, "to-journal", RUN, path, NULL });
  g_assert_true (g_subprocess_wait_check (to, NULL, &error));
  from = spawn ((const char *const[]){ CONVERT, "from-journal", path, back, NULL });
  g_assert_true (g_subprocess_wait_check (from, NULL, &error));
  g_assert_true (g_file_get_contents (RUN "/log.txt", &before, NULL, &error));
  g_assert_true (g_file_get_contents (log_path, &after, NULL, &error));
  g_assert_cmpstr (after, ==, before);
  g_unlink (log_path);
  g_unlink (labels_path);
  g_rmdir (back);
}

#define ADD(path, func) g_test_add ("/run-sources/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("file", test_file);
  ADD ("journal", test_journal);
  ADD ("syslog", test_syslog);
  ADD ("kmsg", test_kmsg);
  ADD ("round-trip", test_round_trip);
  return g_test_run ();
}
