/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-storage-volume.h"

#include "vmft-common.h"
#include "vmft-libvirt-call.h"

/* of rbd, gluster and iscsi-direct: what libvirt calls their path is none of this host's */
static gboolean
is_in_network (virStorageVolPtr volume)
{
  virStorageVolInfo info = { 0 };

  if (virStorageVolGetInfo (volume, &info) == 0)
    return info.type == VIR_STORAGE_VOL_NETWORK || info.type == VIR_STORAGE_VOL_NETDIR;
  virResetLastError ();
  return FALSE;
}

gboolean
vmft_storage_volume_locate (virConnectPtr connection,
                            const char *pool,
                            const char *volume,
                            char **path,
                            GError **error)
{
  g_autoptr (virStoragePool) in = virStoragePoolLookupByName (connection, pool);
  g_autoptr (virStorageVol) found = in != NULL ? virStorageVolLookupByName (in, volume) : NULL;
  char *location = found != NULL ? virStorageVolGetPath (found) : NULL;
  gboolean absolute = location != NULL && g_path_is_absolute (location);
  g_autofree char *what = g_strdup_printf ("volume %s of storage pool %s", volume, pool);

  if (location == NULL)
    return vmft_libvirt_set_error (error, NULL, what);
  /* libvirt's allocator is not GLib's */
  *path = absolute ? g_strdup (location) : NULL;
  free (location);
  if (absolute || is_in_network (found))
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED, "%s: it has no path on this host", what);
  return FALSE;
}
