/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the migrate room: how much of a guest's RAM is there to be sent. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * vmft_resident_bytes:
 * @proc: "/proc", or a test's
 * @pid: of the QEMU
 * @kvm: FALSE for TCG, whose translated code is part of QEMU's own share
 * @memory_bytes: RAM the guest has; 0 when unknown
 *
 * The guest's resident and swapped pages. For guests small enough for QEMU's own share to matter it is the mapping of
 * the RAM itself (smaps); for the others, and where no mapping is as large, QEMU's whole anonymous memory less what
 * it usually has of its own.
 *
 * Returns: bytes; 0 when the process is not there
 */
guint64 vmft_resident_bytes (const char *proc, int pid, gboolean kvm, guint64 memory_bytes);

G_END_DECLS
