/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"
#include "vmft-estimator.h"

G_BEGIN_DECLS

/**
 * VmftVmPolicy: what the operator wants of one VM; kept in the domain's libvirt metadata so that it travels with it.
 * @priority: 1 to %VMFT_PRIORITY_MAX, the weight of the VM in a plan (default 5)
 * @modes: set of allowed modes (bits of #VmftMode), default all
 * @max_downtime_ms: downtime limit for pre-copy, 1 to %VMFT_MAX_DOWNTIME_MS; 0 for the daemon's default
 * @off: vmft leaves this VM alone
 */
typedef struct
{
  guint priority;
  guint modes;
  guint max_downtime_ms;
  gboolean off;
} VmftVmPolicy;

#define VMFT_VM_POLICY_DEFAULT ((VmftVmPolicy){ .priority = 5, .modes = VMFT_MODES_ALL })
#define VMFT_PRIORITY_MAX      10
#define VMFT_MAX_DOWNTIME_MS   2000000 /* QEMU takes no more */

/** vmft_vm_policy_equal: Returns: whether @a and @b say the same. */
gboolean vmft_vm_policy_equal (const VmftVmPolicy *a, const VmftVmPolicy *b);

/** VMFT_VM_POLICY_CHANGES: what vmft_vm_policy_change() takes, as "NAME:TYPE NAME:TYPE". */
#define VMFT_VM_POLICY_CHANGES "priority:u modes:s max-downtime-ms:u off:b reset:as"

/**
 * vmft_vm_policy_change:
 * @changes: `a{sv}`: priority (u), modes (s), max-downtime-ms (u), off (b); reset (as): names of the first four that
 *   go back to their default, before the others are set
 * @error: return location, %VMFT_ERROR_INVALID
 *
 * All or nothing: with an error @policy stays as it was.
 */
gboolean vmft_vm_policy_change (VmftVmPolicy *policy,
                                GVariant *changes,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
