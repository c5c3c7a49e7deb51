/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-executor.h"

#include "vmft-migrate.h"

#include <string.h>

#include <math.h>

#define OVERDUE 2.0 /* times its p90: a forecast that is so wrong no longer tells when the job ends */

/* What the evacuation itself does not know about one of its jobs. */
typedef struct
{
  guint64 forecast_id; /* of the estimator; 0 when it could not be stored */
  VmftEstimate estimate;
  VmftLoad load;
  VmftLink link;
  guint iteration;
  guint64 iteration_bytes; /* remaining when the iteration began */
  guint64 previous_bytes;  /* and when the one before did */
  gint64 iteration_us;     /* monotonic */
  double remaining_s;      /* -1 when unknown; forecast anew at each iteration and poll */
  double remaining_p90_s;
  double reserved_bytes;
  char *destination;
} Job;

struct _VmftExecutor
{
  VmftPlannerParts parts;
  VmftStore *store;
  VmftPlanner *planner;
  VmftExecutorEvents events;
  gpointer user_data;

  VmftEvacuationConfig config;
  VmftEvacuation *evacuation; /* (nullable): the one under way, or the last */
  GHashTable *jobs;           /* step id -> Job */
  GHashTable *incidents;      /* incident id -> VmftIncident: only what the lead time needs */
  guint64 first_call_of;      /* plan whose first call is still to come */
  guint n_completed;
};

static void
job_free (Job *job)
{
  g_free (job->destination);
  g_free (job);
}

static const char *
text_or_null (const char *text)
{
  return text != NULL && text[0] != '\0' ? text : NULL;
}

static void
read_config (VmftEvacuationConfig *config, VmftConf *conf)
{
  *config = VMFT_EVACUATION_CONFIG_DEFAULT;
  config->limit_out = (guint) vmft_conf_get_uint (conf, "Migration", "max-parallel");
  config->peer_to_peer = vmft_conf_get_boolean (conf, "Migration", "peer-to-peer");
  config->persistent = vmft_conf_get_boolean (conf, "Migration", "persistent");
  config->bandwidth_bps = vmft_conf_get_uint (conf, "Migration", "bandwidth");
  config->postcopy_bandwidth_bps = vmft_conf_get_uint (conf, "Migration", "postcopy-bandwidth");
  config->xbzrle_cache_bytes = vmft_conf_get_uint (conf, "Migration", "xbzrle-cache");
  config->max_downtime_ms = (guint) (vmft_conf_get_double (conf, "Migration", "max-downtime") * 1000.0);
  config->parallel_connections = (guint) vmft_conf_get_uint (conf, "Migration", "parallel-connections");
  config->copy_storage = vmft_conf_get_boolean (conf, "Migration", "copy-storage");
  config->tls = vmft_conf_get_boolean (conf, "Migration", "tls");
  config->save_refused = strcmp (vmft_conf_get_string (conf, "Policy", "fallback"), "save") == 0;
  config->save_directory = text_or_null (vmft_conf_get_string (conf, "Migration", "save-directory"));
  config->exec_command = text_or_null (vmft_conf_get_string (conf, "Migration", "command"));
  config->exec_timeout_s = vmft_conf_get_double (conf, "Migration", "command-timeout");
}

VmftExecutor *
vmft_executor_new (const VmftPlannerParts *parts,
                   VmftStore *store,
                   VmftPlanner *planner,
                   const VmftExecutorEvents *events,
                   gpointer user_data)
{
  VmftExecutor *self = g_new0 (VmftExecutor, 1);

  self->parts = *parts;
  self->store = g_object_ref (store);
  self->planner = planner;
  self->events = *events;
  self->user_data = user_data;
  read_config (&self->config, parts->conf);
  self->jobs = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) job_free);
  self->incidents = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  return self;
}

static void
drop_evacuation (VmftExecutor *self)
{
  if (self->evacuation == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->evacuation, self);
  vmft_evacuation_abandon (self->evacuation);
  g_clear_object (&self->evacuation);
}

void
vmft_executor_free (VmftExecutor *self)
{
  drop_evacuation (self);
  g_hash_table_unref (self->jobs);
  g_hash_table_unref (self->incidents);
  g_object_unref (self->store);
  g_free (self);
}

/* --- records --- */

