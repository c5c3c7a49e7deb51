/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-libvirt.h"
#include "vmft-policy.h"

G_BEGIN_DECLS

/** VMFT_LIBVIRT_RUN_DIR: where libvirt keeps NAME.pid of each QEMU. */
#define VMFT_LIBVIRT_RUN_DIR "/run/libvirt/qemu"

/**
 * VmftDiskRules: what the operator says about disks.
 * @shared_paths: (nullable): directories that are the same on all hosts
 * @copy: disks that are on this host alone may be copied along
 */
typedef struct
{
  char **shared_paths;
  gboolean copy;
} VmftDiskRules;

VmftDiskRules *vmft_disk_rules_copy (const VmftDiskRules *rules);
void vmft_disk_rules_free (VmftDiskRules *rules);

/**
 * vmft_inventory_load:
 * @connection: to any driver
 *
 * Worker threads only: bulk statistics, then each domain's description, then this host's /proc and /sys.
 *
 * Returns: (transfer container) (element-type VmftVm): all domains, running or not; NULL with @error set.
 */
GPtrArray *vmft_inventory_load (virConnectPtr connection,
                                const VmftDiskRules *rules,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_path_is_below: @directories: (nullable). Returns: whether @path is one of @directories or lies below one. */
gboolean vmft_path_is_below (const char *path, const char *const *directories);

G_END_DECLS
