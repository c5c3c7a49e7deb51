/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

G_BEGIN_DECLS

/**
 * VmftLad:
 *
 * VMFT-LAD's detector over a series of log keys (the paper's Algorithms 1-3): windows of m keys, learned at
 * first, then compared with what was learned by the relative L1 distance (equation 2). An anomaly is a fault
 * when log inference calls one of its keys faulty.
 */
typedef struct _VmftLad VmftLad;

/**
 * VmftLadPreset:
 * @window: m
 * @theta: anomaly threshold
 * @eta: similarity threshold: nearer windows count as the stored one
 * @inclusive: an anomaly is at @theta or beyond, not beyond alone
 * @learn_false_positives: an anomaly without a faulty key is stored (adaptive learning, Algorithm 3)
 * @feedback: log inference is asked; else every anomaly stands
 */
typedef struct
{
  guint window;
  double theta;
  double eta;
  gboolean inclusive;
  gboolean learn_false_positives;
  gboolean feedback;
} VmftLadPreset;

/** The paper's learning period M, in rows. */
#define VMFT_LAD_LEARNING_ROWS 150

/**
 * vmft_lad_preset:
 * @name: "published" (what produced the paper's tables) or "paper" (as its text has it)
 *
 * Returns: whether there is such a preset
 */
gboolean vmft_lad_preset (const char *name, VmftLadPreset *preset) G_GNUC_WARN_UNUSED_RESULT;

VmftLad *vmft_lad_new (const VmftLadPreset *preset);
void vmft_lad_free (VmftLad *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftLad, vmft_lad_free)

/**
 * vmft_lad_feed:
 * @key: log key of the next row, not 0
 * @faulty: log inference says so of @key
 * @learning: the row belongs to the learning period
 *
 * Returns: the row's score: 0 while learning; the distance of its window to the nearest stored one when that
 * is no anomaly; else 1 or 0 for an anomaly with or without a faulty key
 */
double vmft_lad_feed (VmftLad *self, guint32 key, gboolean faulty, gboolean learning);

/**
 * vmft_lad_faulty_distance:
 *
 * Returns: distance of the last row's window when log inference calls one of its keys faulty, else 0: with this
 * store, the row is a fault for every theta below it. For ROC curves.
 */
double vmft_lad_faulty_distance (const VmftLad *self);

/** vmft_lad_count: Returns: windows stored. */
guint vmft_lad_count (const VmftLad *self);

/** vmft_lad_get: Returns: (transfer none): keys of window @index, as many as the preset's @window. */
const guint32 *vmft_lad_get (const VmftLad *self, guint index);

/** vmft_lad_add: stores a window of an earlier run. */
void vmft_lad_add (VmftLad *self, const guint32 *keys);

G_END_DECLS
