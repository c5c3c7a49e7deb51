/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The libvirt calls of one migration, as they run in worker threads. Each is a VmftLibvirtFunc. */
#pragma once

#include "vmft-libvirt-call.h"
#include "vmft-migration-outcome.h"

G_BEGIN_DECLS

/** vmft_migration_perform: task data: #VmftMigrationSpec. Blocks until the job has ended. Returns a boolean. */
void vmft_migration_perform (GTask *task, virConnectPtr connection, gpointer task_data);

/**
 * VmftPoll: what one look at a running job says.
 * @active: libvirt has an outgoing job for the domain
 * @moving: the job is past its preparation: memory is being sent
 * @end: the domain on this side
 */
typedef struct
{
  gboolean active;
  gboolean moving;
  VmftEnd end;
  VmftProgress progress;
} VmftPoll;

/**
 * VmftPollRequest: task data of vmft_migration_poll().
 * @max_downtime_ms: to be set now, 0 to leave it
 */
typedef struct
{
  char *uuid;
  guint max_downtime_ms;
} VmftPollRequest;

VmftPollRequest *vmft_poll_request_new (const char *uuid, guint max_downtime_ms);
void vmft_poll_request_free (VmftPollRequest *request);

/** vmft_migration_poll: Returns a #VmftPoll. */
void vmft_migration_poll (GTask *task, virConnectPtr connection, gpointer task_data);

/** vmft_migration_start_postcopy: task data: uuid. Too late is no error. Returns a boolean. */
void vmft_migration_start_postcopy (GTask *task, virConnectPtr connection, gpointer task_data);

/** vmft_migration_abort_job: task data: uuid. Nothing left to abort is no error. Returns a boolean. */
void vmft_migration_abort_job (GTask *task, virConnectPtr connection, gpointer task_data);

/** VmftSaveRequest: task data of vmft_migration_save(). @directory: (nullable). */
typedef struct
{
  char *uuid;
  char *directory;
} VmftSaveRequest;

void vmft_save_request_free (VmftSaveRequest *request);

/**
 * vmft_save_path:
 * @directory: that other hosts save to as well, whose VMs may have the same names
 *
 * Returns: (transfer full): DIRECTORY/NAME-UUID.save, of a very long name its beginning.
 */
char *vmft_save_path (const char *directory, const char *name, const char *uuid);

/** vmft_migration_save: saves a running domain. Returns a boolean. */
void vmft_migration_save (GTask *task, virConnectPtr connection, gpointer task_data);

/** vmft_migration_look_at_source: task data: uuid. Returns a #VmftEnds whose destination is unknown. */
void vmft_migration_look_at_source (GTask *task, virConnectPtr connection, gpointer task_data);

/** vmft_migration_look_at_destination: @connection: to the destination; task data: uuid. Returns a #VmftEnds. */
void vmft_migration_look_at_destination (GTask *task, virConnectPtr connection, gpointer task_data);

/** vmft_progress_from_params: fills @progress from libvirt's job statistics. */
void vmft_progress_from_params (VmftProgress *progress, const VmftTypedParams *params);

G_END_DECLS
