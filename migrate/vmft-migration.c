/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-migration.h"

#include "vmft-hook-server.h"
#include "vmft-migration-calls.h"

#define POLL_MS 500
/* until the job is where its mode wants it */
#define POLL_EAGER_MS 50
/* the last statistics travel as an event of their own, a little after the answer */
#define STATISTICS_WAIT_MS 500
#define SETTLE_MS          500
/* how long two ends may contradict each other before the presumption counts */
#define PRESUME_AFTER_MS 20000
/* neither end says a word: give up */
#define SETTLE_MAX_MS 180000

struct _VmftMigration
{
  GObject parent;

  VmftConnection *connection;
  VmftClock *clock;
  VmftMigrationSpec *spec;
  GTask *task;        /* of run, until it is returned */
  VmftResult *result; /* as it grows */
  VmftProgress progress;
  gint64 start_us;        /* monotonic; -1: the job is older than this object */
  gint64 settle_start_us; /* monotonic; 0 while the job runs */
  guint timer;
  gboolean polling;
  gboolean moving;
  gboolean downtime_set;
  gboolean switching;
  gboolean switched;
  gboolean abort_requested;
  gboolean have_statistics;
  gboolean performing;
};

G_DEFINE_FINAL_TYPE (VmftMigration, vmft_migration, G_TYPE_OBJECT)

