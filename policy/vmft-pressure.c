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
