/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-source.h"

G_BEGIN_DECLS

/**
 * VmftKmsgSource: the kernel's own log, /dev/kmsg (Documentation/ABI/testing/dev-kmsg): the way that no user can
 * forge, since the kernel does not let user space write records of facility 0. The sequence number is the
 * cursor, and holds for one boot. What the kernel's buffer overwrote before it was read is counted.
 */
#define VMFT_TYPE_KMSG_SOURCE vmft_kmsg_source_get_type ()
G_DECLARE_FINAL_TYPE (VmftKmsgSource, vmft_kmsg_source, VMFT, KMSG_SOURCE, GObject)

#define VMFT_KMSG_PATH    "/dev/kmsg"
#define VMFT_BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/**
 * vmft_kmsg_source_new:
 * @name: NAME of its group, the cursor's key
 * @path: %VMFT_KMSG_PATH, or what a test puts in its place: one record for each read
 * @boot_id_path: %VMFT_BOOT_ID_PATH
 * @store: read for the cursor, never written
 *
 * Returns: (transfer full): the source, not started. A device that cannot be opened is tried once a second.
 */
VmftSource *vmft_kmsg_source_new (const char *name,
                                  const char *path,
                                  const char *boot_id_path,
                                  VmftClock *clock,
                                  VmftStore *store);

G_END_DECLS
