/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * vmft_block_device_of_path:
 * @sysfs: where sysfs is mounted, "/sys"; tests have one of their own
 * @path: a file, directory or block device
 *
 * Reads only metadata, but on the file system of @path: on a dead disk that may block, so worker threads only.
 *
 * Returns: (transfer full) (nullable): kernel name of the whole block device that carries @path ("sda", "dm-0",
 * "nvme0n1"; a partition's parent), NULL when none does (tmpfs, network file systems) or @path is not there.
 */
char *vmft_block_device_of_path (const char *sysfs, const char *path);

/**
 * vmft_block_device_stack:
 * @device: kernel name, "dm-0"
 *
 * Returns: (transfer full): @device and every whole device below it through device mapper, MD and loop devices, each
 * once, top first.
 */
GStrv vmft_block_device_stack (const char *sysfs, const char *device);

/** vmft_block_device_lives_on: Returns: whether @device is @failing or is built upon it. */
gboolean vmft_block_device_lives_on (const char *sysfs, const char *device, const char *failing);

/**
 * vmft_block_device_is_shared: Returns: whether every device at the bottom of @device's stack can be reached from other
 * hosts: iSCSI, Fibre Channel, rbd, drbd.
 */
gboolean vmft_block_device_is_shared (const char *sysfs, const char *device);

/**
 * vmft_path_is_shared: Returns: whether @path lies on a network or cluster file system (libvirt's own list: NFS, GFS2,
 * OCFS2, CIFS, Ceph, GPFS, and 9p).
 */
gboolean vmft_path_is_shared (const char *path);

G_END_DECLS
