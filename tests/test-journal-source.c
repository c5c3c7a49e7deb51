/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against the real systemd-journald in a mount namespace of its own, and files of the real systemd-journal-remote. */
#include "daemon/vmft-journal-source.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEADLINE_US (30 * G_USEC_PER_SEC)
#define JOURNALD    "/usr/lib/systemd/systemd-journald"
#define REMOTE      "/usr/lib/systemd/systemd-journal-remote"

/* Its own /run, so that this machine's journal, if there is one, never notices. */
static const char journald_script[] =
    "mkdir -p /run/systemd /run/log && mount -t tmpfs none /run/systemd && mount -t tmpfs none /run/log && "
    "mkdir -p /run/systemd/journald.conf.d /run/log/journal && "
    "printf '[Journal]\\nStorage=volatile\\nReadKMsg=%s\\nRateLimitIntervalSec=0\\nForwardToSyslog=no\\n' "
    "\"$1\" "
    ">/run/systemd/journald.conf.d/test.conf && exec " JOURNALD;

typedef struct
{
  char *dir;
  VmftClock *clock;
  VmftStore *store;
  VmftSource *source;
  GSubprocess *journald;
  int socket;
  GPtrArray *seen; /* of char *: texts */
  guint n_kernel, n_trusted;
  guint stop_after; /* lines in one life of the source; 0: any */
  guint this_life;
  gboolean enough;
} Fixture;

static void
on_batch (VmftSource *source, const VmftBatch *batch, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GError) error = NULL;

  /* a daemon that dies before it commits has seen nothing */
  if (f->stop_after != 0 && f->this_life + batch->n_lines > f->stop_after && f->this_life > 0)
    {
      f->enough = TRUE;
      return;
    }
  if (f->enough)
    return;
  for (gsize i = 0; i < batch->n_lines; i++)
    {
      const VmftLine *line = &batch->lines[i];

      g_ptr_array_add (f->seen, vmft_text_printable (line->text.data, (gssize) line->text.length));
      f->n_kernel += line->kernel;
      f->n_trusted += line->trust == VMFT_TRUST_KERNEL;
      g_assert_true (line->kernel || line->trust != VMFT_TRUST_KERNEL);
    }
  f->this_life += (guint) batch->n_lines;
  g_assert_true (vmft_store_put (f->store, VMFT_STORE_CURSORS, batch->cursor_key, 1, batch->cursor, &error));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-journal-XXXXXX", &error);
  g_assert_no_error (error);
  f->clock = vmft_real_clock_new ();
  f->store = vmft_memory_store_new ();
  f->seen = g_ptr_array_new_with_free_func (g_free);
  f->socket = -1;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->dir, 0, NULL);
  const char *name;

  g_clear_object (&f->source);
  if (f->socket >= 0)
    close (f->socket);
  if (f->journald != NULL)
    {
      g_subprocess_force_exit (f->journald);
      g_subprocess_wait (f->journald, NULL, NULL);
      g_clear_object (&f->journald);
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (f->dir);
  g_free (f->dir);
  g_object_unref (f->clock);
  g_object_unref (f->store);
  g_ptr_array_unref (f->seen);
}

static void
start_on (Fixture *f, const char *directory, VmftTrust trust)
{
  VmftJournalConfig config = { .directory = directory, .backlog_s = 1e9, .trust = trust };

  f->this_life = 0;
  f->enough = FALSE;
  f->source = vmft_journal_source_new ("journal", &config, f->clock, f->store);
  g_signal_connect (f->source, "batch", G_CALLBACK (on_batch), f);
  vmft_source_start (f->source);
}

static void
run_until (Fixture *f, guint n_lines)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (f->seen->len < n_lines && !f->enough && g_get_monotonic_time () < deadline_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
}

static guint
count_seen (Fixture *f, const char *text)
{
  guint n = 0;

  for (guint i = 0; i < f->seen->len; i++)
    n += g_str_equal (f->seen->pdata[i], text);
  return n;
}

/* Lines "PREFIX 0" to "PREFIX n-1", each once, in order; others may stand between. */
static void
expect_sequence (Fixture *f, const char *prefix, guint n)
{
  guint next = 0;

  for (guint i = 0; i < f->seen->len; i++)
    {
      g_autofree char *expected = g_strdup_printf ("%s %u", prefix, next);

      if (!g_str_has_prefix (f->seen->pdata[i], prefix))
        continue;
      g_assert_cmpstr (f->seen->pdata[i], ==, expected);
      next++;
    }
  g_assert_cmpuint (next, ==, n);
}

/* --- files made by systemd-journal-remote --- */

static gboolean
have (const char *program)
{
  if (g_file_test (program, G_FILE_TEST_IS_EXECUTABLE))
    return TRUE;
  g_test_skip_printf ("%s is not there", program);
  return FALSE;
}

