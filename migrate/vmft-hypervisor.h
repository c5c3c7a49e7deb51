/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-policy.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftMigrationSpec: one migration as libvirt will be asked for it. Fill with vmft_migration_spec_new(), free
 * with vmft_migration_spec_free().
 */
typedef struct
{
  char *uuid;
  char *destination;     /* name of the destination in the configuration */
  char *destination_uri; /* libvirt URI as the source's libvirtd (peer-to-peer) or vmftd (direct) opens it */
  char *migrate_uri;     /* (nullable): "tcp://10.77.0.2" */
  VmftMode mode;
  gboolean peer_to_peer;
  gboolean persistent;            /* define on the destination, undefine on the source */
  gboolean allow_postcopy;        /* a pre-copy job that may be switched later */
  guint64 bandwidth_bps;          /* 0: no limit (QEMU's own default of 128 MiB/s is lifted) */
  guint64 postcopy_bandwidth_bps; /* 0: no limit */
  guint64 xbzrle_cache_bytes;     /* power of two */
  guint max_downtime_ms;          /* 0: QEMU's default, 300 ms */
  guint auto_converge_initial;    /* percent */
  guint auto_converge_increment;
  guint parallel_connections; /* 0: no multifd */
  char **copy_disks;          /* (nullable): targets of the disks to copy along; all others must be shared */
  gboolean unsafe;            /* the operator knows the disks to be shared, libvirt does not */
  gboolean tls;
  gboolean resume; /* recover a post-copy job whose link broke (POSTCOPY_RESUME) */
} VmftMigrationSpec;

VmftMigrationSpec *vmft_migration_spec_new (const char *uuid, VmftMode mode);
VmftMigrationSpec *vmft_migration_spec_copy (const VmftMigrationSpec *spec);
void vmft_migration_spec_free (VmftMigrationSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftMigrationSpec, vmft_migration_spec_free)

/** VmftProgress: a running job's statistics, at least once a second and at each iteration. */
typedef struct
{
  const char *uuid;
  guint iteration;
  gboolean postcopy; /* the guest runs on the destination already */
  double elapsed_s;
  guint64 total_bytes;
  guint64 processed_bytes;
  guint64 remaining_bytes;
  guint64 throughput_bps;
  guint64 dirty_bps;
  guint64 page_bytes;
} VmftProgress;

/**
 * VmftOutcome: how a job ended.
 * @VMFT_OUTCOME_COMPLETED: the guest runs on the destination
 * @VMFT_OUTCOME_FAILED: the guest runs on the source, the job is gone
 * @VMFT_OUTCOME_ABORTED: as failed, on request
 * @VMFT_OUTCOME_PAUSED: post-copy stopped half-way; the guest lives on neither end until the job is resumed
 * @VMFT_OUTCOME_LOST: the guest runs nowhere
 */
typedef enum
{
  VMFT_OUTCOME_COMPLETED,
  VMFT_OUTCOME_FAILED,
  VMFT_OUTCOME_ABORTED,
  VMFT_OUTCOME_PAUSED,
  VMFT_OUTCOME_LOST,
} VmftOutcome;

/** vmft_outcome_to_string: Returns: "completed", "failed", "aborted", "paused" or "lost". */
const char *vmft_outcome_to_string (VmftOutcome outcome);

/** VmftResult: outcome and statistics (from the JOB_COMPLETED event; the only place post-copy leaves them). */
typedef struct
{
  VmftOutcome outcome;
  double total_s;    /* libvirt's time_elapsed, or wall time when the event never came; 0: unknown */
  double downtime_s; /* -1 when unknown */
  guint64 transferred_bytes;
  guint iterations;
  gboolean postcopy;
  gboolean refused; /* failed before any memory moved: another destination may take it */
  char *message;    /* (nullable): libvirt's words when it did not complete */
} VmftResult;

void vmft_result_free (VmftResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftResult, vmft_result_free)

/**
 * VmftProbe: a destination as it is now.
 * @qemu_version, @libvirt_version: major * 1000000 + minor * 1000 + release; 0 when unknown
 * @modes: that both this host's QEMU and that one's can do
 * @obstacles: VM's UUID to the reason why it cannot go there, "" when nothing speaks against it
 */
typedef struct
{
  char *host_name;
  gulong qemu_version;
  gulong libvirt_version;
  guint64 memory_bytes;
  guint64 free_bytes;
  guint modes;
  GHashTable *obstacles;
} VmftProbe;

/** vmft_probe_new: Returns: (transfer full): one that knows nothing. */
VmftProbe *vmft_probe_new (void);
void vmft_probe_free (VmftProbe *probe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftProbe, vmft_probe_free)

/**
 * VmftHypervisor:
 *
 * The third seam (after the clock and the log source): everything vmft does to and hears from the
 * virtualisation layer. The real one talks to libvirt from worker threads and never blocks the main loop;
 * the fake one lives on the virtual clock. All callbacks and signals arrive on the default main context.
 * A cancelled call finishes with %G_IO_ERROR_CANCELLED; what it started goes on (a migration ends through
 * vmft_hypervisor_abort_async() only).
 *
 * Signals:
 * - `connected` (gboolean up): the local libvirtd answers, or no longer does (retried with back-off)
 * - `vm-changed` (const char *uuid): the VM appeared, changed or went
 * - `vm-failed` (const char *uuid, const char *reason): crashed, or paused on an I/O error
 * - `progress` (VmftProgress *): of a running job
 */
#define VMFT_TYPE_HYPERVISOR vmft_hypervisor_get_type ()
G_DECLARE_INTERFACE (VmftHypervisor, vmft_hypervisor, VMFT, HYPERVISOR, GObject)

