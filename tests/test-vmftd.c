/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program vmftd as an operator meets it: options, errors, signals, its state directory. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#define DEADLINE_US (20 * G_USEC_PER_SEC)

typedef struct
{
  char *dir;
  char *conf;
  char *output; /* file that a running vmftd writes to */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-program-XXXXXX", &error);
  g_assert_no_error (error);
  f->conf = g_build_filename (f->dir, "vmftd.conf", NULL);
  f->output = g_build_filename (f->dir, "output", NULL);
}

static void
remove_all (const char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        remove_all (path);
      else
        g_unlink (path);
    }
  g_rmdir (directory);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  remove_all (f->dir);
  g_free (f->dir);
  g_free (f->conf);
  g_free (f->output);
}

/* Nothing outside the test's directory: no bus, libvirt's test driver. */
static void
write_conf (Fixture *f, const char *daemon_keys, const char *rest)
{
  g_autofree char *text = g_strdup_printf ("[Daemon]\nbus=none\nhostname=*\nstate-directory=%s/state\n%s\n"
                                           "[Libvirt]\nuri=test:///default\n%s\n",
                                           f->dir, daemon_keys, rest);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (f->conf, text, -1, &error));
}

static int
run (char **output, const char *first, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  const char *argument;
  va_list args;

  g_ptr_array_add (argv, (gpointer) VMFT_BUILD_ROOT "/daemon/vmftd");
  va_start (args, first);
  for (argument = first; argument != NULL; argument = va_arg (args, const char *))
    g_ptr_array_add (argv, (gpointer) argument);
  va_end (args);
  g_ptr_array_add (argv, NULL);
  process = g_subprocess_newv ((const char *const *) argv->pdata,
                               G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, output, NULL, &error));
  return g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : -1;
}

static GSubprocess *
start (Fixture *f)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  g_subprocess_launcher_set_stdout_file_path (launcher, f->output);
  process = g_subprocess_launcher_spawn (launcher, &error, VMFT_BUILD_ROOT "/daemon/vmftd", "--config",
                                         f->conf, "--foreground", NULL);
  g_assert_no_error (error);
  return process;
}

static void
wait_for_output (Fixture *f, const char *text)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  g_autofree char *output = NULL;

  do
    {
      g_clear_pointer (&output, g_free);
      if (g_file_get_contents (f->output, &output, NULL, NULL) && strstr (output, text) != NULL)
        return;
      g_usleep (5000);
    }
  while (g_get_monotonic_time () < deadline_us);
  g_error ("vmftd never said “%s” but: %s", text, output);
}

static void
stop (GSubprocess *process, int signal_number)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_send_signal (process, signal_number);
  g_assert_true (g_subprocess_wait (process, NULL, &error));
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
}

static void
test_options (Fixture *f, gconstpointer data)
{
  g_autofree char *version = NULL, *help = NULL, *unknown = NULL, *stray = NULL;

  g_assert_cmpint (run (&version, "--version", NULL), ==, 0);
  g_assert_true (g_str_has_prefix (version, "vmftd "));
  g_assert_cmpint (run (&help, "--help", NULL), ==, 0);
  g_assert_nonnull (strstr (help, "--state-directory"));
  g_assert_cmpint (run (&unknown, "--nonsense", NULL), ==, 2);
  g_assert_nonnull (strstr (unknown, "--nonsense"));
  g_assert_cmpint (run (&stray, "stray", NULL), ==, 2);
  g_assert_nonnull (strstr (stray, "stray"));
}

static void
test_configuration_errors (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *keys;
    const char *rest;
    const char *part;
  } cases[] = {
    { "mdoe=act", "", "[Daemon] mdoe: unknown key" },
    { "mode=sleep", "", "one of observe, advise, act" },
    { "", "[Source x]\ntype=file\n", "[Source x] path" },
    { "", "[Source x]\ntype=file\npath=relative.log\n", "absolute" },
    { "", "[Policy]\nmodes=teleport\n", "teleport" },
    { "", "[Destination b]\nweight=1\n", "[Destination b] uri" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *checked = NULL, *started = NULL;

      write_conf (f, cases[i].keys, cases[i].rest);
      g_assert_cmpint (run (&checked, "--config", f->conf, "--check-config", NULL), ==, 2);
      g_assert_nonnull (strstr (checked, cases[i].part));
      g_assert_cmpint (run (&started, "--config", f->conf, NULL), ==, 2);
      g_assert_nonnull (strstr (started, cases[i].part));
      g_assert_nonnull (strstr (started, f->conf));
    }
}

