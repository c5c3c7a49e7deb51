/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-kmsg-source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define START_US   G_GINT64_CONSTANT (1700000000000000)
#define PIPE_BYTES (1 << 20)

typedef struct
{
  int fds[2];
  char *path;
  char *boot_id_path;
  VmftClock *clock;
  VmftStore *store;
  VmftSource *source;
  GPtrArray *seen; /* of char *: "trust text" */
  GArray *ages_s;
  gboolean keep_cursor;
} Fixture;

static void
on_batch (VmftSource *source, const VmftBatch *batch, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < batch->n_lines; i++)
    {
      const VmftLine *line = &batch->lines[i];
      g_autofree char *text = vmft_text_printable (line->text.data, (gssize) line->text.length);
      double age_s = vmft_time_diff_s (line->arrival_us, line->time_us);

      g_ptr_array_add (f->seen, g_strdup_printf ("%d %s", line->trust, text));
      g_array_append_val (f->ages_s, age_s);
    }
  if (f->keep_cursor)
    g_assert_true (
        vmft_store_put (f->store, VMFT_STORE_CURSORS, batch->cursor_key, 1, batch->cursor, &error));
}

/* A pipe in packet mode gives one record for each read, as the device does. */
static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  int fd = g_file_open_tmp ("vmft-boot-id-XXXXXX", &f->boot_id_path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (f->boot_id_path, "boot-one\n", -1, NULL));
  g_assert_cmpint (pipe2 (f->fds, O_DIRECT | O_NONBLOCK | O_CLOEXEC), ==, 0);
  fcntl (f->fds[1], F_SETPIPE_SZ, PIPE_BYTES);
  f->path = g_strdup_printf ("/proc/self/fd/%d", f->fds[0]);
  f->clock = vmft_fake_clock_new (START_US);
  f->store = vmft_memory_store_new ();
  f->seen = g_ptr_array_new_with_free_func (g_free);
  f->ages_s = g_array_new (FALSE, FALSE, sizeof (double));
  f->keep_cursor = TRUE;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->source);
  close (f->fds[0]);
  close (f->fds[1]);
  g_unlink (f->boot_id_path);
  g_free (f->boot_id_path);
  g_free (f->path);
  g_object_unref (f->clock);
  g_object_unref (f->store);
  g_ptr_array_unref (f->seen);
  g_array_unref (f->ages_s);
}

static void
start_on (Fixture *f, const char *path)
{
  f->source = vmft_kmsg_source_new ("kernel", path, f->boot_id_path, f->clock, f->store);
  g_signal_connect (f->source, "batch", G_CALLBACK (on_batch), f);
  vmft_source_start (f->source);
}

static void
start (Fixture *f)
{
  start_on (f, f->path);
}

static void
say (Fixture *f, const char *record)
{
  gssize length = (gssize) strlen (record);

  g_assert_cmpint (write (f->fds[1], record, (gsize) length), ==, length);
}

static void
say_n (Fixture *f, guint from, guint to)
{
  for (guint i = from; i < to; i++)
    {
      g_autofree char *record = g_strdup_printf ("6,%u,100,-;line %u\n", i, i);

      say (f, record);
    }
}

static void
run (Fixture *f)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 0);
}

static char *
take_seen (Fixture *f)
{
  char *text;

  run (f);
  g_ptr_array_add (f->seen, NULL);
  text = g_strjoinv ("|", (char **) f->seen->pdata);
  g_ptr_array_set_size (f->seen, 0);
  return text;
}

static void
expect (Fixture *f, const char *lines)
{
  g_autofree char *seen = take_seen (f);

  g_assert_cmpstr (seen, ==, lines);
}

static gint64
described (Fixture *f, const char *key)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (vmft_source_describe (f->source));

  return vmft_dict_int64 (dict, key, -1);
}

/* The kernel numbers what user space writes with facility 1 and above: such a record says nothing for the kernel. */
static void
test_trust (Fixture *f, gconstpointer data)
{
  start (f);
  say (f, "3,10,100,-;critical medium error, dev sda\n SUBSYSTEM=block\n DEVICE=b8:0\n");
  say (f, "11,11,100,-;kernel: critical medium error, dev sda\n");
  say (f, "6,12,100,c;a fragment\n");
  say (f, "garbage\n");
  say (f, ";,\n");
  expect (f, "2 critical medium error, dev sda|1 critical medium error, dev sda|2 a fragment");
}

