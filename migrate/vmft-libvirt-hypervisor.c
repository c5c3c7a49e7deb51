/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-libvirt-hypervisor.h"

#include "vmft-capabilities.h"
#include "vmft-connection.h"
#include "vmft-dirty-reading.h"
#include "vmft-domain-xml.h"
#include "vmft-inventory.h"
#include "vmft-migration-calls.h"
#include "vmft-migration-params.h"
#include "vmft-migration.h"

struct _VmftLibvirtHypervisor
{
  GObject parent;

  VmftClock *clock;
  VmftConnection *connection;
  VmftInventory *inventory;
  GHashTable *jobs; /* uuid -> VmftMigration */
  gboolean announced;
  gboolean read_memory;
};

static void hypervisor_iface_init (VmftHypervisorInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftLibvirtHypervisor,
                               vmft_libvirt_hypervisor,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_HYPERVISOR, hypervisor_iface_init))

/* --- what the connection and the inventory say --- */

static void
on_closed (VmftConnection *connection, const char *reason, VmftLibvirtHypervisor *self)
{
  self->announced = FALSE;
  g_signal_emit_by_name (self, "connected", FALSE);
}

/* connected is what has its VMs: nobody wants to plan for an empty host */
static void
on_loaded (VmftInventory *inventory, VmftLibvirtHypervisor *self)
{
  if (self->announced)
    return;
  self->announced = TRUE;
  g_signal_emit_by_name (self, "connected", TRUE);
}

static void
on_vm_changed (VmftInventory *inventory, const char *uuid, VmftLibvirtHypervisor *self)
{
  g_signal_emit_by_name (self, "vm-changed", uuid);
}

static void
on_vm_failed (VmftInventory *inventory, const char *uuid, const char *reason, VmftLibvirtHypervisor *self)
{
  g_signal_emit_by_name (self, "vm-failed", uuid, reason);
}

static VmftMigration *
find_job (VmftLibvirtHypervisor *self, virDomainPtr domain)
{
  char uuid[VIR_UUID_STRING_BUFLEN] = "";

  if (virDomainGetUUIDString (domain, uuid) < 0)
    return NULL;
  return g_hash_table_lookup (self->jobs, uuid);
}

static void
on_iteration (virConnectPtr connection, virDomainPtr domain, int iteration, void *opaque)
{
  g_autoptr (VmftLibvirtHypervisor) self = vmft_connection_event_target (opaque);
  VmftMigration *job = self != NULL ? find_job (self, domain) : NULL;

  if (job != NULL && iteration > 0)
    vmft_migration_iteration (job, (guint) iteration);
}

static void
on_job_completed (virConnectPtr connection,
                  virDomainPtr domain,
                  virTypedParameterPtr items,
                  int n_items,
                  void *opaque)
{
  g_autoptr (VmftLibvirtHypervisor) self = vmft_connection_event_target (opaque);
  VmftMigration *job = self != NULL ? find_job (self, domain) : NULL;
  const VmftTypedParams params = { .items = items, .n_items = n_items };

  if (job != NULL)
    vmft_migration_job_completed (job, &params);
}

/* --- jobs --- */

static void
on_progress (VmftMigration *job, const VmftProgress *progress, VmftLibvirtHypervisor *self)
{
  g_signal_emit_by_name (self, "progress", progress);
}

static void
on_job_done (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (object);
  g_autoptr (GTask) task = user_data;
  const char *uuid = g_task_get_task_data (G_TASK (async));
  g_autoptr (GError) error = NULL;
  VmftResult *result = g_task_propagate_pointer (G_TASK (async), &error);

  g_hash_table_remove (self->jobs, uuid);
  vmft_inventory_reload (self->inventory);
  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify) vmft_result_free);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
start_job (VmftLibvirtHypervisor *self, const VmftMigrationSpec *spec, GTask *task, gboolean attach)
{
  VmftMigration *job = NULL;
  g_autoptr (GTask) call = NULL;

  if (g_hash_table_contains (self->jobs, spec->uuid))
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_BUSY, "%s is being migrated already", spec->uuid);
      return;
    }
  job = vmft_migration_new (self->connection, self->clock, spec);
  g_signal_connect_object (job, "progress", G_CALLBACK (on_progress), self, 0);
  g_hash_table_insert (self->jobs, g_strdup (spec->uuid), job);
  call = g_task_new (self, NULL, on_job_done, g_object_ref (task));
  g_task_set_task_data (call, g_strdup (spec->uuid), g_free);
  vmft_migration_run (job, call, attach);
}

