/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-plan.h"

static const char *const verdict_names[] = { "go", "advise", "not-worth", "nothing", "alert", "save" };

const char *
vmft_plan_verdict_to_string (VmftPlanVerdict verdict)
{
  g_return_val_if_fail ((guint) verdict < G_N_ELEMENTS (verdict_names), "nothing");
  return verdict_names[verdict];
}

static void
step_free (VmftPlanStep *step)
{
  g_free (step->uuid);
  g_free (step->name);
  g_free (step->destination);
  g_free (step->reason);
  g_free (step);
}

static void
refusal_free (VmftPlanRefusal *refusal)
{
  g_free (refusal->uuid);
  g_free (refusal->name);
  g_free (refusal->reason);
  g_free (refusal);
}

static void
obstacle_free (VmftPlanObstacle *obstacle)
{
  g_free (obstacle->uuid);
  g_free (obstacle->name);
  g_free (obstacle->destination);
  g_free (obstacle->reason);
  g_free (obstacle);
}

VmftPlan *
vmft_plan_new (VmftTime now_us)
{
  VmftPlan *plan = g_atomic_rc_box_new0 (VmftPlan);

  plan->now_us = now_us;
  plan->verdict = VMFT_PLAN_NOTHING;
  plan->fault_class = VMFT_CLASS_OTHER;
  plan->steps = g_ptr_array_new_with_free_func ((GDestroyNotify) step_free);
  plan->refusals = g_ptr_array_new_with_free_func ((GDestroyNotify) refusal_free);
  plan->obstacles = g_ptr_array_new_with_free_func ((GDestroyNotify) obstacle_free);
  return plan;
}

VmftPlan *
vmft_plan_ref (VmftPlan *plan)
{
  return g_atomic_rc_box_acquire (plan);
}

static void
plan_clear (gpointer data)
{
  VmftPlan *plan = data;

  g_free (plan->guard);
  g_free (plan->reason);
  g_free (plan->lead_origin);
  g_ptr_array_unref (plan->steps);
  g_ptr_array_unref (plan->refusals);
  g_ptr_array_unref (plan->obstacles);
}

void
vmft_plan_unref (VmftPlan *plan)
{
  g_atomic_rc_box_release_full (plan, plan_clear);
}

VmftPlanStep *
vmft_plan_add_step (VmftPlan *plan, const char *uuid, const char *name)
{
  VmftPlanStep *step = g_new0 (VmftPlanStep, 1);

  step->uuid = g_strdup (uuid);
  step->name = g_strdup (name);
  for (guint i = 0; i < VMFT_N_MODES; i++)
    {
      step->estimates[i].mode = (VmftMode) i;
      step->estimates[i].status = VMFT_ESTIMATE_NOT_ALLOWED;
    }
  g_ptr_array_add (plan->steps, step);
  return step;
}

VmftPlanStep *
vmft_plan_copy_step (VmftPlan *plan, const VmftPlanStep *step)
{
  VmftPlanStep *copy = g_memdup2 (step, sizeof *step);

  copy->uuid = g_strdup (step->uuid);
  copy->name = g_strdup (step->name);
  copy->destination = g_strdup (step->destination);
  copy->reason = g_strdup (step->reason);
  g_ptr_array_add (plan->steps, copy);
  return copy;
}

void
vmft_plan_add_refusal (VmftPlan *plan, const char *uuid, const char *name, gboolean concerned, char *reason)
{
  VmftPlanRefusal *refusal = g_new0 (VmftPlanRefusal, 1);

  refusal->uuid = g_strdup (uuid);
  refusal->name = g_strdup (name);
  refusal->concerned = concerned;
  refusal->reason = reason;
  g_ptr_array_add (plan->refusals, refusal);
}

void
vmft_plan_add_obstacle (VmftPlan *plan,
                        const char *uuid,
                        const char *name,
                        const char *destination,
                        char *reason)
{
  VmftPlanObstacle *obstacle = g_new0 (VmftPlanObstacle, 1);

  obstacle->uuid = g_strdup (uuid);
  obstacle->name = g_strdup (name);
  obstacle->destination = g_strdup (destination);
  obstacle->reason = reason;
  g_ptr_array_add (plan->obstacles, obstacle);
}

VmftPlan *
vmft_plan_select (const VmftPlan *plan,
                  gboolean (*keep) (const VmftPlanStep *step, gpointer user_data),
                  gpointer user_data)
{
  VmftPlan *copy = vmft_plan_new (plan->now_us);
  const VmftPlan fresh = *copy;

  *copy = *plan;
  copy->guard = g_strdup (plan->guard);
  copy->reason = g_strdup (plan->reason);
  copy->lead_origin = g_strdup (plan->lead_origin);
  copy->steps = fresh.steps;
  copy->refusals = fresh.refusals;
  copy->obstacles = fresh.obstacles;
  for (guint i = 0; i < plan->steps->len; i++)
    if (keep (plan->steps->pdata[i], user_data))
      vmft_plan_copy_step (copy, plan->steps->pdata[i]);
  for (guint i = 0; i < plan->refusals->len; i++)
    {
      const VmftPlanRefusal *refusal = plan->refusals->pdata[i];

      vmft_plan_add_refusal (copy, refusal->uuid, refusal->name, refusal->concerned,
                             g_strdup (refusal->reason));
    }
  for (guint i = 0; i < plan->obstacles->len; i++)
    {
      const VmftPlanObstacle *obstacle = plan->obstacles->pdata[i];

      vmft_plan_add_obstacle (copy, obstacle->uuid, obstacle->name, obstacle->destination,
                              g_strdup (obstacle->reason));
    }
  return copy;
}

