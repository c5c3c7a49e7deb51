/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-vm.h"

static void
disk_free (VmftVmDisk *disk)
{
  g_free (disk->target);
  g_free (disk->source);
  g_free (disk->pool);
  g_free (disk->device);
  g_free (disk);
}

static void
movability_free (VmftMovability *movability)
{
  g_free (movability->destination);
  g_free (movability->reason);
  g_free (movability);
}

VmftVm *
vmft_vm_new (const char *uuid, const char *name)
{
  VmftVm *vm = g_atomic_rc_box_new0 (VmftVm);

  vm->uuid = g_strdup (uuid);
  vm->name = g_strdup (name);
  vm->id = -1;
  vm->policy = VMFT_VM_POLICY_DEFAULT;
  vm->disks = g_ptr_array_new_with_free_func ((GDestroyNotify) disk_free);
  vm->movability = g_ptr_array_new_with_free_func ((GDestroyNotify) movability_free);
  vm->dirty_samples = g_array_new (FALSE, FALSE, sizeof (VmftDirtySample));
  return vm;
}

VmftVm *
vmft_vm_copy (const VmftVm *vm)
{
  VmftVm *copy = vmft_vm_new (vm->uuid, vm->name);

  copy->id = vm->id;
  copy->running = vm->running;
  copy->persistent = vm->persistent;
  copy->kvm = vm->kvm;
  copy->qemu_pid = vm->qemu_pid;
  copy->n_vcpus = vm->n_vcpus;
  copy->memory_bytes = vm->memory_bytes;
  copy->resident_bytes = vm->resident_bytes;
  copy->written_share = vm->written_share;
  copy->rewrite_share = vm->rewrite_share;
  copy->blocker = g_strdup (vm->blocker);
  copy->policy = vm->policy;
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const VmftVmDisk *disk = vm->disks->pdata[i];
      VmftVmDisk *added =
          vmft_vm_add_disk (copy, disk->target, disk->source, disk->device, disk->shared, disk->read_only);

      added->kind = disk->kind;
      added->pool = g_strdup (disk->pool);
      added->allocation_bytes = disk->allocation_bytes;
    }
  for (guint i = 0; i < vm->movability->len; i++)
    {
      const VmftMovability *movability = vm->movability->pdata[i];

      vmft_vm_set_movability (copy, movability->destination, movability->movable, movability->modes,
                              movability->reason, movability->checked_us);
    }
  g_array_append_vals (copy->dirty_samples, vm->dirty_samples->data, vm->dirty_samples->len);
  return copy;
}

VmftVm *
vmft_vm_ref (VmftVm *vm)
{
  return g_atomic_rc_box_acquire (vm);
}

static void
vm_clear (gpointer data)
{
  VmftVm *vm = data;

  g_free (vm->uuid);
  g_free (vm->name);
  g_free (vm->blocker);
  g_ptr_array_unref (vm->disks);
  g_ptr_array_unref (vm->movability);
  g_array_unref (vm->dirty_samples);
}

void
vmft_vm_unref (VmftVm *vm)
{
  g_atomic_rc_box_release_full (vm, vm_clear);
}

VmftVmDisk *
vmft_vm_add_disk (VmftVm *vm,
                  const char *target,
                  const char *source,
                  const char *device,
                  gboolean shared,
                  gboolean read_only)
{
  VmftVmDisk *disk = g_new0 (VmftVmDisk, 1);

  disk->target = g_strdup (target);
  disk->source = g_strdup (source);
  disk->device = g_strdup (device);
  disk->shared = shared;
  disk->read_only = read_only;
  g_ptr_array_add (vm->disks, disk);
  return disk;
}

guint64
vmft_vm_storage_bytes (const VmftVm *vm)
{
  guint64 bytes = 0;

  for (guint i = 0; i < vm->disks->len; i++)
    {
      const VmftVmDisk *disk = vm->disks->pdata[i];

      /* libvirt copies neither shared disks nor read-only ones */
      if (!disk->shared && !disk->read_only)
        bytes += disk->allocation_bytes;
    }
  return bytes;
}

static VmftMovability *
find_movability (const VmftVm *vm, const char *destination)
{
  for (guint i = 0; i < vm->movability->len; i++)
    {
      VmftMovability *movability = vm->movability->pdata[i];

      if (g_str_equal (movability->destination, destination))
        return movability;
    }
  return NULL;
}

static VmftMovability *
lookup_movability (VmftVm *vm, const char *destination)
{
  VmftMovability *movability = find_movability (vm, destination);

  if (movability != NULL)
    return movability;
  movability = g_new0 (VmftMovability, 1);
  movability->destination = g_strdup (destination);
  g_ptr_array_add (vm->movability, movability);
  return movability;
}

