/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-journal-source.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <systemd/sd-journal.h>

#define LOOK_MS       1000 /* inotify wakes us; this covers what it cannot see, and a journal not there yet */
#define BATCH_ENTRIES 512
#define BATCH_BYTES   (512 * 1024)
#define MAX_FIELD     (64 * 1024)

/* The order of VmftJournalFields after its first member. */
static const char *const field_names[] = {
  "MESSAGE",
  "_TRANSPORT",
  "_HOSTNAME",
  "SYSLOG_IDENTIFIER",
  "_COMM",
  "_PID",
  "PRIORITY",
  "_SOURCE_REALTIME_TIMESTAMP",
  "_SOURCE_MONOTONIC_TIMESTAMP",
};

#define N_FIELDS G_N_ELEMENTS (field_names)

/* One entry of the batch: where its values lie among the bytes. */
typedef struct
{
  VmftTime realtime_us;
  gsize offsets[N_FIELDS];
  gsize lengths[N_FIELDS];
} Entry;

struct _VmftJournalSource
{
  GObject parent;

  char *name;
  char *label; /* "journal", "journal:DIRECTORY" */
  char *directory;
  char *namespace;
  double backlog_s;
  VmftTrust trust;
  VmftClock *clock;
  VmftStore *store;

  sd_journal *journal;
  guint watch_id;
  guint idle_id;
  guint timer_id;
  gboolean complained;
  gboolean at_unread; /* the journal stands on an entry that has not been read */

  GByteArray *bytes; /* values of the batch */
  GArray *entries;   /* of Entry */
  GArray *lines;     /* of VmftLine */
  char *cursor;      /* of the last entry handed over */

  guint64 n_lines, n_bytes, n_cut, n_bad;
};

static void vmft_journal_source_iface_init (VmftSourceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftJournalSource,
                               vmft_journal_source,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_SOURCE, vmft_journal_source_iface_init))

/* --- entries --- */

static void
add_value (VmftJournalSource *self, Entry *entry, guint field)
{
  gsize prefix = strlen (field_names[field]) + 1;
  const void *data = NULL;
  size_t length = 0;

  entry->offsets[field] = self->bytes->len;
  if (sd_journal_get_data (self->journal, field_names[field], &data, &length) < 0 || length < prefix)
    return;
  entry->lengths[field] = MIN (length - prefix, (gsize) MAX_FIELD);
  self->n_cut += length - prefix > MAX_FIELD || (field == 0 && length == MAX_FIELD);
  g_byte_array_append (self->bytes, (const guint8 *) data + prefix, (guint) entry->lengths[field]);
}

static void
add_entry (VmftJournalSource *self)
{
  Entry entry = { 0 };
  guint64 realtime_us = 0;

  if (sd_journal_get_realtime_usec (self->journal, &realtime_us) >= 0)
    entry.realtime_us = (VmftTime) realtime_us;
  for (guint i = 0; i < N_FIELDS; i++)
    add_value (self, &entry, i);
  g_array_append_val (self->entries, entry);
}

static VmftSlice
get_value (VmftJournalSource *self, const Entry *entry, guint field)
{
  return (VmftSlice){ (const char *) self->bytes->data + entry->offsets[field], entry->lengths[field] };
}

static void
split_entry (VmftJournalSource *self, const Entry *entry, VmftTime now_us)
{
  VmftJournalFields fields = { .realtime_us = entry->realtime_us,
                               .message = get_value (self, entry, 0),
                               .transport = get_value (self, entry, 1),
                               .hostname = get_value (self, entry, 2),
                               .identifier = get_value (self, entry, 3),
                               .comm = get_value (self, entry, 4),
                               .pid = get_value (self, entry, 5),
                               .priority = get_value (self, entry, 6),
                               .source_realtime_timestamp = get_value (self, entry, 7),
                               .source_monotonic_timestamp = get_value (self, entry, 8) };
  VmftLine line;

  if (fields.message.length == 0)
    return;
  vmft_line_from_journal (&line, &fields, now_us);
  line.trust = MIN (line.trust, self->trust);
  self->n_lines++;
  self->n_bytes += fields.message.length;
  g_array_append_val (self->lines, line);
}

