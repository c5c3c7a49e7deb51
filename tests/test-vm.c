/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-policy.h"
#include "vmft-vm.h"

static VmftVm *
example (void)
{
  VmftVm *vm = vmft_vm_new ("00000000-0000-0000-0000-000000000001", "web");
  VmftDirtySample sample = { 7, 1.0, 4096.0, 100.0 };
  VmftVmDisk *volume = NULL;

  vm->running = TRUE;
  vm->memory_bytes = 1 << 30;
  vm->policy.priority = 9;
  vm->blocker = g_strdup ("a PCI device is passed through");
  vmft_vm_add_disk (vm, "vda", "/dev/sda", "sda", TRUE, FALSE);
  vmft_vm_add_disk (vm, "vdb", NULL, NULL, TRUE, FALSE);
  volume = vmft_vm_add_disk (vm, "vdc", "web.img", NULL, FALSE, FALSE);
  volume->kind = VMFT_DISK_VOLUME;
  volume->pool = g_strdup ("images");
  vmft_vm_set_movability (vm, "B", FALSE, VMFT_MODES_ALL, "no bridge br0 there", 5);
  g_array_append_val (vm->dirty_samples, sample);
  return vm;
}

static void
test_copy_is_deep (void)
{
  g_autoptr (VmftVm) vm = example ();
  g_autoptr (VmftVm) copy = vmft_vm_copy (vm);
  g_autoptr (GVariant) before = g_variant_ref_sink (vmft_vm_to_variant (vm));
  g_autoptr (GVariant) same = g_variant_ref_sink (vmft_vm_to_variant (copy));
  g_autoptr (GVariant) after = NULL;

  g_assert_true (g_variant_equal (before, same));
  g_assert_cmpint (((const VmftVmDisk *) copy->disks->pdata[2])->kind, ==, VMFT_DISK_VOLUME);
  vmft_vm_set_movability (copy, "B", TRUE, VMFT_MODES_ALL, NULL, 6);
  vmft_vm_add_disk (copy, "vdc", "/tmp/c", NULL, FALSE, TRUE);
  g_array_set_size (copy->dirty_samples, 0);
  after = g_variant_ref_sink (vmft_vm_to_variant (vm));
  g_assert_true (g_variant_equal (before, after));
  g_assert_cmpuint (vm->dirty_samples->len, ==, 1);
}

static void
test_movability_is_replaced (void)
{
  g_autoptr (VmftVm) vm = example ();
  const VmftMovability *movability = vm->movability->pdata[0];

  /* the reason handed in may be the one that is replaced */
  vmft_vm_set_movability (vm, "B", FALSE, VMFT_MODES_ALL, movability->reason, 6);
  g_assert_cmpstr (movability->reason, ==, "no bridge br0 there");
  vmft_vm_set_movability (vm, "B", TRUE, VMFT_MODES_ALL, NULL, 8);
  g_assert_cmpuint (vm->movability->len, ==, 1);
  g_assert_true (movability->movable);
  g_assert_null (movability->reason);
  g_assert_cmpint (movability->checked_us, ==, 8);
  vmft_vm_set_movability (vm, "C", TRUE, VMFT_MODES_ALL, NULL, 8);
  g_assert_cmpuint (vm->movability->len, ==, 2);
}

static void
test_defaults (void)
{
  g_autoptr (VmftVm) vm = vmft_vm_new ("u", "n");
  g_autoptr (VmftVm) held = vmft_vm_ref (vm);

  g_assert_true (held == vm);
  g_assert_cmpint (vm->id, ==, -1);
  g_assert_false (vm->running);
  g_assert_cmpuint (vm->policy.priority, ==, 5);
  g_assert_cmpuint (vm->policy.modes, ==, VMFT_MODES_ALL);
}

static void
test_record (void)
{
  g_autoptr (VmftVm) vm = example ();
  g_autoptr (GVariant) record = g_variant_ref_sink (vmft_vm_to_variant (vm));
  g_autoptr (GVariant) disks = g_variant_lookup_value (record, "disks", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) volume = g_variant_get_child_value (disks, 2);

  g_assert_cmpstr (vmft_dict_string (record, "name"), ==, "web");
  g_assert_cmpint (vmft_dict_int64 (record, "memory_bytes", 0), ==, 1 << 30);
  g_assert_cmpstr (vmft_dict_string (record, "blocker"), ==, "a PCI device is passed through");
  g_assert_cmpuint (g_variant_n_children (disks), ==, 3);
  g_assert_cmpstr (vmft_dict_string (volume, "pool"), ==, "images");
  g_assert_cmpstr (vmft_dict_string (record, "dirty_rate_modes"), ==, "page-sampling");
}

