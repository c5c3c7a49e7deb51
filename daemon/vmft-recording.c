/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-recording.h"

#include <math.h>

static const char *const state_names[] = { "open", "stopped", "failed", "cleared", NULL };

const char *
vmft_track_name (VmftTrack track)
{
  static const char *const names[VMFT_N_TRACKS] = { "log.txt", "pressure.jsonl" };

  return names[track];
}

/* --- context --- */

typedef struct
{
  VmftTime time_us;
  gsize length;
  char *text;
} Line;

struct _VmftContext
{
  GQueue lines; /* of Line */
  gsize bytes;
  gsize max_bytes;
  VmftTime length_us;
};

VmftContext *
vmft_context_new (gsize max_bytes, double length_s)
{
  VmftContext *self = g_new0 (VmftContext, 1);

  g_queue_init (&self->lines);
  self->max_bytes = max_bytes;
  self->length_us = (VmftTime) (length_s * G_USEC_PER_SEC);
  return self;
}

static void
drop_oldest (VmftContext *self)
{
  Line *line = g_queue_pop_head (&self->lines);

  self->bytes -= line->length;
  g_free (line->text);
  g_free (line);
}

void
vmft_context_free (VmftContext *self)
{
  while (self->lines.length > 0)
    drop_oldest (self);
  g_free (self);
}

void
vmft_context_add (VmftContext *self, VmftTime time_us, char *text)
{
  Line *line = g_new (Line, 1);

  *line = (Line){ .time_us = time_us, .length = strlen (text), .text = text };
  self->bytes += line->length;
  g_queue_push_tail (&self->lines, line);
  while (self->bytes > self->max_bytes ||
         ((Line *) g_queue_peek_head (&self->lines))->time_us < time_us - self->length_us)
    drop_oldest (self);
}

GString *
vmft_context_copy (VmftContext *self, VmftTime after_us)
{
  GString *text = g_string_sized_new (self->bytes);

  for (GList *at = self->lines.head; at != NULL; at = at->next)
    {
      const Line *line = at->data;

      if (line->time_us > after_us)
        g_string_append_len (text, line->text, (gssize) line->length);
    }
  return text;
}

/* --- a line --- */

/* ISO 8601 in UTC, as rsyslog writes it. */
static void
append_time (GString *text, VmftTime time_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
  g_autofree char *seconds = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");

  g_string_append_printf (text, "%s.%06d+00:00", seconds, (int) (time_us % G_USEC_PER_SEC));
}