static GVariant *
step_record (VmftExecutor *self, const VmftEvacuationStep *step)
{
  g_autoptr (GVariant) base = g_variant_ref_sink (vmft_evacuation_step_to_variant (step));
  const Job *job = g_hash_table_lookup (self->jobs, &step->id);
  GVariantDict dict;

  g_variant_dict_init (&dict, base);
  if (job != NULL && job->remaining_s >= 0.0 && isfinite (job->remaining_s))
    {
      g_variant_dict_insert (&dict, "remaining_s", "d", job->remaining_s);
      if (isfinite (job->remaining_p90_s))
        g_variant_dict_insert (&dict, "remaining_p90_s", "d", job->remaining_p90_s);
    }
  return g_variant_dict_end (&dict);
}

static void
tell (VmftExecutor *self, const VmftEvacuationStep *step)
{
  g_autoptr (GVariant) record = g_variant_ref_sink (step_record (self, step));

  self->events.migration (record, self->user_data);
}

static const VmftDestination *
find_destination (VmftExecutor *self, const char *name)
{
  const GPtrArray *destinations = vmft_destinations_list (self->parts.destinations);

  for (guint i = 0; i < destinations->len; i++)
    {
      const VmftDestination *destination = g_ptr_array_index (destinations, i);

      if (g_strcmp0 (destination->name, name) == 0)
        return destination;
    }
  return NULL;
}

static const VmftEvacuationStep *
find_step (VmftExecutor *self, guint64 id)
{
  const GPtrArray *steps = self->evacuation ? vmft_evacuation_get_steps (self->evacuation) : NULL;

  for (guint i = 0; steps != NULL && i < steps->len; i++)
    {
      const VmftEvacuationStep *step = g_ptr_array_index (steps, i);

      if (step->id == id && !vmft_step_state_is_over (step->state))
        return step;
    }
  return NULL;
}

GVariant *
vmft_executor_lookup (VmftExecutor *self, guint64 id)
{
  const VmftEvacuationStep *step = find_step (self, id);

  return step ? step_record (self, step) : NULL;
}

guint
vmft_executor_count (VmftExecutor *self)
{
  const GPtrArray *steps = self->evacuation ? vmft_evacuation_get_steps (self->evacuation) : NULL;
  guint n = 0;

  for (guint i = 0; steps != NULL && i < steps->len; i++)
    n += vmft_step_state_has_job (((const VmftEvacuationStep *) g_ptr_array_index (steps, i))->state) ? 1 : 0;
  return n;
}

/* --- forecasts before, outcomes after --- */

static char *
forecast_key (guint64 step_id)
{
  return g_strdup_printf ("forecast-of-migration-%" G_GUINT64_FORMAT, step_id);
}

/* So that a job that outlives this daemon still teaches the next one. */
static void
remember_forecast (VmftExecutor *self, guint64 step_id, guint64 forecast_id)
{
  g_autofree char *key = forecast_key (step_id);
  g_autoptr (GError) error = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "forecast", "t", forecast_id);
  if (!vmft_store_put (self->store, VMFT_STORE_SETTINGS, key, vmft_clock_real_us (self->parts.clock),
                       g_variant_dict_end (&dict), &error))
    g_warning ("forecast of migration %" G_GUINT64_FORMAT ": %s", step_id, error->message);
}

static guint64
recall_forecast (VmftExecutor *self, guint64 step_id)
{
  g_autofree char *key = forecast_key (step_id);
  g_autoptr (GVariant) record = vmft_store_get (self->store, VMFT_STORE_SETTINGS, key, NULL);
  g_autoptr (GError) error = NULL;

  if (record == NULL)
    return 0;
  if (!vmft_store_remove (self->store, VMFT_STORE_SETTINGS, key, &error))
    g_warning ("forecast of migration %" G_GUINT64_FORMAT ": %s", step_id, error->message);
  return (guint64) vmft_dict_int64 (record, "forecast", 0);
}

