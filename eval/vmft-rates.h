/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* False positives, early detection, lead times and ROC curves, by the conventions in EVALUATION.md. */
#pragma once

#include "vmft-series.h"

G_BEGIN_DECLS

/**
 * VmftRates:
 * @false_positives: records at or above the threshold in the benign part of all files, of @negatives
 * @early: files with a record at or above it between injection and failure, of @n_faulty
 */
typedef struct
{
  guint64 false_positives, negatives;
  guint early, n_faulty;
} VmftRates;

void vmft_rates_count (const VmftSeriesSet *set, double threshold, VmftRates *rates);

/**
 * VmftLead: from the first record at or above the threshold to the failure, in minutes.
 * @running: (a + b) / 2 in the order of the files, as the paper has it
 */
typedef struct
{
  guint n;
  double mean, p5, p10, p50, p90, running;
} VmftLead;

/** vmft_rates_lead: @minutes: (out) (optional) (transfer full): all of them, ascending. */
void vmft_rates_lead (const VmftSeriesSet *set,
                      const char *class_name,
                      double threshold,
                      VmftLead *lead,
                      GArray **minutes);

/** VmftRocPoint: of one threshold. */
typedef struct
{
  double threshold, false_positive_rate, true_positive_rate;
} VmftRocPoint;

/**
 * vmft_rates_roc:
 * @relaxed: alarms after the failure count as well
 * @top: thresholds from 0 to @top in steps of 0.01
 * @auc: (out): area under the curve
 *
 * Returns: (transfer full) (element-type VmftRocPoint): the curve, from (0, 0) to (1, 1)
 */
GArray *
vmft_rates_roc (const VmftSeriesSet *set, const char *class_name, gboolean relaxed, double top, double *auc);

/** vmft_rates_classes: Returns: (transfer container): classes with faults, in the order of the files. */
GPtrArray *vmft_rates_classes (const VmftSeriesSet *set);

/** vmft_rates_quantile: @sorted: doubles, ascending, not empty. Returns: quantile @q, linear between ranks. */
double vmft_rates_quantile (GArray *sorted, double q);

G_END_DECLS
