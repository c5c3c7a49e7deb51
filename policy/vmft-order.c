/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-order.h"

#include <math.h>

#define WINDOW         8
#define WINDOW_MAX_VMS 64 /* beyond it the windows would take longer than a plan may */

/* Of @item, the last one of the set that @done is through with. */
static double
worth (const VmftQueueItem *item, const VmftCompletion *done, const VmftArrival *arrival)
{
  return item->weight * vmft_completion_p_item (done, item, arrival);
}

static double
value_of_order (const VmftQueueItem *items,
                const VmftArrival *arrival,
                const VmftCompletion *start,
                const guint *order,
                guint n)
{
  VmftCompletion done = *start;
  double sum = 0.0;

  for (guint i = 0; i < n; i++)
    {
      vmft_completion_add (&done, &items[order[i]]);
      sum += worth (&items[order[i]], &done, arrival);
    }
  return sum;
}

/*
 * Reorders the @n moves in @order, sent after @start, for the greatest sum:
 * f(S) = max over the last i of S of f(S \ i) + w_i P(arrive at the completion of S). P belongs to the set, so it
 * is computed once for each.
 */
static double
order_exactly (const VmftQueueItem *items,
               const VmftArrival *arrival,
               const VmftCompletion *start,
               guint *order,
               guint n)
{
  guint n_sets = 1u << n;
  g_autofree VmftCompletion *done = g_new (VmftCompletion, n_sets);
  g_autofree double *best = g_new (double, n_sets);
  g_autofree guint8 *last = g_new (guint8, n_sets);
  g_autofree guint *given = g_memdup2 (order, n * sizeof *order);

  done[0] = *start;
  best[0] = 0.0;
  for (guint set = 1; set < n_sets; set++)
    {
      guint lowest = (guint) __builtin_ctz (set);
      double p;

      done[set] = done[set & (set - 1)];
      vmft_completion_add (&done[set], &items[given[lowest]]);
      p = vmft_completion_p_arrive (&done[set], arrival);
      best[set] = -1.0;
      for (guint i = 0; i < n; i++)
        {
          double value;

          if (!(set & (1u << i)))
            continue;
          /* alone on the link all of a set share its completion; moves that share the link add their own lag */
          value = best[set & ~(1u << i)] + (arrival->lag > 0.0
                                                ? worth (&items[given[i]], &done[set], arrival)
                                                : items[given[i]].weight * MIN (p, items[given[i]].cap));
          /* ties: the order of equals stays that of the input */
          if (value >= best[set])
            {
              best[set] = value;
              last[set] = (guint8) i;
            }
        }
    }

  for (guint set = n_sets - 1, k = n; set != 0; k--)
    {
      order[k - 1] = given[last[set]];
      set &= ~(1u << last[set]);
    }
  return best[n_sets - 1];
}

static gint
compare_density (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const VmftQueueItem *items = user_data;
  const guint x = *(const guint *) a, y = *(const guint *) b;
  double tx = items[x].node_s[VMFT_N_NODES / 2], ty = items[y].node_s[VMFT_N_NODES / 2];
  double dx = isfinite (tx) ? items[x].weight / MAX (tx, 1e-6) : 0.0;
  double dy = isfinite (ty) ? items[y].weight / MAX (ty, 1e-6) : 0.0;

  if (dx != dy)
    return dx > dy ? -1 : 1;
  return x < y ? -1 : x > y;
}

/* One pass over adjacent pairs. Returns: whether anything changed. */
static gboolean
exchange_neighbours (const VmftQueueItem *items,
                     const VmftArrival *arrival,
                     const VmftCompletion *start,
                     guint *order,
                     guint n)
{
  VmftCompletion before = *start, first, second, both;
  gboolean changed = FALSE;

  for (guint i = 0; i + 1 < n; i++)
    {
      const VmftQueueItem *a = &items[order[i]], *b = &items[order[i + 1]];

      first = before;
      vmft_completion_add (&first, a);
      second = before;
      vmft_completion_add (&second, b);
      both = first;
      vmft_completion_add (&both, b);
      if (worth (b, &second, arrival) + worth (a, &both, arrival) >
          worth (a, &first, arrival) + worth (b, &both, arrival) + 1e-12)
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

/* One pass of exact windows, each half over the one before. Returns: whether anything improved. */
static gboolean
exchange_windows (const VmftQueueItem *items,
                  const VmftArrival *arrival,
                  const VmftCompletion *start,
                  guint *order,
                  guint n)
{
  VmftCompletion before = *start;
  gboolean changed = FALSE;

  for (guint first = 0; first < n; first += WINDOW / 2)
    {
      guint length = MIN (WINDOW, n - first);
      double was = value_of_order (items, arrival, &before, order + first, length);

      if (order_exactly (items, arrival, &before, order + first, length) > was + 1e-9)
        changed = TRUE;
      for (guint i = first; i < MIN (first + WINDOW / 2, n); i++)
        vmft_completion_add (&before, &items[order[i]]);
    }
  return changed;
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
  VmftCompletion start;

  vmft_completion_init (&start, offset_s);
  for (guint i = 0; i < n; i++)
    order[i] = i;
  if (exact && n <= VMFT_ORDER_EXACT_MAX)
    return order_exactly (items, arrival, &start, order, n);

  g_qsort_with_data (order, (gint) n, sizeof *order, compare_density, (gpointer) items);
  for (guint pass = 0; pass < n_exchanges; pass++)
    if (!exchange_neighbours (items, arrival, &start, order, n))
      break;
  for (guint pass = 0; pass < n_exchanges && n <= WINDOW_MAX_VMS; pass++)
    if (!exchange_windows (items, arrival, &start, order, n))
      break;
  return value_of_order (items, arrival, &start, order, n);
}
