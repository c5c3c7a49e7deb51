/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-drain-state.h"

#include <string.h>

static VmftDrain *
new_drain (guint max_clusters)
{
  g_autoptr (GError) error = NULL;
  VmftDrainConfig config;
  VmftDrain *drain;

  vmft_drain_config_init (&config);
  config.max_clusters = max_clusters;
  drain = vmft_drain_new (&config, &error);
  g_assert_no_error (error);
  return drain;
}

static VmftDrainMatch
add (VmftDrain *drain, const char *text)
{
  VmftDrainMatch match;

  vmft_drain_add (drain, text, strlen (text), &match);
  return match;
}

static void
assert_template (VmftDrain *drain, guint32 id, const char *text, guint32 generation, guint64 size)
{
  VmftDrainTemplate info;

  g_assert_true (vmft_drain_template (drain, id, &info));
  g_assert_cmpstr (info.text, ==, text);
  g_assert_cmpuint (info.length, ==, strlen (text));
  g_assert_cmpuint (info.generation, ==, generation);
  g_assert_cmpuint (info.size, ==, size);
}

static void
test_learning (void)
{
  g_autoptr (VmftDrain) drain = new_drain (0);
  VmftDrainMatch match;

  match = add (drain, "device vnet0 entered promiscuous mode");
  g_assert_cmpuint (match.id, ==, 1);
  g_assert_true (match.is_new);
  match = add (drain, "  device_vnet0 entered\tpromiscuous mode ");
  g_assert_cmpuint (match.id, ==, 1);
  g_assert_false (match.is_new || match.changed);
  assert_template (drain, 1, "device vnet0 entered promiscuous mode", 1, 2);

  match = add (drain, "device vnet1 entered promiscuous mode");
  g_assert_true (match.changed);
  g_assert_cmpuint (match.generation, ==, 2);
  assert_template (drain, 1, "device <:*:> entered promiscuous mode", 2, 3);

  match = add (drain, "device vnet2 left promiscuous mode 17");
  g_assert_cmpuint (match.id, ==, 2);
  match = add (drain, "device vnet3 entered promiscuous mode");
  g_assert_false (match.changed);
  assert_template (drain, 2, "device vnet2 left promiscuous mode <:NUM:>", 1, 1);
  g_assert_cmpuint (vmft_drain_n_clusters (drain), ==, 2);
}

static void
test_match_learns_nothing (void)
{
  g_autoptr (VmftDrain) drain = new_drain (0);
  VmftDrainMatch match, learned;
  gsize length;

  add (drain, "link vnet0 is up");
  g_assert_false (vmft_drain_match (drain, "link is down now today", 22, &match));
  g_assert_cmpuint (match.id, ==, 0);
  g_assert_true (vmft_drain_match (drain, "link vnet1 is up", 16, &match));
  g_assert_cmpuint (match.id, ==, 1);
  assert_template (drain, 1, "link vnet0 is up", 1, 1);
  g_assert_cmpstr (vmft_drain_masked (drain, &length), ==, "link vnet1 is up");
  learned = add (drain, "link vnet1 is up");
  g_assert_cmpuint (learned.words, ==, match.words);
  match = add (drain, "link vnet2 is up");
  g_assert_cmpuint (learned.words, !=, match.words);
}

