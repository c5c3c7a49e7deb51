/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the estimator room. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** A mode has a calibration of its own from so many outcomes: ceil (0.9 (9 + 1)) = 9 is the first rank there is. */
#define VMFT_CALIBRATION_MIN 9

/**
 * VmftCalibration: one-sided split-conformal calibration, prequential: scores log (actual/p50) of past jobs, some
 * of them right-censored (the job was stopped before its end, so its score is a lower bound).
 */
typedef struct _VmftCalibration VmftCalibration;

VmftCalibration *vmft_calibration_new (void);
void vmft_calibration_free (VmftCalibration *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftCalibration, vmft_calibration_free)

/** vmft_calibration_add: @score: log (actual/p50); one that is no number is ignored. The latest 500 count. */
void vmft_calibration_add (VmftCalibration *self, double score, gboolean censored);

/** vmft_calibration_get_n: Returns: how many scores there are, censored ones included. */
guint vmft_calibration_get_n (const VmftCalibration *self);

/**
 * vmft_calibration_quantile:
 * @coverage: 0.9 for p90
 * @score: (out): what log (actual/p50) stays below with probability @coverage
 *
 * The score of rank ceil (@coverage (n + 1)); with censored scores among them the Kaplan and Meier estimate of it
 * (each hands its mass to those above it), and the largest score seen when that runs out.
 *
 * Returns: %FALSE when n is below VMFT_CALIBRATION_MIN or the rank above n, or when fewer than half were seen to end.
 */
gboolean vmft_calibration_quantile (VmftCalibration *self,
                                    double coverage,
                                    double *score) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
