/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: whom a fault concerns, where it can go, and what holds a plan back. */
#pragma once

#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * vmft_scope_refuse: why @vm stays whatever the destinations (its policy, its state, the cool-down, past failures).
 *
 * Returns: (transfer full) (nullable): one sentence; NULL when nothing of its own holds it.
 */
char *vmft_scope_refuse (const VmftPolicyVm *vm, const VmftPolicyInput *input);

/** vmft_scope_weight: Returns: what the VM counts in sums: its priority, 1 to 10. */
guint vmft_scope_weight (const VmftVm *vm);

/** vmft_scope_freed_bytes: Returns: memory of this host that the VM's leaving frees, and that a save has to write. */
double vmft_scope_freed_bytes (const VmftVm *vm);

/** vmft_scope_compare: Returns: less than 0 when @a comes before @b: heavy ones first, then large ones. */
gint vmft_scope_compare (const VmftPolicyVm *a, const VmftPolicyVm *b);

/**
 * VmftRoom: what a plan has already promised to one destination.
 */
typedef struct
{
  const VmftDestination *destination;
  double promised_bytes;
} VmftRoom;

/**
 * vmft_scope_place:
 * @rooms: (element-type VmftRoom): one for each destination of @input
 * @reason: (out) (transfer full): why none takes the VM
 *
 * Chooses the destination that @vm can go to with most weighted room left, and promises it the VM's memory.
 *
 * Returns: (nullable): the room chosen.
 */
VmftRoom *
vmft_scope_place (GArray *rooms, const VmftPolicyVm *vm, const VmftPolicyInput *input, char **reason);

/**
 * vmft_guard:
 * @reason: (out) (transfer full): one sentence
 *
 * Returns: (nullable): the static name of the guard that leaves the plan to the operator; NULL when none does.
 */
const char *vmft_guard (const VmftPolicyInput *input, char **reason);

G_END_DECLS
