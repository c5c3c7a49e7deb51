/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-fake-private.h"
#include "vmft-inventory.h"

#include <math.h>

#define MIB 1048576.0

/* libvirt and QEMU as the vmftd of one host sees them */
#define VMFT_TYPE_FAKE_HYPERVISOR vmft_fake_hypervisor_get_type ()
G_DECLARE_FINAL_TYPE (VmftFakeHypervisor, vmft_fake_hypervisor, VMFT, FAKE_HYPERVISOR, GObject)

struct _VmftFakeHypervisor
{
  GObject parent;

  VmftFakeWorld *world;
  FakeHost *host;
  GPtrArray *seen; /* of VmftVm: what was known when libvirtd went */
  gboolean started;
  guint timer; /* the first connection */
};

static void hypervisor_iface_init (VmftHypervisorInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftFakeHypervisor,
                               vmft_fake_hypervisor,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_HYPERVISOR, hypervisor_iface_init))

static gboolean
hypervisor_is_connected (VmftHypervisor *hypervisor)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);

  return self->started && self->timer == 0 && self->host->libvirtd;
}

/* --- what the world tells --- */

void
vmft_fake_tell_changed (VmftFakeWorld *world, const char *uuid)
{
  for (guint i = 0; i < world->views->len; i++)
    {
      VmftHypervisor *view = g_ptr_array_index (world->views, i);

      if (hypervisor_is_connected (view))
        g_signal_emit_by_name (view, "vm-changed", uuid);
    }
}

void
vmft_fake_tell_failed (VmftFakeWorld *world, FakeHost *host, const char *uuid, const char *reason)
{
  for (guint i = 0; i < world->views->len; i++)
    {
      VmftFakeHypervisor *view = g_ptr_array_index (world->views, i);

      if (view->host == host && hypervisor_is_connected (VMFT_HYPERVISOR (view)))
        g_signal_emit_by_name (view, "vm-failed", uuid, reason);
    }
}

void
vmft_fake_tell_connected (VmftFakeWorld *world, FakeHost *host, gboolean up)
{
  for (guint i = 0; i < world->views->len; i++)
    {
      VmftFakeHypervisor *view = g_ptr_array_index (world->views, i);

      if (view->host == host && view->started && view->timer == 0)
        g_signal_emit_by_name (view, "connected", up);
    }
}

void
vmft_fake_tell_progress (VmftFakeWorld *world, FakeHost *host, const VmftProgress *progress)
{
  for (guint i = 0; i < world->views->len; i++)
    {
      VmftFakeHypervisor *view = g_ptr_array_index (world->views, i);

      if (view->host == host && hypervisor_is_connected (VMFT_HYPERVISOR (view)))
        g_signal_emit_by_name (view, "progress", progress);
    }
}

/* --- inventory --- */

static VmftVm *
make_vm (const FakeGuest *guest)
{
  VmftVm *vm = vmft_vm_new (guest->uuid, guest->name);

  vm->id = guest->id;
  vm->running = TRUE;
  vm->persistent = TRUE;
  vm->kvm = TRUE;
  vm->qemu_pid = 1000 + guest->id;
  vm->n_vcpus = 1;
  vm->memory_bytes = guest->spec.memory_bytes;
  vm->resident_bytes = guest->spec.resident_bytes;
  vm->policy = guest->spec.policy;
  if (guest->spec.disk_device != NULL)
    vmft_vm_add_disk (vm, "vda", "/dev/vg/disk", guest->spec.disk_device, TRUE, FALSE);
  g_array_append_vals (vm->dirty_samples, guest->samples->data, guest->samples->len);
  return vm;
}

static GPtrArray *
hypervisor_list_vms (VmftHypervisor *hypervisor)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);
  VmftFakeWorld *world = self->world;

  if (!hypervisor_is_connected (hypervisor))
    return g_ptr_array_ref (self->seen);
  g_ptr_array_unref (self->seen);
  self->seen = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_vm_unref);
  for (guint i = 0; i < world->guests->len; i++)
    {
      const FakeGuest *guest = g_ptr_array_index (world->guests, i);

      if (guest->host == self->host)
        g_ptr_array_add (self->seen, make_vm (guest));
    }
  return g_ptr_array_ref (self->seen);
}

