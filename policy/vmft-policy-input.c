/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-policy.h"

#define DIRTY_SAMPLE_MAX_AGE_S (6.0 * 3600.0)

static const char *const operation_names[] = { "observe", "advise", "act" };
static const char *const fallback_names[] = { "fastest", "alert", "save" };

static gboolean
name_to_index (const char *const *names, guint n, const char *text, guint *index)
{
  for (guint i = 0; text != NULL && i < n; i++)
    if (g_str_equal (text, names[i]))
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

const char *
vmft_operation_to_string (VmftOperation operation)
{
  g_return_val_if_fail ((guint) operation < G_N_ELEMENTS (operation_names), "observe");
  return operation_names[operation];
}

gboolean
vmft_operation_from_string (const char *text, VmftOperation *operation)
{
  guint index = 0;
  gboolean known = name_to_index (operation_names, G_N_ELEMENTS (operation_names), text, &index);

  if (known)
    *operation = (VmftOperation) index;
  return known;
}

const char *
vmft_fallback_to_string (VmftFallback fallback)
{
  g_return_val_if_fail ((guint) fallback < G_N_ELEMENTS (fallback_names), "fastest");
  return fallback_names[fallback];
}

gboolean
vmft_fallback_from_string (const char *text, VmftFallback *fallback)
{
  guint index = 0;
  gboolean known = name_to_index (fallback_names, G_N_ELEMENTS (fallback_names), text, &index);

  if (known)
    *fallback = (VmftFallback) index;
  return known;
}

VmftPolicyVm *
vmft_policy_vm_new (VmftVm *vm, VmftTime now_us)
{
  VmftPolicyVm *self = g_new0 (VmftPolicyVm, 1);

  self->vm = vmft_vm_ref (vm);
  self->load = VMFT_LOAD_DEFAULT;
  self->load.uuid = vm->uuid;
  self->load.memory_bytes = (double) vm->memory_bytes;
  self->load.resident_bytes = (double) vm->resident_bytes;
  if (vm->written_share > 0.0)
    {
      double written_bytes = vm->written_share * (double) vm->memory_bytes;

      self->load.resident_bytes =
          vm->resident_bytes > 0 ? MIN (self->load.resident_bytes, written_bytes) : written_bytes;
    }
  self->load.rewrite_share = vm->rewrite_share;
  self->load.storage_bytes = (double) vmft_vm_storage_bytes (vm);
  self->load.kvm = vm->kvm;
  if (vm->policy.max_downtime_ms > 0)
    self->load.max_downtime_s = vm->policy.max_downtime_ms / 1e3;
  else
    self->load.max_downtime_s = 0.0; /* the plan's configuration decides */
  vmft_dirty_curve_fit (&self->load.curve, (const VmftDirtySample *) (gpointer) vm->dirty_samples->data,
                        vm->dirty_samples->len, (double) vm->memory_bytes, now_us, DIRTY_SAMPLE_MAX_AGE_S);
  return self;
}

void
vmft_policy_vm_free (VmftPolicyVm *vm)
{
  vmft_vm_unref (vm->vm);
  g_free (vm);
}

VmftDestination *
vmft_destination_new (const char *name)
{
  VmftDestination *self = g_new0 (VmftDestination, 1);

  self->name = g_strdup (name);
  self->reachable = TRUE;
  self->weight = 1.0;
  return self;
}

void
vmft_destination_free (VmftDestination *destination)
{
  g_free (destination->name);
  g_free (destination->suspect_reason);
  g_strfreev (destination->same_storage);
  g_clear_pointer (&destination->barred, g_hash_table_unref);
  g_free (destination);
}