void
vmft_vm_set_movability (VmftVm *vm,
                        const char *destination,
                        gboolean movable,
                        guint modes,
                        const char *reason,
                        VmftTime checked_us)
{
  VmftMovability *movability;
  g_autofree char *copy = NULL;

  g_return_if_fail (movable || reason != NULL);

  movability = lookup_movability (vm, destination);
  copy = g_strdup (movable ? NULL : reason);
  g_free (movability->reason);
  movability->reason = g_steal_pointer (&copy);
  movability->movable = movable;
  movability->modes = modes;
  movability->checked_us = checked_us;
}

guint
vmft_vm_modes_to (const VmftVm *vm, const char *destination)
{
  const VmftMovability *movability = find_movability (vm, destination);

  return movability != NULL ? movability->modes : VMFT_MODES_ALL;
}

/* what some destination can do; all while none was asked */
static guint
modes_to_any (const VmftVm *vm)
{
  guint modes = 0;

  for (guint i = 0; i < vm->movability->len; i++)
    modes |= ((const VmftMovability *) vm->movability->pdata[i])->modes;
  return vm->movability->len > 0 ? modes : VMFT_MODES_ALL;
}

static GVariant *
disks_to_variant (const VmftVm *vm)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const VmftVmDisk *disk = vm->disks->pdata[i];
      GVariantDict dict;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "target", "s", disk->target);
      if (disk->source != NULL)
        g_variant_dict_insert (&dict, "source", "s", disk->source);
      if (disk->pool != NULL)
        g_variant_dict_insert (&dict, "pool", "s", disk->pool);
      if (disk->device != NULL)
        g_variant_dict_insert (&dict, "device", "s", disk->device);
      g_variant_dict_insert (&dict, "shared", "b", disk->shared);
      g_variant_dict_insert (&dict, "read_only", "b", disk->read_only);
      if (disk->allocation_bytes > 0)
        g_variant_dict_insert (&dict, "allocation_bytes", "t", disk->allocation_bytes);
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
movability_to_variant (const VmftVm *vm)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < vm->movability->len; i++)
    {
      const VmftMovability *movability = vm->movability->pdata[i];
      g_autofree char *modes = vmft_modes_to_string (movability->modes);
      GVariantDict dict;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "destination", "s", movability->destination);
      g_variant_dict_insert (&dict, "modes", "s", modes);
      g_variant_dict_insert (&dict, "movable", "b", movability->movable);
      if (movability->reason != NULL)
        g_variant_dict_insert (&dict, "reason", "s", movability->reason);
      g_variant_dict_insert (&dict, "checked_us", "x", movability->checked_us);
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&builder);
}

GVariant *
vmft_vm_to_variant (const VmftVm *vm)
{
  g_autofree char *modes = vmft_modes_to_string (modes_to_any (vm));
  g_autofree char *allowed = vmft_modes_to_string (vm->policy.modes);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uuid", "s", vm->uuid);
  g_variant_dict_insert (&dict, "name", "s", vm->name);
  g_variant_dict_insert (&dict, "id", "i", vm->id);
  g_variant_dict_insert (&dict, "running", "b", vm->running);
  g_variant_dict_insert (&dict, "persistent", "b", vm->persistent);
  g_variant_dict_insert (&dict, "kvm", "b", vm->kvm);
  /* libvirt's calculations that can be believed of it: under TCG dirty-bitmap says 0 and no error */
  g_variant_dict_insert (&dict, "dirty_rate_modes", "s",
                         vm->kvm ? "page-sampling,dirty-bitmap" : "page-sampling");
  g_variant_dict_insert (&dict, "qemu_pid", "i", vm->qemu_pid);
  g_variant_dict_insert (&dict, "vcpus", "u", vm->n_vcpus);
  g_variant_dict_insert (&dict, "memory_bytes", "t", vm->memory_bytes);
  g_variant_dict_insert (&dict, "resident_bytes", "t", vm->resident_bytes);
  if (vm->written_share > 0.0)
    g_variant_dict_insert (&dict, "written_share", "d", vm->written_share);
  if (vm->rewrite_share > 0.0)
    g_variant_dict_insert (&dict, "rewrite_share", "d", vm->rewrite_share);
  g_variant_dict_insert (&dict, "modes", "s", modes);
  if (vm->blocker != NULL)
    g_variant_dict_insert (&dict, "blocker", "s", vm->blocker);
  g_variant_dict_insert (&dict, "priority", "u", vm->policy.priority);
  g_variant_dict_insert (&dict, "allowed_modes", "s", allowed);
  g_variant_dict_insert (&dict, "max_downtime_ms", "u", vm->policy.max_downtime_ms);
  g_variant_dict_insert (&dict, "off", "b", vm->policy.off);
  g_variant_dict_insert (&dict, "dirty_samples", "u", vm->dirty_samples->len);
  g_variant_dict_insert_value (&dict, "disks", disks_to_variant (vm));
  g_variant_dict_insert_value (&dict, "movability", movability_to_variant (vm));
  return g_variant_dict_end (&dict);
}
