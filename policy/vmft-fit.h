/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: who leaves in time when not all can, and the others shall not try. */
#pragma once

#include "vmft-choose.h"

G_BEGIN_DECLS

/**
 * VmftFit: one candidate beside the others.
 * @fits: it reaches the confidence behind those before it that do
 * @p_arrive: its P(arrive) there, with the mode that is best for that
 * @p_alone: and if no other moved
 */
typedef struct
{
  gboolean fits;
  double p_arrive;
  double p_alone;
} VmftFit;

/**
 * vmft_fit_in_order:
 * @choice: of @candidates; its order says who is asked first
 * @offset_s: when the link is free
 * @fits: (out) (array length=choice->n): one a candidate
 *
 * Whoever does not fit is passed over: its time does not keep those behind it from fitting. Where all would fit like
 * that, one after another, those that do not in @choice itself are the ones: of a choice with misfits not all fit.
 */
void vmft_fit_in_order (const VmftCandidate *candidates,
                        const VmftChoice *choice,
                        const VmftArrival *arrival,
                        double confidence,
                        double offset_s,
                        VmftFit *fits);

G_END_DECLS
