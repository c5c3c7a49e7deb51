/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-evacuation-step.h"

static const char *const state_names[] = {
  [VMFT_STEP_PLANNED] = "planned",     [VMFT_STEP_WAITING] = "waiting",
  [VMFT_STEP_RUNNING] = "running",     [VMFT_STEP_SWITCHING] = "switching",
  [VMFT_STEP_POSTCOPY] = "post-copy",  [VMFT_STEP_RECOVERING] = "recovering",
  [VMFT_STEP_COMPLETED] = "completed", [VMFT_STEP_FAILED] = "failed",
  [VMFT_STEP_ABORTED] = "aborted",
};

const char *
vmft_step_state_to_string (VmftStepState state)
{
  g_return_val_if_fail ((guint) state < G_N_ELEMENTS (state_names), "failed");
  return state_names[state];
}

gboolean
vmft_step_state_from_string (const char *text, VmftStepState *state)
{
  for (guint i = 0; i < G_N_ELEMENTS (state_names); i++)
    {
      if (g_strcmp0 (text, state_names[i]) == 0)
        {
          *state = i;
          return TRUE;
        }
    }
  return FALSE;
}

static const char *const action_names[] = {
  [VMFT_ACTION_MIGRATE] = "migrate",
  [VMFT_ACTION_SAVE] = "save",
  [VMFT_ACTION_EXEC] = "exec",
};

const char *
vmft_step_action_to_string (VmftStepAction action)
{
  g_return_val_if_fail ((guint) action < G_N_ELEMENTS (action_names), "migrate");
  return action_names[action];
}

/* records from before there were actions are migrations */
static VmftStepAction
action_from_string (const char *text)
{
  for (guint i = 0; i < G_N_ELEMENTS (action_names); i++)
    {
      if (g_strcmp0 (text, action_names[i]) == 0)
        return i;
    }
  return VMFT_ACTION_MIGRATE;
}

gboolean
vmft_step_state_is_over (VmftStepState state)
{
  return state == VMFT_STEP_COMPLETED || state == VMFT_STEP_FAILED || state == VMFT_STEP_ABORTED;
}

gboolean
vmft_step_state_has_job (VmftStepState state)
{
  return state == VMFT_STEP_RUNNING || state == VMFT_STEP_SWITCHING || state == VMFT_STEP_POSTCOPY ||
         state == VMFT_STEP_RECOVERING;
}

gboolean
vmft_evacuation_step_was_refused (const VmftEvacuationStep *step)
{
  return step->state == VMFT_STEP_FAILED && step->tried->len > 0 &&
         g_ptr_array_find_with_equal_func (step->tried, step->destination, g_str_equal, NULL);
}

VmftEvacuationStep *
vmft_evacuation_step_new (const char *uuid, const char *name)
{
  VmftEvacuationStep *step = g_new0 (VmftEvacuationStep, 1);

  step->uuid = g_strdup (uuid);
  step->name = g_strdup (name);
  step->tried = g_ptr_array_new_with_free_func (g_free);
  step->peer_to_peer = TRUE;
  step->downtime_s = -1.0;
  return step;
}

void
vmft_evacuation_step_free (VmftEvacuationStep *step)
{
  if (step == NULL)
    return;
  g_free (step->uuid);
  g_free (step->name);
  g_free (step->destination);
  g_free (step->destination_uri);
  g_free (step->migrate_uri);
  g_free (step->message);
  g_ptr_array_unref (step->tried);
  g_free (step);
}