static void
make_journal (Fixture *f, const char *name, const char *prefix, guint from, guint to)
{
  g_autofree char *path = g_build_filename (f->dir, name, NULL);
  g_autofree char *output = g_strconcat ("--output=", path, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = from; i < to; i++)
    g_string_append_printf (
        text,
        "__REALTIME_TIMESTAMP=%" G_GINT64_FORMAT "\n__MONOTONIC_TIMESTAMP=%u\n"
        "_BOOT_ID=0123456789abcdef0123456789abcdef\n_TRANSPORT=%s\n_HOSTNAME=vm\nPRIORITY=3\n"
        "SYSLOG_IDENTIFIER=kernel\nMESSAGE=%s %u\n\n",
        G_GINT64_CONSTANT (1700000000000000) + i * 1000, i + 1, i % 2 ? "syslog" : "kernel", prefix, i);
  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
                              REMOTE, output, "-", NULL);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (process, text->str, NULL, NULL, NULL, &error));
  g_assert_true (g_subprocess_get_successful (process));
}

static void
test_files (Fixture *f, gconstpointer data)
{
  if (!have (REMOTE))
    return;
  make_journal (f, "one.journal", "line", 0, 3000);
  start_on (f, f->dir, VMFT_TRUST_KERNEL);
  run_until (f, 3000);
  expect_sequence (f, "line", 3000);
  g_assert_cmpuint (f->n_kernel, ==, 1500);
  g_assert_cmpuint (f->n_trusted, ==, 1500);

  /* a file that appears while we look */
  make_journal (f, "two.journal", "line", 3000, 3500);
  run_until (f, 3500);
  expect_sequence (f, "line", 3500);
}

/* Entries that came over the network say what their sender made them say. */
static void
test_files_not_trusted (Fixture *f, gconstpointer data)
{
  if (!have (REMOTE))
    return;
  make_journal (f, "one.journal", "line", 0, 10);
  start_on (f, f->dir, VMFT_TRUST_CLAIMED);
  run_until (f, 10);
  g_assert_cmpuint (f->n_kernel, ==, 5);
  g_assert_cmpuint (f->n_trusted, ==, 0);
}

static void
test_restarts (Fixture *f, gconstpointer data)
{
  guint lives = 0;

  if (!have (REMOTE))
    return;
  make_journal (f, "one.journal", "line", 0, 5000);
  f->stop_after = 600;
  for (; f->seen->len < 5000 && lives < 30; lives++)
    {
      start_on (f, f->dir, VMFT_TRUST_KERNEL);
      run_until (f, 5000);
      g_clear_object (&f->source);
    }
  g_assert_cmpuint (lives, >=, 8);
  expect_sequence (f, "line", 5000);
}

/* The entry that the cursor names has been vacuumed away: on with the first that is left, which is not lost. */
static void
test_vacuumed (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "one.journal", NULL);

  if (!have (REMOTE))
    return;
  make_journal (f, "one.journal", "old", 0, 10);
  start_on (f, f->dir, VMFT_TRUST_KERNEL);
  run_until (f, 10);
  g_clear_object (&f->source);
  g_assert_cmpint (g_unlink (path), ==, 0);
  make_journal (f, "two.journal", "new", 20, 25);
  g_ptr_array_set_size (f->seen, 0);
  start_on (f, f->dir, VMFT_TRUST_KERNEL);
  run_until (f, 5);
  g_assert_cmpuint (f->seen->len, ==, 5);
  g_assert_cmpstr (f->seen->pdata[0], ==, "new 20");
}

static void
test_missing_directory (Fixture *f, gconstpointer data)
{
  g_autofree char *later = g_build_filename (f->dir, "later", NULL);

  if (!have (REMOTE))
    return;
  start_on (f, later, VMFT_TRUST_KERNEL);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_assert_cmpint (g_mkdir (later, 0700), ==, 0);
  make_journal (f, "later/one.journal", "line", 0, 5);
  run_until (f, 5);
  expect_sequence (f, "line", 5);
  g_clear_object (&f->source);
  {
    g_autofree char *path = g_build_filename (later, "one.journal", NULL);

    g_unlink (path);
    g_rmdir (later);
  }
}

/* --- systemd-journald itself --- */

static gboolean
connect_journald (Fixture *f)
{
  const char *pid = g_subprocess_get_identifier (f->journald);
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  f->socket = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  while (pid != NULL && g_get_monotonic_time () < deadline_us)
    {
      g_snprintf (address.sun_path, sizeof address.sun_path, "/proc/%s/root/run/systemd/journal/socket", pid);
      if (connect (f->socket, (struct sockaddr *) &address, sizeof address) == 0)
        return TRUE;
      g_usleep (5000);
      pid = g_subprocess_get_identifier (f->journald);
    }
  return FALSE;
}

