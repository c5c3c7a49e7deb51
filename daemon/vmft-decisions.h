/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"
#include "vmft-executor.h"
#include "vmft-planner.h"

G_BEGIN_DECLS

/**
 * VmftDecisions: from a confirmed incident to a plan, and to its execution: once. A plan is asked for again when
 * something it depends on has changed, at most every replan-interval, and is a new decision only when it says
 * something else than the last.
 */
typedef struct _VmftDecisions VmftDecisions;

/** VmftDecisionsFunc: a plan was made and is in the store: its record. */
typedef void (*VmftDecisionsFunc) (GVariant *record, gpointer user_data);

VmftDecisions *vmft_decisions_new (const VmftPlannerParts *parts,
                                   VmftStore *store,
                                   VmftDetector *detector,
                                   VmftPlanner *planner,
                                   VmftDecisionsFunc func,
                                   gpointer user_data);
void vmft_decisions_free (VmftDecisions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftDecisions, vmft_decisions_free)

/** vmft_decisions_set_executor: who carries plans out; lives longer than @self. */
void vmft_decisions_set_executor (VmftDecisions *self, VmftExecutor *executor);

/** vmft_decisions_set_operation: as it is from now on. */
void vmft_decisions_set_operation (VmftDecisions *self, VmftOperation operation);

/**
 * vmft_decisions_consider:
 * @evidence_us: monotonic time of the line that made the difference; 0 when no line did
 *
 * The incident changed, or something its plan depends on.
 */
void vmft_decisions_consider (VmftDecisions *self, guint64 incident_id, gint64 evidence_us);

/** vmft_decisions_consider_all: as above, for every incident that is open. */
void vmft_decisions_consider_all (VmftDecisions *self);

/**
 * vmft_decisions_carry_out:
 * @plan: of the operator's, without an incident: gets its number, is kept, and begun
 *
 * Returns: (transfer floating): its record.
 */
GVariant *vmft_decisions_carry_out (VmftDecisions *self, VmftPlan *plan);

/** vmft_decisions_note_first_call: the first migrate call of @plan_id was made: completes its record. */
void vmft_decisions_note_first_call (VmftDecisions *self, guint64 plan_id, gint64 call_us);

G_END_DECLS
