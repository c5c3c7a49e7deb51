/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-sqlite-store.h"

#include "vmft-detector.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  char *dir;
  char *path;
  VmftClock *clock;
} Fixture;

/* Every warning so far: they are part of what an operator is promised. */
static GString *
warnings (void)
{
  static GString *said = NULL;

  if (said == NULL)
    said = g_string_new (NULL);
  return said;
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (level & G_LOG_LEVEL_WARNING)
    for (gsize i = 0; i < n_fields; i++)
      if (strcmp (fields[i].key, "MESSAGE") == 0)
        g_string_append_printf (warnings (), "%s\n", (const char *) fields[i].value);
  return g_log_writer_default (level, fields, n_fields, user_data);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-store-XXXXXX", &error);
  g_assert_no_error (error);
  f->path = g_build_filename (f->dir, "vmft.db", NULL);
  f->clock = vmft_fake_clock_new (G_GINT64_CONSTANT (1790000000) * G_USEC_PER_SEC);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->dir, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_assert_cmpint (g_unlink (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (f->dir), ==, 0);
  g_free (f->path);
  g_free (f->dir);
  g_object_unref (f->clock);
}

static VmftStore *
open_store (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  VmftSqliteStore *store = vmft_sqlite_store_new (f->path, f->clock, &error);

  g_assert_no_error (error);
  return VMFT_STORE (store);
}

static GVariant *
record (const char *text, gint64 number)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "text", "s", text);
  g_variant_dict_insert (&dict, "number", "x", number);
  return g_variant_dict_end (&dict);
}

static void
put (VmftStore *store, const char *table, guint64 id, VmftTime time_us)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_store_put_id (store, table, id, time_us, record ("r", (gint64) id), &error));
  g_assert_no_error (error);
}

static gboolean
collect (const char *key, VmftTime time_us, GVariant *value, gpointer user_data)
{
  g_string_append_printf (user_data, "%" G_GINT64_FORMAT " ", vmft_dict_int64 (value, "number", -1));
  return TRUE;
}

