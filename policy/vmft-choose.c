/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-choose.h"

#include "vmft-order.h"

#include <math.h>
#include <string.h>

#define MAX_COMBINATIONS                                                                                     \
  20000 /* of modes, when only the sum of their times counts: 6 VMs with 5 modes each */
#define MAX_ORDERED_SETS 65536 /* combinations times sets of VMs, when each needs its best order */
#define SEARCH_MAX_VMS   24    /* beyond it no search for single changes: 500 VMs in 10 ms */
#define N_PRICES         28
#define N_BISECTIONS     20
#define SEARCH_EXCHANGES 1
#define FINAL_EXCHANGES  8

typedef struct
{
  const VmftCandidate *candidates;
  guint n;
  const VmftArrival *arrival;
  double confidence;
  double offset_s;
  VmftQueueItem *items; /* scratch: the chosen options' */
} Problem;

static VmftChoice *
choice_new (guint n)
{
  VmftChoice *choice = g_new0 (VmftChoice, 1);

  choice->n = n;
  choice->option = g_new0 (guint, n);
  choice->order = g_new0 (guint, n);
  choice->p_arrive = g_new0 (double, n);
  choice->saved = -1.0;
  choice->disturbance = INFINITY;
  return choice;
}

void
vmft_choice_free (VmftChoice *choice)
{
  g_free (choice->option);
  g_free (choice->order);
  g_free (choice->p_arrive);
  g_free (choice);
}

static void
choice_copy (VmftChoice *to, const VmftChoice *from)
{
  memcpy (to->option, from->option, from->n * sizeof *from->option);
  memcpy (to->order, from->order, from->n * sizeof *from->order);
  memcpy (to->p_arrive, from->p_arrive, from->n * sizeof *from->p_arrive);
  to->saved = from->saved;
  to->disturbance = from->disturbance;
  to->all_fit = from->all_fit;
}

static gboolean
option_beats (const VmftOption *a, const VmftOption *b)
{
  if (a->disturbance_s > b->disturbance_s || a->item.cap < b->item.cap)
    return FALSE;
  for (guint k = 0; k < VMFT_N_NODES; k++)
    if (a->item.node_s[k] > b->item.node_s[k])
      return FALSE;
  return TRUE;
}

/*
 * Whether @a is through before @b whatever else is in the queue: at every node of the shared error and at both ends
 * of its own. The disturbance is not asked.
 */
static gboolean
option_is_sooner (const VmftOption *a, const VmftOption *b)
{
  double own_a = a->item.sigma * a->item.node_s[VMFT_N_NODES / 2];
  double own_b = b->item.sigma * b->item.node_s[VMFT_N_NODES / 2];
  double margin_s = sqrt (3.0) * fabs (own_a - own_b);

  if (a->item.cap < b->item.cap)
    return FALSE;
  for (guint k = 0; k < VMFT_N_NODES; k++)
    if (!(a->item.node_s[k] + margin_s <= b->item.node_s[k]))
      return FALSE;
  return TRUE;
}

static void
drop_option (VmftCandidate *candidate, guint i)
{
  memmove (&candidate->options[i], &candidate->options[i + 1],
           (candidate->n_options - i - 1) * sizeof (VmftOption));
  candidate->n_options--;
}

static void
drop_beaten (VmftCandidate *candidate, gboolean (*beats) (const VmftOption *, const VmftOption *))
{
  for (guint i = 0; i < candidate->n_options; i++)
    {
      gboolean beaten = FALSE;

      for (guint j = 0; j < candidate->n_options && !beaten; j++)
        {
          const VmftOption *a = &candidate->options[j], *b = &candidate->options[i];

          /* of two equal ones the earlier, less disturbing mode stays */
          beaten = j != i && beats (a, b) && (j < i || !beats (b, a));
        }
      if (beaten)
        drop_option (candidate, i--);
    }
}

