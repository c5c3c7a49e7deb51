/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-pressure-source.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define DEADLINE_US (20 * G_USEC_PER_SEC)

typedef struct
{
  char *dir;
  VmftClock *clock;
  VmftSource *source;
  guint n_memory, n_io, n_cpu;
  char *line;
} Fixture;

static void
on_pressure (const char *resource, const char *line, gpointer user_data)
{
  Fixture *f = user_data;

  f->n_memory += g_str_equal (resource, "memory");
  f->n_io += g_str_equal (resource, "io");
  f->n_cpu += g_str_equal (resource, "cpu");
  g_free (f->line);
  f->line = g_strdup (line);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = g_dir_make_tmp ("vmft-pressure-XXXXXX", NULL);
  f->clock = vmft_fake_clock_new (G_GINT64_CONSTANT (1700000000000000));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  static const char *const names[] = { "memory", "io", "cpu" };

  g_clear_object (&f->source);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (f->dir, names[i], NULL);

      g_unlink (path);
    }
  g_rmdir (f->dir);
  g_free (f->dir);
  g_free (f->line);
  g_object_unref (f->clock);
}

static void
write_file (Fixture *f, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error));
  g_assert_no_error (error);
}

static void
stall (Fixture *f, const char *name, guint64 some_us, guint64 full_us)
{
  g_autofree char *text =
      g_strdup_printf ("some avg10=0.00 avg60=0.00 avg300=0.00 total=%" G_GUINT64_FORMAT "\n"
                       "full avg10=0.00 avg60=0.00 avg300=0.00 total=%" G_GUINT64_FORMAT "\n",
                       some_us, full_us);

  write_file (f, name, text);
}

static void
start (Fixture *f, const VmftPressureConfig *config)
{
  f->source = vmft_pressure_source_new ("pressure", config, f->clock, on_pressure, f);
  vmft_source_start (f->source);
}

static void
start_here (Fixture *f)
{
  VmftPressureConfig config = VMFT_PRESSURE_CONFIG_DEFAULT;

  config.directory = f->dir;
  start (f, &config);
}

static void
advance (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

/* Files of a test take no triggers, and must not be written to. */
static void
test_polling (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "memory", NULL);
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  stall (f, "memory", 5000000, 0);
  stall (f, "io", 1000, 1000);
  stall (f, "cpu", 1000, 0);
  g_assert_true (g_file_get_contents (path, &before, NULL, NULL));
  start_here (f);
  advance (f, 2.1);
  g_assert_cmpuint (f->n_memory + f->n_io + f->n_cpu, ==, 0);
  g_assert_true (g_file_get_contents (path, &after, NULL, NULL));
  g_assert_cmpstr (before, ==, after);

  stall (f, "memory", 5299000, 0); /* 14.95% of 2 s */
  advance (f, 2);
  g_assert_cmpuint (f->n_memory, ==, 0);
}

/* The files are opened once, as /proc's may be, so a test writes into them in place. */
static void
overwrite (Fixture *f, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->dir, name, NULL);
  FILE *file = g_fopen (path, "r+");

  g_assert_nonnull (file);
  fputs (text, file);
  g_assert_cmpint (ftruncate (fileno (file), (off_t) strlen (text)), ==, 0);
  fclose (file);
}

static void
test_shares (Fixture *f, gconstpointer data)
{
  stall (f, "memory", 0, 0);
  stall (f, "io", 0, 0);
  stall (f, "cpu", 0, 0);
  start_here (f);
  overwrite (f, "memory",
             "some avg10=9.12 avg60=0 avg300=0 total=310000\nfull avg10=0 avg60=0 avg300=0 total=0\n");
  overwrite (f, "io",
             "some avg10=99 avg60=0 avg300=0 total=2000000\nfull avg10=0 avg60=0 avg300=0 total=1700000\n");
  overwrite (f, "cpu",
             "some avg10=0 avg60=0 avg300=0 total=1000000\nfull avg10=0 avg60=0 avg300=0 total=0\n");
  advance (f, 2.1);
  g_assert_cmpuint (f->n_memory, ==, 1);
  g_assert_cmpuint (f->n_io, ==, 0); /* some waited all the time, all did for 85% */
  g_assert_cmpuint (f->n_cpu, ==, 0);
  g_assert_cmpstr (f->line, ==, "memory pressure: some avg10=9.12 avg60=0 avg300=0 total=310000");
  overwrite (f, "io",
             "some avg10=99 avg60=0 avg300=0 total=4000000\nfull avg10=0 avg60=0 avg300=0 total=3550000\n");
  overwrite (f, "cpu",
             "some avg10=0 avg60=0 avg300=0 total=2950000\nfull avg10=0 avg60=0 avg300=0 total=0\n");
  advance (f, 2);
  g_assert_cmpuint (f->n_memory, ==, 1);
  g_assert_cmpuint (f->n_io, ==, 1);
  g_assert_cmpuint (f->n_cpu, ==, 1);
}

