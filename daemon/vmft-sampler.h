/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-estimator.h"
#include "vmft-hypervisor.h"

G_BEGIN_DECLS

/**
 * VmftSampler: reads the dirty rate of one VM after another in the background, so that an alarm finds samples and
 * never waits for one. Never two VMs at once, never a VM that migrates. A VM without samples comes first and gets
 * two periods soon, because one reading cannot tell rate from working set; then the stalest.
 */
typedef struct _VmftSampler VmftSampler;

/**
 * vmft_sampler_new:
 * @estimator: says how fast a pass over a VM's memory goes, for the choice of the period
 * @interval_s: from one reading of a VM to its next, when it has enough
 * @pause_s: least time between two readings of any VMs: bounds the cost
 */
VmftSampler *vmft_sampler_new (VmftClock *clock,
                               VmftHypervisor *hypervisor,
                               VmftEstimator *estimator,
                               double interval_s,
                               double pause_s);
void vmft_sampler_free (VmftSampler *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftSampler, vmft_sampler_free)

void vmft_sampler_start (VmftSampler *self);

/** vmft_sampler_hold: no new reading while @hold: the host is being evacuated. */
void vmft_sampler_hold (VmftSampler *self, gboolean hold);

/** vmft_sampler_to_variant: Returns: (transfer floating): `a{sv}`: readings, failures, busy_s and busy_share: what it costs. */
GVariant *vmft_sampler_to_variant (VmftSampler *self);

G_END_DECLS
