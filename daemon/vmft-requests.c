/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the operator asks for by hand: the same plans and the same execution, without an incident behind them. */
#include "vmft-daemon-private.h"

#include <math.h>

/* --- plans --- */

GVariant *
vmft_daemon_suppose (VmftDaemon *self, const char *class_name, GError **error)
{
  g_autoptr (VmftPlan) plan = NULL;
  VmftFaultClass fault_class;

  if (class_name != NULL && !vmft_fault_class_from_string (class_name, &fault_class))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "“%s” is not a fault class (disk, io, memory, pressure, cpu, pcie, network, other)",
                   class_name);
      return NULL;
    }
  plan = class_name != NULL ? vmft_planner_suppose (self->planner, fault_class, self->operation)
                            : vmft_planner_plan (self->planner, NULL, VMFT_OPERATION_ACT);
  return vmft_plan_to_variant (plan);
}

GVariant *
vmft_daemon_evacuate (VmftDaemon *self, gboolean dry_run, GError **error)
{
  g_autoptr (VmftPlan) plan = vmft_planner_plan (self->planner, NULL, VMFT_OPERATION_ACT);

  if (dry_run)
    return vmft_plan_to_variant (plan);
  if (!vmft_plan_is_actionable (plan))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED, "%s",
                   plan->reason ? plan->reason : "there is nothing to move");
      return NULL;
    }
  return vmft_decisions_carry_out (self->decisions, plan);
}

/* --- one VM --- */

static const VmftPlanStep *
find_step (const VmftPlan *plan, const char *uuid)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = g_ptr_array_index (plan->steps, i);

      if (strcmp (step->uuid, uuid) == 0)
        return step;
    }
  return NULL;
}

static void
set_refusal (const VmftPlan *plan, const VmftVm *vm, GError **error)
{
  const char *reason = plan->reason ? plan->reason : "it cannot move";

  for (guint i = 0; i < plan->refusals->len; i++)
    {
      const VmftPlanRefusal *refusal = g_ptr_array_index (plan->refusals, i);

      if (strcmp (refusal->uuid, vm->uuid) == 0)
        reason = refusal->reason;
    }
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED, "%s: %s", vm->name, reason);
}

/* Of the modes in @mask the one that is expected to be the shortest. */
static VmftMode
shortest (const VmftPlanStep *step, guint mask)
{
  VmftMode best = VMFT_N_MODES;

  for (guint i = 0; i < VMFT_N_MODES; i++)
    if ((mask & vmft_mode_bit ((VmftMode) i)) != 0 &&
        (best == VMFT_N_MODES || step->estimates[i].total_p50_s < step->estimates[best].total_p50_s))
      best = (VmftMode) i;
  return best;
}

/* The one that is asked for, else the plan's; to another destination than the plan's it may not be possible. */
static gboolean
choose_mode (VmftPlanStep *step, const VmftVm *vm, const char *mode_name, GError **error)
{
  guint possible = vmft_vm_modes_to (vm, step->destination) & vm->policy.modes;

  if (mode_name != NULL && !vmft_mode_from_string (mode_name, &step->mode))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "“%s” is not a mode (pre-copy, xbzrle, auto-converge, hybrid, post-copy)", mode_name);
      return FALSE;
    }
  if ((possible & vmft_mode_bit (step->mode)) != 0)
    return TRUE;
  if (mode_name == NULL && possible != 0)
    {
      step->mode = shortest (step, possible);
      return TRUE;
    }
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED, "%s: %s to %s is not possible or not allowed", vm->name,
               mode_name ? mode_name : "any mode", step->destination);
  return FALSE;
}

static gboolean
choose_destination (VmftDaemon *self, VmftPlanStep *step, const VmftVm *vm, const char *name, GError **error)
{
  const GPtrArray *destinations = vmft_destinations_list (self->destinations);
  g_autofree char *reason = NULL;

  if (name == NULL)
    return TRUE;
  for (guint i = 0; i < destinations->len; i++)
    {
      const VmftDestination *destination = g_ptr_array_index (destinations, i);

      if (strcmp (destination->name, name) != 0)
        continue;
      if (!vmft_policy_movable (vm, destination, &reason))
        {
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED, "%s cannot go to %s: %s", vm->name, name,
                       reason);
          return FALSE;
        }
      g_free (step->destination);
      step->destination = g_strdup (name);
      return TRUE;
    }
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "there is no destination “%s”", name);
  return FALSE;
}