void
vmft_candidate_prune (VmftCandidate *candidate)
{
  drop_beaten (candidate, option_beats);
}

static guint64
count_combinations (const VmftCandidate *candidates, guint n)
{
  guint64 product = 1;

  for (guint i = 0; i < n && product <= MAX_COMBINATIONS; i++)
    product *= candidates[i].n_options;
  return product;
}

/* The next combination, like an odometer. Returns: FALSE when it is back at the first. */
static gboolean
next_combination (const VmftCandidate *candidates, guint n, guint *option)
{
  for (guint i = 0; i < n; i++)
    {
      if (++option[i] < candidates[i].n_options)
        return TRUE;
      option[i] = 0;
    }
  return FALSE;
}

/* Fills in what follows from choice->option: order, P(arrive), sums. */
static void
evaluate (const Problem *problem, VmftChoice *choice, gboolean exact, guint n_exchanges)
{
  VmftCompletion done;

  choice->disturbance = 0.0;
  for (guint i = 0; i < problem->n; i++)
    {
      const VmftCandidate *candidate = &problem->candidates[i];
      const VmftOption *option = &candidate->options[choice->option[i]];

      problem->items[i] = option->item;
      choice->disturbance += candidate->weight * option->disturbance_s;
    }
  choice->saved = vmft_order_moves (problem->items, problem->n, problem->arrival, problem->offset_s, exact,
                                    n_exchanges, choice->order);

  choice->all_fit = TRUE;
  vmft_completion_init (&done, problem->offset_s);
  for (guint k = 0; k < problem->n; k++)
    {
      guint i = choice->order[k];
      double p;

      vmft_completion_add (&done, &problem->items[i]);
      p = vmft_completion_p_item (&done, &problem->items[i], problem->arrival);
      choice->p_arrive[i] = p;
      choice->all_fit = choice->all_fit && p >= problem->confidence;
    }
}

/* --- when all can fit --- */

static double
disturbance_of (const Problem *problem, const guint *option)
{
  double sum = 0.0;

  for (guint i = 0; i < problem->n; i++)
    sum += problem->candidates[i].weight * problem->candidates[i].options[option[i]].disturbance_s;
  return sum;
}

/* All fit when the last one does, and completion depends on the set alone: no order needs to be known. */
static gboolean
all_fit (const Problem *problem, const guint *option)
{
  const VmftQueueItem *longest = NULL;
  VmftCompletion done;

  vmft_completion_init (&done, problem->offset_s);
  for (guint i = 0; i < problem->n; i++)
    {
      const VmftQueueItem *item = &problem->candidates[i].options[option[i]].item;

      vmft_completion_add (&done, item);
      if (longest == NULL || item->node_s[VMFT_N_NODES / 2] > longest->node_s[VMFT_N_NODES / 2])
        longest = item;
    }
  vmft_completion_add_lag (&done, longest, problem->arrival->lag);
  return vmft_completion_p_arrive (&done, problem->arrival) >= problem->confidence;
}

static gboolean
fit_by_enumeration (const Problem *problem, guint *best)
{
  g_autofree guint *option = g_new0 (guint, problem->n);
  double least = INFINITY;

  do
    {
      double disturbance = disturbance_of (problem, option);

      if (disturbance < least && all_fit (problem, option))
        {
          least = disturbance;
          memcpy (best, option, problem->n * sizeof *best);
        }
    }
  while (next_combination (problem->candidates, problem->n, option));
  return isfinite (least);
}

static double
typical_s (const VmftOption *option)
{
  /* the mean over the nodes of the shared error; a mode that may never end has a price all the same */
  double sum = 0.0;

  for (guint k = 0; k < VMFT_N_NODES; k++)
    sum += vmft_node_weight[k] * MIN (option->item.node_s[k], 1e7);
  return sum;
}