gboolean
vmft_plan_is_actionable (const VmftPlan *plan)
{
  return (plan->verdict == VMFT_PLAN_GO || plan->verdict == VMFT_PLAN_SAVE) && plan->steps->len > 0;
}

/* --- as a record --- */

static GVariant *
step_to_variant (const VmftPlanStep *step)
{
  GVariantBuilder estimates;
  GVariantDict dict;

  g_variant_builder_init (&estimates, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < VMFT_N_MODES; i++)
    g_variant_builder_add_value (&estimates, vmft_estimate_to_variant (&step->estimates[i]));

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uuid", "s", step->uuid);
  g_variant_dict_insert (&dict, "name", "s", step->name);
  g_variant_dict_insert (&dict, "weight", "u", step->weight);
  g_variant_dict_insert (&dict, "save", "b", step->save);
  g_variant_dict_insert (&dict, "destination", "s", step->destination ? step->destination : "");
  g_variant_dict_insert (&dict, "mode", "s", vmft_mode_to_string (step->mode));
  g_variant_dict_insert (&dict, "allow_postcopy", "b", step->allow_postcopy);
  g_variant_dict_insert (&dict, "start_p50_s", "d", step->start_p50_s);
  g_variant_dict_insert (&dict, "start_p90_s", "d", step->start_p90_s);
  g_variant_dict_insert (&dict, "finish_p50_s", "d", step->finish_p50_s);
  g_variant_dict_insert (&dict, "finish_p90_s", "d", step->finish_p90_s);
  g_variant_dict_insert (&dict, "downtime_p50_s", "d", step->downtime_p50_s);
  g_variant_dict_insert (&dict, "p_arrive", "d", step->p_arrive);
  g_variant_dict_insert (&dict, "fits", "b", step->fits);
  g_variant_dict_insert (&dict, "bandwidth_bps", "d", step->bandwidth_bps);
  g_variant_dict_insert (&dict, "reason", "s", step->reason ? step->reason : "");
  g_variant_dict_insert_value (&dict, "estimates", g_variant_builder_end (&estimates));
  return g_variant_dict_end (&dict);
}

static GVariant *
refusal_to_variant (const VmftPlanRefusal *refusal)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uuid", "s", refusal->uuid);
  g_variant_dict_insert (&dict, "name", "s", refusal->name);
  g_variant_dict_insert (&dict, "concerned", "b", refusal->concerned);
  g_variant_dict_insert (&dict, "reason", "s", refusal->reason);
  return g_variant_dict_end (&dict);
}

static GVariant *
obstacle_to_variant (const VmftPlanObstacle *obstacle)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uuid", "s", obstacle->uuid);
  g_variant_dict_insert (&dict, "name", "s", obstacle->name);
  g_variant_dict_insert (&dict, "destination", "s", obstacle->destination);
  g_variant_dict_insert (&dict, "reason", "s", obstacle->reason);
  return g_variant_dict_end (&dict);
}

static GVariant *
array_to_variant (GPtrArray *array, GVariant *(*to_variant) (gconstpointer))
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < array->len; i++)
    g_variant_builder_add_value (&builder, to_variant (array->pdata[i]));
  return g_variant_builder_end (&builder);
}

GVariant *
vmft_plan_to_variant (const VmftPlan *plan)
{
  g_autofree char *locus = vmft_locus_to_string (&plan->locus);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "t", plan->id);
  g_variant_dict_insert (&dict, "incident_id", "t", plan->incident_id);
  g_variant_dict_insert (&dict, "now_us", "x", plan->now_us);
  g_variant_dict_insert (&dict, "class", "s", vmft_fault_class_to_string (plan->fault_class));
  g_variant_dict_insert (&dict, "locus", "s", locus);
  g_variant_dict_insert (&dict, "verdict", "s", vmft_plan_verdict_to_string (plan->verdict));
  g_variant_dict_insert (&dict, "guard", "s", plan->guard ? plan->guard : "");
  g_variant_dict_insert (&dict, "reason", "s", plan->reason ? plan->reason : "");
  g_variant_dict_insert (&dict, "drill", "b", plan->drill);
  g_variant_dict_insert (&dict, "elapsed_s", "d", plan->elapsed_s);
  g_variant_dict_insert (&dict, "lead_p5_s", "d", plan->lead_p5_s);
  g_variant_dict_insert (&dict, "lead_p10_s", "d", plan->lead_p10_s);
  g_variant_dict_insert (&dict, "lead_p50_s", "d", plan->lead_p50_s);
  g_variant_dict_insert (&dict, "lead_p90_s", "d", plan->lead_p90_s);
  g_variant_dict_insert (&dict, "lead_origin", "s", plan->lead_origin ? plan->lead_origin : "");
  g_variant_dict_insert (&dict, "p_fails", "d", plan->p_fails);
  g_variant_dict_insert (&dict, "confidence", "d", plan->confidence);
  g_variant_dict_insert (&dict, "guard_s", "d", plan->guard_s);
  g_variant_dict_insert (&dict, "saved_weight", "d", plan->saved_weight);
  g_variant_dict_insert (&dict, "total_weight", "d", plan->total_weight);
  g_variant_dict_insert (&dict, "fallback_used", "b", plan->fallback_used);
  g_variant_dict_insert (&dict, "exact", "b", plan->exact);
  g_variant_dict_insert_value (
      &dict, "steps", array_to_variant (plan->steps, (GVariant * (*) (gconstpointer)) step_to_variant));
  g_variant_dict_insert_value (
      &dict, "refusals",
      array_to_variant (plan->refusals, (GVariant * (*) (gconstpointer)) refusal_to_variant));
  g_variant_dict_insert_value (
      &dict, "obstacles",
      array_to_variant (plan->obstacles, (GVariant * (*) (gconstpointer)) obstacle_to_variant));
  return g_variant_dict_end (&dict);
}
