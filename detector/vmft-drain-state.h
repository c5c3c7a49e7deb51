/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a miner outlives the process: as one piece of bytes, or row by row in the daemon's store. */
#pragma once

#include "vmft-drain.h"
#include "vmft-store.h"

G_BEGIN_DECLS

/**
 * VmftDrainRowFunc:
 * @key: "meta" (counters, fingerprint of the configuration), "cluster/ID" (live or evicted), "node/NUMBER" (a
 * node of the tree: it counts against max_children even when all clusters under it are evicted)
 * @record: (nullable): `a{sv}` to insert or replace; NULL to delete. Nothing in it but integers, a boolean and
 * text (bytes that are no UTF-8 escaped as `\\xHH`), so that a store may keep it as JSON
 */
typedef void (*VmftDrainRowFunc) (const char *key, GVariant *record, gpointer user_data);

/**
 * vmft_drain_foreach_unsaved:
 *
 * Calls @func for every row that changed since vmft_drain_mark_saved(): all of them put into the store in one
 * transaction make the state on disk exactly that of this moment.
 */
void vmft_drain_foreach_unsaved (VmftDrain *self, VmftDrainRowFunc func, gpointer user_data);

/** vmft_drain_mark_saved: the transaction that holds the unsaved rows has been committed. */
void vmft_drain_mark_saved (VmftDrain *self);

/** vmft_drain_save: Returns: (transfer full): the whole state in one piece. */
GBytes *vmft_drain_save (VmftDrain *self);

/**
 * vmft_drain_load:
 * @config: as for vmft_drain_new()
 * @bytes: from vmft_drain_save(), or whatever a disk made of it
 * @error: return location: %VMFT_ERROR_CORRUPT for a state that contradicts itself, %VMFT_ERROR_CONFIG for one
 * made under another configuration
 *
 * Returns: (transfer full): a miner that goes on as if it had never stopped
 */
VmftDrain *vmft_drain_load (const VmftDrainConfig *config,
                            GBytes *bytes,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_drain_store_save:
 * @store: where the daemon has opened a transaction
 * @error: return location, the store's error
 *
 * Puts the unsaved rows into the table %VMFT_STORE_TEMPLATES. The caller commits, then calls
 * vmft_drain_mark_saved().
 */
gboolean vmft_drain_store_save (VmftDrain *self, VmftStore *store, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_drain_store_load:
 * @store: with the rows of vmft_drain_store_save(); an empty table gives an empty miner
 * @error: return location: the store's error, or %VMFT_ERROR_CONFIG for @config itself
 *
 * Rows that contradict each other, or that were made under another configuration (masks, similarity, …), are
 * given up: learning begins again, ids go on after the old ones, the old rows go with the next
 * vmft_drain_store_save(), and vmft_drain_given_up() says why.
 *
 * Returns: (transfer full): the miner
 */
VmftDrain *vmft_drain_store_load (const VmftDrainConfig *config,
                                  VmftStore *store,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_drain_given_up: Returns: (nullable): why the rows in the store were not used; NULL when they were. */
const char *vmft_drain_given_up (VmftDrain *self);

G_END_DECLS
