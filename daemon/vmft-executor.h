/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-planner.h"

G_BEGIN_DECLS

/**
 * VmftExecutorEvents: what the daemon is told.
 * @migration: a job was started, progressed or ended: its record
 * @first_call: the first migrate call of @plan_id was just made, at monotonic @call_us
 * @finished: nothing of @incident_id's evacuation is under way any more
 */
typedef struct
{
  void (*migration) (GVariant *record, gpointer user_data);
  void (*first_call) (guint64 plan_id, gint64 call_us, gpointer user_data);
  void (*finished) (guint64 incident_id, gpointer user_data);
} VmftExecutorEvents;

/**
 * VmftExecutor: carries plans out and keeps their history: forecasts before, outcomes after, into the estimator, the
 * guards and %VMFT_STORE_MIGRATIONS.
 */
typedef struct _VmftExecutor VmftExecutor;

VmftExecutor *vmft_executor_new (const VmftPlannerParts *parts,
                                 VmftStore *store,
                                 VmftPlanner *planner,
                                 const VmftExecutorEvents *events,
                                 gpointer user_data);
void vmft_executor_free (VmftExecutor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftExecutor, vmft_executor_free)

/** vmft_executor_run: begins to carry out @plan; its record is in the store already. @incident: (nullable) */
void vmft_executor_run (VmftExecutor *self, VmftPlan *plan, const VmftIncident *incident);

/**
 * vmft_executor_wants: @plan: made while an evacuation is under way.
 *
 * Returns: whether the evacuation should go by @plan from now on: a VM of it failed or is new, or waits in the queue for a
 * mode that is too slow by now or for a destination that is no longer there.
 */
gboolean vmft_executor_wants (VmftExecutor *self, const VmftPlan *plan);

/**
 * vmft_executor_is_busy: Returns: whether an evacuation for @incident_id is under way; one that has only post-copy jobs to
 * recover is not.
 */
gboolean vmft_executor_is_busy (VmftExecutor *self, guint64 incident_id);

/** vmft_executor_count: Returns: jobs that run now. */
guint vmft_executor_count (VmftExecutor *self);

/** vmft_executor_count_completed: Returns: VMs that have left in this run of the daemon. */
guint vmft_executor_count_completed (VmftExecutor *self);

/** vmft_executor_lookup: Returns: (transfer floating) (nullable): the record of the running job @id, with progress. */
GVariant *vmft_executor_lookup (VmftExecutor *self, guint64 id);

/**
 * vmft_executor_call_off:
 * @running: jobs that run are aborted as well, where they still can be
 * @reason: for the record
 *
 * The VMs of @incident_id's evacuation that have not begun to move stay.
 */
void vmft_executor_call_off (VmftExecutor *self, guint64 incident_id, gboolean running, const char *reason);

/** vmft_executor_spare: of the VMs that have not begun to move for @plan's incident those stay that need not move. */
void vmft_executor_spare (VmftExecutor *self, const VmftPlan *plan);

/** vmft_executor_find: Returns: the number of the latest migration of @uuid; 0 when there is none in this run. */
guint64 vmft_executor_find (VmftExecutor *self, const char *uuid);

/** vmft_executor_abort: asks for the end of the job @id. */
gboolean vmft_executor_abort (VmftExecutor *self, guint64 id, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_executor_resume: once libvirt answers after a start: jobs that still run are watched again, others of the last
 * run are closed as what became of them.
 */
void vmft_executor_resume (VmftExecutor *self);

G_END_DECLS