static void
hypervisor_migrate (VmftHypervisor *hypervisor, const VmftMigrationSpec *spec, GTask *task)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (hypervisor);
  VmftVm *vm = vmft_inventory_get (self->inventory, spec->uuid);
  g_autoptr (VmftMigrationSpec) full = vmft_migration_spec_copy (spec);
  g_auto (VmftTypedParams) params = { 0 };
  g_autoptr (GError) error = NULL;

  /* the operator's shared paths are news to libvirt, which would refuse */
  full->unsafe |= vm != NULL && vmft_inventory_has_declared_disk (self->inventory, vm);
  /* what cannot work must not look like a job that failed */
  if (!vmft_migration_params (full, &params, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else if (!vmft_connection_is_open (self->connection))
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "no connection to the local libvirtd");
  else if (!spec->resume && vm == NULL)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "no domain %s", spec->uuid);
  else if (!spec->resume && !vm->running)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_REFUSED, "%s does not run here", vm->name);
  else
    start_job (self, full, task, FALSE);
}

static void
hypervisor_watch_job (VmftHypervisor *hypervisor, const char *uuid, const char *destination_uri, GTask *task)
{
  g_autoptr (VmftMigrationSpec) spec = vmft_migration_spec_new (uuid, VMFT_MODE_PRECOPY);

  spec->destination_uri = g_strdup (destination_uri);
  start_job (VMFT_LIBVIRT_HYPERVISOR (hypervisor), spec, task, TRUE);
}

static VmftMigration *
require_job (VmftHypervisor *hypervisor, const char *uuid, GTask *task)
{
  VmftMigration *job = g_hash_table_lookup (VMFT_LIBVIRT_HYPERVISOR (hypervisor)->jobs, uuid);

  if (job == NULL)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "%s is not being migrated", uuid);
  return job;
}

static void
hypervisor_switch (VmftHypervisor *hypervisor, const char *uuid, GTask *task)
{
  VmftMigration *job = require_job (hypervisor, uuid, task);

  if (job != NULL)
    vmft_migration_switch (job, task);
}

static void
hypervisor_abort (VmftHypervisor *hypervisor, const char *uuid, GTask *task)
{
  VmftMigration *job = require_job (hypervisor, uuid, task);

  if (job != NULL)
    vmft_migration_abort (job, task);
}

static void
hypervisor_save (VmftHypervisor *hypervisor, const char *uuid, const char *directory, GTask *task)
{
  VmftSaveRequest *request = g_new0 (VmftSaveRequest, 1);

  request->uuid = g_strdup (uuid);
  request->directory = g_strdup (directory);
  g_task_set_task_data (task, request, (GDestroyNotify) vmft_save_request_free);
  vmft_connection_call_long (VMFT_LIBVIRT_HYPERVISOR (hypervisor)->connection, task, vmft_migration_save);
}

/* --- the VM's policy --- */

typedef struct
{
  char *uuid;
  VmftVmPolicy policy;
} PolicyRequest;

static void
policy_request_free (PolicyRequest *request)
{
  g_free (request->uuid);
  g_free (request);
}

static void
set_policy_in_thread (GTask *task, virConnectPtr connection, gpointer task_data)
{
  const PolicyRequest *request = task_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain = vmft_libvirt_lookup (connection, request->uuid, &error);
  g_autofree char *element = vmft_domain_xml_format_policy (&request->policy);
  unsigned int flags = VIR_DOMAIN_AFFECT_CURRENT;

  if (domain == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (virDomainIsActive (domain) == 1)
    flags |= VIR_DOMAIN_AFFECT_LIVE;
  if (virDomainIsPersistent (domain) == 1)
    flags |= VIR_DOMAIN_AFFECT_CONFIG;
  if (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, element, VMFT_DOMAIN_XML_PREFIX,
                            VMFT_DOMAIN_XMLNS, flags) == 0)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  vmft_libvirt_set_error (&error, domain, "cannot write its policy");
  g_task_return_error (task, g_steal_pointer (&error));
}

/* what was written holds at once: a plan made before the inventory is read again must not miss it */
static void
on_policy_set (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (object);
  g_autoptr (GTask) task = user_data;
  const PolicyRequest *request = g_task_get_task_data (G_TASK (async));
  VmftVm *vm = vmft_inventory_get (self->inventory, request->uuid);
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (async), &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (vm != NULL)
    {
      VmftVm *copy = vmft_vm_copy (vm);

      copy->policy = request->policy;
      vmft_inventory_put (self->inventory, copy);
      g_signal_emit_by_name (self, "vm-changed", request->uuid);
    }
  vmft_inventory_reload (self->inventory);
  g_task_return_boolean (task, TRUE);
}

