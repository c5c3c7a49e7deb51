/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"
#include "vmft-estimator.h"

G_BEGIN_DECLS

/**
 * VmftHistory: how incidents ended, for the lead-time model: each leaves one record, a failure or a censored one
 * (cleared without a failure), whatever restarts lie between. Without the censored ones vmft would learn only from
 * the failures it did not prevent.
 */
typedef struct _VmftHistory VmftHistory;

VmftHistory *
vmft_history_new (VmftClock *clock, VmftStore *store, VmftDetector *detector, VmftLeadModel *leads);
void vmft_history_free (VmftHistory *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftHistory, vmft_history_free)

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

/** vmft_history_note_vm_failed: a VM of this host failed: what every open confirmed incident had announced. */
void vmft_history_note_vm_failed (VmftHistory *self, const char *uuid, const char *reason);

/** vmft_history_note_silence: as above; it was heard last at @last_us. */
void vmft_history_note_silence (VmftHistory *self, VmftTime last_us);

G_END_DECLS