static char *
list (VmftStore *store, const char *table, VmftStoreOrder order, guint limit)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_store_foreach (store, table, order, limit, collect, text, &error));
  g_assert_no_error (error);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_list (VmftStore *store, const char *table, const char *expected)
{
  g_autofree char *text = list (store, table, VMFT_STORE_BY_KEY, 0);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_survives_reopening (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = open_store (f);
  g_autoptr (GVariant) back = NULL;
  g_autofree char *newest = NULL;

  put (store, VMFT_STORE_ALARMS, 9, 300);
  put (store, VMFT_STORE_ALARMS, 10, 100);
  put (store, VMFT_STORE_PLANS, 1, 100);
  g_assert_true (
      vmft_store_put (store, VMFT_STORE_CURSORS, "it's", 1, record ("caf\xc3\xa9 \"x\"", -4), &error));
  g_assert_true (vmft_store_remove (store, VMFT_STORE_PLANS, "no such key", &error));
  g_clear_object (&store);

  store = open_store (f);
  assert_list (store, VMFT_STORE_ALARMS, "9 10 ");
  newest = list (store, VMFT_STORE_ALARMS, VMFT_STORE_NEWEST_FIRST, 1);
  g_assert_cmpstr (newest, ==, "9 ");
  g_assert_cmpuint (vmft_store_last_id (store, VMFT_STORE_ALARMS), ==, 10);
  g_assert_cmpuint (vmft_store_last_id (store, VMFT_STORE_LEADS), ==, 0);
  back = vmft_store_get (store, VMFT_STORE_CURSORS, "it's", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (vmft_dict_string (back, "text"), ==, "caf\xc3\xa9 \"x\"");
  g_assert_null (vmft_store_get (store, VMFT_STORE_CURSORS, "absent", &error));
  g_assert_no_error (error);
  g_assert_null (vmft_sqlite_store_get_set_aside (VMFT_SQLITE_STORE (store)));
}

static void
test_transactions (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = open_store (f);

  g_assert_true (vmft_store_begin (store, &error));
  put (store, VMFT_STORE_ALARMS, 1, 1);
  vmft_store_rollback (store);
  assert_list (store, VMFT_STORE_ALARMS, "");

  g_assert_true (vmft_store_begin (store, &error));
  put (store, VMFT_STORE_ALARMS, 2, 1);
  g_assert_true (vmft_store_commit (store, &error));
  assert_list (store, VMFT_STORE_ALARMS, "2 ");
  g_assert_false (vmft_store_put (store, "nonsense; DROP TABLE alarms", "k", 1, record ("", 0), &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_assert_false (vmft_store_foreach (store, "nonsense", VMFT_STORE_BY_KEY, 0, collect, NULL, NULL));
}

/* The child dies by SIGKILL inside its second transaction: the first one is there, the second is not at all. */
static void
test_killed_in_transaction (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftStore) store = NULL;
  int status = 0;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      g_autoptr (VmftSqliteStore) mine = vmft_sqlite_store_new (f->path, f->clock, NULL);
      VmftStore *s = VMFT_STORE (mine);
      gboolean ok = vmft_store_begin (s, NULL);

      for (guint64 id = 1; id <= 3; id++)
        ok = ok && vmft_store_put_id (s, VMFT_STORE_ALARMS, id, 1, record ("", (gint64) id), NULL);
      ok = ok && vmft_store_commit (s, NULL) && vmft_store_begin (s, NULL);
      for (guint64 id = 4; id <= 5000; id++)
        ok = ok && vmft_store_put_id (s, VMFT_STORE_ALARMS, id, 1, record ("a long text", (gint64) id), NULL);
      if (ok)
        kill (getpid (), SIGKILL);
      _exit (1);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);

  store = open_store (f);
  assert_list (store, VMFT_STORE_ALARMS, "1 2 3 ");
  put (store, VMFT_STORE_ALARMS, 4, 1);
  assert_list (store, VMFT_STORE_ALARMS, "1 2 3 4 ");
}

static void
assert_starts_anew (Fixture *f)
{
  g_autoptr (VmftStore) store = NULL;
  const char *aside;

  store = open_store (f);
  aside = vmft_sqlite_store_get_set_aside (VMFT_SQLITE_STORE (store));
  g_assert_nonnull (aside);
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
  assert_list (store, VMFT_STORE_ALARMS, "");
  put (store, VMFT_STORE_ALARMS, 1, 1);
}

static void
test_corrupt_file (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = NULL;
  g_autofree char *bytes = NULL;
  gsize length = 0;

  g_assert_true (
      g_file_set_contents (f->path, "this is no database, it is a letter to the operator", -1, &error));
  assert_starts_anew (f);

  store = open_store (f);
  for (guint64 id = 2; id < 400; id++)
    put (store, VMFT_STORE_ALARMS, id, 1);
  g_clear_object (&store);
  g_assert_true (g_file_get_contents (f->path, &bytes, &length, &error));
  memset (bytes + 8192, 0xa5, length - 8192);
  g_assert_true (g_file_set_contents (f->path, bytes, (gssize) length, &error));
  assert_starts_anew (f);
}

/* Changes the database behind the store's back. */
static void
damage (Fixture *f, const char *sql)
{
  sqlite3 *db = NULL;

  g_assert_cmpint (sqlite3_open (f->path, &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_changes (db), >, 0);
  sqlite3_close (db);
}

static void
test_unreadable_records (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = open_store (f);
  g_autofree char *newest = NULL;

  for (guint64 id = 1; id <= 5; id++)
    put (store, VMFT_STORE_ALARMS, id, (VmftTime) id);
  damage (f, "UPDATE alarms SET record = '{' WHERE key LIKE '%5'");
  damage (f, "UPDATE alarms SET record = '[1]' WHERE key LIKE '%2'");
  g_string_truncate (warnings (), 0);
  assert_list (store, VMFT_STORE_ALARMS, "1 3 4 ");
  g_assert_true (g_str_has_prefix (warnings ()->str, "table alarms: 2 unreadable records left out ("));

  /* said once; and an unreadable record takes no other's place */
  g_string_truncate (warnings (), 0);
  newest = list (store, VMFT_STORE_ALARMS, VMFT_STORE_NEWEST_FIRST, 2);
  g_assert_cmpstr (newest, ==, "4 3 ");
  g_assert_cmpstr (warnings ()->str, ==, "");

  g_assert_cmpuint (vmft_store_last_id (store, VMFT_STORE_ALARMS), ==, 5);
  g_assert_null (vmft_store_get_id (store, VMFT_STORE_ALARMS, 2, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT);
  g_clear_error (&error);
  put (store, VMFT_STORE_ALARMS, 2, 2);
  assert_list (store, VMFT_STORE_ALARMS, "1 2 3 4 ");
}

static void
test_unreadable_incident_is_trimmed (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = open_store (f);

  for (guint64 id = 1; id <= 3; id++)
    put (store, VMFT_STORE_INCIDENTS, id, (VmftTime) id);
  damage (f, "UPDATE incidents SET record = '{' WHERE key LIKE '%2'");
  g_assert_true (vmft_sqlite_store_trim (VMFT_SQLITE_STORE (store), VMFT_STORE_INCIDENTS, 0, 100, &error));
  g_assert_no_error (error);
  g_string_truncate (warnings (), 0);
  assert_list (store, VMFT_STORE_INCIDENTS, "1 3 ");
  g_assert_cmpstr (warnings ()->str, ==, "");
}

static char *
list_of (VmftStore *store, const char *table, guint64 incident_id)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_store_foreach_of_incident (store, table, incident_id, collect, text, &error));
  g_assert_no_error (error);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
put_of (VmftStore *store, const char *table, guint64 id, guint64 incident_id, VmftTime time_us)
{
  g_autoptr (GError) error = NULL;
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "number", "x", (gint64) id);
  g_variant_dict_insert (&dict, "incident_id", "t", incident_id);
  g_assert_true (vmft_store_put_id (store, table, id, time_us, g_variant_dict_end (&dict), &error));
  g_assert_no_error (error);
}

static void
fill_incidents (VmftStore *store)
{
  static const char *const tables[] = { VMFT_STORE_ALARMS, VMFT_STORE_PLANS, VMFT_STORE_MIGRATIONS };

  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    {
      for (guint64 id = 1; id <= 9; id++)
        put_of (store, tables[i], id, id % 3 + 1, id == 2 ? 100 : (VmftTime) (id / 4));
      put_of (store, tables[i], 4, 3, 50); /* another's now */
      put (store, tables[i], 10, 1);       /* nobody's */
    }
}

/* Both stores say the same of an incident, and the one on disk also when it was written without its index. */
static void
test_of_incident (Fixture *f, gconstpointer data)
{
  static const char *const tables[] = { VMFT_STORE_ALARMS, VMFT_STORE_PLANS, VMFT_STORE_MIGRATIONS };
  static const char *const expected[] = { "", "9 6 3 ", "7 1 ", "2 4 8 5 ", "" };
  g_autoptr (VmftStore) store = open_store (f);
  g_autoptr (VmftStore) memory = vmft_memory_store_new ();

  fill_incidents (store);
  fill_incidents (memory);
  damage (f, "DROP INDEX alarms_incident; UPDATE alarms SET record = record");
  g_clear_object (&store);
  store = open_store (f);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    for (guint64 incident_id = 1; incident_id < G_N_ELEMENTS (expected); incident_id++)
      {
        g_autofree char *kept = list_of (store, tables[i], incident_id);
        g_autofree char *held = list_of (memory, tables[i], incident_id);

        g_assert_cmpstr (kept, ==, expected[incident_id]);
        g_assert_cmpstr (held, ==, expected[incident_id]);
      }
  g_assert_false (vmft_store_foreach_of_incident (store, "nonsense", 1, collect, NULL, NULL));
}

/* What is of other incidents is not parsed: that would warn here. */
static void
test_of_incident_alone (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftStore) store = open_store (f);
  g_autofree char *kept = NULL;

  fill_incidents (store);
  damage (f, "UPDATE alarms SET record = '[1]' WHERE json_extract (record, '$.incident_id') = 1");
  damage (f, "UPDATE alarms SET record = '{' WHERE key LIKE '%7'");
  g_string_truncate (warnings (), 0);
  kept = list_of (store, VMFT_STORE_ALARMS, 3);
  g_assert_cmpstr (kept, ==, "2 4 8 5 ");
  g_assert_cmpstr (warnings ()->str, ==, "");
}

static VmftDetector *
start_detector (Fixture *f, VmftStore *store)
{
  VmftDetectorConfig config = VMFT_DETECTOR_CONFIG_DEFAULT;
  g_autoptr (GError) error = NULL;
  VmftDetector *detector = vmft_detector_new (f->clock, store, &config, &error);

  g_assert_no_error (error);
  return detector;
}

/* Whichever table the damage is in, the detector starts and works. */
static void
test_detector_starts (Fixture *f, gconstpointer data)
{
  static const char *const damages[] = {
    "UPDATE templates SET record = '{' WHERE key = 'cluster/2'",
    "UPDATE templates SET record = '{'",
    "INSERT INTO normal VALUES ('x', 1, '{')",
    "UPDATE detector SET record = '{'",
    "UPDATE incidents SET record = '{'",
  };
  static const char *const lines[] = { "ata1.00: failed command: READ FPDMA QUEUED",
                                       "EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls",
                                       "usb 1-1: new high-speed USB device number 4" };
  g_autoptr (VmftStore) store = open_store (f);
  g_autoptr (VmftDetector) detector = start_detector (f, store);
  g_autoptr (GError) error = NULL;

  for (guint round = 0; round <= G_N_ELEMENTS (damages); round++)
    {
      g_assert_true (vmft_store_begin (store, &error));
      for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
        {
          VmftVerdict verdict;
          VmftLine line;

          vmft_line_split (&line, VMFT_LINE_BARE, lines[i], strlen (lines[i]), vmft_clock_real_us (f->clock));
          line.kernel = TRUE;
          line.trust = VMFT_TRUST_KERNEL;
          vmft_detector_feed (detector, &line, "kmsg", &verdict);
        }
      g_assert_true (vmft_detector_flush (detector, &error));
      g_assert_true (vmft_store_commit (store, &error));
      vmft_detector_mark_saved (detector);
      g_clear_object (&detector);
      if (round < G_N_ELEMENTS (damages))
        damage (f, damages[round]);
      detector = start_detector (f, store);
    }
}

static void
test_newer_schema (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftSqliteStore) store = NULL;
  sqlite3 *db = NULL;

  g_assert_cmpint (sqlite3_open (f->path, &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (db, "PRAGMA user_version = 99; CREATE TABLE t (x)", NULL, NULL, NULL), ==,
                   SQLITE_OK);
  sqlite3_close (db);
  store = vmft_sqlite_store_new (f->path, f->clock, &error);
  g_assert_null (store);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "newer vmftd"));
}

