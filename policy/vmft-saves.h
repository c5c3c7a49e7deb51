/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: the fallback `save`, for VMs that no destination takes or takes in time. */
#pragma once

#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftSaver: a VM that cannot leave and is saved instead.
 * @reason: why it cannot leave
 */
typedef struct
{
  const VmftPolicyVm *pvm;
  char *reason;
} VmftSaver;

/** vmft_savers_new: Returns: (transfer full) (element-type VmftSaver): an empty list. */
GPtrArray *vmft_savers_new (void);

/** vmft_savers_add: @reason: (transfer full). */
void vmft_savers_add (GPtrArray *savers, const VmftPolicyVm *pvm, char *reason);

/**
 * vmft_savers_finish:
 * @savers: (element-type VmftSaver): in any order
 * @busy_s: jobs that run already need so long; the saves begin after them and after the moves of @plan
 *
 * Adds a step for each of @savers to @plan, heaviest first. A save writes the guest's memory once, over the fastest
 * link that is known: the storage other hosts see is behind the same wire.
 */
void vmft_savers_finish (GPtrArray *savers, VmftPlan *plan, double busy_s, const VmftPolicyInput *input);

G_END_DECLS
