/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-calibration.h"

#include <math.h>

#define MAX_SCORES 500

typedef struct
{
  double score;
  gboolean censored;
} Score;

struct _VmftCalibration
{
  GArray *scores; /* of Score, in order of arrival */
  /* the last answer: a plan asks for the same one thousands of times between two outcomes */
  gboolean cached;
  double cached_coverage;
  gboolean cached_known;
  double cached_score;
};

VmftCalibration *
vmft_calibration_new (void)
{
  VmftCalibration *self = g_new0 (VmftCalibration, 1);

  self->scores = g_array_new (FALSE, FALSE, sizeof (Score));
  return self;
}

void
vmft_calibration_free (VmftCalibration *self)
{
  g_array_unref (self->scores);
  g_free (self);
}

void
vmft_calibration_add (VmftCalibration *self, double score, gboolean censored)
{
  Score entry = { score, censored };

  if (!isfinite (score))
    return;
  if (self->scores->len == MAX_SCORES)
    g_array_remove_index (self->scores, 0);
  self->cached = FALSE;
  g_array_append_val (self->scores, entry);
}

guint
vmft_calibration_get_n (const VmftCalibration *self)
{
  return self->scores->len;
}

/* Ascending; at the same score those seen to end come first, as Kaplan and Meier have it. */
static gint
compare_scores (gconstpointer a, gconstpointer b)
{
  const Score *left = a, *right = b;

  if (left->score != right->score)
    return left->score < right->score ? -1 : 1;
  return left->censored - right->censored;
}

static gboolean
compute_quantile (const VmftCalibration *self, double coverage, double *score)
{
  guint n = self->scores->len, n_censored = 0;
  guint rank = (guint) ceil (coverage * (n + 1) - 1e-9);
  g_autoptr (GArray) sorted = NULL;
  double above = 1.0;

  for (guint i = 0; i < n; i++)
    n_censored += g_array_index (self->scores, Score, i).censored;
  if (n < VMFT_CALIBRATION_MIN || rank > n || 2 * n_censored > n)
    return FALSE;

  sorted = g_array_copy (self->scores);
  g_array_sort (sorted, compare_scores);
  for (guint i = 0; i < n; i++)
    {
      const Score *entry = &g_array_index (sorted, Score, i);

      *score = entry->score;
      if (entry->censored)
        continue;
      above *= 1.0 - 1.0 / (n - i);
      if (1.0 - above >= (double) rank / n - 1e-9)
        return TRUE;
    }
  return TRUE;
}

gboolean
vmft_calibration_quantile (VmftCalibration *self, double coverage, double *score)
{
  if (!self->cached || self->cached_coverage != coverage)
    {
      self->cached_known = compute_quantile (self, coverage, &self->cached_score);
      self->cached_coverage = coverage;
      self->cached = TRUE;
    }
  *score = self->cached_score;
  return self->cached_known;
}