static void
test_garbage (Fixture *f, gconstpointer data)
{
  static const char *const texts[] = { "",
                                       "some\n",
                                       "some total=\n",
                                       "some total=x\n",
                                       "full total=9999999999\n",
                                       "some avg10=1 total=99999999999999999999999\n",
                                       "\xff\xfe" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      write_file (f, "memory", texts[i]);
      start_here (f);
      advance (f, 10);
      g_assert_cmpuint (f->n_memory, ==, 0);
      g_clear_object (&f->source);
    }
  /* a total that goes back, as over a reboot seen through a stale file */
  stall (f, "memory", 9000000, 0);
  start_here (f);
  overwrite (f, "memory", "some avg10=0 avg60=0 avg300=0 total=5\n");
  advance (f, 10);
  g_assert_cmpuint (f->n_memory, ==, 0);
}

static void
test_missing_is_awaited (Fixture *f, gconstpointer data)
{
  start_here (f);
  advance (f, 5);
  stall (f, "memory", 0, 0);
  advance (f, 2);
  overwrite (f, "memory", "some avg10=0 avg60=0 avg300=0 total=2000000\n");
  advance (f, 2);
  g_assert_cmpuint (f->n_memory, ==, 1);
}

static void
test_unwatched (Fixture *f, gconstpointer data)
{
  VmftPressureConfig config = { .directory = f->dir };

  stall (f, "memory", 0, 0);
  start (f, &config);
  overwrite (f, "memory", "some avg10=0 avg60=0 avg300=0 total=9000000\n");
  advance (f, 10);
  g_assert_cmpuint (f->n_memory, ==, 0);
}

/* --- this machine's own pressure --- */

static gpointer
spin (gpointer user_data)
{
  while (!g_atomic_int_get ((int *) user_data))
    continue;
  return NULL;
}

/* More busy threads than processors: someone waits, and the kernel says so. */
static void
test_real_pressure (Fixture *f, gconstpointer data)
{
  gboolean polling = GPOINTER_TO_INT (data);
  VmftPressureConfig config = { .directory = VMFT_PRESSURE_DIRECTORY, .cpu = 0.02 };
  g_autoptr (GPtrArray) threads = g_ptr_array_new ();
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  int done = 0;

  if (g_access (VMFT_PRESSURE_DIRECTORY "/cpu", R_OK) != 0)
    {
      g_test_skip ("this kernel has no pressure stall information");
      return;
    }
  g_object_unref (f->clock);
  f->clock = vmft_real_clock_new ();
  f->source = vmft_pressure_source_new ("pressure", &config, f->clock, on_pressure, f);
  vmft_pressure_source_set_polling (VMFT_PRESSURE_SOURCE (f->source), polling);
  vmft_source_start (f->source);
  for (guint i = 0; i < g_get_num_processors () * 2; i++)
    g_ptr_array_add (threads, g_thread_new ("spin", spin, &done));
  while (f->n_cpu == 0 && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, TRUE);
  g_atomic_int_set (&done, 1);
  for (guint i = 0; i < threads->len; i++)
    g_thread_join (threads->pdata[i]);
  g_assert_cmpuint (f->n_cpu, >=, 1);
  g_assert_true (g_str_has_prefix (f->line, "cpu pressure: some avg10="));
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0)
    return g_log_writer_default (level, fields, n_fields, NULL);
  return G_LOG_WRITER_HANDLED;
}

#define ADD(path, func, data) g_test_add ("/pressure-source/" path, Fixture, data, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("polling", test_polling, NULL);
  ADD ("shares", test_shares, NULL);
  ADD ("garbage", test_garbage, NULL);
  ADD ("missing", test_missing_is_awaited, NULL);
  ADD ("unwatched", test_unwatched, NULL);
  ADD ("real-trigger", test_real_pressure, GINT_TO_POINTER (FALSE));
  ADD ("real-polling", test_real_pressure, GINT_TO_POINTER (TRUE));
  return g_test_run ();
}