enum
{
  PROGRESS,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void poll_job (VmftMigration *self);
static void settle (VmftMigration *self);

static GTask *
new_call (VmftMigration *self, GAsyncReadyCallback callback)
{
  GTask *task = g_task_new (self, NULL, callback, NULL);

  g_task_set_task_data (task, g_strdup (self->spec->uuid), g_free);
  return task;
}

static void
set_timer (VmftMigration *self, guint delay_ms, GSourceFunc func)
{
  vmft_clear_timer (self->clock, &self->timer);
  self->timer = vmft_clock_add_timer (self->clock, delay_ms, func, self, NULL);
}

static void
finish (VmftMigration *self, VmftOutcome outcome)
{
  VmftResult *result = g_steal_pointer (&self->result);
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  vmft_clear_timer (self->clock, &self->timer);
  result->outcome = outcome == VMFT_OUTCOME_FAILED && self->abort_requested ? VMFT_OUTCOME_ABORTED : outcome;
  result->postcopy = self->switched;
  result->refused = outcome == VMFT_OUTCOME_FAILED && !self->abort_requested && !self->moving;
  if (!self->have_statistics)
    {
      if (self->start_us >= 0)
        result->total_s = (double) (vmft_clock_monotonic_us (self->clock) - self->start_us) / G_USEC_PER_SEC;
      result->transferred_bytes = self->progress.processed_bytes;
      result->iterations = self->progress.iteration;
    }
  if (outcome == VMFT_OUTCOME_COMPLETED)
    g_clear_pointer (&result->message, g_free);
  g_task_return_pointer (task, result, (GDestroyNotify) vmft_result_free);
}

/* --- how it ended --- */

static gboolean
on_settle_timer (gpointer user_data)
{
  VmftMigration *self = user_data;

  self->timer = 0;
  settle (self);
  return G_SOURCE_REMOVE;
}

static void
judge (VmftMigration *self, const VmftEnds *ends)
{
  gint64 waited_ms = (vmft_clock_monotonic_us (self->clock) - self->settle_start_us) / 1000;
  VmftOutcome outcome = VMFT_OUTCOME_FAILED;
  const char *why = "neither host says what became of it";
  VmftJudgement judgement = vmft_migration_judge (ends, &outcome, &why);

  g_debug ("%s: source %s%s, destination %s", self->spec->uuid, vmft_end_to_string (ends->source),
           ends->job ? " with a job" : "", vmft_end_to_string (ends->destination));
  if (judgement == VMFT_JUDGEMENT_WAIT && ends->job)
    {
      /* it lives: the call was lost, not the job */
      self->settle_start_us = 0;
      poll_job (self);
      return;
    }
  if (judgement == VMFT_JUDGEMENT_DECIDED || waited_ms > SETTLE_MAX_MS ||
      (judgement == VMFT_JUDGEMENT_PRESUMED && waited_ms > PRESUME_AFTER_MS))
    {
      if (self->result->message == NULL)
        self->result->message = g_strdup (why);
      finish (self, outcome);
      return;
    }
  set_timer (self, SETTLE_MS, on_settle_timer);
}

static void
on_destination_seen (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftMigration *self = VMFT_MIGRATION (object);
  g_autofree VmftEnds *source = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree VmftEnds *destination = g_task_propagate_pointer (G_TASK (async), &error);

  if (self->task == NULL)
    return;
  if (destination != NULL)
    source->destination = destination->destination;
  else
    g_debug ("%s: %s", self->spec->uuid, error->message);
  judge (self, source);
}

static void
on_source_seen (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftMigration *self = VMFT_MIGRATION (object);
  g_autofree VmftEnds *ends = g_task_propagate_pointer (G_TASK (async), NULL);
  g_autoptr (GTask) call = NULL;

  if (self->task == NULL)
    return;
  if (ends == NULL)
    ends = g_new0 (VmftEnds, 1);
  /* a guest that runs here runs nowhere else: do not wait for a destination that may be dead */
  if (ends->source == VMFT_END_RUNNING || (ends->job && ends->source != VMFT_END_POSTCOPY_FAILED) ||
      self->spec->destination_uri == NULL)
    {
      judge (self, ends);
      return;
    }
  call = g_task_new (self, NULL, on_destination_seen, g_steal_pointer (&ends));
  g_task_set_task_data (call, g_strdup (self->spec->uuid), g_free);
  vmft_connection_call_uri (self->connection, call, self->spec->destination_uri,
                            vmft_migration_look_at_destination);
}

static void
settle (VmftMigration *self)
{
  g_autoptr (GTask) call = new_call (self, on_source_seen);

  if (self->settle_start_us == 0)
    self->settle_start_us = vmft_clock_monotonic_us (self->clock);
  vmft_connection_call (self->connection, call, vmft_migration_look_at_source);
}

static gboolean
on_statistics_late (gpointer user_data)
{
  VmftMigration *self = user_data;

  self->timer = 0;
  finish (self, VMFT_OUTCOME_COMPLETED);
  return G_SOURCE_REMOVE;
}

static void
on_performed (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftMigration *self = VMFT_MIGRATION (object);
  g_autoptr (GError) error = NULL;
  gboolean ok = g_task_propagate_boolean (G_TASK (async), &error);

  self->performing = FALSE;
  if (self->task == NULL)
    return;
  vmft_clear_timer (self->clock, &self->timer);
  if (ok && self->have_statistics)
    finish (self, VMFT_OUTCOME_COMPLETED);
  else if (ok)
    set_timer (self, STATISTICS_WAIT_MS, on_statistics_late);
  else
    {
      g_autofree char *refusal = vmft_hook_refusal (error->message);

      /* of libvirt's long account of a hook only the hook's own words count */
      self->result->message = refusal != NULL
                                  ? g_strdup_printf ("refused by %s: %s", self->spec->destination, refusal)
                                  : g_strdup (error->message);
      settle (self);
    }
}

/* --- while it runs --- */

static void
on_switched (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftMigration *self = VMFT_MIGRATION (object);
  g_autoptr (GError) error = NULL;

  self->switching = FALSE;
  if (g_task_propagate_boolean (G_TASK (async), &error))
    self->switched = TRUE;
  else
    g_debug ("%s", error->message); /* not ready yet; the next poll tries again */
}

static gboolean
wants_switch (VmftMigration *self)
{
  if (self->switched || self->switching || !self->moving || self->spec->resume || self->abort_requested)
    return FALSE;
  return self->spec->mode == VMFT_MODE_POSTCOPY ||
         (self->spec->mode == VMFT_MODE_HYBRID && self->progress.iteration >= 2);
}

static void
switch_if_due (VmftMigration *self)
{
  g_autoptr (GTask) call = NULL;

  if (!wants_switch (self))
    return;
  self->switching = TRUE;
  call = new_call (self, on_switched);
  vmft_connection_call (self->connection, call, vmft_migration_start_postcopy);
}

/* an abort that came before libvirt knew of the job hit nothing */
static void
abort_again (VmftMigration *self)
{
  g_autoptr (GTask) call = new_call (self, NULL);

  vmft_connection_call (self->connection, call, vmft_migration_abort_job);
}

static gboolean
on_poll_timer (gpointer user_data)
{
  VmftMigration *self = user_data;

  self->timer = 0;
  poll_job (self);
  return G_SOURCE_REMOVE;
}

static gboolean
is_eager (VmftMigration *self)
{
  return !self->moving || (self->spec->mode == VMFT_MODE_POSTCOPY && !self->switched);
}

static void
take_poll (VmftMigration *self, const VmftPoll *poll)
{
  guint iteration = MAX (self->progress.iteration, poll->progress.iteration);

  self->downtime_set |= poll->moving;
  self->moving |= poll->moving;
  self->switched |= poll->progress.postcopy;
  if (self->abort_requested && !poll->progress.postcopy)
    abort_again (self);
  if (!poll->moving)
    return;
  self->progress = poll->progress;
  self->progress.uuid = self->spec->uuid;
  self->progress.iteration = iteration;
  g_signal_emit (self, signals[PROGRESS], 0, &self->progress);
  switch_if_due (self);
}

static void
on_polled (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftMigration *self = VMFT_MIGRATION (object);
  g_autofree VmftPoll *poll = g_task_propagate_pointer (G_TASK (async), NULL);

  self->polling = FALSE;
  if (self->task == NULL || self->settle_start_us != 0)
    return;
  if (poll != NULL && poll->active)
    take_poll (self, poll);
  /* while the call is out, its answer says when the job is over; a job watched from outside has none */
  if (!self->performing && (poll == NULL || !poll->active || poll->end == VMFT_END_POSTCOPY_FAILED))
    settle (self);
  else if (self->timer == 0)
    set_timer (self, is_eager (self) ? POLL_EAGER_MS : POLL_MS, on_poll_timer);
}

static void
poll_job (VmftMigration *self)
{
  g_autoptr (GTask) call = NULL;

  if (self->polling || self->task == NULL)
    return;
  self->polling = TRUE;
  call = g_task_new (self, NULL, on_polled, NULL);
  g_task_set_task_data (
      call, vmft_poll_request_new (self->spec->uuid, self->downtime_set ? 0 : self->spec->max_downtime_ms),
      (GDestroyNotify) vmft_poll_request_free);
  vmft_connection_call (self->connection, call, vmft_migration_poll);
}

void
vmft_migration_iteration (VmftMigration *self, guint iteration)
{
  if (self->task == NULL || iteration <= self->progress.iteration)
    return;
  self->moving = TRUE;
  self->progress.iteration = iteration;
  /* a pass has ended: the moment a hybrid job switches at, and the reader wants fresh numbers */
  switch_if_due (self);
  poll_job (self);
}

void
vmft_migration_job_completed (VmftMigration *self, const VmftTypedParams *params)
{
  VmftProgress progress = { 0 };

  if (self->task == NULL || vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_OPERATION, 0) !=
                                VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)
    return;
  vmft_progress_from_params (&progress, params);
  self->have_statistics = TRUE;
  self->result->total_s = progress.elapsed_s;
  self->result->transferred_bytes = progress.processed_bytes;
  self->result->iterations = progress.iteration;
  if (virTypedParamsGet (params->items, params->n_items, VIR_DOMAIN_JOB_DOWNTIME) != NULL)
    self->result->downtime_s =
        (double) vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_DOWNTIME, 0) / 1000.0;
}