/* A save has neither a destination to keep room at nor an outcome that forecasts of migrations could learn from. */
static void
begin_job (VmftExecutor *self, const VmftEvacuationStep *step)
{
  const VmftLoad *load = vmft_planner_get_load (self->planner, step->uuid);
  Job *job = g_new0 (Job, 1);
  g_autoptr (GError) error = NULL;

  job->remaining_s = -1.0;
  job->destination = g_strdup (step->destination);
  g_hash_table_replace (self->jobs, g_memdup2 (&step->id, sizeof step->id), job);
  if (load == NULL || step->action == VMFT_ACTION_SAVE)
    return;
  job->load = *load;
  job->load.uuid = NULL; /* the planner's string may go before the job does */
  job->reserved_bytes = load->memory_bytes;
  vmft_destinations_reserve (self->parts.destinations, job->destination, job->reserved_bytes);
  vmft_estimator_get_link (self->parts.estimator, step->destination, (double) self->config.bandwidth_bps,
                           MAX (vmft_executor_count (self), 1), &job->link);
  vmft_estimator_estimate (self->parts.estimator, step->destination, load, &job->link, step->mode,
                           &job->estimate);
  job->remaining_s = job->estimate.total_p50_s;
  job->remaining_p90_s = job->estimate.total_p90_s;
  if (!vmft_estimator_begin_job (self->parts.estimator, vmft_clock_real_us (self->parts.clock), step->uuid,
                                 step->destination, load, &job->link, &job->estimate, &job->forecast_id,
                                 &error))
    g_warning ("the forecast for %s is not being kept: %s", step->name, error->message);
  else
    remember_forecast (self, step->id, job->forecast_id);
}

/* What was kept for a job at its destination: the room there. */
static void
forget_job (VmftExecutor *self, const VmftEvacuationStep *step)
{
  const Job *job = g_hash_table_lookup (self->jobs, &step->id);

  if (job != NULL && job->reserved_bytes > 0.0)
    vmft_destinations_reserve (self->parts.destinations, job->destination, -job->reserved_bytes);
  g_hash_table_remove (self->jobs, &step->id);
}

/* Turned away: the next attempt goes elsewhere, and says nothing about the forecast for here. */
static void
take_back_job (VmftExecutor *self, const VmftEvacuationStep *step)
{
  guint64 forecast_id = recall_forecast (self, step->id);

  if (forecast_id != 0)
    vmft_estimator_drop_job (self->parts.estimator, forecast_id);
  forget_job (self, step);
}

static void
teach_estimator (VmftExecutor *self, const VmftEvacuationStep *step)
{
  gboolean postcopy_mode = step->mode == VMFT_MODE_HYBRID || step->mode == VMFT_MODE_POSTCOPY;
  gboolean completed = step->state == VMFT_STEP_COMPLETED;
  gboolean switched = completed && step->postcopy && !postcopy_mode;
  guint64 forecast_id = recall_forecast (self, step->id);
  g_autoptr (GError) error = NULL;
  VmftJobOutcome outcome = {
    .completed = completed && !switched,
    .total_s = step->total_s,
    .downtime_s = step->downtime_s,
    .bytes = (double) step->transferred_bytes,
    .iterations = step->iterations,
    .verdict = switched ? "switched" : vmft_step_state_to_string (step->state),
  };

  if (forecast_id == 0)
    return;
  if (!step->has_outcome || !step->total_measured)
    vmft_estimator_drop_job (self->parts.estimator, forecast_id);
  else if (!vmft_estimator_end_job (self->parts.estimator, vmft_clock_real_us (self->parts.clock),
                                    forecast_id, &outcome, &error))
    g_message ("nothing is learnt from the migration of %s: %s", step->name, error->message);
}

static void
end_job (VmftExecutor *self, const VmftEvacuationStep *step)
{
  teach_estimator (self, step);
  vmft_planner_set_migrating (self->planner, step->uuid, -1.0);
  if (step->state == VMFT_STEP_COMPLETED)
    vmft_planner_set_left (self->planner, step->uuid);
  self->n_completed += step->state == VMFT_STEP_COMPLETED;
  /* who is turned away at the door has not failed to move */
  if (step->state != VMFT_STEP_ABORTED && !vmft_evacuation_step_was_refused (step))
    vmft_guards_note_move (self->parts.guards, step->incident_id, step->uuid,
                           vmft_clock_real_us (self->parts.clock), step->state == VMFT_STEP_COMPLETED);
  forget_job (self, step);
}

/* --- while jobs run --- */

static void
note_first_call (VmftExecutor *self, const VmftEvacuationStep *step)
{
  if (self->first_call_of == 0 || step->plan_id != self->first_call_of)
    return;
  self->first_call_of = 0;
  self->events.first_call (step->plan_id, vmft_clock_monotonic_us (self->parts.clock), self->user_data);
}