static void
hand_over (VmftJournalSource *self)
{
  VmftTime now_us = vmft_clock_real_us (self->clock);
  g_autoptr (GVariant) cursor = NULL;
  VmftBatch batch = { .source = self->label, .cursor_key = self->name };
  GVariantDict dict;

  g_array_set_size (self->lines, 0);
  for (guint i = 0; i < self->entries->len; i++)
    split_entry (self, &g_array_index (self->entries, Entry, i), now_us);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "cursor", "s", self->cursor);
  cursor = g_variant_ref_sink (g_variant_dict_end (&dict));
  batch.cursor = cursor;
  batch.lines = (const VmftLine *) (gpointer) self->lines->data;
  batch.n_lines = self->lines->len;
  vmft_source_emit_batch (VMFT_SOURCE (self), &batch);
}

/* --- reading --- */

static void
note_trouble (VmftJournalSource *self, const char *what, int failure)
{
  if (!self->complained)
    g_warning ("source %s: %s: %s; trying on", self->name, what, g_strerror (-failure));
  self->complained = TRUE;
}

static void
keep_cursor (VmftJournalSource *self)
{
  char *cursor = NULL;

  if (sd_journal_get_cursor (self->journal, &cursor) < 0)
    return;
  g_free (self->cursor);
  self->cursor = g_strdup (cursor);
  free (cursor); /* sd-journal's, by malloc */
}

/* Returns: whether there may be more. */
static gboolean
read_batch (VmftJournalSource *self)
{
  g_byte_array_set_size (self->bytes, 0);
  g_array_set_size (self->entries, 0);
  while (self->entries->len < BATCH_ENTRIES && self->bytes->len < BATCH_BYTES)
    {
      int found = self->at_unread ? 1 : sd_journal_next (self->journal);

      self->at_unread = FALSE;
      if (found < 0)
        {
          self->n_bad++;
          note_trouble (self, "reading the journal", found);
        }
      if (found <= 0)
        return FALSE;
      add_entry (self);
      keep_cursor (self);
    }
  return TRUE;
}

static gboolean
on_idle (gpointer user_data)
{
  g_autoptr (VmftJournalSource) self = g_object_ref (user_data);
  gboolean more = read_batch (self);

  if (self->entries->len > 0 && self->cursor != NULL)
    hand_over (self);
  if (more)
    return G_SOURCE_CONTINUE;
  self->idle_id = 0;
  return G_SOURCE_REMOVE;
}

/* A batch a turn at default priority, as all sources do. */
static void
wake (VmftJournalSource *self)
{
  if (self->idle_id == 0 && self->journal != NULL)
    self->idle_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, self, NULL);
}

static gboolean
on_change (gint fd, GIOCondition condition, gpointer user_data)
{
  VmftJournalSource *self = user_data;

  if (sd_journal_process (self->journal) != SD_JOURNAL_NOP)
    wake (self);
  return G_SOURCE_CONTINUE;
}

/* --- opening --- */

static int
open_files (VmftJournalSource *self, sd_journal **journal)
{
  if (self->directory != NULL)
    return sd_journal_open_directory (journal, self->directory, 0);
  if (self->namespace != NULL)
    return sd_journal_open_namespace (journal, self->namespace, SD_JOURNAL_LOCAL_ONLY);
  return sd_journal_open (journal, SD_JOURNAL_LOCAL_ONLY);
}

/* Puts the journal before, or on, the first entry to read. */
static void
seek_start (VmftJournalSource *self)
{
  VmftTime now_us = vmft_clock_real_us (self->clock);

  if (self->cursor != NULL && sd_journal_seek_cursor (self->journal, self->cursor) >= 0)
    {
      /* the entry that the cursor names has been seen; where it is gone, this is the one after it */
      self->at_unread =
          sd_journal_next (self->journal) > 0 && sd_journal_test_cursor (self->journal, self->cursor) <= 0;
    }
  else if (self->backlog_s > 0)
    {
      sd_journal_seek_realtime_usec (self->journal,
                                     (guint64) MAX (vmft_time_add_s (now_us, -self->backlog_s), 0));
    }
  else
    {
      sd_journal_seek_tail (self->journal);
      if (sd_journal_previous (self->journal) <= 0)
        sd_journal_seek_head (self->journal); /* of an empty journal */
    }
}

