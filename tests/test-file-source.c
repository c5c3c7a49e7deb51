/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-file-source.h"

#include "daemon/vmft-tail.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_US (10 * G_USEC_PER_SEC)

typedef struct
{
  char *dir;
  char *path;
  VmftClock *clock;
  VmftStore *store;
  VmftSource *source;
  GPtrArray *seen; /* of char * */
  gsize largest_batch;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-source-XXXXXX", &error);
  g_assert_no_error (error);
  f->path = g_build_filename (f->dir, "kern.log", NULL);
  f->clock = vmft_real_clock_new ();
  f->store = vmft_memory_store_new ();
  f->seen = g_ptr_array_new_with_free_func (g_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->dir, 0, NULL);
  const char *name;

  g_clear_object (&f->source);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      if (g_unlink (path) != 0)
        g_rmdir (path);
    }
  g_rmdir (f->dir);
  g_free (f->dir);
  g_free (f->path);
  g_object_unref (f->clock);
  g_object_unref (f->store);
  g_ptr_array_unref (f->seen);
}

/* As the daemon does: what the lines caused, and the cursor. */
static void
on_batch (VmftSource *source, const VmftBatch *batch, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GError) error = NULL;

  f->largest_batch = MAX (f->largest_batch, batch->n_lines);
  for (gsize i = 0; i < batch->n_lines; i++)
    {
      g_assert_cmpint (batch->lines[i].trust, ==, VMFT_TRUST_CLAIMED);
      g_ptr_array_add (f->seen,
                       vmft_text_printable (batch->lines[i].text.data, (gssize) batch->lines[i].text.length));
    }
  g_assert_true (vmft_store_put (f->store, VMFT_STORE_CURSORS, batch->cursor_key, 1, batch->cursor, &error));
}

static void
start_on (Fixture *f, const char *pattern)
{
  const char *const patterns[] = { pattern, NULL };

  f->source = vmft_file_source_new ("kern", patterns, VMFT_LINE_BARE, VMFT_TRUST_CLAIMED, f->clock, f->store);
  g_signal_connect (f->source, "batch", G_CALLBACK (on_batch), f);
  vmft_source_start (f->source);
}

static void
start (Fixture *f)
{
  start_on (f, f->path);
}

static void
stop (Fixture *f)
{
  g_clear_object (&f->source);
}

static void
append_to (const char *path, const char *text, gssize length)
{
  int fd = open (path, O_WRONLY | O_APPEND | O_CREAT, 0600);
  gsize left = length < 0 ? strlen (text) : (gsize) length;

  g_assert_cmpint (fd, >=, 0);
  while (left > 0)
    {
      gssize n = write (fd, text, left);

      g_assert_cmpint (n, >, 0);
      text += n;
      left -= (gsize) n;
    }
  close (fd);
}

static void
append (Fixture *f, const char *text)
{
  append_to (f->path, text, -1);
}

static char *
take_seen (Fixture *f)
{
  char *text;

  g_ptr_array_add (f->seen, NULL);
  text = g_strjoinv ("|", (char **) f->seen->pdata);
  g_ptr_array_set_size (f->seen, 0);
  return text;
}

static void
wait_for (Fixture *f, guint n_lines)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (f->seen->len < n_lines && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, TRUE);
}

static void
expect (Fixture *f, const char *lines)
{
  g_auto (GStrv) words = g_strsplit (lines, "|", -1);
  g_autofree char *seen = NULL;

  wait_for (f, g_strv_length (words));
  seen = take_seen (f);
  g_assert_cmpstr (seen, ==, lines);
}

static guint64
described (Fixture *f, const char *key)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (vmft_source_describe (f->source));

  return (guint64) vmft_dict_int64 (dict, key, -1);
}

static void
test_growing (Fixture *f, gconstpointer data)
{
  append (f, "one\ntwo\n\nthr");
  start (f);
  expect (f, "one|two");
  append (f, "ee\r\nfour\n");
  expect (f, "three|four");
  g_assert_cmpuint (described (f, "lines"), ==, 4);
}

