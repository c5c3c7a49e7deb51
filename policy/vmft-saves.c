/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-saves.h"

#include "vmft-scope.h"

static void
saver_free (VmftSaver *saver)
{
  g_free (saver->reason);
  g_free (saver);
}

GPtrArray *
vmft_savers_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) saver_free);
}

void
vmft_savers_add (GPtrArray *savers, const VmftPolicyVm *pvm, char *reason)
{
  VmftSaver *saver = g_new0 (VmftSaver, 1);

  saver->pvm = pvm;
  saver->reason = reason;
  g_ptr_array_add (savers, saver);
}

static gint
compare_savers (gconstpointer a, gconstpointer b)
{
  const VmftSaver *x = *(VmftSaver *const *) a, *y = *(VmftSaver *const *) b;

  return vmft_scope_compare (x->pvm, y->pvm);
}

static double
link_bps (const VmftPolicyInput *input)
{
  VmftLink link = input->link != NULL ? *input->link : VMFT_LINK_DEFAULT;
  double bps;

  link.cap_bps = 0.0; /* it is a limit of migrations */
  link.sharing = 1;
  bps = vmft_link_effective_bps (&link);
  if (input->estimator == NULL || input->destinations == NULL || input->destinations->len == 0)
    return bps;
  bps = 0.0;
  for (guint i = 0; i < input->destinations->len; i++)
    {
      const VmftDestination *destination = input->destinations->pdata[i];

      vmft_estimator_get_link (input->estimator, destination->name, 0.0, 1, &link);
      bps = MAX (bps, vmft_link_effective_bps (&link));
    }
  return bps;
}

static char *
save_reason (const VmftPlanStep *step, const char *why)
{
  g_autofree char *takes = vmft_text_duration (step->downtime_p50_s);

  return g_strdup_printf ("saved to shared storage, in about %s, where it can be started elsewhere: %s",
                          takes, why);
}

static void
add_step (VmftPlan *plan, const VmftSaver *saver, double *p50_s, double *p90_s, const VmftPolicyInput *input)
{
  const VmftVm *vm = saver->pvm->vm;
  const VmftLink unknown = VMFT_LINK_DEFAULT;
  VmftPlanStep *step = vmft_plan_add_step (plan, vm->uuid, vm->name);
  double bps = link_bps (input);
  double takes_s = vmft_scope_freed_bytes (vm) / (bps > 0.0 ? bps : vmft_link_effective_bps (&unknown));

  step->save = TRUE;
  step->weight = vmft_scope_weight (vm);
  step->start_p50_s = *p50_s;
  step->start_p90_s = *p90_s;
  *p50_s += takes_s;
  *p90_s += takes_s;
  step->finish_p50_s = *p50_s;
  step->finish_p90_s = *p90_s;
  step->downtime_p50_s = takes_s; /* and until somebody starts it again */
  step->p_arrive = input->lead != NULL
                       ? vmft_lead_survival (input->lead, step->finish_p50_s + input->config.guard_s)
                       : 1.0;
  step->fits = step->p_arrive >= input->config.confidence;
  step->reason = save_reason (step, saver->reason);
}

void
vmft_savers_finish (GPtrArray *savers, VmftPlan *plan, double busy_s, const VmftPolicyInput *input)
{
  double p50_s = busy_s, p90_s = busy_s;

  if (plan->steps->len > 0)
    {
      const VmftPlanStep *last = plan->steps->pdata[plan->steps->len - 1];

      p50_s = last->finish_p50_s;
      p90_s = last->finish_p90_s;
    }
  g_ptr_array_sort (savers, compare_savers);
  for (guint i = 0; i < savers->len; i++)
    add_step (plan, savers->pdata[i], &p50_s, &p90_s, input);
}
