/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drain as Drain3 does it. A line is masked; the cache may know it already. If not it is split, its tokens
 * become numbers, the tree leads to a leaf, and the leaf's templates are compared by number. What a line does
 * to its cluster (template, size, order of use) is the same either way.
 */
#include "vmft-drain.h"

#include "vmft-drain-private.h"
#include "vmft-error.h"
#include "vmft-hash.h"
#include "vmft-mask.h"
#include "vmft-utf8.h"

#include <string.h>

/* Not the hash's business to be secret: @words has to be the same in every process. */
#define WORDS_SEED G_GUINT64_CONSTANT (0x564d465431)

static const char *const default_delimiters[] = { "_", NULL };

void
vmft_drain_config_init (VmftDrainConfig *config)
{
  *config = (VmftDrainConfig){
    .depth = 4,
    .similarity = 0.4,
    .max_children = 100,
    .max_clusters = 0,
    .delimiters = default_delimiters,
    .parametrize_numeric_tokens = TRUE,
    .mask = TRUE,
  };
}

static gboolean
check_config (const VmftDrainConfig *config, GError **error)
{
  const char *problem = NULL;

  if (config->depth < 3 || config->depth > 64)
    problem = "depth must be 3 to 64";
  else if (!(config->similarity >= 0 && config->similarity <= 1))
    problem = "similarity must be 0 to 1";
  else if (config->max_children < 1)
    problem = "max_children must be at least 1";
  else if (config->max_clusters > 100 * 1000 * 1000)
    problem = "max_clusters must be at most 100000000";
  for (gsize i = 0; problem == NULL && config->delimiters != NULL && config->delimiters[i] != NULL; i++)
    {
      if (config->delimiters[i][0] == '\0')
        problem = "a delimiter must not be empty";
    }
  if (problem != NULL)
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "template miner: %s", problem);
  return problem == NULL;
}

static void
init_split (VmftDrain *self)
{
  for (guint c = 0; c < 256; c++)
    self->split[c] = c >= 0x80                ? VMFT_DRAIN_SPLIT_DECODE
                     : vmft_utf8_is_space (c) ? VMFT_DRAIN_SPLIT_YES
                                              : VMFT_DRAIN_SPLIT_NO;
  for (guint i = 0; self->delimiters[i] != NULL; i++)
    {
      if (self->delimiters[i][1] != '\0')
        self->replace_delimiters = TRUE;
      else
        self->split[(guchar) self->delimiters[i][0]] = VMFT_DRAIN_SPLIT_YES;
    }
}

VmftDrain *
vmft_drain_new (const VmftDrainConfig *config, GError **error)
{
  static const char *const none[] = { NULL };
  g_autofree char *wildcard = g_malloc0 (sizeof VMFT_DRAIN_WILDCARD + VMFT_HASH_PADDING);
  VmftDrain *self = NULL;

  if (!check_config (config, error))
    return NULL;
  self = g_new0 (VmftDrain, 1);
  self->config = *config;
  self->delimiters = g_strdupv ((char **) (config->delimiters != NULL ? config->delimiters : none));
  self->config.delimiters = (const char *const *) self->delimiters;
  init_split (self);
  self->tokens = vmft_tokens_new ();
  strcpy (wildcard, VMFT_DRAIN_WILDCARD);
  self->wildcard = vmft_tokens_intern (self->tokens, wildcard, strlen (wildcard));
  self->roots = g_ptr_array_new ();
  self->nodes = g_ptr_array_new_with_free_func (vmft_drain_node_free);
  self->by_id = g_hash_table_new (NULL, NULL);
  self->evicted_by_tokens = g_hash_table_new (vmft_drain_cluster_hash, vmft_drain_cluster_equal);
  self->unsaved = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->forgotten = g_ptr_array_new_with_free_func (g_free);
  self->masked = g_malloc0 (vmft_mask_bound (VMFT_DRAIN_MAX_LINE_BYTES) + VMFT_HASH_PADDING);
  self->scratch = g_string_new (NULL);
  self->spans = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->line = g_array_new (FALSE, FALSE, sizeof (guint32));
  return self;
}

