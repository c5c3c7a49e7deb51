/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-choose.h"

#include <math.h>
#include <string.h>

#define ENUMERATE_MAX_VMS    6    /* up to here every combination of modes is tried ... */
#define ENUMERATE_MAX_COMBOS 4096 /* ... while there are no more than these */
#define SEARCH_EXACT_MAX_VMS 8    /* the search orders exactly up to here */
#define SEARCH_MAX_VMS       24   /* beyond it the scan alone must do: 500 VMs in 10 ms */
#define N_PRICES             28
#define FINAL_EXCHANGES      8

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

/* Least disturbance once all arrive, most saved weight as long as not all do. */
static gboolean
choice_is_better (const VmftChoice *a, const VmftChoice *b)
{
  double slack = 1e-9 * (1.0 + fabs (b->saved));

  if (a->all_fit != b->all_fit)
    return a->all_fit;
  if (a->all_fit && a->disturbance != b->disturbance)
    return a->disturbance < b->disturbance;
  if (fabs (a->saved - b->saved) > slack)
    return a->saved > b->saved;
  return a->disturbance < b->disturbance;
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

void
vmft_candidate_prune (VmftCandidate *candidate)
{
  for (guint i = 0; i < candidate->n_options; i++)
    {
      gboolean beaten = FALSE;

      for (guint j = 0; j < candidate->n_options && !beaten; j++)
        {
          const VmftOption *a = &candidate->options[j], *b = &candidate->options[i];

          /* of two equal ones the earlier, less disturbing mode stays */
          beaten = j != i && option_beats (a, b) && (j < i || !option_beats (b, a));
        }
      if (beaten)
        {
          memmove (&candidate->options[i], &candidate->options[i + 1],
                   (candidate->n_options - i - 1) * sizeof (VmftOption));
          candidate->n_options--;
          i--;
        }
    }
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
      p = MIN (vmft_completion_p_arrive (&done, problem->arrival), problem->items[i].cap);
      choice->p_arrive[i] = p;
      choice->all_fit = choice->all_fit && p >= problem->confidence;
    }
}

static void
keep_better (VmftChoice *best, const VmftChoice *trial)
{
  if (best->saved < 0.0 || choice_is_better (trial, best))
    choice_copy (best, trial);
}

static guint64
count_combinations (const Problem *problem)
{
  guint64 product = 1;

  for (guint i = 0; i < problem->n && product <= ENUMERATE_MAX_COMBOS; i++)
    product *= problem->candidates[i].n_options;
  return product;
}

static void
try_all (const Problem *problem, VmftChoice *best, VmftChoice *trial)
{
  guint i = 0;

  memset (trial->option, 0, problem->n * sizeof *trial->option);
  while (i < problem->n)
    {
      evaluate (problem, trial, TRUE, 0);
      keep_better (best, trial);
      /* the next combination, like an odometer */
      for (i = 0; i < problem->n; i++)
        {
          if (++trial->option[i] < problem->candidates[i].n_options)
            break;
          trial->option[i] = 0;
        }
    }
  best->exact = TRUE;
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
take_cheapest (const Problem *problem, double price, VmftChoice *trial)
{
  for (guint i = 0; i < problem->n; i++)
    {
      const VmftCandidate *candidate = &problem->candidates[i];
      double least = INFINITY;

      for (guint o = 0; o < candidate->n_options; o++)
        {
          const VmftOption *option = &candidate->options[o];
          double cost = candidate->weight * option->disturbance_s + price * typical_s (option);

          if (cost < least)
            {
              least = cost;
              trial->option[i] = o;
            }
        }
    }
}

static void
scan_prices (const Problem *problem, gboolean exact, VmftChoice *best, VmftChoice *trial)
{
  for (guint i = 0; i <= N_PRICES; i++)
    {
      take_cheapest (problem, i == 0 ? 0.0 : 1e-4 * pow (10.0, (i - 1) * 8.0 / (N_PRICES - 1)), trial);
      evaluate (problem, trial, exact, 0);
      keep_better (best, trial);
    }
}

/* Changes one VM's mode at a time for as long as that helps, most helpful first. */
static void
search_single_changes (const Problem *problem, gboolean exact, VmftChoice *best, VmftChoice *trial)
{
  g_autoptr (VmftChoice) step = choice_new (problem->n);
  gboolean improved = TRUE;

  for (guint round = 0; improved && round < 2 * problem->n; round++)
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
            evaluate (problem, trial, exact, 1);
            if (choice_is_better (trial, step))
              {
                choice_copy (step, trial);
                improved = TRUE;
              }
          }
      if (improved)
        choice_copy (best, step);
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
  Problem problem = { candidates, n, arrival, confidence, offset_s, items };
  g_autoptr (VmftChoice) trial = choice_new (n);
  VmftChoice *best = choice_new (n);

  if (n == 0)
    {
      best->saved = best->disturbance = 0.0;
      best->all_fit = best->exact = TRUE;
      return best;
    }
  if (n <= ENUMERATE_MAX_VMS && count_combinations (&problem) <= ENUMERATE_MAX_COMBOS)
    {
      try_all (&problem, best, trial);
      return best;
    }

  scan_prices (&problem, n <= SEARCH_EXACT_MAX_VMS, best, trial);
  if (n <= SEARCH_MAX_VMS)
    search_single_changes (&problem, n <= SEARCH_EXACT_MAX_VMS, best, trial);
  memcpy (trial->option, best->option, n * sizeof *trial->option);
  evaluate (&problem, trial, TRUE, FINAL_EXCHANGES);
  keep_better (best, trial);
  return best;
}
