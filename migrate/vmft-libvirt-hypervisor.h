/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-hypervisor.h"

G_BEGIN_DECLS

/** VmftLibvirtHypervisor: the real #VmftHypervisor: the libvirtd of this host. */
#define VMFT_TYPE_LIBVIRT_HYPERVISOR vmft_libvirt_hypervisor_get_type ()
G_DECLARE_FINAL_TYPE (VmftLibvirtHypervisor, vmft_libvirt_hypervisor, VMFT, LIBVIRT_HYPERVISOR, GObject)

/**
 * vmft_libvirt_hypervisor_new:
 * @uri: of the local libvirtd, "qemu:///system"
 * @clock: timers and back-off run on it
 *
 * Registers libvirt's events with the default main context, which must run.
 *
 * Returns: (transfer full): not yet connected; see vmft_hypervisor_start().
 */
VmftHypervisor *vmft_libvirt_hypervisor_new (const char *uri, VmftClock *clock);

/**
 * vmft_libvirt_hypervisor_set_shared_paths:
 * @paths: (nullable): directories or devices that are the same on all hosts though the kernel cannot tell
 *
 * A VM with a disk that is neither there, nor on a network file system, nor on a shared block device is blocked.
 */
void vmft_libvirt_hypervisor_set_shared_paths (VmftLibvirtHypervisor *self, const char *const *paths);

/**
 * vmft_libvirt_hypervisor_set_read_memory: whether dirty readings look into the memory of the QEMUs themselves where
 * the kernel permits it (the default), or leave all sampling to libvirt.
 */
void vmft_libvirt_hypervisor_set_read_memory (VmftLibvirtHypervisor *self, gboolean read_memory);

/** vmft_libvirt_hypervisor_allow_copies: before it is started: VMs may take disks along that are on this host alone. */
void vmft_libvirt_hypervisor_allow_copies (VmftLibvirtHypervisor *self, gboolean allow);

G_END_DECLS
