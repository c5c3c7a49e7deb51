/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-sqlite-store.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sqlite3.h>

#define SCHEMA_VERSION  1
#define APPLICATION_ID  0x766d6674 /* "vmft", so that file(1) and we know the file */
#define BUSY_TIMEOUT_MS 250        /* the main loop waits; what cannot be kept is acted on all the same */
#define CHECKPOINT_SIZE (1 << 20)

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

/* Table names are ours alone: only these ever reach an SQL text. */
static const char *const table_names[] = {
  VMFT_STORE_TEMPLATES, VMFT_STORE_NORMAL,     VMFT_STORE_DETECTOR, VMFT_STORE_ANSWERS,
  VMFT_STORE_ALARMS,    VMFT_STORE_INCIDENTS,  VMFT_STORE_LEADS,    VMFT_STORE_FORECASTS,
  VMFT_STORE_PLANS,     VMFT_STORE_MIGRATIONS, VMFT_STORE_CURSORS,  VMFT_STORE_SETTINGS,
};

/* Those whose records belong to incidents, and how to find the incident in the record's text. The index is on this very
 * expression; text that is no JSON has none. */
static const char *const tables_of_incidents[] = { VMFT_STORE_ALARMS, VMFT_STORE_PLANS,
                                                   VMFT_STORE_MIGRATIONS };

#define INCIDENT_OF_RECORD "(CASE WHEN json_valid (record) THEN json_extract (record, '$.incident_id') END)"

typedef enum
{
  OP_PUT,
  OP_REMOVE,
  OP_GET,
  OP_LAST,
  OP_COUNT_LIMIT,
  OP_OLDEST,
  N_OPS,
} Op;

static const char *const op_sql[N_OPS] = {
  [OP_PUT] = "INSERT INTO %1$s (key, time_us, record) VALUES (?1, ?2, ?3) "
             "ON CONFLICT (key) DO UPDATE SET time_us = ?2, record = ?3",
  [OP_REMOVE] = "DELETE FROM %1$s WHERE key = ?1",
  [OP_GET] = "SELECT record FROM %1$s WHERE key = ?1",
  [OP_LAST] = "SELECT max(key) FROM %1$s",
  [OP_COUNT_LIMIT] = "DELETE FROM %1$s WHERE key IN "
                     "(SELECT key FROM %1$s ORDER BY time_us DESC, key DESC LIMIT -1 OFFSET ?1) AND %2$s",
  /* the largest key stays, so that a number is never given twice */
  [OP_OLDEST] = "DELETE FROM %1$s WHERE time_us < ?1 AND key < (SELECT max(key) FROM %1$s) AND %2$s",
};

/* An incident that is open is no history yet, however long its fault has been silent. */
static const char *
may_be_trimmed (const char *table)
{
  if (strcmp (table, VMFT_STORE_INCIDENTS) != 0)
    return "1";
  /* one that cannot be read goes with its time, and keeps no other from going */
  return "CASE WHEN json_valid (record) THEN json_extract (record, '$.state') = 'cleared' ELSE 1 END";
}

struct _VmftSqliteStore
{
  GObject parent;

  char *path;
  char *set_aside; /* (nullable) */
  sqlite3 *db;
  sqlite3_stmt *statements[G_N_ELEMENTS (table_names)][N_OPS]; /* prepared when first used */
  gboolean in_transaction;
  gboolean spoiled;                             /* SQLite rolled the open transaction back by itself */
  guint unreadable[G_N_ELEMENTS (table_names)]; /* records warned of */
  gboolean checkpointing;
};

static void vmft_sqlite_store_iface_init (VmftStoreInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftSqliteStore,
                               vmft_sqlite_store,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_STORE, vmft_sqlite_store_iface_init))