GVariant *
vmft_daemon_migrate (VmftDaemon *self,
                     const char *name,
                     const char *mode_name,
                     const char *destination,
                     GError **error)
{
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (self->hypervisor, name);
  g_autoptr (VmftPlan) whole = NULL;
  g_autoptr (VmftPlan) one = NULL;
  g_autoptr (GVariant) record = NULL;
  const VmftPlanStep *chosen;
  VmftPlanStep *step;
  GVariantDict dict;

  if (vm == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "this host has no domain “%s”", name);
      return NULL;
    }
  whole = vmft_planner_plan (self->planner, NULL, VMFT_OPERATION_ACT);
  chosen = find_step (whole, vm->uuid);
  /* who asks for a move does not ask for the guest to be stopped */
  if (chosen != NULL && chosen->save)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED, "%s cannot move; an evacuation would have it %s",
                   vm->name, chosen->reason);
      return NULL;
    }
  if (chosen == NULL)
    {
      set_refusal (whole, vm, error);
      return NULL;
    }
  one = vmft_plan_new (whole->now_us);
  one->verdict = VMFT_PLAN_GO;
  one->reason = g_strdup_printf ("the operator moves %s", vm->name);
  one->lead_p5_s = one->lead_p10_s = one->lead_p50_s = one->lead_p90_s = INFINITY; /* no deadline */
  step = vmft_plan_copy_step (one, chosen);
  if (!choose_destination (self, step, vm, destination, error) || !choose_mode (step, vm, mode_name, error))
    return NULL;
  record = g_variant_ref_sink (vmft_decisions_carry_out (self->decisions, one));
  g_variant_dict_init (&dict, record);
  g_variant_dict_insert (&dict, "migration_id", "t", vmft_executor_find (self->executor, vm->uuid));
  return g_variant_dict_end (&dict);
}

/* --- what is wanted of one VM --- */

static void
on_policy_set (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  const VmftVm *changed = g_task_get_task_data (task);

  if (!vmft_hypervisor_bool_finish (VMFT_HYPERVISOR (object), result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_message ("VM %s: its policy was changed by the operator", changed->name);
  g_task_return_pointer (task, g_variant_ref_sink (vmft_vm_to_variant (changed)),
                         (GDestroyNotify) g_variant_unref);
}

void
vmft_daemon_set_vm_policy_async (VmftDaemon *self,
                                 const char *name,
                                 GVariant *changes,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (self->hypervisor, name);
  g_autoptr (GError) error = NULL;
  VmftVm *changed = NULL;

  if (vm == NULL)
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "this host has no domain “%s”", name);
      return;
    }
  changed = vmft_vm_copy (vm);
  g_task_set_task_data (task, changed, (GDestroyNotify) vmft_vm_unref);
  if (!vmft_vm_policy_change (&changed->policy, changes, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  vmft_hypervisor_set_policy_async (self->hypervisor, vm->uuid, &changed->policy, NULL, on_policy_set,
                                    g_object_ref (task));
}

GVariant *
vmft_daemon_set_vm_policy_finish (VmftDaemon *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) record = g_task_propagate_pointer (G_TASK (result), error);
  GVariantDict dict;

  if (record == NULL)
    return NULL;
  g_variant_dict_init (&dict, record);
  return g_variant_dict_end (&dict);
}

/* --- rehearsals --- */

static const struct
{
  const char *class_name;
  const char *lines[2];
} drills[] = {
  { "disk",
    { "critical medium error, dev vmftdrill, sector 4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
      "I/O error, dev vmftdrill, sector 4008 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2" } },
  { "io",
    { "Buffer I/O error on dev vmftdrill, logical block 1, lost async page write",
      "EXT4-fs (vmftdrill): Remounting filesystem read-only" } },
  { "memory",
    { "mce: [Hardware Error]: Machine check events logged",
      "EDAC MC0: 1 UE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0 (channel:0 slot:0 page:0x1 "
      "offset:0x0)" } },
  { "cpu",
    { "INFO: task vmftdrill:4711 blocked for more than 120 seconds.",
      "watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [vmftdrill:4711]" } },
  { "pcie",
    { "pcieport 0000:00:01.0: AER: Uncorrected (Non-Fatal) error received: 0000:01:00.0",
      "pcieport 0000:00:01.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer" } },
};

/* The plan that a real fault at the same place would get. */
static gboolean
carry_out_drill (VmftDaemon *self, GError **error)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);
  const VmftIncident *newest = NULL;
  g_autoptr (VmftPlan) plan = NULL;
  VmftIncident real;

  for (guint i = 0; i < incidents->len; i++)
    {
      const VmftIncident *incident = g_ptr_array_index (incidents, i);

      if (incident->drill && incident->state == VMFT_INCIDENT_CONFIRMED &&
          (newest == NULL || incident->last_us > newest->last_us))
        newest = incident;
    }
  if (newest == NULL)
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_REFUSED, "the rehearsal confirmed no incident");
      return FALSE;
    }
  real = *newest;
  real.drill = FALSE;
  real.trusted = TRUE; /* the operator stands behind it */
  plan = vmft_planner_plan (self->planner, &real, VMFT_OPERATION_ACT);
  if (!vmft_plan_is_actionable (plan))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED, "%s",
                   plan->reason ? plan->reason : "there is nothing to move");
      return FALSE;
    }
  plan->drill = TRUE;
  g_variant_unref (g_variant_ref_sink (vmft_decisions_carry_out (self->decisions, plan)));
  return TRUE;
}

gboolean
vmft_daemon_drill (VmftDaemon *self, const char *class_name, gboolean move, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (drills); i++)
    {
      g_string_append_printf (known, "%s%s", i > 0 ? ", " : "", drills[i].class_name);
      if (strcmp (drills[i].class_name, class_name) != 0)
        continue;
      for (guint j = 0; j < G_N_ELEMENTS (drills[i].lines); j++)
        vmft_pipeline_feed_drill (self->pipeline, drills[i].lines[j]);
      return !move || carry_out_drill (self, error);
    }
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "there is no drill for “%s” (%s)", class_name,
               known->str);
  return FALSE;
}
