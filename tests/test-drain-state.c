/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-drain-state.h"

#include <string.h>

#define LIVE 12 /* few, so that clusters come and go */

static VmftDrainConfig
small_config (void)
{
  VmftDrainConfig config;

  vmft_drain_config_init (&config);
  config.max_clusters = LIVE;
  config.max_children = 4;
  return config;
}

static VmftDrain *
new_drain (void)
{
  const VmftDrainConfig config = small_config ();
  g_autoptr (GError) error = NULL;
  VmftDrain *drain = vmft_drain_new (&config, &error);

  g_assert_no_error (error);
  return drain;
}

/* Lines of few words: they join, change, push each other out and come back. */
static VmftDrainMatch
add_random (VmftDrain *drain, GRand *rand)
{
  static const char *const words[] = { "a",     "b", "c",    "d",           "e",          "f1",
                                       "<:*:>", "7", "\xff", "caf\xc3\xa9", "\\x\x01\x7f" };
  g_autoptr (GString) line = g_string_new (NULL);
  VmftDrainMatch match;

  for (gint n = g_rand_int_range (rand, 0, 6); n > 0; n--)
    g_string_append_printf (line, "%s ", words[g_rand_int_range (rand, 0, G_N_ELEMENTS (words))]);
  vmft_drain_add (drain, line->str, line->len, &match);
  return match;
}

static void
assert_same_match (VmftDrainMatch a, VmftDrainMatch b)
{
  g_assert_cmpuint (a.id, ==, b.id);
  g_assert_cmpuint (a.generation, ==, b.generation);
  g_assert_cmpint (a.is_new, ==, b.is_new);
  g_assert_cmpint (a.changed, ==, b.changed);
  g_assert_cmpuint (a.words, ==, b.words);
}

/* A miner saved and loaded again and again goes the way of one that never stopped. */
static void
test_snapshots (void)
{
  const VmftDrainConfig config = small_config ();
  g_autoptr (VmftDrain) whole = new_drain (), stopped = new_drain ();
  g_autoptr (GRand) one = g_rand_new_with_seed (3), other = g_rand_new_with_seed (3);

  for (guint i = 0; i < 4000; i++)
    {
      assert_same_match (add_random (whole, one), add_random (stopped, other));
      if (i % 50 == 0)
        {
          g_autoptr (GError) error = NULL;
          g_autoptr (GBytes) bytes = vmft_drain_save (stopped), again = NULL;

          vmft_drain_free (g_steal_pointer (&stopped));
          stopped = vmft_drain_load (&config, bytes, &error);
          g_assert_no_error (error);
          again = vmft_drain_save (stopped);
          g_assert_true (g_bytes_equal (bytes, again));
        }
    }
  g_assert_cmpuint (vmft_drain_n_clusters (whole), ==, LIVE);
}

static void
save_to (VmftDrain *drain, VmftStore *store)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_store_begin (store, &error));
  g_assert_true (vmft_drain_store_save (drain, store, &error));
  g_assert_true (vmft_store_commit (store, &error));
  g_assert_no_error (error);
  vmft_drain_mark_saved (drain);
}

static gboolean
copy_as_json (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  g_autofree char *json = vmft_json_from_variant (record, FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) back = vmft_json_to_variant (json, &error);

  g_assert_no_error (error);
  g_assert_true (vmft_store_put (user_data, VMFT_STORE_TEMPLATES, key, time_us, back, &error));
  return TRUE;
}

/* Rows that changed, put over those before, are the whole state, also where the store keeps them as JSON. */
static void
test_store (void)
{
  const VmftDrainConfig config = small_config ();
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  g_autoptr (VmftDrain) whole = new_drain (), stopped = NULL;
  g_autoptr (GRand) one = g_rand_new_with_seed (5), other = g_rand_new_with_seed (5);
  g_autoptr (GError) error = NULL;

  stopped = vmft_drain_store_load (&config, store, &error); /* an empty table */
  g_assert_no_error (error);
  for (guint i = 0; i < 4000; i++)
    {
      assert_same_match (add_random (whole, one), add_random (stopped, other));
      if (i % 7 == 0)
        save_to (stopped, store);
      if (i % 91 == 0)
        {
          g_autoptr (VmftStore) disk = vmft_memory_store_new ();
          g_autoptr (GBytes) before = vmft_drain_save (stopped), after = NULL;

          g_assert_true (vmft_store_foreach (store, VMFT_STORE_TEMPLATES, VMFT_STORE_BY_KEY, 0, copy_as_json,
                                             disk, NULL));
          vmft_drain_free (g_steal_pointer (&stopped));
          stopped = vmft_drain_store_load (&config, disk, &error);
          g_assert_no_error (error);
          after = vmft_drain_save (stopped);
          g_assert_true (g_bytes_equal (before, after));
        }
    }
}

