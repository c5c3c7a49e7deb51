/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-facts.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MIB 1048576.0

typedef struct
{
  char *root;
  char *meminfo;
  VmftClock *clock;
  VmftFacts *facts;
} Fixture;

static void
set_memory (Fixture *f, int total_mib, int available_mib, int swap_mib)
{
  g_autofree char *text = g_strdup_printf ("MemTotal:       %d kB\nMemFree:            1 kB\n"
                                           "MemAvailable:   %d kB\nSwapFree:       %d kB\n",
                                           total_mib * 1024, available_mib * 1024, swap_mib * 1024);

  g_assert_true (g_file_set_contents (f->meminfo, text, -1, NULL));
}

static void
pass (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static double
deficit (Fixture *f)
{
  const VmftLocus host = { .kind = VMFT_LOCUS_HOST };
  VmftHostFacts facts;

  vmft_facts_get (f->facts, &host, &facts);
  return facts.pressure_deficit_bytes;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->root = g_dir_make_tmp ("vmft-facts-XXXXXX", NULL);
  f->meminfo = g_build_filename (f->root, "meminfo", NULL);
  f->clock = vmft_fake_clock_new (0);
  f->facts = vmft_facts_new (f->clock, f->root, f->root, NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  vmft_facts_free (f->facts);
  g_object_unref (f->clock);
  g_unlink (f->meminfo);
  g_rmdir (f->root);
  g_free (f->meminfo);
  g_free (f->root);
}

static void
test_deficit (Fixture *f, gconstpointer data)
{
  vmft_facts_start (f->facts);
  /* nobody knows */
  g_assert_cmpfloat (deficit (f), ==, 0.0);
  set_memory (f, 1000, 500, 0);
  pass (f, 1.0);
  g_assert_cmpfloat (deficit (f), ==, 0.0);
  /* 60 MiB of 1000 available and steady: 40 are missing to a tenth; swap is no relief */
  set_memory (f, 1000, 60, 500);
  pass (f, 200.0);
  g_assert_cmpfloat_with_epsilon (deficit (f), 40.0 * MIB, 1.0 * MIB);
}

static void
test_deficit_of_a_decline (Fixture *f, gconstpointer data)
{
  set_memory (f, 1000, 400, 0);
  vmft_facts_start (f->facts);
  for (int i = 1; i <= 100; i++)
    {
      set_memory (f, 1000, 400 - i, 0);
      pass (f, 1.0);
    }
  /* 300 are left, 1 MiB/s goes for five minutes, 100 are to stay */
  g_assert_cmpfloat_with_epsilon (deficit (f), 100.0 * MIB, 5.0 * MIB);
}

/* --- which devices matter: a sysfs of the test's own --- */

static char *
make_dir (const char *root, const char *path)
{
  char *directory = g_build_filename (root, path, NULL);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  return directory;
}

static void
make_link (const char *directory, const char *name, const char *target)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  g_assert_cmpint (symlink (target, path), ==, 0);
}

/* @below: (nullable): what it is made of */
static void
make_device (const char *root, const char *name, const char *number, const char *below)
{
  g_autofree char *path = g_strconcat ("devices/", name, "/slaves", NULL);
  g_autofree char *slaves = make_dir (root, path);
  g_autofree char *class_block = make_dir (root, "class/block");
  g_autofree char *dev_block = make_dir (root, "dev/block");
  g_autofree char *block = make_dir (root, "block");
  g_autofree char *whole = g_strconcat ("../devices/", name, NULL);
  g_autofree char *target = g_strconcat ("../../devices/", name, NULL);
  g_autofree char *dev = g_build_filename (root, "devices", name, "dev", NULL);

  g_assert_true (g_file_set_contents (dev, number, -1, NULL));
  make_link (class_block, name, target);
  make_link (dev_block, number, target);
  make_link (block, name, whole);
  if (below != NULL)
    make_link (slaves, below, "..");
}

static gboolean
lists (char **names, const char *name)
{
  return names != NULL && g_strv_contains ((const char *const *) names, name);
}

static void
remove_device (const char *root, const char *name, const char *number)
{
  static const char *const places[] = { "class/block", "block" };
  g_autofree char *dev_block = g_build_filename (root, "dev/block", number, NULL);

  g_assert_cmpint (g_unlink (dev_block), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *path = g_build_filename (root, places[i], name, NULL);

      g_assert_cmpint (g_unlink (path), ==, 0);
    }
}

/* Seconds pass; each look makes a list of its own. */
static void
look_again (VmftClock *clock, VmftFacts *facts)
{
  const VmftLocus host = { .kind = VMFT_LOCUS_HOST };
  VmftHostFacts read = { 0 };
  char **before;

  vmft_facts_get (facts, &host, &read);
  before = read.system_devices;
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 10 * G_USEC_PER_SEC);
  while (vmft_facts_get (facts, &host, &read), read.system_devices == before)
    g_main_context_iteration (NULL, TRUE);
}

