/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-migration-calls.h"

#include "vmft-leftover.h"
#include "vmft-migration-params.h"

/* --- the migration itself --- */

/* Returns: whether what the destination objects to was ours, and is gone */
static gboolean
make_way (virDomainPtr domain, const VmftMigrationSpec *spec, const char *objection)
{
  return !spec->resume && vmft_leftover_is_clash (objection) &&
         vmft_leftover_clear (domain, spec->destination_uri);
}

static gboolean
call_migrate (virDomainPtr domain, const VmftMigrationSpec *spec, VmftTypedParams *params, GError **error)
{
  g_autoptr (virConnect) destination = NULL;
  g_autoptr (virDomain) moved = NULL;
  g_autofree char *what = g_strdup_printf ("migration to %s", spec->destination);
  guint flags = vmft_migration_flags (spec);

  if (spec->peer_to_peer)
    {
      if (virDomainMigrateToURI3 (domain, spec->destination_uri, params->items, params->n_items, flags) == 0)
        return TRUE;
      return vmft_libvirt_set_error (error, domain, what);
    }
  destination = vmft_libvirt_open (spec->destination_uri, error);
  if (destination == NULL)
    return FALSE;
  moved = virDomainMigrate3 (domain, destination, params->items, params->n_items, flags);
  if (moved == NULL)
    return vmft_libvirt_set_error (error, domain, what);
  return TRUE;
}

static gboolean
perform (virDomainPtr domain, const VmftMigrationSpec *spec, GError **error)
{
  g_auto (VmftTypedParams) params = { 0 };
  g_autoptr (GError) first = NULL;

  if (!vmft_migration_params (spec, &params, error))
    return FALSE;
  if (call_migrate (domain, spec, &params, &first))
    return TRUE;
  if (make_way (domain, spec, first->message))
    return call_migrate (domain, spec, &params, error);
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

void
vmft_migration_perform (GTask *task, virConnectPtr connection, gpointer task_data)
{
  const VmftMigrationSpec *spec = task_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain = vmft_libvirt_lookup (connection, spec->uuid, &error);

  if (domain != NULL && perform (domain, spec, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/* --- watching it --- */

VmftPollRequest *
vmft_poll_request_new (const char *uuid, guint max_downtime_ms)
{
  VmftPollRequest *request = g_new0 (VmftPollRequest, 1);

  request->uuid = g_strdup (uuid);
  request->max_downtime_ms = max_downtime_ms;
  return request;
}

void
vmft_poll_request_free (VmftPollRequest *request)
{
  g_free (request->uuid);
  g_free (request);
}

void
vmft_progress_from_params (VmftProgress *progress, const VmftTypedParams *params)
{
  guint64 page_bytes = vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, 4096);

  progress->iteration = (guint) vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_MEMORY_ITERATION, 0);
  progress->elapsed_s = (double) vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_TIME_ELAPSED, 0) / 1000.0;
  progress->total_bytes = vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_MEMORY_TOTAL, 0);
  progress->processed_bytes = vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_MEMORY_PROCESSED, 0);
  progress->remaining_bytes = vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_MEMORY_REMAINING, 0);
  progress->throughput_bps = vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_MEMORY_BPS, 0);
  progress->dirty_bps = vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, 0) * page_bytes;
  progress->page_bytes = page_bytes;
}

static gboolean
is_outgoing (const VmftTypedParams *params, int type)
{
  int operation = (int) vmft_typed_params_ullong (params, VIR_DOMAIN_JOB_OPERATION, 0);

  return (type == VIR_DOMAIN_JOB_BOUNDED || type == VIR_DOMAIN_JOB_UNBOUNDED) &&
         operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
}

static gboolean
look_at_job (virDomainPtr domain, VmftPoll *poll)
{
  g_auto (VmftTypedParams) params = { 0 };
  int type = VIR_DOMAIN_JOB_NONE, state = 0, reason = 0;

  if (virDomainGetJobStats (domain, &type, &params.items, &params.n_items, 0) < 0)
    return FALSE;
  poll->active = is_outgoing (&params, type);
  if (!poll->active)
    return TRUE;
  vmft_progress_from_params (&poll->progress, &params);
  poll->moving = poll->progress.total_bytes > 0;
  if (virDomainGetState (domain, &state, &reason, 0) == 0)
    poll->end = vmft_end_from_state (state, reason);
  poll->progress.postcopy = poll->end == VMFT_END_POSTCOPY || poll->end == VMFT_END_POSTCOPY_FAILED;
  return TRUE;
}

