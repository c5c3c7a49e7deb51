/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-daemon.h"

G_BEGIN_DECLS

/**
 * VmftGate: this host as a destination. libvirt's hook asks it before a VM comes; it says no while the host is suspect
 * itself or what is already coming would overfill it. The destination is the authority: sources only guess.
 */
typedef struct _VmftGate VmftGate;

/** vmft_gate_new: listens at "[Arrivals] socket". Returns: NULL with @error set when it cannot. */
VmftGate *vmft_gate_new (VmftDaemon *daemon, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void vmft_gate_free (VmftGate *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftGate, vmft_gate_free)

G_END_DECLS