/* The words that matter and that Drain masks: each pair is one key, which is why "normal" must be more. */
static void
test_masked_words (void)
{
  static const char *const pairs[][2] = {
    { "I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
      "I/O error, dev sda, sector 4032 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2" },
    { "Buffer I/O error on dev sr0, logical block 0, async page read",
      "Buffer I/O error on dev dm-0, logical block 1057, async page read" },
    { "md/raid1:md0: active with 2 out of 2 mirrors", "md/raid1:md0: active with 1 out of 2 mirrors" },
    { "ata1: SATA link up 1.5 Gbps (SStatus 113 SControl 300)",
      "ata1: SATA link down 1.5 Gbps (SStatus 0 SControl 300)" },
    { "sd 0:0:0:0: [sda] Attached SCSI disk", "sd 0:0:0:0: [sda] Unhandled error code" },
    { "EXT4-fs (sda1): re-mounted filesystem read-write", "EXT4-fs (sda1): Remounting filesystem read-only" },
    { "Memory cgroup out of memory: Killed process 611 (stress-ng) total-vm:270652kB, anon-rss:200kB",
      "Memory cgroup out of memory: Killed process 900 (qemu-system-x86) total-vm:1070652kB, "
      "anon-rss:900kB" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (VmftDrain) drain = new_drain (0);
      VmftDrainMatch first = add (drain, pairs[i][0]), second = add (drain, pairs[i][1]);

      g_assert_cmpuint (first.id, ==, second.id);
    }
}

static void
test_corner_lines (void)
{
  g_autoptr (VmftDrain) drain = new_drain (0);
  g_autofree char *words = g_strnfill (3000, 'w');

  g_assert_cmpuint (add (drain, "").id, ==, 1);
  g_assert_cmpuint (add (drain, " \t__ \v\f\x1c\xc2\x85\xc2\xa0\xe2\x80\xa8\xe3\x80\x80 ").id, ==, 1);
  g_assert_cmpuint (add (drain, "<:*:>").id, ==, 2);
  g_assert_cmpuint (add (drain, "word").id, ==, 3);
  g_assert_cmpuint (add (drain, "<:*:>").id, ==, 4);
  for (gsize i = 0; i < 3000; i += 2)
    words[i] = ' ';
  g_assert_cmpuint (add (drain, words).id, ==, 5);
  g_assert_cmpuint (add (drain, words).id, ==, 5);
  g_assert_cmpuint (add (drain, "\xff\xfe caf\xc3\xa9 \xc2").id, ==, 6);
  g_assert_cmpuint (add (drain, "\xff\xfe caf\xc3\xa9 \xc2").id, ==, 6);
}

/* max_children counts the wildcard child; tokens with digits go under it from the start. */
static void
test_max_children (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftDrain) drain = NULL;
  VmftDrainConfig config;

  vmft_drain_config_init (&config);
  config.max_children = 3;
  drain = vmft_drain_new (&config, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (add (drain, "aa one two").id, ==, 1);
  g_assert_cmpuint (add (drain, "bb one two").id, ==, 2);
  g_assert_cmpuint (add (drain, "cc one two").id, ==, 3); /* the third place is the wildcard's */
  g_assert_cmpuint (add (drain, "dd one two").id, ==, 3);
  g_assert_cmpuint (add (drain, "e1 one two").id, ==, 3);
  assert_template (drain, 3, "<:*:> one two", 2, 3);
  g_assert_cmpuint (add (drain, "aa one two").id, ==, 1);

  config.max_children = 0;
  g_assert_null (vmft_drain_new (&config, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
}

/* A new child of the tree takes lines away from the wildcard's leaf, also those that have been seen there. */
static void
test_new_child (void)
{
  g_autoptr (VmftDrain) drain = new_drain (0);

  g_assert_cmpuint (add (drain, "f1 a b").id, ==, 1);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (add (drain, "foo a b").id, ==, 1);
  g_assert_cmpuint (add (drain, "foo x y").id, ==, 2);
  g_assert_cmpuint (add (drain, "foo a b").id, ==, 3);
}

static void
test_eviction (void)
{
  g_autoptr (VmftDrain) drain = new_drain (2);
  VmftDrainTemplate info;
  VmftDrainMatch match;

  g_assert_cmpuint (add (drain, "alpha one").id, ==, 1);
  g_assert_cmpuint (add (drain, "beta one two").id, ==, 2);
  g_assert_cmpuint (add (drain, "beta one three").id, ==, 2);
  g_assert_cmpuint (add (drain, "alpha one").id, ==, 1);
  g_assert_cmpuint (add (drain, "gamma one two three").id, ==, 3); /* beta went */
  g_assert_false (vmft_drain_template (drain, 2, &info));
  g_assert_true (vmft_drain_template (drain, 1, &info));
  g_assert_cmpuint (vmft_drain_n_clusters (drain), ==, 2);

  /* Its template covers the line: the old id, the next generation of the text. */
  match = add (drain, "beta one four");
  g_assert_cmpuint (match.id, ==, 2);
  g_assert_true (match.is_new);
  assert_template (drain, 2, "beta one four", 3, 3);
  g_assert_false (vmft_drain_template (drain, 1, &info));

  /* The same text: the same generation. Numbers are never given out twice. */
  match = add (drain, "alpha one");
  g_assert_cmpuint (match.id, ==, 1);
  g_assert_cmpuint (match.generation, ==, 1);
  g_assert_cmpuint (add (drain, "delta one two three four").id, ==, 6);
}

static void
test_memory_is_bounded (void)
{
  g_autoptr (VmftDrain) drain = new_drain (100);
  gsize settled = 0;

  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *a = g_compute_checksum_for_data (G_CHECKSUM_MD5, (const guchar *) &i, sizeof i);
      g_autofree char *line = NULL;

      for (char *p = a; *p != '\0'; p++)
        *p = g_ascii_isdigit (*p) ? *p - '0' + 'k' : *p;
      line = g_strdup_printf ("w%u %s %.10s x%.7s", i % 7, a, a + 5, a + 9);
      add (drain, line);
      if (i == 10000)
        settled = vmft_drain_memory_bytes (drain);
    }
  g_assert_cmpuint (vmft_drain_n_clusters (drain), ==, 100);
  g_assert_cmpuint (vmft_drain_memory_bytes (drain), <, settled + settled / 20);
}

static void
test_sample (gconstpointer data)
{
  const char *shared = g_getenv ("VMFT_SHARED");
  g_autofree char *root =
      shared != NULL ? g_strdup (shared) : g_build_filename (VMFT_SOURCE_ROOT, "..", "shared", NULL);
  g_autofree char *base = g_build_filename (root, "data", "drain", data, NULL);
  g_autofree char *lines_path = g_strconcat (base, ".txt", NULL);
  g_autofree char *ids_path = g_strconcat (base, ".ids", NULL);
  g_autofree char *text = NULL, *ids_text = NULL;
  g_auto (GStrv) lines = NULL, ids = NULL;
  g_autoptr (VmftDrain) drain = new_drain (0);

  if (!g_file_get_contents (lines_path, &text, NULL, NULL) ||
      !g_file_get_contents (ids_path, &ids_text, NULL, NULL))
    {
      g_test_skip ("no samples: set VMFT_SHARED to the folder with data/drain");
      return;
    }
  lines = g_strsplit (text, "\n", -1);
  ids = g_strsplit (ids_text, "\n", -1);
  for (guint i = 0; ids[i] != NULL && ids[i][0] != '\0'; i++)
    {
      if (add (drain, lines[i]).id != (guint32) g_ascii_strtoull (ids[i], NULL, 10))
        g_error ("%s line %u: not id %s: %s", (const char *) data, i + 1, ids[i], lines[i]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/drain/learning", test_learning);
  g_test_add_func ("/drain/match-learns-nothing", test_match_learns_nothing);
  g_test_add_func ("/drain/masked-words", test_masked_words);
  g_test_add_func ("/drain/corner-lines", test_corner_lines);
  g_test_add_func ("/drain/max-children", test_max_children);
  g_test_add_func ("/drain/new-child", test_new_child);
  g_test_add_func ("/drain/eviction", test_eviction);
  g_test_add_func ("/drain/memory-is-bounded", test_memory_is_bounded);
  g_test_add_data_func ("/drain/sample/BGL", "BGL", test_sample);
  g_test_add_data_func ("/drain/sample/Linux", "Linux", test_sample);
  g_test_add_data_func ("/drain/sample/OpenSSH", "OpenSSH", test_sample);
  return g_test_run ();
}
