/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VmftSubsequenceStore:
 *
 * The paper's subsequence store: distinct windows of m log keys, found by content (hash set) or by hits
 * (max-heap), and the nearest one under the relative L1 distance of equation 2,
 *
 *     D (q, s) = min (1, |q - s|_1 / |s|_1), s being the stored window.
 *
 * The nearest is exact: the answer of a full scan, through k-d trees over boxes that also know the range of
 * |s|_1. Trees are static and of doubling size (Bentley and Saxe, "Decomposable searching problems", 1980), so
 * that adding a window costs O(log^2 n) on average.
 */
typedef struct _VmftSubsequenceStore VmftSubsequenceStore;

#define VMFT_SUBSEQUENCE_MAX_LENGTH 16

/** vmft_subsequence_store_new: @length: m, 1 to %VMFT_SUBSEQUENCE_MAX_LENGTH. */
VmftSubsequenceStore *vmft_subsequence_store_new (guint length);

void vmft_subsequence_store_free (VmftSubsequenceStore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftSubsequenceStore, vmft_subsequence_store_free)

guint vmft_subsequence_store_count (const VmftSubsequenceStore *self);

/** vmft_subsequence_store_add: Returns: whether @keys (m of them) were not there yet. */
gboolean vmft_subsequence_store_add (VmftSubsequenceStore *self, const guint32 *keys);

/** vmft_subsequence_store_get: Returns: (transfer none): the m keys of window @index, in order of arrival. */
const guint32 *vmft_subsequence_store_get (const VmftSubsequenceStore *self, guint index);

/**
 * vmft_subsequence_store_nearest:
 * @keys: m keys
 * @index: (out) (optional): the nearest window, the first of several equally near
 *
 * Returns: its distance, in [0, 1]; 1 when the store is empty
 */
double vmft_subsequence_store_nearest (const VmftSubsequenceStore *self, const guint32 *keys, guint *index);

/** vmft_subsequence_store_scan: vmft_subsequence_store_nearest() by looking at every window. */
double vmft_subsequence_store_scan (const VmftSubsequenceStore *self, const guint32 *keys, guint *index);

/** vmft_subsequence_store_hit: counts one more line like window @index. */
void vmft_subsequence_store_hit (VmftSubsequenceStore *self, guint index);

/** vmft_subsequence_store_top: @hits: (out) (optional): how often. Returns: the window hit most often. */
guint vmft_subsequence_store_top (const VmftSubsequenceStore *self, guint64 *hits);

G_END_DECLS
