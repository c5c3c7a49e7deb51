/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-drain-load.h"

#include "vmft-drain-private.h"
#include "vmft-error.h"
#include "vmft-hash.h"
#include "vmft-json.h"
#include "vmft-mask.h"

#include <string.h>

typedef struct
{
  guint32 number;
  GVariant *record;
} Row;

struct _VmftDrainLoad
{
  VmftDrain *drain;
  GVariant *meta;
  GArray *nodes;    /* Row */
  GArray *clusters; /* Row */
  char *problem;    /* the first */
};

static void
row_clear (gpointer data)
{
  g_variant_unref (((Row *) data)->record);
}

static GArray *
rows_new (void)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (Row));

  g_array_set_clear_func (rows, row_clear);
  return rows;
}

VmftDrainLoad *
vmft_drain_load_begin (const VmftDrainConfig *config, GError **error)
{
  VmftDrain *drain = vmft_drain_new (config, error);
  VmftDrainLoad *load;

  if (drain == NULL)
    return NULL;
  load = g_new0 (VmftDrainLoad, 1);
  load->drain = drain;
  load->nodes = rows_new ();
  load->clusters = rows_new ();
  return load;
}

void
vmft_drain_load_free (VmftDrainLoad *load)
{
  g_clear_pointer (&load->drain, vmft_drain_free);
  g_clear_pointer (&load->meta, g_variant_unref);
  g_array_unref (load->nodes);
  g_array_unref (load->clusters);
  g_free (load->problem);
  g_free (load);
}

static G_GNUC_PRINTF (2, 3) gboolean problem (VmftDrainLoad *load, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (load->problem == NULL)
    load->problem = g_strdup_vprintf (format, args);
  va_end (args);
  return FALSE;
}

static gboolean
take_numbered (GArray *rows, const char *key, const char *prefix, GVariant *record)
{
  guint64 number;
  Row row = { .record = record };

  if (!g_str_has_prefix (key, prefix) ||
      !g_ascii_string_to_unsigned (key + strlen (prefix), 10, 1, G_MAXUINT32, &number, NULL))
    return FALSE;
  row.number = (guint32) number;
  g_variant_ref (record);
  g_array_append_val (rows, row);
  return TRUE;
}

void
vmft_drain_load_row (VmftDrainLoad *load, const char *key, GVariant *record)
{
  if (g_str_equal (key, "meta") && load->meta == NULL)
    load->meta = g_variant_ref (record);
  else if (!take_numbered (load->nodes, key, "node/", record) &&
           !take_numbered (load->clusters, key, "cluster/", record))
    problem (load, "unknown row");
}

/* Returns: (transfer full) (nullable): the bytes that vmft_drain_escape() made text of. */
static GBytes *
lookup_bytes (GVariant *record, const char *name)
{
  const char *text = vmft_dict_string (record, name);

  return text != NULL ? vmft_drain_unescape (text) : NULL;
}

/* A store that keeps JSON gives numbers back in whatever integer type. */
static gboolean
lookup_u64 (GVariant *record, const char *name, guint64 *number)
{
  gint64 value = vmft_dict_int64 (record, name, -1);

  *number = (guint64) MAX (value, 0);
  return value >= 0;
}

static gboolean
lookup_u32 (GVariant *record, const char *name, guint32 *number)
{
  gint64 value = vmft_dict_int64 (record, name, -1);

  *number = (guint32) CLAMP (value, 0, G_MAXUINT32);
  return value >= 0 && value <= G_MAXUINT32;
}

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  guint32 x = ((const Row *) a)->number, y = ((const Row *) b)->number;

  return x < y ? -1 : x > y;
}

static guint32
intern (VmftDrain *drain, const char *text, gsize length)
{
  g_autofree char *padded = g_malloc0 (length + VMFT_HASH_PADDING);

  if (length > 0)
    memcpy (padded, text, length);
  return vmft_tokens_intern (drain->tokens, padded, length);
}