static void
test_good_configuration (Fixture *f, gconstpointer data)
{
  g_autofree char *output = NULL, *missing = NULL;

  write_conf (f, "mode=advise", "[Source x]\ntype=file\npath=/nowhere/x.log\n");
  g_assert_cmpint (run (&output, "--config", f->conf, "--check-config", NULL), ==, 0);
  g_assert_cmpint (run (&missing, "--config", "/nowhere/vmftd.conf", "--check-config", NULL), ==, 2);
  g_assert_nonnull (strstr (missing, "/nowhere/vmftd.conf"));
}

static void
test_life (Fixture *f, gconstpointer data)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *second = NULL;

  write_conf (f, "mode=advise", "[Source x]\ntype=file\npath=/nowhere/x.log\n");
  process = start (f);
  wait_for_output (f, "mode of operation: advise");
  wait_for_output (f, "/nowhere/x.log is not there yet");
  wait_for_output (f, "libvirt answers");

  g_assert_cmpint (run (&second, "--config", f->conf, NULL), ==, 1);
  g_assert_nonnull (strstr (second, "another vmftd"));

  write_conf (f, "mode=nonsense", "");
  g_subprocess_send_signal (process, SIGHUP);
  wait_for_output (f, "the old configuration stays");
  write_conf (f, "mode=observe", "");
  g_subprocess_send_signal (process, SIGHUP);
  wait_for_output (f, "configuration reloaded");
  stop (process, SIGTERM);
}

/* Database and lock would stay where they are, and all else go elsewhere. */
static void
test_state_directory_stays (Fixture *f, gconstpointer data)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *elsewhere = g_strdup_printf ("state-directory=%s/elsewhere\nmode=advise", f->dir);
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;

  write_conf (f, "", "");
  process = start (f);
  wait_for_output (f, "watches this host");
  write_conf (f, elsewhere, "");
  g_subprocess_send_signal (process, SIGHUP);
  wait_for_output (f, "the old configuration stays: [Daemon] state-directory=");
  wait_for_output (f, "needs a restart");
  g_assert_true (g_file_get_contents (f->output, &output, NULL, &error));
  g_assert_null (strstr (output, "configuration reloaded"));
  write_conf (f, "mode=advise", "");
  g_subprocess_send_signal (process, SIGHUP);
  wait_for_output (f, "configuration reloaded");
  stop (process, SIGTERM);
}

static char *
write_hook (Fixture *f, const char *name, const char *last)
{
  g_autofree char *text = g_strdup_printf ("#!/bin/sh\necho \"$1\" >> \"$0.told\"\n%s\n", last);
  char *path = g_build_filename (f->dir, name, NULL);

  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0700, NULL));
  return path;
}

static void
wait_for_hook (const char *hook)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  g_autofree char *path = g_strconcat (hook, ".told", NULL);
  g_autofree char *told = NULL;

  while (!g_file_get_contents (path, &told, NULL, NULL) || strstr (told, "incident-raised\n") == NULL)
    {
      g_clear_pointer (&told, g_free);
      g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
      g_usleep (5000);
    }
}

static void
say (const char *path, const char *message)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%f+00:00");
  g_autofree char *line = g_strdup_printf ("%s node1 kernel: [ 4000.000000] %s\n", stamp, message);
  int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, line, strlen (line)), ==, strlen (line));
  close (fd);
}