static void
say (const VmftEvacuationStep *step)
{
  g_autofree char *forecast = vmft_text_duration (step->forecast_p50_s);
  g_autofree char *total = vmft_text_duration (step->total_s);
  gboolean save = step->action == VMFT_ACTION_SAVE;

  if (save && step->state == VMFT_STEP_RUNNING)
    g_message ("migration %" G_GUINT64_FORMAT ": %s is being saved, expected to take %s", step->id,
               step->name, forecast);
  else if (save && step->state == VMFT_STEP_COMPLETED)
    g_message ("migration %" G_GUINT64_FORMAT ": %s is saved after %s", step->id, step->name, total);
  else if (step->state == VMFT_STEP_RUNNING)
    g_message ("migration %" G_GUINT64_FORMAT ": %s to %s, %s, expected to take %s", step->id, step->name,
               step->destination, vmft_mode_to_string (step->mode), forecast);
  else if (step->state == VMFT_STEP_COMPLETED)
    g_message ("migration %" G_GUINT64_FORMAT ": %s is on %s after %s", step->id, step->name,
               step->destination, total);
  else if (step->state == VMFT_STEP_RECOVERING)
    g_message ("migration %" G_GUINT64_FORMAT ": %s is half-way and will be resumed: %s", step->id,
               step->name, step->message ? step->message : "no reason given");
  else if (vmft_step_state_is_over (step->state))
    g_message ("migration %" G_GUINT64_FORMAT ": %s %s: %s", step->id, step->name,
               vmft_step_state_to_string (step->state), step->message ? step->message : "no reason given");
}

static void
on_step_changed (VmftEvacuation *evacuation, const VmftEvacuationStep *step, gpointer user_data)
{
  VmftExecutor *self = user_data;

  if (step->state == VMFT_STEP_RUNNING && !g_hash_table_contains (self->jobs, &step->id))
    {
      begin_job (self, step);
      note_first_call (self, step);
    }
  else if (step->state == VMFT_STEP_WAITING && g_hash_table_contains (self->jobs, &step->id))
    take_back_job (self, step);
  if (vmft_step_state_is_over (step->state))
    end_job (self, step);
  else /* what waits may be planned anew */
    vmft_planner_set_migrating (self->planner, step->uuid,
                                vmft_step_state_has_job (step->state) ? step->forecast_p50_s : -1.0);
  say (step);
  tell (self, step);
}

static double
queue_s (VmftExecutor *self)
{
  const GPtrArray *steps = vmft_evacuation_get_steps (self->evacuation);
  double total_s = 0.0;

  for (guint i = 0; i < steps->len; i++)
    {
      const VmftEvacuationStep *step = g_ptr_array_index (steps, i);

      if (step->state == VMFT_STEP_PLANNED || step->state == VMFT_STEP_WAITING)
        total_s += step->forecast_p50_s;
    }
  return total_s / MAX (self->config.limit_out, 1);
}

/* Near the speed of the link a model can expect the end of pre-copy for ever: the passes themselves tell. */
static gboolean
is_stuck (const VmftEvacuationStep *step, const Job *job, gboolean boundary)
{
  return boundary && step->progress.elapsed_s > OVERDUE * job->estimate.total_p90_s &&
         job->previous_bytes > 0 && (double) job->iteration_bytes >= 0.95 * (double) job->previous_bytes;
}

