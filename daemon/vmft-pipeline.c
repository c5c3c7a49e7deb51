/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-pipeline.h"

struct _VmftPipeline
{
  VmftClock *clock;
  VmftStore *store;
  VmftDetector *detector;
  VmftPipelineEvents events;
  gpointer user_data;
  GPtrArray *sources; /* of VmftSource */
  guint n_started;

  gboolean in_batch;
  GPtrArray *alarms; /* of GVariant, of this batch */
  GArray *incidents; /* of guint64, changed by this batch, each once */

  guint64 n_lines;
  guint64 n_batches;
  guint64 n_store_errors;
  gboolean store_failing;
  gint64 slowest_us; /* batch */
  VmftTime last_line_us;
};

/* --- what the detector says while it is fed --- */

static void
report (VmftPipeline *self, gint64 evidence_us)
{
  g_autoptr (GPtrArray) alarms = g_steal_pointer (&self->alarms);
  g_autoptr (GArray) incidents = g_steal_pointer (&self->incidents);

  self->alarms = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  self->incidents = g_array_new (FALSE, FALSE, sizeof (guint64));
  /* incidents first: moving VMs does not wait for telling about it */
  for (guint i = 0; i < incidents->len; i++)
    self->events.incident (g_array_index (incidents, guint64, i), evidence_us, self->user_data);
  for (guint i = 0; i < alarms->len; i++)
    self->events.alarm (g_ptr_array_index (alarms, i), self->user_data);
}

static void
on_alarm (VmftDetector *detector, const VmftAlarm *alarm, gpointer user_data)
{
  VmftPipeline *self = user_data;

  g_ptr_array_add (self->alarms, g_variant_ref_sink (vmft_alarm_to_variant (alarm)));
  if (!self->in_batch)
    report (self, vmft_clock_monotonic_us (self->clock));
}

static void
on_incident (VmftDetector *detector, const VmftIncident *incident, gpointer user_data)
{
  VmftPipeline *self = user_data;
  guint64 id = incident->id;

  for (guint i = 0; i < self->incidents->len; i++)
    if (g_array_index (self->incidents, guint64, i) == id)
      return;
  g_array_append_val (self->incidents, id);
  if (!self->in_batch)
    report (self, vmft_clock_monotonic_us (self->clock));
}

/* --- a batch: cursor, verdicts and alarms in one transaction --- */

/* A store that takes no more must not stop the watch: what cannot be kept is said once, counted, and acted on. */
static void
note_store (VmftPipeline *self, const GError *error)
{
  if (error != NULL)
    self->n_store_errors++;
  if (error != NULL && !self->store_failing)
    g_warning ("state is not being kept: %s", error->message);
  else if (error == NULL && self->store_failing)
    g_message ("state is being kept again");
  self->store_failing = error != NULL;
}

static gboolean
begin_batch (VmftPipeline *self)
{
  g_autoptr (GError) error = NULL;

  self->in_batch = TRUE;
  if (vmft_store_begin (self->store, &error))
    return TRUE;
  note_store (self, error);
  return FALSE;
}

static void
end_batch (VmftPipeline *self, gboolean open, gint64 evidence_us)
{
  g_autoptr (GError) error = NULL;

  if (open && !vmft_detector_flush (self->detector, &error))
    vmft_store_rollback (self->store); /* the cursor must not run ahead of what its lines caused */
  else if (open && vmft_store_commit (self->store, &error))
    vmft_detector_mark_saved (self->detector);
  if (open)
    note_store (self, error);
  self->in_batch = FALSE;
  self->n_batches++;
  report (self, evidence_us);
  self->slowest_us = MAX (self->slowest_us, vmft_clock_monotonic_us (self->clock) - evidence_us);
}

static void
judge (VmftPipeline *self, const VmftLine *line, const char *source)
{
  VmftVerdict verdict;

  vmft_detector_feed (self->detector, line, source, &verdict);
  if (self->events.judged)
    self->events.judged (line, source, &verdict, self->user_data);
}

static void
on_batch (VmftSource *source, const VmftBatch *batch, gpointer user_data)
{
  VmftPipeline *self = user_data;
  gint64 evidence_us = vmft_clock_monotonic_us (self->clock);
  gboolean open = begin_batch (self);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < batch->n_lines; i++)
    judge (self, &batch->lines[i], batch->source);
  self->n_lines += batch->n_lines;
  self->last_line_us = vmft_clock_real_us (self->clock);
  if (open && !vmft_store_put (self->store, VMFT_STORE_CURSORS, batch->cursor_key, self->last_line_us,
                               batch->cursor, &error))
    note_store (self, error);
  end_batch (self, open, evidence_us);
}