static void
hypervisor_set_policy (VmftHypervisor *hypervisor, const char *uuid, const VmftVmPolicy *policy, GTask *task)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (hypervisor);
  g_autoptr (GTask) call = NULL;
  PolicyRequest *request = NULL;

  if (g_hash_table_contains (self->jobs, uuid))
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_BUSY, "%s is being migrated", uuid);
      return;
    }
  request = g_new0 (PolicyRequest, 1);
  request->uuid = g_strdup (uuid);
  request->policy = *policy;
  call = g_task_new (self, NULL, on_policy_set, g_object_ref (task));
  g_task_set_task_data (call, request, (GDestroyNotify) policy_request_free);
  vmft_connection_call (self->connection, call, set_policy_in_thread);
}

/* --- dirty rate --- */

static void
on_reading (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (object);
  g_autoptr (GTask) task = user_data;
  const char *uuid = g_task_get_task_data (G_TASK (async));
  g_autoptr (GError) error = NULL;
  g_autofree VmftReading *reading = g_task_propagate_pointer (G_TASK (async), &error);
  VmftVm *vm = vmft_inventory_get (self->inventory, uuid);

  if (reading == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (vm != NULL)
    {
      vmft_inventory_put (self->inventory, vmft_vm_with_reading (vm, reading));
      g_signal_emit_by_name (self, "vm-changed", uuid);
    }
  g_task_return_pointer (
      task, g_memdup2 (&reading->samples[reading->n_samples - 1], sizeof (VmftDirtySample)), g_free);
}

static void
hypervisor_sample_dirty (VmftHypervisor *hypervisor, const char *uuid, guint period_s, GTask *task)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (hypervisor);
  VmftVm *vm = vmft_inventory_get (self->inventory, uuid);
  g_autoptr (GTask) call = NULL;

  if (vm == NULL || !vm->running)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "no running domain %s", uuid);
  else if (period_s < 1 || period_s > 60)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_INVALID, "a dirty rate is sampled over 1 to 60 s");
  else if (g_hash_table_contains (self->jobs, uuid))
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_BUSY, "%s is being migrated", vm->name);
  else
    {
      call = g_task_new (self, NULL, on_reading, g_object_ref (task));
      g_task_set_task_data (call, g_strdup (uuid), g_free);
      vmft_dirty_reading_start (self->connection, self->clock, vm, period_s, self->read_memory, call);
    }
}

/* --- the destination --- */

/* in post-copy the guest would write to a disk whose copy is not complete */
static guint
modes_of_vm (const VmftVm *vm)
{
  for (guint i = 0; i < vm->disks->len; i++)
    if (!((const VmftVmDisk *) g_ptr_array_index (vm->disks, i))->shared)
      return VMFT_MODES_ALL & ~(vmft_mode_bit (VMFT_MODE_HYBRID) | vmft_mode_bit (VMFT_MODE_POSTCOPY));
  return VMFT_MODES_ALL;
}

static void
apply_probe (VmftLibvirtHypervisor *self, const char *destination, const VmftProbe *probe)
{
  VmftTime now_us = vmft_clock_real_us (self->clock);
  GHashTableIter iter;
  gpointer uuid = NULL, reason = NULL;

  g_hash_table_iter_init (&iter, probe->obstacles);
  while (g_hash_table_iter_next (&iter, &uuid, &reason))
    {
      VmftVm *vm = vmft_inventory_get (self->inventory, uuid);
      const char *why = ((const char *) reason)[0] != '\0' ? reason : NULL;
      VmftVm *copy = NULL;

      if (vm == NULL)
        continue;
      copy = vmft_vm_copy (vm);
      vmft_vm_set_movability (copy, destination, why == NULL, probe->modes & modes_of_vm (copy), why, now_us);
      vmft_inventory_put (self->inventory, copy);
    }
}

typedef struct
{
  GTask *task; /* the caller's */
  char *destination;
  char *uri;
} Probe;

static void
probe_free (Probe *probe)
{
  g_clear_object (&probe->task);
  g_free (probe->destination);
  g_free (probe->uri);
  g_free (probe);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Probe, probe_free)

static void
on_destination_probed (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (object);
  g_autoptr (Probe) probe = user_data;
  g_autoptr (GError) error = NULL;
  VmftProbe *result = g_task_propagate_pointer (G_TASK (async), &error);

  if (result == NULL)
    {
      g_task_return_error (probe->task, g_steal_pointer (&error));
      return;
    }
  apply_probe (self, probe->destination, result);
  g_task_return_pointer (probe->task, result, (GDestroyNotify) vmft_probe_free);
}