/* sda carries dm-0, sdb nothing, and md9 what holds vmft's own state and a file that is swapped to. */
static void
test_devices (void)
{
  g_autofree char *root = g_dir_make_tmp ("vmft-facts-XXXXXX", NULL);
  g_autofree char *swaps = g_build_filename (root, "swaps", NULL);
  g_autofree char *command = g_strdup_printf ("rm -r %s", root);
  g_autofree char *number = NULL, *text = g_strdup_printf ("Filename Type Size\n%s file 1\n", swaps);
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (0);
  g_autoptr (VmftFacts) facts = vmft_facts_new (clock, root, root, root);
  const VmftLocus sda = { .kind = VMFT_LOCUS_BLOCK, .name = "sda" };
  const VmftLocus sdb = { .kind = VMFT_LOCUS_BLOCK, .name = "sdb" };
  const VmftLocus gone = { .kind = VMFT_LOCUS_BLOCK, .name = "sdz" };
  const VmftLocus pci = { .kind = VMFT_LOCUS_PCI, .name = "0000:01:00.0" };
  VmftHostFacts read = { 0 };
  struct stat status;

  g_assert_cmpint (stat (root, &status), ==, 0);
  number = g_strdup_printf ("%u:%u", major (status.st_dev), minor (status.st_dev));
  g_assert_true (g_file_set_contents (swaps, text, -1, NULL));
  make_device (root, "sda", "248:1", NULL);
  make_device (root, "sdb", "248:2", NULL);
  make_device (root, "sdc", "248:3", NULL);
  make_device (root, "dm-0", "249:0", "sda");
  make_device (root, "md9", number, "sdc");

  /* until it is known what carries the host, any device may */
  vmft_facts_get (facts, &sda, &read);
  g_assert_false (read.locus_known);
  vmft_facts_start (facts);
  while (vmft_facts_get (facts, &sda, &read), !read.locus_known)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (lists (read.locus_devices, "sda"));
  g_assert_true (lists (read.locus_devices, "dm-0"));
  g_assert_cmpuint (g_strv_length (read.locus_devices), ==, 2);
  /* what carries vmft's state carries the host, down to the disk below */
  g_assert_true (lists (read.system_devices, "md9"));
  g_assert_true (lists (read.system_devices, "sdc"));
  g_assert_false (lists (read.system_devices, "sda"));

  vmft_facts_get (facts, &sdb, &read);
  g_assert_true (read.locus_known);
  g_assert_cmpuint (g_strv_length (read.locus_devices), ==, 1);
  /* a device that nobody knows may carry anything */
  vmft_facts_get (facts, &gone, &read);
  g_assert_false (read.locus_known);
  vmft_facts_get (facts, &pci, &read);
  g_assert_false (read.locus_known);

  /* a stick that was there long enough to be seen, and its last words after it was pulled */
  make_device (root, "sdz", "248:9", NULL);
  look_again (clock, facts);
  remove_device (root, "sdz", "248:9");
  vmft_facts_get (facts, &gone, &read);
  g_assert_true (read.locus_known);
  g_assert_cmpuint (g_strv_length (read.locus_devices), ==, 1);
  g_assert_true (lists (read.locus_devices, "sdz"));
  /* the disk below vmft's state has gone: what it carried has not moved elsewhere */
  remove_device (root, "sdc", "248:3");
  remove_device (root, "md9", number);
  look_again (clock, facts);
  vmft_facts_get (facts, &sda, &read);
  g_assert_true (lists (read.system_devices, "sdc"));
  g_assert_true (lists (read.system_devices, "md9"));
  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/facts/deficit", Fixture, NULL, set_up, test_deficit, tear_down);
  g_test_add ("/facts/deficit-of-a-decline", Fixture, NULL, set_up, test_deficit_of_a_decline, tear_down);
  g_test_add_func ("/facts/devices", test_devices);
  return g_test_run ();
}
