/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-evacuation-step.h"

G_BEGIN_DECLS

/**
 * VmftEvacuationConfig: how jobs are started. Bandwidths are bytes per second, 0 for no limit.
 * @limit_out: jobs at a time
 * @max_attempts: migrate calls for one VM before it counts as failed (destinations that refuse it are changed)
 * @xbzrle_cache_bytes: 0 for one that holds the VM's working set
 * @max_downtime_ms: where the VM's policy has none
 * @save_refused: a VM that no destination takes is saved instead
 * @save_directory: (nullable): for saved VMs, on storage that other hosts see; NULL for libvirt's managed save
 * @exec_command: (nullable): moves VMs in libvirt's place: it gets the plan as JSON, see vmft_exec_run_async()
 */
typedef struct
{
  guint limit_out;
  guint max_attempts;
  gboolean peer_to_peer;
  gboolean persistent;
  guint64 bandwidth_bps;
  guint64 postcopy_bandwidth_bps;
  guint64 xbzrle_cache_bytes;
  guint max_downtime_ms;
  guint auto_converge_initial;
  guint auto_converge_increment;
  guint parallel_connections;
  gboolean copy_storage;
  gboolean tls;
  gboolean save_refused;
  const char *save_directory;
  const char *exec_command;
  double exec_timeout_s;
} VmftEvacuationConfig;

#define VMFT_EVACUATION_CONFIG_DEFAULT                                                                       \
  ((VmftEvacuationConfig){ .limit_out = 1,                                                                   \
                           .max_attempts = 3,                                                                \
                           .peer_to_peer = TRUE,                                                             \
                           .persistent = TRUE,                                                               \
                           .max_downtime_ms = 300,                                                           \
                           .auto_converge_initial = 30,                                                      \
                           .auto_converge_increment = 20,                                                    \
                           .exec_timeout_s = 600.0 })

/**
 * VmftTarget: a host VMs may be sent to.
 * @name: of the destination in the configuration
 * @uri: libvirt URI as this host's libvirtd opens it
 * @migrate_uri: (nullable)
 * @limit_in: jobs of this evacuation at a time, 0 for any
 */
typedef struct
{
  char *name;
  char *uri;
  char *migrate_uri;
  guint limit_in;
} VmftTarget;

/**
 * VmftNextTarget:
 * @step: a VM that its destination refused; @step->tried names all that did
 *
 * Returns: (transfer full) (nullable): the name of another target, or NULL when there is none.
 */
typedef char *(*VmftNextTarget) (const VmftEvacuationStep *step, gpointer user_data);

/**
 * VmftEvacuation:
 *
 * A running evacuation: takes a plan's steps in order, as many at a time as allowed, and sees each to its certain end.
 * What it does is in %VMFT_STORE_MIGRATIONS before it is done and again after, so that a daemon killed at any moment
 * finds out where it was and repeats nothing (vmft_evacuation_reattach()).
 *
 * A destination that refuses a VM before any memory has moved is replaced by the next one. A post-copy job whose link
 * broke is resumed until it ends. A job that fails otherwise leaves the VM where it is: the step fails, and whoever
 * listens makes a new plan (vmft_evacuation_start()). Steps that are saves have their VMs saved.
 *
 * Signals:
 * - `step-changed` (const VmftEvacuationStep *): a step entered a new state; for %VMFT_STEP_RUNNING before the
 *   migrate call is made
 * - `progress` (const VmftEvacuationStep *): of a running job, at least once a second
 * - `finished` (): nothing is left to wait for: every step is over, or a post-copy job that is being recovered, which
 *   may take any time; comes again when that is over, and after another plan
 */
#define VMFT_TYPE_EVACUATION vmft_evacuation_get_type ()
G_DECLARE_FINAL_TYPE (VmftEvacuation, vmft_evacuation, VMFT, EVACUATION, GObject)

/** vmft_evacuation_new: Returns: (transfer full): an evacuation without steps or targets. */
VmftEvacuation *vmft_evacuation_new (VmftHypervisor *hypervisor,
                                     VmftClock *clock,
                                     VmftStore *store,
                                     const VmftEvacuationConfig *config);

/** vmft_evacuation_add_target: copies its arguments; a target of the same name is replaced. */
void vmft_evacuation_add_target (VmftEvacuation *self,
                                 const char *name,
                                 const char *uri,
                                 const char *migrate_uri,
                                 guint limit_in);

/** vmft_evacuation_set_next_target: @func: instead of the first target not yet tried. */
void vmft_evacuation_set_next_target (VmftEvacuation *self, VmftNextTarget func, gpointer user_data);

/**
 * VmftIsBarred: asked right before a job begins, which may be long after it was planned.
 *
 * Returns: (transfer full) (nullable): why @step must not go where it was to go; it goes on like a refusal
 */
typedef char *(*VmftIsBarred) (const VmftEvacuationStep *step, gpointer user_data);

/** vmft_evacuation_set_barred: @func: the last word on a destination. */
void vmft_evacuation_set_barred (VmftEvacuation *self, VmftIsBarred func, gpointer user_data);

/**
 * vmft_evacuation_start:
 * @plan: its steps are recorded and begun; VMs that still wait for an earlier plan go by this one
 *
 * Jobs start before this returns where the limits allow it.
 */
void vmft_evacuation_start (VmftEvacuation *self, const VmftPlan *plan);

/**
 * vmft_evacuation_reattach:
 *
 * After a restart, once the hypervisor is connected: takes up the unfinished steps of the store. What ran peer-to-peer
 * is watched again, direct jobs died with the daemon and their VMs are looked for; what had not begun is closed as
 * aborted, to be planned afresh.
 *
 * Returns: how many jobs are being watched.
 */
guint vmft_evacuation_reattach (VmftEvacuation *self);

/**
 * vmft_evacuation_cancel_step: takes the step @id out of the queue, or aborts its job. @reason: for the records.
 *
 * Returns: FALSE with %VMFT_ERROR_NOT_FOUND, or %VMFT_ERROR_REFUSED for one that is over, in post-copy or no migration.
 */
gboolean vmft_evacuation_cancel_step (VmftEvacuation *self, guint64 id, const char *reason, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/** vmft_evacuation_switch: asks for post-copy in the running job of @uuid, if that allows it. */
void vmft_evacuation_switch (VmftEvacuation *self, const char *uuid);

/** vmft_evacuation_get_steps: Returns: (transfer none) (element-type VmftEvacuationStep): in order. */
const GPtrArray *vmft_evacuation_get_steps (VmftEvacuation *self);

/** vmft_evacuation_find: Returns: (transfer none) (nullable): the latest step of the VM @uuid. */
const VmftEvacuationStep *vmft_evacuation_find (VmftEvacuation *self, const char *uuid);

/** vmft_evacuation_is_finished: Returns: whether every step is over. */
gboolean vmft_evacuation_is_finished (VmftEvacuation *self);

/** vmft_evacuation_is_settled: Returns: whether every step is over or a post-copy job that is being recovered. */
gboolean vmft_evacuation_is_settled (VmftEvacuation *self);

/** vmft_evacuation_abandon: stops looking; jobs go on in libvirt. For the end of the daemon. */
void vmft_evacuation_abandon (VmftEvacuation *self);

G_END_DECLS
