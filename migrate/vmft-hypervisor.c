/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-hypervisor.h"

G_DEFINE_INTERFACE (VmftHypervisor, vmft_hypervisor, G_TYPE_OBJECT)

static void
vmft_hypervisor_default_init (VmftHypervisorInterface *iface)
{
  g_signal_new ("connected", VMFT_TYPE_HYPERVISOR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                G_TYPE_BOOLEAN);
  g_signal_new ("vm-changed", VMFT_TYPE_HYPERVISOR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                G_TYPE_STRING);
  g_signal_new ("vm-failed", VMFT_TYPE_HYPERVISOR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2,
                G_TYPE_STRING, G_TYPE_STRING);
  g_signal_new ("progress", VMFT_TYPE_HYPERVISOR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                G_TYPE_POINTER);
}

/* --- records --- */

VmftMigrationSpec *
vmft_migration_spec_new (const char *uuid, VmftMode mode)
{
  VmftMigrationSpec *spec = g_new0 (VmftMigrationSpec, 1);

  spec->uuid = g_strdup (uuid);
  spec->mode = mode;
  spec->peer_to_peer = TRUE;
  spec->allow_postcopy = mode == VMFT_MODE_HYBRID || mode == VMFT_MODE_POSTCOPY;
  spec->auto_converge_initial = 30;
  spec->auto_converge_increment = 20;
  return spec;
}

VmftMigrationSpec *
vmft_migration_spec_copy (const VmftMigrationSpec *spec)
{
  VmftMigrationSpec *copy = g_memdup2 (spec, sizeof *spec);

  copy->uuid = g_strdup (spec->uuid);
  copy->destination = g_strdup (spec->destination);
  copy->destination_uri = g_strdup (spec->destination_uri);
  copy->migrate_uri = g_strdup (spec->migrate_uri);
  copy->copy_disks = g_strdupv (spec->copy_disks);
  return copy;
}

void
vmft_migration_spec_free (VmftMigrationSpec *spec)
{
  if (spec == NULL)
    return;
  g_free (spec->uuid);
  g_free (spec->destination);
  g_free (spec->destination_uri);
  g_free (spec->migrate_uri);
  g_strfreev (spec->copy_disks);
  g_free (spec);
}

void
vmft_result_free (VmftResult *result)
{
  if (result == NULL)
    return;
  g_free (result->message);
  g_free (result);
}

VmftProbe *
vmft_probe_new (void)
{
  VmftProbe *probe = g_new0 (VmftProbe, 1);

  probe->modes = VMFT_MODES_ALL;
  probe->obstacles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return probe;
}

void
vmft_probe_free (VmftProbe *probe)
{
  if (probe == NULL)
    return;
  g_free (probe->host_name);
  g_hash_table_unref (probe->obstacles);
  g_free (probe);
}

const char *
vmft_outcome_to_string (VmftOutcome outcome)
{
  const char *const names[] = { "completed", "failed", "aborted", "paused", "lost" };

  g_return_val_if_fail ((guint) outcome < G_N_ELEMENTS (names), "failed");
  return names[outcome];
}

/* --- calls --- */

void
vmft_hypervisor_start (VmftHypervisor *self)
{
  VMFT_HYPERVISOR_GET_IFACE (self)->start (self);
}

gboolean
vmft_hypervisor_is_connected (VmftHypervisor *self)
{
  return VMFT_HYPERVISOR_GET_IFACE (self)->is_connected (self);
}

GPtrArray *
vmft_hypervisor_list_vms (VmftHypervisor *self)
{
  return VMFT_HYPERVISOR_GET_IFACE (self)->list_vms (self);
}

VmftVm *
vmft_hypervisor_lookup (VmftHypervisor *self, const char *name)
{
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (self);

  /* virsh's order: an id, a UUID, a name */
  for (guint pass = 0; pass < 3; pass++)
    {
      for (guint i = 0; i < vms->len; i++)
        {
          VmftVm *vm = g_ptr_array_index (vms, i);
          g_autofree char *id = g_strdup_printf ("%d", vm->id);
          const char *const keys[] = { vm->id >= 0 ? id : NULL, vm->uuid, vm->name };

          if (g_strcmp0 (keys[pass], name) == 0)
            return vmft_vm_ref (vm);
        }
    }
  return NULL;
}

