/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-kmsg-source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#define RETRY_MS      1000
#define RECORD_BYTES  16384 /* the kernel's limit is half of it; a smaller buffer would give EINVAL */
#define ARENA_BYTES   (16 * RECORD_BYTES)
#define BATCH_RECORDS 512

struct _VmftKmsgSource
{
  GObject parent;

  char *name;
  char *label; /* "kmsg", or "kmsg:PATH" */
  char *path;
  char *boot_id_path;
  VmftClock *clock;
  VmftStore *store;

  int fd;
  guint watch_id;
  guint timer_id;
  gboolean complained;

  char *boot_id;
  guint64 next_seq; /* expected */
  gboolean seq_known;
  gboolean live; /* the buffer has been read up to its end once */
  char *arena;   /* records of the batch */
  GArray *lines; /* of VmftLine */

  guint64 n_lines, n_bytes, n_missed, n_skipped;
};

static void vmft_kmsg_source_iface_init (VmftSourceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftKmsgSource,
                               vmft_kmsg_source,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_SOURCE, vmft_kmsg_source_iface_init))

static gboolean open_device (VmftKmsgSource *self);

/* --- records --- */

/* "6,1234,5678901,-;text": the second number. */
static gboolean
parse_seq (const char *record, gsize length, guint64 *seq)
{
  const char *comma = memchr (record, ',', length);
  const char *end = comma ? memchr (comma + 1, ',', length - (gsize) (comma + 1 - record)) : NULL;
  g_autofree char *digits = end ? g_strndup (comma + 1, (gsize) (end - comma - 1)) : NULL;

  return digits != NULL && g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT64, seq, NULL);
}

/* Records carry the time since boot only. Those read live are of now, which no drift of that clock changes. */
static VmftTime
record_time (VmftKmsgSource *self, const VmftLine *line)
{
  VmftTime boot_us = line->arrival_us - vmft_clock_monotonic_us (self->clock);

  if (self->live || line->uptime_us < 0)
    return line->arrival_us;
  return MIN (boot_us + line->uptime_us, line->arrival_us);
}

/* Returns: whether the record is new. */
static gboolean
note_seq (VmftKmsgSource *self, guint64 seq)
{
  if (self->seq_known && seq < self->next_seq)
    {
      self->n_skipped++;
      return FALSE;
    }
  if (self->seq_known)
    self->n_missed += seq - self->next_seq;
  self->seq_known = TRUE;
  self->next_seq = seq + 1;
  return TRUE;
}

static void
add_record (VmftKmsgSource *self, const char *record, gsize length)
{
  guint64 seq = 0;
  VmftLine line;

  if (!parse_seq (record, length, &seq) || !note_seq (self, seq))
    return;
  vmft_line_split (&line, VMFT_LINE_KMSG, record, length, vmft_clock_real_us (self->clock));
  line.time_us = record_time (self, &line);
  self->n_lines++;
  self->n_bytes += length;
  g_array_append_val (self->lines, line);
}

static void
hand_over (VmftKmsgSource *self)
{
  g_autoptr (GVariant) cursor = NULL;
  VmftBatch batch = { .source = self->label, .cursor_key = self->name };
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "boot_id", "s", self->boot_id);
  g_variant_dict_insert (&dict, "next_seq", "x", (gint64) self->next_seq);
  cursor = g_variant_ref_sink (g_variant_dict_end (&dict));
  batch.cursor = cursor;
  batch.lines = (const VmftLine *) (gpointer) self->lines->data;
  batch.n_lines = self->lines->len;
  vmft_source_emit_batch (VMFT_SOURCE (self), &batch);
}

