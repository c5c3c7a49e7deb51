/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-drain-private.h"

#include "vmft-utf8.h"

#include <string.h>

/* The fewest equal tokens of @n that make the line similar enough, by Drain3's own comparison. */
static guint32
needed_of (const VmftDrain *self, guint32 n)
{
  guint32 needed = 0;

  while (n > 0 && (double) needed / n < self->config.similarity)
    needed++;
  return needed;
}

VmftDrainNode *
vmft_drain_node_add (VmftDrain *self, VmftDrainNode *parent, guint32 key)
{
  VmftDrainNode *node = g_new0 (VmftDrainNode, 1);

  node->key = key;
  node->parent = parent;
  node->n_tokens = parent != NULL ? parent->n_tokens : key;
  node->needed = parent != NULL ? parent->needed : needed_of (self, key);
  g_ptr_array_add (self->nodes, node);
  node->number = self->nodes->len;
  self->tree_version++;
  if (parent == NULL)
    {
      if (self->roots->len <= key)
        g_ptr_array_set_size (self->roots, (gint) key + 1);
      g_ptr_array_index (self->roots, key) = node;
      return node;
    }
  vmft_tokens_ref (self->tokens, key);
  if (parent->children == NULL)
    parent->children = g_hash_table_new (NULL, NULL);
  g_hash_table_insert (parent->children, GUINT_TO_POINTER (key), node);
  return node;
}

void
vmft_drain_node_free (gpointer data)
{
  VmftDrainNode *node = data;

  g_clear_pointer (&node->children, g_hash_table_unref);
  g_clear_pointer (&node->evicted, g_ptr_array_unref);
  g_free (node->clusters);
  g_free (node->rows);
  g_free (node);
}

static inline VmftDrainNode *
child_of (const VmftDrainNode *node, guint32 key)
{
  return node->children != NULL ? g_hash_table_lookup (node->children, GUINT_TO_POINTER (key)) : NULL;
}

/* How many tokens lead from the node of its length to the leaf. */
static inline guint32
path_length (const VmftDrain *self, guint32 n_tokens)
{
  return n_tokens == 0 ? 0 : MIN (self->config.depth - 2, n_tokens) - 1;
}

/* Returns: (nullable): the leaf where a line is looked for. */
VmftDrainNode *
vmft_drain_tree_find (VmftDrain *self, const guint32 *tokens, guint32 n_tokens)
{
  VmftDrainNode *node = n_tokens < self->roots->len ? g_ptr_array_index (self->roots, n_tokens) : NULL;

  for (guint32 i = 0; node != NULL && i < path_length (self, n_tokens); i++)
    {
      VmftDrainNode *child = tokens[i] != VMFT_TOKEN_NONE ? child_of (node, tokens[i]) : NULL;

      node = child != NULL ? child : child_of (node, self->wildcard);
    }
  return node;
}

static gboolean
has_digit (const VmftDrain *self, guint32 id)
{
  gsize length, at = 0;
  const char *text = vmft_tokens_text (self->tokens, id, &length);

  while (at < length)
    {
      gunichar c;

      at += vmft_utf8_next (text + at, length - at, &c);
      if (c != VMFT_UTF8_OPAQUE && vmft_utf8_is_digit (c))
        return TRUE;
    }
  return FALSE;
}

/* Which key a new token gets under @node: its own, or the wildcard's when it has a digit or when @node is all
 * but full. The last place is the wildcard's. */
static guint32
key_under (const VmftDrain *self, const VmftDrainNode *node, guint32 token)
{
  guint n = node->children != NULL ? g_hash_table_size (node->children) : 0;

  if (self->config.parametrize_numeric_tokens && has_digit (self, token))
    return self->wildcard;
  if (child_of (node, self->wildcard) != NULL)
    return n < self->config.max_children ? token : self->wildcard;
  return n + 1 < self->config.max_children ? token : self->wildcard;
}

/* Returns: the leaf where a new cluster goes. */
VmftDrainNode *
vmft_drain_tree_insert (VmftDrain *self, const guint32 *tokens, guint32 n_tokens)
{
  VmftDrainNode *node = n_tokens < self->roots->len ? g_ptr_array_index (self->roots, n_tokens) : NULL;

  if (node == NULL)
    node = vmft_drain_node_add (self, NULL, n_tokens);
  for (guint32 i = 0; i < path_length (self, n_tokens); i++)
    {
      VmftDrainNode *child = child_of (node, tokens[i]);

      if (child == NULL)
        {
          guint32 key = key_under (self, node, tokens[i]);

          child = child_of (node, key);
          if (child == NULL)
            child = vmft_drain_node_add (self, node, key);
        }
      node = child;
    }
  return node;
}

