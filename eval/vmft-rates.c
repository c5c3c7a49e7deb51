/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-rates.h"

#include <math.h>
#include <string.h>

#define FIRST_ROW  (VMFT_SERIES_LEARNING_ROWS + 1)
#define CHUNK_ROWS 200
#define STEP       0.01

static int
benign_end (const VmftSeries *series)
{
  return series->rate_label > 0 ? series->rate_label : (int) series->n_rows;
}

/* Whether an engine with this threshold alarms somewhere in [from, to). */
static gboolean
alarms_in (const VmftSeries *series, int from, int to, double threshold)
{
  for (int row = MAX (from, FIRST_ROW); row < MIN (to, (int) series->n_rows); row++)
    if (series->alarm_level[row] > threshold)
      return TRUE;
  return FALSE;
}

/* The first row in [from, to) at or above the threshold, or -1. */
static int
find_alarm (const VmftSeries *series, int from, int to, double threshold)
{
  for (int row = MAX (from, FIRST_ROW); row < MIN (to, (int) series->n_rows); row++)
    if (series->score[row] >= threshold)
      return row;
  return -1;
}

void
vmft_rates_count (const VmftSeriesSet *set, double threshold, VmftRates *rates)
{
  *rates = (VmftRates){ 0 };
  for (guint i = 0; i < set->series->len; i++)
    {
      const VmftSeries *series = set->series->pdata[i];

      for (int row = FIRST_ROW; row < benign_end (series); row++)
        {
          rates->negatives++;
          rates->false_positives += series->score[row] >= threshold;
        }
      if (series->rate_label <= 0)
        continue;
      rates->n_faulty++;
      rates->early += find_alarm (series, series->rate_label, series->rate_failure, threshold) >= 0;
    }
}

double
vmft_rates_quantile (GArray *sorted, double q)
{
  double rank = q * (sorted->len - 1);
  guint below = (guint) floor (rank);
  double a = g_array_index (sorted, double, below);
  double b = g_array_index (sorted, double, MIN (below + 1, sorted->len - 1));

  return a + (b - a) * (rank - below);
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

void
vmft_rates_lead (const VmftSeriesSet *set,
                 const char *class_name,
                 double threshold,
                 VmftLead *lead,
                 GArray **minutes)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (double));
  double sum = 0.0;

  *lead = (VmftLead){ .mean = NAN, .p5 = NAN, .p10 = NAN, .p50 = NAN, .p90 = NAN, .running = NAN };
  for (guint i = 0; i < set->series->len; i++)
    {
      const VmftSeries *series = set->series->pdata[i];
      int row;
      double value;

      if (series->rate_label <= 0 || strcmp (series->class_name, class_name) != 0)
        continue;
      row = find_alarm (series, series->rate_label, series->rate_failure, threshold);
      if (row < 0)
        continue;
      value = vmft_time_diff_s (series->failure_us, series->times_us[row]) / 60.0;
      g_array_append_val (all, value);
      sum += value;
      lead->running = isnan (lead->running) ? value : (lead->running + value) / 2.0;
    }
  lead->n = all->len;
  if (all->len > 0)
    {
      g_array_sort (all, compare_doubles);
      lead->mean = sum / all->len;
      lead->p5 = vmft_rates_quantile (all, 0.05);
      lead->p10 = vmft_rates_quantile (all, 0.10);
      lead->p50 = vmft_rates_quantile (all, 0.50);
      lead->p90 = vmft_rates_quantile (all, 0.90);
    }
  if (minutes)
    *minutes = g_steal_pointer (&all);
}

/* Negatives are pieces of the benign part, cut at multiples of 200 rows; a file whose label is no row counts as
 * one piece, which comes nearest to the published areas. */
static void
count_chunks (const VmftSeries *series, double threshold, guint *flagged, guint *all)
{
  int end = benign_end (series);

  for (int from = FIRST_ROW; from < end;)
    {
      int to = series->rate_label > 0 ? MIN (end, (from / CHUNK_ROWS + 1) * CHUNK_ROWS) : end;

      (*all)++;
      *flagged += alarms_in (series, from, to, threshold);
      from = to;
    }
}

static VmftRocPoint
roc_point (const VmftSeriesSet *set, const char *class_name, gboolean relaxed, double threshold)
{
  guint flagged = 0, chunks = 0, found = 0, files = 0;

  for (guint i = 0; i < set->series->len; i++)
    {
      const VmftSeries *series = set->series->pdata[i];
      int end = relaxed ? (int) series->n_rows : series->rate_failure;

      if (strcmp (series->class_name, class_name) != 0)
        continue;
      count_chunks (series, threshold, &flagged, &chunks);
      if (series->rate_label <= 0)
        continue;
      files++;
      found += alarms_in (series, series->rate_label, end, threshold);
    }
  return (VmftRocPoint){ threshold, chunks ? (double) flagged / chunks : 0.0,
                         files ? (double) found / files : 0.0 };
}

static int
compare_points (gconstpointer a, gconstpointer b)
{
  const VmftRocPoint *x = a, *y = b;

  if (x->false_positive_rate != y->false_positive_rate)
    return x->false_positive_rate < y->false_positive_rate ? -1 : 1;
  return x->true_positive_rate < y->true_positive_rate ? -1 : x->true_positive_rate > y->true_positive_rate;
}

GArray *
vmft_rates_roc (const VmftSeriesSet *set, const char *class_name, gboolean relaxed, double top, double *auc)
{
  GArray *points = g_array_new (FALSE, FALSE, sizeof (VmftRocPoint));
  VmftRocPoint corners[] = { { INFINITY, 0.0, 0.0 }, { 0.0, 1.0, 1.0 } };

  g_array_append_vals (points, corners, 2);
  for (int step = 0; step * STEP <= top + 1e-9; step++)
    {
      VmftRocPoint point = roc_point (set, class_name, relaxed, step * STEP);

      g_array_append_val (points, point);
    }
  g_array_sort (points, compare_points);
  *auc = 0.0;
  for (guint i = 1; i < points->len; i++)
    {
      const VmftRocPoint *a = &g_array_index (points, VmftRocPoint, i - 1);
      const VmftRocPoint *b = &g_array_index (points, VmftRocPoint, i);

      *auc += (b->false_positive_rate - a->false_positive_rate) *
              (a->true_positive_rate + b->true_positive_rate) / 2.0;
    }
  return points;
}

GPtrArray *
vmft_rates_classes (const VmftSeriesSet *set)
{
  GPtrArray *classes = g_ptr_array_new ();

  for (guint i = 0; i < set->series->len; i++)
    {
      const VmftSeries *series = set->series->pdata[i];

      if (series->label >= 0 &&
          !g_ptr_array_find_with_equal_func (classes, series->class_name, g_str_equal, NULL))
        g_ptr_array_add (classes, series->class_name);
    }
  return classes;
}
