/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-subsequence-store.h"

#include <math.h>
#include <string.h>

#define LEAF_SIZE 8
#define MAX_TREES 32
#define SCAN_SIZE 300 /* up to so many windows, looking at all of them is quicker than any tree */
#define N_HOT     3   /* windows from the top of the heap, looked at first */

typedef struct
{
  guint32 first, n;    /* points of this node, a range of the tree's order */
  guint32 left, right; /* children; 0 in a leaf */
  guint32 min_index;   /* for ties */
  guint64 norm_low, norm_high;
  guint32 low[VMFT_SUBSEQUENCE_MAX_LENGTH];
  guint32 high[VMFT_SUBSEQUENCE_MAX_LENGTH];
} Node;

typedef struct
{
  GArray *order; /* guint32: window numbers, permuted so that a node's are neighbours */
  GArray *nodes; /* Node; the first is the root */
} Tree;

struct _VmftSubsequenceStore
{
  guint length;
  GArray *keys;   /* guint32, m for each window */
  GArray *norms;  /* guint64 */
  GArray *hits;   /* guint64 */
  GArray *heap;   /* guint32: window numbers, most hits first */
  GArray *places; /* guint32: where in the heap a window stands */
  guint32 *table; /* open addressing: window number + 1 */
  guint table_size;
  Tree trees[MAX_TREES]; /* tree i holds 2^i * LEAF_SIZE windows or none */
  guint n_indexed;       /* the windows after them are scanned */
};

typedef struct
{
  const guint32 *keys;
  guint64 norm;
  double distance; /* not clamped */
  guint32 index;
} Query;

VmftSubsequenceStore *
vmft_subsequence_store_new (guint length)
{
  VmftSubsequenceStore *self;

  g_return_val_if_fail (length >= 1 && length <= VMFT_SUBSEQUENCE_MAX_LENGTH, NULL);
  self = g_new0 (VmftSubsequenceStore, 1);
  self->length = length;
  self->keys = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->norms = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->hits = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->heap = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->places = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->table_size = 64;
  self->table = g_new0 (guint32, self->table_size);
  return self;
}

static void
clear_tree (Tree *tree)
{
  g_clear_pointer (&tree->order, g_array_unref);
  g_clear_pointer (&tree->nodes, g_array_unref);
}

void
vmft_subsequence_store_free (VmftSubsequenceStore *self)
{
  for (guint i = 0; i < MAX_TREES; i++)
    clear_tree (&self->trees[i]);
  g_array_unref (self->keys);
  g_array_unref (self->norms);
  g_array_unref (self->hits);
  g_array_unref (self->heap);
  g_array_unref (self->places);
  g_free (self->table);
  g_free (self);
}

guint
vmft_subsequence_store_count (const VmftSubsequenceStore *self)
{
  return self->norms->len;
}

const guint32 *
vmft_subsequence_store_get (const VmftSubsequenceStore *self, guint index)
{
  return &g_array_index (self->keys, guint32, (gsize) index * self->length);
}

/* -- by content ---------------------------------------------------------------------------------------------- */

static guint32
hash_keys (const VmftSubsequenceStore *self, const guint32 *keys)
{
  guint64 hash = G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  for (guint i = 0; i < self->length; i++)
    {
      hash = (hash ^ keys[i]) * G_GUINT64_CONSTANT (0xff51afd7ed558ccd);
      hash ^= hash >> 32;
    }
  return (guint32) hash;
}

/* The slot of @keys, or the free one where they belong. */
static guint
find_slot (const VmftSubsequenceStore *self, const guint32 *keys)
{
  guint slot = hash_keys (self, keys) & (self->table_size - 1);

  while (self->table[slot] != 0 && memcmp (vmft_subsequence_store_get (self, self->table[slot] - 1), keys,
                                           self->length * sizeof *keys) != 0)
    slot = (slot + 1) & (self->table_size - 1);
  return slot;
}

static void
grow_table (VmftSubsequenceStore *self)
{
  guint count = vmft_subsequence_store_count (self);

  g_free (self->table);
  self->table_size *= 2;
  self->table = g_new0 (guint32, self->table_size);
  for (guint i = 0; i < count; i++)
    self->table[find_slot (self, vmft_subsequence_store_get (self, i))] = i + 1;
}

/* -- by hits ------------------------------------------------------------------------------------------------- */

static inline guint32 *
heap_at (const VmftSubsequenceStore *self, guint place)
{
  return &g_array_index (self->heap, guint32, place);
}

static inline guint64
hits_of (const VmftSubsequenceStore *self, guint32 index)
{
  return g_array_index (self->hits, guint64, index);
}