/* --- the object --- */

VmftMigration *
vmft_migration_new (VmftConnection *connection, VmftClock *clock, const VmftMigrationSpec *spec)
{
  VmftMigration *self = g_object_new (VMFT_TYPE_MIGRATION, NULL);

  self->connection = g_object_ref (connection);
  self->clock = g_object_ref (clock);
  self->spec = vmft_migration_spec_copy (spec);
  self->switched = spec->resume;
  self->progress.uuid = self->spec->uuid;
  return self;
}

void
vmft_migration_run (VmftMigration *self, GTask *task, gboolean attach)
{
  g_return_if_fail (self->task == NULL);

  self->task = g_object_ref (task);
  self->result = g_new0 (VmftResult, 1);
  self->result->downtime_s = -1.0;
  self->start_us = attach || self->spec->resume ? -1 : vmft_clock_monotonic_us (self->clock);
  self->moving = attach;
  if (!attach)
    {
      g_autoptr (GTask) call = g_task_new (self, NULL, on_performed, NULL);

      self->performing = TRUE;
      g_task_set_task_data (call, vmft_migration_spec_copy (self->spec),
                            (GDestroyNotify) vmft_migration_spec_free);
      vmft_connection_call_long (self->connection, call, vmft_migration_perform);
    }
  poll_job (self);
}

void
vmft_migration_switch (VmftMigration *self, GTask *task)
{
  g_task_set_task_data (task, g_strdup (self->spec->uuid), g_free);
  vmft_connection_call (self->connection, task, vmft_migration_start_postcopy);
}

void
vmft_migration_abort (VmftMigration *self, GTask *task)
{
  self->abort_requested = TRUE;
  g_task_set_task_data (task, g_strdup (self->spec->uuid), g_free);
  vmft_connection_call (self->connection, task, vmft_migration_abort_job);
}

static void
vmft_migration_finalize (GObject *object)
{
  VmftMigration *self = VMFT_MIGRATION (object);

  vmft_clear_timer (self->clock, &self->timer);
  g_clear_pointer (&self->spec, vmft_migration_spec_free);
  g_clear_pointer (&self->result, vmft_result_free);
  g_clear_object (&self->task);
  g_clear_object (&self->connection);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (vmft_migration_parent_class)->finalize (object);
}

static void
vmft_migration_class_init (VmftMigrationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_migration_finalize;
  signals[PROGRESS] = g_signal_new ("progress", VMFT_TYPE_MIGRATION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
vmft_migration_init (VmftMigration *self)
{
}