static gboolean
open_journal (VmftJournalSource *self)
{
  sd_journal *journal = NULL;
  int failure = open_files (self, &journal);
  int fd;

  if (failure < 0)
    {
      note_trouble (self, self->directory ? self->directory : "opening the journal", failure);
      return FALSE;
    }
  self->journal = journal;
  sd_journal_set_data_threshold (journal, MAX_FIELD);
  if (self->complained)
    g_message ("source %s: the journal is there", self->name);
  self->complained = FALSE;
  seek_start (self);
  fd = sd_journal_get_fd (journal);
  if (fd >= 0)
    self->watch_id = g_unix_fd_add (fd, G_IO_IN, on_change, self);
  return TRUE;
}

static gboolean
on_look (gpointer user_data)
{
  VmftJournalSource *self = user_data;

  if (self->journal == NULL && !open_journal (self))
    return G_SOURCE_CONTINUE;
  sd_journal_process (self->journal);
  wake (self);
  return G_SOURCE_CONTINUE;
}

/* --- VmftSource --- */

static void
vmft_journal_source_start (VmftSource *source)
{
  VmftJournalSource *self = VMFT_JOURNAL_SOURCE (source);
  g_autoptr (GVariant) cursor = vmft_store_get (self->store, VMFT_STORE_CURSORS, self->name, NULL);

  g_return_if_fail (self->timer_id == 0);
  self->cursor = cursor ? g_strdup (vmft_dict_string (cursor, "cursor")) : NULL;
  self->timer_id = vmft_clock_add_timer (self->clock, LOOK_MS, on_look, self, NULL);
  on_look (self);
}

static GVariant *
vmft_journal_source_describe (VmftSource *source)
{
  VmftJournalSource *self = VMFT_JOURNAL_SOURCE (source);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", self->name);
  g_variant_dict_insert (&dict, "type", "s", "journal");
  g_variant_dict_insert (&dict, "trusted", "b", self->trust == VMFT_TRUST_KERNEL);
  g_variant_dict_insert (&dict, "open", "b", self->journal != NULL);
  g_variant_dict_insert (&dict, "lines", "t", self->n_lines);
  g_variant_dict_insert (&dict, "bytes", "t", self->n_bytes);
  g_variant_dict_insert (&dict, "cut_lines", "t", self->n_cut);
  g_variant_dict_insert (&dict, "errors", "t", self->n_bad);
  return g_variant_dict_end (&dict);
}

static void
vmft_journal_source_iface_init (VmftSourceInterface *iface)
{
  iface->start = vmft_journal_source_start;
  iface->describe = vmft_journal_source_describe;
}

static void
vmft_journal_source_finalize (GObject *object)
{
  VmftJournalSource *self = VMFT_JOURNAL_SOURCE (object);

  vmft_clear_timer (self->clock, &self->timer_id);
  g_clear_handle_id (&self->watch_id, g_source_remove);
  g_clear_handle_id (&self->idle_id, g_source_remove);
  g_clear_pointer (&self->journal, sd_journal_close);
  g_byte_array_unref (self->bytes);
  g_array_unref (self->entries);
  g_array_unref (self->lines);
  g_object_unref (self->clock);
  g_object_unref (self->store);
  g_free (self->cursor);
  g_free (self->directory);
  g_free (self->namespace);
  g_free (self->label);
  g_free (self->name);
  G_OBJECT_CLASS (vmft_journal_source_parent_class)->finalize (object);
}

static void
vmft_journal_source_class_init (VmftJournalSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_journal_source_finalize;
}

static void
vmft_journal_source_init (VmftJournalSource *self)
{
  self->bytes = g_byte_array_new ();
  self->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  self->lines = g_array_new (FALSE, FALSE, sizeof (VmftLine));
}

VmftSource *
vmft_journal_source_new (const char *name,
                         const VmftJournalConfig *config,
                         VmftClock *clock,
                         VmftStore *store)
{
  VmftJournalSource *self = g_object_new (VMFT_TYPE_JOURNAL_SOURCE, NULL);
  const char *place = config->directory ? config->directory : config->namespace;

  self->name = g_strdup (name);
  self->directory = g_strdup (config->directory);
  self->namespace = g_strdup (config->namespace);
  self->label = place ? g_strconcat ("journal:", place, NULL) : g_strdup ("journal");
  self->backlog_s = config->backlog_s;
  self->trust = config->trust;
  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  return VMFT_SOURCE (self);
}
