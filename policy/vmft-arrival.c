/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-arrival.h"

#include <math.h>

/* The table spans a millisecond to four months; outside it the ends stand. */
#define LN_FIRST_S -6.9
#define LN_LAST_S  16.2
#define LN_STEP    ((LN_LAST_S - LN_FIRST_S) / (VMFT_ARRIVAL_N_POINTS - 1))

void
vmft_arrival_init (VmftArrival *self, const VmftLead *lead, double guard_s)
{
  self->no_deadline = lead == NULL;
  self->lag = 0.0;
  for (guint i = 0; i < VMFT_ARRIVAL_N_POINTS; i++)
    self->survival[i] = lead ? vmft_lead_survival (lead, exp (LN_FIRST_S + i * LN_STEP) + guard_s) : 1.0;
}

static double
survival_at_ln (const VmftArrival *self, double ln_s)
{
  double position = (ln_s - LN_FIRST_S) / LN_STEP;
  guint i;

  if (position <= 0.0)
    return self->survival[0];
  if (position >= VMFT_ARRIVAL_N_POINTS - 1)
    return self->survival[VMFT_ARRIVAL_N_POINTS - 1];
  i = (guint) position;
  return self->survival[i] + (position - i) * (self->survival[i + 1] - self->survival[i]);
}

double
vmft_arrival_survival (const VmftArrival *self, double seconds)
{
  if (!(seconds < INFINITY))
    return 0.0;
  return self->no_deadline ? 1.0 : survival_at_ln (self, log (MAX (seconds, 1e-3)));
}

void
vmft_completion_init (VmftCompletion *self, double offset_s)
{
  for (guint k = 0; k < VMFT_N_NODES; k++)
    self->node_s[k] = MAX (offset_s, 0.0);
  self->variance_s2 = 0.0;
}

static double
middle_s (const double node_s[VMFT_N_NODES])
{
  return node_s[VMFT_N_NODES / 2];
}

void
vmft_completion_add (VmftCompletion *self, const VmftQueueItem *item)
{
  double own_s = item->sigma * middle_s (item->node_s);

  for (guint k = 0; k < VMFT_N_NODES; k++)
    self->node_s[k] += item->node_s[k];
  if (isfinite (own_s))
    self->variance_s2 += own_s * own_s;
}

/* Relative error of the sum: own errors are independent, so they shrink as the queue grows. */
static double
own_sigma (const VmftCompletion *self)
{
  double middle = middle_s (self->node_s);

  return isfinite (middle) && middle > 0.0 ? sqrt (self->variance_s2) / middle : 0.0;
}

double
vmft_completion_p_arrive (const VmftCompletion *self, const VmftArrival *arrival)
{
  double sigma = own_sigma (self);
  /* three Gauss-Hermite nodes: -sqrt 3, 0, sqrt 3 with weights 1/6, 2/3, 1/6 */
  double spread = sqrt (3.0) * sigma;
  double p = 0.0;

  for (guint k = 0; k < VMFT_N_NODES; k++)
    {
      double ln_s, at;

      if (!(self->node_s[k] < INFINITY))
        continue;
      if (arrival->no_deadline)
        {
          p += vmft_node_weight[k];
          continue;
        }
      ln_s = log (MAX (self->node_s[k], 1e-3));
      at = survival_at_ln (arrival, ln_s);
      if (sigma > 0.02)
        at = at * 2.0 / 3.0 +
             (survival_at_ln (arrival, ln_s - spread) + survival_at_ln (arrival, ln_s + spread)) / 6.0;
      p += vmft_node_weight[k] * at;
    }
  return CLAMP (p, 0.0, 1.0);
}

void
vmft_completion_add_lag (VmftCompletion *self, const VmftQueueItem *item, double lag)
{
  for (guint k = 0; lag > 0.0 && k < VMFT_N_NODES; k++)
    self->node_s[k] += lag * item->node_s[k];
}

double
vmft_completion_p_item (const VmftCompletion *self, const VmftQueueItem *item, const VmftArrival *arrival)
{
  VmftCompletion done = *self;

  if (arrival->lag <= 0.0)
    return MIN (vmft_completion_p_arrive (self, arrival), item->cap);
  vmft_completion_add_lag (&done, item, arrival->lag);
  return MIN (vmft_completion_p_arrive (&done, arrival), item->cap);
}

void
vmft_completion_quantiles (const VmftCompletion *self, double *p50_s, double *p90_s)
{
  static const double z90 = 1.2815515655446004;
  double middle = middle_s (self->node_s), shared = 0.0, own = own_sigma (self);

  for (guint k = VMFT_N_NODES / 2 + 1; k < VMFT_N_NODES; k++)
    {
      /* the slope of ln t over z between the middle and the first node beyond the 90th percentile */
      shared = middle > 0.0 ? log (self->node_s[k] / middle) / vmft_node_z[k] : 0.0;
      if (vmft_node_z[k] >= z90)
        break;
    }
  *p50_s = middle;
  *p90_s = middle * exp (z90 * sqrt (shared * shared + own * own));
}
