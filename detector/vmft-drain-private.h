/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The miner's insides, for vmft-drain*.c alone. */
#pragma once

#include "vmft-drain.h"
#include "vmft-tokens.h"

G_BEGIN_DECLS

typedef struct _VmftDrainNode VmftDrainNode;
typedef struct _VmftDrainCluster VmftDrainCluster;
typedef struct _VmftDrainCache VmftDrainCache;

/* A live cluster is in its leaf, an evicted one only remembered. Both are in the list of their kind. */
struct _VmftDrainCluster
{
  guint32 id;     /* what the world sees */
  guint32 serial; /* Drain3's: another one each time an evicted template returns */
  guint32 generation;
  guint32 n_tokens;
  guint32 n_wildcards;
  gboolean live;
  gboolean unsaved;
  guint64 size;
  guint64 used; /* order of last use */
  guint32 *tokens;
  VmftDrainNode *leaf;
  guint slot; /* in the leaf, while live */
  VmftDrainCluster *older, *newer;
  char *text; /* of the template, made when asked for */
  gsize length;
};

/* A list of clusters by last use. */
typedef struct
{
  VmftDrainCluster *oldest, *newest;
  guint n;
} VmftDrainList;

/* Nodes are never removed, as in Drain3: an empty one still counts as a child. */
struct _VmftDrainNode
{
  guint32 number; /* 1-based, parents before children */
  guint32 key;    /* token; of a node right under the root the number of tokens */
  guint32 n_tokens;
  VmftDrainNode *parent;
  GHashTable *children;        /* (nullable): token -> node */
  guint32 needed;              /* so many equal tokens reach the similarity */
  VmftDrainCluster **clusters; /* (nullable) elements: gaps where clusters went */
  guint32 *rows;               /* their tokens side by side, each row padded, for the search */
  guint n_slots, n_gaps, n_allocated;
  GPtrArray *evicted; /* (nullable): evicted clusters with wildcards */
  guint64 version;    /* changes with the clusters and their templates */
};

struct _VmftDrain
{
  VmftDrainConfig config; /* delimiters owned */
  char **delimiters;
  gboolean replace_delimiters; /* one is longer than a byte */
  guint8 split[256];           /* VMFT_DRAIN_SPLIT_* */
  VmftTokens *tokens;
  guint32 wildcard;
  GPtrArray *roots; /* by number of tokens; (nullable) elements */
  GPtrArray *nodes; /* by number - 1 */
  GHashTable *by_id;
  GHashTable *evicted_by_tokens;
  VmftDrainList live, evicted;
  guint32 serial;
  guint64 used;
  guint64 version;       /* the last given to a leaf */
  guint64 tree_version;  /* changes when a node is added: lines may go another way */
  VmftDrainCache *cache; /* (nullable): made when there is something to put in */
  GArray *unsaved;       /* ids of clusters */
  GPtrArray *forgotten;  /* keys of rows to delete */
  char *given_up;        /* (nullable): why the rows of the store were not used */
  guint saved_nodes;
  char *masked; /* the line at hand, with padding */
  gsize masked_length;
  GString *scratch;
  GArray *spans; /* (guint32) where in its text each token of the line starts, and how long it is */
  GArray *line;  /* (guint32) the tokens as numbers, padded with VMFT_TOKEN_NONE */
  guint32 n_tokens;
};

/* A state with a larger number is not believed: it would leave no numbers to give out. */
#define VMFT_DRAIN_LAST_SERIAL (G_MAXUINT32 / 2)

typedef enum
{
  VMFT_DRAIN_SPLIT_NO,
  VMFT_DRAIN_SPLIT_YES,
  VMFT_DRAIN_SPLIT_DECODE, /* outside ASCII: a space or not, the character says */
} VmftDrainSplit;

/* Rows are compared so many tokens at a time. */
#define VMFT_DRAIN_STRIDE 4

static inline gsize
vmft_drain_stride (guint32 n_tokens)
{
  return ((gsize) n_tokens + VMFT_DRAIN_STRIDE - 1) / VMFT_DRAIN_STRIDE * VMFT_DRAIN_STRIDE;
}

/* vmft-drain-tree.c */
VmftDrainNode *vmft_drain_node_add (VmftDrain *self, VmftDrainNode *parent, guint32 key);
VmftDrainNode *vmft_drain_tree_find (VmftDrain *self, const guint32 *tokens, guint32 n_tokens);
VmftDrainNode *vmft_drain_tree_insert (VmftDrain *self, const guint32 *tokens, guint32 n_tokens);
VmftDrainCluster *vmft_drain_leaf_match (const VmftDrainNode *leaf, const guint32 *tokens);
void vmft_drain_leaf_add (VmftDrain *self, VmftDrainCluster *cluster);
void vmft_drain_leaf_remove (VmftDrain *self, VmftDrainCluster *cluster);
void vmft_drain_leaf_update (VmftDrain *self, VmftDrainCluster *cluster);
void vmft_drain_node_free (gpointer data);

/* vmft-drain-cluster.c */
VmftDrainCluster *vmft_drain_cluster_new (const guint32 *tokens, guint32 n_tokens, guint32 wildcard);
void vmft_drain_cluster_free (VmftDrain *self, VmftDrainCluster *cluster);
void vmft_drain_cluster_unsaved (VmftDrain *self, VmftDrainCluster *cluster);
void vmft_drain_list_append (VmftDrainList *list, VmftDrainCluster *cluster);
void vmft_drain_list_remove (VmftDrainList *list, VmftDrainCluster *cluster);
void vmft_drain_evict (VmftDrain *self, VmftDrainCluster *cluster);
void vmft_drain_remember (VmftDrain *self, VmftDrainCluster *cluster);
void vmft_drain_forget (VmftDrain *self, VmftDrainCluster *cluster);
VmftDrainCluster *vmft_drain_find_evicted (VmftDrain *self, const VmftDrainCluster *cluster);
void vmft_drain_make_room (VmftDrain *self, guint room);
guint vmft_drain_cluster_hash (gconstpointer key);
gboolean vmft_drain_cluster_equal (gconstpointer a, gconstpointer b);
const char *vmft_drain_cluster_text (VmftDrain *self, VmftDrainCluster *cluster, gsize *length);

/* vmft-drain-cache.c: which cluster an exact masked line belongs to, while nothing has changed. */
void vmft_drain_cache_free (VmftDrainCache *cache);
VmftDrainCluster *vmft_drain_cache_find (VmftDrain *self, guint64 hash);
void vmft_drain_cache_put (VmftDrain *self, guint64 hash, VmftDrainCluster *cluster);
gsize vmft_drain_cache_memory_bytes (const VmftDrainCache *cache);

G_END_DECLS