/* What a forecast is made from: pages that were written, and the disks that have to go along. */
static void
test_load (void)
{
  static const guint64 mib = 1 << 20;
  g_autoptr (VmftVm) vm = example ();
  g_autoptr (VmftVm) copy = NULL;
  VmftPolicyVm *fitted;

  vm->resident_bytes = 800 * mib;
  vm->written_share = 0.5;
  vm->rewrite_share = 0.02;
  vmft_vm_add_disk (vm, "vdd", "/srv/d.iso", "sda", FALSE, TRUE);
  for (guint i = 0; i < vm->disks->len; i++)
    ((VmftVmDisk *) vm->disks->pdata[i])->allocation_bytes = 100 * mib;
  copy = vmft_vm_copy (vm);
  /* not the shared ones, nor the one that nobody writes to */
  g_assert_cmpuint (vmft_vm_storage_bytes (copy), ==, 100 * mib);
  fitted = vmft_policy_vm_new (copy, 0);
  g_assert_cmpfloat (fitted->load.storage_bytes, ==, 100.0 * mib);
  g_assert_cmpfloat (fitted->load.resident_bytes, ==, 512.0 * mib);
  g_assert_cmpfloat (fitted->load.rewrite_share, ==, 0.02);
  vmft_policy_vm_free (fitted);
  /* a page that was only read is in no RSS, however much of the memory looks written */
  copy->resident_bytes = 300 * mib;
  fitted = vmft_policy_vm_new (copy, 0);
  g_assert_cmpfloat (fitted->load.resident_bytes, ==, 300.0 * mib);
  vmft_policy_vm_free (fitted);
}

static gboolean
change (VmftVmPolicy *policy, const char *changes, GError **error)
{
  g_autoptr (GVariant) parsed = g_variant_parse (G_VARIANT_TYPE_VARDICT, changes, NULL, NULL, error);

  g_assert_nonnull (parsed);
  return vmft_vm_policy_change (policy, parsed, error);
}

static void
test_policy_changes (void)
{
  const VmftVmPolicy fresh = VMFT_VM_POLICY_DEFAULT;
  VmftVmPolicy policy = VMFT_VM_POLICY_DEFAULT;
  g_autoptr (GError) error = NULL;

  g_assert_true (change (&policy, "{'priority': <uint32 8>, 'off': <true>}", &error));
  g_assert_true (
      change (&policy, "{'modes': <'hybrid, post-copy'>, 'max-downtime-ms': <uint32 90>}", &error));
  g_assert_no_error (error);
  g_assert_cmpuint (policy.priority, ==, 8);
  g_assert_cmpuint (policy.modes, ==, vmft_mode_bit (VMFT_MODE_HYBRID) | vmft_mode_bit (VMFT_MODE_POSTCOPY));
  g_assert_cmpuint (policy.max_downtime_ms, ==, 90);
  g_assert_true (policy.off);
  g_assert_false (vmft_vm_policy_equal (&policy, &fresh));
  /* what is reset and given is given */
  g_assert_true (change (
      &policy, "{'reset': <['priority', 'modes', 'max-downtime-ms', 'off']>, 'off': <true>}", &error));
  g_assert_true (policy.off);
  policy.off = FALSE;
  g_assert_true (vmft_vm_policy_equal (&policy, &fresh));
}

static void
test_policy_bad_changes (void)
{
  static const char *const bad[] = {
    "{'priority': <uint32 0>}",
    "{'priority': <uint32 11>}",
    "{'max-downtime-ms': <uint32 0>}",
    "{'max-downtime-ms': <uint32 2000001>}",
    "{'modes': <''>}",
    "{'modes': <'teleport'>}",
    "{'reset': <['everything']>}",
    "{'off': <true>, 'priority': <uint32 4000000000>}",
    "{'off': <true>, 'reset': <['', 'x']>}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      const VmftVmPolicy before = { .priority = 3, .modes = 1, .max_downtime_ms = 7 };
      VmftVmPolicy policy = before;
      g_autoptr (GError) error = NULL;

      g_assert_false (change (&policy, bad[i], &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
      g_assert_true (vmft_vm_policy_equal (&policy, &before));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vm/copy-is-deep", test_copy_is_deep);
  g_test_add_func ("/vm/movability-is-replaced", test_movability_is_replaced);
  g_test_add_func ("/vm/defaults", test_defaults);
  g_test_add_func ("/vm/record", test_record);
  g_test_add_func ("/vm-policy/changes", test_policy_changes);
  g_test_add_func ("/vm-policy/bad-changes", test_policy_bad_changes);
  g_test_add_func ("/vm/load", test_load);
  return g_test_run ();
}
