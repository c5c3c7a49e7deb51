/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * VmftUnplugged:
 *
 * Which disks have been pulled out. A USB stick that leaves makes the kernel say much of what it says of a disk that
 * fails: its cache cannot be written, reads end in I/O errors. The kernel also says that it has left, and on which SCSI
 * host it was (drivers/usb/core/hub.c, drivers/usb/storage, drivers/scsi/sd.c).
 *
 * A forged line must not make a failing disk silent: what trusted sources say and what others say are kept apart,
 * and each counts for its own lines alone.
 */
typedef struct _VmftUnplugged VmftUnplugged;

#define VMFT_UNPLUGGED_S 600 /* no longer does a departure explain what a disk says */

VmftUnplugged *vmft_unplugged_new (void);
void vmft_unplugged_free (VmftUnplugged *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftUnplugged, vmft_unplugged_free)

/** vmft_unplugged_note: @line: any line of the kernel. Cheap where it is not about USB or SCSI. */
void vmft_unplugged_note (VmftUnplugged *self, const VmftLine *line, VmftTime now_us);

/**
 * vmft_unplugged_explains:
 * @line: one of the kernel that would be an alarm
 * @locus: where it says the fault is: a disk or a SCSI address
 *
 * Returns: whether the disk was on USB and has been pulled out a little while ago
 */
gboolean vmft_unplugged_explains (const VmftUnplugged *self,
                                  const VmftLine *line,
                                  const VmftLocus *locus,
                                  VmftTime now_us);

G_END_DECLS
