/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-evacuation-private.h"

#include "vmft-exec.h"

/* the command said "not now" */
#define AGAIN_MS 10000

/* one run of the operator's command */
typedef struct
{
  VmftEvacuation *self;
  VmftPlan *plan;
  GArray *ids; /* of guint64: the steps it was given */
} Run;

static void
run_free (Run *run)
{
  g_object_unref (run->self);
  vmft_plan_unref (run->plan);
  g_array_unref (run->ids);
  g_free (run);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Run, run_free)

static gboolean
on_again (gpointer user_data)
{
  Run *run = user_data;

  if (!g_cancellable_is_cancelled (run->self->cancellable))
    vmft_evacuation_run_command (run->self, run->plan);
  return G_SOURCE_REMOVE;
}

static void
end_step (VmftEvacuation *self, VmftEvacuationStep *step, VmftExecResult result, const char *message)
{
  step->total_s = vmft_time_diff_s (vmft_clock_real_us (self->clock), step->started_us);
  if (result == VMFT_EXEC_DONE)
    vmft_evacuation_enter (self, step, VMFT_STEP_COMPLETED, message);
  else if (result == VMFT_EXEC_AGAIN && step->attempts < self->config.max_attempts)
    vmft_evacuation_enter (self, step, VMFT_STEP_WAITING, message);
  else
    vmft_evacuation_enter (self, step, VMFT_STEP_FAILED, message);
}

static void
on_command_done (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Run *run = user_data;
  VmftEvacuation *self = run->self;
  VmftExecResult result = VMFT_EXEC_FAILED;
  g_autofree char *message = NULL;
  g_autoptr (GError) error = NULL;
  gboolean again = FALSE;

  if (!vmft_exec_run_finish (async, &result, &message, &error))
    message = g_strdup (error->message);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      run_free (run);
      return;
    }
  for (guint i = 0; i < run->ids->len; i++)
    {
      VmftEvacuationStep *step = vmft_evacuation_find_id (self, g_array_index (run->ids, guint64, i));

      if (step == NULL || step->state != VMFT_STEP_RUNNING)
        continue;
      end_step (self, step, result, message);
      again |= step->state == VMFT_STEP_WAITING;
    }
  vmft_evacuation_pump (self);
  if (again)
    vmft_clock_add_timer (self->clock, AGAIN_MS, on_again, run, (GDestroyNotify) run_free);
  else
    run_free (run);
}

static gboolean
is_in_run (const VmftPlanStep *planned, gpointer user_data)
{
  const Run *run = user_data;

  for (guint i = 0; i < run->ids->len; i++)
    {
      const VmftEvacuationStep *step =
          vmft_evacuation_find_id (run->self, g_array_index (run->ids, guint64, i));

      if (step != NULL && g_strcmp0 (step->uuid, planned->uuid) == 0)
        return TRUE;
    }
  return FALSE;
}

/* What it is told: to move the VMs of this run, and no other; who was called off since the plan was made stays. */
static char *
format_run (Run *run)
{
  g_autoptr (VmftPlan) part = vmft_plan_select (run->plan, is_in_run, run);

  return vmft_json_from_variant (vmft_plan_to_variant (part), FALSE);
}

void
vmft_evacuation_run_command (VmftEvacuation *self, const VmftPlan *plan)
{
  g_autoptr (Run) run = g_new0 (Run, 1);
  g_autofree char *json = NULL;

  run->self = g_object_ref (self);
  run->plan = vmft_plan_ref ((VmftPlan *) plan);
  run->ids = g_array_new (FALSE, FALSE, sizeof (guint64));
  for (guint i = 0; i < self->steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (step->action != VMFT_ACTION_EXEC || step->state != VMFT_STEP_WAITING || step->plan_id != plan->id)
        continue;
      step->attempts++;
      step->started_us = vmft_clock_real_us (self->clock);
      g_array_append_val (run->ids, step->id);
      vmft_evacuation_enter (self, step, VMFT_STEP_RUNNING, "the operator's command moves it");
    }
  if (run->ids->len == 0)
    return;
  json = format_run (run);
  vmft_exec_run_async (self->clock, self->config.exec_command, json, self->config.exec_timeout_s,
                       self->cancellable, on_command_done, g_steal_pointer (&run));
}
