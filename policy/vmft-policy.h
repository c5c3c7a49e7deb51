/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The policy room: which VMs, in which mode, in which order, whereto - or why not. Pure functions: no I/O, no
 * clock; the same input gives the same plan. */
#pragma once

#include "vmft-common.h"
#include "vmft-detector.h"
#include "vmft-estimator.h"
#include "vmft-plan.h"
#include "vmft-vm.h"

G_BEGIN_DECLS

/**
 * VmftOperation: how far vmft may go by itself.
 * @VMFT_OPERATION_OBSERVE: detect and record; plans are made for the record only
 * @VMFT_OPERATION_ADVISE: plans are shown, nothing moves
 * @VMFT_OPERATION_ACT: plans are carried out
 */
typedef enum
{
  VMFT_OPERATION_OBSERVE,
  VMFT_OPERATION_ADVISE,
  VMFT_OPERATION_ACT,
} VmftOperation;

const char *vmft_operation_to_string (VmftOperation operation);
gboolean vmft_operation_from_string (const char *text, VmftOperation *operation) G_GNUC_WARN_UNUSED_RESULT;

/** VmftFallback: what to do with VMs none of whose modes fits. */
typedef enum
{
  VMFT_FALLBACK_FASTEST,
  VMFT_FALLBACK_ALERT,
  VMFT_FALLBACK_SAVE,
} VmftFallback;

const char *vmft_fallback_to_string (VmftFallback fallback);
gboolean vmft_fallback_from_string (const char *text, VmftFallback *fallback) G_GNUC_WARN_UNUSED_RESULT;

/**
 * VmftPolicyConfig: see vmftd.conf(5), group [Policy].
 * @modes: set of modes the operator allows on this host (bits of #VmftMode)
 * @confidence: P(arrive) at which a VM fits
 * @guard_s: safety margin between the last byte and the failure
 * @max_downtime_s: pre-copy's downtime limit where the VM's policy has none
 * @bandwidth_bps: the jobs' bandwidth parameter, 0 for none
 * @limit_out: VMs leaving at the same time; they share the link
 * @cooldown_s: a VM that moved less than so long ago stays
 * @max_failures: a VM that failed to move so often in the incident stays
 * @loss_s: what losing a VM costs, as seconds of its service (restart, recovery, reputation)
 * @move_s: what a move costs beyond its own downtime and degradation
 * @suspect_share: more than this share of the destinations suspect: advise only
 * @same_template_s: a destination that showed the same template so recently holds the plan back
 * @xbzrle_cache_bytes: 0 for one that holds the working set
 */
typedef struct
{
  VmftOperation operation;
  guint modes;
  double confidence;
  double guard_s;
  VmftFallback fallback;
  double max_downtime_s;
  double bandwidth_bps;
  guint limit_out;
  double cooldown_s;
  guint max_failures;
  double loss_s;
  double move_s;
  double suspect_share;
  double same_template_s;
  double xbzrle_cache_bytes;
} VmftPolicyConfig;

#define VMFT_POLICY_CONFIG_DEFAULT                                                                           \
  ((VmftPolicyConfig){ .operation = VMFT_OPERATION_ADVISE,                                                   \
                       .modes = VMFT_MODES_ALL,                                                              \
                       .confidence = 0.9,                                                                    \
                       .guard_s = 1.0,                                                                       \
                       .max_downtime_s = 0.3,                                                                \
                       .limit_out = 1,                                                                       \
                       .cooldown_s = 600.0,                                                                  \
                       .max_failures = 2,                                                                    \
                       .loss_s = 600.0,                                                                      \
                       .move_s = 1.0,                                                                        \
                       .suspect_share = 1.0 / 3.0,                                                           \
                       .same_template_s = 600.0 })

/**
 * VmftPolicyVm: a VM as the plan sees it.
 * @vm: the snapshot, one reference held
 * @load: made by vmft_policy_vm_new() ahead of any alarm, so that planning does not fit curves
 * @last_moved_us: end of its last migration, 0 for never
 * @n_failures: failed moves in this incident
 * @migrating: a job runs already: the plan leaves it alone and counts its time (@remaining_s)
 */
typedef struct
{
  VmftVm *vm;
  VmftLoad load;
  VmftTime last_moved_us;
  guint n_failures;
  gboolean migrating;
  double remaining_s;
} VmftPolicyVm;

/** vmft_policy_vm_new: fits the dirty curve to @vm's samples. Returns: (transfer full). */
VmftPolicyVm *vmft_policy_vm_new (VmftVm *vm, VmftTime now_us);
void vmft_policy_vm_free (VmftPolicyVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftPolicyVm, vmft_policy_vm_free)

/**
 * VmftDestination: a host VMs may go to.
 * @free_bytes: memory free there; @free_known tells 0 from unknown
 * @reserved_bytes: promised to moves under way
 * @weight: preference among destinations that fit; 0 counts as 1
 * @limit_in, @running_in: incoming jobs it allows (0 for any) and has
 * @suspect: it has an open incident of its own, @suspect_reason (nullable) says which
 * @reachable: the last check went through
 * @same_template_us: when it last showed the incident's template, 0 for never
 * @same_storage: (nullable): names of devices or pools of this host whose failure hits the destination too, NULL-terminated
 * @barred: (nullable): names of VMs that the operator keeps from it -> why
 */
typedef struct
{
  char *name;
  gboolean free_known;
  double free_bytes;
  double reserved_bytes;
  double weight;
  guint limit_in;
  guint running_in;
  gboolean suspect;
  char *suspect_reason;
  gboolean reachable;
  VmftTime same_template_us;
  char **same_storage;
  GHashTable *barred;
} VmftDestination;

