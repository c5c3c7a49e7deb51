/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-vm-policy.h"

gboolean
vmft_vm_policy_equal (const VmftVmPolicy *a, const VmftVmPolicy *b)
{
  return a->priority == b->priority && a->modes == b->modes && a->max_downtime_ms == b->max_downtime_ms &&
         !a->off == !b->off;
}

static gboolean
reset (VmftVmPolicy *policy, const char *name, GError **error)
{
  const VmftVmPolicy fresh = VMFT_VM_POLICY_DEFAULT;

  if (g_str_equal (name, "priority"))
    policy->priority = fresh.priority;
  else if (g_str_equal (name, "modes"))
    policy->modes = fresh.modes;
  else if (g_str_equal (name, "max-downtime-ms"))
    policy->max_downtime_ms = fresh.max_downtime_ms;
  else if (g_str_equal (name, "off"))
    policy->off = fresh.off;
  else
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "reset: “%s” is none of priority, modes, max-downtime-ms and off", name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
reset_named (VmftVmPolicy *policy, GVariant *changes, GError **error)
{
  g_autofree const char **names = NULL;

  if (!g_variant_lookup (changes, "reset", "^a&s", &names))
    return TRUE;
  for (guint i = 0; names[i] != NULL; i++)
    if (!reset (policy, names[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
set_number (GVariant *changes, const char *name, guint maximum, guint *value, GError **error)
{
  guint given = 0;

  if (!g_variant_lookup (changes, name, "u", &given))
    return TRUE;
  if (given < 1 || given > maximum)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s: %u is not from 1 to %u", name, given, maximum);
      return FALSE;
    }
  *value = given;
  return TRUE;
}

gboolean
vmft_vm_policy_change (VmftVmPolicy *policy, GVariant *changes, GError **error)
{
  VmftVmPolicy changed = *policy;
  const char *modes = NULL;

  if (!reset_named (&changed, changes, error) ||
      !set_number (changes, "priority", VMFT_PRIORITY_MAX, &changed.priority, error) ||
      !set_number (changes, "max-downtime-ms", VMFT_MAX_DOWNTIME_MS, &changed.max_downtime_ms, error))
    return FALSE;
  if (g_variant_lookup (changes, "modes", "&s", &modes) &&
      !vmft_modes_from_string (modes, &changed.modes, error))
    {
      g_prefix_error (error, "modes: ");
      return FALSE;
    }
  g_variant_lookup (changes, "off", "b", &changed.off);
  *policy = changed;
  return TRUE;
}