/* Pre-copy that can no longer finish in time, where post-copy can (DESIGN 4.3). */
static void
consider_switch (VmftExecutor *self, const VmftEvacuationStep *step, const Job *job, gboolean boundary)
{
  const VmftIncident *incident = g_hash_table_lookup (self->incidents, &step->incident_id);
  const VmftProgress *progress = &step->progress;
  g_autofree char *reason = NULL;
  VmftLead lead;
  VmftSwitchInput input = {
    .lead = &lead,
    .load = &job->load,
    .link = &job->link,
    .mode = step->mode,
    .remaining_bytes = (double) progress->remaining_bytes,
    .throughput_bps = (double) progress->throughput_bps,
    .dirty_bps = (double) progress->dirty_bps,
    .boundary = boundary,
    .previous_bytes = (double) job->previous_bytes,
    .round_s = (double) (vmft_clock_monotonic_us (self->parts.clock) - job->iteration_us) / G_USEC_PER_SEC,
    .queue_s = queue_s (self),
    .confidence = vmft_conf_get_double (self->parts.conf, "Policy", "confidence"),
    .guard_s = vmft_conf_get_double (self->parts.conf, "Policy", "guard"),
  };

  if (incident == NULL || !step->allow_postcopy || step->state != VMFT_STEP_RUNNING ||
      progress->total_bytes == 0 || step->mode == VMFT_MODE_HYBRID || step->mode == VMFT_MODE_POSTCOPY)
    return;
  vmft_planner_get_lead (self->planner, incident, &lead);
  if (!vmft_policy_choose_switch (&input, &reason) && !is_stuck (step, job, boundary))
    return;
  if (is_stuck (step, job, boundary))
    {
      g_free (reason);
      reason = g_strdup ("it takes far longer than expected and its passes get no shorter");
    }
  g_message ("migration %" G_GUINT64_FORMAT ": %s goes on as post-copy: %s", step->id, step->name, reason);
  vmft_evacuation_switch (self->evacuation, step->uuid);
}

static void
follow_job (VmftExecutor *self, const VmftEvacuationStep *step, Job *job)
{
  const VmftProgress *progress = &step->progress;
  gint64 now_us = vmft_clock_monotonic_us (self->parts.clock);
  gboolean boundary = progress->iteration != job->iteration;
  VmftRemaining remaining;

  if (boundary)
    {
      job->previous_bytes = job->iteration_bytes;
      job->iteration_bytes = progress->remaining_bytes;
      job->iteration = progress->iteration;
      job->iteration_us = now_us;
    }
  if (job->load.memory_bytes <= 0.0 || progress->total_bytes == 0)
    return;
  vmft_estimate_remaining (&remaining, &job->load, &job->link, step->mode, progress->postcopy,
                           (double) progress->remaining_bytes, (double) progress->throughput_bps,
                           (double) progress->dirty_bps,
                           (double) (now_us - job->iteration_us) / G_USEC_PER_SEC);
  job->remaining_s = remaining.p50_s;
  job->remaining_p90_s = remaining.p90_s;
  vmft_planner_set_migrating (self->planner, step->uuid, MAX (remaining.p50_s, 0.0));
  consider_switch (self, step, job, boundary);
}

static void
on_progress (VmftEvacuation *evacuation, const VmftEvacuationStep *step, gpointer user_data)
{
  VmftExecutor *self = user_data;
  Job *job = g_hash_table_lookup (self->jobs, &step->id);

  if (job != NULL) /* none for a job of an earlier run */
    follow_job (self, step, job);
  tell (self, step);
}

static void
on_finished (VmftEvacuation *evacuation, gpointer user_data)
{
  VmftExecutor *self = user_data;
  g_autofree guint64 **ids = NULL;
  g_autoptr (GHashTable) incidents = g_steal_pointer (&self->incidents);
  guint n = 0;

  self->incidents = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  ids = (guint64 **) g_hash_table_get_keys_as_array (incidents, &n);
  for (guint i = 0; i < n; i++)
    self->events.finished (*ids[i], self->user_data);
}

/* --- beginning --- */

/* A destination may have become suspect since the plan was made. */
static char *
is_barred (const VmftEvacuationStep *step, gpointer user_data)
{
  VmftExecutor *self = user_data;
  const VmftDestination *destination = find_destination (self, step->destination);

  return destination != NULL && destination->suspect
             ? g_strdup_printf ("%s is suspect itself", destination->name)
             : NULL;
}

/* Never one that is suspect, silent, barred or on the failing storage: of those that can take it, the one with most
 * room, by weight. */
static char *
choose_next (const VmftEvacuationStep *step, gpointer user_data)
{
  VmftExecutor *self = user_data;
  const GPtrArray *destinations = vmft_destinations_list (self->parts.destinations);
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (self->parts.hypervisor, step->uuid);
  const VmftIncident *incident = g_hash_table_lookup (self->incidents, &step->incident_id);
  VmftHostFacts facts = { 0 };
  const VmftDestination *best = NULL;
  double best_bytes = -1.0;

  if (incident != NULL)
    vmft_facts_get (self->parts.facts, &incident->locus, &facts);
  for (guint i = 0; vm != NULL && i < destinations->len; i++)
    {
      const VmftDestination *destination = g_ptr_array_index (destinations, i);
      double left_bytes = destination->free_known ? destination->free_bytes - destination->reserved_bytes -
                                                        (double) vm->memory_bytes
                                                  : 0.0;

      if (g_ptr_array_find_with_equal_func (step->tried, destination->name, g_str_equal, NULL) ||
          left_bytes < 0.0 || !vmft_policy_movable (vm, destination, NULL) ||
          vmft_policy_shares_failing_storage (vm, destination, incident, &facts) ||
          (vmft_vm_modes_to (vm, destination->name) & vmft_mode_bit (step->mode)) == 0)
        continue;
      if (left_bytes * destination->weight > best_bytes)
        {
          best = destination;
          best_bytes = left_bytes * destination->weight;
        }
    }
  return best != NULL ? g_strdup (best->name) : NULL;
}

