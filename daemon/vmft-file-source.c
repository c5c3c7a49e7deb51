/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-file-source.h"

#include "vmft-tail.h"

#include <errno.h>
#include <glib-unix.h>
#include <glob.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOOK_MS      1000
#define LINGER_US    (30 * G_USEC_PER_SEC)
#define FILE_EVENTS  (IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF)
#define DIR_EVENTS   (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)
#define EVENT_BUFFER 16384

/* One inode being read. */
typedef struct
{
  VmftTail *tail;
  gint64 last_read_us; /* monotonic: when it last gave a byte */
  gboolean replaced;   /* its name belongs to another file now, or to none */
} Reader;

/* One name being followed: the file that has it now, and those that had it and may still be written to. */
typedef struct
{
  VmftFileSource *source;
  char *path;
  char *label;        /* "file:PATH" */
  char *cursor_key;   /* "NAME:PATH" */
  char *stem;         /* the file's name without its ending: libvirt's name of the VM */
  GPtrArray *readers; /* of Reader, oldest first */
  guint idle_id;
  gboolean complained; /* about its absence */
} Followed;

struct _VmftFileSource
{
  GObject parent;

  char *name;
  char **patterns;
  VmftLineFormat format;
  VmftTrust trust;
  VmftClock *clock;
  VmftStore *store;

  GHashTable *followed; /* path -> Followed */
  GArray *slices;       /* of VmftSlice, reused */
  GArray *lines;        /* of VmftLine, reused */
  int inotify_fd;
  guint inotify_id;
  guint timer_id;
  VmftTailStats past; /* of readers that are gone */
};

static void vmft_file_source_iface_init (VmftSourceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftFileSource,
                               vmft_file_source,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_SOURCE, vmft_file_source_iface_init))

static void
add_stats (VmftTailStats *sum, const VmftTailStats *stats)
{
  sum->bytes += stats->bytes;
  sum->lines += stats->lines;
  sum->cut_lines += stats->cut_lines;
  sum->cut_bytes += stats->cut_bytes;
  sum->truncations += stats->truncations;
}

static void
reader_free (Reader *reader)
{
  vmft_tail_free (reader->tail);
  g_free (reader);
}

static void
followed_free (Followed *followed)
{
  g_clear_handle_id (&followed->idle_id, g_source_remove);
  g_ptr_array_unref (followed->readers);
  g_free (followed->path);
  g_free (followed->label);
  g_free (followed->cursor_key);
  g_free (followed->stem);
  g_free (followed);
}

/* --- handing lines over --- */

/* The cursor names every file that still matters, so that a restart finds a rotated one half-way. */
static GVariant *
make_cursor (Followed *followed)
{
  GVariantBuilder files;
  GVariantDict dict;

  g_variant_builder_init (&files, G_VARIANT_TYPE ("av"));
  for (guint i = 0; i < followed->readers->len; i++)
    {
      Reader *reader = g_ptr_array_index (followed->readers, i);

      g_variant_builder_add (&files, "v", vmft_tail_get_cursor (reader->tail));
    }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, "files", g_variant_builder_end (&files));
  return g_variant_dict_end (&dict);
}

static void
hand_over (Followed *followed)
{
  VmftFileSource *self = followed->source;
  VmftTime now_us = vmft_clock_real_us (self->clock);
  g_autoptr (GVariant) cursor = g_variant_ref_sink (make_cursor (followed));
  VmftBatch batch = { .source = followed->label, .cursor_key = followed->cursor_key, .cursor = cursor };

  g_array_set_size (self->lines, self->slices->len);
  for (guint i = 0; i < self->slices->len; i++)
    {
      const VmftSlice *slice = &g_array_index (self->slices, VmftSlice, i);
      VmftLine *line = &g_array_index (self->lines, VmftLine, i);

      vmft_line_split (line, self->format, slice->data, slice->length, now_us);
      /* QEMU names its guest only when it is told to; libvirt names the file by it */
      if (self->format == VMFT_LINE_QEMU)
        line->host = (VmftSlice){ followed->stem, strlen (followed->stem) };
      line->trust = self->trust; /* whatever the text looks like: a file is what the operator says it is */
    }
  batch.lines = (const VmftLine *) (gpointer) self->lines->data;
  batch.n_lines = self->lines->len;
  g_array_set_size (self->slices, 0);
  vmft_source_emit_batch (VMFT_SOURCE (self), &batch);
}

