/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-dirty-reading.h"

#include "vmft-common.h"
#include "vmft-page-reading.h"

#define PROC "/proc"
#define MIB  1048576.0

/* a calculation of one second takes 1.05 to 1.09 s */
#define FIRST_LOOK_MS    100
#define LOOK_INTERVAL_MS 250
#define GRACE_MS         10000

typedef struct
{
  VmftConnection *connection;
  VmftClock *clock;
  VmftVm *vm;
  guint period_s;
  gboolean read_memory;
  gint64 deadline_us; /* monotonic */
  GTask *task;        /* the caller's */
} Reading;

/* what one look at the domain's statistics says */
typedef struct
{
  guint64 status;
  guint64 period_s;
  guint64 mibps;
} Look;

static void
reading_free (Reading *reading)
{
  g_clear_object (&reading->connection);
  g_clear_object (&reading->clock);
  g_clear_object (&reading->task);
  g_clear_pointer (&reading->vm, vmft_vm_unref);
  g_free (reading);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reading, reading_free)

static void look_later (Reading *reading, guint delay_ms);

/* --- in worker threads --- */

typedef struct
{
  char *uuid;
  int pid; /* 0: leave it to libvirt */
  guint64 memory_bytes;
  guint period_s;
} Request;

static void
request_free (Request *request)
{
  g_free (request->uuid);
  g_free (request);
}

/* Our own look at the pages where that is permitted, else libvirt's calculation. */
static gboolean
begin (virDomainPtr domain, const Request *request, VmftPageSample **sample, GError **error)
{
  virDomainJobInfo info = { 0 };
  g_autoptr (GError) denied = NULL;

  if (virDomainGetJobInfo (domain, &info) == 0 &&
      (info.type == VIR_DOMAIN_JOB_BOUNDED || info.type == VIR_DOMAIN_JOB_UNBOUNDED))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_BUSY, "%s is busy with another job",
                   virDomainGetName (domain));
      return FALSE;
    }
  if (request->pid > 0 && request->memory_bytes > 0 &&
      (*sample = vmft_page_sample_new (PROC, request->pid, request->memory_bytes, &denied)) != NULL)
    return TRUE;
  if (denied != NULL)
    g_debug ("%s: %s", virDomainGetName (domain), denied->message);
  if (virDomainStartDirtyRateCalc (domain, (int) request->period_s,
                                   VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING) == 0)
    return TRUE;
  return vmft_libvirt_set_error (error, domain, "cannot sample the dirty rate");
}