static void
test_missing_file_is_awaited (Fixture *f, gconstpointer data)
{
  g_autofree char *directory = g_build_filename (f->dir, "later", NULL);
  g_autofree char *path = g_build_filename (directory, "x.log", NULL);

  start_on (f, path);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_assert_cmpuint (described (f, "files"), ==, 0);
  g_assert_cmpint (g_mkdir (directory, 0700), ==, 0);
  append_to (path, "hello\n", -1);
  expect (f, "hello");
  g_assert_cmpuint (described (f, "files"), ==, 1);
  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
test_not_a_file (Fixture *f, gconstpointer data)
{
  g_assert_cmpint (mkfifo (f->path, 0600), ==, 0);
  start (f);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_assert_cmpuint (described (f, "files"), ==, 0);
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  append (f, "now a file\n");
  expect (f, "now a file");
}

/* rsyslog goes on writing to the renamed file until it is told; neither side may lose a line. */
static void
test_rotation_by_rename (Fixture *f, gconstpointer data)
{
  g_autofree char *rotated = g_strconcat (f->path, ".1", NULL);
  int writer;

  append (f, "a\n");
  start (f);
  expect (f, "a");
  writer = open (f->path, O_WRONLY | O_APPEND);
  g_assert_cmpint (write (writer, "b\n", 2), ==, 2);
  g_assert_cmpint (g_rename (f->path, rotated), ==, 0);
  append (f, "new 1\n");
  expect (f, "b|new 1");
  g_assert_cmpint (write (writer, "late\n", 5), ==, 5);
  expect (f, "late");
  append (f, "new 2\n");
  expect (f, "new 2");
  close (writer);
}

static void
wait_for_files (Fixture *f, guint64 n_files)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (described (f, "files") != n_files && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (described (f, "files"), ==, n_files);
}

static void
test_renamed_away_and_back (Fixture *f, gconstpointer data)
{
  g_autofree char *away = g_build_filename (f->dir, "away", NULL);
  g_autofree char *newer = g_build_filename (f->dir, "newer", NULL);

  append (f, "a\nb\n");
  start (f);
  expect (f, "a|b");
  g_assert_cmpint (g_rename (f->path, away), ==, 0);
  wait_for_files (f, 0);
  g_assert_cmpint (g_rename (away, f->path), ==, 0);
  wait_for_files (f, 1);
  append (f, "c\n");
  expect (f, "c");

  /* another file had the name meanwhile */
  g_assert_cmpint (g_rename (f->path, away), ==, 0);
  append (f, "d\n");
  expect (f, "d");
  g_assert_cmpint (g_rename (f->path, newer), ==, 0);
  g_assert_cmpint (g_rename (away, f->path), ==, 0);
  append (f, "e\n");
  expect (f, "e");
  append (f, "f\n");
  expect (f, "f");
  g_assert_cmpuint (described (f, "lines"), ==, 6);
}

static void
test_rotation_while_stopped (Fixture *f, gconstpointer data)
{
  g_autofree char *rotated = g_strconcat (f->path, ".1", NULL);

  append (f, "a\nb\n");
  start (f);
  expect (f, "a|b");
  stop (f);
  append (f, "c\n");
  g_assert_cmpint (g_rename (f->path, rotated), ==, 0);
  append (f, "d\n");
  start (f);
  expect (f, "c|d");
  stop (f);
  start (f);
  append (f, "e\n");
  expect (f, "e");
}

static void
test_restart_loses_and_repeats_nothing (Fixture *f, gconstpointer data)
{
  append (f, "a\nb\nunfinis");
  start (f);
  expect (f, "a|b");
  stop (f);
  append (f, "hed\nc\n");
  start (f);
  expect (f, "unfinished|c");
}

static void
test_copytruncate (Fixture *f, gconstpointer data)
{
  append (f, "first line of the old log\nsecond\n");
  start (f);
  expect (f, "first line of the old log|second");
  g_assert_cmpint (truncate (f->path, 0), ==, 0);
  append (f, "short\n");
  expect (f, "short");
  g_assert_cmpuint (described (f, "truncations"), ==, 1);

  /* truncated and longer than before at once: only the first bytes tell */
  g_assert_cmpint (truncate (f->path, 0), ==, 0);
  append (f, "a log that has grown past the old offset already\nx\n");
  expect (f, "a log that has grown past the old offset already|x");
}

static void
test_truncated_while_stopped (Fixture *f, gconstpointer data)
{
  append (f, "first line of the old log\nsecond\n");
  start (f);
  expect (f, "first line of the old log|second");
  stop (f);
  g_assert_cmpint (truncate (f->path, 0), ==, 0);
  append (f, "other\n");
  start (f);
  expect (f, "other");
}

static void
test_deleted_and_made_again (Fixture *f, gconstpointer data)
{
  append (f, "a\n");
  start (f);
  expect (f, "a");
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  append (f, "b\n");
  expect (f, "b");
}

static void
test_hostile_bytes (Fixture *f, gconstpointer data)
{
  static const char bytes[] = "nul\0in\0line\n\xff\xfe broken \xc3\n\n\n\x1b[2Jend\n";

  append_to (f->path, bytes, sizeof bytes - 1);
  start (f);
  expect (f, "nul?in?line|?? broken ?|?[2Jend");
}

static void
test_long_line (Fixture *f, gconstpointer data)
{
  g_autofree char *big = g_strnfill (10 << 20, 'x');
  clock_t begun; /* processor time: others use this machine as well */

  append (f, "before\n");
  append (f, big);
  append (f, "tail\nafter\n");
  begun = clock ();
  start (f);
  wait_for (f, 3);
  g_assert_cmpuint (f->seen->len, ==, 3);
  g_assert_cmpstr (f->seen->pdata[0], ==, "before");
  g_assert_cmpuint (strlen (f->seen->pdata[1]), ==, VMFT_TAIL_MAX_LINE);
  g_assert_cmpstr (f->seen->pdata[2], ==, "after");
  g_assert_cmpuint (described (f, "cut_lines"), ==, 1);
  g_assert_cmpint (clock () - begun, <, CLOCKS_PER_SEC);
}

/* Lengths around the buffer's edges, and every line accounted for. */
static void
test_edges (Fixture *f, gconstpointer data)
{
  static const gsize lengths[] = { 65535, 65536, 65537, 131071, 131072, 131073, 1, 65535 };
  guint cut = 0;

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autofree char *line = g_strnfill (lengths[i], (gchar) ('a' + i));

      line[lengths[i] - 1] = '!';
      append (f, line);
      append (f, "\n");
      cut += lengths[i] > VMFT_TAIL_MAX_LINE;
    }
  start (f);
  wait_for (f, G_N_ELEMENTS (lengths));
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      const char *line = g_ptr_array_index (f->seen, i);

      g_assert_cmpuint (strlen (line), ==, MIN (lengths[i], VMFT_TAIL_MAX_LINE));
      g_assert_true (lengths[i] == 1 || line[0] == (gchar) ('a' + i));
    }
  g_assert_cmpuint (described (f, "cut_lines"), ==, cut);
}

