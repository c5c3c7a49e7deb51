/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-connection.h"
#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * vmft_dirty_reading_start:
 * @vm: the running VM
 * @period_s: 1 to 60
 * @task: returned with a #VmftDirtySample; %VMFT_ERROR_BUSY while the VM migrates, %VMFT_ERROR_TIMEOUT when the
 *   reading never comes
 *
 * One page-sampling reading of libvirt's dirty-rate calculation. The other two modes are not used: under TCG
 * dirty-bitmap says 0 without a word and dirty-ring does not exist, under KVM both slow the guest down.
 */
void vmft_dirty_reading_start (VmftConnection *connection,
                               VmftClock *clock,
                               VmftVm *vm,
                               guint period_s,
                               GTask *task);

G_END_DECLS
