/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: one mode for each VM, all of them together (DESIGN 4.3). */
#pragma once

#include "vmft-arrival.h"

G_BEGIN_DECLS

/** VmftOption: one mode a VM could use. @disturbance_s: guest seconds lost by it. */
typedef struct
{
  VmftMode mode;
  VmftQueueItem item;
  double disturbance_s;
} VmftOption;

/** VmftCandidate: a VM with the modes it can use, at least one. */
typedef struct
{
  double weight;
  guint n_options;
  VmftOption options[VMFT_N_MODES];
} VmftCandidate;

/**
 * VmftChoice: a joint plan.
 * @option: index into the candidate's options, one a candidate
 * @order: candidates in the order of sending
 * @p_arrive: one a candidate
 * @saved: sum of weight times P(arrive)
 * @disturbance: sum of weight times disturbance
 * @all_fit: every P(arrive) reaches the confidence
 * @exact: modes and order are the optimum, not an approximation
 */
typedef struct
{
  guint n;
  guint *option;
  guint *order;
  double *p_arrive;
  double saved;
  double disturbance;
  gboolean all_fit;
  gboolean exact;
} VmftChoice;

void vmft_choice_free (VmftChoice *choice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftChoice, vmft_choice_free)

/** vmft_candidate_prune: drops modes that another one beats in time at every node and in disturbance. */
void vmft_candidate_prune (VmftCandidate *candidate);

/**
 * vmft_choose_modes:
 * @offset_s: when the link is free
 *
 * When all can reach @confidence: the modes that disturb least among those with which they do; whether they do
 * depends on the sum of their times alone. Otherwise those that save the most expected weight, in the best order.
 * Exact up to six VMs, and beyond as long as the combinations are few; above that a walk along the convex hull of
 * time against disturbance for all VMs at once, and a search for single changes.
 *
 * Returns: (transfer full): the choice.
 */
VmftChoice *vmft_choose_modes (const VmftCandidate *candidates,
                               guint n,
                               const VmftArrival *arrival,
                               double confidence,
                               double offset_s);

G_END_DECLS
