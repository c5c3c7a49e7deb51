/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

G_BEGIN_DECLS

/**
 * VmftSqliteStore:
 *
 * The store that survives a restart: SQLite in WAL mode, one SQL table for each VMFT_STORE_* name, records as
 * JSON text, so that `sqlite3 vmft.db` shows an operator what the daemon knows. A committed transaction
 * survives the daemon's death at any instant; with synchronous=NORMAL the last ones may be missing, as a
 * whole, after a power cut.
 */
#define VMFT_TYPE_SQLITE_STORE vmft_sqlite_store_get_type ()
G_DECLARE_FINAL_TYPE (VmftSqliteStore, vmft_sqlite_store, VMFT, SQLITE_STORE, GObject)

/**
 * vmft_sqlite_store_new:
 * @path: the database file, made when missing; its directory must exist
 * @clock: names the copy of a database that had to be set aside
 * @error: %VMFT_ERROR_FAILED when the file cannot be opened or written, or is of a newer schema
 *
 * A database that SQLite finds corrupt is renamed to `PATH.corrupt-<UTC time>` with its journal, and an empty
 * one takes its place: see vmft_sqlite_store_get_set_aside(). Where only the text of a record is damaged,
 * vmft_store_foreach() leaves it out with a warning, and vmft_store_get() says %VMFT_ERROR_CORRUPT.
 *
 * Returns: (transfer full): the open store.
 */
VmftSqliteStore *vmft_sqlite_store_new (const char *path,
                                        VmftClock *clock,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_sqlite_store_get_set_aside: Returns: (nullable): where the corrupt database of the last start lies now. */
const char *vmft_sqlite_store_get_set_aside (VmftSqliteStore *self);

/**
 * vmft_sqlite_store_trim:
 * @table: one of the VMFT_STORE_* names
 * @max_records: keep the newest so many; 0 for no limit
 * @oldest_us: remove what is older; %VMFT_TIME_UNKNOWN for no limit
 * @error: %VMFT_ERROR_FAILED, %VMFT_ERROR_CORRUPT
 *
 * Retention, to be called now and then outside a transaction. An incident that is not cleared stays in any case: it is
 * not written again before something happens to it, and a restart is to find it.
 */
gboolean vmft_sqlite_store_trim (VmftSqliteStore *self,
                                 const char *table,
                                 guint max_records,
                                 VmftTime oldest_us,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_sqlite_store_checkpoint:
 *
 * Moves what the write-ahead log holds into the database, in a worker thread: it is the only thing here that waits
 * for the disk (fsync), and on a failing disk that can take minutes in which VMs must be moved. To be called every
 * now and then; a call while one is under way, or with little to move, does nothing.
 */
void vmft_sqlite_store_checkpoint (VmftSqliteStore *self);

/** vmft_sqlite_store_limit_bytes: writes that would make the database larger than @bytes fail as on a full disk. */
void vmft_sqlite_store_limit_bytes (VmftSqliteStore *self, guint64 bytes);

G_END_DECLS