struct _VmftHypervisorInterface
{
  GTypeInterface parent;

  void (*start) (VmftHypervisor *self);
  gboolean (*is_connected) (VmftHypervisor *self);
  GPtrArray *(*list_vms) (VmftHypervisor *self);

  void (*sample_dirty) (VmftHypervisor *self, const char *uuid, guint period_s, GTask *task);
  void (*migrate) (VmftHypervisor *self, const VmftMigrationSpec *spec, GTask *task);
  void (*watch_job) (VmftHypervisor *self, const char *uuid, const char *destination_uri, GTask *task);
  void (*switch_to_postcopy) (VmftHypervisor *self, const char *uuid, GTask *task);
  void (*abort) (VmftHypervisor *self, const char *uuid, GTask *task);
  void (*save) (VmftHypervisor *self, const char *uuid, const char *directory, GTask *task);
  void (*set_policy) (VmftHypervisor *self, const char *uuid, const VmftVmPolicy *policy, GTask *task);
  void (*probe) (VmftHypervisor *self, const char *destination, const char *uri, GTask *task);
};

/** vmft_hypervisor_start: connects, and reconnects with back-off for as long as the object lives. */
void vmft_hypervisor_start (VmftHypervisor *self);

/** vmft_hypervisor_is_connected: Returns: whether the local libvirtd answers. */
gboolean vmft_hypervisor_is_connected (VmftHypervisor *self);

/** vmft_hypervisor_list_vms: Returns: (transfer container) (element-type VmftVm): this host's VMs as last seen. */
GPtrArray *vmft_hypervisor_list_vms (VmftHypervisor *self);

/** vmft_hypervisor_lookup: @name: name, id or UUID. Returns: (transfer full) (nullable): the VM. */
VmftVm *vmft_hypervisor_lookup (VmftHypervisor *self, const char *name);

/**
 * vmft_hypervisor_sample_dirty_async:
 * @period_s: calculation period, 1 to 60 seconds
 *
 * One page-sampling reading; the VM's #VmftVm gains it as well. Refused with %VMFT_ERROR_BUSY while the VM migrates.
 */
void vmft_hypervisor_sample_dirty_async (VmftHypervisor *self,
                                         const char *uuid,
                                         guint period_s,
                                         GCancellable *cancellable,
                                         GAsyncReadyCallback callback,
                                         gpointer user_data);
gboolean vmft_hypervisor_sample_dirty_finish (VmftHypervisor *self,
                                              GAsyncResult *result,
                                              VmftDirtySample *sample,
                                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_hypervisor_migrate_async: starts the job @spec describes; `progress` is emitted while it runs.
 *
 * vmft_hypervisor_migrate_finish: Returns: (transfer full): the result, for any job that was started; NULL with
 * @error only when none was (no such VM, no connection, unsupported mode).
 */
void vmft_hypervisor_migrate_async (VmftHypervisor *self,
                                    const VmftMigrationSpec *spec,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
VmftResult *vmft_hypervisor_migrate_finish (VmftHypervisor *self,
                                            GAsyncResult *result,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_hypervisor_watch_job_async: re-attaches to a running job after a restart; finishes as migrate does. */
void vmft_hypervisor_watch_job_async (VmftHypervisor *self,
                                      const char *uuid,
                                      const char *destination_uri,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);

/** vmft_hypervisor_switch_async: pre-copy to post-copy; "too late, it is done" is no error. */
void vmft_hypervisor_switch_async (VmftHypervisor *self,
                                   const char *uuid,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);

/** vmft_hypervisor_abort_async: ends a pre-copy job (the VM stays); refused by libvirt once in post-copy. */
void vmft_hypervisor_abort_async (VmftHypervisor *self,
                                  const char *uuid,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);

/**
 * vmft_hypervisor_save_async:
 * @directory: (nullable): where NAME-UUID.save goes, for `virsh restore` on any host that sees it; NULL for libvirt's
 *   managed save, which the next start of the domain takes up
 */
void vmft_hypervisor_save_async (VmftHypervisor *self,
                                 const char *uuid,
                                 const char *directory,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);

/**
 * vmft_hypervisor_set_policy_async:
 * @policy: takes the place of the VM's policy, in its metadata: of the running domain and, where it is persistent, of
 *   its definition. The default takes the element out.
 *
 * Refused with %VMFT_ERROR_BUSY while the VM migrates: the description is on its way already.
 */
void vmft_hypervisor_set_policy_async (VmftHypervisor *self,
                                       const char *uuid,
                                       const VmftVmPolicy *policy,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);

/** vmft_hypervisor_bool_finish: ends switch, abort, save and set_policy. */
gboolean vmft_hypervisor_bool_finish (VmftHypervisor *self,
                                      GAsyncResult *result,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_hypervisor_probe_async:
 * @destination: its name in the configuration
 * @uri: its libvirt URI
 *
 * Looks at a destination with this host's VMs in mind, capabilities probed and never assumed: QEMU's version at both
 * ends, machine type, CPU and networks of each VM. Each #VmftVm gains its #VmftMovability and the modes left to it.
 *
 * vmft_hypervisor_probe_finish: Returns: (transfer full): the facts; NULL with %VMFT_ERROR_UNAVAILABLE when it does not
 * answer.
 */
void vmft_hypervisor_probe_async (VmftHypervisor *self,
                                  const char *destination,
                                  const char *uri,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);
VmftProbe *vmft_hypervisor_probe_finish (VmftHypervisor *self,
                                         GAsyncResult *result,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
