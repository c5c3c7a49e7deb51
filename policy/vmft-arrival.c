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
  for (guint i = 0; i < VMFT_ARRIVAL_N_POINTS; i++)
    self->survival[i] = lead ? vmft_lead_survival (lead, exp (LN_FIRST_S + i * LN_STEP) + guard_s) : 1.0;
}

double
vmft_arrival_survival (const VmftArrival *self, double seconds)
{
  double position;
  guint i;

  if (!(seconds < INFINITY))
    return 0.0;
  if (self->no_deadline)
    return 1.0;
  position = (log (MAX (seconds, 1e-3)) - LN_FIRST_S) / LN_STEP;
  if (position <= 0.0)
    return self->survival[0];
  if (position >= VMFT_ARRIVAL_N_POINTS - 1)
    return self->survival[VMFT_ARRIVAL_N_POINTS - 1];
  i = (guint) position;
  return self->survival[i] + (position - i) * (self->survival[i + 1] - self->survival[i]);
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
  double spread = exp (sqrt (3.0) * sigma);
  double p = 0.0;

  for (guint k = 0; k < VMFT_N_NODES; k++)
    {
      double at = vmft_arrival_survival (arrival, self->node_s[k]);

      if (sigma > 0.02)
        at = at * 2.0 / 3.0 + (vmft_arrival_survival (arrival, self->node_s[k] / spread) +
                               vmft_arrival_survival (arrival, self->node_s[k] * spread)) /
                                  6.0;
      p += vmft_node_weight[k] * at;
    }
  return CLAMP (p, 0.0, 1.0);
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

/* --- order --- */

static double
worth (const VmftQueueItem *item, double p_arrive)
{
  return item->weight * MIN (p_arrive, item->cap);
}

/*
 * f(S) = max over the last i of S of f(S \ i) + w_i P(arrive at the completion of S): P belongs to the set, so it
 * is computed once for each.
 */
static double
order_exactly (const VmftQueueItem *items, guint n, const VmftArrival *arrival, double offset_s, guint *order)
{
  guint n_sets = 1u << n;
  g_autofree VmftCompletion *done = g_new (VmftCompletion, n_sets);
  g_autofree double *best = g_new (double, n_sets);
  g_autofree guint8 *last = g_new (guint8, n_sets);

  vmft_completion_init (&done[0], offset_s);
  best[0] = 0.0;
  for (guint set = 1; set < n_sets; set++)
    {
      guint lowest = (guint) __builtin_ctz (set);
      double p;

      done[set] = done[set & (set - 1)];
      vmft_completion_add (&done[set], &items[lowest]);
      p = vmft_completion_p_arrive (&done[set], arrival);
      best[set] = -1.0;
      for (guint i = 0; i < n; i++)
        {
          double value;

          if (!(set & (1u << i)))
            continue;
          value = best[set & ~(1u << i)] + worth (&items[i], p);
          /* ties go to the heavier last: the order of equals stays that of the input */
          if (value >= best[set])
            {
              best[set] = value;
              last[set] = (guint8) i;
            }
        }
    }

  for (guint set = n_sets - 1, k = n; set != 0; k--)
    {
      order[k - 1] = last[set];
      set &= ~(1u << last[set]);
    }
  return best[n_sets - 1];
}

static gint
compare_density (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const VmftQueueItem *items = user_data;
  const guint x = *(const guint *) a, y = *(const guint *) b;
  double tx = middle_s (items[x].node_s), ty = middle_s (items[y].node_s);
  double dx = isfinite (tx) ? items[x].weight / MAX (tx, 1e-6) : 0.0;
  double dy = isfinite (ty) ? items[y].weight / MAX (ty, 1e-6) : 0.0;

  if (dx != dy)
    return dx > dy ? -1 : 1;
  return x < y ? -1 : x > y;
}

/* One pass over adjacent pairs. Returns: whether anything changed. */
static gboolean
exchange_neighbours (const VmftQueueItem *items,
                     guint n,
                     const VmftArrival *arrival,
                     double offset_s,
                     guint *order)
{
  VmftCompletion before, first, second, both;
  gboolean changed = FALSE;

  vmft_completion_init (&before, offset_s);
  for (guint i = 0; i + 1 < n; i++)
    {
      const VmftQueueItem *a = &items[order[i]], *b = &items[order[i + 1]];
      double p_a, p_b, p_both;

      first = before;
      vmft_completion_add (&first, a);
      second = before;
      vmft_completion_add (&second, b);
      both = first;
      vmft_completion_add (&both, b);
      p_a = vmft_completion_p_arrive (&first, arrival);
      p_b = vmft_completion_p_arrive (&second, arrival);
      p_both = vmft_completion_p_arrive (&both, arrival);
      if (worth (b, p_b) + worth (a, p_both) > worth (a, p_a) + worth (b, p_both) + 1e-12)
        {
          guint swapped = order[i];

          order[i] = order[i + 1];
          order[i + 1] = swapped;
          changed = TRUE;
          before = second;
        }
      else
        {
          before = first;
        }
    }
  return changed;
}

static double
value_of_order (const VmftQueueItem *items,
                guint n,
                const VmftArrival *arrival,
                double offset_s,
                const guint *order)
{
  VmftCompletion done;
  double sum = 0.0;

  vmft_completion_init (&done, offset_s);
  for (guint i = 0; i < n; i++)
    {
      vmft_completion_add (&done, &items[order[i]]);
      sum += worth (&items[order[i]], vmft_completion_p_arrive (&done, arrival));
    }
  return sum;
}

double
vmft_order_moves (const VmftQueueItem *items,
                  guint n,
                  const VmftArrival *arrival,
                  double offset_s,
                  gboolean exact,
                  guint n_exchanges,
                  guint *order)
{
  if (exact && n <= VMFT_ORDER_EXACT_MAX)
    return order_exactly (items, n, arrival, offset_s, order);

  for (guint i = 0; i < n; i++)
    order[i] = i;
  g_qsort_with_data (order, (gint) n, sizeof *order, compare_density, (gpointer) items);
  for (guint pass = 0; pass < n_exchanges; pass++)
    if (!exchange_neighbours (items, n, arrival, offset_s, order))
      break;
  return value_of_order (items, n, arrival, offset_s, order);
}
