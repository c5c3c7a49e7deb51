/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-time.h"

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * VmftStore:
 *
 * What survives a restart: records (`a{sv}`) in tables, each under a key and with a time. The daemon's store is
 * SQLite; the one here keeps everything in memory, for tests and simulations. Changes between
 * vmft_store_begin() and vmft_store_commit() become durable together or not at all: a source's cursor, the
 * verdict and the alarm of one line stand or fall as one.
 *
 * A room reads its tables when it starts and writes them as its state changes; it never reads back what it
 * already knows. Nothing else flows backwards.
 */
#define VMFT_TYPE_STORE vmft_store_get_type ()
G_DECLARE_INTERFACE (VmftStore, vmft_store, VMFT, STORE, GObject)

/** VmftTable names: one place, so that no two rooms share a table by accident. */
#define VMFT_STORE_TEMPLATES  "templates"
#define VMFT_STORE_NORMAL     "normal"
#define VMFT_STORE_DETECTOR   "detector"
#define VMFT_STORE_ANSWERS    "answers"
#define VMFT_STORE_ALARMS     "alarms"
#define VMFT_STORE_INCIDENTS  "incidents"
#define VMFT_STORE_LEADS      "leads"
#define VMFT_STORE_FORECASTS  "forecasts"
#define VMFT_STORE_PLANS      "plans"
#define VMFT_STORE_MIGRATIONS "migrations"
#define VMFT_STORE_CURSORS    "cursors"
#define VMFT_STORE_SETTINGS   "settings"

/**
 * VmftStoreFunc:
 * @record: (transfer none): `a{sv}`
 *
 * Returns: %FALSE to stop.
 */
typedef gboolean (*VmftStoreFunc) (const char *key, VmftTime time_us, GVariant *record, gpointer user_data);

/**
 * VmftStoreOrder:
 * @VMFT_STORE_BY_KEY: ascending key
 * @VMFT_STORE_NEWEST_FIRST: descending time, then key
 */
typedef enum
{
  VMFT_STORE_BY_KEY,
  VMFT_STORE_NEWEST_FIRST,
} VmftStoreOrder;

struct _VmftStoreInterface
{
  GTypeInterface parent;

  gboolean (*begin) (VmftStore *self, GError **error);
  gboolean (*commit) (VmftStore *self, GError **error);
  void (*rollback) (VmftStore *self);
  gboolean (*put) (VmftStore *self,
                   const char *table,
                   const char *key,
                   VmftTime time_us,
                   GVariant *record,
                   GError **error);
  gboolean (*remove) (VmftStore *self, const char *table, const char *key, GError **error);
  gboolean (*foreach) (VmftStore *self,
                       const char *table,
                       VmftStoreOrder order,
                       guint limit,
                       VmftStoreFunc func,
                       gpointer user_data,
                       GError **error);
  gboolean (*foreach_of_incident) (VmftStore *self,
                                   const char *table,
                                   guint64 incident_id,
                                   VmftStoreFunc func,
                                   gpointer user_data,
                                   GError **error);
  GVariant *(*get) (VmftStore *self, const char *table, const char *key, GError **error);
  guint64 (*last_id) (VmftStore *self, const char *table);
};

/** vmft_store_begin: opens a transaction; they do not nest. Returns: %FALSE with @error set. */
gboolean vmft_store_begin (VmftStore *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_store_commit: makes all since vmft_store_begin() durable; on failure everything is rolled back. */
gboolean vmft_store_commit (VmftStore *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_store_rollback: forgets all since vmft_store_begin(). */
void vmft_store_rollback (VmftStore *self);

/**
 * vmft_store_put:
 * @table: one of the VMFT_STORE_* names
 * @key: identifies the record in its table; an existing one is replaced
 * @record: (transfer floating): `a{sv}`
 *
 * Outside a transaction the change is durable on return.
 */
gboolean vmft_store_put (VmftStore *self,
                         const char *table,
                         const char *key,
                         VmftTime time_us,
                         GVariant *record,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_store_put_id: vmft_store_put() under the number @id, so that keys sort as numbers do. */
gboolean vmft_store_put_id (VmftStore *self,
                            const char *table,
                            guint64 id,
                            VmftTime time_us,
                            GVariant *record,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_store_remove: removes a record; one that is not there is no error. */
gboolean vmft_store_remove (VmftStore *self, const char *table, const char *key, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/** vmft_store_remove_id: vmft_store_remove() of a record that vmft_store_put_id() put. */
gboolean vmft_store_remove_id (VmftStore *self, const char *table, guint64 id, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_store_get:
 * @error: %VMFT_ERROR_CORRUPT when the record is there and cannot be read
 *
 * Returns: (transfer full) (nullable): the record; NULL without @error when there is none.
 */
GVariant *vmft_store_get (VmftStore *self, const char *table, const char *key, GError **error);

/** vmft_store_get_id: vmft_store_get() for a record put with vmft_store_put_id(). */
GVariant *vmft_store_get_id (VmftStore *self, const char *table, guint64 id, GError **error);

/**
 * vmft_store_foreach:
 * @limit: at most so many records; 0 means all
 * @func: called for each; must not change the store
 *
 * A record that cannot be read is left out with a warning: one damaged row must not cost the others.
 */
gboolean vmft_store_foreach (VmftStore *self,
                             const char *table,
                             VmftStoreOrder order,
                             guint limit,
                             VmftStoreFunc func,
                             gpointer user_data,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_store_foreach_of_incident:
 * @table: %VMFT_STORE_ALARMS, %VMFT_STORE_PLANS or %VMFT_STORE_MIGRATIONS
 * @incident_id: the records whose "incident_id" is this one
 *
 * vmft_store_foreach(), newest first, at the price of those records alone however many others there are.
 */
gboolean vmft_store_foreach_of_incident (VmftStore *self,
                                         const char *table,
                                         guint64 incident_id,
                                         VmftStoreFunc func,
                                         gpointer user_data,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_store_last_id: Returns: the largest number ever put with vmft_store_put_id() that is still there, or 0. */
guint64 vmft_store_last_id (VmftStore *self, const char *table);

#define VMFT_TYPE_MEMORY_STORE vmft_memory_store_get_type ()
G_DECLARE_FINAL_TYPE (VmftMemoryStore, vmft_memory_store, VMFT, MEMORY_STORE, GObject)

/** vmft_memory_store_new: Returns: (transfer full): an empty store that forgets all when it is freed. */
VmftStore *vmft_memory_store_new (void);

/**
 * vmft_memory_store_fail_after:
 * @n_writes: so many writes succeed; those after it fail with %VMFT_ERROR_FAILED, as on a full disk
 */
void vmft_memory_store_fail_after (VmftMemoryStore *self, guint n_writes);

G_END_DECLS
