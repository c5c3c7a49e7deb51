/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Between the libvirt hook and vmftd: one stream socket, one line each way.
 *
 *   hook:   "1 OPERATION SUB-OPERATION UUID MEMORY-BYTES NAME\n"
 *   vmftd:  "pass\n" or "refuse REASON\n"
 *
 * The hook links nothing but libc: libvirt starts it for every VM, and waits.
 */

#define VMFT_HOOK_SOCKET  "/run/vmft/hook"
#define VMFT_HOOK_VERSION "1"

/* longest line either way, newline included */
#define VMFT_HOOK_LINE_MAX 1024

/* within which the hook has answered libvirt, whatever vmftd does */
#define VMFT_HOOK_TIMEOUT_MS 200

/* how a refusal begins that the hook writes to stderr; libvirt hands it to the source, which tells it by this */
#define VMFT_HOOK_REFUSED "vmft: refused: "
