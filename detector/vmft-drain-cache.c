/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Most lines, once masked, have been seen before. The cache holds whole masked lines, so that they need not be
 * split, looked up and compared again. An entry counts only while the tree has no new node and the leaf no
 * change since a search ended at that cluster: then the search would end there again.
 */
#include "vmft-drain-private.h"

#include <string.h>

#define N_SETS     2048
#define N_WAYS     2
#define TEXT_BYTES 280

typedef struct
{
  guint64 leaf_version;
  guint64 tree_version;
  VmftDrainCluster *cluster;
  VmftDrainNode *leaf;
  guint32 length;
  char text[TEXT_BYTES];
} Entry;

/* Hashes stand apart: a line that is not here costs a look at them alone. */
struct _VmftDrainCache
{
  guint64 hashes[N_SETS][N_WAYS];
  Entry entries[N_SETS][N_WAYS];
};

void
vmft_drain_cache_free (VmftDrainCache *cache)
{
  g_free (cache);
}

gsize
vmft_drain_cache_memory_bytes (const VmftDrainCache *cache)
{
  return cache != NULL ? sizeof *cache : 0;
}

VmftDrainCluster *
vmft_drain_cache_find (VmftDrain *self, guint64 hash)
{
  const guint64 *hashes;

  if (G_UNLIKELY (self->cache == NULL))
    return NULL;
  hashes = self->cache->hashes[hash % N_SETS];
  for (guint way = 0; way < N_WAYS; way++)
    {
      const Entry *e = &self->cache->entries[hash % N_SETS][way];

      if (hashes[way] == hash && e->length == self->masked_length && e->tree_version == self->tree_version &&
          e->leaf != NULL && e->leaf_version == e->leaf->version &&
          memcmp (e->text, self->masked, e->length) == 0)
        return e->cluster;
    }
  return NULL;
}

void
vmft_drain_cache_put (VmftDrain *self, guint64 hash, VmftDrainCluster *cluster)
{
  guint64 *hashes;
  guint way;
  Entry *e;

  if (self->masked_length > TEXT_BYTES)
    return;
  if (self->cache == NULL)
    self->cache = g_new0 (VmftDrainCache, 1);
  hashes = self->cache->hashes[hash % N_SETS];
  way = hashes[0] == hash ? 0 : hashes[1] == hash ? 1 : (hash >> 60) % N_WAYS;
  e = &self->cache->entries[hash % N_SETS][way];
  hashes[way] = hash;
  e->leaf = cluster->leaf;
  e->leaf_version = cluster->leaf->version;
  e->tree_version = self->tree_version;
  e->cluster = cluster;
  e->length = (guint32) self->masked_length;
  memcpy (e->text, self->masked, self->masked_length);
}