/* Every VM takes the mode that costs least when a second on the link costs @price. */
static void
take_cheapest (const Problem *problem, double price, guint *option)
{
  for (guint i = 0; i < problem->n; i++)
    {
      const VmftCandidate *candidate = &problem->candidates[i];
      double least = INFINITY;

      option[i] = 0;
      for (guint o = 0; o < candidate->n_options; o++)
        {
          const VmftOption *each = &candidate->options[o];
          double cost = candidate->weight * each->disturbance_s + price * typical_s (each);

          if (cost < least)
            {
              least = cost;
              option[i] = o;
            }
        }
    }
}

/* The price at which all just fit, between one at which they do and a lower one at which they do not. */
static void
bisect_price (const Problem *problem, double too_low, double enough, guint *option)
{
  for (guint i = 0; i < N_BISECTIONS; i++)
    {
      double middle = 0.5 * (too_low + enough);

      take_cheapest (problem, middle, option);
      if (all_fit (problem, option))
        enough = middle;
      else
        too_low = middle;
    }
  take_cheapest (problem, enough, option);
}

/* What the last step of the price left over: gentler modes as far as all still fit, most disturbance first. */
static void
use_slack (const Problem *problem, guint *option)
{
  for (guint pass = 0; problem->n <= SEARCH_MAX_VMS && pass < problem->n; pass++)
    {
      double most = 0.0;
      guint vm = 0, choice = 0;

      for (guint i = 0; i < problem->n; i++)
        for (guint o = 0; o < problem->candidates[i].n_options; o++)
          {
            const VmftCandidate *candidate = &problem->candidates[i];
            guint now = option[i];
            double gain = candidate->weight *
                          (candidate->options[now].disturbance_s - candidate->options[o].disturbance_s);

            if (gain <= most)
              continue;
            option[i] = o;
            if (all_fit (problem, option))
              {
                most = gain;
                vm = i;
                choice = o;
              }
            option[i] = now;
          }
      if (most <= 0.0)
        return;
      option[vm] = choice;
    }
}

/* Walks the convex hull of time against disturbance for all VMs at once. */
static gboolean
fit_by_price (const Problem *problem, guint *option)
{
  double too_low = 0.0;

  take_cheapest (problem, 0.0, option);
  if (all_fit (problem, option))
    return TRUE;
  for (guint i = 0; i < N_PRICES; i++)
    {
      double price = 1e-4 * pow (10.0, i * 8.0 / (N_PRICES - 1));

      take_cheapest (problem, price, option);
      if (all_fit (problem, option))
        {
          bisect_price (problem, too_low, price, option);
          use_slack (problem, option);
          return TRUE;
        }
      too_low = price;
    }
  return FALSE;
}

/* Modes that end by themselves with less than the confidence cannot fit, however much time there is. */
static gboolean
keep_confident (VmftCandidate *candidates, guint n, double confidence)
{
  for (guint i = 0; i < n; i++)
    {
      for (guint o = 0; o < candidates[i].n_options; o++)
        if (candidates[i].options[o].item.cap < confidence)
          drop_option (&candidates[i], o--);
      if (candidates[i].n_options == 0)
        return FALSE;
    }
  return TRUE;
}

static gboolean
choose_least_disturbing (const Problem *problem, VmftChoice *best)
{
  gboolean few = count_combinations (problem->candidates, problem->n) <= MAX_COMBINATIONS;

  if (!(few ? fit_by_enumeration (problem, best->option) : fit_by_price (problem, best->option)))
    return FALSE;
  evaluate (problem, best, TRUE, FINAL_EXCHANGES);
  best->exact = few && problem->n <= VMFT_ORDER_EXACT_MAX;
  return TRUE;
}

/* --- when not all can --- */

static gboolean
saves_more (const VmftChoice *a, const VmftChoice *b)
{
  double slack = 1e-9 * (1.0 + fabs (b->saved));

  if (fabs (a->saved - b->saved) > slack)
    return a->saved > b->saved;
  return a->disturbance < b->disturbance;
}