static void
begin_in_thread (GTask *task, virConnectPtr connection, gpointer task_data)
{
  const Request *request = task_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain = vmft_libvirt_lookup (connection, request->uuid, &error);
  VmftPageSample *sample = NULL;

  if (domain != NULL && begin (domain, request, &sample, &error))
    g_task_return_pointer (task, sample, (GDestroyNotify) vmft_page_sample_free);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
look_in_thread (GTask *task, virConnectPtr connection, gpointer task_data)
{
  const Request *request = task_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain = vmft_libvirt_lookup (connection, request->uuid, &error);
  virDomainPtr domains[] = { domain, NULL };
  virDomainStatsRecordPtr *records = NULL;
  VmftTypedParams params = { 0 };
  Look *look = NULL;

  if (domain != NULL && virDomainListGetStats (domains, VIR_DOMAIN_STATS_DIRTYRATE, &records,
                                               VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) != 1)
    vmft_libvirt_set_error (&error, domain, "cannot read the dirty rate");
  if (error != NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  params.items = records[0]->params;
  params.n_items = records[0]->nparams;
  look = g_new0 (Look, 1);
  look->status = vmft_typed_params_ullong (&params, "dirtyrate.calc_status", VIR_DOMAIN_DIRTYRATE_UNSTARTED);
  look->period_s = vmft_typed_params_ullong (&params, "dirtyrate.calc_period", 0);
  look->mibps = vmft_typed_params_ullong (&params, "dirtyrate.megabytes_per_second", 0);
  virDomainStatsRecordListFree (records);
  g_task_return_pointer (task, look, g_free);
}

/* --- on the main loop --- */

static GTask *
new_call (Reading *reading, GAsyncReadyCallback callback)
{
  GTask *call = g_task_new (NULL, NULL, callback, reading);
  Request *request = g_new0 (Request, 1);

  request->uuid = g_strdup (reading->vm->uuid);
  request->pid = reading->read_memory ? reading->vm->qemu_pid : 0;
  request->memory_bytes = reading->vm->memory_bytes;
  request->period_s = reading->period_s;
  g_task_set_task_data (call, request, (GDestroyNotify) request_free);
  return call;
}

static void
deliver (Reading *reading, const Look *look)
{
  VmftReading *result = g_new0 (VmftReading, 1);
  /* QEMU cuts off what is below a whole MiB/s */
  double mibps = look->mibps > 0 ? (double) look->mibps + 0.5 : 0.0;

  result->n_samples = 1;
  vmft_dirty_sample_init_page_sampling (&result->samples[0], vmft_clock_real_us (reading->clock),
                                        reading->period_s, mibps * MIB, (double) reading->vm->memory_bytes,
                                        VMFT_DIRTY_PAGES_PER_GIB);
  g_task_return_pointer (reading->task, result, g_free);
}

static void
on_looked (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Reading) reading = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree Look *look = g_task_propagate_pointer (G_TASK (result), &error);

  if (look == NULL)
    g_task_return_error (reading->task, g_steal_pointer (&error));
  else if (look->status == VIR_DOMAIN_DIRTYRATE_MEASURED && look->period_s == reading->period_s)
    deliver (reading, look);
  else if (vmft_clock_monotonic_us (reading->clock) > reading->deadline_us)
    g_task_return_new_error (reading->task, VMFT_ERROR, VMFT_ERROR_TIMEOUT,
                             "the dirty rate of %s was not measured in time", reading->vm->name);
  else
    look_later (g_steal_pointer (&reading), LOOK_INTERVAL_MS);
}

static gboolean
on_timer (gpointer user_data)
{
  Reading *reading = user_data;
  g_autoptr (GTask) call = new_call (reading, on_looked);

  vmft_connection_call (reading->connection, call, look_in_thread);
  return G_SOURCE_REMOVE;
}

static void
look_later (Reading *reading, guint delay_ms)
{
  vmft_clock_add_timer (reading->clock, delay_ms, on_timer, reading, NULL);
}

static void
on_begun (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Reading) reading = user_data;
  g_autoptr (GError) error = NULL;
  VmftPageSample *sample = g_task_propagate_pointer (G_TASK (result), &error);

  if (sample != NULL)
    vmft_page_reading_start (sample, reading->clock, reading->vm, reading->period_s, reading->task);
  else if (error == NULL)
    {
      guint period_ms = reading->period_s * 1000;

      look_later (g_steal_pointer (&reading), period_ms + FIRST_LOOK_MS);
    }
  else
    g_task_return_error (reading->task, g_steal_pointer (&error));
}

void
vmft_dirty_reading_start (VmftConnection *connection,
                          VmftClock *clock,
                          VmftVm *vm,
                          guint period_s,
                          gboolean read_memory,
                          GTask *task)
{
  Reading *reading = g_new0 (Reading, 1);
  g_autoptr (GTask) call = NULL;

  reading->connection = g_object_ref (connection);
  reading->clock = g_object_ref (clock);
  reading->vm = vmft_vm_ref (vm);
  reading->period_s = period_s;
  reading->read_memory = read_memory;
  reading->task = g_object_ref (task);
  reading->deadline_us = vmft_clock_monotonic_us (clock) + ((gint64) period_s * 1000 + GRACE_MS) * 1000;
  call = new_call (reading, on_begun);
  vmft_connection_call (connection, call, begin_in_thread);
}