static gboolean
on_first_connection (gpointer user_data)
{
  VmftFakeHypervisor *self = user_data;

  self->timer = 0;
  if (self->host->libvirtd)
    g_signal_emit_by_name (self, "connected", TRUE);
  return G_SOURCE_REMOVE;
}

static void
hypervisor_start (VmftHypervisor *hypervisor)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);

  self->started = TRUE;
  self->timer = vmft_clock_add_timer (self->world->clock, 20, on_first_connection, self, NULL);
}

/* --- dirty rate --- */

typedef struct
{
  GTask *task;
  VmftFakeWorld *world;
  char *uuid;
  guint period_s;
} Reading;

static void
reading_free (gpointer data)
{
  Reading *reading = data;

  g_clear_object (&reading->task);
  g_clear_object (&reading->world);
  g_free (reading->uuid);
  g_free (reading);
}

/* page sampling: each of n pages is found dirty with probability u/RAM; libvirt then gives whole MiB/s */
static double
read_rate_bps (VmftFakeWorld *world, const FakeGuest *guest, double period_s)
{
  double memory_bytes = (double) guest->spec.memory_bytes;
  double share = vmft_fake_unique_bytes (&guest->spec, period_s, 1.0) / memory_bytes;
  guint n = MAX ((guint) (memory_bytes / (1024.0 * MIB) * VMFT_DIRTY_PAGES_PER_GIB), 1);
  guint hits = 0;

  for (guint i = 0; i < n; i++)
    hits += g_rand_double (world->rand) < share;
  return floor ((double) hits / n * memory_bytes / period_s / MIB) * MIB;
}

static gboolean
on_reading_done (gpointer user_data)
{
  Reading *reading = user_data;
  FakeGuest *guest = vmft_fake_find_guest (reading->world, reading->uuid);
  VmftFakeHypervisor *view = g_task_get_source_object (reading->task);
  VmftDirtySample sample;

  if (guest == NULL || guest->host != view->host)
    {
      g_task_return_new_error (reading->task, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "%s is gone", reading->uuid);
      return G_SOURCE_REMOVE;
    }
  if (!hypervisor_is_connected (VMFT_HYPERVISOR (view)) || !reading->world->sampling)
    {
      g_task_return_new_error (reading->task, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "no dirty rate now");
      return G_SOURCE_REMOVE;
    }
  vmft_dirty_sample_init_page_sampling (&sample, vmft_clock_real_us (reading->world->clock),
                                        reading->period_s,
                                        read_rate_bps (reading->world, guest, reading->period_s),
                                        (double) guest->spec.memory_bytes, VMFT_DIRTY_PAGES_PER_GIB);
  if (guest->samples->len >= VMFT_SAMPLES_MAX)
    g_array_remove_index (guest->samples, 0);
  g_array_append_val (guest->samples, sample);
  g_task_return_pointer (reading->task, g_memdup2 (&sample, sizeof sample), g_free);
  return G_SOURCE_REMOVE;
}

static FakeGuest *
require_guest (VmftHypervisor *hypervisor, const char *uuid, GTask *task)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);
  FakeGuest *guest = vmft_fake_find_guest (self->world, uuid);

  if (!hypervisor_is_connected (hypervisor))
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "no connection to libvirt");
  else if (guest == NULL || guest->host != self->host)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "no domain %s", uuid);
  else
    return guest;
  return NULL;
}

static void
hypervisor_sample_dirty (VmftHypervisor *hypervisor, const char *uuid, guint period_s, GTask *task)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);
  FakeGuest *guest = require_guest (hypervisor, uuid, task);
  Reading *reading = NULL;

  if (guest == NULL)
    return;
  if (guest->job != NULL)
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_BUSY, "%s is being migrated", guest->name);
      return;
    }
  reading = g_new0 (Reading, 1);
  reading->task = g_object_ref (task);
  reading->world = g_object_ref (self->world);
  reading->uuid = g_strdup (uuid);
  reading->period_s = period_s;
  vmft_clock_add_timer (self->world->clock, period_s * 1000 + 70, on_reading_done, reading, reading_free);
}

