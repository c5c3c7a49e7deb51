/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-pressure.h"

#include <math.h>

#define EXACT_MAX 16

static guint
choose_exactly (const VmftRelief *items, guint n, double deficit_bytes)
{
  guint best_set = (1u << n) - 1u;
  double best_s = INFINITY;

  for (guint set = 1; set < (1u << n); set++)
    {
      double bytes = 0.0, seconds = 0.0;

      for (guint i = 0; i < n; i++)
        if (set & (1u << i))
          {
            bytes += items[i].bytes;
            seconds += items[i].seconds;
          }
      if (bytes >= deficit_bytes && seconds < best_s)
        {
          best_s = seconds;
          best_set = set;
        }
    }
  return best_set;
}

static gint
compare_rate (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const VmftRelief *items = user_data;
  const VmftRelief *x = &items[*(const guint *) a], *y = &items[*(const guint *) b];
  double rx = x->bytes / MAX (x->seconds, 1e-6), ry = y->bytes / MAX (y->seconds, 1e-6);

  return rx > ry ? -1 : rx < ry;
}

guint
vmft_pressure_choose (const VmftRelief *items, guint n, double deficit_bytes, gboolean *chosen)
{
  guint n_chosen = 0;

  if (n <= EXACT_MAX)
    {
      guint set = n > 0 ? choose_exactly (items, n, deficit_bytes) : 0;

      for (guint i = 0; i < n; i++)
        n_chosen += chosen[i] = (set >> i) & 1u;
    }
  else
    {
      g_autofree guint *order = g_new (guint, n);
      double bytes = 0.0;

      for (guint i = 0; i < n; i++)
        {
          order[i] = i;
          chosen[i] = FALSE;
        }
      g_qsort_with_data (order, (gint) n, sizeof *order, compare_rate, (gpointer) items);
      for (guint i = 0; i < n && bytes < deficit_bytes; i++)
        {
          chosen[order[i]] = TRUE;
          bytes += items[order[i]].bytes;
          n_chosen++;
        }
    }
  return n_chosen;
}

static gint
compare_bytes (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const double *bytes = user_data;
  const guint x = *(const guint *) a, y = *(const guint *) b;

  if (bytes[x] != bytes[y])
    return bytes[x] > bytes[y] ? -1 : 1;
  return x < y ? -1 : x > y;
}

static const VmftQueueItem *
chosen_item (const VmftChoice *choice, const VmftCandidate *candidates, guint i)
{
  return &candidates[i].options[choice->option[i]].item;
}

/* How many of @order reach the confidence one after another before the first that does not. */
static guint
count_fitting (const VmftChoice *choice,
               const VmftCandidate *candidates,
               const guint *order,
               const VmftArrival *arrival,
               double confidence,
               double offset_s)
{
  VmftCompletion done;

  vmft_completion_init (&done, offset_s);
  for (guint k = 0; k < choice->n; k++)
    {
      const VmftQueueItem *item = chosen_item (choice, candidates, order[k]);

      vmft_completion_add (&done, item);
      if (vmft_completion_p_item (&done, item, arrival) < confidence)
        return k;
    }
  return choice->n;
}

void
vmft_pressure_put_largest_first (VmftChoice *choice,
                                 const VmftCandidate *candidates,
                                 const double *bytes,
                                 const VmftArrival *arrival,
                                 double confidence,
                                 double offset_s)
{
  g_autofree guint *order = g_new (guint, choice->n);
  guint n_first, at;
  VmftCompletion done;

  for (guint i = 0; i < choice->n; i++)
    order[i] = i;
  g_qsort_with_data (order, (gint) choice->n, sizeof *order, compare_bytes, (gpointer) bytes);
  n_first = at = count_fitting (choice, candidates, order, arrival, confidence, offset_s);
  for (guint k = 0; k < choice->n; k++)
    {
      gboolean first = FALSE;

      for (guint i = 0; i < n_first && !first; i++)
        first = order[i] == choice->order[k];
      if (!first)
        order[at++] = choice->order[k];
    }
  for (guint k = 0; k < choice->n; k++)
    choice->order[k] = order[k];

  choice->saved = 0.0;
  vmft_completion_init (&done, offset_s);
  for (guint k = 0; k < choice->n; k++)
    {
      guint i = order[k];
      const VmftQueueItem *item = chosen_item (choice, candidates, i);

      vmft_completion_add (&done, item);
      choice->p_arrive[i] = vmft_completion_p_item (&done, item, arrival);
      choice->saved += candidates[i].weight * choice->p_arrive[i];
    }
}