static GTask *
new_task (VmftHypervisor *self,
          GCancellable *cancellable,
          GAsyncReadyCallback callback,
          gpointer user_data,
          gpointer tag,
          const char *name)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_name (task, name);
  return task;
}

void
vmft_hypervisor_sample_dirty_async (VmftHypervisor *self,
                                    const char *uuid,
                                    guint period_s,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data)
{
  g_autoptr (GTask) task = new_task (self, cancellable, callback, user_data,
                                     vmft_hypervisor_sample_dirty_async, "vmft sample dirty");

  VMFT_HYPERVISOR_GET_IFACE (self)->sample_dirty (self, uuid, period_s, task);
}

gboolean
vmft_hypervisor_sample_dirty_finish (VmftHypervisor *self,
                                     GAsyncResult *result,
                                     VmftDirtySample *sample,
                                     GError **error)
{
  g_autofree VmftDirtySample *reading = NULL;

  g_return_val_if_fail (g_async_result_is_tagged (result, vmft_hypervisor_sample_dirty_async), FALSE);
  reading = g_task_propagate_pointer (G_TASK (result), error);
  if (reading == NULL)
    return FALSE;
  if (sample != NULL)
    *sample = *reading;
  return TRUE;
}

void
vmft_hypervisor_migrate_async (VmftHypervisor *self,
                               const VmftMigrationSpec *spec,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (self, cancellable, callback, user_data, vmft_hypervisor_migrate_async, "vmft migrate");

  VMFT_HYPERVISOR_GET_IFACE (self)->migrate (self, spec, task);
}

VmftResult *
vmft_hypervisor_migrate_finish (VmftHypervisor *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
vmft_hypervisor_watch_job_async (VmftHypervisor *self,
                                 const char *uuid,
                                 const char *destination_uri,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (self, cancellable, callback, user_data, vmft_hypervisor_watch_job_async, "vmft watch job");

  VMFT_HYPERVISOR_GET_IFACE (self)->watch_job (self, uuid, destination_uri, task);
}

void
vmft_hypervisor_switch_async (VmftHypervisor *self,
                              const char *uuid,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (self, cancellable, callback, user_data, vmft_hypervisor_switch_async, "vmft switch");

  VMFT_HYPERVISOR_GET_IFACE (self)->switch_to_postcopy (self, uuid, task);
}

void
vmft_hypervisor_abort_async (VmftHypervisor *self,
                             const char *uuid,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (self, cancellable, callback, user_data, vmft_hypervisor_abort_async, "vmft abort");

  VMFT_HYPERVISOR_GET_IFACE (self)->abort (self, uuid, task);
}

void
vmft_hypervisor_save_async (VmftHypervisor *self,
                            const char *uuid,
                            const char *directory,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (self, cancellable, callback, user_data, vmft_hypervisor_save_async, "vmft save");

  VMFT_HYPERVISOR_GET_IFACE (self)->save (self, uuid, directory, task);
}

void
vmft_hypervisor_set_policy_async (VmftHypervisor *self,
                                  const char *uuid,
                                  const VmftVmPolicy *policy,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (self, cancellable, callback, user_data, vmft_hypervisor_set_policy_async, "vmft set policy");

  VMFT_HYPERVISOR_GET_IFACE (self)->set_policy (self, uuid, policy, task);
}

gboolean
vmft_hypervisor_bool_finish (VmftHypervisor *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
vmft_hypervisor_probe_async (VmftHypervisor *self,
                             const char *destination,
                             const char *uri,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (self, cancellable, callback, user_data, vmft_hypervisor_probe_async, "vmft probe");

  VMFT_HYPERVISOR_GET_IFACE (self)->probe (self, destination, uri, task);
}

VmftProbe *
vmft_hypervisor_probe_finish (VmftHypervisor *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