/** vmft_destination_new: Returns: (transfer full): reachable, weight 1, nothing known. */
VmftDestination *vmft_destination_new (const char *name);
void vmft_destination_free (VmftDestination *destination);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftDestination, vmft_destination_free)

/**
 * VmftHostFacts: what the daemon read from this host's stacks before asking.
 * @system_devices: (nullable): block devices that carry /, swap, the state of libvirt or vmft, or the QEMU binary,
 *   with all devices below them in the sysfs stack; NULL-terminated
 * @locus_devices: (nullable): block devices that depend on the incident's block device, itself among them;
 *   NULL-terminated; NULL stands for the device alone
 * @locus_known: the locus device exists here and its stack was read; FALSE for a PCI or block device nobody knows:
 *   then it concerns all VMs
 * @memory_known: the next figure was worked out
 * @pressure_deficit_bytes: memory to free before pressure is gone; 0 when none is missing, or nobody knows
 * @free_bytes: MemAvailable + SwapFree
 */
typedef struct
{
  char **system_devices;
  char **locus_devices;
  gboolean locus_known;
  gboolean memory_known;
  double pressure_deficit_bytes;
  double free_bytes;
} VmftHostFacts;

/**
 * VmftPolicyState: what the guards remember; the daemon keeps it.
 * @inhibit_until_us: 0 for none; @inhibit_reason (nullable) is the operator's
 * @template_evacuated_us: when this template last made the host evacuate, 0 for never
 * @n_failed_in_row: moves that failed since the last that went well
 * @last_failed_us: the latest of them; an hour later they hold nothing back any more
 */
typedef struct
{
  VmftTime inhibit_until_us;
  const char *inhibit_reason;
  VmftTime template_evacuated_us;
  guint n_failed_in_row;
  VmftTime last_failed_us;
} VmftPolicyState;

/**
 * VmftPolicyInput: all a plan depends on. Everything is borrowed.
 * @lead: of the incident's class, elapsed time set; (nullable) for an evacuation the operator asked for: no deadline
 * @incident: (nullable): as above
 * @vms: (element-type VmftPolicyVm)
 * @destinations: (element-type VmftDestination)
 * @estimator: (nullable): links, calibration; NULL: #VMFT_LINK_DEFAULT, uncalibrated
 * @link: (nullable): without an @estimator, the link to every destination, its cap and share apart
 * @facts: (nullable), @state: (nullable)
 */
typedef struct
{
  VmftTime now_us;
  const VmftIncident *incident;
  const VmftLead *lead;
  const GPtrArray *vms;
  const GPtrArray *destinations;
  VmftEstimator *estimator;
  const VmftLink *link;
  const VmftHostFacts *facts;
  const VmftPolicyState *state;
  VmftPolicyConfig config;
} VmftPolicyInput;

/**
 * vmft_policy_plan:
 *
 * The rule of DESIGN 4.3. Every VM of @input is in the plan, as a step or as a refusal with its reason.
 *
 * Returns: (transfer full): the plan; never NULL, bad input has a verdict and a reason.
 */
VmftPlan *vmft_policy_plan (const VmftPolicyInput *input);

/**
 * vmft_policy_movable:
 * @vm: the VM
 * @destination: the host
 * @reason: (out) (optional): (transfer full): one sentence when it cannot
 *
 * Returns: whether the VM can go there at all, limits and room apart.
 */
gboolean vmft_policy_movable (const VmftVm *vm, const VmftDestination *destination, char **reason);

/**
 * vmft_policy_concerned:
 * @reason: (out) (optional): (transfer full): why not
 *
 * Returns: whether the incident's locus reaches the VM (DESIGN 3.5).
 */
gboolean vmft_policy_concerned (const VmftVm *vm,
                                const VmftIncident *incident,
                                const VmftHostFacts *facts,
                                char **reason);

/**
 * VmftSwitchInput: a running pre-copy job that allows post-copy.
 * @remaining_bytes, @throughput_bps, @dirty_bps: as the job reports them now
 * @boundary: this is an iteration event: @remaining_bytes is what the new iteration starts with
 * @previous_bytes: what the one before started with; 0 for the first
 * @round_s: time since the current iteration began
 * @queue_s: time the VMs after this one in the plan still need (p50)
 */
typedef struct
{
  const VmftLead *lead;
  const VmftLoad *load;
  const VmftLink *link;
  VmftMode mode;
  double remaining_bytes;
  double throughput_bps;
  double dirty_bps;
  gboolean boundary;
  double previous_bytes;
  double round_s;
  double queue_s;
  double confidence;
  double guard_s;
} VmftSwitchInput;

/**
 * vmft_policy_choose_switch:
 * @reason: (out) (optional): (transfer full): one sentence, either way
 *
 * Whether to switch the job to post-copy now: when pre-copy can no longer end by the deadline and post-copy can, at
 * a local minimum of the remaining bytes, or at once when the deadline does not wait for one.
 */
gboolean vmft_policy_choose_switch (const VmftSwitchInput *input, char **reason);

/**
 * vmft_policy_shares_failing_storage:
 * @incident: (nullable): what fails
 * @facts: (nullable): of this host
 *
 * Returns: whether a disk of @vm lies on the device that fails and @destination uses the same one
 */
gboolean vmft_policy_shares_failing_storage (const VmftVm *vm,
                                             const VmftDestination *destination,
                                             const VmftIncident *incident,
                                             const VmftHostFacts *facts);

G_END_DECLS