void
vmft_pipeline_feed_drill (VmftPipeline *self, const char *text)
{
  gint64 evidence_us = vmft_clock_monotonic_us (self->clock);
  gboolean open = begin_batch (self);
  VmftLine line;

  vmft_line_split (&line, VMFT_LINE_BARE, text, strlen (text), vmft_clock_real_us (self->clock));
  line.time_us = line.arrival_us;
  line.kernel = TRUE;
  line.trust = VMFT_TRUST_KERNEL;
  vmft_detector_feed_drill (self->detector, &line, NULL);
  end_batch (self, open, evidence_us);
}

void
vmft_pipeline_feed_line (VmftPipeline *self, const VmftLine *line, const char *source)
{
  gint64 evidence_us = vmft_clock_monotonic_us (self->clock);
  gboolean open = begin_batch (self);

  judge (self, line, source);
  end_batch (self, open, evidence_us);
}

void
vmft_pipeline_raise_pressure (VmftPipeline *self, const char *resource, const char *line)
{
  gint64 evidence_us = vmft_clock_monotonic_us (self->clock);
  gboolean open = begin_batch (self);

  vmft_detector_raise_pressure (self->detector, resource, line);
  end_batch (self, open, evidence_us);
}

/* --- life --- */

VmftPipeline *
vmft_pipeline_new (VmftClock *clock,
                   VmftStore *store,
                   VmftDetector *detector,
                   const VmftPipelineEvents *events,
                   gpointer user_data)
{
  VmftPipeline *self = g_new0 (VmftPipeline, 1);

  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  self->detector = g_object_ref (detector);
  self->events = *events;
  self->user_data = user_data;
  self->sources = g_ptr_array_new_with_free_func (g_object_unref);
  self->alarms = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  self->incidents = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_signal_connect (detector, "alarm", G_CALLBACK (on_alarm), self);
  g_signal_connect (detector, "incident", G_CALLBACK (on_incident), self);
  return self;
}

void
vmft_pipeline_free (VmftPipeline *self)
{
  vmft_pipeline_clear_sources (self);
  g_signal_handlers_disconnect_by_data (self->detector, self);
  g_ptr_array_unref (self->sources);
  g_ptr_array_unref (self->alarms);
  g_array_unref (self->incidents);
  g_object_unref (self->detector);
  g_object_unref (self->store);
  g_object_unref (self->clock);
  g_free (self);
}

void
vmft_pipeline_add_source (VmftPipeline *self, VmftSource *source)
{
  g_signal_connect (source, "batch", G_CALLBACK (on_batch), self);
  g_ptr_array_add (self->sources, g_object_ref (source));
}

void
vmft_pipeline_clear_sources (VmftPipeline *self)
{
  for (guint i = 0; i < self->sources->len; i++)
    g_signal_handlers_disconnect_by_data (g_ptr_array_index (self->sources, i), self);
  g_ptr_array_set_size (self->sources, 0);
  self->n_started = 0;
}

void
vmft_pipeline_start (VmftPipeline *self)
{
  while (self->n_started < self->sources->len)
    vmft_source_start (g_ptr_array_index (self->sources, self->n_started++));
}

GVariant *
vmft_pipeline_to_variant (VmftPipeline *self)
{
  GVariantBuilder sources;
  GVariantDict dict;

  g_variant_builder_init (&sources, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < self->sources->len; i++)
    g_variant_builder_add_value (&sources, vmft_source_describe (g_ptr_array_index (self->sources, i)));
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "lines", "t", self->n_lines);
  g_variant_dict_insert (&dict, "batches", "t", self->n_batches);
  g_variant_dict_insert (&dict, "slowest_batch_s", "d", (double) self->slowest_us / G_USEC_PER_SEC);
  g_variant_dict_insert (&dict, "store_errors", "t", self->n_store_errors);
  g_variant_dict_insert (&dict, "last_line_us", "x", self->last_line_us);
  g_variant_dict_insert_value (&dict, "sources", g_variant_builder_end (&sources));
  return g_variant_dict_end (&dict);
}
