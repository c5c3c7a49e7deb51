/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts, VMs and links that exist on a virtual clock only: the truth behind #VmftFakeHypervisor. For tests. */
#pragma once

#include "vmft-hypervisor.h"

G_BEGIN_DECLS

/**
 * VmftFakeVm: a guest and how it writes. Fill from VMFT_FAKE_VM_DEFAULT.
 * @resident_bytes: what is in use; 0 for all
 * @sweep: writes its working set from end to end, min (W, r t); else at random, W (1 - exp (-r t / W))
 * @xbzrle_factor: bytes sent per byte dirtied when the cache holds the working set
 */
typedef struct
{
  const char *name;
  guint64 memory_bytes;
  guint64 resident_bytes;
  double working_set_bytes;
  double dirty_bps;
  gboolean sweep;
  double xbzrle_factor;
  VmftVmPolicy policy;
  const char *disk_device; /* (nullable) */
} VmftFakeVm;

#define VMFT_FAKE_VM_DEFAULT                                                                                 \
  ((VmftFakeVm){ .memory_bytes = G_GUINT64_CONSTANT (1) << 30,                                               \
                 .xbzrle_factor = 0.4,                                                                       \
                 .policy = VMFT_VM_POLICY_DEFAULT })

/** VmftFakeRun: a guest's CPUs ran on @host from @begin_us to @end_us (G_MAXINT64: they still do). */
typedef struct
{
  char *uuid;
  char *host;
  VmftTime begin_us;
  VmftTime end_us;
} VmftFakeRun;

/** VmftFakeLoss: a guest that runs nowhere any more. @migrating: a job was under way. */
typedef struct
{
  char *uuid;
  char *host;
  VmftTime at_us;
  gboolean migrating;
  gboolean postcopy;
  char *why;
} VmftFakeLoss;

#define VMFT_TYPE_FAKE_WORLD vmft_fake_world_get_type ()
G_DECLARE_FINAL_TYPE (VmftFakeWorld, vmft_fake_world, VMFT, FAKE_WORLD, GObject)

/** vmft_fake_world_new: @seed: of the dirty readings' errors; the same seed gives the same story. */
VmftFakeWorld *vmft_fake_world_new (VmftClock *clock, guint32 seed);

/**
 * vmft_fake_world_add_host:
 * @name: its URI is "fake://NAME"
 * @memory_bytes: for guests
 * @link_bps: what goes in and out of it, shared equally by its jobs
 */
void vmft_fake_world_add_host (VmftFakeWorld *self, const char *name, guint64 memory_bytes, double link_bps);

/** vmft_fake_world_add_vm: Returns: (transfer none): the UUID of a guest that runs on @host from now on. */
const char *vmft_fake_world_add_vm (VmftFakeWorld *self, const char *host, const VmftFakeVm *vm);

/** vmft_fake_world_stop_vm: the guest shuts itself down: neither running nor lost. */
void vmft_fake_world_stop_vm (VmftFakeWorld *self, const char *uuid);

/** vmft_fake_world_open: Returns: (transfer full): libvirt as a vmftd on @host sees it. */
VmftHypervisor *vmft_fake_world_open (VmftFakeWorld *self, const char *host);

/**
 * vmft_fake_world_kill_client: SIGKILL for the vmftd that has @hypervisor: its calls are cancelled, its direct jobs end,
 * peer-to-peer ones and post-copy go on; it hears nothing more.
 */
void vmft_fake_world_kill_client (VmftFakeWorld *self, VmftHypervisor *hypervisor);

/* --- faults; each may strike at any moment --- */

/** vmft_fake_world_kill_host: power off. Everything on it, and every guest whose memory is still partly there, is lost. */
void vmft_fake_world_kill_host (VmftFakeWorld *self, const char *host);

/** vmft_fake_world_set_link: 0 cuts it; jobs notice after 3 s. */
void vmft_fake_world_set_link (VmftFakeWorld *self, const char *host, double link_bps);

/** vmft_fake_world_refuse: @reason: (nullable): incoming migrations are refused with it, NULL lets them in again. */
void vmft_fake_world_refuse (VmftFakeWorld *self, const char *host, const char *reason);

/**
 * vmft_fake_world_restart_libvirtd: away for @down_s. Pre-copy jobs from there are cancelled, the VM stays; jobs to there
 * fail; post-copy goes on, QEMU doing it alone.
 */
void vmft_fake_world_restart_libvirtd (VmftFakeWorld *self, const char *host, double down_s);

/** vmft_fake_world_kill_qemu: of the guest on @host, sending, receiving or just running. */
void vmft_fake_world_kill_qemu (VmftFakeWorld *self, const char *host, const char *uuid);

/** vmft_fake_world_fail_disk: QEMU stops the guest because its disk does not answer, and libvirt says so. */
void vmft_fake_world_fail_disk (VmftFakeWorld *self, const char *uuid);

/** vmft_fake_world_lose_job: the job ends by itself; in post-copy it breaks and can be resumed. */
void vmft_fake_world_lose_job (VmftFakeWorld *self, const char *uuid);

/** vmft_fake_world_set_sampling: whether dirty-rate readings work at all. */
void vmft_fake_world_set_sampling (VmftFakeWorld *self, gboolean works);

/* --- the truth --- */

/** vmft_fake_world_get_runs: Returns: (transfer none) (element-type VmftFakeRun). */
const GPtrArray *vmft_fake_world_get_runs (VmftFakeWorld *self);

/** vmft_fake_world_get_losses: Returns: (transfer none) (element-type VmftFakeLoss). */
const GPtrArray *vmft_fake_world_get_losses (VmftFakeWorld *self);

/** vmft_fake_world_where: Returns: (nullable): the host on which the guest's CPUs run now. */
const char *vmft_fake_world_where (VmftFakeWorld *self, const char *uuid);

/** vmft_fake_world_count_jobs: Returns: migrations under way, from @host or, with NULL, anywhere. */
guint vmft_fake_world_count_jobs (VmftFakeWorld *self, const char *host);

/** vmft_fake_world_check: Returns: whether no guest ever ran on two hosts at once; @error names the first that did. */
gboolean vmft_fake_world_check (VmftFakeWorld *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