static gboolean
count_turn (gpointer user_data)
{
  ++*(guint *) user_data;
  return G_SOURCE_CONTINUE;
}

/* A flood comes in bounded batches, with the main loop's other work done in between. */
static void
test_backpressure (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) flood = g_string_new (NULL);
  guint turns = 0;
  guint id;

  for (guint i = 0; i < 100000; i++)
    g_string_append_printf (flood, "line %u\n", i);
  append (f, flood->str);
  id = g_timeout_add (0, count_turn, &turns);
  start (f);
  wait_for (f, 100000);
  g_source_remove (id);
  g_assert_cmpuint (f->seen->len, ==, 100000);
  g_assert_cmpstr (f->seen->pdata[99999], ==, "line 99999");
  g_assert_cmpuint (f->largest_batch, <=, 16 * 1024 / 2);
  g_assert_cmpuint (turns, >=, 5);
}

static void
test_pattern (Fixture *f, gconstpointer data)
{
  g_autofree char *pattern = g_build_filename (f->dir, "vm-*.log", NULL);
  g_autofree char *one = g_build_filename (f->dir, "vm-1.log", NULL);
  g_autofree char *two = g_build_filename (f->dir, "vm-2.log", NULL);

  append_to (one, "from one\n", -1);
  start_on (f, pattern);
  expect (f, "from one");
  append_to (two, "from two\n", -1);
  expect (f, "from two");
}

#define ADD(path, func) g_test_add ("/file-source/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  ADD ("growing", test_growing);
  ADD ("missing", test_missing_file_is_awaited);
  ADD ("not-a-file", test_not_a_file);
  ADD ("rotation-by-rename", test_rotation_by_rename);
  ADD ("renamed-away-and-back", test_renamed_away_and_back);
  ADD ("rotation-while-stopped", test_rotation_while_stopped);
  ADD ("restart", test_restart_loses_and_repeats_nothing);
  ADD ("copytruncate", test_copytruncate);
  ADD ("truncated-while-stopped", test_truncated_while_stopped);
  ADD ("deleted", test_deleted_and_made_again);
  ADD ("hostile-bytes", test_hostile_bytes);
  ADD ("long-line", test_long_line);
  ADD ("edges", test_edges);
  ADD ("backpressure", test_backpressure);
  ADD ("pattern", test_pattern);
  return g_test_run ();
}