void
vmft_migration_poll (GTask *task, virConnectPtr connection, gpointer task_data)
{
  const VmftPollRequest *request = task_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain = vmft_libvirt_lookup (connection, request->uuid, &error);
  g_autofree VmftPoll *poll = g_new0 (VmftPoll, 1);

  if (domain == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (!look_at_job (domain, poll))
    {
      vmft_libvirt_set_error (&error, domain, "cannot watch its job");
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  /* possible once the job is past its preparation; a job that ends meanwhile needs no limit */
  if (poll->moving && request->max_downtime_ms > 0 &&
      virDomainMigrateSetMaxDowntime (domain, request->max_downtime_ms, 0) < 0)
    virResetLastError ();
  g_task_return_pointer (task, g_steal_pointer (&poll), g_free);
}

/* --- steering it --- */

static gboolean
has_outgoing_job (virDomainPtr domain)
{
  VmftPoll poll = { 0 };

  if (!look_at_job (domain, &poll))
    virResetLastError ();
  return poll.active;
}

void
vmft_migration_start_postcopy (GTask *task, virConnectPtr connection, gpointer task_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain = vmft_libvirt_lookup (connection, task_data, &error);

  /* gone already: it has arrived */
  if (domain == NULL && g_error_matches (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (domain != NULL && virDomainMigrateStartPostCopy (domain, 0) < 0)
    vmft_libvirt_set_error (&error, domain, "cannot switch to post-copy");
  if (error != NULL && domain != NULL && !has_outgoing_job (domain))
    g_clear_error (&error);
  if (error == NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
vmft_migration_abort_job (GTask *task, virConnectPtr connection, gpointer task_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain = vmft_libvirt_lookup (connection, task_data, &error);

  if (domain != NULL && virDomainAbortJob (domain) < 0)
    vmft_libvirt_set_error (&error, domain, "cannot abort the migration");
  if (error != NULL && (domain == NULL || !has_outgoing_job (domain)) &&
      !g_error_matches (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE))
    g_clear_error (&error);
  if (error == NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
vmft_save_request_free (VmftSaveRequest *request)
{
  g_free (request->uuid);
  g_free (request->directory);
  g_free (request);
}

char *
vmft_save_path (const char *directory, const char *name, const char *uuid)
{
  /* a file's name has 255 bytes and no slash */
  g_autofree char *file = g_strdup_printf ("%.200s-%s.save", name, uuid);

  return g_build_filename (directory, g_strdelimit (file, "/", '_'), NULL);
}

void
vmft_migration_save (GTask *task, virConnectPtr connection, gpointer task_data)
{
  const VmftSaveRequest *request = task_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain = vmft_libvirt_lookup (connection, request->uuid, &error);
  g_autofree char *path = NULL;
  int result = -1;

  if (domain != NULL && request->directory != NULL)
    {
      path = vmft_save_path (request->directory, virDomainGetName (domain), request->uuid);
      result = virDomainSaveFlags (domain, path, NULL, VIR_DOMAIN_SAVE_RUNNING);
    }
  else if (domain != NULL)
    result = virDomainManagedSave (domain, VIR_DOMAIN_SAVE_RUNNING);
  if (domain != NULL && result < 0)
    vmft_libvirt_set_error (&error, domain, "cannot save it");
  if (error == NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/* --- what became of it --- */

static VmftEnds *
look_at_end (virConnectPtr connection, const char *uuid, VmftEnd *end, int *reason_out)
{
  VmftEnds *ends = g_new0 (VmftEnds, 1);
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (connection, uuid);
  virErrorPtr last = virGetLastError ();
  int state = 0, reason = 0;

  *end = VMFT_END_UNKNOWN;
  *reason_out = -1;
  if (domain == NULL)
    *end = last != NULL && last->code == VIR_ERR_NO_DOMAIN ? VMFT_END_ABSENT : VMFT_END_UNKNOWN;
  else if (virDomainGetState (domain, &state, &reason, 0) == 0)
    {
      *end = vmft_end_from_state (state, reason);
      *reason_out = *end == VMFT_END_ABSENT ? reason : -1;
      ends->job = *end != VMFT_END_ABSENT && has_outgoing_job (domain);
    }
  virResetLastError ();
  return ends;
}

void
vmft_migration_look_at_source (GTask *task, virConnectPtr connection, gpointer task_data)
{
  VmftEnd end = VMFT_END_UNKNOWN;
  int reason = -1;
  VmftEnds *ends = look_at_end (connection, task_data, &end, &reason);

  ends->source = end;
  ends->migrated = reason == VIR_DOMAIN_SHUTOFF_MIGRATED;
  ends->shut_down = reason == VIR_DOMAIN_SHUTOFF_SHUTDOWN || reason == VIR_DOMAIN_SHUTOFF_DESTROYED;
  g_task_return_pointer (task, ends, g_free);
}

void
vmft_migration_look_at_destination (GTask *task, virConnectPtr connection, gpointer task_data)
{
  VmftEnd end = VMFT_END_UNKNOWN;
  int reason = -1;
  VmftEnds *ends = look_at_end (connection, task_data, &end, &reason);

  ends->destination = end;
  g_task_return_pointer (task, ends, g_free);
}
