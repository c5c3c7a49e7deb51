/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: what comes of a plan whose steps are known. */
#pragma once

#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * vmft_verdict_decide:
 * @plan: its steps, refusals and sums are filled; verdict and guard are set here
 * @disturbance: weighted guest seconds that the moves cost
 *
 * Worth it, fallback, guards: the last third of DESIGN 4.3. A save that costs more than is at risk is refused. Where no
 * VM fits, the fastest way is taken as soon as the risk itself, P(fails) times all that would be lost, outweighs the
 * cost: that a try is nearly hopeless is no reason to spare VMs that are lost without it.
 */
void vmft_verdict_decide (VmftPlan *plan, double disturbance, const VmftPolicyInput *input);

G_END_DECLS
