/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-series-score.h"

#include <string.h>

#define FAULT_P    0.5
#define EVIDENCE_S 60.0
#define QUIET_S    1800.0

static void
score_kernel (const VmftSeriesSet *set, VmftSeries *series)
{
  g_autofree gboolean *normal = g_new0 (gboolean, set->n_templates);

  for (guint row = 0; row < series->n_rows; row++)
    {
      guint32 key = series->keys[row];
      const VmftSeriesTemplate *template = &set->templates[key];

      if (row < VMFT_SERIES_LEARNING_ROWS)
        normal[key] = TRUE;
      series->score[row] = 0.0;
      if (row >= VMFT_SERIES_LEARNING_ROWS && !normal[key])
        series->score[row] = template->fault ? MAX (template->p, FAULT_P) : MIN (template->p, 0.9 * FAULT_P);
      series->alarm_level[row] = series->score[row];
    }
}

void
vmft_series_score_kernel (VmftSeriesSet *set)
{
  for (guint i = 0; i < set->series->len; i++)
    score_kernel (set, set->series->pdata[i]);
}

void
vmft_series_score_lad (VmftSeriesSet *set, const VmftLadPreset *preset, guint learning_rows)
{
  for (guint i = 0; i < set->series->len; i++)
    {
      VmftSeries *series = set->series->pdata[i];
      g_autoptr (VmftLad) lad = vmft_lad_new (preset);

      for (guint row = 0; row < series->n_rows; row++)
        {
          guint32 key = series->keys[row];

          series->score[row] = vmft_lad_feed (lad, key, set->templates[key].faulty, row < learning_rows);
          series->alarm_level[row] = vmft_lad_faulty_distance (lad);
        }
    }
}

/* The evidence of one host, as vmft-incident.c weighs it; a series knows no places. */
typedef struct
{
  VmftTime last_us; /* alarm; 0 for none */
  guint32 first_key;
  gboolean confirmed;
} Evidence;

static gboolean
weigh (Evidence *evidence, guint32 key, gboolean one_record, VmftTime now_us)
{
  double silence_s = vmft_time_diff_s (now_us, evidence->last_us);

  if (evidence->last_us == 0 || silence_s > QUIET_S)
    *evidence = (Evidence){ .first_key = key, .confirmed = one_record };
  else
    evidence->confirmed |= one_record || silence_s <= EVIDENCE_S || key != evidence->first_key;
  evidence->last_us = now_us;
  return evidence->confirmed;
}

void
vmft_series_apply_evidence (VmftSeriesSet *set, double threshold)
{
  for (guint i = 0; i < set->series->len; i++)
    {
      VmftSeries *series = set->series->pdata[i];
      Evidence evidence = { 0 };

      for (guint row = 0; row < series->n_rows; row++)
        {
          guint32 key = series->keys[row];

          if (series->score[row] < threshold ||
              !weigh (&evidence, key, set->templates[key].one_record, series->times_us[row]))
            series->score[row] = series->alarm_level[row] = 0.0;
        }
    }
}
