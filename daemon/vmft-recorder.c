/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-recorder.h"

#include "vmft-recording.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TICK_MS       1000
#define CONTEXT_BYTES (4 * 1024 * 1024) /* of each track */
#define PENDING_BYTES (16 * 1024 * 1024)
#define CHUNK_BYTES   (256 * 1024)
#define MAX_OPEN      8

struct _VmftRecorder
{
  VmftClock *clock;
  VmftRecorderConfig config;
  char *directory;
  char *proc;
  char *boot_id;
  VmftFileWriter *writer;
  VmftContext *context[VMFT_N_TRACKS];
  GPtrArray *runs; /* of VmftRecording, by incident */
  guint tick_id;
};

static gboolean
is_open (const VmftRecording *run)
{
  return run->state == VMFT_RECORDING_OPEN || run->end_us != 0;
}

static VmftRecording *
find_run (VmftRecorder *self, guint64 incident_id)
{
  for (guint i = 0; i < self->runs->len; i++)
    if (((VmftRecording *) self->runs->pdata[i])->incident_id == incident_id)
      return self->runs->pdata[i];
  return NULL;
}

static int
compare_runs (gconstpointer a, gconstpointer b)
{
  const VmftRecording *first = *(VmftRecording *const *) a, *second = *(VmftRecording *const *) b;

  return (first->incident_id > second->incident_id) - (first->incident_id < second->incident_id);
}

/* --- what is said --- */

static void
note (VmftRecorder *self, VmftTrack track, VmftTime time_us, char *text)
{
  gsize length = strlen (text);

  for (guint i = 0; i < self->runs->len; i++)
    if (is_open (self->runs->pdata[i]))
      vmft_recording_add (self->runs->pdata[i], track, time_us, text, length, self->config.max_bytes);
  vmft_context_add (self->context[track], time_us, text);
}

void
vmft_recorder_note_line (VmftRecorder *self, const VmftLine *line)
{
  note (self, VMFT_TRACK_LOG, line->arrival_us, vmft_recording_format_line (line));
}

/* "some avg10=1.53 avg60=0.87 avg300=0.73 total=99430" as a member of @kinds */
static void
add_stalls (GVariantDict *kinds, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  g_auto (GVariantDict) values = G_VARIANT_DICT_INIT (NULL);

  if (words[0] == NULL || words[1] == NULL)
    return;
  for (guint i = 1; words[i] != NULL; i++)
    {
      if (g_str_has_prefix (words[i], "avg10="))
        g_variant_dict_insert (&values, "avg10", "d", g_ascii_strtod (words[i] + 6, NULL));
      if (g_str_has_prefix (words[i], "total="))
        g_variant_dict_insert (&values, "total", "x", g_ascii_strtoll (words[i] + 6, NULL, 10));
    }
  g_variant_dict_insert_value (kinds, words[0], g_variant_dict_end (&values));
}