static void
free_list (VmftDrain *self, VmftDrainList *list)
{
  VmftDrainCluster *cluster;

  while ((cluster = list->oldest) != NULL)
    {
      vmft_drain_list_remove (list, cluster);
      vmft_drain_cluster_free (self, cluster);
    }
}

void
vmft_drain_free (VmftDrain *self)
{
  free_list (self, &self->live);
  free_list (self, &self->evicted);
  g_hash_table_unref (self->by_id);
  g_hash_table_unref (self->evicted_by_tokens);
  g_ptr_array_unref (self->roots);
  g_ptr_array_unref (self->nodes);
  g_clear_pointer (&self->cache, vmft_drain_cache_free);
  vmft_tokens_free (self->tokens);
  g_array_unref (self->unsaved);
  g_ptr_array_unref (self->forgotten);
  g_array_unref (self->spans);
  g_array_unref (self->line);
  g_string_free (self->scratch, TRUE);
  g_free (self->masked);
  g_free (self->given_up);
  g_strfreev (self->delimiters);
  g_free (self);
}

/* Masks the line into self->masked. Returns: its hash. */
static guint64
take_line (VmftDrain *self, const char *text, gsize length)
{
  length = MIN (length, VMFT_DRAIN_MAX_LINE_BYTES);
  if (self->config.mask && self->config.masks == NULL)
    {
      self->masked_length = vmft_mask_default (text, length, self->masked);
    }
  else if (self->config.mask)
    {
      vmft_mask_regex_apply (self->config.masks, text, length, self->scratch);
      self->masked_length = MIN (self->scratch->len, vmft_mask_bound (VMFT_DRAIN_MAX_LINE_BYTES) - 1);
      memcpy (self->masked, self->scratch->str, self->masked_length);
    }
  else
    {
      memcpy (self->masked, text, length);
      self->masked_length = length;
    }
  self->masked[self->masked_length] = '\0';
  return vmft_hash_bytes (self->masked, self->masked_length, WORDS_SEED);
}

static inline gsize
is_split (const VmftDrain *self, const char *text, gsize length, gboolean *yes)
{
  guint8 split = self->split[(guchar) text[0]];
  gsize used = 1;

  if (G_UNLIKELY (split == VMFT_DRAIN_SPLIT_DECODE))
    {
      gunichar c;

      used = vmft_utf8_next (text, length, &c);
      split = vmft_utf8_is_space (c) ? VMFT_DRAIN_SPLIT_YES : VMFT_DRAIN_SPLIT_NO;
    }
  *yes = split == VMFT_DRAIN_SPLIT_YES;
  return used;
}

/* str.split(): tokens are what stands between whitespace. */
static void
split_text (VmftDrain *self, const char *text, gsize length)
{
  guint n = 0, most = (guint) (length / 2 + 1);
  gsize start = 0, used;
  guint32 *tokens, *spans;

  g_array_set_size (self->spans, 2 * most);
  g_array_set_size (self->line, most + VMFT_DRAIN_STRIDE);
  spans = (guint32 *) (gpointer) self->spans->data;
  tokens = (guint32 *) (gpointer) self->line->data;
  for (gsize at = 0; at <= length; at += used)
    {
      gboolean split = TRUE;

      used = at < length ? is_split (self, text + at, length - at, &split) : 1;
      if (!split)
        continue;
      if (at > start)
        {
          spans[2 * n] = (guint32) start;
          spans[2 * n + 1] = (guint32) (at - start);
          tokens[n++] = vmft_tokens_find (self->tokens, text + start, at - start);
        }
      start = at + used;
    }
  for (guint i = 0; i < VMFT_DRAIN_STRIDE; i++)
    tokens[n + i] = VMFT_TOKEN_NONE;
  self->n_tokens = n;
}

/* Drain3 replaces one delimiter after the other before it splits, which only shows with long ones. */
static const char *
replace_delimiters (VmftDrain *self, gsize *length)
{
  g_string_truncate (self->scratch, 0);
  g_string_append_len (self->scratch, self->masked, (gssize) self->masked_length);
  for (guint i = 0; self->delimiters[i] != NULL; i++)
    g_string_replace (self->scratch, self->delimiters[i], " ", 0);
  *length = self->scratch->len;
  g_string_append_len (self->scratch, "\0\0\0\0\0\0\0\0", VMFT_HASH_PADDING);
  return self->scratch->str;
}

