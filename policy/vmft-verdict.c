/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-verdict.h"

#include "vmft-scope.h"

#include <math.h>

/* In seconds of service, weighted: what the moves save, what the steps cost, what is at stake. */
typedef struct
{
  double gain;
  double cost;
  double risk;
  double save_risk; /* the part of it that saves take away */
} Balance;

static double
save_cost (const VmftPlanStep *step, const VmftPolicyInput *input)
{
  return step->weight * (input->config.move_s + step->downtime_p50_s);
}

static double
step_risk (const VmftPlan *plan, const VmftPlanStep *step, const VmftPolicyInput *input)
{
  return plan->p_fails * step->weight * input->config.loss_s;
}

/* A huge guest may stand still for longer than it is worth; that must not keep the others here. */
static void
drop_idle_saves (VmftPlan *plan, const VmftPolicyInput *input)
{
  for (guint i = plan->steps->len; i > 0; i--)
    {
      const VmftPlanStep *step = plan->steps->pdata[i - 1];
      double cost = save_cost (step, input), risk = step_risk (plan, step, input);

      if (!step->save || risk > cost)
        continue;
      vmft_plan_add_refusal (plan, step->uuid, step->name, TRUE,
                             g_strdup_printf ("saving it would cost %.1f s of service, weighted, and %.1f s "
                                              "are at risk",
                                              cost, risk));
      g_ptr_array_remove_index (plan->steps, i - 1);
    }
}

static Balance
weigh_up (const VmftPlan *plan, double disturbance, const VmftPolicyInput *input)
{
  Balance balance = { .gain = plan->p_fails * plan->saved_weight * input->config.loss_s,
                      .cost = disturbance };

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = plan->steps->pdata[i];
      double risk = step_risk (plan, step, input);

      balance.risk += risk;
      balance.save_risk += step->save ? risk : 0.0;
      balance.cost += step->save ? save_cost (step, input) : step->weight * input->config.move_s;
    }
  return balance;
}

typedef struct
{
  guint moves;
  guint fitting; /* of the moves */
  guint saves;
} Counts;

static Counts
count_steps (const VmftPlan *plan)
{
  Counts n = { 0 };

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = plan->steps->pdata[i];

      n.saves += step->save ? 1 : 0;
      n.moves += step->save ? 0 : 1;
      n.fitting += !step->save && step->fits ? 1 : 0;
    }
  return n;
}

static void
set_verdict (VmftPlan *plan, VmftPlanVerdict verdict, char *reason)
{
  plan->verdict = verdict;
  g_free (plan->reason);
  plan->reason = reason;
}

static char *
describe_moves (const VmftPlan *plan, guint n)
{
  const VmftPlanStep *last = plan->steps->pdata[n - 1];
  g_autofree char *finish = vmft_text_duration (last->finish_p50_s);
  g_autofree char *lead = vmft_text_duration (plan->lead_p50_s);

  if (!isfinite (plan->lead_p50_s))
    return g_strdup_printf ("%u VM%s can leave in %s", n, n == 1 ? "" : "s", finish);
  return g_strdup_printf (
      "%u VM%s can leave in %s, %s are left (p50), %.1f of %.0f weight is expected to arrive", n,
      n == 1 ? "" : "s", finish, lead, plan->saved_weight, plan->total_weight);
}

/* The moves come first. */
static char *
describe_go (const VmftPlan *plan)
{
  Counts n = count_steps (plan);
  g_autofree char *moves = describe_moves (plan, n.moves);

  if (n.saves == 0)
    return g_steal_pointer (&moves);
  return g_strdup_printf ("%s; %u VM%s cannot and %s saved to shared storage instead", moves, n.saves,
                          n.saves == 1 ? "" : "s", n.saves == 1 ? "is" : "are");
}

static void
decide_all_saves (VmftPlan *plan, guint n)
{
  set_verdict (plan, VMFT_PLAN_SAVE,
               g_strdup_printf ("no VM can leave in time: %u %s saved to shared storage instead", n,
                                n == 1 ? "is" : "are"));
}

/* There are moves, and none fits. */
static void
decide_fastest (VmftPlan *plan)
{
  g_autofree char *go = describe_go (plan);

  set_verdict (plan, VMFT_PLAN_GO,
               g_strdup_printf ("none is sure to arrive, the fastest way for each: %s", go));
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
  guint n_planned = plan->steps->len;
  Balance balance;
  Counts n;
  double worth;

  if (!asked_for)
    drop_idle_saves (plan, input);
  balance = weigh_up (plan, disturbance, input);
  n = count_steps (plan);
  worth = n.fitting > 0 ? balance.gain + balance.save_risk : balance.risk;
  if (n.fitting < n.moves || n.saves > 0)
    plan->fallback_used = TRUE;
  if (n_planned > 0 && n.moves + n.saves == 0)
    set_verdict (plan, VMFT_PLAN_NOT_WORTH,
                 g_strdup ("no VM can leave in time, and saving them would cost more than is at risk"));
  else if (n.moves + n.saves == 0 && plan->fallback_used)
    set_verdict (plan, VMFT_PLAN_ALERT, g_strdup ("no VM arrives in time with the confidence asked for"));
  else if (n.moves + n.saves == 0)
    set_verdict (plan, VMFT_PLAN_NOTHING,
                 g_strdup (plan->total_weight > 0.0 ? "none of the VMs concerned can move"
                                                    : "the fault concerns none of the VMs"));
  else if (!asked_for && worth <= balance.cost)
    set_verdict (plan, VMFT_PLAN_NOT_WORTH,
                 g_strdup_printf ("moving would cost %.1f s of service, weighted, and save %.1f s",
                                  balance.cost, balance.gain + balance.save_risk));
  else if (n.moves == 0)
    decide_all_saves (plan, n.saves);
  else if (n.fitting == 0)
    decide_fastest (plan);
  else
    set_verdict (plan, VMFT_PLAN_GO, describe_go (plan));

  plan->guard = g_strdup (vmft_guard (input, &guard_reason));
  if (plan->guard != NULL)
    hold_back (plan, guard_reason);
}