static gboolean
add_resource (VmftRecorder *self, GVariantDict *sample, const char *resource)
{
  g_autofree char *path = g_build_filename (self->proc, "pressure", resource, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_auto (GVariantDict) kinds = G_VARIANT_DICT_INIT (NULL);

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    add_stalls (&kinds, lines[i]);
  g_variant_dict_insert_value (sample, resource, g_variant_dict_end (&kinds));
  return TRUE;
}

static void
sample_pressure (VmftRecorder *self, VmftTime now_us)
{
  static const char *const resources[] = { "memory", "io", "cpu" };
  g_auto (GVariantDict) sample = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *when = vmft_recording_format_time (now_us);
  g_autofree char *json = NULL;
  gboolean any = FALSE;

  g_variant_dict_insert (&sample, "time", "s", when);
  for (guint i = 0; i < G_N_ELEMENTS (resources); i++)
    any |= add_resource (self, &sample, resources[i]);
  json = vmft_json_from_variant (g_variant_dict_end (&sample), FALSE);
  if (any)
    note (self, VMFT_TRACK_PRESSURE, now_us, g_strconcat (json, "\n", NULL));
}

/* --- runs --- */

static void
prune (VmftRecorder *self)
{
  for (guint i = 0; i < self->runs->len && self->runs->len > self->config.max_runs;)
    {
      const VmftRecording *run = self->runs->pdata[i];

      if (is_open (run))
        {
          i++;
          continue;
        }
      vmft_file_writer_remove (self->writer, run->directory);
      g_ptr_array_remove_index (self->runs, i);
    }
}

/* What was said before the first alarm; of a fault that is back, since the run's last line. */
static void
add_context (VmftRecorder *self, VmftRecording *run)
{
  VmftTime since_us =
      MAX (run->last_us, run->first_us - (VmftTime) (self->config.context_s * G_USEC_PER_SEC));

  for (guint i = 0; i < VMFT_N_TRACKS; i++)
    {
      GString *text = vmft_context_copy (self->context[i], since_us);

      vmft_recording_add (run, i, vmft_clock_real_us (self->clock), text->str, text->len,
                          self->config.max_bytes);
      g_string_free (text, TRUE);
    }
}

static guint
count_open (VmftRecorder *self)
{
  guint n = 0;

  for (guint i = 0; i < self->runs->len; i++)
    n += is_open (self->runs->pdata[i]);
  return n;
}

static void
open_run (VmftRecorder *self, const VmftIncident *incident)
{
  g_autofree char *name = g_strdup_printf ("incident-%" G_GUINT64_FORMAT, incident->id);
  g_autofree char *directory = g_build_filename (self->directory, name, NULL);
  VmftRecording *run = find_run (self, incident->id);

  if (count_open (self) >= MAX_OPEN)
    return;
  if (run == NULL)
    {
      run = vmft_recording_new (directory, incident, self->boot_id);
      g_ptr_array_add (self->runs, run);
      g_ptr_array_sort (self->runs, compare_runs);
    }
  add_context (self, run);
  run->state = VMFT_RECORDING_OPEN;
  run->failure_us = run->end_us = 0;
  vmft_recording_flush (run, self->writer);
  prune (self);
}

static void
close_run (VmftRecorder *self, VmftRecording *run, VmftRecordingState state)
{
  run->state = state;
  run->end_us = 0;
  vmft_recording_flush (run, self->writer);
  prune (self);
}

void
vmft_recorder_note_incident (VmftRecorder *self, const VmftIncident *incident)
{
  VmftRecording *run = find_run (self, incident->id);
  gboolean open = run != NULL && is_open (run);

  if (incident->drill || incident->backlog)
    return;
  if (incident->state == VMFT_INCIDENT_CONFIRMED && !open && (run == NULL || run->failure_us == 0))
    open_run (self, incident);
  else if (incident->state == VMFT_INCIDENT_CLEARED && open && run->failure_us == 0)
    close_run (self, run, VMFT_RECORDING_CLEARED);
}

void
vmft_recorder_note_failure (VmftRecorder *self, guint64 incident_id, VmftTime when_us)
{
  VmftRecording *run = find_run (self, incident_id);

  if (run == NULL || !is_open (run) || run->failure_us != 0)
    return;
  run->state = VMFT_RECORDING_FAILED;
  run->failure_us = when_us;
  run->end_us = vmft_clock_real_us (self->clock) + (VmftTime) (self->config.aftermath_s * G_USEC_PER_SEC) + 1;
  vmft_recording_flush (run, self->writer);
}

/* That nothing was said until now is worth knowing, too: should the host be gone next, this was its last moment. */
static gboolean
on_tick (gpointer user_data)
{
  VmftRecorder *self = user_data;
  VmftTime now_us = vmft_clock_real_us (self->clock);

  sample_pressure (self, now_us);
  for (guint i = 0; i < self->runs->len; i++)
    {
      VmftRecording *run = self->runs->pdata[i];

      if (!is_open (run))
        continue;
      run->last_us = now_us;
      if (run->end_us != 0 && now_us >= run->end_us)
        close_run (self, run, run->state);
      else
        vmft_recording_flush (run, self->writer);
    }
  return G_SOURCE_CONTINUE;
}

/* --- life --- */

static void
load_runs (VmftRecorder *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *directory = g_build_filename (self->directory, name, NULL);
      VmftRecording *run = g_str_has_prefix (name, "incident-") ? vmft_recording_load (directory) : NULL;

      if (run != NULL)
        g_ptr_array_add (self->runs, run);
    }
  g_ptr_array_sort (self->runs, compare_runs);
}

