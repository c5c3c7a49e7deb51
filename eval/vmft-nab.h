/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Numenta anomaly benchmark's score as the paper uses it, written from the equations in EVALUATION.md. */
#pragma once

#include "vmft-series.h"

G_BEGIN_DECLS

/**
 * VmftNabProfile:
 * @w_tp, @w_fp, @w_fn: weights of a detection, of a record flagged outside windows, of a window missed
 */
typedef struct
{
  const char *name;
  double w_tp, w_fp, w_fn;
} VmftNabProfile;

/** VmftNabCriterion: strict: the window ends with the failure, and so does the series; relaxed: both end with the
 * file, to which a row of score 1 is appended; unforced: relaxed without that row. */
typedef enum
{
  VMFT_NAB_STRICT,
  VMFT_NAB_RELAXED,
  VMFT_NAB_RELAXED_UNFORCED,
} VmftNabCriterion;

/**
 * VmftNabResult:
 * @threshold: the one that maximises @raw; infinite when flagging nothing is best
 * @correct: 100 (raw - null) / (perfect - null), the null being that of this data
 * @published: likewise with the null of NAB's own corpus, scaled by windows / 540
 */
typedef struct
{
  guint n_windows;
  double raw, threshold, correct, published;
} VmftNabResult;

#define VMFT_NAB_N_PROFILES 3

/** vmft_nab_profile: Returns: (transfer none): 0 standard, 1 low_fp, 2 low_fn. */
const VmftNabProfile *vmft_nab_profile (guint index);

/** vmft_nab_score: scores the rows of @set at the best threshold for @profile. */
void vmft_nab_score (const VmftSeriesSet *set,
                     VmftNabCriterion criterion,
                     const VmftNabProfile *profile,
                     VmftNabResult *result);

/** vmft_nab_detection: Returns: what a first detection at row @q of the window [@a, @b] earns, times w_tp. */
double vmft_nab_detection (int a, int b, int q);

G_END_DECLS
