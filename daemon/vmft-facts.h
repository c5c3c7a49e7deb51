/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-clock.h"
#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftFacts: what this host is built on: which block devices carry it, and how much memory it has left. What may
 * block on a dying disk is read in a worker thread ahead of any alarm; at the alarm only sysfs and /proc are read.
 */
typedef struct _VmftFacts VmftFacts;

/**
 * vmft_facts_new:
 * @sysfs: "/sys"; tests have one of their own
 * @proc: "/proc"
 * @state_directory: (nullable): of vmft: a host fault when its disk fails
 */
VmftFacts *
vmft_facts_new (VmftClock *clock, const char *sysfs, const char *proc, const char *state_directory);
void vmft_facts_free (VmftFacts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftFacts, vmft_facts_free)

/** vmft_facts_start: reads now, every minute, and within seconds of a block device that comes or goes. */
void vmft_facts_start (VmftFacts *self);

/**
 * vmft_facts_get:
 * @locus: of the incident
 * @facts: (out): for #VmftPolicyInput, valid until the next call. A device that has gone carries what it carried when
 *   it was last there. The deficit is what is missing to a tenth of the
 *   memory plus what the present decline takes in five minutes.
 */
void vmft_facts_get (VmftFacts *self, const VmftLocus *locus, VmftHostFacts *facts);

/**
 * vmft_facts_get_decline_bps: Returns: how fast MemAvailable + SwapFree falls, smoothed over about 10 s; 0 when it does
 * not. @free_bytes: (out): what is left.
 */
double vmft_facts_get_decline_bps (VmftFacts *self, double *free_bytes);

G_END_DECLS
