/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sample of this process's own pages stands for one of a guest's. */
#include "vmft-common.h"
#include "vmft-page-reading.h"
#include "vmft-page-sample.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define MIB  1048576

typedef struct
{
  guint8 *ram;
  gsize size;
} Guest;

/* A size that no other mapping of the process is likely to come closer to. */
static void
guest_setup (Guest *guest, gconstpointer data)
{
  guest->size = 96 * MIB;
  guest->ram = mmap (NULL, guest->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_assert_true (guest->ram != MAP_FAILED);
  g_assert_cmpint (madvise (guest->ram, guest->size, MADV_NOHUGEPAGE), ==, 0);
}

static void
guest_teardown (Guest *guest, gconstpointer data)
{
  munmap (guest->ram, guest->size);
}

/* @share of the pages from the front, @bytes of each */
static void
write_pages (Guest *guest, double from, double to, gsize bytes, guint8 value)
{
  gsize pages = guest->size / PAGE;

  for (gsize page = (gsize) (from * pages); page < (gsize) (to * pages); page++)
    memset (guest->ram + page * PAGE, value, bytes);
}

static void
look (VmftPageSample *sample, VmftPageLook *view)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_page_sample_look (sample, view, &error));
  g_assert_no_error (error);
}

static void
assert_share (guint part, guint whole, double expected)
{
  g_assert_cmpfloat ((double) part / whole, >, expected - 0.05);
  g_assert_cmpfloat ((double) part / whole, <, expected + 0.05);
}

static VmftPageSample *
take (Guest *guest)
{
  g_autoptr (GError) error = NULL;
  VmftPageSample *sample = vmft_page_sample_new ("/proc", getpid (), guest->size, &error);

  g_assert_no_error (error);
  return sample;
}

static void
test_zero_pages (Guest *guest, gconstpointer data)
{
  g_autoptr (VmftPageSample) sample = NULL;
  VmftPageLook view;

  write_pages (guest, 0.0, 0.5, PAGE, 7);
  write_pages (guest, 0.5, 0.75, PAGE, 0);
  sample = take (guest);
  look (sample, &view);
  g_assert_cmpuint (view.pages, >=, 4096);
  g_assert_cmpuint (view.changed, ==, 0);
  assert_share (view.resident, view.pages, 0.75);
  assert_share (view.written, view.resident, 2.0 / 3.0);
  g_assert_cmpfloat (view.rewrite_share, ==, 0.0);
}

static void
test_changed_pages (Guest *guest, gconstpointer data)
{
  g_autoptr (VmftPageSample) sample = NULL;
  VmftPageLook view;

  write_pages (guest, 0.0, 0.5, PAGE, 7);
  sample = take (guest);
  write_pages (guest, 0.0, 0.25, 64, 8);
  look (sample, &view);
  assert_share (view.changed, view.pages, 0.25);
  g_assert_cmpfloat (view.rewrite_share, >, 64.0 / PAGE);
  g_assert_cmpfloat (view.rewrite_share, <, 96.0 / PAGE);
  /* pages that were not there are dirtied as well, and all of them are against the first look */
  write_pages (guest, 0.5, 0.75, PAGE, 9);
  look (sample, &view);
  assert_share (view.changed, view.pages, 0.5);
  write_pages (guest, 0.0, 0.25, PAGE, 8);
  look (sample, &view);
  g_assert_cmpfloat (view.rewrite_share, >, 0.9);
}

/* Looking must not make pages: that would cost the host the memory that it measures. */
static void
test_leaves_absent_pages_alone (Guest *guest, gconstpointer data)
{
  g_autoptr (VmftPageSample) sample = take (guest);
  g_autofree guint8 *resident = g_malloc0 (guest->size / PAGE);
  VmftPageLook view;

  look (sample, &view);
  g_assert_cmpuint (view.resident, ==, 0);
  g_assert_cmpint (mincore (guest->ram, guest->size, resident), ==, 0);
  for (gsize i = 0; i < guest->size / PAGE; i++)
    g_assert_cmpint (resident[i] & 1, ==, 0);
}

static void
test_nothing_to_look_at (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vmft_page_sample_new ("/proc", G_MAXINT, 64 * MIB, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE);
  g_clear_error (&error);
  g_assert_null (vmft_page_sample_new ("/proc", getpid (), G_GUINT64_CONSTANT (1) << 60, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE);
}

static void
on_read (GObject *object, GAsyncResult *result, gpointer user_data)
{
  VmftReading **reading = user_data;
  g_autoptr (GError) error = NULL;

  *reading = g_task_propagate_pointer (G_TASK (result), &error);
  g_assert_no_error (error);
}

/* A balloon takes memory away, but not from the mapping that the pages are drawn from. */
static void
test_balloon (Guest *guest, gconstpointer data)
{
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (0);
  g_autoptr (VmftVm) vm = vmft_vm_new ("u", "ballooned");
  g_autofree VmftReading *reading = NULL;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_read, &reading);
  g_autoptr (GError) error = NULL;
  VmftPageSample *sample = NULL;

  vm->memory_bytes = guest->size / 2;
  write_pages (guest, 0.0, 0.5, PAGE, 7);
  sample = vmft_page_sample_new ("/proc", getpid (), vm->memory_bytes, &error);
  g_assert_no_error (error);
  vmft_page_reading_start (sample, clock, vm, 1, task);
  write_pages (guest, 0.0, 0.25, PAGE, 8);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), G_USEC_PER_SEC);
  while (reading == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (reading->n_samples, ==, 1);
  g_assert_cmpfloat_with_epsilon (reading->samples[0].unique_bytes, 0.25 * guest->size, 0.05 * guest->size);
  g_assert_cmpfloat_with_epsilon (reading->written_share, 1.0, 0.1);
}

static void
test_xbzrle_bytes (void)
{
  guint8 before[PAGE] = { 0 }, after[PAGE] = { 0 };

  g_assert_cmpuint (vmft_xbzrle_bytes (before, after, PAGE), ==, 0);
  memset (after + 1000, 1, 10);
  /* 1000 the same (two bytes of length), 10 others (one byte) */
  g_assert_cmpuint (vmft_xbzrle_bytes (before, after, PAGE), ==, 13);
  memset (after, 1, PAGE);
  g_assert_cmpuint (vmft_xbzrle_bytes (before, after, PAGE), ==, PAGE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/page-sample/zero-pages", Guest, NULL, guest_setup, test_zero_pages, guest_teardown);
  g_test_add ("/page-sample/changed-pages", Guest, NULL, guest_setup, test_changed_pages, guest_teardown);
  g_test_add ("/page-sample/leaves-absent-pages-alone", Guest, NULL, guest_setup,
              test_leaves_absent_pages_alone, guest_teardown);
  g_test_add ("/page-sample/balloon", Guest, NULL, guest_setup, test_balloon, guest_teardown);
  g_test_add_func ("/page-sample/nothing-to-look-at", test_nothing_to_look_at);
  g_test_add_func ("/page-sample/xbzrle-bytes", test_xbzrle_bytes);
  return g_test_run ();
}
