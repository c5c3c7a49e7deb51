/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"
#include "vmft-estimator.h"
#include "vmft-facts.h"

G_BEGIN_DECLS

/**
 * VmftHistory: how incidents ended, for the lead-time model: each leaves one record, a failure or a censored one
 * (cleared without a failure), whatever restarts lie between. Without the censored ones vmft would learn only from
 * the failures it did not prevent.
 */
typedef struct _VmftHistory VmftHistory;

/** vmft_history_new: @facts: (transfer none): outlives the history. */
VmftHistory *vmft_history_new (VmftClock *clock,
                               VmftStore *store,
                               VmftDetector *detector,
                               VmftLeadModel *leads,
                               VmftFacts *facts);
void vmft_history_free (VmftHistory *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftHistory, vmft_history_free)

/** VmftHistoryFunc: what @incident announced came at @when_us. */
typedef void (*VmftHistoryFunc) (const VmftIncident *incident, VmftTime when_us, gpointer user_data);

/** vmft_history_set_failed_func: @func: told of every failure, before it is kept. */
void vmft_history_set_failed_func (VmftHistory *self, VmftHistoryFunc func, gpointer user_data);

/** vmft_history_note_incident: a cleared incident, unless benign or a drill, was watched for so long without a failure. */
void vmft_history_note_incident (VmftHistory *self, const VmftIncident *incident);

/**
 * vmft_history_note_alarm:
 * @alarm: record of an alarm
 *
 * When the line itself says that what the incident announced has come (a device offlined, a file system remounted
 * read-only, a VM's QEMU killed for want of memory), its time is the moment of failure.
 */
void vmft_history_note_alarm (VmftHistory *self, GVariant *alarm);

/**
 * vmft_history_note_vm_failed:
 * @vm: (nullable): the VM of this host that failed or fell silent; NULL when nothing is known of it any more
 * @failed_us: when; of a silent one, when it was heard last
 *
 * That is what the open confirmed incidents had announced whose locus concerns @vm; of an unknown VM, those of the
 * whole host.
 */
void vmft_history_note_vm_failed (VmftHistory *self, const VmftVm *vm, VmftTime failed_us);

G_END_DECLS
