/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"
#include "vmft-estimator.h"
#include "vmft-vm-policy.h"

G_BEGIN_DECLS

/**
 * VmftDiskKind: what @source of a #VmftVmDisk is.
 * @VMFT_DISK_PATH: path of a file, block device or directory on this host; NULL for network disks and empty drives
 * @VMFT_DISK_VOLUME: a volume of storage pool @pool whose path is not known
 * @VMFT_DISK_HOST: none of these but something that serves the disk on this host, and that QEMU cannot copy: the path of
 *   a vhost-user process' socket or of a vDPA device; NULL for an NVMe device
 */
typedef enum
{
  VMFT_DISK_PATH,
  VMFT_DISK_VOLUME,
  VMFT_DISK_HOST,
} VmftDiskKind;

/**
 * VmftVmDisk: one disk of a domain.
 * @target: the guest's name for it, "vda"
 * @source: (nullable): as @kind says
 * @pool: (nullable): libvirt's name of the pool; NULL for all but volumes
 * @device: (nullable): the block device of this host that carries @source ("sda", "dm-0"); NULL when unknown
 * @shared: reachable under the same name on other hosts, so that it need not be copied
 * @allocation_bytes: of a disk that is not shared, what copying it would send; 0 when unknown
 */
typedef struct
{
  char *target;
  VmftDiskKind kind;
  char *source;
  char *pool;
  char *device;
  gboolean shared;
  gboolean read_only;
  guint64 allocation_bytes;
} VmftVmDisk;

/**
 * VmftMovability: whether a VM can go to one destination at all, with libvirt's or our reason when it cannot.
 * @modes: bits of #VmftMode that both ends can do
 */
typedef struct
{
  char *destination;
  gboolean movable;
  guint modes;
  char *reason; /* (nullable) */
  VmftTime checked_us;
} VmftMovability;

/**
 * VmftVm: a domain of this host as last seen: an immutable snapshot behind a reference count. The inventory
 * replaces it as a whole when something changes.
 */
typedef struct
{
  char *uuid;
  char *name;
  int id; /* libvirt's, -1 when not running */
  gboolean running;
  gboolean persistent;
  gboolean kvm; /* FALSE: TCG, where dirty-bitmap and dirty-ring readings must not be believed */
  int qemu_pid; /* 0 when unknown */
  guint n_vcpus;
  guint64 memory_bytes;   /* RAM the guest has now (balloon) */
  guint64 resident_bytes; /* RSS plus swap of its QEMU, without QEMU's own share; all RAM with huge pages */
  double written_share;   /* of @memory_bytes, there and not all zeros; 0 when unknown */
  double rewrite_share;   /* bytes that XBZRLE sends per byte of rewritten pages; 0 when unknown */
  char *blocker;          /* (nullable): why it can go nowhere (hostdev, snapshot, block job, …) */
  VmftVmPolicy policy;
  GPtrArray *disks;      /* of VmftVmDisk */
  GPtrArray *movability; /* of VmftMovability, one a destination */
  GArray *dirty_samples; /* of VmftDirtySample, oldest first, aged by the sampler */
} VmftVm;

/** vmft_vm_new: Returns: (transfer full): an empty VM with default policy, to be filled before it is shared. */
VmftVm *vmft_vm_new (const char *uuid, const char *name);

/** vmft_vm_copy: Returns: (transfer full): a deep copy that may be changed until it is shared. */
VmftVm *vmft_vm_copy (const VmftVm *vm);

VmftVm *vmft_vm_ref (VmftVm *vm);
void vmft_vm_unref (VmftVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftVm, vmft_vm_unref)

/**
 * vmft_vm_add_disk: appends a disk of kind %VMFT_DISK_PATH; strings are copied.
 *
 * Returns: (transfer none): the disk, to be filled further.
 */
VmftVmDisk *vmft_vm_add_disk (VmftVm *vm,
                              const char *target,
                              const char *source,
                              const char *device,
                              gboolean shared,
                              gboolean read_only);

/** vmft_vm_storage_bytes: Returns: what must be copied along with the VM: its disks that are not shared. */
guint64 vmft_vm_storage_bytes (const VmftVm *vm);

/** vmft_vm_set_movability: replaces what is known for @destination. @reason: (nullable): required when not movable. */
void vmft_vm_set_movability (VmftVm *vm,
                             const char *destination,
                             gboolean movable,
                             guint modes,
                             const char *reason,
                             VmftTime checked_us);

/** vmft_vm_modes_to: Returns: bits of #VmftMode that both ends can do; all of them until @destination was asked. */
guint vmft_vm_modes_to (const VmftVm *vm, const char *destination);

/** vmft_vm_to_variant: Returns: (transfer floating): the record `a{sv}`. */
GVariant *vmft_vm_to_variant (const VmftVm *vm);

G_END_DECLS
