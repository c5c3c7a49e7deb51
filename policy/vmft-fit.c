/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-fit.h"

/* The mode with which @candidate is likeliest to be in time behind @before. Returns: its P(arrive). */
static double
best_option (const VmftCandidate *candidate,
             const VmftCompletion *before,
             const VmftArrival *arrival,
             const VmftQueueItem **best)
{
  double most = -1.0;

  for (guint o = 0; o < candidate->n_options; o++)
    {
      const VmftQueueItem *item = &candidate->options[o].item;
      VmftCompletion done = *before;
      double p;

      if (item->cap <= most)
        continue;
      vmft_completion_add (&done, item);
      p = vmft_completion_p_item (&done, item, arrival);
      if (p > most)
        {
          most = p;
          *best = item;
        }
    }
  return most;
}

static void
fit_as_chosen (const VmftChoice *choice, double confidence, VmftFit *fits)
{
  for (guint i = 0; i < choice->n; i++)
    {
      fits[i].p_arrive = choice->p_arrive[i];
      fits[i].fits = fits[i].p_arrive >= confidence;
    }
}

void
vmft_fit_in_order (const VmftCandidate *candidates,
                   const VmftChoice *choice,
                   const VmftArrival *arrival,
                   double confidence,
                   double offset_s,
                   VmftFit *fits)
{
  VmftArrival beside = *arrival;
  VmftCompletion alone, done;
  guint n_fitting = 0;

  vmft_completion_init (&alone, offset_s);
  done = alone;
  for (guint k = 0; k < choice->n; k++)
    {
      const VmftCandidate *candidate = &candidates[choice->order[k]];
      VmftFit *fit = &fits[choice->order[k]];
      const VmftQueueItem *best = NULL;

      /* those who are passed over share the link with nobody */
      beside.lag = MIN (arrival->lag, n_fitting / 2.0);
      fit->p_arrive = fit->p_alone = best_option (candidate, &done, &beside, &best);
      fit->fits = fit->p_arrive >= confidence;
      if (fit->fits)
        {
          vmft_completion_add (&done, best);
          n_fitting++;
          continue;
        }
      beside.lag = 0.0;
      fit->p_alone = best_option (candidate, &alone, &beside, &best);
    }
  if (n_fitting == choice->n)
    fit_as_chosen (choice, confidence, fits);
}
