/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a miner outlives the process: as one piece of bytes, or row by row in the daemon's database. */
#pragma once

#include "vmft-drain.h"

G_BEGIN_DECLS

/**
 * VmftDrainRowKind:
 * @VMFT_DRAIN_ROW_META: the one row with counters and a fingerprint of the configuration; its key is 0
 * @VMFT_DRAIN_ROW_NODE: a node of the tree (nodes count against max_children even when all clusters under
 * them are evicted)
 * @VMFT_DRAIN_ROW_CLUSTER: a live cluster; its key is the template id
 * @VMFT_DRAIN_ROW_EVICTED: an evicted cluster that still gets its id back when it returns; key as above
 */
typedef enum
{
  VMFT_DRAIN_ROW_META,
  VMFT_DRAIN_ROW_NODE,
  VMFT_DRAIN_ROW_CLUSTER,
  VMFT_DRAIN_ROW_EVICTED,
} VmftDrainRowKind;

/**
 * VmftDrainRow:
 * @kind: what it is
 * @key: unique among nodes, and among clusters live and evicted: upsert by (kind is NODE, key)
 * @serial: Drain3's running number of the cluster; for META the last one given out
 * @generation: of the template's text
 * @size: lines so far
 * @used: order of last use, growing; for META the last one given out; for NODE the key of its parent
 * @path: tree path of a cluster, or of a node; tokens joined by spaces
 * @text: the template; for META the configuration's fingerprint
 */
typedef struct
{
  VmftDrainRowKind kind;
  guint32 key;
  guint32 serial;
  guint32 generation;
  guint64 size;
  guint64 used;
  GBytes *path;
  GBytes *text;
} VmftDrainRow;

/** VmftDrainRowFunc: one row to insert or replace; with @forget, to delete. */
typedef void (*VmftDrainRowFunc) (const VmftDrainRow *row, gboolean forget, gpointer user_data);

/**
 * vmft_drain_foreach_unsaved:
 *
 * Calls @func for every row that changed since vmft_drain_mark_saved(): all of them put into the database in
 * the daemon's transaction make the state on disk exactly that of this moment.
 */
void vmft_drain_foreach_unsaved (VmftDrain *self, VmftDrainRowFunc func, gpointer user_data);

/** vmft_drain_mark_saved: the transaction has been committed. */
void vmft_drain_mark_saved (VmftDrain *self);

/**
 * vmft_drain_restore:
 * @config: as for vmft_drain_new()
 * @rows: (array length=n_rows): in any order
 * @error: return location: %VMFT_ERROR_CORRUPT for rows that contradict each other, %VMFT_ERROR_CONFIG when
 * they were made under another configuration
 *
 * Returns: (transfer full): a miner that goes on as if it had never stopped
 */
VmftDrain *vmft_drain_restore (const VmftDrainConfig *config,
                               const VmftDrainRow *rows,
                               gsize n_rows,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_drain_save: Returns: (transfer full): the whole state in one piece. */
GBytes *vmft_drain_save (VmftDrain *self);

/**
 * vmft_drain_load:
 * @config: as for vmft_drain_new()
 * @bytes: from vmft_drain_save(), or whatever a disk made of it
 * @error: return location, as for vmft_drain_restore()
 *
 * Returns: (transfer full): the miner
 */
VmftDrain *vmft_drain_load (const VmftDrainConfig *config,
                            GBytes *bytes,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
