/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-replay.h"

#include <string.h>

void
vmft_replay_vm_free (VmftReplayVm *vm)
{
  g_free (vm->name);
  g_free (vm);
}

static gboolean
parse_bytes (const char *text, double *bytes, GError **error)
{
  guint64 value = 0;

  if (!vmft_text_parse_bytes (text, &value, error))
    return FALSE;
  *bytes = (double) value;
  return TRUE;
}

VmftReplayVm *
vmft_replay_parse_vm (const char *text, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, ":", 5);
  g_autoptr (VmftReplayVm) vm = g_new0 (VmftReplayVm, 1);
  guint n = g_strv_length (parts);

  if (n < 2 || n > 4 || *parts[0] == '\0')
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "“%s” is not NAME:MEMORY[:DIRTY-RATE[:WORKING-SET]]", text);
      return NULL;
    }
  vm->name = g_strdup (parts[0]);
  if (!vmft_text_parse_bytes (parts[1], &vm->memory_bytes, error) ||
      (n > 2 && !parse_bytes (parts[2], &vm->dirty_bps, error)) ||
      (n > 3 && !parse_bytes (parts[3], &vm->working_set_bytes, error)))
    return NULL;
  if (n < 4)
    vm->working_set_bytes = vm->dirty_bps > 0.0 ? (double) vm->memory_bytes / 4.0 : 0.0;
  if (vm->memory_bytes > 0 && vm->working_set_bytes <= (double) vm->memory_bytes)
    return g_steal_pointer (&vm);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
               "%s: memory must be more than 0 and hold the working set", text);
  return NULL;
}

/* --- what vmftctl list --json printed --- */

static VmftReplayVm *
vm_from_record (GVariant *record)
{
  g_autoptr (GVariant) curve = g_variant_lookup_value (record, "curve", G_VARIANT_TYPE_VARDICT);
  g_autoptr (VmftReplayVm) vm = g_new0 (VmftReplayVm, 1);
  gint64 memory_bytes = vmft_dict_int64 (record, "memory_bytes", 0);

  if (vmft_dict_string (record, "name") == NULL || memory_bytes <= 0)
    return NULL;
  vm->name = g_strdup (vmft_dict_string (record, "name"));
  vm->memory_bytes = (guint64) memory_bytes;
  vm->resident_bytes =
      (guint64) CLAMP (vmft_dict_int64 (record, "resident_bytes", memory_bytes), 0, memory_bytes);
  if (curve != NULL)
    {
      vm->dirty_bps = MAX (vmft_dict_double (curve, "rate_bps", 0.0), 0.0);
      vm->working_set_bytes =
          CLAMP (vmft_dict_double (curve, "working_set_bytes", 0.0), 0.0, (double) memory_bytes);
    }
  return g_steal_pointer (&vm);
}

static gboolean
add_record (GPtrArray *vms, GVariant *boxed)
{
  g_autoptr (GVariant) record =
      g_variant_is_of_type (boxed, G_VARIANT_TYPE_VARIANT) ? g_variant_get_variant (boxed) : NULL;
  VmftReplayVm *vm = NULL;

  if (record == NULL || !g_variant_is_of_type (record, G_VARIANT_TYPE_VARDICT))
    return FALSE;
  if (!vmft_dict_boolean (record, "running", TRUE))
    return TRUE;
  vm = vm_from_record (record);
  if (vm != NULL)
    g_ptr_array_add (vms, vm);
  return vm != NULL;
}

GPtrArray *
vmft_replay_read_vms (const char *path, GError **error)
{
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_replay_vm_free);
  g_autofree char *text = NULL;
  g_autoptr (GVariant) list = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    return NULL;
  list = vmft_json_to_variant (text, error);
  if (list == NULL)
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }
  for (gsize i = 0; g_variant_is_of_type (list, G_VARIANT_TYPE ("av")) && i < g_variant_n_children (list);
       i++)
    {
      g_autoptr (GVariant) boxed = g_variant_get_child_value (list, i);

      if (add_record (vms, boxed))
        continue;
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "%s: element %" G_GSIZE_FORMAT " is no VM with name and memory_bytes", path, i);
      return NULL;
    }
  if (g_variant_is_of_type (list, G_VARIANT_TYPE ("av")))
    return g_steal_pointer (&vms);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s: not a list, as “vmftctl list --json” prints it",
               path);
  return NULL;
}
