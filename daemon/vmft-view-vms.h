/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-daemon.h"
#include "vmft-metrics.h"

G_BEGIN_DECLS

/**
 * VmftViewVms: the VMs with their estimates, ready to be shown. Describing one takes about a millisecond, which hundreds
 * of VMs and several watchers would make the main loop's business; so each description is kept, renewed by turns while
 * somebody looks, and never more than a few milliseconds at a time are spent.
 */
typedef struct _VmftViewVms VmftViewVms;

/** vmft_view_vms_new: @daemon: outlives it. */
VmftViewVms *vmft_view_vms_new (VmftDaemon *daemon);
void vmft_view_vms_free (VmftViewVms *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftViewVms, vmft_view_vms_free)

/** vmft_view_vms_to_json: Returns: (transfer full): an array of records; a VM not described yet is without estimates. */
char *vmft_view_vms_to_json (VmftViewVms *self);

/** vmft_view_vms_add_metrics: writes how long each VM takes to move. */
void vmft_view_vms_add_metrics (VmftViewVms *self, VmftMetrics *metrics);

G_END_DECLS