static void
on_source_probed (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (object);
  Probe *probe = user_data;
  VmftProbeRequest *request = g_task_propagate_pointer (G_TASK (async), NULL);
  g_autoptr (GTask) call = NULL;

  /* without the local libvirtd the destination is looked at for itself alone */
  if (request == NULL)
    request = vmft_probe_request_new (probe->uri);
  call = g_task_new (self, NULL, on_destination_probed, probe);
  g_task_set_task_data (call, request, (GDestroyNotify) vmft_probe_request_free);
  vmft_connection_call_uri (self->connection, call, probe->uri, vmft_probe_destination);
}

static void
hypervisor_probe (VmftHypervisor *hypervisor, const char *destination, const char *uri, GTask *task)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (hypervisor);
  Probe *probe = g_new0 (Probe, 1);
  g_autoptr (GTask) call = g_task_new (self, NULL, on_source_probed, probe);

  probe->task = g_object_ref (task);
  probe->destination = g_strdup (destination);
  probe->uri = g_strdup (uri);
  g_task_set_task_data (call, g_strdup (uri), g_free);
  vmft_connection_call (self->connection, call, vmft_probe_source);
}

/* --- the object --- */

static void
hypervisor_start (VmftHypervisor *hypervisor)
{
  vmft_connection_start (VMFT_LIBVIRT_HYPERVISOR (hypervisor)->connection);
}

static gboolean
hypervisor_is_connected (VmftHypervisor *hypervisor)
{
  return vmft_inventory_is_loaded (VMFT_LIBVIRT_HYPERVISOR (hypervisor)->inventory);
}

static GPtrArray *
hypervisor_list_vms (VmftHypervisor *hypervisor)
{
  return vmft_inventory_list (VMFT_LIBVIRT_HYPERVISOR (hypervisor)->inventory);
}

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

VmftHypervisor *
vmft_libvirt_hypervisor_new (const char *uri, VmftClock *clock)
{
  VmftLibvirtHypervisor *self = g_object_new (VMFT_TYPE_LIBVIRT_HYPERVISOR, NULL);
  GObject *target = G_OBJECT (self);

  self->clock = g_object_ref (clock);
  self->read_memory = TRUE;
  self->connection = vmft_connection_new (uri, clock);
  vmft_connection_watch (self->connection, VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
                         VIR_DOMAIN_EVENT_CALLBACK (on_iteration), target);
  vmft_connection_watch (self->connection, VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                         VIR_DOMAIN_EVENT_CALLBACK (on_job_completed), target);
  self->inventory = vmft_inventory_new (self->connection, clock);
  g_signal_connect_object (self->connection, "closed", G_CALLBACK (on_closed), self, 0);
  g_signal_connect_object (self->inventory, "loaded", G_CALLBACK (on_loaded), self, 0);
  g_signal_connect_object (self->inventory, "vm-changed", G_CALLBACK (on_vm_changed), self, 0);
  g_signal_connect_object (self->inventory, "vm-failed", G_CALLBACK (on_vm_failed), self, 0);
  return VMFT_HYPERVISOR (self);
}

void
vmft_libvirt_hypervisor_set_read_memory (VmftLibvirtHypervisor *self, gboolean read_memory)
{
  self->read_memory = read_memory;
}

void
vmft_libvirt_hypervisor_set_shared_paths (VmftLibvirtHypervisor *self, const char *const *paths)
{
  vmft_inventory_set_shared_paths (self->inventory, paths);
}

void
vmft_libvirt_hypervisor_allow_copies (VmftLibvirtHypervisor *self, gboolean allow)
{
  vmft_inventory_allow_copies (self->inventory, allow);
}

static void
vmft_libvirt_hypervisor_finalize (GObject *object)
{
  VmftLibvirtHypervisor *self = VMFT_LIBVIRT_HYPERVISOR (object);

  g_hash_table_unref (self->jobs);
  g_clear_object (&self->inventory);
  g_clear_object (&self->connection);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (vmft_libvirt_hypervisor_parent_class)->finalize (object);
}

static void
vmft_libvirt_hypervisor_class_init (VmftLibvirtHypervisorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_libvirt_hypervisor_finalize;
}

static void
vmft_libvirt_hypervisor_init (VmftLibvirtHypervisor *self)
{
  self->jobs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
}