char *
vmft_recording_format_time (VmftTime time_us)
{
  g_autoptr (GString) text = g_string_new (NULL);

  append_time (text, time_us);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
append_slice (GString *text, VmftSlice slice, const char *fallback)
{
  g_autofree char *printable = vmft_text_printable (slice.data, (gssize) slice.length);

  g_string_append (text, *printable != '\0' ? printable : fallback);
}

char *
vmft_recording_format_line (const VmftLine *line)
{
  g_autoptr (GString) text = g_string_sized_new (line->text.length + 96);

  append_time (text, line->time_us > 0 ? line->time_us : line->arrival_us);
  g_string_append_c (text, ' ');
  append_slice (text, line->host, g_get_host_name ());
  g_string_append_c (text, ' ');
  if (line->kernel)
    g_string_append (text, "kernel");
  else
    append_slice (text, line->program, "-");
  if (line->pid > 0 && !line->kernel)
    g_string_append_printf (text, "[%d]", line->pid);
  g_string_append (text, ": ");
  if (line->kernel && line->uptime_us >= 0)
    g_string_append_printf (text, "[%5" G_GINT64_FORMAT ".%06d] ", line->uptime_us / G_USEC_PER_SEC,
                            (int) (line->uptime_us % G_USEC_PER_SEC));
  append_slice (text, line->text, "");
  g_string_append_c (text, '\n');
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* --- a run --- */

static VmftRecording *
recording_new_empty (const char *directory)
{
  VmftRecording *self = g_new0 (VmftRecording, 1);

  self->directory = g_strdup (directory);
  for (guint i = 0; i < VMFT_N_TRACKS; i++)
    self->text[i] = g_string_new (NULL);
  return self;
}

VmftRecording *
vmft_recording_new (const char *directory, const VmftIncident *incident, const char *boot_id)
{
  VmftRecording *self = recording_new_empty (directory);

  self->incident_id = incident->id;
  self->fault_class = g_strdup (vmft_fault_class_to_string (incident->fault_class));
  self->locus = vmft_locus_to_string (&incident->locus);
  self->family = g_strdup (incident->family ? incident->family : "");
  self->template_text = g_strdup (incident->template_text ? incident->template_text : "");
  self->boot_id = g_strdup (boot_id);
  self->first_us = incident->first_us;
  return self;
}

void
vmft_recording_free (VmftRecording *self)
{
  for (guint i = 0; i < VMFT_N_TRACKS; i++)
    g_string_free (self->text[i], TRUE);
  g_free (self->directory);
  g_free (self->fault_class);
  g_free (self->locus);
  g_free (self->family);
  g_free (self->template_text);
  g_free (self->boot_id);
  g_free (self);
}

void
vmft_recording_add (VmftRecording *self,
                    VmftTrack track,
                    VmftTime time_us,
                    const char *text,
                    gsize length,
                    guint64 max_bytes)
{
  if (length == 0)
    return;
  if (self->bytes + length > max_bytes)
    {
      self->n_dropped++;
      return;
    }
  self->bytes += length;
  g_string_append_len (self->text[track], text, (gssize) length);
  if (track != VMFT_TRACK_LOG)
    return;
  for (gsize i = 0; i < length; i++)
    self->n_lines += text[i] == '\n';
  if (self->start_us == 0)
    self->start_us = time_us;
  self->last_us = MAX (self->last_us, time_us);
}

void
vmft_recording_flush (VmftRecording *self, VmftFileWriter *writer)
{
  g_autofree char *labels = g_build_filename (self->directory, VMFT_RECORDING_LABELS, NULL);

  for (guint i = 0; i < VMFT_N_TRACKS; i++)
    {
      g_autofree char *path = g_build_filename (self->directory, vmft_track_name (i), NULL);

      if (self->text[i]->len == 0)
        continue;
      self->n_dropped += !vmft_file_writer_append (writer, path, self->text[i]);
      self->text[i] = g_string_new (NULL);
    }
  vmft_file_writer_replace (writer, labels, vmft_json_from_variant (vmft_recording_to_variant (self), TRUE));
}

/* --- labels --- */

/* JSON's null, which a variant has not, is what becomes of what is not a number. */
static void
insert_time (GVariantDict *dict, const char *key, VmftTime time_us)
{
  g_autofree char *text = time_us ? vmft_recording_format_time (time_us) : NULL;

  if (text != NULL)
    g_variant_dict_insert (dict, key, "s", text);
  else
    g_variant_dict_insert (dict, key, "d", NAN);
}

GVariant *
vmft_recording_to_variant (const VmftRecording *self)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "scenario", "s", self->fault_class);
  g_variant_dict_insert (&dict, "recovering", "b", self->state == VMFT_RECORDING_CLEARED);
  insert_time (&dict, "inject_time", self->first_us);
  insert_time (&dict, "failure_time", self->failure_us);
  insert_time (&dict, "start_time", self->start_us);
  insert_time (&dict, "end_time", self->last_us);
  g_variant_dict_insert (&dict, "boot_s", "d", 0.0);
  g_variant_dict_insert (&dict, "origin", "s", "field");
  g_variant_dict_insert (&dict, "host", "s", g_get_host_name ());
  g_variant_dict_insert (&dict, "boot_id", "s", self->boot_id);
  g_variant_dict_insert (&dict, "incident", "x", (gint64) self->incident_id);
  g_variant_dict_insert (&dict, "state", "s", state_names[self->state]);
  g_variant_dict_insert (&dict, "class", "s", self->fault_class);
  g_variant_dict_insert (&dict, "locus", "s", self->locus);
  g_variant_dict_insert (&dict, "family", "s", self->family);
  g_variant_dict_insert (&dict, "template", "s", self->template_text);
  g_variant_dict_insert (&dict, "lines", "x", (gint64) self->n_lines);
  g_variant_dict_insert (&dict, "size_bytes", "x", (gint64) self->bytes);
  g_variant_dict_insert (&dict, "dropped", "x", (gint64) self->n_dropped);
  return g_variant_dict_end (&dict);
}

static VmftTime
read_time (GVariant *labels, const char *key)
{
  const char *text = vmft_dict_string (labels, key);
  g_autoptr (GDateTime) time = text ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  return time ? g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time) : 0;
}

static char *
read_text (GVariant *labels, const char *key)
{
  const char *text = vmft_dict_string (labels, key);

  return g_strdup (text ? text : "");
}

VmftRecording *
vmft_recording_load (const char *directory)
{
  g_autofree char *path = g_build_filename (directory, VMFT_RECORDING_LABELS, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GVariant) labels = NULL;
  g_autoptr (VmftRecording) self = recording_new_empty (directory);
  const char *state;

  if (g_file_get_contents (path, &text, NULL, NULL))
    labels = vmft_json_to_variant (text, NULL);
  if (labels == NULL || !g_variant_is_of_type (labels, G_VARIANT_TYPE_VARDICT))
    return NULL;
  state = vmft_dict_string (labels, "state");
  self->incident_id = (guint64) vmft_dict_int64 (labels, "incident", 0);
  if (state == NULL || !g_strv_contains (state_names, state) || self->incident_id == 0)
    return NULL;
  while (strcmp (state_names[self->state], state) != 0)
    self->state++;
  self->fault_class = read_text (labels, "class");
  self->locus = read_text (labels, "locus");
  self->family = read_text (labels, "family");
  self->template_text = read_text (labels, "template");
  self->boot_id = read_text (labels, "boot_id");
  self->first_us = read_time (labels, "inject_time");
  self->failure_us = read_time (labels, "failure_time");
  self->start_us = read_time (labels, "start_time");
  self->last_us = read_time (labels, "end_time");
  self->n_lines = (guint64) vmft_dict_int64 (labels, "lines", 0);
  self->bytes = (guint64) vmft_dict_int64 (labels, "size_bytes", 0);
  self->n_dropped = (guint64) vmft_dict_int64 (labels, "dropped", 0);
  return g_steal_pointer (&self);
}
