/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clusters, live and evicted: their texts, their order of use, and how an evicted one is recognised. */
#include "vmft-drain-private.h"

#include <string.h>

/* Takes over the references to @tokens. */
VmftDrainCluster *
vmft_drain_cluster_new (const guint32 *tokens, guint32 n_tokens, guint32 wildcard)
{
  VmftDrainCluster *cluster = g_new0 (VmftDrainCluster, 1);

  cluster->generation = 1;
  cluster->n_tokens = n_tokens;
  cluster->tokens = g_memdup2 (tokens, n_tokens * sizeof (guint32));
  for (guint32 i = 0; i < n_tokens; i++)
    cluster->n_wildcards += tokens[i] == wildcard;
  return cluster;
}

void
vmft_drain_cluster_free (VmftDrain *self, VmftDrainCluster *cluster)
{
  for (guint32 i = 0; i < cluster->n_tokens; i++)
    vmft_tokens_unref (self->tokens, cluster->tokens[i]);
  g_free (cluster->tokens);
  g_free (cluster->text);
  g_free (cluster);
}

void
vmft_drain_cluster_unsaved (VmftDrain *self, VmftDrainCluster *cluster)
{
  if (cluster->unsaved)
    return;
  cluster->unsaved = TRUE;
  g_array_append_val (self->unsaved, cluster->id);
}

void
vmft_drain_list_append (VmftDrainList *list, VmftDrainCluster *cluster)
{
  cluster->older = list->newest;
  cluster->newer = NULL;
  if (list->newest != NULL)
    list->newest->newer = cluster;
  else
    list->oldest = cluster;
  list->newest = cluster;
  list->n++;
}

void
vmft_drain_list_remove (VmftDrainList *list, VmftDrainCluster *cluster)
{
  if (cluster->older != NULL)
    cluster->older->newer = cluster->newer;
  else
    list->oldest = cluster->newer;
  if (cluster->newer != NULL)
    cluster->newer->older = cluster->older;
  else
    list->newest = cluster->older;
  list->n--;
}

guint
vmft_drain_cluster_hash (gconstpointer key)
{
  const VmftDrainCluster *cluster = key;
  guint hash = cluster->n_tokens;

  for (guint32 i = 0; i < cluster->n_tokens; i++)
    hash = (hash ^ cluster->tokens[i]) * 0x9e3779b1u;
  return hash ^ (hash >> 15);
}

gboolean
vmft_drain_cluster_equal (gconstpointer a, gconstpointer b)
{
  const VmftDrainCluster *x = a, *y = b;

  return x->n_tokens == y->n_tokens &&
         (x->n_tokens == 0 || memcmp (x->tokens, y->tokens, x->n_tokens * sizeof (guint32)) == 0);
}

/* Files a cluster that is in no leaf among the evicted; the longest unused of them goes for good. */
void
vmft_drain_remember (VmftDrain *self, VmftDrainCluster *cluster)
{
  VmftDrainCluster *same = g_hash_table_lookup (self->evicted_by_tokens, cluster);

  if (same != NULL)
    vmft_drain_forget (self, same);
  cluster->live = FALSE;
  vmft_drain_list_append (&self->evicted, cluster);
  g_hash_table_add (self->evicted_by_tokens, cluster);
  if (cluster->n_wildcards > 0)
    {
      if (cluster->leaf->evicted == NULL)
        cluster->leaf->evicted = g_ptr_array_new ();
      g_ptr_array_add (cluster->leaf->evicted, cluster);
    }
}

void
vmft_drain_evict (VmftDrain *self, VmftDrainCluster *cluster)
{
  vmft_drain_leaf_remove (self, cluster);
  vmft_drain_list_remove (&self->live, cluster);
  vmft_drain_remember (self, cluster);
  vmft_drain_cluster_unsaved (self, cluster);
}

/* Frees an evicted cluster, whose id may live on in another. */
void
vmft_drain_forget (VmftDrain *self, VmftDrainCluster *cluster)
{
  vmft_drain_list_remove (&self->evicted, cluster);
  g_hash_table_remove (self->evicted_by_tokens, cluster);
  if (cluster->n_wildcards > 0)
    g_ptr_array_remove (cluster->leaf->evicted, cluster);
  if (g_hash_table_lookup (self->by_id, GUINT_TO_POINTER (cluster->id)) == cluster)
    {
      g_hash_table_remove (self->by_id, GUINT_TO_POINTER (cluster->id));
      g_ptr_array_add (self->forgotten, g_strdup_printf ("cluster/%u", cluster->id));
    }
  vmft_drain_cluster_free (self, cluster);
}

/* Evicts until @room more clusters fit, and remembers as many evicted ones as there may be live ones. */
void
vmft_drain_make_room (VmftDrain *self, guint room)
{
  guint limit = self->config.max_clusters;

  if (limit == 0)
    return;
  while (self->live.n > 0 && self->live.n + room > limit)
    vmft_drain_evict (self, self->live.oldest);
  while (self->evicted.n > limit)
    vmft_drain_forget (self, self->evicted.oldest);
}

/* How many words of a line equal the template's; -1 when one of them differs and is no wildcard. */
static int
count_if_covers (const VmftDrainCluster *template, const guint32 *line, guint32 wildcard)
{
  int equal = 0;

  for (guint32 i = 0; i < template->n_tokens; i++)
    {
      if (template->tokens[i] == wildcard)
        continue;
      if (template->tokens[i] != line[i])
        return -1;
      equal++;
    }
  return equal;
}

/* Returns: (nullable): the evicted template of which @cluster, about to be founded by a line, is the return:
 * the same text, or one whose wildcards cover the line and which the line would have joined. */
VmftDrainCluster *
vmft_drain_find_evicted (VmftDrain *self, const VmftDrainCluster *cluster)
{
  VmftDrainCluster *best = g_hash_table_lookup (self->evicted_by_tokens, cluster);
  const GPtrArray *candidates = cluster->leaf->evicted;
  int best_equal = 0;

  if (best != NULL || candidates == NULL)
    return best;
  for (guint i = candidates->len; i-- > 0;)
    {
      VmftDrainCluster *candidate = g_ptr_array_index (candidates, i);
      int equal = count_if_covers (candidate, cluster->tokens, self->wildcard);

      if (equal > best_equal && (double) equal / cluster->n_tokens >= self->config.similarity)
        {
          best = candidate;
          best_equal = equal;
        }
    }
  return best;
}

const char *
vmft_drain_cluster_text (VmftDrain *self, VmftDrainCluster *cluster, gsize *length)
{
  if (cluster->text == NULL)
    {
      GString *text = g_string_new (NULL);

      for (guint32 i = 0; i < cluster->n_tokens; i++)
        {
          gsize bytes;
          const char *token = vmft_tokens_text (self->tokens, cluster->tokens[i], &bytes);

          if (i > 0)
            g_string_append_c (text, ' ');
          g_string_append_len (text, token, (gssize) bytes);
        }
      cluster->length = text->len;
      cluster->text = g_string_free (text, FALSE);
    }
  *length = cluster->length;
  return cluster->text;
}