static void
close_device (VmftKmsgSource *self)
{
  g_clear_handle_id (&self->watch_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

/* Returns: the errno that ended the reading, EAGAIN when all has been read, 0 when there is more. */
static int
read_batch (VmftKmsgSource *self)
{
  gsize used = 0;

  g_array_set_size (self->lines, 0);
  for (guint i = 0; i < BATCH_RECORDS && used + RECORD_BYTES <= ARENA_BYTES; i++)
    {
      gssize n = read (self->fd, self->arena + used, RECORD_BYTES);

      if (n == 0)
        return ENODATA; /* the end of a file: not a device */
      if (n < 0 && (errno == EINTR || errno == EPIPE))
        continue; /* EPIPE: overwritten; the gap in the numbers says how much */
      if (n < 0)
        return errno;
      add_record (self, self->arena + used, (gsize) n);
      used += (gsize) n;
    }
  return 0;
}

static gboolean
on_retry (gpointer user_data)
{
  VmftKmsgSource *self = user_data;

  if (!open_device (self))
    return G_SOURCE_CONTINUE;
  self->timer_id = 0;
  return G_SOURCE_REMOVE;
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (VmftKmsgSource) self = g_object_ref (user_data);
  int failure = read_batch (self);

  if (self->lines->len > 0)
    hand_over (self);
  if (failure == 0)
    return G_SOURCE_CONTINUE;
  if (failure == EAGAIN)
    {
      self->live = TRUE;
      return G_SOURCE_CONTINUE;
    }
  g_warning ("source %s: %s: reading failed (%s); opening it again", self->name, self->path,
             g_strerror (failure));
  self->watch_id = 0;
  close_device (self);
  self->timer_id = vmft_clock_add_timer (self->clock, RETRY_MS, on_retry, self, NULL);
  return G_SOURCE_REMOVE;
}

/* --- starting --- */

static gboolean
open_device (VmftKmsgSource *self)
{
  self->fd = open (self->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (self->fd < 0)
    {
      if (!self->complained)
        g_warning ("source %s: %s: %s; trying on", self->name, self->path, g_strerror (errno));
      self->complained = TRUE;
      return FALSE;
    }
  if (self->complained)
    g_message ("source %s: %s is there", self->name, self->path);
  self->complained = FALSE;
  self->live = FALSE;
  self->watch_id = g_unix_fd_add (self->fd, G_IO_IN, on_readable, self);
  return TRUE;
}

static void
restore (VmftKmsgSource *self)
{
  g_autoptr (GVariant) cursor = vmft_store_get (self->store, VMFT_STORE_CURSORS, self->name, NULL);

  if (cursor == NULL || g_strcmp0 (vmft_dict_string (cursor, "boot_id"), self->boot_id) != 0)
    return;
  self->next_seq = (guint64) vmft_dict_int64 (cursor, "next_seq", 0);
  self->seq_known = TRUE;
}

static void
vmft_kmsg_source_start (VmftSource *source)
{
  VmftKmsgSource *self = VMFT_KMSG_SOURCE (source);

  g_return_if_fail (self->fd < 0 && self->timer_id == 0);
  if (g_file_get_contents (self->boot_id_path, &self->boot_id, NULL, NULL))
    g_strstrip (self->boot_id);
  else
    self->boot_id = g_strdup ("");
  restore (self);
  if (!open_device (self))
    self->timer_id = vmft_clock_add_timer (self->clock, RETRY_MS, on_retry, self, NULL);
}

static GVariant *
vmft_kmsg_source_describe (VmftSource *source)
{
  VmftKmsgSource *self = VMFT_KMSG_SOURCE (source);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", self->name);
  g_variant_dict_insert (&dict, "type", "s", "kmsg");
  g_variant_dict_insert (&dict, "trusted", "b", TRUE);
  g_variant_dict_insert (&dict, "open", "b", self->fd >= 0);
  g_variant_dict_insert (&dict, "lines", "t", self->n_lines);
  g_variant_dict_insert (&dict, "bytes", "t", self->n_bytes);
  g_variant_dict_insert (&dict, "dropped", "t", self->n_missed);
  g_variant_dict_insert (&dict, "skipped", "t", self->n_skipped);
  return g_variant_dict_end (&dict);
}

static void
vmft_kmsg_source_iface_init (VmftSourceInterface *iface)
{
  iface->start = vmft_kmsg_source_start;
  iface->describe = vmft_kmsg_source_describe;
}

static void
vmft_kmsg_source_finalize (GObject *object)
{
  VmftKmsgSource *self = VMFT_KMSG_SOURCE (object);

  vmft_clear_timer (self->clock, &self->timer_id);
  close_device (self);
  g_array_unref (self->lines);
  g_object_unref (self->clock);
  g_object_unref (self->store);
  g_free (self->arena);
  g_free (self->boot_id);
  g_free (self->boot_id_path);
  g_free (self->path);
  g_free (self->label);
  g_free (self->name);
  G_OBJECT_CLASS (vmft_kmsg_source_parent_class)->finalize (object);
}

static void
vmft_kmsg_source_class_init (VmftKmsgSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_kmsg_source_finalize;
}

static void
vmft_kmsg_source_init (VmftKmsgSource *self)
{
  self->fd = -1;
  self->arena = g_malloc (ARENA_BYTES);
  self->lines = g_array_new (FALSE, FALSE, sizeof (VmftLine));
}

VmftSource *
vmft_kmsg_source_new (const char *name,
                      const char *path,
                      const char *boot_id_path,
                      VmftClock *clock,
                      VmftStore *store)
{
  VmftKmsgSource *self = g_object_new (VMFT_TYPE_KMSG_SOURCE, NULL);

  self->name = g_strdup (name);
  self->path = g_strdup (path);
  self->label = g_str_equal (path, VMFT_KMSG_PATH) ? g_strdup ("kmsg") : g_strconcat ("kmsg:", path, NULL);
  self->boot_id_path = g_strdup (boot_id_path);
  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  return VMFT_SOURCE (self);
}