VmftEvacuationStep *
vmft_evacuation_step_from_plan (const VmftPlan *plan, const VmftPlanStep *plan_step)
{
  VmftEvacuationStep *step = vmft_evacuation_step_new (plan_step->uuid, plan_step->name);
  const VmftEstimate *estimate = &plan_step->estimates[plan_step->mode];

  step->plan_id = plan->id;
  step->incident_id = plan->incident_id;
  step->action = plan_step->save ? VMFT_ACTION_SAVE : VMFT_ACTION_MIGRATE;
  step->destination = g_strdup (plan_step->destination);
  step->mode = plan_step->mode;
  step->allow_postcopy = plan_step->allow_postcopy;
  step->forecast_p50_s = plan_step->save ? plan_step->downtime_p50_s : estimate->total_p50_s;
  step->forecast_p90_s = plan_step->save ? plan_step->downtime_p50_s : estimate->total_p90_s;
  step->forecast_downtime_s = plan_step->save ? plan_step->downtime_p50_s : estimate->downtime_p50_s;
  return step;
}

static void
add (GVariantBuilder *record, const char *key, GVariant *value)
{
  g_variant_builder_add (record, "{sv}", key, value);
}

static void
add_string (GVariantBuilder *record, const char *key, const char *value)
{
  if (value != NULL)
    add (record, key, g_variant_new_string (value));
}

static void
add_number (GVariantBuilder *record, const char *key, guint64 value)
{
  add (record, key, g_variant_new_int64 ((gint64) value));
}

static void
add_progress (GVariantBuilder *record, const VmftEvacuationStep *step)
{
  const VmftProgress *progress = &step->progress;
  double share = 0.0;

  if (step->state == VMFT_STEP_COMPLETED)
    share = 1.0;
  else if (progress->total_bytes > 0)
    share = 1.0 - (double) progress->remaining_bytes / (double) progress->total_bytes;
  add (record, "progress", g_variant_new_double (CLAMP (share, 0.0, 1.0)));
  if (!vmft_step_state_has_job (step->state))
    return;
  add_number (record, "iteration", progress->iteration);
  add_number (record, "remaining_bytes", progress->remaining_bytes);
  add_number (record, "throughput_bps", progress->throughput_bps);
  if (progress->throughput_bps > 0)
    add (record, "remaining_s",
         g_variant_new_double ((double) progress->remaining_bytes / (double) progress->throughput_bps));
}

static void
add_outcome (GVariantBuilder *record, const VmftEvacuationStep *step)
{
  /* saves and the operator's command have no outcome of libvirt's, but they take their time */
  if (vmft_step_state_is_over (step->state) && step->total_s > 0.0)
    add (record, "total_s", g_variant_new_double (step->total_s));
  if (!step->has_outcome)
    return;
  add_string (record, "outcome", vmft_outcome_to_string (step->outcome));
  if (step->downtime_s >= 0.0)
    add (record, "downtime_s", g_variant_new_double (step->downtime_s));
  add_number (record, "transferred_bytes", step->transferred_bytes);
  add_number (record, "iterations", step->iterations);
}

GVariant *
vmft_evacuation_step_to_variant (const VmftEvacuationStep *step)
{
  g_auto (GVariantBuilder) record = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_number (&record, "id", step->id);
  add_number (&record, "plan_id", step->plan_id);
  add_number (&record, "incident_id", step->incident_id);
  add_string (&record, "uuid", step->uuid);
  add_string (&record, "name", step->name);
  add_string (&record, "action", vmft_step_action_to_string (step->action));
  add_string (&record, "destination", step->destination);
  add_string (&record, "destination_uri", step->destination_uri);
  add_string (&record, "migrate_uri", step->migrate_uri);
  add_string (&record, "mode", vmft_mode_to_string (step->mode));
  add_string (&record, "state", vmft_step_state_to_string (step->state));
  add (&record, "allow_postcopy", g_variant_new_boolean (step->allow_postcopy));
  add (&record, "peer_to_peer", g_variant_new_boolean (step->peer_to_peer));
  add (&record, "postcopy", g_variant_new_boolean (step->postcopy));
  add (&record, "forecast_p50_s", g_variant_new_double (step->forecast_p50_s));
  add (&record, "forecast_p90_s", g_variant_new_double (step->forecast_p90_s));
  add (&record, "forecast_downtime_s", g_variant_new_double (step->forecast_downtime_s));
  add_number (&record, "planned_us", (guint64) step->planned_us);
  add_number (&record, "started_us", (guint64) step->started_us);
  add_number (&record, "ended_us", (guint64) step->ended_us);
  add_number (&record, "attempts", step->attempts);
  add_string (&record, "message", step->message);
  if (vmft_evacuation_step_was_refused (step))
    add (&record, "refused", g_variant_new_boolean (TRUE));
  add_progress (&record, step);
  add_outcome (&record, step);
  return g_variant_builder_end (&record);
}