static void
rise (VmftSubsequenceStore *self, guint place)
{
  while (place > 0)
    {
      guint above = (place - 1) / 2;
      guint32 one = *heap_at (self, place), other = *heap_at (self, above);

      if (hits_of (self, one) <= hits_of (self, other))
        return;
      *heap_at (self, place) = other;
      *heap_at (self, above) = one;
      g_array_index (self->places, guint32, other) = place;
      g_array_index (self->places, guint32, one) = above;
      place = above;
    }
}

void
vmft_subsequence_store_hit (VmftSubsequenceStore *self, guint index)
{
  g_return_if_fail (index < vmft_subsequence_store_count (self));
  g_array_index (self->hits, guint64, index)++;
  rise (self, g_array_index (self->places, guint32, index));
}

guint
vmft_subsequence_store_top (const VmftSubsequenceStore *self, guint64 *hits)
{
  g_return_val_if_fail (self->heap->len > 0, 0);
  if (hits)
    *hits = hits_of (self, *heap_at (self, 0));
  return *heap_at (self, 0);
}

/* -- the trees ----------------------------------------------------------------------------------------------- */

static void
enclose (const VmftSubsequenceStore *self, const guint32 *order, Node *node)
{
  node->min_index = G_MAXUINT32;
  node->norm_low = G_MAXUINT64;
  memset (node->low, 0xff, sizeof node->low);
  for (guint i = 0; i < node->n; i++)
    {
      guint32 index = order[node->first + i];
      const guint32 *keys = vmft_subsequence_store_get (self, index);
      guint64 norm = g_array_index (self->norms, guint64, index);

      node->min_index = MIN (node->min_index, index);
      node->norm_low = MIN (node->norm_low, norm);
      node->norm_high = MAX (node->norm_high, norm);
      for (guint d = 0; d < self->length; d++)
        {
          node->low[d] = MIN (node->low[d], keys[d]);
          node->high[d] = MAX (node->high[d], keys[d]);
        }
    }
}

typedef struct
{
  const VmftSubsequenceStore *store;
  guint dimension;
} Axis;

static int
compare_on_axis (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Axis *axis = user_data;
  guint32 x = vmft_subsequence_store_get (axis->store, *(const guint32 *) a)[axis->dimension];
  guint32 y = vmft_subsequence_store_get (axis->store, *(const guint32 *) b)[axis->dimension];

  return x < y ? -1 : x > y;
}

static guint
widest (const VmftSubsequenceStore *self, const Node *node)
{
  guint best = 0;

  for (guint d = 1; d < self->length; d++)
    if (node->high[d] - node->low[d] > node->high[best] - node->low[best])
      best = d;
  return best;
}

static guint32
build_node (VmftSubsequenceStore *self, Tree *tree, guint32 first, guint32 n)
{
  guint32 *order = (guint32 *) (gpointer) tree->order->data;
  guint32 number = tree->nodes->len, left, right;
  Node node = { .first = first, .n = n };

  enclose (self, order, &node);
  g_array_append_val (tree->nodes, node);
  if (n > LEAF_SIZE)
    {
      Axis axis = { self, widest (self, &node) };

      g_qsort_with_data (order + first, (gint) n, sizeof *order, compare_on_axis, &axis);
      left = build_node (self, tree, first, n / 2);
      right = build_node (self, tree, first + n / 2, n - n / 2);
      g_array_index (tree->nodes, Node, number).left = left;
      g_array_index (tree->nodes, Node, number).right = right;
    }
  return number;
}

/* The windows that no tree holds yet, LEAF_SIZE of them, become a tree together with all smaller trees. */
static void
index_tail (VmftSubsequenceStore *self)
{
  GArray *order = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint level = 0, count = vmft_subsequence_store_count (self);

  for (guint32 i = self->n_indexed; i < count; i++)
    g_array_append_val (order, i);
  self->n_indexed = count;
  while (self->trees[level].order)
    {
      GArray *smaller = self->trees[level].order;

      g_array_append_vals (order, smaller->data, smaller->len);
      clear_tree (&self->trees[level]);
      level++;
    }
  self->trees[level].order = order;
  self->trees[level].nodes = g_array_new (FALSE, FALSE, sizeof (Node));
  build_node (self, &self->trees[level], 0, order->len);
}

gboolean
vmft_subsequence_store_add (VmftSubsequenceStore *self, const guint32 *keys)
{
  guint slot = find_slot (self, keys);
  guint32 index = vmft_subsequence_store_count (self);
  guint64 norm = 0, none = 0;

  if (self->table[slot] != 0)
    return FALSE;
  for (guint i = 0; i < self->length; i++)
    norm += keys[i];
  g_array_append_vals (self->keys, keys, self->length);
  g_array_append_val (self->norms, norm);
  g_array_append_val (self->hits, none);
  g_array_append_val (self->places, self->heap->len);
  g_array_append_val (self->heap, index);
  self->table[slot] = index + 1;
  if (2 * (index + 1) > self->table_size)
    grow_table (self);
  if (index + 1 - self->n_indexed == LEAF_SIZE)
    index_tail (self);
  return TRUE;
}