/* Reads one chunk. Returns: whether there is more. */
static gboolean
read_some (Followed *followed, Reader *reader)
{
  VmftFileSource *self = followed->source;
  gint64 now_us = vmft_clock_monotonic_us (self->clock);
  guint64 before = vmft_tail_get_stats (reader->tail)->bytes;
  VmftTailState state = vmft_tail_read (reader->tail, self->slices);

  if (vmft_tail_get_stats (reader->tail)->bytes != before)
    reader->last_read_us = now_us;
  if (self->slices->len > 0)
    hand_over (followed);
  return state == VMFT_TAIL_MORE;
}

static void
retire_reader (Followed *followed, guint index)
{
  VmftFileSource *self = followed->source;
  Reader *reader = g_ptr_array_index (followed->readers, index);

  vmft_tail_flush (reader->tail, self->slices);
  if (self->slices->len > 0)
    hand_over (followed);
  add_stats (&self->past, vmft_tail_get_stats (reader->tail));
  g_ptr_array_remove_index (followed->readers, index);
}

/* One chunk a call, older files first, so that lines keep their order and the main loop its turn. */
static gboolean
on_idle (gpointer user_data)
{
  Followed *followed = user_data;
  VmftFileSource *self =
      g_object_ref (followed->source); /* a handler may let go of it, and @followed with it */
  gboolean more = FALSE;

  for (guint i = 0; !more && i < followed->readers->len; i++)
    more = read_some (followed, g_ptr_array_index (followed->readers, i));
  if (!more)
    followed->idle_id = 0;
  g_object_unref (self);
  return more;
}

/* At default priority: taking turns with all else, so that no flood of requests can hold up an alarm. */
static void
wake (Followed *followed)
{
  if (followed->idle_id == 0 && followed->readers->len > 0)
    followed->idle_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, followed, NULL);
}

/* --- which file has the name --- */

/* Watching the same thing again changes nothing, so that a look needs no memory of what is watched. */
static void
watch_directory_of (VmftFileSource *self, const char *path)
{
  g_autofree char *directory = g_path_get_dirname (path);

  inotify_add_watch (self->inotify_fd, directory, DIR_EVENTS);
}

static Reader *
add_reader (Followed *followed, VmftTail *tail, gboolean replaced)
{
  Reader *reader = g_new0 (Reader, 1);

  reader->tail = tail;
  reader->last_read_us = vmft_clock_monotonic_us (followed->source->clock);
  reader->replaced = replaced;
  g_ptr_array_add (followed->readers, reader);
  return reader;
}

/* A file that had this name when the daemon stopped: somewhere beside it, under its rotated name. */
static void
find_rotated (Followed *followed, GVariant *cursor)
{
  g_autofree char *pattern = g_strconcat (followed->path, "?*", NULL);
  glob_t found = { 0 };

  if (glob (pattern, GLOB_NOSORT, NULL, &found) == 0)
    for (gsize i = 0; i < found.gl_pathc; i++)
      {
        g_autoptr (VmftTail) tail = vmft_tail_open (found.gl_pathv[i], NULL);

        if (tail == NULL || !vmft_tail_resume (tail, cursor))
          continue;
        add_reader (followed, g_steal_pointer (&tail), TRUE);
        break;
      }
  globfree (&found);
}

/* Takes up the cursors of the last run; @tail is the file that has the name now. */
static void
restore (Followed *followed, VmftTail *tail)
{
  g_autoptr (GVariant) record =
      vmft_store_get (followed->source->store, VMFT_STORE_CURSORS, followed->cursor_key, NULL);
  g_autoptr (GVariant) files =
      record ? g_variant_lookup_value (record, "files", G_VARIANT_TYPE ("av")) : NULL;

  for (gsize i = 0; files != NULL && i < g_variant_n_children (files); i++)
    {
      g_autoptr (GVariant) boxed = g_variant_get_child_value (files, i);
      g_autoptr (GVariant) cursor = g_variant_get_variant (boxed);

      if (!vmft_tail_resume (tail, cursor))
        find_rotated (followed, cursor);
    }
}

static void
complain (Followed *followed, const GError *error)
{
  gboolean missing = g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);

  if (!followed->complained && missing)
    g_message ("source %s: %s is not there yet; waiting for it", followed->source->name, followed->path);
  else if (!followed->complained)
    g_warning ("source %s: %s; trying on", followed->source->name, error->message);
  followed->complained = TRUE;
}