static gboolean
is_corruption (int code)
{
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

static gboolean
fail (VmftSqliteStore *self, int code, const char *what, GError **error)
{
  g_set_error (error, VMFT_ERROR, is_corruption (code) ? VMFT_ERROR_CORRUPT : VMFT_ERROR_FAILED, "%s: %s: %s",
               self->path, what, self->db ? sqlite3_errmsg (self->db) : sqlite3_errstr (code));
  return FALSE;
}

static gboolean
execute (VmftSqliteStore *self, const char *sql, const char *what, GError **error)
{
  int code = sqlite3_exec (self->db, sql, NULL, NULL, NULL);

  return code == SQLITE_OK || fail (self, code, what, error);
}

static gboolean
read_pragma (VmftSqliteStore *self, const char *sql, char **text, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  int code = sqlite3_prepare_v2 (self->db, sql, -1, &statement, NULL);

  if (code == SQLITE_OK)
    code = sqlite3_step (statement);
  if (code != SQLITE_ROW)
    return fail (self, code, sql, error);
  *text = g_strdup ((const char *) sqlite3_column_text (statement, 0));
  return TRUE;
}

/* --- opening --- */

static gboolean
create_tables (VmftSqliteStore *self, GError **error)
{
  g_autoptr (GString) sql = g_string_new ("BEGIN IMMEDIATE;");

  for (guint i = 0; i < G_N_ELEMENTS (table_names); i++)
    g_string_append_printf (sql,
                            "CREATE TABLE IF NOT EXISTS %1$s "
                            "(key TEXT NOT NULL PRIMARY KEY, time_us INTEGER NOT NULL, record TEXT NOT NULL);"
                            "CREATE INDEX IF NOT EXISTS %1$s_time ON %1$s (time_us);",
                            table_names[i]);
  g_string_append_printf (sql, "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT;",
                          SCHEMA_VERSION, APPLICATION_ID);
  return execute (self, sql->str, "cannot create the tables", error);
}

/* Made on every start, as a database of an older vmftd has none. One that cannot be made now (a full disk) costs time. */
static gboolean
create_indexes (VmftSqliteStore *self, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (tables_of_incidents); i++)
    {
      const char *table = tables_of_incidents[i];
      g_autofree char *sql = g_strdup_printf (
          "CREATE INDEX IF NOT EXISTS %1$s_incident ON %1$s (" INCIDENT_OF_RECORD ", time_us, key)", table);
      g_autoptr (GError) local = NULL;

      if (execute (self, sql, "cannot make an index", &local))
        continue;
      if (g_error_matches (local, VMFT_ERROR, VMFT_ERROR_CORRUPT))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      g_warning ("%s; reading of one incident takes longer", local->message);
    }
  return TRUE;
}

static gboolean
check_integrity (VmftSqliteStore *self, GError **error)
{
  g_autofree char *verdict = NULL;

  if (!read_pragma (self, "PRAGMA quick_check(1)", &verdict, error))
    return FALSE;
  if (g_strcmp0 (verdict, "ok") == 0)
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "%s: %s", self->path, verdict);
  return FALSE;
}

static gboolean
check_schema (VmftSqliteStore *self, GError **error)
{
  g_autofree char *version = NULL;
  gint64 number;

  if (!read_pragma (self, "PRAGMA user_version", &version, error))
    return FALSE;
  number = g_ascii_strtoll (version, NULL, 10);
  if (number > SCHEMA_VERSION)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED,
                   "%s was written by a newer vmftd (schema %" G_GINT64_FORMAT ", this one knows %d)",
                   self->path, number, SCHEMA_VERSION);
      return FALSE;
    }
  return number == SCHEMA_VERSION || create_tables (self, error);
}

static gboolean
open_database (VmftSqliteStore *self, GError **error)
{
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2 (self->path, &self->db, flags, NULL);

  if (code != SQLITE_OK)
    return fail (self, code, "cannot open the database", error);
  sqlite3_extended_result_codes (self->db, 1);
  sqlite3_busy_timeout (self->db, BUSY_TIMEOUT_MS);
  return execute (self,
                  "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;",
                  "cannot use the database", error) &&
         check_integrity (self, error) && check_schema (self, error) && create_indexes (self, error);
}

