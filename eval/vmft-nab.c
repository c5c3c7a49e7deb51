/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-nab.h"

#include <math.h>
#include <stdlib.h>

#define PROBATION_SHARE 0.30
#define PROBATION_ROWS  1500

/* NAB's corpus has 116 windows; the paper took its null score over all 540 of its own. */
#define CORPUS_NULL    116.0
#define CORPUS_WINDOWS 540.0

static const VmftNabProfile profiles[VMFT_NAB_N_PROFILES] = {
  { "standard", 1.0, 0.11, 1.0 },
  { "low_fp", 1.0, 0.22, 1.0 },
  { "low_fn", 1.0, 0.11, 2.0 },
};

/* A row whose score is worth a threshold. */
typedef struct
{
  double score;
  guint series;
  int row;
} Event;

/* What a series looks like under a criterion. */
typedef struct
{
  int n_rows, probation;
  int a, b;  /* the window; a < 0 for none */
  int first; /* detection in it; -1 for none yet */
} View;

const VmftNabProfile *
vmft_nab_profile (guint index)
{
  g_return_val_if_fail (index < VMFT_NAB_N_PROFILES, NULL);
  return &profiles[index];
}

static double
sigmoid (double p)
{
  return 2.0 / (1.0 + exp (5.0 * p)) - 1.0;
}

double
vmft_nab_detection (int a, int b, int q)
{
  return sigmoid (-(double) (b - q + 1) / (double) (b - a + 1)) / sigmoid (-1.0);
}

static View
make_view (const VmftSeries *series, VmftNabCriterion criterion)
{
  gboolean faulty = series->label >= 0;
  View view = { .n_rows = (int) series->n_rows, .a = -1, .b = -1, .first = -1 };

  if (faulty)
    {
      if (criterion == VMFT_NAB_STRICT)
        view.n_rows = series->failure + 1;
      else if (criterion == VMFT_NAB_RELAXED)
        view.n_rows++;
      view.a = series->label;
      view.b = view.n_rows - 1;
    }
  view.probation = (int) MIN (floor (PROBATION_SHARE * view.n_rows), PROBATION_ROWS);
  return view;
}

static int
compare_events (gconstpointer a, gconstpointer b)
{
  const Event *x = a, *y = b;

  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  if (x->series != y->series)
    return x->series < y->series ? -1 : 1;
  return x->row - y->row;
}

static GArray *
collect_events (const VmftSeriesSet *set, const View *views)
{
  GArray *events = g_array_new (FALSE, FALSE, sizeof (Event));

  for (guint i = 0; i < set->series->len; i++)
    {
      const VmftSeries *series = set->series->pdata[i];

      for (int row = views[i].probation; row < views[i].n_rows; row++)
        {
          double score = row < (int) series->n_rows ? series->score[row] : 1.0;
          Event event = { score, i, row };

          if (score > 0.0)
            g_array_append_val (events, event);
        }
    }
  g_array_sort (events, compare_events);
  return events;
}

/* How much the raw sum changes when this row is flagged too. */
static double
flag (View *view, int row, const VmftNabProfile *profile)
{
  double before;

  if (view->a < 0 || row < view->a || row > view->b)
    return -profile->w_fp;
  if (view->first >= 0 && view->first <= row)
    return 0.0;
  before =
      view->first < 0 ? -profile->w_fn : profile->w_tp * vmft_nab_detection (view->a, view->b, view->first);
  view->first = row;
  return profile->w_tp * vmft_nab_detection (view->a, view->b, row) - before;
}

static void
normalise (VmftNabResult *result, const VmftNabProfile *profile)
{
  double perfect = result->n_windows * profile->w_tp;
  double null = -(double) result->n_windows * profile->w_fn;
  double corpus_null = -CORPUS_NULL * profile->w_fn * result->n_windows / CORPUS_WINDOWS;

  result->correct = 100.0 * (result->raw - null) / (perfect - null);
  result->published = 100.0 * (result->raw - corpus_null) / (perfect - corpus_null);
}

void
vmft_nab_score (const VmftSeriesSet *set,
                VmftNabCriterion criterion,
                const VmftNabProfile *profile,
                VmftNabResult *result)
{
  g_autofree View *views = g_new0 (View, set->series->len);
  g_autoptr (GArray) events = NULL;
  double raw;

  *result = (VmftNabResult){ .threshold = INFINITY };
  for (guint i = 0; i < set->series->len; i++)
    {
      views[i] = make_view (set->series->pdata[i], criterion);
      result->n_windows += views[i].a >= 0;
    }
  events = collect_events (set, views);
  result->raw = raw = -(double) result->n_windows * profile->w_fn;
  for (guint i = 0; i < events->len; i++)
    {
      const Event *event = &g_array_index (events, Event, i);

      raw += flag (&views[event->series], event->row, profile);
      if (i + 1 < events->len && g_array_index (events, Event, i + 1).score == event->score)
        continue;
      if (raw > result->raw)
        {
          result->raw = raw;
          result->threshold = event->score;
        }
    }
  normalise (result, profile);
}
