/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-facts.h"

#include <glib/gstdio.h>

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/facts/deficit", Fixture, NULL, set_up, test_deficit, tear_down);
  g_test_add ("/facts/deficit-of-a-decline", Fixture, NULL, set_up, test_deficit_of_a_decline, tear_down);
  return g_test_run ();
}