static void
close_database (VmftSqliteStore *self)
{
  for (guint table = 0; table < G_N_ELEMENTS (table_names); table++)
    for (guint op = 0; op < N_OPS; op++)
      g_clear_pointer (&self->statements[table][op], sqlite3_finalize);
  g_clear_pointer (&self->db, sqlite3_close);
}

static char *
set_aside_name (VmftSqliteStore *self, VmftClock *clock)
{
  g_autoptr (GDateTime) now = g_date_time_new_from_unix_utc (vmft_clock_real_us (clock) / G_USEC_PER_SEC);
  g_autofree char *stamp = g_date_time_format (now, "%Y%m%dT%H%M%SZ");
  g_autofree char *base = g_strdup_printf ("%s.corrupt-%s", self->path, stamp);
  char *name = g_strdup (base);

  for (guint n = 2; g_file_test (name, G_FILE_TEST_EXISTS); n++)
    {
      g_free (name);
      name = g_strdup_printf ("%s.%u", base, n);
    }
  return name;
}

/* The write-ahead log goes with its database: it holds the last good transactions for whoever repairs it. */
static gboolean
set_aside (VmftSqliteStore *self, VmftClock *clock, GError **error)
{
  static const char *const suffixes[] = { "", "-wal", "-shm" };
  g_autofree char *name = set_aside_name (self, clock);

  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *from = g_strconcat (self->path, suffixes[i], NULL);
      g_autofree char *to = g_strconcat (name, suffixes[i], NULL);

      if (g_rename (from, to) != 0 && errno != ENOENT)
        {
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "%s is corrupt and cannot be set aside: %s",
                       self->path, g_strerror (errno));
          return FALSE;
        }
    }
  self->set_aside = g_steal_pointer (&name);
  return TRUE;
}

VmftSqliteStore *
vmft_sqlite_store_new (const char *path, VmftClock *clock, GError **error)
{
  g_autoptr (VmftSqliteStore) self = g_object_new (VMFT_TYPE_SQLITE_STORE, NULL);
  g_autoptr (GError) local = NULL;

  self->path = g_strdup (path);
  if (open_database (self, &local))
    return g_steal_pointer (&self);
  if (!g_error_matches (local, VMFT_ERROR, VMFT_ERROR_CORRUPT))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  close_database (self);
  if (!set_aside (self, clock, error))
    return NULL;
  g_warning ("state database is corrupt (%s); set aside as %s, starting with an empty one", local->message,
             self->set_aside);
  return open_database (self, error) ? g_steal_pointer (&self) : NULL;
}

const char *
vmft_sqlite_store_get_set_aside (VmftSqliteStore *self)
{
  return self->set_aside;
}

void
vmft_sqlite_store_limit_bytes (VmftSqliteStore *self, guint64 bytes)
{
  g_autofree char *page_size = NULL;
  g_autofree char *sql = NULL;
  guint64 size = 0;

  if (read_pragma (self, "PRAGMA page_size", &page_size, NULL))
    size = g_ascii_strtoull (page_size, NULL, 10);
  sql = g_strdup_printf ("PRAGMA max_page_count = %" G_GUINT64_FORMAT, bytes / MAX (size, 512));
  if (!execute (self, sql, "cannot set a limit", NULL))
    g_warning ("%s: cannot limit the size of the database", self->path);
}

/* --- checkpoints --- */