static gboolean
outcome_from_string (const char *text, VmftOutcome *outcome)
{
  for (VmftOutcome o = VMFT_OUTCOME_COMPLETED; o <= VMFT_OUTCOME_LOST; o++)
    {
      if (g_strcmp0 (text, vmft_outcome_to_string (o)) == 0)
        {
          *outcome = o;
          return TRUE;
        }
    }
  return FALSE;
}

static void
read_rest (VmftEvacuationStep *step, GVariant *record)
{
  step->id = (guint64) vmft_dict_int64 (record, "id", 0);
  step->plan_id = (guint64) vmft_dict_int64 (record, "plan_id", 0);
  step->incident_id = (guint64) vmft_dict_int64 (record, "incident_id", 0);
  step->action = action_from_string (vmft_dict_string (record, "action"));
  step->destination = g_strdup (vmft_dict_string (record, "destination"));
  step->destination_uri = g_strdup (vmft_dict_string (record, "destination_uri"));
  step->migrate_uri = g_strdup (vmft_dict_string (record, "migrate_uri"));
  step->message = g_strdup (vmft_dict_string (record, "message"));
  step->allow_postcopy = vmft_dict_boolean (record, "allow_postcopy", FALSE);
  step->peer_to_peer = vmft_dict_boolean (record, "peer_to_peer", TRUE);
  step->postcopy = vmft_dict_boolean (record, "postcopy", FALSE);
  step->forecast_p50_s = vmft_dict_double (record, "forecast_p50_s", 0.0);
  step->forecast_p90_s = vmft_dict_double (record, "forecast_p90_s", 0.0);
  step->forecast_downtime_s = vmft_dict_double (record, "forecast_downtime_s", 0.0);
  step->planned_us = vmft_dict_int64 (record, "planned_us", 0);
  step->started_us = vmft_dict_int64 (record, "started_us", 0);
  step->ended_us = vmft_dict_int64 (record, "ended_us", 0);
  step->attempts = (guint) vmft_dict_int64 (record, "attempts", 0);
  step->has_outcome = outcome_from_string (vmft_dict_string (record, "outcome"), &step->outcome);
  step->total_s = vmft_dict_double (record, "total_s", 0.0);
  step->downtime_s = vmft_dict_double (record, "downtime_s", -1.0);
  step->transferred_bytes = (guint64) vmft_dict_int64 (record, "transferred_bytes", 0);
  step->iterations = (guint) vmft_dict_int64 (record, "iterations", 0);
}

VmftEvacuationStep *
vmft_evacuation_step_from_variant (GVariant *record, GError **error)
{
  const char *uuid = vmft_dict_string (record, "uuid");
  const char *name = vmft_dict_string (record, "name");
  const char *mode = vmft_dict_string (record, "mode");
  g_autoptr (VmftEvacuationStep) step = NULL;

  if (uuid == NULL || name == NULL || mode == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "a migration's record lacks uuid, name or mode");
      return NULL;
    }
  step = vmft_evacuation_step_new (uuid, name);
  if (!vmft_mode_from_string (mode, &step->mode) ||
      !vmft_step_state_from_string (vmft_dict_string (record, "state"), &step->state))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "the record of %s's migration has no valid %s",
                   name, "mode or state");
      return NULL;
    }
  read_rest (step, record);
  return g_steal_pointer (&step);
}
