/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-connection.h"
#include "vmft-dirty-reading.h"
#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftInventory:
 *
 * This host's VMs as last seen. Loaded in a worker thread when the connection opens, after events (many in one go)
 * and every 30 seconds; each VM is replaced as a whole.
 *
 * Signals:
 * - `vm-changed` (const char *uuid)
 * - `vm-failed` (const char *uuid, const char *reason)
 * - `loaded` ()
 */
#define VMFT_TYPE_INVENTORY vmft_inventory_get_type ()
G_DECLARE_FINAL_TYPE (VmftInventory, vmft_inventory, VMFT, INVENTORY, GObject)

/** vmft_inventory_new: @connection: not yet started. Returns: (transfer full): an empty inventory that fills itself. */
VmftInventory *vmft_inventory_new (VmftConnection *connection, VmftClock *clock);

/** vmft_inventory_list: Returns: (transfer container) (element-type VmftVm): the VMs, by name. */
GPtrArray *vmft_inventory_list (VmftInventory *self);

/** vmft_inventory_get: Returns: (transfer none) (nullable): the VM with @uuid. */
VmftVm *vmft_inventory_get (VmftInventory *self, const char *uuid);

/**
 * vmft_inventory_put:
 * @vm: (transfer full): takes the place of the VM with its UUID, if that is still known
 */
void vmft_inventory_put (VmftInventory *self, VmftVm *vm);

/** vmft_inventory_is_loaded: Returns: whether the VMs of the present connection are known. */
gboolean vmft_inventory_is_loaded (VmftInventory *self);

/** vmft_inventory_reload: loads all VMs again, soon. */
void vmft_inventory_reload (VmftInventory *self);

/** vmft_inventory_set_shared_paths: directories that the operator says are the same on all hosts. */
void vmft_inventory_set_shared_paths (VmftInventory *self, const char *const *paths);

/** vmft_inventory_allow_copies: whether disks that are on this host alone may be copied along. */
void vmft_inventory_allow_copies (VmftInventory *self, gboolean allow);

/** vmft_inventory_has_declared_disk: Returns: whether a writable disk of @vm is shared on the operator's word alone. */
gboolean vmft_inventory_has_declared_disk (VmftInventory *self, const VmftVm *vm);

/** VMFT_SAMPLE_AGE_MAX_S, VMFT_SAMPLES_MAX: dirty-rate readings older or more than this are forgotten. */
#define VMFT_SAMPLE_AGE_MAX_S 1800
#define VMFT_SAMPLES_MAX      24

/** vmft_vm_with_reading: Returns: (transfer full): a copy of @vm with what @reading says, and old samples dropped. */
VmftVm *vmft_vm_with_reading (const VmftVm *vm, const VmftReading *reading);

G_END_DECLS
