/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the detector costs beside the parser, and how the subsequence store grows:
 * `meson test --benchmark -v bench-detector`. */
#include "vmft-detector.h"
#include "vmft-subsequence-store.h"

#include <string.h>

#define N_LINES   2000000
#define N_POOL    4096
#define N_QUERIES 2000

static const char *const shapes[] = {
  "br0: port %u(vnet%u) entered blocking state",
  "device vnet%u entered promiscuous mode",
  "EXT4-fs (sda%u): mounted filesystem with ordered data mode. Quota mode: none.",
  "usb %u-%u: new high-speed USB device number %u using xhci_hcd",
  "e1000e 0000:00:1f.%u eno1: NIC Link is Up 1000 Mbps Full Duplex, Flow Control: Rx/Tx",
  "kvm [%u]: vcpu%u, guest rIP: 0xffffffff%u disabled perfctr wrmsr: 0xc2 data 0xffff",
  "ata%u: SATA link up 6.0 Gbps (SStatus %u SControl 300)",
  "IPv6: ADDRCONF(NETDEV_CHANGE): vnet%u: link becomes ready",
};

static GPtrArray *
make_pool (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  GPtrArray *pool = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < N_POOL; i++)
    {
      const char *shape = shapes[i % G_N_ELEMENTS (shapes)];
      guint a = (guint) g_rand_int_range (random, 0, 100), b = (guint) g_rand_int_range (random, 0, 100);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      g_ptr_array_add (pool, g_strdup_printf (shape, a, b, a));
#pragma GCC diagnostic pop
    }
  return pool;
}

static double
time_parser (GPtrArray *pool)
{
  g_autoptr (GError) error = NULL;
  VmftDrainConfig config;
  g_autoptr (VmftDrain) drain = NULL;
  gint64 start;

  vmft_drain_config_init (&config);
  drain = vmft_drain_new (&config, &error);
  start = g_get_monotonic_time ();
  for (guint i = 0; drain && i < N_LINES; i++)
    {
      const char *text = pool->pdata[i % N_POOL];
      VmftDrainMatch match;

      vmft_drain_add (drain, text, strlen (text), &match);
    }
  return (double) (g_get_monotonic_time () - start) * 1000.0 / N_LINES;
}

static double
time_detector (GPtrArray *pool, const char *engine)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (G_USEC_PER_SEC);
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  VmftDetectorConfig config = VMFT_DETECTOR_CONFIG_DEFAULT;
  g_autoptr (VmftDetector) detector = NULL;
  gint64 start;

  config.engine = engine;
  config.learning_lines = N_POOL;
  detector = vmft_detector_new (clock, store, &config, &error);
  if (!detector)
    g_error ("%s", error->message);
  start = g_get_monotonic_time ();
  for (guint i = 0; i < N_LINES; i++)
    {
      const char *text = pool->pdata[i % N_POOL];
      VmftLine line = { .time_us = G_USEC_PER_SEC,
                        .arrival_us = G_USEC_PER_SEC,
                        .uptime_us = G_USEC_PER_SEC,
                        .host = { "host01", 6 },
                        .program = { "kernel", 6 },
                        .text = { text, strlen (text) },
                        .level = 6,
                        .kernel = TRUE,
                        .trust = VMFT_TRUST_CLAIMED };
      VmftVerdict verdict;

      vmft_detector_feed (detector, &line, "file:kern.log", &verdict);
    }
  return (double) (g_get_monotonic_time () - start) * 1000.0 / N_LINES;
}

/* Keys as a host's log has them: a few hundred, some of them much more often than others. */
static void
make_window (GRand *random, guint32 *keys)
{
  for (guint i = 0; i < 4; i++)
    {
      double u = g_rand_double (random);

      keys[i] = 1 + (guint32) (u * u * 788);
    }
}

static void
time_store (guint n_windows)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  g_autoptr (VmftSubsequenceStore) store = vmft_subsequence_store_new (4);
  g_autofree guint32 *queries = g_new (guint32, 4 * N_QUERIES);
  double sum = 0.0, scanned_sum = 0.0;
  guint n_scans = MAX (20, MIN (N_QUERIES, 20000000 / n_windows));
  gint64 start, added, found, scanned;
  guint32 keys[4];

  for (guint i = 0; i < N_QUERIES; i++)
    make_window (random, queries + 4 * i);
  start = g_get_monotonic_time ();
  while (vmft_subsequence_store_count (store) < n_windows)
    {
      make_window (random, keys);
      vmft_subsequence_store_add (store, keys);
    }
  added = g_get_monotonic_time ();
  for (guint i = 0; i < N_QUERIES; i++)
    sum += i < n_scans ? vmft_subsequence_store_nearest (store, queries + 4 * i, NULL)
                       : 0.0 * vmft_subsequence_store_nearest (store, queries + 4 * i, NULL);
  found = g_get_monotonic_time ();
  for (guint i = 0; i < n_scans; i++)
    scanned_sum += vmft_subsequence_store_scan (store, queries + 4 * i, NULL);
  scanned = g_get_monotonic_time ();
  g_print ("%8u subsequences: index %8.2f us, scan %9.2f us a query, %6.1f times; add %5.2f us each; %s\n",
           n_windows, (double) (found - added) / N_QUERIES, (double) (scanned - found) / n_scans,
           (double) (scanned - found) / n_scans / ((double) (found - added) / N_QUERIES),
           (double) (added - start) / n_windows, sum == scanned_sum ? "same answers" : "DIFFERENT ANSWERS");
}

int
main (int argc, char **argv)
{
  static const guint sizes[] = { 100, 1000, 10000, 100000 };
  g_autoptr (GPtrArray) pool = make_pool ();
  double parser, kernel, lad;

  parser = time_parser (pool);
  kernel = time_detector (pool, "kernel");
  lad = time_detector (pool, "vmft-lad");
  g_print (
      "parser %.0f ns a line; with engine kernel %.0f ns, so %.0f ns after the parser; vmft-lad %.0f ns\n",
      parser, kernel, kernel - parser, lad - parser);
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    time_store (sizes[i]);
  return 0;
}