static void
checkpoint_thread (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
  const char *path = task_data;
  sqlite3 *db = NULL;
  int code = sqlite3_open_v2 (path, &db, SQLITE_OPEN_READWRITE, NULL);

  /* a connection that has read nothing yet does not know of the log */
  if (code == SQLITE_OK)
    code = sqlite3_exec (db, "SELECT count (*) FROM sqlite_master", NULL, NULL, NULL);
  if (code == SQLITE_OK)
    code = sqlite3_wal_checkpoint_v2 (db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  if (code != SQLITE_OK && code != SQLITE_BUSY)
    g_warning ("%s: cannot write the log back: %s", path, sqlite3_errstr (code));
  sqlite3_close (db);
  g_task_return_boolean (task, TRUE);
}

static void
on_checkpoint (GObject *object, GAsyncResult *result, gpointer user_data)
{
  VMFT_SQLITE_STORE (object)->checkpointing = FALSE;
}

void
vmft_sqlite_store_checkpoint (VmftSqliteStore *self)
{
  g_autofree char *log = g_strconcat (self->path, "-wal", NULL);
  g_autoptr (GTask) task = NULL;
  GStatBuf st;

  if (self->checkpointing || g_stat (log, &st) != 0 || st.st_size < CHECKPOINT_SIZE)
    return;
  self->checkpointing = TRUE;
  task = g_task_new (self, NULL, on_checkpoint, NULL);
  g_task_set_task_data (task, g_strdup (self->path), g_free);
  g_task_run_in_thread (task, checkpoint_thread);
}

/* --- statements --- */

static gboolean
find_table (const char *table, guint *index, GError **error)
{
  for (*index = 0; *index < G_N_ELEMENTS (table_names); ++*index)
    if (strcmp (table_names[*index], table) == 0)
      return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "the store has no table \"%s\"", table);
  return FALSE;
}

static sqlite3_stmt *
get_statement (VmftSqliteStore *self, const char *table, Op op, GError **error)
{
  g_autofree char *sql = NULL;
  guint index;
  int code;

  if (!find_table (table, &index, error))
    return NULL;
  if (self->statements[index][op] != NULL)
    return self->statements[index][op];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  sql = g_strdup_printf (op_sql[op], table_names[index], may_be_trimmed (table));
#pragma GCC diagnostic pop
  code =
      sqlite3_prepare_v3 (self->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &self->statements[index][op], NULL);
  if (code != SQLITE_OK)
    fail (self, code, sql, error);
  return self->statements[index][op];
}

/* A full disk or an I/O error may end the whole transaction inside SQLite. What follows in it must then fail
 * as well, or it would become durable line by line. */
static gboolean
run (VmftSqliteStore *self, sqlite3_stmt *statement, const char *what, GError **error)
{
  int code;

  if (self->spoiled)
    {
      sqlite3_clear_bindings (statement);
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED, "%s: the transaction was given up after an error",
                   self->path);
      return FALSE;
    }
  code = sqlite3_step (statement);
  if (code != SQLITE_DONE)
    fail (self, code, what, error);
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  self->spoiled = self->in_transaction && sqlite3_get_autocommit (self->db);
  return code == SQLITE_DONE;
}

/* --- VmftStore --- */

static gboolean
vmft_sqlite_store_begin (VmftStore *store, GError **error)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);

  g_return_val_if_fail (!self->in_transaction, FALSE);
  if (!execute (self, "BEGIN IMMEDIATE", "cannot begin a transaction", error))
    return FALSE;
  self->in_transaction = TRUE;
  return TRUE;
}

static void
vmft_sqlite_store_rollback (VmftStore *store)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);

  if (!sqlite3_get_autocommit (self->db) && !execute (self, "ROLLBACK", "cannot roll back", NULL))
    g_warning ("%s: cannot roll back: %s", self->path, sqlite3_errmsg (self->db));
  self->in_transaction = FALSE;
  self->spoiled = FALSE;
}

static gboolean
vmft_sqlite_store_commit (VmftStore *store, GError **error)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);
  gboolean done;

  g_return_val_if_fail (self->in_transaction, FALSE);
  if (self->spoiled)
    done = fail (self, SQLITE_ERROR, "the transaction was given up after an error", error);
  else
    done = execute (self, "COMMIT", "cannot commit", error);
  if (!done)
    vmft_sqlite_store_rollback (store);
  self->in_transaction = FALSE;
  return done;
}

static gboolean
vmft_sqlite_store_put (VmftStore *store,
                       const char *table,
                       const char *key,
                       VmftTime time_us,
                       GVariant *record,
                       GError **error)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);
  sqlite3_stmt *statement = get_statement (self, table, OP_PUT, error);
  g_autofree char *json = NULL;

  if (statement == NULL)
    return FALSE;
  json = vmft_json_from_variant (record, FALSE);
  sqlite3_bind_text (statement, 1, key, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (statement, 2, time_us);
  sqlite3_bind_text (statement, 3, json, -1, SQLITE_STATIC);
  return run (self, statement, "cannot write a record", error);
}

