/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-verdict.h"

#include "vmft-scope.h"

#include <math.h>

/* In seconds of service, weighted: what the moves save, what they cost, what is at stake. */
typedef struct
{
  double gain;
  double cost;
  double risk;
} Balance;

static Balance
weigh_up (const VmftPlan *plan, double disturbance, const VmftPolicyInput *input)
{
  double weight = 0.0;

  for (guint i = 0; i < plan->steps->len; i++)
    weight += ((const VmftPlanStep *) plan->steps->pdata[i])->weight;
  return (Balance){ .gain = plan->p_fails * plan->saved_weight * input->config.loss_s,
                    .cost = weight * input->config.move_s + disturbance,
                    .risk = plan->p_fails * weight * input->config.loss_s };
}

static guint
count_fitting (const VmftPlan *plan)
{
  guint n = 0;

  for (guint i = 0; i < plan->steps->len; i++)
    n += ((const VmftPlanStep *) plan->steps->pdata[i])->fits;
  return n;
}

/* VMs that do not fit go the way of the fallback. */
static void
apply_fallback (VmftPlan *plan, const VmftPolicyInput *input)
{
  plan->fallback_used = TRUE;
  for (guint i = plan->steps->len; input->config.fallback != VMFT_FALLBACK_FASTEST && i > 0; i--)
    {
      VmftPlanStep *step = plan->steps->pdata[i - 1];

      if (step->fits)
        continue;
      vmft_plan_add_refusal (plan, step->uuid, step->name, TRUE,
                             g_strdup_printf ("no mode arrives in time (best %.0f%%), fallback “%s”",
                                              100.0 * step->p_arrive,
                                              vmft_fallback_to_string (input->config.fallback)));
      g_ptr_array_remove_index (plan->steps, i - 1);
    }
}

static void
set_verdict (VmftPlan *plan, VmftPlanVerdict verdict, char *reason)
{
  plan->verdict = verdict;
  g_free (plan->reason);
  plan->reason = reason;
}

static char *
describe_go (const VmftPlan *plan)
{
  const VmftPlanStep *last = plan->steps->pdata[plan->steps->len - 1];
  g_autofree char *finish = vmft_text_duration (last->finish_p50_s);
  g_autofree char *lead = vmft_text_duration (plan->lead_p50_s);
  guint n = plan->steps->len;

  if (!isfinite (plan->lead_p50_s))
    return g_strdup_printf ("%u VM%s can leave in %s", n, n == 1 ? "" : "s", finish);
  return g_strdup_printf (
      "%u VM%s can leave in %s, %s are left (p50), %.1f of %.0f weight is expected to arrive", n,
      n == 1 ? "" : "s", finish, lead, plan->saved_weight, plan->total_weight);
}

static void
decide_fallback (VmftPlan *plan, const VmftPolicyInput *input)
{
  g_autofree char *go = NULL;

  switch (input->config.fallback)
    {
    case VMFT_FALLBACK_ALERT:
      set_verdict (plan, VMFT_PLAN_ALERT, g_strdup ("no VM arrives in time with the confidence asked for"));
      return;
    case VMFT_FALLBACK_SAVE:
      set_verdict (plan, VMFT_PLAN_SAVE,
                   g_strdup ("no VM arrives in time: saving to shared storage instead"));
      return;
    case VMFT_FALLBACK_FASTEST:
    default:
      go = describe_go (plan);
      set_verdict (plan, VMFT_PLAN_GO,
                   g_strdup_printf ("none is sure to arrive, the fastest way for each: %s", go));
      return;
    }
}

static void
hold_back (VmftPlan *plan, const char *guard_reason)
{
  g_autofree char *would = g_steal_pointer (&plan->reason);

  if (plan->verdict == VMFT_PLAN_GO || plan->verdict == VMFT_PLAN_SAVE)
    set_verdict (plan, VMFT_PLAN_ADVISE, g_strdup_printf ("%s; %s", guard_reason, would));
  else
    plan->reason = g_steal_pointer (&would);
}

void
vmft_verdict_decide (VmftPlan *plan, double disturbance, const VmftPolicyInput *input)
{
  g_autofree char *guard_reason = NULL;
  gboolean asked_for = input->incident == NULL || input->lead == NULL;
  Balance balance = weigh_up (plan, disturbance, input);
  guint n_planned = plan->steps->len, n_fit = count_fitting (plan);

  if (n_fit < n_planned)
    apply_fallback (plan, input);
  if (n_planned == 0)
    set_verdict (plan, VMFT_PLAN_NOTHING,
                 g_strdup (plan->total_weight > 0.0 ? "none of the VMs concerned can move"
                                                    : "the fault concerns none of the VMs"));
  else if (!asked_for && (n_fit > 0 ? balance.gain : balance.risk) <= balance.cost)
    set_verdict (plan, VMFT_PLAN_NOT_WORTH,
                 g_strdup_printf ("moving would cost %.1f s of service, weighted, and save %.1f s",
                                  balance.cost, balance.gain));
  else if (n_fit == 0)
    decide_fallback (plan, input);
  else
    set_verdict (plan, VMFT_PLAN_GO, describe_go (plan));

  plan->guard = g_strdup (vmft_guard (input, &guard_reason));
  if (plan->guard != NULL)
    hold_back (plan, guard_reason);
}