/* Splits the masked line. Returns: the text its tokens are in. */
static const char *
split_line (VmftDrain *self)
{
  const char *text = self->masked;
  gsize length = self->masked_length;

  if (self->replace_delimiters)
    text = replace_delimiters (self, &length);
  split_text (self, text, length);
  return text;
}

/* Returns: (nullable): the cluster of the line that has been split. */
static VmftDrainCluster *
search (VmftDrain *self)
{
  guint32 *tokens = (guint32 *) (gpointer) self->line->data;
  VmftDrainNode *leaf = vmft_drain_tree_find (self, tokens, self->n_tokens);
  guint known = 0;

  if (leaf == NULL)
    return NULL;
  for (guint i = 0; i < self->n_tokens; i++)
    {
      tokens[i] = tokens[i] == self->wildcard ? VMFT_TOKEN_NONE : tokens[i];
      known += tokens[i] != VMFT_TOKEN_NONE;
    }
  /* A flood of words that no template has: not worth a look at the templates. */
  return known >= leaf->needed ? vmft_drain_leaf_match (leaf, tokens) : NULL;
}

/* Gives @cluster the identity of the evicted one that it is the return of. */
static void
take_over (VmftDrain *self, VmftDrainCluster *cluster, VmftDrainCluster *old)
{
  cluster->id = old->id;
  cluster->size = old->size;
  cluster->generation = old->generation + (vmft_drain_cluster_equal (old, cluster) ? 0 : 1);
  g_hash_table_remove (self->by_id, GUINT_TO_POINTER (old->id));
  vmft_drain_forget (self, old);
}

static VmftDrainCluster *
found (VmftDrain *self, const char *text)
{
  const guint32 n_tokens = self->n_tokens;
  const guint32 *spans = (const guint32 *) (gpointer) self->spans->data;
  guint32 *tokens = (guint32 *) (gpointer) self->line->data;
  VmftDrainCluster *cluster, *old;

  for (guint32 i = 0; i < n_tokens; i++)
    tokens[i] = vmft_tokens_intern (self->tokens, text + spans[2 * i], spans[2 * i + 1]);
  cluster = vmft_drain_cluster_new (tokens, n_tokens, self->wildcard);
  cluster->leaf = vmft_drain_tree_insert (self, tokens, n_tokens);
  cluster->serial = ++self->serial;
  cluster->id = cluster->serial;
  cluster->live = TRUE;
  old = vmft_drain_find_evicted (self, cluster);
  if (old != NULL)
    take_over (self, cluster, old);
  g_hash_table_insert (self->by_id, GUINT_TO_POINTER (cluster->id), cluster);
  vmft_drain_make_room (self, 1);
  vmft_drain_leaf_add (self, cluster);
  vmft_drain_list_append (&self->live, cluster);
  return cluster;
}

/* Drain3's create_template(): what differs becomes a wildcard. Returns: whether something did. */
static gboolean
generalise (VmftDrain *self, VmftDrainCluster *cluster)
{
  const guint32 *line = (const guint32 *) (gpointer) self->line->data;
  gboolean changed = FALSE;

  for (guint32 i = 0; i < cluster->n_tokens; i++)
    {
      if (cluster->tokens[i] == line[i] || cluster->tokens[i] == self->wildcard)
        continue;
      vmft_tokens_unref (self->tokens, cluster->tokens[i]);
      vmft_tokens_ref (self->tokens, self->wildcard);
      cluster->tokens[i] = self->wildcard;
      cluster->n_wildcards++;
      changed = TRUE;
    }
  if (changed)
    {
      cluster->generation++;
      g_clear_pointer (&cluster->text, g_free);
      vmft_drain_leaf_update (self, cluster);
    }
  return changed;
}

static void
touch (VmftDrain *self, VmftDrainCluster *cluster)
{
  cluster->size++;
  cluster->used = ++self->used;
  if (cluster->newer != NULL)
    {
      vmft_drain_list_remove (&self->live, cluster);
      vmft_drain_list_append (&self->live, cluster);
    }
  vmft_drain_cluster_unsaved (self, cluster);
}

