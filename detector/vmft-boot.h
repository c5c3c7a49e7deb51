/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * VmftBootTracker:
 *
 * Which boot a line belongs to, and whether the host was still starting when it was said: by the uptime in the
 * kernel's own stamps, since neither files nor syslog carry a boot id. Several sources may tell of the same
 * boots.
 */
typedef struct _VmftBootTracker VmftBootTracker;

/** vmft_boot_tracker_new: @boot_s: uptime at which a boot is over, unless systemd says so before. */
VmftBootTracker *vmft_boot_tracker_new (double boot_s);

void vmft_boot_tracker_free (VmftBootTracker *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftBootTracker, vmft_boot_tracker_free)

/**
 * vmft_boot_tracker_note:
 * @source: where the line came from
 * @boot: (out): serial number of its boot: the second since the epoch in which that began, near enough
 *
 * Returns: whether the host was still starting
 */
gboolean
vmft_boot_tracker_note (VmftBootTracker *self, const VmftLine *line, const char *source, guint64 *boot);

G_END_DECLS