static void
save_by_enumeration (const Problem *problem, VmftChoice *best, VmftChoice *trial)
{
  memset (trial->option, 0, problem->n * sizeof *trial->option);
  do
    {
      evaluate (problem, trial, TRUE, 0);
      if (best->saved < 0.0 || saves_more (trial, best))
        choice_copy (best, trial);
    }
  while (next_combination (problem->candidates, problem->n, trial->option));
  best->exact = TRUE;
}

/* Changes one VM's mode at a time for as long as that helps, most helpful first. */
static void
search_single_changes (const Problem *problem, VmftChoice *best, VmftChoice *trial)
{
  g_autoptr (VmftChoice) step = choice_new (problem->n);
  gboolean improved = TRUE;

  for (guint round = 0; improved && round < problem->n; round++)
    {
      improved = FALSE;
      choice_copy (step, best);
      for (guint i = 0; i < problem->n; i++)
        for (guint o = 0; o < problem->candidates[i].n_options; o++)
          {
            if (o == best->option[i])
              continue;
            memcpy (trial->option, best->option, problem->n * sizeof *trial->option);
            trial->option[i] = o;
            evaluate (problem, trial, FALSE, SEARCH_EXCHANGES);
            if (saves_more (trial, step))
              {
                choice_copy (step, trial);
                improved = TRUE;
              }
          }
      if (improved)
        choice_copy (best, step);
    }
}

static void
save_by_search (const Problem *problem, VmftChoice *best, VmftChoice *trial)
{
  take_cheapest (problem, 1e9, best->option);
  evaluate (problem, best, FALSE, SEARCH_EXCHANGES);
  if (problem->n <= SEARCH_MAX_VMS && count_combinations (problem->candidates, problem->n) > 1)
    search_single_changes (problem, best, trial);
  evaluate (problem, best, TRUE, FINAL_EXCHANGES);
}

static gboolean
is_enumerable (const VmftCandidate *candidates, guint n)
{
  return n <= VMFT_ORDER_EXACT_MAX && count_combinations (candidates, n) << n <= MAX_ORDERED_SETS;
}

static void
choose_most_saved (Problem *problem, VmftCandidate *work, VmftChoice *best)
{
  g_autoptr (VmftChoice) trial = choice_new (problem->n);

  if (!is_enumerable (work, problem->n))
    for (guint i = 0; i < problem->n; i++)
      drop_beaten (&work[i], option_is_sooner);
  if (is_enumerable (work, problem->n))
    save_by_enumeration (problem, best, trial);
  else
    save_by_search (problem, best, trial);
}

/* From an index into the options that were left to one into those that were given. */
static void
restore_options (const VmftCandidate *given, const VmftCandidate *work, VmftChoice *choice)
{
  for (guint i = 0; i < choice->n; i++)
    for (guint o = 0; o < given[i].n_options; o++)
      if (given[i].options[o].mode == work[i].options[choice->option[i]].mode)
        {
          choice->option[i] = o;
          break;
        }
}

VmftChoice *
vmft_choose_modes (const VmftCandidate *candidates,
                   guint n,
                   const VmftArrival *arrival,
                   double confidence,
                   double offset_s)
{
  g_autofree VmftQueueItem *items = g_new0 (VmftQueueItem, n);
  g_autofree VmftCandidate *work = g_memdup2 (candidates, n * sizeof *candidates);
  Problem problem = { work, n, arrival, confidence, offset_s, items };
  VmftChoice *best = choice_new (n);

  if (n == 0)
    {
      best->saved = best->disturbance = 0.0;
      best->all_fit = best->exact = TRUE;
      return best;
    }
  if (!keep_confident (work, n, confidence) || !choose_least_disturbing (&problem, best))
    {
      memcpy (work, candidates, n * sizeof *candidates);
      choose_most_saved (&problem, work, best);
    }
  restore_options (candidates, work, best);
  return best;
}