static gboolean
load_node (VmftDrainLoad *load, const Row *row)
{
  VmftDrain *drain = load->drain;
  guint32 parent = 0, n_tokens = 0, token;
  g_autoptr (GBytes) text = NULL;
  VmftDrainNode *under;
  gboolean twice;

  if (row->number != drain->nodes->len + 1)
    return problem (load, "node %u: missing or twice", row->number);
  if (lookup_u32 (row->record, "tokens", &n_tokens))
    {
      if (n_tokens > vmft_mask_bound (VMFT_DRAIN_MAX_LINE_BYTES) ||
          (n_tokens < drain->roots->len && g_ptr_array_index (drain->roots, n_tokens) != NULL))
        return problem (load, "node %u: a second or impossible root", row->number);
      vmft_drain_node_add (drain, NULL, n_tokens);
      return TRUE;
    }
  text = lookup_bytes (row->record, "token");
  if (text == NULL || g_bytes_get_size (text) == 0 || !lookup_u32 (row->record, "parent", &parent) ||
      parent == 0 || parent >= row->number)
    return problem (load, "node %u: has no parent or token", row->number);
  under = g_ptr_array_index (drain->nodes, parent - 1);
  token = intern (drain, g_bytes_get_data (text, NULL), g_bytes_get_size (text));
  twice = under->children != NULL && g_hash_table_contains (under->children, GUINT_TO_POINTER (token));
  if (!twice)
    vmft_drain_node_add (drain, under, token);
  vmft_tokens_unref (drain->tokens, token);
  return !twice || problem (load, "node %u: twice under its parent", row->number);
}

/* Returns: (transfer full): numbers of the words, each with a reference. */
static GArray *
intern_words (VmftDrain *drain, GBytes *bytes)
{
  GArray *words = g_array_new (FALSE, FALSE, sizeof (guint32));
  gsize start = 0, length;
  const char *text = g_bytes_get_data (bytes, &length);

  for (gsize i = 0; i <= length; i++)
    {
      guint32 id;

      if (i < length && text[i] != ' ')
        continue;
      if (i > start)
        {
          id = intern (drain, text + start, i - start);
          g_array_append_val (words, id);
        }
      start = i + 1;
    }
  return words;
}

/* Whether a template of @n_tokens words may hang at @leaf. */
static gboolean
fits_leaf (VmftDrain *drain, const VmftDrainNode *leaf, guint32 n_tokens)
{
  guint32 depth = 0, wanted = n_tokens == 0 ? 0 : MIN (drain->config.depth - 2, n_tokens) - 1;

  for (const VmftDrainNode *node = leaf; node->parent != NULL; node = node->parent)
    depth++;
  return leaf->n_tokens == n_tokens && depth == wanted;
}

static VmftDrainCluster *
load_cluster (VmftDrainLoad *load, const Row *row)
{
  VmftDrain *drain = load->drain;
  g_autoptr (GBytes) text = lookup_bytes (row->record, "template");
  g_autoptr (GArray) words = NULL;
  VmftDrainCluster *cluster;
  guint32 node = 0;
  gboolean live = FALSE;

  if (text == NULL || !lookup_u32 (row->record, "node", &node) || node == 0 || node > drain->nodes->len)
    return NULL;
  words = intern_words (drain, text);
  cluster = vmft_drain_cluster_new ((const guint32 *) (gpointer) words->data, words->len, drain->wildcard);
  cluster->id = row->number;
  cluster->leaf = g_ptr_array_index (drain->nodes, node - 1);
  if (lookup_u32 (row->record, "serial", &cluster->serial) &&
      lookup_u32 (row->record, "generation", &cluster->generation) &&
      lookup_u64 (row->record, "size", &cluster->size) && lookup_u64 (row->record, "used", &cluster->used) &&
      g_variant_lookup (row->record, "live", "b", &live) && cluster->serial >= cluster->id &&
      cluster->serial <= drain->serial && cluster->used <= drain->used &&
      fits_leaf (drain, cluster->leaf, cluster->n_tokens))
    {
      cluster->live = live;
      return cluster;
    }
  vmft_drain_cluster_free (drain, cluster);
  return NULL;
}

static int
compare_serials (gconstpointer a, gconstpointer b)
{
  guint32 x = (*(VmftDrainCluster *const *) a)->serial, y = (*(VmftDrainCluster *const *) b)->serial;

  return x < y ? -1 : x > y;
}

