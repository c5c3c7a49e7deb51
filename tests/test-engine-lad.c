/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The paper's detector: the store's exactness, the two presets, the engine in the detector. */
#include "vmft-detector.h"
#include "vmft-lad.h"
#include "vmft-subsequence-store.h"

#include <string.h>

static void
random_window (GRand *random, guint length, guint32 top, guint32 *keys)
{
  for (guint i = 0; i < length; i++)
    keys[i] = (guint32) g_rand_int_range (random, 0, (gint32) top);
}

static void
check_exact (guint length, guint32 top, guint n_windows, guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  g_autoptr (VmftSubsequenceStore) store = vmft_subsequence_store_new (length);
  guint32 keys[VMFT_SUBSEQUENCE_MAX_LENGTH];

  for (guint i = 0; i < n_windows; i++)
    {
      guint near = 0, scanned = 0;

      random_window (random, length, top, keys);
      g_assert_cmpfloat (vmft_subsequence_store_nearest (store, keys, &near), ==,
                         vmft_subsequence_store_scan (store, keys, &scanned));
      g_assert_cmpuint (near, ==, scanned);
      if (g_rand_int_range (random, 0, 3))
        vmft_subsequence_store_add (store, keys);
      if (vmft_subsequence_store_count (store) > 0)
        vmft_subsequence_store_hit (
            store, (guint) g_rand_int_range (random, 0, (gint32) vmft_subsequence_store_count (store)));
    }
}

static void
test_store_is_exact (void)
{
  check_exact (1, 50, 300, 1);
  check_exact (4, 3, 400, 2); /* many ties, zero windows */
  check_exact (4, 800, 3000, 3);
  check_exact (5, 800, 3000, 4);
  check_exact (16, 40, 500, 5);
  check_exact (4, G_MAXINT32, 1000, 6);
}

static void
test_store_basics (void)
{
  static const guint32 a[] = { 1, 2, 3, 4 }, b[] = { 1, 2, 3, 5 }, far[] = { 900, 900, 900, 900 };
  g_autoptr (VmftSubsequenceStore) store = vmft_subsequence_store_new (4);
  guint index = 7;
  guint64 hits = 0;

  g_assert_cmpfloat (vmft_subsequence_store_nearest (store, a, NULL), ==, 1.0);
  g_assert_true (vmft_subsequence_store_add (store, a));
  g_assert_false (vmft_subsequence_store_add (store, a));
  g_assert_cmpuint (vmft_subsequence_store_count (store), ==, 1);
  g_assert_cmpfloat (vmft_subsequence_store_nearest (store, a, &index), ==, 0.0);
  g_assert_cmpfloat_with_epsilon (vmft_subsequence_store_nearest (store, b, &index), 0.1, 1e-12);
  g_assert_cmpuint (index, ==, 0);
  g_assert_cmpfloat (vmft_subsequence_store_nearest (store, far, NULL), ==, 1.0);
  g_assert_true (vmft_subsequence_store_add (store, b));
  g_assert_true (vmft_subsequence_store_add (store, far));
  vmft_subsequence_store_hit (store, 2);
  vmft_subsequence_store_hit (store, 1);
  vmft_subsequence_store_hit (store, 1);
  g_assert_cmpuint (vmft_subsequence_store_top (store, &hits), ==, 1);
  g_assert_cmpuint (hits, ==, 2);
  g_assert_true (memcmp (vmft_subsequence_store_get (store, 1), b, sizeof b) == 0);
}

static void
learn (VmftLad *lad)
{
  static const guint32 rows[] = { 100, 101, 102, 103, 100, 101, 102, 103 };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpfloat (vmft_lad_feed (lad, rows[i], FALSE, TRUE), ==, 0.0);
}

