/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-evacuation-private.h"

static gboolean
collect_unfinished (const char *key, VmftTime time_us, GVariant *stored, gpointer user_data)
{
  GPtrArray *steps = user_data;
  VmftStepState state = VMFT_STEP_PLANNED;
  g_autoptr (GError) error = NULL;
  VmftEvacuationStep *step = NULL;

  /* nearly all of a long history is over: it is not read any further */
  if (vmft_step_state_from_string (vmft_dict_string (stored, "state"), &state) &&
      vmft_step_state_is_over (state))
    return TRUE;
  step = vmft_evacuation_step_from_variant (stored, &error);
  if (step == NULL)
    g_warning ("migration %s: %s", key, error->message);
  else
    g_ptr_array_add (steps, step);
  return TRUE;
}

/* a save or the operator's command was under way: whether the VM still runs here says what came of it */
static void
close_other (VmftEvacuation *self, VmftEvacuationStep *step)
{
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (self->hypervisor, step->uuid);

  if (vm != NULL && vm->running)
    vmft_evacuation_enter (self, step, VMFT_STEP_FAILED,
                           "vmftd was restarted meanwhile and the VM is still here");
  else
    vmft_evacuation_enter (self, step, VMFT_STEP_COMPLETED, "it was gone when vmftd came back");
}

guint
vmft_evacuation_reattach (VmftEvacuation *self)
{
  g_autoptr (GPtrArray) steps = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  guint n = 0;

  if (!vmft_store_foreach (self->store, VMFT_STORE_MIGRATIONS, VMFT_STORE_BY_KEY, 0, collect_unfinished,
                           steps, &error))
    g_warning ("unfinished migrations are unknown: %s", error->message);
  for (guint i = 0; i < steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (steps, i);

      g_ptr_array_add (self->steps, step);
      self->announced = FALSE;
      if (!vmft_step_state_has_job (step->state))
        {
          vmft_evacuation_enter (self, step, VMFT_STEP_ABORTED, "vmftd was restarted before it began");
          continue;
        }
      if (step->action != VMFT_ACTION_MIGRATE)
        {
          close_other (self, step);
          continue;
        }
      /* a direct job ends with its client: if it runs nowhere else, the watch finds the VM where it was */
      vmft_evacuation_watch_job (self, step);
      n++;
    }
  vmft_evacuation_pump (self);
  return n;
}