void
vmft_drain_add (VmftDrain *self, const char *text, gsize length, VmftDrainMatch *match)
{
  guint64 words = take_line (self, text, length);
  VmftDrainCluster *cluster = vmft_drain_cache_find (self, words);

  match->is_new = FALSE;
  match->changed = FALSE;
  if (cluster == NULL)
    {
      const char *tokens = split_line (self);

      cluster = search (self);
      if (cluster == NULL)
        {
          cluster = found (self, tokens);
          match->is_new = TRUE;
        }
      else
        {
          /* What differed is a wildcard now, so the line's next search ends here again, more surely than now. */
          match->changed = generalise (self, cluster);
          vmft_drain_cache_put (self, words, cluster);
        }
    }
  touch (self, cluster);
  match->id = cluster->id;
  match->generation = cluster->generation;
  match->words = words;
}

gboolean
vmft_drain_match (VmftDrain *self, const char *text, gsize length, VmftDrainMatch *match)
{
  guint64 words = take_line (self, text, length);
  VmftDrainCluster *cluster = vmft_drain_cache_find (self, words);

  if (cluster == NULL)
    {
      split_line (self);
      cluster = search (self);
    }
  *match = (VmftDrainMatch){ .words = words };
  if (cluster == NULL)
    return FALSE;
  match->id = cluster->id;
  match->generation = cluster->generation;
  return TRUE;
}

const char *
vmft_drain_masked (VmftDrain *self, gsize *length)
{
  *length = self->masked_length;
  return self->masked;
}

static void
describe (VmftDrain *self, VmftDrainCluster *cluster, VmftDrainTemplate *info)
{
  info->id = cluster->id;
  info->generation = cluster->generation;
  info->size = cluster->size;
  info->text = vmft_drain_cluster_text (self, cluster, &info->length);
}

gboolean
vmft_drain_template (VmftDrain *self, guint32 id, VmftDrainTemplate *info)
{
  VmftDrainCluster *cluster = g_hash_table_lookup (self->by_id, GUINT_TO_POINTER (id));

  if (cluster == NULL || !cluster->live)
    return FALSE;
  describe (self, cluster, info);
  return TRUE;
}

static int
compare_ids (gconstpointer a, gconstpointer b)
{
  const VmftDrainCluster *x = *(VmftDrainCluster *const *) a, *y = *(VmftDrainCluster *const *) b;

  return x->id < y->id ? -1 : x->id > y->id;
}

void
vmft_drain_foreach (VmftDrain *self, VmftDrainTemplateFunc func, gpointer user_data)
{
  g_autoptr (GPtrArray) clusters = g_ptr_array_new ();

  for (VmftDrainCluster *c = self->live.oldest; c != NULL; c = c->newer)
    g_ptr_array_add (clusters, c);
  g_ptr_array_sort (clusters, compare_ids);
  for (guint i = 0; i < clusters->len; i++)
    {
      VmftDrainTemplate info;

      describe (self, g_ptr_array_index (clusters, i), &info);
      func (&info, user_data);
    }
}

guint
vmft_drain_n_clusters (VmftDrain *self)
{
  return self->live.n;
}

gsize
vmft_drain_memory_bytes (VmftDrain *self)
{
  gsize bytes =
      sizeof *self + vmft_tokens_memory_bytes (self->tokens) + vmft_drain_cache_memory_bytes (self->cache);

  bytes += vmft_mask_bound (VMFT_DRAIN_MAX_LINE_BYTES) + self->scratch->allocated_len;
  for (guint i = 0; i < self->nodes->len; i++)
    {
      const VmftDrainNode *node = g_ptr_array_index (self->nodes, i);

      bytes += sizeof *node + node->n_allocated *
                                  (sizeof (gpointer) + vmft_drain_stride (node->n_tokens) * sizeof (guint32));
      bytes += node->children != NULL ? g_hash_table_size (node->children) * 32 : 0;
    }
  for (const VmftDrainList *list = &self->live;; list = &self->evicted)
    {
      for (const VmftDrainCluster *c = list->oldest; c != NULL; c = c->newer)
        bytes += sizeof *c + c->n_tokens * sizeof (guint32) + c->length + 64;
      if (list == &self->evicted)
        return bytes;
    }
}