static int
compare_used (gconstpointer a, gconstpointer b)
{
  guint64 x = (*(VmftDrainCluster *const *) a)->used, y = (*(VmftDrainCluster *const *) b)->used;

  return x < y ? -1 : x > y;
}

static gboolean
load_clusters (VmftDrainLoad *load, GPtrArray *clusters)
{
  VmftDrain *drain = load->drain;

  for (guint i = 0; i < load->clusters->len; i++)
    {
      const Row *row = &g_array_index (load->clusters, Row, i);
      VmftDrainCluster *cluster = load_cluster (load, row);

      if (cluster == NULL)
        return problem (load, "cluster %u: incomplete or impossible", row->number);
      g_ptr_array_add (clusters, cluster);
      if (!g_hash_table_insert (drain->by_id, GUINT_TO_POINTER (cluster->id), cluster))
        return problem (load, "cluster %u: twice", row->number);
    }
  g_ptr_array_sort (clusters, compare_serials);
  for (guint i = 1; i < clusters->len; i++)
    {
      const VmftDrainCluster *a = g_ptr_array_index (clusters, i - 1), *b = g_ptr_array_index (clusters, i);

      if (a->serial == b->serial)
        return problem (load, "clusters %u and %u: the same serial number", a->id, b->id);
    }
  return TRUE;
}

/* Leaves list their clusters in order of serial number, the rest goes by last use. */
static void
install (VmftDrain *drain, GPtrArray *clusters)
{
  for (guint i = 0; i < clusters->len; i++)
    {
      VmftDrainCluster *cluster = g_ptr_array_index (clusters, i);

      if (cluster->live)
        vmft_drain_leaf_add (drain, cluster);
    }
  g_ptr_array_sort (clusters, compare_used);
  for (guint i = 0; i < clusters->len; i++)
    {
      VmftDrainCluster *cluster = g_ptr_array_index (clusters, i);

      if (cluster->live)
        vmft_drain_list_append (&drain->live, cluster);
      else
        vmft_drain_remember (drain, cluster);
    }
  drain->saved_nodes = drain->nodes->len;
  vmft_drain_make_room (drain, 0);
}

static gboolean
load_meta (VmftDrainLoad *load, GError **error)
{
  g_autofree char *expected = vmft_drain_fingerprint (load->drain);
  g_autoptr (GBytes) text = NULL;

  if (load->meta == NULL || !lookup_u32 (load->meta, "serial", &load->drain->serial) ||
      !lookup_u64 (load->meta, "used", &load->drain->used) || load->drain->serial > VMFT_DRAIN_LAST_SERIAL)
    return problem (load, "no counters that can be");
  text = lookup_bytes (load->meta, "fingerprint");
  if (text == NULL)
    return problem (load, "no fingerprint of the settings");
  if (g_bytes_get_size (text) == strlen (expected) &&
      memcmp (g_bytes_get_data (text, NULL), expected, strlen (expected)) == 0)
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
               "templates: learned under other settings (depth, similarity, masks, delimiters)");
  return FALSE;
}

static gboolean
load_tree (VmftDrainLoad *load)
{
  g_autoptr (GPtrArray) clusters = g_ptr_array_new ();
  gboolean ok = load->problem == NULL;

  g_array_sort (load->nodes, compare_numbers);
  for (guint i = 0; ok && i < load->nodes->len; i++)
    ok = load_node (load, &g_array_index (load->nodes, Row, i));
  ok = ok && load_clusters (load, clusters);
  if (ok)
    {
      install (load->drain, clusters);
      return TRUE;
    }
  for (guint i = 0; i < clusters->len; i++)
    vmft_drain_cluster_free (load->drain, g_ptr_array_index (clusters, i));
  return FALSE;
}

VmftDrain *
vmft_drain_load_end (VmftDrainLoad *load, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (load->meta == NULL && load->nodes->len == 0 && load->clusters->len == 0 && load->problem == NULL)
    return g_steal_pointer (&load->drain);
  if (load_meta (load, &local) && load_tree (load))
    return g_steal_pointer (&load->drain);
  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  else
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "templates: %s", load->problem);
  return NULL;
}