static void
new_evacuation (VmftExecutor *self)
{
  const GPtrArray *destinations = vmft_destinations_list (self->parts.destinations);

  drop_evacuation (self);
  g_hash_table_remove_all (self->jobs);
  self->evacuation =
      vmft_evacuation_new (self->parts.hypervisor, self->parts.clock, self->store, &self->config);
  for (guint i = 0; i < destinations->len; i++)
    {
      const VmftDestination *destination = g_ptr_array_index (destinations, i);

      vmft_evacuation_add_target (
          self->evacuation, destination->name,
          vmft_destinations_get_uri (self->parts.destinations, destination->name),
          vmft_destinations_get_migrate_uri (self->parts.destinations, destination->name),
          destination->limit_in);
    }
  vmft_evacuation_set_next_target (self->evacuation, choose_next, self);
  vmft_evacuation_set_barred (self->evacuation, is_barred, self);
  g_signal_connect (self->evacuation, "step-changed", G_CALLBACK (on_step_changed), self);
  g_signal_connect (self->evacuation, "progress", G_CALLBACK (on_progress), self);
  g_signal_connect (self->evacuation, "finished", G_CALLBACK (on_finished), self);
}

static gboolean
is_under_way (VmftExecutor *self)
{
  return self->evacuation != NULL && !vmft_evacuation_is_finished (self->evacuation);
}

static void
watch_incident (VmftExecutor *self, const VmftIncident *incident)
{
  VmftIncident *kept = g_new0 (VmftIncident, 1);

  kept->id = incident->id;
  kept->state = incident->state;
  kept->fault_class = incident->fault_class;
  kept->locus = incident->locus;
  kept->first_us = incident->first_us;
  g_hash_table_replace (self->incidents, &kept->id, kept);
}

/* VMs that are under way already are left alone. */
static gboolean
is_not_running (const VmftPlanStep *step, gpointer user_data)
{
  VmftExecutor *self = user_data;
  const VmftEvacuationStep *present = vmft_evacuation_find (self->evacuation, step->uuid);

  return present == NULL || !vmft_step_state_has_job (present->state);
}

void
vmft_executor_run (VmftExecutor *self, VmftPlan *plan, const VmftIncident *incident)
{
  g_autoptr (VmftPlan) rest = NULL;

  if (!is_under_way (self))
    new_evacuation (self);
  if (incident != NULL)
    watch_incident (self, incident);
  self->first_call_of = plan->id;
  rest = vmft_plan_select (plan, is_not_running, self);
  vmft_evacuation_start (self->evacuation, rest);
}

guint
vmft_executor_count_completed (VmftExecutor *self)
{
  return self->n_completed;
}

/* Whether what waits no longer is the way to go. Who turned out to be refused everywhere and waits to be saved, goes. */
static gboolean
is_outdated (VmftExecutor *self, const VmftEvacuationStep *waiting, const VmftPlanStep *planned)
{
  gboolean is_save = waiting->action == VMFT_ACTION_SAVE;
  const VmftDestination *destination = find_destination (self, waiting->destination);

  if (planned->save || is_save)
    return planned->save != is_save && waiting->attempts == 0;
  return planned->mode > waiting->mode || destination == NULL || !destination->reachable ||
         destination->suspect;
}

gboolean
vmft_executor_wants (VmftExecutor *self, const VmftPlan *plan)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = g_ptr_array_index (plan->steps, i);
      const VmftEvacuationStep *present =
          self->evacuation != NULL ? vmft_evacuation_find (self->evacuation, step->uuid) : NULL;

      /* a VM that failed, that came meanwhile, or that waits for what no longer arrives */
      if (present == NULL || vmft_step_state_is_over (present->state))
        return TRUE;
      if (!vmft_step_state_has_job (present->state) && is_outdated (self, present, step))
        return TRUE;
    }
  return FALSE;
}