static void
test_published (void)
{
  VmftLadPreset preset;
  g_autoptr (VmftLad) lad = NULL;

  g_assert_true (vmft_lad_preset ("published", &preset));
  g_assert_false (vmft_lad_preset ("other", &preset));
  g_assert_true (vmft_lad_preset ("published", &preset));
  lad = vmft_lad_new (&preset);
  learn (lad);
  g_assert_cmpuint (vmft_lad_count (lad), ==, 4);
  g_assert_cmpfloat (vmft_lad_feed (lad, 100, FALSE, FALSE), ==, 0.0);
  /* 101 102 103 100 -> 102 103 100 110: 9 off of 406 */
  g_assert_cmpfloat_with_epsilon (vmft_lad_feed (lad, 110, FALSE, FALSE), 9.0 / 406, 1e-12);
  g_assert_cmpfloat (vmft_lad_feed (lad, 900, FALSE, FALSE), ==, 0.0); /* anomaly, nobody calls it faulty */
  g_assert_cmpfloat (vmft_lad_feed (lad, 900, FALSE, FALSE), ==, 0.0); /* and it is not learned */
  g_assert_cmpuint (vmft_lad_count (lad), ==, 4);
  g_assert_cmpfloat (vmft_lad_feed (lad, 901, TRUE, FALSE), ==, 1.0);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat (vmft_lad_feed (lad, 100, FALSE, FALSE), ==, 1.0); /* still in the window */
  g_assert_cmpfloat (vmft_lad_feed (lad, 101, FALSE, FALSE), <, 0.15);
}

static void
test_paper (void)
{
  VmftLadPreset preset;
  g_autoptr (VmftLad) lad = NULL;

  g_assert_true (vmft_lad_preset ("paper", &preset));
  lad = vmft_lad_new (&preset);
  learn (lad);
  g_assert_cmpuint (vmft_lad_count (lad), ==, 4);
  g_assert_cmpfloat (vmft_lad_feed (lad, 900, FALSE, FALSE), ==, 0.0);
  g_assert_cmpuint (vmft_lad_count (lad), ==, 5); /* a false positive is learned */
}

static VmftVerdict
feed (VmftDetector *detector, const char *text, gboolean kernel)
{
  VmftLine line = { .time_us = 1,
                    .arrival_us = 1,
                    .uptime_us = -1,
                    .host = { "", 0 },
                    .program = { "p", 1 },
                    .text = { text, strlen (text) },
                    .kernel = kernel };
  VmftVerdict verdict;

  vmft_detector_feed (detector, &line, "file:x", &verdict);
  return verdict;
}

/* As the detector's engine, with the kernel-message model for log inference and the family table for the rest. */
static void
test_engine (void)
{
  static const char *const usual[] = { "session opened for user alpha",
                                       "device vnet0 entered promiscuous mode", "job one has been done",
                                       "loop: module loaded" };
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (1);
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  VmftDetectorConfig config = VMFT_DETECTOR_CONFIG_DEFAULT;
  g_autoptr (VmftDetector) detector = NULL;
  VmftVerdict verdict;

  config.engine = "vmft-lad";
  config.learning_lines = 100;
  detector = vmft_detector_new (clock, store, &config, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 140; i++)
    g_assert_false (feed (detector, usual[i % 4], i % 2).fault);
  g_assert_false (vmft_detector_is_learning (detector));
  g_assert_false (feed (detector, "failed password error critical for root", FALSE).fault);
  verdict = feed (detector, "Buffer I/O error on dev dm-0, logical block 22000, async page read", TRUE);
  g_assert_true (verdict.fault);
  g_assert_cmpstr (verdict.family, ==, "buffer-io-error");
  g_assert_cmpstr (verdict.locus.name, ==, "dm-0");
  g_assert_true (vmft_detector_flush (detector, &error));
  vmft_detector_mark_saved (detector);

  g_clear_object (&detector);
  config.shadow_engine = "kernel";
  detector = vmft_detector_new (clock, store, &config, &error);
  g_assert_no_error (error);
  vmft_detector_end_learning (detector);
  for (guint i = 0; i < 8; i++)
    g_assert_cmpfloat (feed (detector, usual[i % 4], i % 2).p, <, 0.05);
  g_clear_object (&detector);

  config.preset = "mine";
  g_assert_null (vmft_detector_new (clock, store, &config, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_add_func ("/engine-lad/store-is-exact", test_store_is_exact);
  g_test_add_func ("/engine-lad/store-basics", test_store_basics);
  g_test_add_func ("/engine-lad/published", test_published);
  g_test_add_func ("/engine-lad/paper", test_paper);
  g_test_add_func ("/engine-lad/engine", test_engine);
  return g_test_run ();
}