static void
test_unusable_directory (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "absent", "vmft.db", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (vmft_sqlite_store_new (path, f->clock, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);

  /* root may write anywhere but on a pseudo file system that has no files to offer */
  g_assert_null (vmft_sqlite_store_new ("/proc/vmft.db", f->clock, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_FAILED);
}

static void
test_full_disk (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = open_store (f);
  g_autofree char *big = g_strnfill (200000, 'x');
  g_autofree char *kept = NULL;
  gboolean failed = FALSE;

  put (store, VMFT_STORE_ALARMS, 1, 1);
  vmft_sqlite_store_limit_bytes (VMFT_SQLITE_STORE (store), 512 * 1024);
  g_assert_true (vmft_store_begin (store, &error));
  for (guint64 id = 2; id < 20; id++)
    failed |= !vmft_store_put_id (store, VMFT_STORE_ALARMS, id, 1, record (big, (gint64) id), NULL);
  g_assert_true (failed);
  if (!vmft_store_commit (store, &error))
    g_clear_error (&error);
  kept = list (store, VMFT_STORE_ALARMS, VMFT_STORE_BY_KEY, 1);
  g_assert_cmpstr (kept, ==, "1 ");

  /* the database stays usable within its limit */
  g_assert_true (vmft_store_begin (store, &error));
  for (guint64 id = 2; id < 20; id++)
    {
      g_autofree char *key = g_strdup_printf ("%020" G_GUINT64_FORMAT, id);

      g_assert_true (vmft_store_remove (store, VMFT_STORE_ALARMS, key, &error));
    }
  put (store, VMFT_STORE_ALARMS, 2, 1);
  g_assert_true (vmft_store_commit (store, &error));
  assert_list (store, VMFT_STORE_ALARMS, "1 2 ");
}

static void
test_retention (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = open_store (f);
  VmftSqliteStore *sqlite = VMFT_SQLITE_STORE (store);

  for (guint64 id = 1; id <= 8; id++)
    put (store, VMFT_STORE_ALARMS, id, (VmftTime) id * 10);
  g_assert_true (vmft_sqlite_store_trim (sqlite, VMFT_STORE_ALARMS, 6, VMFT_TIME_UNKNOWN, &error));
  assert_list (store, VMFT_STORE_ALARMS, "3 4 5 6 7 8 ");
  g_assert_true (vmft_sqlite_store_trim (sqlite, VMFT_STORE_ALARMS, 0, 55, &error));
  assert_list (store, VMFT_STORE_ALARMS, "6 7 8 ");
  g_assert_true (vmft_sqlite_store_trim (sqlite, VMFT_STORE_ALARMS, 0, 1000, &error));
  g_assert_cmpuint (vmft_store_last_id (store, VMFT_STORE_ALARMS), ==, 8);
}

static void
put_incident (VmftStore *store, guint64 id, VmftTime time_us, const char *state)
{
  g_autoptr (GError) error = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "state", "s", state);
  g_variant_dict_insert (&dict, "number", "x", (gint64) id);
  g_assert_true (
      vmft_store_put_id (store, VMFT_STORE_INCIDENTS, id, time_us, g_variant_dict_end (&dict), &error));
  g_assert_no_error (error);
}

/* A degraded array that said so months ago is degraded all the same. */
static void
test_open_incidents_stay (Fixture *f, gconstpointer data)
{
  static const char *const states[] = {
    "cleared", "confirmed", "suspected", "cleared", "cleared", "cleared"
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = open_store (f);
  VmftSqliteStore *sqlite = VMFT_SQLITE_STORE (store);

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    put_incident (store, i + 1, (VmftTime) i * 10, states[i]);
  g_assert_true (vmft_sqlite_store_trim (sqlite, VMFT_STORE_INCIDENTS, 0, 35, &error));
  g_assert_no_error (error);
  assert_list (store, VMFT_STORE_INCIDENTS, "2 3 5 6 ");
  g_assert_true (vmft_sqlite_store_trim (sqlite, VMFT_STORE_INCIDENTS, 1, VMFT_TIME_UNKNOWN, &error));
  g_assert_no_error (error);
  assert_list (store, VMFT_STORE_INCIDENTS, "2 3 6 ");
}

static goffset
size_of (const char *path)
{
  GStatBuf st;

  return g_stat (path, &st) == 0 ? st.st_size : 0;
}

static void
test_checkpoint (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftStore) store = open_store (f);
  g_autofree char *big = g_strnfill (100000, 'x');
  goffset before = size_of (f->path);
  gint64 deadline_us = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  for (guint64 id = 1; id <= 40; id++)
    g_assert_true (vmft_store_put_id (store, VMFT_STORE_ALARMS, id, 1, record (big, (gint64) id), &error));
  g_assert_cmpint (size_of (f->path), ==, before); /* all in the log: nothing waited for the disk */
  vmft_sqlite_store_checkpoint (VMFT_SQLITE_STORE (store));
  put (store, VMFT_STORE_ALARMS, 41, 1); /* goes on meanwhile */
  while (size_of (f->path) < 4000000 && g_get_monotonic_time () < deadline_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  g_assert_cmpint (size_of (f->path), >, 4000000);
  g_assert_cmpuint (vmft_store_last_id (store, VMFT_STORE_ALARMS), ==, 41);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

static void
test_second_writer_waits (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftStore) store = open_store (f);
  g_autoptr (VmftStore) other = open_store (f);

  put (store, VMFT_STORE_ALARMS, 1, 1);
  put (other, VMFT_STORE_ALARMS, 2, 1);
  assert_list (store, VMFT_STORE_ALARMS, "1 2 ");
}

#define ADD(path, func) g_test_add ("/sqlite-store/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* setting a database aside warns */
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("survives-reopening", test_survives_reopening);
  ADD ("transactions", test_transactions);
  ADD ("killed-in-transaction", test_killed_in_transaction);
  ADD ("corrupt-file", test_corrupt_file);
  ADD ("unreadable-records", test_unreadable_records);
  ADD ("unreadable-incident-is-trimmed", test_unreadable_incident_is_trimmed);
  ADD ("of-incident", test_of_incident);
  ADD ("of-incident-alone", test_of_incident_alone);
  ADD ("detector-starts", test_detector_starts);
  ADD ("newer-schema", test_newer_schema);
  ADD ("unusable-directory", test_unusable_directory);
  ADD ("full-disk", test_full_disk);
  ADD ("retention", test_retention);
  ADD ("open-incidents-stay", test_open_incidents_stay);
  ADD ("checkpoint", test_checkpoint);
  ADD ("second-writer", test_second_writer_waits);
  return g_test_run ();
}