static void
count_rows (const char *key, GVariant *record, gpointer user_data)
{
  ++*(guint *) user_data;
}

/* A transaction that fails leaves the rows unsaved. */
static void
test_failing_store (void)
{
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  g_autoptr (VmftDrain) drain = new_drain ();
  g_autoptr (GError) error = NULL;
  VmftDrainMatch match;
  guint rows = 0;

  vmft_drain_add (drain, "a b c", 5, &match);
  vmft_memory_store_fail_after (VMFT_MEMORY_STORE (store), 1);
  g_assert_true (vmft_store_begin (store, NULL));
  g_assert_false (vmft_drain_store_save (drain, store, &error));
  g_assert_nonnull (error);
  vmft_store_rollback (store);
  vmft_drain_foreach_unsaved (drain, count_rows, &rows);
  g_assert_cmpuint (rows, ==, 4); /* meta, two nodes, the cluster */
  vmft_drain_mark_saved (drain);
  rows = 0;
  vmft_drain_foreach_unsaved (drain, count_rows, &rows);
  g_assert_cmpuint (rows, ==, 0);
}

static void
test_other_settings (void)
{
  g_autoptr (VmftDrain) drain = new_drain (), loaded = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  VmftDrainConfig config = small_config ();
  VmftDrainMatch match;

  for (guint i = 0; i < LIVE; i++)
    {
      g_autofree char *line = g_strnfill (1 + 2 * i, ' ');

      memset (line, "xy "[i % 2], 1);
      for (guint j = 0; j < i; j++)
        line[2 * j] = 'a' + i;
      vmft_drain_add (drain, line, strlen (line), &match);
    }
  bytes = vmft_drain_save (drain);
  config.max_clusters = 3; /* fewer than there are: the rest is evicted */
  loaded = vmft_drain_load (&config, bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (vmft_drain_n_clusters (loaded), ==, 3);
  config.similarity = 0.5;
  g_assert_null (vmft_drain_load (&config, bytes, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
}

/* Any bit of a snapshot flipped, any part of it missing: an error, no crash, no other templates. */
static void
test_corrupt_snapshot (void)
{
  const VmftDrainConfig config = small_config ();
  g_autoptr (VmftDrain) drain = new_drain ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  g_autoptr (GBytes) bytes = NULL;
  g_autofree guint8 *copy = NULL;
  gsize length;

  for (guint i = 0; i < 40; i++)
    add_random (drain, rand);
  bytes = vmft_drain_save (drain);
  length = g_bytes_get_size (bytes);
  copy = g_memdup2 (g_bytes_get_data (bytes, NULL), length);
  for (gsize i = 0; i < length; i += 1 + i / 50)
    {
      g_autoptr (GBytes) flipped = NULL, cut = g_bytes_new (copy, i);
      g_autoptr (GError) error = NULL;

      copy[i] ^= (guint8) (1 << (i % 8));
      flipped = g_bytes_new (copy, length);
      copy[i] ^= (guint8) (1 << (i % 8));
      g_assert_null (vmft_drain_load (&config, flipped, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT);
      g_clear_error (&error);
      g_assert_null (vmft_drain_load (&config, cut, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT);
    }
}

/* A store that holds three templates, one of them evicted. */
static VmftStore *
filled_store (void)
{
  VmftStore *store = vmft_memory_store_new ();
  VmftDrainConfig config = small_config ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftDrain) drain = NULL;
  VmftDrainMatch match;

  config.max_clusters = 2;
  drain = vmft_drain_new (&config, &error);
  g_assert_no_error (error);
  vmft_drain_add (drain, "a b c", 5, &match);
  vmft_drain_add (drain, "d e f g", 7, &match);
  vmft_drain_add (drain, "h", 1, &match);
  save_to (drain, store);
  return store;
}

static gboolean
collect (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  g_hash_table_insert (user_data, g_strdup (key), g_variant_ref (record));
  return TRUE;
}

static GVariant *
without (GVariant *record, const char *field, GVariant *instead)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, record);
  g_variant_dict_remove (&dict, field);
  if (instead != NULL)
    g_variant_dict_insert_value (&dict, field, instead);
  return g_variant_dict_end (&dict);
}

/* Puts a row in place, looks what loading says, and puts the old row back. */
static void
try_row (VmftStore *store, const char *key, GVariant *row, GVariant *old)
{
  VmftDrainConfig config = small_config ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftDrain) drain = NULL;
  VmftDrainMatch match;

  config.max_clusters = 2;
  if (row != NULL)
    g_assert_true (vmft_store_put (store, VMFT_STORE_TEMPLATES, key, 0, row, NULL));
  else
    g_assert_true (vmft_store_remove (store, VMFT_STORE_TEMPLATES, key, NULL));
  drain = vmft_drain_store_load (&config, store, &error);
  g_assert_no_error (error);
  if (row == NULL && !g_str_has_prefix (key, "cluster/"))
    g_assert_nonnull (vmft_drain_given_up (drain));
  vmft_drain_add (drain, "n e w t e x t", 13, &match);
  g_assert_true (match.is_new && (match.id > 3 || !vmft_drain_given_up (drain)));
  if (old != NULL)
    g_assert_true (vmft_store_put (store, VMFT_STORE_TEMPLATES, key, 0, old, NULL));
  else
    g_assert_true (vmft_store_remove (store, VMFT_STORE_TEMPLATES, key, NULL));
}

/* Rows missing, fields missing, of other types, with other numbers. */
static void
test_corrupt_rows (void)
{
  g_autoptr (VmftStore) store = filled_store ();
  g_autoptr (GHashTable) rows =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  GHashTableIter iter;
  gpointer key, value;

  g_assert_true (vmft_store_foreach (store, VMFT_STORE_TEMPLATES, VMFT_STORE_BY_KEY, 0, collect, rows, NULL));
  g_assert_cmpuint (g_hash_table_size (rows), ==, 1 + 5 + 3);
  g_hash_table_iter_init (&iter, rows);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      GVariantIter fields;
      const char *field;

      try_row (store, key, NULL, value);
      g_variant_iter_init (&fields, value);
      while (g_variant_iter_next (&fields, "{&sv}", &field, NULL))
        {
          try_row (store, key, without (value, field, NULL), value);
          try_row (store, key, without (value, field, g_variant_new_string ("x")), value);
          for (guint n = 0; n < 9; n++)
            try_row (store, key, without (value, field, g_variant_new_uint32 (n == 8 ? G_MAXUINT32 : n)),
                     value);
          try_row (store, key, without (value, field, g_variant_new_uint64 (G_MAXUINT64)), value);
          try_row (store, key, without (value, field, g_variant_new_bytestring ("q  r")), value);
        }
    }
  try_row (store, "cluster/x", g_hash_table_lookup (rows, "cluster/1"), NULL);
  try_row (store, "node/6", g_hash_table_lookup (rows, "node/1"), NULL);
  try_row (store, "other", g_hash_table_lookup (rows, "meta"), NULL);
}