static gboolean
start_journald (Fixture *f, const char *read_kmsg)
{
  g_autoptr (GError) error = NULL;

  if (geteuid () != 0)
    {
      g_test_skip ("needs root for a mount namespace");
      return FALSE;
    }
  if (!have (JOURNALD))
    return FALSE;
  f->journald =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
                        "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private",
                        "sh", "-c", journald_script, "sh", read_kmsg, NULL);
  if (f->journald != NULL && connect_journald (f))
    return TRUE;
  g_test_skip ("systemd-journald does not start here");
  return FALSE;
}

static char *
journal_directory (Fixture *f)
{
  g_autofree char *machine_id = NULL;
  g_autofree char *trimmed = NULL;

  g_assert_true (g_file_get_contents ("/etc/machine-id", &machine_id, NULL, NULL));
  trimmed = g_strdup (g_strstrip (machine_id));
  return g_strdup_printf ("/proc/%s/root/run/log/journal/%s", g_subprocess_get_identifier (f->journald),
                          trimmed);
}

static void
say (Fixture *f, const char *fields)
{
  while (send (f->socket, fields, strlen (fields), MSG_DONTWAIT) < 0)
    {
      g_assert_cmpint (errno, ==, EAGAIN);
      g_main_context_iteration (NULL, FALSE);
      g_usleep (100);
    }
}

static void
say_n (Fixture *f, guint from, guint to)
{
  for (guint i = from; i < to; i++)
    {
      g_autofree char *fields =
          g_strdup_printf ("PRIORITY=3\nSYSLOG_IDENTIFIER=test\nMESSAGE=number %u\n", i);

      say (f, fields);
    }
}

/* The last line said is there: all are. */
static void
run_until_seen (Fixture *f, const char *text)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (g_get_monotonic_time () < deadline_us && !f->enough &&
         (f->seen->len == 0 || !g_str_equal (f->seen->pdata[f->seen->len - 1], text)))
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
}

static void
test_journald (Fixture *f, gconstpointer data)
{
  g_autofree char *directory = NULL;

  if (!start_journald (f, "no"))
    return;
  directory = journal_directory (f);
  start_on (f, directory, VMFT_TRUST_KERNEL);
  say_n (f, 0, 10000);
  run_until_seen (f, "number 9999");
  g_clear_object (&f->source);

  /* unwatched: rotated twice, with lines in each file */
  g_subprocess_send_signal (f->journald, SIGUSR2);
  say_n (f, 10000, 15000);
  g_subprocess_send_signal (f->journald, SIGUSR2);
  say_n (f, 15000, 20000);

  f->stop_after = 3000;
  for (guint life = 0; life < 20 && count_seen (f, "number 19999") == 0; life++)
    {
      start_on (f, directory, VMFT_TRUST_KERNEL);
      run_until_seen (f, "number 19999");
      g_clear_object (&f->source);
    }
  expect_sequence (f, "number", 20000);
  g_assert_cmpuint (f->n_kernel, ==, 0);
}

/* Whoever can write to the journal's socket can say all this; nobody but the kernel gets its transport. */
static void
test_forged (Fixture *f, gconstpointer data)
{
  g_autofree char *directory = NULL;

  if (!start_journald (f, "no"))
    return;
  directory = journal_directory (f);
  start_on (f, directory, VMFT_TRUST_KERNEL);
  say (f, "_TRANSPORT=kernel\nSYSLOG_IDENTIFIER=kernel\nSYSLOG_FACILITY=0\nPRIORITY=3\n"
          "_KERNEL_DEVICE=b8:0\nMESSAGE=critical medium error, dev sda\n");
  say (f, "MESSAGE=end\n");
  run_until_seen (f, "end");
  g_assert_cmpuint (count_seen (f, "critical medium error, dev sda"), ==, 1);
  g_assert_cmpuint (f->n_kernel, ==, 0);
  g_assert_cmpuint (f->n_trusted, ==, 0);
}

static void
test_kernel (Fixture *f, gconstpointer data)
{
  g_autofree char *directory = NULL;

  if (!start_journald (f, "yes"))
    return;
  directory = journal_directory (f);
  start_on (f, directory, VMFT_TRUST_KERNEL);
  say (f, "MESSAGE=end\n");
  run_until_seen (f, "end");
  if (f->n_kernel == 0)
    g_test_skip ("journald finds no kernel messages here");
  g_assert_cmpuint (f->n_kernel, ==, f->n_trusted);
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0)
    return g_log_writer_default (level, fields, n_fields, NULL);
  return G_LOG_WRITER_HANDLED;
}

#define ADD(path, func) g_test_add ("/journal-source/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("files", test_files);
  ADD ("files-not-trusted", test_files_not_trusted);
  ADD ("restarts", test_restarts);
  ADD ("vacuumed", test_vacuumed);
  ADD ("missing-directory", test_missing_directory);
  ADD ("journald", test_journald);
  ADD ("forged", test_forged);
  ADD ("kernel", test_kernel);
  return g_test_run ();
}
