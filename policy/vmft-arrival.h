/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: P(arrive) of a queue of moves. */
#pragma once

#include "vmft-estimator.h"

G_BEGIN_DECLS

#define VMFT_ARRIVAL_N_POINTS 512

/**
 * VmftArrival:
 * @no_deadline: everything arrives
 * @lag: k moves that share the link get through as much as one alone, but each of them slower: by this much of its
 *   own time in the queue it ends later than in a queue of one after another; (k - 1) / 2, 0 for one at a time
 *
 * P(L > e + t + guard | L > e) tabulated over ln t, because a joint plan asks for it some hundred
 * thousand times.
 */
typedef struct
{
  gboolean no_deadline;
  double lag;
  double survival[VMFT_ARRIVAL_N_POINTS];
} VmftArrival;

/** vmft_arrival_init: @lead: (nullable): NULL when there is no deadline: everything arrives. */
void vmft_arrival_init (VmftArrival *self, const VmftLead *lead, double guard_s);

/** vmft_arrival_survival: Returns: P(L > e + @seconds + guard | L > e); 0 for infinity. */
double vmft_arrival_survival (const VmftArrival *self, double seconds);

/**
 * VmftQueueItem: one VM's move as the queue sees it.
 * @node_s: time at each node of the error factor of B that all moves share; infinite where it never ends
 * @sigma: error of ln time that is this move's own
 * @cap: P(arrive) can be no higher (pre-copy that may not converge)
 */
typedef struct
{
  double weight;
  double node_s[VMFT_N_NODES];
  double sigma;
  double cap;
} VmftQueueItem;

/**
 * VmftCompletion: when a set of moves is through: its time at each node and the variance of the sum of their own
 * errors. It depends on the set alone, not on the order inside it: that is what makes the dynamic programme exact.
 */
typedef struct
{
  double node_s[VMFT_N_NODES];
  double variance_s2;
} VmftCompletion;

/** vmft_completion_init: nothing sent yet; the link is free in @offset_s. */
void vmft_completion_init (VmftCompletion *self, double offset_s);

/** vmft_completion_add: @item is sent as well. */
void vmft_completion_add (VmftCompletion *self, const VmftQueueItem *item);

/** vmft_completion_p_arrive: Returns: P(what completes then arrives in time), errors integrated over. */
double vmft_completion_p_arrive (const VmftCompletion *self, const VmftArrival *arrival);

/** vmft_completion_add_lag: what the last @item of the set still needs when it has shared the link. */
void vmft_completion_add_lag (VmftCompletion *self, const VmftQueueItem *item, double lag);

/** vmft_completion_p_item: Returns: P(@item arrives in time), it being the last one of the set. */
double vmft_completion_p_item (const VmftCompletion *self,
                               const VmftQueueItem *item,
                               const VmftArrival *arrival);

/** vmft_completion_quantiles: @p50_s, @p90_s: (out): of the completion time; infinite when it may never come. */
void vmft_completion_quantiles (const VmftCompletion *self, double *p50_s, double *p90_s);

G_END_DECLS