static gboolean
vmft_sqlite_store_remove (VmftStore *store, const char *table, const char *key, GError **error)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);
  sqlite3_stmt *statement = get_statement (self, table, OP_REMOVE, error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_text (statement, 1, key, -1, SQLITE_STATIC);
  return run (self, statement, "cannot remove a record", error);
}

static GVariant *
parse_record (VmftSqliteStore *self, const char *table, const char *key, const char *json, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GVariant) record = vmft_json_to_variant (json ? json : "", &local);

  if (record != NULL && g_variant_is_of_type (record, G_VARIANT_TYPE_VARDICT))
    return g_steal_pointer (&record);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "%s: record %s of %s: %s", self->path, key, table,
               local ? local->message : "not a JSON object");
  return NULL;
}

static GVariant *
vmft_sqlite_store_get (VmftStore *store, const char *table, const char *key, GError **error)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);
  sqlite3_stmt *statement = get_statement (self, table, OP_GET, error);
  GVariant *record = NULL;
  int code;

  if (statement == NULL)
    return NULL;
  sqlite3_bind_text (statement, 1, key, -1, SQLITE_STATIC);
  code = sqlite3_step (statement);
  if (code == SQLITE_ROW)
    record = parse_record (self, table, key, (const char *) sqlite3_column_text (statement, 0), error);
  else if (code != SQLITE_DONE)
    fail (self, code, "cannot read a record", error);
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return record;
}

/* What a walk could not read. */
typedef struct
{
  guint n;
  GError *first;
} Unreadable;

static void
note_unreadable (Unreadable *unreadable, GError *error)
{
  unreadable->n++;
  if (unreadable->first == NULL)
    unreadable->first = error;
  else
    g_error_free (error);
}

/* Once a table, and again only when there are more: some tables are walked every minute. */
static void
report_unreadable (VmftSqliteStore *self, guint table, Unreadable *unreadable)
{
  if (unreadable->n > self->unreadable[table])
    {
      self->unreadable[table] = unreadable->n;
      g_warning ("table %s: %u unreadable record%s left out (%s)", table_names[table], unreadable->n,
                 unreadable->n == 1 ? "" : "s", unreadable->first->message);
    }
  g_clear_error (&unreadable->first);
}

/* @limit is not SQL's: a record that cannot be read must not take the place of one that can. */
static gboolean
walk (VmftSqliteStore *self,
      sqlite3_stmt *statement,
      guint table,
      guint limit,
      VmftStoreFunc func,
      gpointer user_data,
      GError **error)
{
  Unreadable unreadable = { 0 };
  gboolean go_on = TRUE;
  int code = SQLITE_DONE;
  guint n = 0;

  while (go_on && (limit == 0 || n < limit) && (code = sqlite3_step (statement)) == SQLITE_ROW)
    {
      g_autofree char *key = g_strdup ((const char *) sqlite3_column_text (statement, 0));
      const char *json = (const char *) sqlite3_column_text (statement, 2);
      GError *local = NULL;
      g_autoptr (GVariant) record = parse_record (self, table_names[table], key, json, &local);

      if (record == NULL)
        {
          note_unreadable (&unreadable, local);
          continue;
        }
      n++;
      go_on = func (key, sqlite3_column_int64 (statement, 1), record, user_data);
    }
  report_unreadable (self, table, &unreadable);
  return code == SQLITE_DONE || code == SQLITE_ROW || fail (self, code, "cannot read a table", error);
}