/* An alert that nobody took is what the operator mends the configuration for. */
static void
test_alert_survives_reload (Fixture *f, gconstpointer data)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *wrong = write_hook (f, "wrong", "exit 1");
  g_autofree char *right = write_hook (f, "right", "exit 0");
  g_autofree char *log = g_build_filename (f->dir, "kern.log", NULL);
  g_autofree char *source = g_strdup_printf ("[Source x]\ntype=file\ntrust=kernel\npath=%s\n[Alerts]\n", log);
  g_autofree char *before = g_strdup_printf ("%scommand=%s\n", source, wrong);
  g_autofree char *after = g_strdup_printf ("%scommand=%s\n", source, right);

  say (log, "EXT4-fs (vda1): mounted filesystem with ordered data mode");
  write_conf (f, "", before);
  process = start (f);
  wait_for_output (f, "libvirt answers");
  say (log, "critical medium error, dev sda, sector 4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
  wait_for_hook (wrong);
  write_conf (f, "", after);
  g_subprocess_send_signal (process, SIGHUP);
  wait_for_output (f, "configuration reloaded");
  wait_for_hook (right);
  stop (process, SIGTERM);
}

static void
test_no_libvirt (Fixture *f, gconstpointer data)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *text = g_strdup_printf ("[Daemon]\nbus=none\nstate-directory=%s/state\n[Libvirt]\n"
                                           "uri=qemu+unix:///system?socket=%s/nothing\n",
                                           f->dir, f->dir);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (f->conf, text, -1, &error));
  process = start (f);
  wait_for_output (f, "Failed to connect socket");
  g_assert_nonnull (g_subprocess_get_identifier (process));
  stop (process, SIGINT);
}

static void
test_state (Fixture *f, gconstpointer data)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *state = g_build_filename (f->dir, "state", NULL);
  g_autofree char *database = g_build_filename (state, "vmft.db", NULL);
  g_autofree char *unusable = NULL;
  g_autoptr (GError) error = NULL;

  write_conf (f, "", "");
  g_assert_cmpint (g_mkdir (state, 0700), ==, 0);
  g_assert_true (
      g_file_set_contents (database, "not a database at all, whatever its name may say", -1, &error));
  process = start (f);
  wait_for_output (f, "set aside as");
  wait_for_output (f, "watches this host");
  stop (process, SIGTERM);
  g_assert_cmpint (run (&unusable, "--config", f->conf, "--state-directory", "/proc/vmft", NULL), ==, 1);
  g_assert_nonnull (strstr (unusable, "/proc/vmft"));
}

/* One record in each table, and all that the daemon itself wrote, become what no record is. */
static void
damage_records (Fixture *f)
{
  static const char *const tables[] = { "templates", "normal",     "detector", "answers",
                                        "alarms",    "incidents",  "leads",    "forecasts",
                                        "plans",     "migrations", "cursors",  "settings" };
  g_autofree char *path = g_build_filename (f->dir, "state", "vmft.db", NULL);
  sqlite3 *db = NULL;

  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    {
      g_autofree char *sql = g_strdup_printf ("INSERT INTO %1$s VALUES ('00000000000000000001', 1, '{');"
                                              "UPDATE %1$s SET record = '{'",
                                              tables[i]);

      g_assert_cmpint (sqlite3_exec (db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    }
  sqlite3_close (db);
}

static void
test_unreadable_records (Fixture *f, gconstpointer data)
{
  g_autoptr (GSubprocess) process = NULL;

  write_conf (f, "", "");
  process = start (f);
  wait_for_output (f, "watches this host");
  stop (process, SIGTERM);
  g_clear_object (&process);

  damage_records (f);
  process = start (f);
  wait_for_output (f, "table templates: ");
  wait_for_output (f, "unreadable record");
  wait_for_output (f, "watches this host");
  stop (process, SIGTERM);
}

#define ADD(path, func) g_test_add ("/vmftd/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  ADD ("options", test_options);
  ADD ("configuration-errors", test_configuration_errors);
  ADD ("good-configuration", test_good_configuration);
  ADD ("life", test_life);
  ADD ("state-directory-stays", test_state_directory_stays);
  ADD ("alert-survives-reload", test_alert_survives_reload);
  ADD ("no-libvirt", test_no_libvirt);
  ADD ("state", test_state);
  ADD ("unreadable-records", test_unreadable_records);
  return g_test_run ();
}