/* --- jobs --- */

static void
hypervisor_migrate (VmftHypervisor *hypervisor, const VmftMigrationSpec *spec, GTask *task)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);
  FakeGuest *guest = require_guest (hypervisor, spec->uuid, task);

  if (guest == NULL)
    return;
  if (spec->resume && guest->job != NULL && guest->job->phase == FAKE_JOB_BROKEN)
    vmft_fake_job_resume (guest->job, task);
  else if (spec->resume)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_FAILED, "%s has no job to resume", guest->name);
  else if (guest->job != NULL)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_BUSY, "%s is being migrated", guest->name);
  else if (vmft_fake_find_host_by_uri (self->world, spec->destination_uri) == NULL)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_INVALID, "no such host: %s", spec->destination_uri);
  else
    vmft_fake_job_start (guest, spec, spec->peer_to_peer ? NULL : self, task);
}

static void
answer_ended_job (VmftFakeHypervisor *self, const FakeGuest *guest, GTask *task)
{
  VmftResult *result = g_new0 (VmftResult, 1);

  result->downtime_s = -1.0;
  if (guest == NULL || guest->host == NULL)
    result->outcome = VMFT_OUTCOME_LOST;
  else
    result->outcome = guest->host == self->host ? VMFT_OUTCOME_FAILED : VMFT_OUTCOME_COMPLETED;
  result->message = g_strdup ("it had ended before anyone looked");
  g_task_return_pointer (task, result, (GDestroyNotify) vmft_result_free);
}

static void
hypervisor_watch_job (VmftHypervisor *hypervisor, const char *uuid, const char *destination_uri, GTask *task)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);
  FakeGuest *guest = vmft_fake_find_guest (self->world, uuid);

  if (guest != NULL && guest->job != NULL && guest->job->phase == FAKE_JOB_BROKEN)
    {
      VmftResult *result = g_new0 (VmftResult, 1);

      result->outcome = VMFT_OUTCOME_PAUSED;
      result->downtime_s = -1.0;
      result->postcopy = TRUE;
      g_task_return_pointer (task, result, (GDestroyNotify) vmft_result_free);
    }
  else if (guest != NULL && guest->job != NULL)
    g_ptr_array_add (guest->job->tasks, g_object_ref (task));
  else
    answer_ended_job (self, guest, task);
}

static void
hypervisor_switch (VmftHypervisor *hypervisor, const char *uuid, GTask *task)
{
  FakeGuest *guest = require_guest (hypervisor, uuid, task);

  if (guest == NULL)
    return;
  if (guest->job != NULL && guest->job->phase == FAKE_JOB_STARTING)
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_FAILED, "the job has not begun to send");
      return;
    }
  if (guest->job != NULL && guest->job->spec->allow_postcopy)
    vmft_fake_job_switch (guest->job);
  g_task_return_boolean (task, TRUE);
}

static void
hypervisor_abort (VmftHypervisor *hypervisor, const char *uuid, GTask *task)
{
  FakeGuest *guest = require_guest (hypervisor, uuid, task);

  if (guest == NULL)
    return;
  if (guest->job != NULL && vmft_fake_job_in_postcopy (guest->job))
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_REFUSED, "a job in post-copy cannot be aborted");
      return;
    }
  if (guest->job != NULL)
    guest->job->aborted = TRUE;
  g_task_return_boolean (task, TRUE);
}

/* saved is stopped: neither running nor lost */
static void
hypervisor_save (VmftHypervisor *hypervisor, const char *uuid, const char *directory, GTask *task)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);

  if (require_guest (hypervisor, uuid, task) == NULL)
    return;
  vmft_fake_world_stop_vm (self->world, uuid);
  g_task_return_boolean (task, TRUE);
}