static void
take_up (VmftRecorder *self, VmftRecording *run, const VmftIncident *incident)
{
  gboolean same_boot = strcmp (run->boot_id, self->boot_id) == 0;

  if (run->state == VMFT_RECORDING_OPEN && !same_boot)
    {
      run->failure_us = run->last_us;
      close_run (self, run, VMFT_RECORDING_FAILED);
    }
  else if (same_boot && incident != NULL && incident->state == VMFT_INCIDENT_CONFIRMED)
    run->state = VMFT_RECORDING_OPEN;
  else if (run->state == VMFT_RECORDING_OPEN)
    close_run (self, run, VMFT_RECORDING_STOPPED);
}

void
vmft_recorder_start (VmftRecorder *self, VmftDetector *detector)
{
  g_autofree char *path = g_build_filename (self->proc, "sys", "kernel", "random", "boot_id", NULL);

  if (g_file_get_contents (path, &self->boot_id, NULL, NULL))
    g_strchomp (self->boot_id);
  else
    self->boot_id = g_strdup ("");
  load_runs (self);
  for (guint i = 0; i < self->runs->len; i++)
    {
      VmftRecording *run = self->runs->pdata[i];

      if (run->state == VMFT_RECORDING_OPEN || run->state == VMFT_RECORDING_STOPPED)
        take_up (self, run, vmft_detector_lookup_incident (detector, run->incident_id));
    }
  self->tick_id = vmft_clock_add_timer (self->clock, TICK_MS, on_tick, self, NULL);
}

VmftRecorder *
vmft_recorder_new (VmftClock *clock, const VmftRecorderConfig *config)
{
  VmftRecorder *self = g_new0 (VmftRecorder, 1);

  self->clock = g_object_ref (clock);
  self->config = *config;
  self->directory = g_strdup (config->directory);
  self->proc = g_strdup (config->proc);
  self->writer = vmft_file_writer_new (PENDING_BYTES);
  self->runs = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_recording_free);
  for (guint i = 0; i < VMFT_N_TRACKS; i++)
    self->context[i] = vmft_context_new (CONTEXT_BYTES, config->context_s);
  return self;
}

void
vmft_recorder_free (VmftRecorder *self)
{
  vmft_clear_timer (self->clock, &self->tick_id);
  for (guint i = 0; i < self->runs->len; i++)
    {
      VmftRecording *run = self->runs->pdata[i];

      if (is_open (run))
        close_run (self, run, run->failure_us ? VMFT_RECORDING_FAILED : VMFT_RECORDING_STOPPED);
    }
  vmft_file_writer_free (self->writer);
  g_ptr_array_unref (self->runs);
  for (guint i = 0; i < VMFT_N_TRACKS; i++)
    vmft_context_free (self->context[i]);
  g_object_unref (self->clock);
  g_free (self->directory);
  g_free (self->proc);
  g_free (self->boot_id);
  g_free (self);
}

/* --- for those who ask --- */

GVariant *
vmft_recorder_list (VmftRecorder *self)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = self->runs->len; i-- > 0;)
    g_variant_builder_add_value (&list, vmft_recording_to_variant (self->runs->pdata[i]));
  return g_variant_builder_end (&list);
}

static gboolean
is_file_of_a_run (const char *name)
{
  return strcmp (name, VMFT_RECORDING_LABELS) == 0 || strcmp (name, vmft_track_name (VMFT_TRACK_LOG)) == 0 ||
         strcmp (name, vmft_track_name (VMFT_TRACK_PRESSURE)) == 0;
}

GBytes *
vmft_recorder_read (VmftRecorder *self, guint64 incident_id, const char *name, guint64 offset, GError **error)
{
  const VmftRecording *run = find_run (self, incident_id);
  g_autofree char *path = run ? g_build_filename (run->directory, name, NULL) : NULL;
  g_autofree char *data = NULL;
  gssize n = 0;
  int fd;

  if (run == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND,
                   "no run of incident %" G_GUINT64_FORMAT " is kept", incident_id);
      return NULL;
    }
  if (!is_file_of_a_run (name))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "a run has no file “%s”", name);
      return NULL;
    }
  data = g_malloc (CHUNK_BYTES);
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0)
    {
      n = offset <= G_MAXINT64 ? pread (fd, data, CHUNK_BYTES, (off_t) offset) : 0;
      close (fd);
    }
  return g_bytes_new_take (g_steal_pointer (&data), (gsize) MAX (n, 0));
}
