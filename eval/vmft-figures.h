/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-series.h"

G_BEGIN_DECLS

/**
 * vmft_figures_write:
 * @folder: is made when it does not exist
 * @set: scored
 * @title: of the engine
 * @top: the largest threshold of the ROC curves
 * @threshold: of the lead times
 * @error: return location: %VMFT_ERROR_UNAVAILABLE when gnuplot is not installed
 *
 * Draws roc.svg (the paper's figure 8) and lead.svg (lead times by class).
 */
gboolean vmft_figures_write (const char *folder,
                             const VmftSeriesSet *set,
                             const char *title,
                             double top,
                             double threshold,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_figures_write_sweeps:
 *
 * Draws sweep-theta.svg, sweep-window.svg and sweep-learning.svg: the strict standard score of vmft-lad against
 * its anomaly threshold, window and learning period (the paper's figures 5 and 9). Leaves other scores in @set.
 */
gboolean vmft_figures_write_sweeps (const char *folder,
                                    VmftSeriesSet *set,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
