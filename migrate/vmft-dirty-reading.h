/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-connection.h"
#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftReading: what one reading of a VM's memory tells. Plain, g_free().
 * @samples: @n_samples of them, the longest period last
 * @written_share: of the guest's memory, there and not all zeros; 0 when unknown
 * @rewrite_share: bytes that XBZRLE sends per byte of the pages that changed; 0 when unknown
 */
#define VMFT_READING_SAMPLES_MAX 8
typedef struct
{
  VmftDirtySample samples[VMFT_READING_SAMPLES_MAX];
  guint n_samples;
  double written_share;
  double rewrite_share;
} VmftReading;

/**
 * vmft_dirty_reading_start:
 * @vm: the running VM
 * @period_s: 1 to 60
 * @read_memory: whether to look at the pages ourselves
 * @task: returned with a #VmftReading; %VMFT_ERROR_BUSY while the VM migrates, %VMFT_ERROR_TIMEOUT when the
 *   reading never comes
 *
 * Looks at a sample of the guest's pages itself (vmft-page-sample.h) where the kernel permits it, with looks after
 * 1, 2, 4, … seconds on the way; else one page-sampling reading of libvirt's dirty-rate calculation. libvirt's other
 * two modes are not used: under TCG dirty-bitmap says 0 without a word and dirty-ring does not exist, under KVM both
 * slow the guest down.
 */
void vmft_dirty_reading_start (VmftConnection *connection,
                               VmftClock *clock,
                               VmftVm *vm,
                               guint period_s,
                               gboolean read_memory,
                               GTask *task);

G_END_DECLS