/* Other masks make other templates: the rows are given up, their ids are not given out again. */
static void
test_start_over (void)
{
  g_autoptr (VmftStore) store = filled_store ();
  VmftDrainConfig config = small_config ();
  g_autoptr (VmftDrain) drain = NULL, again = NULL;
  g_autoptr (GError) error = NULL;
  VmftDrainMatch match;

  config.mask = FALSE;
  drain = vmft_drain_store_load (&config, store, &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (vmft_drain_given_up (drain), "settings"));
  g_assert_cmpuint (vmft_drain_n_clusters (drain), ==, 0);
  vmft_drain_add (drain, "a b c", 5, &match);
  g_assert_cmpuint (match.id, ==, 4);
  save_to (drain, store);
  again = vmft_drain_store_load (&config, store, &error);
  g_assert_no_error (error);
  g_assert_null (vmft_drain_given_up (again));
  vmft_drain_add (again, "a b c", 5, &match);
  g_assert_cmpuint (match.id, ==, 4);
  g_assert_cmpuint (vmft_drain_n_clusters (again), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/drain-state/snapshots", test_snapshots);
  g_test_add_func ("/drain-state/store", test_store);
  g_test_add_func ("/drain-state/failing-store", test_failing_store);
  g_test_add_func ("/drain-state/other-settings", test_other_settings);
  g_test_add_func ("/drain-state/corrupt-snapshot", test_corrupt_snapshot);
  g_test_add_func ("/drain-state/corrupt-rows", test_corrupt_rows);
  g_test_add_func ("/drain-state/start-over", test_start_over);
  return g_test_run ();
}