/* -- the nearest --------------------------------------------------------------------------------------------- */

/* A window of nothing but zeros is at distance 0 from itself and out of reach of all others. */
static inline double
ratio (guint64 difference, guint64 norm)
{
  return norm > 0 ? (double) difference / (double) norm : difference > 0 ? INFINITY : 0.0;
}

static inline void
consider (const VmftSubsequenceStore *self, Query *query, guint32 index)
{
  const guint32 *keys = vmft_subsequence_store_get (self, index);
  guint64 difference = 0;
  double distance;

  for (guint i = 0; i < self->length; i++)
    difference += keys[i] > query->keys[i] ? keys[i] - query->keys[i] : query->keys[i] - keys[i];
  distance = ratio (difference, g_array_index (self->norms, guint64, index));
  if (distance < query->distance || (distance == query->distance && index < query->index))
    {
      query->distance = distance;
      query->index = index;
    }
}

/* No window of @node is nearer: the box bounds |q - s| from below, and so does the difference of the norms. */
static double
bound (const VmftSubsequenceStore *self, const Query *query, const Node *node)
{
  guint64 outside = 0;
  double box, norms = 0.0;

  for (guint i = 0; i < self->length; i++)
    {
      guint32 key = query->keys[i];

      if (key < node->low[i])
        outside += node->low[i] - key;
      else if (key > node->high[i])
        outside += key - node->high[i];
    }
  box = ratio (outside, node->norm_high);
  if (query->norm > node->norm_high)
    norms = ratio (query->norm - node->norm_high, node->norm_high);
  else if (query->norm < node->norm_low)
    norms = ratio (node->norm_low - query->norm, node->norm_low);
  return MAX (box, norms);
}

static inline gboolean
is_out (const Query *query, const Node *node, double nearest)
{
  return nearest > query->distance || (nearest == query->distance && node->min_index > query->index);
}

static void
search (const VmftSubsequenceStore *self, const Tree *tree, guint32 number, double nearest, Query *query)
{
  const Node *node = &g_array_index (tree->nodes, Node, number);
  const Node *left, *right;
  double from_left, from_right;

  if (is_out (query, node, nearest))
    return;
  if (node->left == 0)
    {
      for (guint i = 0; i < node->n; i++)
        consider (self, query, g_array_index (tree->order, guint32, node->first + i));
      return;
    }
  left = &g_array_index (tree->nodes, Node, node->left);
  right = &g_array_index (tree->nodes, Node, node->right);
  from_left = bound (self, query, left);
  from_right = bound (self, query, right);
  if (from_left <= from_right)
    {
      search (self, tree, node->left, from_left, query);
      search (self, tree, node->right, from_right, query);
    }
  else
    {
      search (self, tree, node->right, from_right, query);
      search (self, tree, node->left, from_left, query);
    }
}

static Query
make_query (const VmftSubsequenceStore *self, const guint32 *keys)
{
  Query query = { .keys = keys, .distance = INFINITY, .index = G_MAXUINT32 };

  for (guint i = 0; i < self->length; i++)
    query.norm += keys[i];
  return query;
}

static double
answer (const Query *query, guint *index)
{
  if (index)
    *index = query->index;
  return MIN (query->distance, 1.0);
}

double
vmft_subsequence_store_nearest (const VmftSubsequenceStore *self, const guint32 *keys, guint *index)
{
  Query query = make_query (self, keys);
  guint slot = find_slot (self, keys);

  if (self->table[slot] != 0)
    {
      query.distance = 0.0;
      query.index = self->table[slot] - 1;
      return answer (&query, index);
    }
  if (vmft_subsequence_store_count (self) <= SCAN_SIZE)
    return vmft_subsequence_store_scan (self, keys, index);
  for (guint i = 0; i < MIN (N_HOT, self->heap->len); i++)
    consider (self, &query, *heap_at (self, i));
  for (guint32 i = self->n_indexed; i < vmft_subsequence_store_count (self); i++)
    consider (self, &query, i);
  for (guint level = MAX_TREES; level > 0; level--)
    {
      const Tree *tree = &self->trees[level - 1];

      if (tree->nodes)
        search (self, tree, 0, bound (self, &query, &g_array_index (tree->nodes, Node, 0)), &query);
    }
  return answer (&query, index);
}

double
vmft_subsequence_store_scan (const VmftSubsequenceStore *self, const guint32 *keys, guint *index)
{
  Query query = make_query (self, keys);

  for (guint32 i = 0; i < vmft_subsequence_store_count (self); i++)
    consider (self, &query, i);
  return answer (&query, index);
}
