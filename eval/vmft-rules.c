/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-rules.h"

#include <math.h>
#include <string.h>

#define GIB                 (1024.0 * 1024 * 1024)
#define GIVE_UP_PASSES      3.0   /* an operator watches a pre-copy that does not end for so many passes */
#define KUBEVIRT_S_PER_GIB  150.0 /* completionTimeoutPerGiB */
#define KUBEVIRT_PROGRESS_S 150.0 /* progressTimeout */
#define KUBEVIRT_PARALLEL   2     /* parallelOutboundMigrationsPerNode */
#define MAX_TOTAL_WEIGHT    (10 * VMFT_SCENARIO_MAX_VMS)

static void
finish (const VmftScenario *scenario, guint vm, double at_s, VmftSaved *saved)
{
  saved->n_moved++;
  if (at_s < scenario->lead_s)
    saved->saved_weight += scenario->vms[vm].weight;
}

/* A job that resends: its own end, or what it takes when it is switched to post-copy after @patience_s. */
static double
switched_s (const VmftScenarioVm *vm, VmftMode mode, double patience_s)
{
  double tail_s = MAX (0.0, vm->true_s[VMFT_MODE_HYBRID] - vm->true_s[VMFT_MODE_POSTCOPY]);

  return MIN (vm->true_s[mode], MAX (patience_s, vm->true_s[VMFT_MODE_POSTCOPY]) + tail_s);
}

void
vmft_rule_vmft (const VmftScenario *scenario, VmftSaved *saved)
{
  g_autoptr (VmftPlan) plan = NULL;
  VmftIncident incident = { .id = 1,
                            .state = VMFT_INCIDENT_CONFIRMED,
                            .fault_class = VMFT_CLASS_OTHER,
                            .locus = { VMFT_LOCUS_HOST, "" },
                            .p = 1.0,
                            .trusted = TRUE };
  VmftPolicyInput input = { .now_us = G_USEC_PER_SEC,
                            .incident = &incident,
                            .lead = &scenario->lead,
                            .vms = scenario->policy_vms,
                            .destinations = scenario->destinations,
                            .link = &scenario->link,
                            .config = VMFT_POLICY_CONFIG_DEFAULT };
  double at_s = 0.0;

  input.config.operation = VMFT_OPERATION_ACT;
  plan = vmft_policy_plan (&input);
  if (!vmft_plan_is_actionable (plan))
    return;
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = plan->steps->pdata[i];
      guint vm = (guint) g_ascii_strtoull (step->name + 2, NULL, 10);

      if (step->mode == VMFT_MODE_HYBRID || step->mode == VMFT_MODE_POSTCOPY)
        at_s += scenario->vms[vm].true_s[step->mode];
      else
        at_s += switched_s (&scenario->vms[vm], step->mode, step->estimates[step->mode].total_p90_s);
      finish (scenario, vm, at_s, saved);
    }
}

static double
fastest_s (const VmftScenarioVm *vm)
{
  double least = INFINITY;

  for (guint mode = 0; mode < VMFT_N_MODES; mode++)
    least = MIN (least, vm->true_s[mode]);
  return least;
}

void
vmft_rule_clairvoyant (const VmftScenario *scenario, VmftSaved *saved)
{
  /* least time for each total weight: a knapsack, exact because weights are small integers */
  double least_s[MAX_TOTAL_WEIGHT + 1];
  guint total = 0;

  if (isinf (scenario->lead_s))
    return;
  least_s[0] = 0.0;
  for (guint i = 0; i < scenario->n; i++)
    {
      guint weight = scenario->vms[i].weight;
      double time_s = fastest_s (&scenario->vms[i]);

      for (guint sum = total + 1; sum <= total + weight; sum++)
        least_s[sum] = INFINITY;
      total += weight;
      for (guint sum = total; sum >= weight; sum--)
        least_s[sum] = MIN (least_s[sum], least_s[sum - weight] + time_s);
    }
  for (guint sum = total; sum > 0; sum--)
    if (least_s[sum] < scenario->lead_s)
      {
        saved->saved_weight = sum;
        return;
      }
}