/* Looks whether a file that is read already has the name: renamed away and back, it is the same file still. */
static gboolean
keep_current (Followed *followed)
{
  GPtrArray *readers = followed->readers;
  guint index = readers->len;
  Reader *current;

  while (index > 0 &&
         !vmft_tail_is_file (((Reader *) g_ptr_array_index (readers, index - 1))->tail, followed->path))
    index--;
  if (index == 0)
    return FALSE;
  for (guint i = 0; i < readers->len; i++)
    ((Reader *) g_ptr_array_index (readers, i))->replaced = TRUE;
  current = g_ptr_array_steal_index (readers, index - 1);
  current->replaced = FALSE;
  g_ptr_array_add (readers, current);
  return TRUE;
}

static void
note_presence (Followed *followed)
{
  if (followed->complained)
    g_message ("source %s: %s is there", followed->source->name, followed->path);
  followed->complained = FALSE;
}

/* Opens what has the name now, if that is a file not yet read. */
static void
take_current (Followed *followed)
{
  GPtrArray *readers = followed->readers;
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftTail) tail = NULL;

  if (keep_current (followed))
    {
      note_presence (followed);
      return;
    }
  tail = vmft_tail_open (followed->path, &error);
  if (readers->len > 0)
    ((Reader *) g_ptr_array_index (readers, readers->len - 1))->replaced = TRUE;
  if (tail == NULL)
    {
      complain (followed, error);
      return;
    }
  note_presence (followed);
  if (readers->len == 0)
    restore (followed, tail);
  add_reader (followed, g_steal_pointer (&tail), FALSE);
  inotify_add_watch (followed->source->inotify_fd, followed->path, FILE_EVENTS);
}

/* Files whose name is gone are read until their writer has let go of them. */
static void
retire_finished (Followed *followed)
{
  gint64 now_us = vmft_clock_monotonic_us (followed->source->clock);

  for (guint i = followed->readers->len; i > 0; i--)
    {
      Reader *reader = g_ptr_array_index (followed->readers, i - 1);

      if (reader->replaced && now_us - reader->last_read_us > LINGER_US)
        retire_reader (followed, i - 1);
    }
}

static char *
make_stem (const char *path)
{
  char *stem = g_path_get_basename (path);

  if (g_str_has_suffix (stem, ".log"))
    stem[strlen (stem) - strlen (".log")] = '\0';
  return stem;
}

static Followed *
follow (VmftFileSource *self, const char *path)
{
  Followed *followed = g_hash_table_lookup (self->followed, path);

  if (followed != NULL)
    return followed;
  followed = g_new0 (Followed, 1);
  followed->source = self;
  followed->path = g_strdup (path);
  followed->label = g_strconcat ("file:", path, NULL);
  followed->cursor_key = g_strdup_printf ("%s:%s", self->name, path);
  followed->stem = make_stem (path);
  followed->readers = g_ptr_array_new_with_free_func ((GDestroyNotify) reader_free);
  g_hash_table_insert (self->followed, followed->path, followed);
  watch_directory_of (self, path);
  return followed;
}

static void
look (VmftFileSource *self)
{
  GHashTableIter iter;
  Followed *followed;

  for (guint i = 0; self->patterns[i] != NULL; i++)
    {
      glob_t found = { 0 };

      if (strpbrk (self->patterns[i], "*?[") == NULL)
        follow (self, self->patterns[i]);
      else if (glob (self->patterns[i], 0, NULL, &found) == 0)
        for (gsize j = 0; j < found.gl_pathc; j++)
          follow (self, found.gl_pathv[j]);
      globfree (&found);
      watch_directory_of (self, self->patterns[i]);
    }
  g_hash_table_iter_init (&iter, self->followed);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &followed))
    {
      take_current (followed);
      retire_finished (followed);
      wake (followed);
    }
}

static gboolean
on_timer (gpointer user_data)
{
  look (user_data);
  return G_SOURCE_CONTINUE;
}

static void
wake_all (VmftFileSource *self)
{
  GHashTableIter iter;
  Followed *followed;

  g_hash_table_iter_init (&iter, self->followed);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &followed))
    wake (followed);
}