static void
test_restart (Fixture *f, gconstpointer data)
{
  start (f);
  say_n (f, 5, 7);
  expect (f, "2 line 5|2 line 6");
  g_clear_object (&f->source);

  /* the device gives all it still has again */
  start (f);
  say_n (f, 3, 9);
  expect (f, "2 line 7|2 line 8");
  g_assert_cmpint (described (f, "skipped"), ==, 4);
  g_assert_cmpint (described (f, "dropped"), ==, 0);
  g_clear_object (&f->source);

  /* another boot counts from 0 */
  g_assert_true (g_file_set_contents (f->boot_id_path, "boot-two\n", -1, NULL));
  start (f);
  say_n (f, 0, 2);
  expect (f, "2 line 0|2 line 1");
}

/* What was not committed is read again. */
static void
test_uncommitted (Fixture *f, gconstpointer data)
{
  start (f);
  say_n (f, 0, 2);
  expect (f, "2 line 0|2 line 1");
  g_clear_object (&f->source);
  f->keep_cursor = FALSE;
  start (f);
  say_n (f, 0, 4);
  expect (f, "2 line 2|2 line 3");
  g_clear_object (&f->source);
  f->keep_cursor = TRUE;
  start (f);
  say_n (f, 0, 4);
  expect (f, "2 line 2|2 line 3");
}

static void
test_overrun (Fixture *f, gconstpointer data)
{
  start (f);
  say_n (f, 0, 2);
  say_n (f, 40, 41);
  expect (f, "2 line 0|2 line 1|2 line 40");
  g_assert_cmpint (described (f, "dropped"), ==, 38);
  g_clear_object (&f->source);
  start (f);
  say_n (f, 50, 51);
  expect (f, "2 line 50");
  g_assert_cmpint (described (f, "dropped"), ==, 9);
}

/* Before the end of the buffer a record is as old as it says; after it, it is of now. */
static void
test_time (Fixture *f, gconstpointer data)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 3599LL * G_USEC_PER_SEC); /* it starts at 1 s */
  say (f, "6,1,600000000,-;old\n");
  say (f, "6,2,99999000000,-;from a clock that runs ahead\n");
  start (f);
  run (f);
  say (f, "6,3,3540000000,-;live, by a clock that lags\n");
  run (f);
  g_assert_cmpfloat_with_epsilon (g_array_index (f->ages_s, double, 0), 3000, 0.001);
  g_assert_cmpfloat (g_array_index (f->ages_s, double, 1), ==, 0);
  g_assert_cmpfloat (g_array_index (f->ages_s, double, 2), ==, 0);
}

static void
test_long_records (Fixture *f, gconstpointer data)
{
  g_autofree char *body = g_strnfill (4000, 'x');

  start (f);
  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *record = g_strdup_printf ("6,%u,100,-;%u %s\n", i, i, body);

      say (f, record);
    }
  run (f);
  g_assert_cmpuint (f->seen->len, ==, 200);
  g_assert_true (g_str_has_prefix (f->seen->pdata[199], "2 199 xxx"));
  g_assert_cmpuint (strlen (f->seen->pdata[199]), ==, 4006);
}

static void
test_missing_device (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_strconcat (f->boot_id_path, ".kmsg", NULL);

  start_on (f, path);
  run (f);
  g_assert_cmpint (symlink (f->path, path), ==, 0);
  say_n (f, 0, 1);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 2 * G_USEC_PER_SEC);
  expect (f, "2 line 0");
  g_unlink (path);
}

static void
test_not_a_device (Fixture *f, gconstpointer data)
{
  start_on (f, f->boot_id_path);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 10 * G_USEC_PER_SEC);
  g_assert_cmpint (described (f, "lines"), ==, 0);
}

/* This machine's own kernel, where it may be read. */
static void
test_real_device (Fixture *f, gconstpointer data)
{
  int fd = open (VMFT_KMSG_PATH, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  char record[16384];
  guint n_records = 0;
  gssize n;

  while (fd >= 0 && ((n = read (fd, record, sizeof record)) > 0 || (n < 0 && errno == EPIPE)))
    n_records += n > 0;
  if (fd < 0 || n_records == 0)
    {
      g_test_skip ("/dev/kmsg cannot be read here");
      return;
    }
  close (fd);
  start_on (f, VMFT_KMSG_PATH);
  run (f);
  g_assert_cmpuint (f->seen->len, >=, n_records);
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0)
    return g_log_writer_default (level, fields, n_fields, NULL);
  return G_LOG_WRITER_HANDLED;
}

#define ADD(path, func) g_test_add ("/kmsg-source/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("trust", test_trust);
  ADD ("restart", test_restart);
  ADD ("uncommitted", test_uncommitted);
  ADD ("overrun", test_overrun);
  ADD ("time", test_time);
  ADD ("long-records", test_long_records);
  ADD ("missing-device", test_missing_device);
  ADD ("not-a-device", test_not_a_device);
  ADD ("real-device", test_real_device);
  return g_test_run ();
}