/* What the non-anticipating optimum believes of one VM at its fastest: median, and error of the logarithm. */
typedef struct
{
  double median_s;
  double own_variance_s2;
} Belief;

static double
expected_survival (const VmftScenario *scenario, double sum_s, double variance_s2)
{
  double own = sqrt (variance_s2) / MAX (sum_s, 1e-9);
  double sigma = hypot (scenario->link.sigma, own);
  double p = 0.0;

  for (guint k = 0; k < VMFT_N_NODES; k++)
    p += vmft_node_weight[k] * vmft_lead_survival (&scenario->lead, sum_s * exp (sigma * vmft_node_z[k]) +
                                                                        VMFT_POLICY_CONFIG_DEFAULT.guard_s);
  return p;
}

/* The order of greatest expected weight, by dynamic programme over sets; a set's completion has no order. */
static void
best_order (const VmftScenario *scenario, const Belief *beliefs, guint *order)
{
  guint n_sets = 1u << scenario->n;
  g_autofree double *best = g_new0 (double, n_sets);
  g_autofree guint8 *last = g_new0 (guint8, n_sets);

  for (guint set = 1; set < n_sets; set++)
    {
      double sum_s = 0.0, variance_s2 = 0.0, p;

      for (guint i = 0; i < scenario->n; i++)
        if (set & (1u << i))
          {
            sum_s += beliefs[i].median_s;
            variance_s2 += beliefs[i].own_variance_s2;
          }
      p = expected_survival (scenario, sum_s, variance_s2);
      best[set] = -1.0;
      for (guint i = 0; i < scenario->n; i++)
        if (set & (1u << i))
          {
            double value = best[set & ~(1u << i)] + scenario->vms[i].weight * p;

            if (value > best[set])
              {
                best[set] = value;
                last[set] = (guint8) i;
              }
          }
    }
  for (guint set = n_sets - 1, k = scenario->n; set != 0; k--)
    {
      order[k - 1] = last[set];
      set &= ~(1u << last[set]);
    }
}

void
vmft_rule_optimum (const VmftScenario *scenario, VmftSaved *saved)
{
  Belief beliefs[VMFT_RULE_OPTIMUM_MAX];
  guint order[VMFT_RULE_OPTIMUM_MAX];
  double at_s = 0.0;

  g_return_if_fail (scenario->n <= VMFT_RULE_OPTIMUM_MAX);
  for (guint i = 0; i < scenario->n; i++)
    {
      VmftLoad load = scenario->vms[i].believed->load;
      VmftEstimate estimate;

      /* post-copy sends every page once: no mode is sooner */
      load.max_downtime_s = VMFT_POLICY_CONFIG_DEFAULT.max_downtime_s;
      vmft_estimate_mode (&estimate, &load, &scenario->link, VMFT_MODE_POSTCOPY);
      beliefs[i].median_s = estimate.total_p50_s;
      beliefs[i].own_variance_s2 = pow (estimate.sigma * estimate.total_p50_s, 2);
    }
  best_order (scenario, beliefs, order);
  for (guint k = 0; k < scenario->n; k++)
    {
      at_s += scenario->vms[order[k]].true_s[VMFT_MODE_POSTCOPY];
      finish (scenario, order[k], at_s, saved);
    }
}

/* --- fixed rules --- */

static void
run_precopy (const VmftScenario *scenario, VmftSaved *saved)
{
  double at_s = 0.0;

  for (guint i = 0; i < scenario->n; i++)
    {
      const VmftScenarioVm *vm = &scenario->vms[i];

      if (isfinite (vm->true_s[VMFT_MODE_PRECOPY]))
        {
          at_s += vm->true_s[VMFT_MODE_PRECOPY];
          finish (scenario, i, at_s, saved);
        }
      else
        {
          at_s += GIVE_UP_PASSES * vm->volume_s;
        }
    }
}