gboolean
vmft_executor_is_busy (VmftExecutor *self, guint64 incident_id)
{
  return self->evacuation != NULL && !vmft_evacuation_is_settled (self->evacuation) &&
         g_hash_table_contains (self->incidents, &incident_id);
}

guint64
vmft_executor_find (VmftExecutor *self, const char *uuid)
{
  const VmftEvacuationStep *step = self->evacuation ? vmft_evacuation_find (self->evacuation, uuid) : NULL;

  return step ? step->id : 0;
}

static gboolean
waits (const VmftEvacuationStep *step)
{
  return step->state == VMFT_STEP_PLANNED || step->state == VMFT_STEP_WAITING;
}

static void
cancel (VmftEvacuation *evacuation, const VmftEvacuationStep *step, const char *reason)
{
  g_autoptr (GError) error = NULL;

  if (!vmft_evacuation_cancel_step (evacuation, step->id, reason, &error))
    g_message ("%s", error->message);
}

void
vmft_executor_call_off (VmftExecutor *self, guint64 incident_id, gboolean running, const char *reason)
{
  const GPtrArray *steps;
  g_autoptr (VmftEvacuation) evacuation = NULL;

  if (!vmft_executor_is_busy (self, incident_id))
    return;
  evacuation = g_object_ref (self->evacuation); /* ending the last step may end it all */
  steps = vmft_evacuation_get_steps (evacuation);
  for (guint i = steps->len; i > 0; i--) /* from the end: a step that goes must not start the next */
    {
      const VmftEvacuationStep *step = g_ptr_array_index (steps, i - 1);

      if (step->incident_id == incident_id && !vmft_step_state_is_over (step->state) &&
          (running || waits (step)))
        cancel (evacuation, step, reason);
    }
}

static const char *
why_spared (const VmftPlan *plan, const char *uuid)
{
  for (guint i = 0; i < plan->refusals->len; i++)
    {
      const VmftPlanRefusal *refusal = g_ptr_array_index (plan->refusals, i);

      if (!refusal->concerned && strcmp (refusal->uuid, uuid) == 0)
        return refusal->reason;
    }
  return NULL;
}

void
vmft_executor_spare (VmftExecutor *self, const VmftPlan *plan)
{
  g_autoptr (VmftEvacuation) evacuation = self->evacuation ? g_object_ref (self->evacuation) : NULL;
  const GPtrArray *steps = evacuation ? vmft_evacuation_get_steps (evacuation) : NULL;

  for (guint i = steps != NULL ? steps->len : 0; i > 0; i--) /* as above */
    {
      const VmftEvacuationStep *step = g_ptr_array_index (steps, i - 1);
      const char *reason =
          step->incident_id == plan->incident_id && waits (step) ? why_spared (plan, step->uuid) : NULL;

      if (reason != NULL)
        cancel (evacuation, step, reason);
    }
}

gboolean
vmft_executor_abort (VmftExecutor *self, guint64 id, GError **error)
{
  if (self->evacuation != NULL)
    return vmft_evacuation_cancel_step (self->evacuation, id, "the operator aborted it", error);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "migration %" G_GUINT64_FORMAT " does not run", id);
  return FALSE;
}

void
vmft_executor_resume (VmftExecutor *self)
{
  const GPtrArray *steps;
  guint n;

  new_evacuation (self);
  n = vmft_evacuation_reattach (self->evacuation);
  if (n > 0)
    g_message ("%u migration%s of an earlier run found", n, n == 1 ? "" : "s");
  steps = vmft_evacuation_get_steps (self->evacuation);
  for (guint i = 0; i < steps->len; i++)
    {
      const VmftEvacuationStep *step = g_ptr_array_index (steps, i);
      VmftIncident incident = { .id = step->incident_id, .state = VMFT_INCIDENT_CONFIRMED };

      if (vmft_step_state_is_over (step->state))
        continue;
      vmft_planner_set_migrating (self->planner, step->uuid, step->forecast_p50_s);
      if (!g_hash_table_contains (self->incidents, &incident.id))
        watch_incident (self, &incident);
    }
}
