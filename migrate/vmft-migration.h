/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-connection.h"
#include "vmft-hypervisor.h"

G_BEGIN_DECLS

/**
 * VmftMigration:
 *
 * One libvirt migration job, from the call to its certain end: it is performed in a worker thread, watched twice a
 * second and at each iteration, switched to post-copy when its mode says so, and judged by the state of both hosts
 * when the call's own answer does not say success. A lost connection to libvirtd ends the call, not the job.
 *
 * Signals:
 * - `progress` (const VmftProgress *)
 */
#define VMFT_TYPE_MIGRATION vmft_migration_get_type ()
G_DECLARE_FINAL_TYPE (VmftMigration, vmft_migration, VMFT, MIGRATION, GObject)

/** vmft_migration_new: @spec: copied. Returns: (transfer full): a job not yet started. */
VmftMigration *vmft_migration_new (VmftConnection *connection,
                                   VmftClock *clock,
                                   const VmftMigrationSpec *spec);

/**
 * vmft_migration_run:
 * @task: returned with a #VmftResult when the job has ended
 * @attach: the job runs already; do not start one
 */
void vmft_migration_run (VmftMigration *self, GTask *task, gboolean attach);

/** vmft_migration_switch: to post-copy; @task returns a boolean. */
void vmft_migration_switch (VmftMigration *self, GTask *task);

/** vmft_migration_abort: @task returns a boolean; the job itself ends as %VMFT_OUTCOME_ABORTED. */
void vmft_migration_abort (VmftMigration *self, GTask *task);

/** vmft_migration_iteration: libvirt's event: pass @iteration over the memory begins. */
void vmft_migration_iteration (VmftMigration *self, guint iteration);

/** vmft_migration_job_completed: libvirt's event: the final statistics. */
void vmft_migration_job_completed (VmftMigration *self, const VmftTypedParams *params);

G_END_DECLS
