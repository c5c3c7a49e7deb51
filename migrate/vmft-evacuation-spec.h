/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-evacuation.h"

G_BEGIN_DECLS

/**
 * vmft_evacuation_make_spec:
 * @vm: (nullable): the VM as last seen; NULL for a job that is being resumed
 *
 * Returns: (transfer full): what libvirt is asked for: the plan's mode, the configuration's limits, the VM's own policy,
 * an XBZRLE cache that holds its working set.
 */
VmftMigrationSpec *vmft_evacuation_make_spec (const VmftEvacuationConfig *config,
                                              const VmftEvacuationStep *step,
                                              const VmftVm *vm,
                                              VmftTime now_us);

G_END_DECLS
