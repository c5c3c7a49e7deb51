/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-hypervisor.h"
#include "vmft-libvirt.h"

G_BEGIN_DECLS

/** VMFT_BANDWIDTH_MAX_MIBPS: the largest bandwidth libvirt takes: INT64_MAX bytes a second, in MiB/s. */
#define VMFT_BANDWIDTH_MAX_MIBPS (G_GUINT64_CONSTANT (0x7fffffffffffffff) >> 20)

/** VMFT_XBZRLE_CACHE_DEFAULT_BYTES: QEMU's own, used when the spec names none. */
#define VMFT_XBZRLE_CACHE_DEFAULT_BYTES (G_GUINT64_CONSTANT (64) << 20)

/**
 * vmft_migration_flags: Returns: the #virDomainMigrateFlags that @spec means.
 */
guint vmft_migration_flags (const VmftMigrationSpec *spec);

/**
 * vmft_migration_params:
 * @params: (inout): empty; for g_auto (VmftTypedParams)
 *
 * Writes the typed parameters that @spec means. Bandwidth is always set: without it QEMU's own default of 128 MiB/s
 * would hold.
 *
 * Returns: %FALSE with %VMFT_ERROR_INVALID for a spec that contradicts itself.
 */
gboolean vmft_migration_params (const VmftMigrationSpec *spec,
                                VmftTypedParams *params,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_xbzrle_cache_bytes:
 * @working_set_bytes: what the guest keeps rewriting; 0 when unknown
 * @memory_bytes: RAM of the guest
 *
 * Returns: the smallest power of two that holds the working set (a smaller cache evicts each page before it comes
 * again and compresses nothing), between QEMU's default and the power of two at or above @memory_bytes.
 */
guint64 vmft_xbzrle_cache_bytes (guint64 working_set_bytes, guint64 memory_bytes);

G_END_DECLS
