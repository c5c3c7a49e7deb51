/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-hypervisor.h"

G_BEGIN_DECLS

/**
 * VmftStepState: where one VM of an evacuation is.
 * @VMFT_STEP_PLANNED: recorded, the evacuation has not begun
 * @VMFT_STEP_WAITING: in the queue
 * @VMFT_STEP_RUNNING: its job runs, the guest runs here
 * @VMFT_STEP_SWITCHING: post-copy was asked for
 * @VMFT_STEP_POSTCOPY: the guest runs on the destination, memory follows
 * @VMFT_STEP_RECOVERING: post-copy broke; the job is being resumed
 * @VMFT_STEP_COMPLETED, @VMFT_STEP_FAILED, @VMFT_STEP_ABORTED: over
 */
typedef enum
{
  VMFT_STEP_PLANNED,
  VMFT_STEP_WAITING,
  VMFT_STEP_RUNNING,
  VMFT_STEP_SWITCHING,
  VMFT_STEP_POSTCOPY,
  VMFT_STEP_RECOVERING,
  VMFT_STEP_COMPLETED,
  VMFT_STEP_FAILED,
  VMFT_STEP_ABORTED,
} VmftStepState;

const char *vmft_step_state_to_string (VmftStepState state);
gboolean vmft_step_state_from_string (const char *text, VmftStepState *state) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_step_state_is_over: Returns: whether nothing more will happen. */
gboolean vmft_step_state_is_over (VmftStepState state);

/** vmft_step_state_has_job: Returns: whether libvirt has a job for the VM, or had when it was last seen. */
gboolean vmft_step_state_has_job (VmftStepState state);

/**
 * VmftStepAction: what is done with the VM.
 * @VMFT_ACTION_MIGRATE: libvirt moves it
 * @VMFT_ACTION_SAVE: its memory is saved to storage that other hosts see; it stands still from then on
 * @VMFT_ACTION_EXEC: the operator's command moves it
 */
typedef enum
{
  VMFT_ACTION_MIGRATE,
  VMFT_ACTION_SAVE,
  VMFT_ACTION_EXEC,
} VmftStepAction;

/** vmft_step_action_to_string: Returns: "migrate", "save" or "exec". */
const char *vmft_step_action_to_string (VmftStepAction action);

/**
 * VmftEvacuationStep: one VM's way through an evacuation; the record of %VMFT_STORE_MIGRATIONS.
 * @id: of the record
 * @destination_uri, @migrate_uri: as they were when the job was started
 * @tried: (element-type utf8): destinations that refused it
 * @attempts: migrate calls made for it
 * @forecast_p50_s, @forecast_p90_s: total time the plan expected of the mode; 0 when unknown
 * @progress: of the running job
 * @outcome: of the job; valid in the states that are over, when @has_outcome
 * @total_s: of the job; 0 when unknown
 * @total_measured: @total_s is the job's own time, not the time until somebody noticed its end; not in the record
 * @message: (nullable): why it is in its state
 */
typedef struct
{
  guint64 id;
  guint64 plan_id;
  guint64 incident_id;
  char *uuid;
  char *name;
  VmftStepAction action;
  char *destination;
  char *destination_uri;
  char *migrate_uri;
  VmftMode mode;
  gboolean allow_postcopy;
  gboolean peer_to_peer;
  double forecast_p50_s;
  double forecast_p90_s;
  double forecast_downtime_s;
  VmftStepState state;
  VmftTime planned_us;
  VmftTime started_us;
  VmftTime ended_us;
  guint attempts;
  GPtrArray *tried;
  VmftProgress progress;
  gboolean has_outcome;
  VmftOutcome outcome;
  double total_s;
  gboolean total_measured;
  double downtime_s;
  guint64 transferred_bytes;
  guint iterations;
  gboolean postcopy;
  char *message;
} VmftEvacuationStep;

/** vmft_evacuation_step_was_refused: Returns: whether it failed because nobody took it: no memory has moved. */
gboolean vmft_evacuation_step_was_refused (const VmftEvacuationStep *step);

VmftEvacuationStep *vmft_evacuation_step_new (const char *uuid, const char *name);
void vmft_evacuation_step_free (VmftEvacuationStep *step);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftEvacuationStep, vmft_evacuation_step_free)

/** vmft_evacuation_step_from_plan: Returns: (transfer full): a planned step for @plan_step. */
VmftEvacuationStep *vmft_evacuation_step_from_plan (const VmftPlan *plan, const VmftPlanStep *plan_step);

/** vmft_evacuation_step_to_variant: Returns: (transfer floating): the record `a{sv}`, progress included. */
GVariant *vmft_evacuation_step_to_variant (const VmftEvacuationStep *step);

/** vmft_evacuation_step_from_variant: Returns: (transfer full): the step of a record; %VMFT_ERROR_INVALID. */
VmftEvacuationStep *vmft_evacuation_step_from_variant (GVariant *record,
                                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