static void
run_in_order (const VmftScenario *scenario, const guint *order, VmftSaved *saved)
{
  double at_s = 0.0;

  for (guint k = 0; k < scenario->n; k++)
    {
      at_s += scenario->vms[order[k]].true_s[VMFT_MODE_POSTCOPY];
      finish (scenario, order[k], at_s, saved);
    }
}

typedef double (*SortKey) (const VmftScenarioVm *vm);

static void
run_sorted (const VmftScenario *scenario, SortKey key, VmftSaved *saved)
{
  guint order[VMFT_SCENARIO_MAX_VMS];

  for (guint i = 0; i < scenario->n; i++)
    {
      guint k = i;

      for (; key != NULL && k > 0 && key (&scenario->vms[order[k - 1]]) > key (&scenario->vms[i]); k--)
        order[k] = order[k - 1];
      order[k] = i;
    }
  run_in_order (scenario, order, saved);
}

static double
by_size (const VmftScenarioVm *vm)
{
  return (double) vm->believed->vm->memory_bytes;
}

static double
by_size_falling (const VmftScenarioVm *vm)
{
  return -by_size (vm);
}

static double
by_weight_falling (const VmftScenarioVm *vm)
{
  return -(double) vm->weight;
}

static void
run_postcopy (const VmftScenario *scenario, VmftSaved *saved)
{
  run_sorted (scenario, NULL, saved);
}

static void
run_priority (const VmftScenario *scenario, VmftSaved *saved)
{
  run_sorted (scenario, by_weight_falling, saved);
}

static void
run_smallest (const VmftScenario *scenario, VmftSaved *saved)
{
  run_sorted (scenario, by_size, saved);
}

static void
run_largest (const VmftScenario *scenario, VmftSaved *saved)
{
  run_sorted (scenario, by_size_falling, saved);
}

/* Pre-copy, two at a time on half the link each; post-copy when it makes no progress or takes too long for its size. */
static void
run_kubevirt (const VmftScenario *scenario, VmftSaved *saved)
{
  double free_s[KUBEVIRT_PARALLEL] = { 0 };

  for (guint i = 0; i < scenario->n; i++)
    {
      const VmftScenarioVm *vm = &scenario->vms[i];
      double timeout_s = by_size (vm) / GIB * KUBEVIRT_S_PER_GIB, patience_s;
      guint slot = free_s[0] <= free_s[1] ? 0 : 1;
      /* half the link: twice the time at the same ratio of writing to sending is already the kinder reading */
      double time_s = KUBEVIRT_PARALLEL * vm->true_s[VMFT_MODE_PRECOPY];

      patience_s = isfinite (time_s) ? timeout_s : MIN (timeout_s, 2.0 * vm->volume_s + KUBEVIRT_PROGRESS_S);
      time_s = MIN (time_s, KUBEVIRT_PARALLEL * switched_s (vm, VMFT_MODE_PRECOPY, patience_s));
      free_s[slot] += time_s;
      finish (scenario, i, free_s[slot], saved);
    }
}

static const VmftRule fixed_rules[] = {
  { "pre-copy", "pre-copy in inventory order", run_precopy },
  { "post-copy", "post-copy in inventory order", run_postcopy },
  { "priority-first", "post-copy, heaviest weight first", run_priority },
  { "smallest-first", "post-copy, least memory first", run_smallest },
  { "largest-first", "post-copy, most memory first", run_largest },
  { "kubevirt-like", "two pre-copies at a time, post-copy on timeout", run_kubevirt },
};

const VmftRule *
vmft_fixed_rules (guint *n)
{
  *n = G_N_ELEMENTS (fixed_rules);
  return fixed_rules;
}