/* Not a cached statement: a callback may well walk another table, or this one, meanwhile. */
static gboolean
vmft_sqlite_store_foreach (VmftStore *store,
                           const char *table,
                           VmftStoreOrder order,
                           guint limit,
                           VmftStoreFunc func,
                           gpointer user_data,
                           GError **error)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);
  const char *order_sql = order == VMFT_STORE_BY_KEY ? "key" : "time_us DESC, key DESC";
  g_autoptr (sqlite3_stmt) statement = NULL;
  g_autofree char *sql = NULL;
  guint index;
  int code;

  if (!find_table (table, &index, error))
    return FALSE;
  sql = g_strdup_printf ("SELECT key, time_us, record FROM %s ORDER BY %s", table_names[index], order_sql);
  code = sqlite3_prepare_v2 (self->db, sql, -1, &statement, NULL);
  if (code != SQLITE_OK)
    return fail (self, code, sql, error);
  return walk (self, statement, index, limit, func, user_data, error);
}

static gboolean
vmft_sqlite_store_foreach_of_incident (VmftStore *store,
                                       const char *table,
                                       guint64 incident_id,
                                       VmftStoreFunc func,
                                       gpointer user_data,
                                       GError **error)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);
  g_autoptr (sqlite3_stmt) statement = NULL;
  g_autofree char *sql = NULL;
  guint index;
  int code;

  if (!find_table (table, &index, error))
    return FALSE;
  sql = g_strdup_printf ("SELECT key, time_us, record FROM %s WHERE " INCIDENT_OF_RECORD
                         " = ?1 ORDER BY time_us DESC, key DESC",
                         table_names[index]);
  code = sqlite3_prepare_v2 (self->db, sql, -1, &statement, NULL);
  if (code != SQLITE_OK)
    return fail (self, code, sql, error);
  sqlite3_bind_int64 (statement, 1, (gint64) incident_id);
  return walk (self, statement, index, 0, func, user_data, error);
}

static guint64
vmft_sqlite_store_last_id (VmftStore *store, const char *table)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (store);
  g_autoptr (GError) error = NULL;
  sqlite3_stmt *statement = get_statement (self, table, OP_LAST, &error);
  guint64 id = 0;

  if (statement != NULL && sqlite3_step (statement) == SQLITE_ROW)
    {
      const char *key = (const char *) sqlite3_column_text (statement, 0);

      id = key ? g_ascii_strtoull (key, NULL, 10) : 0;
    }
  if (statement != NULL)
    sqlite3_reset (statement);
  if (error != NULL)
    g_warning ("%s", error->message);
  return id;
}

gboolean
vmft_sqlite_store_trim (VmftSqliteStore *self,
                        const char *table,
                        guint max_records,
                        VmftTime oldest_us,
                        GError **error)
{
  const struct
  {
    Op op;
    gint64 limit;
  } rules[] = { { OP_COUNT_LIMIT, max_records }, { OP_OLDEST, oldest_us } };

  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      sqlite3_stmt *statement = get_statement (self, table, rules[i].op, error);

      if (statement == NULL)
        return FALSE;
      if (rules[i].limit == 0)
        continue;
      sqlite3_bind_int64 (statement, 1, rules[i].limit);
      if (!run (self, statement, "cannot trim a table", error))
        return FALSE;
    }
  return TRUE;
}

static void
vmft_sqlite_store_iface_init (VmftStoreInterface *iface)
{
  iface->begin = vmft_sqlite_store_begin;
  iface->commit = vmft_sqlite_store_commit;
  iface->rollback = vmft_sqlite_store_rollback;
  iface->put = vmft_sqlite_store_put;
  iface->remove = vmft_sqlite_store_remove;
  iface->foreach = vmft_sqlite_store_foreach;
  iface->foreach_of_incident = vmft_sqlite_store_foreach_of_incident;
  iface->get = vmft_sqlite_store_get;
  iface->last_id = vmft_sqlite_store_last_id;
}

static void
vmft_sqlite_store_finalize (GObject *object)
{
  VmftSqliteStore *self = VMFT_SQLITE_STORE (object);

  close_database (self);
  g_free (self->path);
  g_free (self->set_aside);
  G_OBJECT_CLASS (vmft_sqlite_store_parent_class)->finalize (object);
}

static void
vmft_sqlite_store_class_init (VmftSqliteStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_sqlite_store_finalize;
}

static void
vmft_sqlite_store_init (VmftSqliteStore *self)
{
}
