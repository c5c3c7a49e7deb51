/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two engines over series of log keys. */
#pragma once

#include "vmft-lad.h"
#include "vmft-series.h"

G_BEGIN_DECLS

/**
 * vmft_series_score_kernel:
 *
 * The kernel engine: rows of templates that the learning period did not show score the model's probability; a
 * fault family lifts it to a half at least, which is where the product alarms.
 */
void vmft_series_score_kernel (VmftSeriesSet *set);

/** vmft_series_score_lad: the paper's detector, with @learning_rows for M. */
void vmft_series_score_lad (VmftSeriesSet *set, const VmftLadPreset *preset, guint learning_rows);

/**
 * vmft_series_apply_evidence:
 * @threshold: at or above it a record counts as an alarm
 *
 * The product's evidence rule: an alarm counts from the record on that completes the evidence (a family of one
 * record, two records in 60 s, or two templates), until 30 minutes without one. Others score 0.
 */
void vmft_series_apply_evidence (VmftSeriesSet *set, double threshold);

G_END_DECLS
