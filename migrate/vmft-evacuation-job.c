/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-evacuation-private.h"

#include "vmft-evacuation-spec.h"

#include <string.h>

/* a broken post-copy job: both ends need a moment to see their sockets dead */
#define RESUME_MIN_MS 1000
#define RESUME_MAX_MS 10000

/* twice as long as before, up to a limit */
static guint
longer (guint delay_ms)
{
  return CLAMP (delay_ms * 2, RESUME_MIN_MS, RESUME_MAX_MS);
}

static void resume_later (VmftEvacuation *self, VmftEvacuationStep *step, guint delay_ms);

/* --- where to --- */

static gboolean
was_tried (const VmftEvacuationStep *step, const char *name)
{
  return g_ptr_array_find_with_equal_func (step->tried, name, g_str_equal, NULL);
}

static char *
choose_next (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  if (step->attempts >= self->config.max_attempts)
    return NULL;
  if (self->next_target != NULL)
    return self->next_target (step, self->next_target_data);
  for (guint i = 0; i < self->targets->len; i++)
    {
      const VmftTarget *target = g_ptr_array_index (self->targets, i);

      if (!was_tried (step, target->name))
        return g_strdup (target->name);
    }
  return NULL;
}

static void
nobody_takes_it (VmftEvacuation *self, VmftEvacuationStep *step, const char *why)
{
  g_autofree char *message = NULL;

  if (!self->config.save_refused)
    {
      vmft_evacuation_enter (self, step, VMFT_STEP_FAILED, why);
      return;
    }
  message = g_strdup_printf ("no destination takes it (%s): it is saved instead", why);
  step->action = VMFT_ACTION_SAVE;
  step->has_outcome = FALSE;
  vmft_evacuation_enter (self, step, VMFT_STEP_WAITING, message);
}

static void
refused (VmftEvacuation *self, VmftEvacuationStep *step, const char *why)
{
  g_autofree char *next = NULL;
  g_autofree char *message = NULL;

  g_ptr_array_add (step->tried, g_strdup (step->destination));
  next = choose_next (self, step);
  if (next == NULL || vmft_evacuation_find_target (self, next) == NULL || was_tried (step, next))
    {
      nobody_takes_it (self, step, why);
      return;
    }
  message = g_strdup_printf ("%s refused it (%s); %s is next", step->destination, why, next);
  g_free (step->destination);
  step->destination = g_steal_pointer (&next);
  step->has_outcome = FALSE;
  vmft_evacuation_enter (self, step, VMFT_STEP_WAITING, message);
}

/* --- the end of a job --- */

static double
since_start_s (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  if (step->started_us <= 0)
    return 0.0;
  return MAX (0.0, vmft_time_diff_s (vmft_clock_real_us (self->clock), step->started_us));
}

static void
take_result (VmftEvacuation *self, VmftEvacuationStep *step, const VmftResult *result)
{
  step->has_outcome = TRUE;
  step->outcome = result->outcome;
  step->total_measured = result->total_s > 0.0;
  step->total_s = step->total_measured ? result->total_s : since_start_s (self, step);
  step->downtime_s = result->downtime_s;
  step->transferred_bytes = result->transferred_bytes;
  step->iterations = result->iterations;
  step->postcopy |= result->postcopy;
}

static void
finish_job (VmftEvacuation *self,
            VmftEvacuationStep *step,
            const VmftResult *result,
            gboolean call_was_ours,
            guint delay_ms)
{
  const char *why = g_hash_table_lookup (self->aborting, &step->id);

  take_result (self, step, result);
  switch (result->outcome)
    {
    case VMFT_OUTCOME_COMPLETED:
      vmft_evacuation_enter (self, step, VMFT_STEP_COMPLETED,
                             step->total_measured ? NULL
                                                  : "nobody saw its job end: it took no longer than this");
      break;
    case VMFT_OUTCOME_ABORTED:
      vmft_evacuation_enter (self, step, VMFT_STEP_ABORTED, why != NULL ? why : result->message);
      break;
    case VMFT_OUTCOME_PAUSED:
      vmft_evacuation_enter (self, step, VMFT_STEP_RECOVERING, result->message);
      resume_later (self, step, delay_ms);
      break;
    case VMFT_OUTCOME_FAILED:
      if (call_was_ours && result->refused && why == NULL)
        refused (self, step, result->message);
      else if (!call_was_ours && !step->peer_to_peer)
        vmft_evacuation_enter (self, step, VMFT_STEP_ABORTED,
                               "the job ended with the vmftd that had started it");
      else
        vmft_evacuation_enter (self, step, VMFT_STEP_FAILED, result->message);
      break;
    case VMFT_OUTCOME_LOST:
    default:
      vmft_evacuation_enter (self, step, VMFT_STEP_FAILED, result->message);
      break;
    }
}

/* no job came of it */
static void
not_started (VmftEvacuation *self, VmftEvacuationStep *step, const GError *error, guint delay_ms)
{
  /* nothing to resume any more: whatever became of it meanwhile, both hosts know */
  if (step->state == VMFT_STEP_RECOVERING && !g_error_matches (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE))
    vmft_evacuation_watch_job (self, step);
  else if (step->state == VMFT_STEP_RECOVERING)
    resume_later (self, step, delay_ms);
  else if (g_error_matches (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE))
    vmft_evacuation_enter (self, step, VMFT_STEP_WAITING, error->message);
  else
    vmft_evacuation_enter (self, step, VMFT_STEP_FAILED, error->message);
}