static void
hypervisor_set_policy (VmftHypervisor *hypervisor, const char *uuid, const VmftVmPolicy *policy, GTask *task)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);
  FakeGuest *guest = require_guest (hypervisor, uuid, task);

  if (guest == NULL)
    return;
  if (guest->job != NULL)
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_BUSY, "%s is being migrated", guest->name);
      return;
    }
  guest->spec.policy = *policy;
  vmft_fake_tell_changed (self->world, uuid);
  g_task_return_boolean (task, TRUE);
}

static guint64
free_bytes (VmftFakeWorld *world, const FakeHost *host)
{
  guint64 used_bytes = 0;

  for (guint i = 0; i < world->guests->len; i++)
    {
      const FakeGuest *guest = g_ptr_array_index (world->guests, i);

      if (guest->host == host || (guest->job != NULL && guest->job->destination == host))
        used_bytes += guest->spec.memory_bytes;
    }
  return host->memory_bytes > used_bytes ? host->memory_bytes - used_bytes : 0;
}

static FakeHost *
require_host (VmftHypervisor *hypervisor, const char *uri, GTask *task)
{
  FakeHost *host = vmft_fake_find_host_by_uri (VMFT_FAKE_HYPERVISOR (hypervisor)->world, uri);

  if (host != NULL && host->libvirtd && host->link_bps > 0.0)
    return host;
  g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "cannot reach libvirt at %s", uri);
  return NULL;
}

static void
hypervisor_probe (VmftHypervisor *hypervisor, const char *destination, const char *uri, GTask *task)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);
  FakeHost *host = require_host (hypervisor, uri, task);
  VmftProbe *probe = NULL;

  if (host == NULL)
    return;
  probe = vmft_probe_new ();
  probe->host_name = g_strdup (host->name);
  probe->memory_bytes = host->memory_bytes;
  probe->free_bytes = free_bytes (self->world, host);
  for (guint i = 0; i < self->world->guests->len; i++)
    {
      const FakeGuest *guest = g_ptr_array_index (self->world->guests, i);

      if (guest->host == self->host)
        g_hash_table_replace (probe->obstacles, g_strdup (guest->uuid), g_strdup (""));
    }
  g_task_return_pointer (task, probe, (GDestroyNotify) vmft_probe_free);
}

/* --- the object --- */

static void
hypervisor_iface_init (VmftHypervisorInterface *iface)
{
  iface->start = hypervisor_start;
  iface->is_connected = hypervisor_is_connected;
  iface->list_vms = hypervisor_list_vms;
  iface->sample_dirty = hypervisor_sample_dirty;
  iface->migrate = hypervisor_migrate;
  iface->watch_job = hypervisor_watch_job;
  iface->switch_to_postcopy = hypervisor_switch;
  iface->abort = hypervisor_abort;
  iface->save = hypervisor_save;
  iface->set_policy = hypervisor_set_policy;
  iface->probe = hypervisor_probe;
}

void
vmft_fake_hypervisor_kill (VmftHypervisor *hypervisor)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (hypervisor);

  vmft_clear_timer (self->world->clock, &self->timer);
  self->started = FALSE;
  g_ptr_array_remove (self->world->views, self);
}

VmftHypervisor *
vmft_fake_hypervisor_new (VmftFakeWorld *world, FakeHost *host)
{
  VmftFakeHypervisor *self = g_object_new (VMFT_TYPE_FAKE_HYPERVISOR, NULL);

  self->world = g_object_ref (world);
  self->host = host;
  g_ptr_array_add (world->views, self);
  return VMFT_HYPERVISOR (self);
}

static void
vmft_fake_hypervisor_finalize (GObject *object)
{
  VmftFakeHypervisor *self = VMFT_FAKE_HYPERVISOR (object);

  vmft_fake_hypervisor_kill (VMFT_HYPERVISOR (self));
  g_ptr_array_unref (self->seen);
  g_clear_object (&self->world);
  G_OBJECT_CLASS (vmft_fake_hypervisor_parent_class)->finalize (object);
}

static void
vmft_fake_hypervisor_class_init (VmftFakeHypervisorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_fake_hypervisor_finalize;
}

static void
vmft_fake_hypervisor_init (VmftFakeHypervisor *self)
{
  self->seen = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_vm_unref);
}
