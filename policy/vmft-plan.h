/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"
#include "vmft-detector.h"
#include "vmft-estimator.h"

G_BEGIN_DECLS

/**
 * VmftPlanVerdict: what comes of an incident.
 * @VMFT_PLAN_GO: the steps are to be carried out, and one of them at least is a move
 * @VMFT_PLAN_ADVISE: they would be, but a guard or the mode of operation leaves it to the operator
 * @VMFT_PLAN_NOT_WORTH: moving costs more than the risk
 * @VMFT_PLAN_NOTHING: the fault concerns no VM, or none can move
 * @VMFT_PLAN_ALERT: none arrives in time and the fallback is `alert`
 * @VMFT_PLAN_SAVE: likewise, but all steps are saves: no VM can leave in time and the fallback is `save`
 */
typedef enum
{
  VMFT_PLAN_GO,
  VMFT_PLAN_ADVISE,
  VMFT_PLAN_NOT_WORTH,
  VMFT_PLAN_NOTHING,
  VMFT_PLAN_ALERT,
  VMFT_PLAN_SAVE,
} VmftPlanVerdict;

/** vmft_plan_verdict_to_string: Returns: "go", "advise", "not-worth", "nothing", "alert" or "save". */
const char *vmft_plan_verdict_to_string (VmftPlanVerdict verdict);

/**
 * VmftPlanStep: one VM's move or save; times in seconds from the plan's @now_us.
 * @save: the VM is not moved but saved to shared storage; its @mode and @estimates mean nothing then
 * @destination: (nullable): NULL for a save
 * @allow_postcopy: the job may be switched to post-copy later (its policy and both ends allow it)
 * @p_arrive: probability that it is through in time
 * @fits: @p_arrive reaches the confidence
 * @reason: one sentence
 * @estimates: every mode's, whether possible or not, alone on the link
 */
typedef struct
{
  char *uuid;
  char *name;
  guint weight;
  gboolean save;
  char *destination;
  VmftMode mode;
  gboolean allow_postcopy;
  double start_p50_s;
  double start_p90_s;
  double finish_p50_s;
  double finish_p90_s;
  double downtime_p50_s;
  double p_arrive;
  gboolean fits;
  double bandwidth_bps;
  char *reason;
  VmftEstimate estimates[VMFT_N_MODES];
} VmftPlanStep;

/**
 * VmftPlanRefusal: a VM the plan leaves where it is.
 * @concerned: the fault concerns it (it is lost if the host fails); FALSE for a VM the fault does not reach
 * @reason: one sentence
 */
typedef struct
{
  char *uuid;
  char *name;
  gboolean concerned;
  char *reason;
} VmftPlanRefusal;

/**
 * VmftPlanObstacle: why a VM that the fault concerns cannot go to one destination at all, limits and room apart. A VM
 * that can go nowhere is a refusal instead; whatever is not listed can be done.
 * @reason: one sentence
 */
typedef struct
{
  char *uuid;
  char *name;
  char *destination;
  char *reason;
} VmftPlanObstacle;

/**
 * VmftPlan: what to do about one incident: immutable behind a reference count.
 * @guard: (nullable): name of the guard that holds the plan back: "observe", "advise", "inhibit", "untrusted", "backlog",
 *   "drill", "benign", "network", "relieved", "same-template", "suspects", "once-a-day", "failures"
 * @reason: one sentence
 * @lead_p5_s … @lead_p90_s: quantiles of the remaining lead time at @now_us
 * @p_fails: probability that the failure comes at all
 * @saved_weight, @total_weight: expected weight that arrives elsewhere, and that of all VMs concerned
 * @steps: (element-type VmftPlanStep): in order
 * @refusals: (element-type VmftPlanRefusal)
 * @obstacles: (element-type VmftPlanObstacle)
 */
typedef struct
{
  guint64 id; /* 0 until the daemon gives it one */
  guint64 incident_id;
  VmftTime now_us;
  VmftFaultClass fault_class;
  VmftLocus locus;
  VmftPlanVerdict verdict;
  char *guard;
  char *reason;
  gboolean drill;
  double elapsed_s;
  double lead_p5_s;
  double lead_p10_s;
  double lead_p50_s;
  double lead_p90_s;
  double p_fails;
  char *lead_origin;
  double confidence;
  double guard_s;
  double saved_weight;
  double total_weight;
  gboolean fallback_used;
  gboolean exact; /* the order is the optimum of the dynamic programme */
  GPtrArray *steps;
  GPtrArray *refusals;
  GPtrArray *obstacles;
} VmftPlan;

/** VMFT_GUARD_ONCE_A_DAY, VMFT_GUARD_FAILURES: they hold back the next evacuation, not the one that is under way. */
#define VMFT_GUARD_ONCE_A_DAY "once-a-day"
#define VMFT_GUARD_FAILURES   "failures"

/** VMFT_GUARD_RELIEVED: the pressure has gone: whoever has not left stays. */
#define VMFT_GUARD_RELIEVED "relieved"

/** vmft_plan_new: Returns: (transfer full): an empty plan, to be filled before it is shared. */
VmftPlan *vmft_plan_new (VmftTime now_us);

VmftPlan *vmft_plan_ref (VmftPlan *plan);
void vmft_plan_unref (VmftPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftPlan, vmft_plan_unref)

/** vmft_plan_add_step: Returns: (transfer none): a new last step. */
VmftPlanStep *vmft_plan_add_step (VmftPlan *plan, const char *uuid, const char *name);

/** vmft_plan_copy_step: appends a copy of another plan's @step. Returns: (transfer none): the copy. */
VmftPlanStep *vmft_plan_copy_step (VmftPlan *plan, const VmftPlanStep *step);

/** vmft_plan_add_refusal: @reason: (transfer full). */
void
vmft_plan_add_refusal (VmftPlan *plan, const char *uuid, const char *name, gboolean concerned, char *reason);

/** vmft_plan_add_obstacle: @reason: (transfer full). */
void vmft_plan_add_obstacle (VmftPlan *plan,
                             const char *uuid,
                             const char *name,
                             const char *destination,
                             char *reason);

/**
 * vmft_plan_select:
 * @keep: whether a step goes along
 *
 * Returns: (transfer full): a copy of @plan with those of its steps alone.
 */
VmftPlan *vmft_plan_select (const VmftPlan *plan,
                            gboolean (*keep) (const VmftPlanStep *step, gpointer user_data),
                            gpointer user_data);

/** vmft_plan_is_actionable: Returns: whether the steps, moves and saves, are to be carried out now. */
gboolean vmft_plan_is_actionable (const VmftPlan *plan);

/** vmft_plan_to_variant: Returns: (transfer floating): the record `a{sv}`. */
GVariant *vmft_plan_to_variant (const VmftPlan *plan);

G_END_DECLS