static void
on_job_done (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (VmftEvacuationCall) call = user_data;
  VmftEvacuation *self = call->self;
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftResult) result = vmft_hypervisor_migrate_finish (self->hypervisor, async, &error);
  VmftEvacuationStep *step = vmft_evacuation_find_id (self, call->id);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || step == NULL)
    return;
  if (result != NULL)
    finish_job (self, step, result, !call->reattached, longer (call->delay_ms));
  else
    not_started (self, step, error, longer (call->delay_ms));
  vmft_evacuation_pump (self);
}

/* --- the beginning of a job --- */

static VmftVm *
lookup_vm (VmftEvacuation *self, const char *uuid)
{
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (self->hypervisor);

  for (guint i = 0; i < vms->len; i++)
    {
      VmftVm *vm = g_ptr_array_index (vms, i);

      if (g_strcmp0 (vm->uuid, uuid) == 0)
        return vmft_vm_ref (vm);
    }
  return NULL;
}

static void
begin (VmftEvacuation *self, VmftEvacuationStep *step)
{
  step->started_us = vmft_clock_real_us (self->clock);
  step->attempts++;
  memset (&step->progress, 0, sizeof step->progress);
  vmft_evacuation_enter (self, step, VMFT_STEP_RUNNING, step->message);
}

static void
on_saved (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (VmftEvacuationCall) call = user_data;
  VmftEvacuation *self = call->self;
  VmftEvacuationStep *step = vmft_evacuation_find_id (self, call->id);
  g_autoptr (GError) error = NULL;
  gboolean ok = vmft_hypervisor_bool_finish (self->hypervisor, async, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || step == NULL)
    return;
  step->total_s = since_start_s (self, step);
  if (ok)
    vmft_evacuation_enter (self, step, VMFT_STEP_COMPLETED, "saved");
  else
    vmft_evacuation_enter (self, step, VMFT_STEP_FAILED, error->message);
  vmft_evacuation_pump (self);
}

static void
begin_save (VmftEvacuation *self, VmftEvacuationStep *step)
{
  begin (self, step);
  vmft_hypervisor_save_async (self->hypervisor, step->uuid, self->config.save_directory, self->cancellable,
                              on_saved, vmft_evacuation_call_new (self, step));
}

void
vmft_evacuation_begin_job (VmftEvacuation *self, VmftEvacuationStep *step)
{
  const VmftTarget *target = vmft_evacuation_find_target (self, step->destination);
  g_autoptr (VmftVm) vm = lookup_vm (self, step->uuid);
  g_autoptr (VmftMigrationSpec) spec = NULL;
  g_autofree char *why = NULL;

  if (vm == NULL || !vm->running)
    {
      vmft_evacuation_enter (self, step, VMFT_STEP_ABORTED, "it no longer runs here");
      return;
    }
  if (step->action == VMFT_ACTION_SAVE)
    {
      begin_save (self, step);
      return;
    }
  if (target == NULL)
    {
      vmft_evacuation_enter (self, step, VMFT_STEP_FAILED, "no such destination");
      return;
    }
  why = self->barred != NULL ? self->barred (step, self->barred_data) : NULL;
  if (why != NULL)
    {
      refused (self, step, why);
      return;
    }
  g_free (step->destination_uri);
  g_free (step->migrate_uri);
  step->destination_uri = g_strdup (target->uri);
  step->migrate_uri = g_strdup (target->migrate_uri);
  step->peer_to_peer = self->config.peer_to_peer;
  begin (self, step);
  spec = vmft_evacuation_make_spec (&self->config, step, vm, vmft_clock_real_us (self->clock));
  vmft_hypervisor_migrate_async (self->hypervisor, spec, self->cancellable, on_job_done,
                                 vmft_evacuation_call_new (self, step));
}

static gboolean
on_resume_timer (gpointer user_data)
{
  VmftEvacuationCall *call = user_data;
  VmftEvacuation *self = call->self;
  VmftEvacuationStep *step = vmft_evacuation_find_id (self, call->id);
  g_autoptr (VmftMigrationSpec) spec = NULL;
  VmftEvacuationCall *next = NULL;

  if (step == NULL || step->state != VMFT_STEP_RECOVERING || g_cancellable_is_cancelled (self->cancellable))
    return G_SOURCE_REMOVE;
  spec = vmft_evacuation_make_spec (&self->config, step, NULL, vmft_clock_real_us (self->clock));
  spec->resume = TRUE;
  step->attempts++;
  vmft_evacuation_record (self, step);
  next = vmft_evacuation_call_new (self, step);
  next->delay_ms = call->delay_ms;
  vmft_hypervisor_migrate_async (self->hypervisor, spec, self->cancellable, on_job_done, next);
  return G_SOURCE_REMOVE;
}

/* as long as both halves of the guest exist, they can be brought together again: there is no giving up */
static void
resume_later (VmftEvacuation *self, VmftEvacuationStep *step, guint delay_ms)
{
  VmftEvacuationCall *call = vmft_evacuation_call_new (self, step);

  call->delay_ms = delay_ms;
  vmft_clock_add_timer (self->clock, delay_ms, on_resume_timer, call,
                        (GDestroyNotify) vmft_evacuation_call_free);
}

void
vmft_evacuation_watch_job (VmftEvacuation *self, VmftEvacuationStep *step)
{
  VmftEvacuationCall *call = vmft_evacuation_call_new (self, step);

  call->reattached = TRUE;
  vmft_hypervisor_watch_job_async (self->hypervisor, step->uuid, step->destination_uri, self->cancellable,
                                   on_job_done, call);
}
