/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-libvirt.h"

G_BEGIN_DECLS

/**
 * vmft_storage_volume_locate:
 * @connection: to the libvirt whose domain has the volume for a disk
 * @pool: name of the storage pool
 * @volume: name of the volume
 * @path: (out) (transfer full) (nullable): path of the file, directory or block device on this host; NULL for a volume
 *   in the network
 *
 * Worker threads only. Nothing is read of a volume that has a path: on a failing disk libvirt might hang there.
 *
 * Returns: %FALSE with @error naming volume and pool: the pool is unknown or not active, the volume is not in it, or it
 * has no path though it is no network volume.
 */
gboolean vmft_storage_volume_locate (virConnectPtr connection,
                                     const char *pool,
                                     const char *volume,
                                     char **path,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
