/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: the order of sending that saves most. */
#pragma once

#include "vmft-arrival.h"

G_BEGIN_DECLS

/** Up to so many moves the order is the exact optimum (2^n sets). */
#define VMFT_ORDER_EXACT_MAX 12

/**
 * vmft_order_moves:
 * @items, @n: the moves, any number
 * @offset_s: when the link is free
 * @exact: whether to use the dynamic programme (@n up to #VMFT_ORDER_EXACT_MAX); otherwise weight over time
 * @n_exchanges: passes of exchanges after that: of neighbours, and (@n up to 64) of all within a window of eight;
 *   ignored when @exact
 * @order: (out) (array length=n): indices in the order of sending
 *
 * Maximises the sum of weight times P(arrive) for moves that leave one after another.
 *
 * Returns: that sum.
 */
double vmft_order_moves (const VmftQueueItem *items,
                         guint n,
                         const VmftArrival *arrival,
                         double offset_s,
                         gboolean exact,
                         guint n_exchanges,
                         guint *order);

G_END_DECLS