typedef guint32 Four __attribute__ ((vector_size (4 * VMFT_DRAIN_STRIDE)));

/* How many of @stride tokens are the same. */
static inline guint
count_equal (const guint32 *row, const guint32 *line, gsize stride)
{
  Four equal = { 0 };

  for (gsize i = 0; i < stride; i += VMFT_DRAIN_STRIDE)
    {
      Four a, b;

      memcpy (&a, row + i, sizeof a);
      memcpy (&b, line + i, sizeof b);
      equal -= (Four) (a == b); /* true is all ones, which is -1 */
    }
  return equal[0] + equal[1] + equal[2] + equal[3];
}

/* Whether @candidate comes before @best, both having as many tokens in common with the line: Drain3 takes the
 * one with more wildcards, among those the first. */
static inline gboolean
is_better (const VmftDrainCluster *candidate, const VmftDrainCluster *best)
{
  return candidate != NULL && (best == NULL || candidate->n_wildcards > best->n_wildcards);
}

/* Drain3's fast_match(): the most similar template; wildcards count as different. @tokens holds none, they are
 * VMFT_TOKEN_NONE there. */
VmftDrainCluster *
vmft_drain_leaf_match (const VmftDrainNode *leaf, const guint32 *tokens)
{
  const gsize stride = vmft_drain_stride (leaf->n_tokens);
  const guint32 *row = leaf->rows;
  VmftDrainCluster *best = NULL;
  guint best_equal = leaf->needed;

  for (guint i = 0; i < leaf->n_slots; i++, row += stride)
    {
      guint equal = count_equal (row, tokens, stride);

      if (equal < best_equal)
        continue;
      if (is_better (leaf->clusters[i], equal > best_equal ? NULL : best))
        {
          best = leaf->clusters[i];
          best_equal = equal;
        }
    }
  return best;
}

/* Copies the template to the leaf's rows; what fills a row up equals no token and not the line's filling. */
void
vmft_drain_leaf_update (VmftDrain *self, VmftDrainCluster *cluster)
{
  VmftDrainNode *leaf = cluster->leaf;
  gsize n = leaf->n_tokens, stride = vmft_drain_stride (n);
  guint32 *row = leaf->rows + cluster->slot * stride;

  leaf->version = ++self->version;
  if (n > 0)
    memcpy (row, cluster->tokens, n * sizeof (guint32));
  memset (row + n, 0xff, (stride - n) * sizeof (guint32));
}

/* Closes the gaps; the order, which decides between equals, stays. */
static void
compact (VmftDrainNode *leaf)
{
  gsize stride = vmft_drain_stride (leaf->n_tokens);
  guint to = 0;

  for (guint from = 0; from < leaf->n_slots; from++)
    {
      if (leaf->clusters[from] == NULL)
        continue;
      leaf->clusters[to] = leaf->clusters[from];
      leaf->clusters[to]->slot = to;
      if (to != from)
        memcpy (leaf->rows + to * stride, leaf->rows + from * stride, stride * sizeof (guint32));
      to++;
    }
  leaf->n_slots = to;
  leaf->n_gaps = 0;
}

void
vmft_drain_leaf_add (VmftDrain *self, VmftDrainCluster *cluster)
{
  VmftDrainNode *leaf = cluster->leaf;

  if (leaf->n_slots == leaf->n_allocated && leaf->n_gaps > leaf->n_slots / 4)
    compact (leaf);
  if (leaf->n_slots == leaf->n_allocated)
    {
      leaf->n_allocated = MAX (2, leaf->n_allocated * 2);
      leaf->clusters = g_renew (VmftDrainCluster *, leaf->clusters, leaf->n_allocated);
      leaf->rows =
          g_renew (guint32, leaf->rows, leaf->n_allocated * MAX (1, vmft_drain_stride (leaf->n_tokens)));
    }
  cluster->slot = leaf->n_slots++;
  leaf->clusters[cluster->slot] = cluster;
  vmft_drain_leaf_update (self, cluster);
}

void
vmft_drain_leaf_remove (VmftDrain *self, VmftDrainCluster *cluster)
{
  VmftDrainNode *leaf = cluster->leaf;
  gsize stride = vmft_drain_stride (leaf->n_tokens);

  memset (leaf->rows + cluster->slot * stride, 0xff, stride * sizeof (guint32));
  leaf->clusters[cluster->slot] = NULL;
  leaf->version = ++self->version;
  if (++leaf->n_gaps > 8 && leaf->n_gaps > leaf->n_slots / 2)
    compact (leaf);
}