static gboolean
on_inotify (gint fd, GIOCondition condition, gpointer user_data)
{
  VmftFileSource *self = user_data;
  char buffer[EVENT_BUFFER] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  gboolean names_changed = FALSE;
  gssize n;

  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    for (gssize i = 0; i < n;)
      {
        const struct inotify_event *event = (const struct inotify_event *) (gconstpointer) (buffer + i);

        /* an overflow (wd -1) means that anything may have happened */
        names_changed |= event->wd < 0 || (event->mask & ~(guint32) IN_MODIFY) != 0;
        i += (gssize) (sizeof *event + event->len);
      }
  if (names_changed)
    look (self);
  else
    wake_all (self);
  return G_SOURCE_CONTINUE;
}

/* --- VmftSource --- */

static void
vmft_file_source_start (VmftSource *source)
{
  VmftFileSource *self = VMFT_FILE_SOURCE (source);

  g_return_if_fail (self->timer_id == 0);
  self->inotify_fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  if (self->inotify_fd >= 0)
    self->inotify_id = g_unix_fd_add (self->inotify_fd, G_IO_IN, on_inotify, self);
  else
    g_warning ("source %s: no inotify (%s); looking once a second", self->name, g_strerror (errno));
  self->timer_id = vmft_clock_add_timer (self->clock, LOOK_MS, on_timer, self, NULL);
  look (self);
}

static GVariant *
vmft_file_source_describe (VmftSource *source)
{
  VmftFileSource *self = VMFT_FILE_SOURCE (source);
  VmftTailStats sum = self->past;
  GHashTableIter iter;
  Followed *followed;
  GVariantBuilder waiting;
  GVariantDict dict;
  gint64 n_files = 0;

  g_variant_builder_init (&waiting, G_VARIANT_TYPE_STRING_ARRAY);
  g_hash_table_iter_init (&iter, self->followed);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &followed))
    {
      for (guint i = 0; i < followed->readers->len; i++)
        add_stats (&sum, vmft_tail_get_stats (((Reader *) g_ptr_array_index (followed->readers, i))->tail));
      n_files += followed->complained ? 0 : 1;
      if (followed->complained)
        g_variant_builder_add (&waiting, "s", followed->path);
    }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", self->name);
  g_variant_dict_insert (&dict, "type", "s", "file");
  g_variant_dict_insert (&dict, "trusted", "b", self->trust == VMFT_TRUST_KERNEL);
  g_variant_dict_insert (&dict, "files", "x", n_files);
  g_variant_dict_insert_value (&dict, "waiting_for", g_variant_builder_end (&waiting));
  g_variant_dict_insert (&dict, "lines", "t", sum.lines);
  g_variant_dict_insert (&dict, "bytes", "t", sum.bytes);
  g_variant_dict_insert (&dict, "cut_lines", "t", sum.cut_lines);
  g_variant_dict_insert (&dict, "truncations", "t", sum.truncations);
  return g_variant_dict_end (&dict);
}

static void
vmft_file_source_iface_init (VmftSourceInterface *iface)
{
  iface->start = vmft_file_source_start;
  iface->describe = vmft_file_source_describe;
}

static void
vmft_file_source_finalize (GObject *object)
{
  VmftFileSource *self = VMFT_FILE_SOURCE (object);

  vmft_clear_timer (self->clock, &self->timer_id);
  g_clear_handle_id (&self->inotify_id, g_source_remove);
  if (self->inotify_fd >= 0)
    close (self->inotify_fd);
  g_hash_table_unref (self->followed);
  g_array_unref (self->slices);
  g_array_unref (self->lines);
  g_object_unref (self->clock);
  g_object_unref (self->store);
  g_strfreev (self->patterns);
  g_free (self->name);
  G_OBJECT_CLASS (vmft_file_source_parent_class)->finalize (object);
}

static void
vmft_file_source_class_init (VmftFileSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_file_source_finalize;
}

static void
vmft_file_source_init (VmftFileSource *self)
{
  self->inotify_fd = -1;
  self->followed = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) followed_free);
  self->slices = g_array_new (FALSE, FALSE, sizeof (VmftSlice));
  self->lines = g_array_new (FALSE, FALSE, sizeof (VmftLine));
}

VmftSource *
vmft_file_source_new (const char *name,
                      const char *const *patterns,
                      VmftLineFormat format,
                      VmftTrust trust,
                      VmftClock *clock,
                      VmftStore *store)
{
  VmftFileSource *self = g_object_new (VMFT_TYPE_FILE_SOURCE, NULL);

  self->name = g_strdup (name);
  self->patterns = g_strdupv ((char **) patterns);
  self->format = format;
  self->trust = trust;
  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  return VMFT_SOURCE (self);
}
