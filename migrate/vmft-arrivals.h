/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftArrivals: what is already coming to this host. Memory that was promised to a VM under way is not free, though
 * nothing holds it yet: a destination that forgets this is overfilled by two sources that both saw it empty.
 */
typedef struct _VmftArrivals VmftArrivals;

VmftArrivals *vmft_arrivals_new (VmftClock *clock);
void vmft_arrivals_free (VmftArrivals *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftArrivals, vmft_arrivals_free)

/**
 * VmftArrivalLimits: what this host takes.
 * @free_bytes: memory available now
 * @reserve_bytes: of it, to be left alone
 * @limit_in: incoming migrations at a time, 0 for any
 * @suspect: (nullable): why this host itself is suspect
 */
typedef struct
{
  guint64 free_bytes;
  guint64 reserve_bytes;
  guint limit_in;
  const char *suspect;
} VmftArrivalLimits;

/**
 * vmft_arrivals_judge:
 * @memory_bytes: RAM of the VM @uuid that asks to come
 * @vms: (element-type VmftVm): this host's VMs as last seen: what has arrived counts no longer as coming, and what a
 *   VM holds already is gone from @free_bytes
 *
 * Returns: (transfer full) (nullable): why it may not come; NULL when it may, and from then on it is coming.
 */
char *vmft_arrivals_judge (VmftArrivals *self,
                           const char *uuid,
                           guint64 memory_bytes,
                           const GPtrArray *vms,
                           const VmftArrivalLimits *limits);

/** vmft_arrivals_forget: the VM was stopped here: its migration failed, or it ended. */
void vmft_arrivals_forget (VmftArrivals *self, const char *uuid);

G_END_DECLS
