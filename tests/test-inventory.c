/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-block-device.h"
#include "vmft-capabilities.h"
#include "vmft-common.h"
#include "vmft-domain-xml.h"
#include "vmft-inventory-load.h"
#include "vmft-resident.h"
#include "vmft-inventory.h"
#include "vmft-libvirt-call.h"
#include "vmft-migrate.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* --- block devices --- */

static void
make_device (const char *sysfs, const char *name, const char *number, const char *below)
{
  g_autofree char *device = g_build_filename (sysfs, "devices", name, NULL);
  g_autofree char *dev_file = g_build_filename (device, "dev", NULL);
  g_autofree char *block = g_build_filename (sysfs, "block", name, NULL);
  g_autofree char *class = g_build_filename (sysfs, "class/block", name, NULL);
  g_autofree char *by_number = g_build_filename (sysfs, "dev/block", number, NULL);
  g_autofree char *block_target = g_strdup_printf ("../devices/%s", name);
  g_autofree char *deep_target = g_strdup_printf ("../../devices/%s", name);
  g_autofree char *slaves = g_build_filename (device, "slaves", NULL);
  const char *const parts[] = { "block", "class/block", "dev/block" };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *path = g_build_filename (sysfs, parts[i], NULL);

      g_mkdir_with_parents (path, 0700);
    }
  g_mkdir_with_parents (slaves, 0700);
  g_assert_true (g_file_set_contents (dev_file, number, -1, NULL));
  g_assert_cmpint (symlink (block_target, block), ==, 0);
  g_assert_cmpint (symlink (deep_target, class), ==, 0);
  g_assert_cmpint (symlink (deep_target, by_number), ==, 0);
  if (below != NULL)
    {
      g_autofree char *link = g_build_filename (slaves, below, NULL);

      g_assert_cmpint (symlink ("..", link), ==, 0);
    }
}

static void
test_block_stack (void)
{
  g_autofree char *sysfs = g_dir_make_tmp ("vmft-sysfs-XXXXXX", NULL);
  g_auto (GStrv) stack = NULL;
  const char *const expected[] = { "dm-1", "dm-0", "md0", "sda", NULL };
  g_autofree char *command = g_strdup_printf ("rm -r %s", sysfs);

  make_device (sysfs, "sda", "8:0", NULL);
  make_device (sysfs, "sdb", "8:16", NULL);
  make_device (sysfs, "md0", "9:0", "sda");
  make_device (sysfs, "dm-0", "253:0", "md0");
  make_device (sysfs, "dm-1", "253:1", "dm-0");
  stack = vmft_block_device_stack (sysfs, "dm-1");
  g_assert_cmpstrv (stack, expected);
  g_assert_true (vmft_block_device_lives_on (sysfs, "dm-1", "sda"));
  g_assert_true (vmft_block_device_lives_on (sysfs, "sda", "sda"));
  g_assert_false (vmft_block_device_lives_on (sysfs, "dm-1", "sdb"));
  g_assert_false (vmft_block_device_lives_on (sysfs, "sda", "dm-1"));
  g_assert_false (vmft_block_device_is_shared (sysfs, "dm-1"));
  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
}

static void
test_block_device_of_nothing (void)
{
  g_assert_null (vmft_block_device_of_path ("/sys", "/no/such/file"));
  g_assert_null (vmft_block_device_of_path ("/sys", "/proc/self"));
  g_assert_null (vmft_block_device_of_path ("/sys", NULL));
}

static void
test_modes_of_qemu (void)
{
  const guint old = vmft_mode_bit (VMFT_MODE_PRECOPY) | vmft_mode_bit (VMFT_MODE_XBZRLE);

  g_assert_cmpuint (vmft_modes_of_qemu (7002000), ==, VMFT_MODES_ALL);
  g_assert_cmpuint (vmft_modes_of_qemu (2005000), ==, old | vmft_mode_bit (VMFT_MODE_AUTO_CONVERGE));
  g_assert_cmpuint (vmft_modes_of_qemu (0), ==, old);
}

/* --- processes --- */

static void
test_resident (void)
{
  g_autofree char *proc = g_dir_make_tmp ("vmft-proc-XXXXXX", NULL);
  g_autofree char *dir = g_build_filename (proc, "42", NULL);
  g_autofree char *file = g_build_filename (dir, "status", NULL);
  const char *status = "Name:\tqemu\nRssAnon:\t  307200 kB\nRssFile:\t   40000 kB\nRssShmem:\t       0 kB\n"
                       "VmSwap:\t  102400 kB\nHugetlbPages:\t       0 kB\n";

  g_mkdir (dir, 0700);
  g_assert_true (g_file_set_contents (file, status, -1, NULL));
  /* 300 MiB in memory and 100 in swap, less QEMU's own */
  g_assert_cmpuint (vmft_resident_bytes (proc, 42, TRUE, 0), ==, (guint64) (400 - 16) << 20);
  g_assert_cmpuint (vmft_resident_bytes (proc, 42, FALSE, 0), ==, (guint64) (400 - 32) << 20);
  g_assert_cmpuint (vmft_resident_bytes (proc, 43, TRUE, 0), ==, 0);
  g_assert_cmpuint (vmft_resident_bytes (proc, 0, TRUE, 0), ==, 0);
  g_unlink (file);
  g_rmdir (dir);
  g_rmdir (proc);
}

/* The RAM's own mapping is counted, not the code that TCG made, nor the heap, nor a thread's reserve. */
static void
test_resident_mapping (void)
{
  const guint64 mib = 1 << 20;
  g_autofree char *proc = g_dir_make_tmp ("vmft-proc-XXXXXX", NULL);
  g_autofree char *dir = g_build_filename (proc, "42", NULL);
  g_autofree char *status = g_build_filename (dir, "status", NULL);
  g_autofree char *smaps = g_build_filename (dir, "smaps", NULL);
  const char *maps =
      "5627b2f32000-5627b3e29000 rw-p 00000000 00:00 0                          [heap]\n"
      "Size:              15324 kB\nRss:                4096 kB\nSwap:                  0 kB\n"
      "7f3d1bc00000-7f3d2bc02000 rw-p 00000000 00:00 0 \n"
      "Size:             262152 kB\nRss:              122880 kB\nPss:              122880 kB\n"
      "Swap:               1024 kB\nSwapPss:               0 kB\n"
      "7f3d3c000000-7f3d7bfff000 rwxp 00000000 00:00 0 \n"
      "Size:            1048572 kB\nRss:               40960 kB\nSwap:                  0 kB\n"
      "7f3d80000000-7f3dc0000000 ---p 00000000 00:00 0 \n"
      "Size:            1048576 kB\nRss:                   0 kB\nSwap:                  0 kB\n";

  g_mkdir (dir, 0700);
  g_assert_true (g_file_set_contents (status, "Name:\tqemu\nRssAnon:\t  180000 kB\n", -1, NULL));
  g_assert_true (g_file_set_contents (smaps, maps, -1, NULL));
  g_assert_cmpuint (vmft_resident_bytes (proc, 42, FALSE, 256 * mib), ==, 121 * mib);
  /* no mapping is as large as the RAM is said to be: the whole process less QEMU's usual share */
  g_assert_cmpuint (vmft_resident_bytes (proc, 42, FALSE, 512 * mib), ==, 180000 * 1024 - 32 * mib);
  /* of a large one the page tables are not walked */
  g_assert_true (g_file_set_contents (status, "Name:\tqemu\nRssAnon:\t  5242880 kB\n", -1, NULL));
  g_assert_cmpuint (vmft_resident_bytes (proc, 42, TRUE, 256 * mib), ==, (5120 - 16) * mib);
  g_unlink (status);
  g_unlink (smaps);
  g_rmdir (dir);
  g_rmdir (proc);
}

static void
test_path_below (void)
{
  const char *const paths[] = { "/srv/images/", "/dev/mapper/san", NULL };

  g_assert_true (vmft_path_is_below ("/srv/images/a.qcow2", paths));
  g_assert_true (vmft_path_is_below ("/dev/mapper/san", paths));
  g_assert_false (vmft_path_is_below ("/srv/images2/a.qcow2", paths));
  g_assert_false (vmft_path_is_below ("/srv", paths));
  g_assert_false (vmft_path_is_below ("/srv", NULL));
}

/* --- libvirt's test driver --- */

typedef struct
{
  GMainLoop *loop;
  guint n_changed;
  gboolean connected;
} Seen;

static void
on_connected (VmftHypervisor *hypervisor, gboolean up, Seen *seen)
{
  seen->connected = up;
  g_main_loop_quit (seen->loop);
}

static void
on_changed (VmftHypervisor *hypervisor, const char *uuid, Seen *seen)
{
  seen->n_changed++;
}

static void
test_hypervisor_on_test_driver (void)
{
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (VmftHypervisor) hypervisor = vmft_libvirt_hypervisor_new ("test:///default", clock);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Seen seen = { .loop = loop };
  g_autoptr (VmftVm) by_name = NULL;
  g_autoptr (VmftVm) by_id = NULL;
  g_autoptr (VmftVm) none = NULL;

  g_signal_connect (hypervisor, "connected", G_CALLBACK (on_connected), &seen);
  g_signal_connect (hypervisor, "vm-changed", G_CALLBACK (on_changed), &seen);
  g_assert_false (vmft_hypervisor_is_connected (hypervisor));
  vmft_hypervisor_start (hypervisor);
  g_main_loop_run (loop);
  g_assert_true (seen.connected);
  g_assert_true (vmft_hypervisor_is_connected (hypervisor));
  g_assert_cmpuint (seen.n_changed, ==, 1);
  by_name = vmft_hypervisor_lookup (hypervisor, "test");
  g_assert_nonnull (by_name);
  g_assert_true (by_name->running);
  g_assert_true (by_name->persistent);
  g_assert_cmpuint (by_name->memory_bytes, ==, G_GUINT64_CONSTANT (2) << 30);
  by_id = vmft_hypervisor_lookup (hypervisor, "1");
  g_assert_true (by_id == by_name);
  none = vmft_hypervisor_lookup (hypervisor, "web9");
  g_assert_null (none);
}

typedef struct
{
  gboolean done;
  GError *error;
} Written;

static void
on_written (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Written *written = user_data;

  written->done = TRUE;
  if (vmft_hypervisor_bool_finish (VMFT_HYPERVISOR (object), async, &written->error))
    g_assert_no_error (written->error);
}

static void
write_policy (VmftHypervisor *hypervisor, const char *uuid, const VmftVmPolicy *policy, GError **error)
{
  Written written = { 0 };

  vmft_hypervisor_set_policy_async (hypervisor, uuid, policy, NULL, on_written, &written);
  while (!written.done)
    g_main_context_iteration (NULL, TRUE);
  if (written.error != NULL)
    g_propagate_error (error, written.error);
}

/* As another client of libvirt sees it. */
static char *
read_element (const char *uri)
{
  g_autoptr (virConnect) connection = virConnectOpen (uri);
  g_autoptr (virDomain) domain = connection ? virDomainLookupByName (connection, "test") : NULL;
  char *xml = NULL;
  char *copy = NULL;

  g_assert_nonnull (domain);
  xml = virDomainGetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, VMFT_DOMAIN_XMLNS, VIR_DOMAIN_AFFECT_LIVE);
  copy = g_strdup (xml);
  free (xml);
  return copy;
}

/* libvirt keeps it, tells us, and gives it back: in the running domain and in its definition. */
static void
test_policy_in_metadata (void)
{
  const VmftVmPolicy wanted = { .priority = 8, .modes = 1, .max_downtime_ms = 150, .off = TRUE };
  const VmftVmPolicy fresh = VMFT_VM_POLICY_DEFAULT;
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (VmftHypervisor) hypervisor = vmft_libvirt_hypervisor_new ("test:///default", clock);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Seen seen = { .loop = loop };
  g_autoptr (VmftVm) before = NULL;
  g_autoptr (VmftVm) after = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *element = NULL;

  g_signal_connect (hypervisor, "connected", G_CALLBACK (on_connected), &seen);
  vmft_hypervisor_start (hypervisor);
  g_main_loop_run (loop);
  before = vmft_hypervisor_lookup (hypervisor, "test");
  g_signal_connect (hypervisor, "vm-changed", G_CALLBACK (on_changed), &seen);
  seen.n_changed = 0;
  write_policy (hypervisor, before->uuid, &wanted, &error);
  g_assert_no_error (error);
  after = vmft_hypervisor_lookup (hypervisor, "test");
  g_assert_true (vmft_vm_policy_equal (&after->policy, &wanted));
  g_assert_cmpuint (seen.n_changed, >=, 1);
  element = read_element ("test:///default");
  g_assert_nonnull (strstr (element, "priority=\"8\""));
  g_assert_nonnull (strstr (element, "off=\"yes\""));
  /* the inventory, read anew, says the same */
  seen.n_changed = 0;
  while (seen.n_changed == 0)
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&after, vmft_vm_unref);
  after = vmft_hypervisor_lookup (hypervisor, "test");
  g_assert_true (vmft_vm_policy_equal (&after->policy, &wanted));
  g_assert_cmpstr (after->blocker, ==, before->blocker);
  write_policy (hypervisor, before->uuid, &fresh, &error);
  g_assert_no_error (error);
  g_clear_pointer (&element, g_free);
  element = read_element ("test:///default");
  g_assert_null (element);
  write_policy (hypervisor, "00000000-0000-0000-0000-000000000000", &wanted, &error);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND);
}

/* --- a destination, as the test driver plays it: it has network "default" and interface "eth1" --- */

static char *
probe_for (const char *devices)
{
  g_autofree char *xml = g_strdup_printf ("<domain type='test'><devices>%s</devices></domain>", devices);
  g_autoptr (virConnect) connection = virConnectOpen ("test:///default");
  g_autoptr (GTask) task = g_task_new (NULL, NULL, NULL, NULL);
  VmftProbeRequest *request = vmft_probe_request_new ("test:///default");
  g_autoptr (VmftProbe) probe = NULL;
  g_autoptr (GError) error = NULL;
  VmftDomainNeeds *needs = vmft_domain_needs_from_xml ("u", xml, &error);

  g_assert_no_error (error);
  g_ptr_array_add (request->needs, needs);
  vmft_probe_destination (task, connection, request);
  vmft_probe_request_free (request);
  probe = g_task_propagate_pointer (task, &error);
  g_assert_no_error (error);
  return g_strdup (g_hash_table_lookup (probe->obstacles, "u"));
}

static void
test_destination_obstacles (void)
{
  static const struct
  {
    const char *devices;
    const char *obstacle;
  } cases[] = {
    { "", "" },
    { "<interface type='network'><source network='default'/></interface>", "" },
    { "<interface type='network'><source network='lan7'/></interface>",
      "its network lan7 is not known there" },
    { "<interface type='direct'><source dev='eth1'/></interface>", "" },
    { "<interface type='bridge'><source bridge='br7'/></interface>",
      "there is no bridge or interface br7 there" },
    { "<interface type='direct'><source dev='eth1'/></interface>"
      "<interface type='direct'><source dev='eth9'/></interface>",
      "there is no bridge or interface eth9 there" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *obstacle = probe_for (cases[i].devices);

      g_assert_cmpstr (obstacle, ==, cases[i].obstacle);
    }
}

/* --- what only the running domain shows: snapshots, media, disks of this host alone --- */

static void
take_snapshot (virConnectPtr connection, const char *name)
{
  g_autoptr (virDomain) domain = virDomainLookupByName (connection, name);
  virDomainSnapshotPtr snapshot = virDomainSnapshotCreateXML (domain, "<domainsnapshot/>", 0);

  g_assert_nonnull (snapshot);
  virDomainSnapshotFree (snapshot);
}

static void
test_blockers_of_domains (void)
{
  static const struct
  {
    const char *name;
    const char *blocker; /* (nullable) */
  } expected[] = {
    { "cdrom", "disk sda (/nowhere/local.iso) is on this host alone, and copy-storage is off" },
    { "disk", "disk vda (/nowhere/disk.img) is on this host alone, and copy-storage is off" },
    { "dropped", NULL },
    { "shared", NULL },
    { "snapshot", "it has 1 snapshot" },
  };
  const char *const shared[] = { "/shared", NULL };
  const VmftDiskRules rules = { .shared_paths = (char **) shared };
  g_autoptr (GError) error = NULL;
  g_autofree char *uri = g_strconcat ("test://", VMFT_SOURCE_ROOT, "/tests/test-node.xml", NULL);
  g_autoptr (virConnect) connection = virConnectOpen (uri);
  g_autoptr (GPtrArray) vms = NULL;

  g_assert_nonnull (connection);
  take_snapshot (connection, "snapshot");
  vms = vmft_inventory_load (connection, &rules, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (vms->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < vms->len; i++)
    {
      const VmftVm *vm = g_ptr_array_index (vms, i);

      g_assert_cmpstr (vm->name, ==, expected[i].name);
      g_assert_cmpstr (vm->blocker, ==, expected[i].blocker);
    }
}

static void
on_refused (GObject *object, GAsyncResult *async, gpointer user_data)
{
  GError **error = user_data;
  g_autoptr (VmftResult) result = vmft_hypervisor_migrate_finish (VMFT_HYPERVISOR (object), async, error);

  g_assert_null (result);
}

static void
test_migrate_without_connection (void)
{
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (VmftHypervisor) hypervisor = vmft_libvirt_hypervisor_new ("test:///default", clock);
  g_autoptr (VmftMigrationSpec) spec = vmft_migration_spec_new ("u", VMFT_MODE_PRECOPY);
  g_autoptr (GError) error = NULL;

  spec->destination_uri = g_strdup ("test:///default");
  vmft_hypervisor_migrate_async (hypervisor, spec, NULL, on_refused, &error);
  while (error == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE);
}

static void
on_watched (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftResult **result = user_data;
  g_autoptr (GError) error = NULL;

  *result = vmft_hypervisor_migrate_finish (VMFT_HYPERVISOR (object), async, &error);
  g_assert_no_error (error);
}

/* A job that had ended before anyone looked took some time, and nobody knows how much. */
static void
test_job_that_ended_before (void)
{
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (VmftHypervisor) hypervisor = vmft_libvirt_hypervisor_new ("test:///default", clock);
  g_autoptr (VmftResult) result = NULL;
  g_autoptr (VmftVm) vm = NULL;

  vmft_hypervisor_start (hypervisor);
  while ((vm = vmft_hypervisor_lookup (hypervisor, "test")) == NULL)
    g_main_context_iteration (NULL, TRUE);
  vmft_hypervisor_watch_job_async (hypervisor, vm->uuid, "test:///default", NULL, on_watched, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (result->outcome, ==, VMFT_OUTCOME_FAILED); /* it runs here */
  g_assert_cmpfloat (result->total_s, ==, 0.0);
}

/* no libvirtd: said once per attempt, tried again with back-off on the clock, never fatal */
static void
test_unreachable (void)
{
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (0);
  g_autoptr (VmftConnection) connection =
      vmft_connection_new ("qemu+unix:///system?socket=/no/such/socket", clock);
  GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);

  vmft_connection_start (connection);
  while (vmft_connection_get_attempts (connection) < 1)
    g_main_context_iteration (NULL, TRUE);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 900 * 1000);
  g_assert_cmpuint (vmft_connection_get_attempts (connection), ==, 1);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 200 * 1000);
  while (vmft_connection_get_attempts (connection) < 2)
    g_main_context_iteration (NULL, TRUE);
  g_assert_false (vmft_connection_is_open (connection));
  g_log_set_always_fatal (fatal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  vmft_libvirt_init ();
  g_test_add_func ("/block-device/stack", test_block_stack);
  g_test_add_func ("/block-device/nothing", test_block_device_of_nothing);
  g_test_add_func ("/capabilities/modes-of-qemu", test_modes_of_qemu);
  g_test_add_func ("/inventory/resident", test_resident);
  g_test_add_func ("/inventory/resident-mapping", test_resident_mapping);
  g_test_add_func ("/inventory/path-below", test_path_below);
  g_test_add_func ("/inventory/test-driver", test_hypervisor_on_test_driver);
  g_test_add_func ("/capabilities/obstacles", test_destination_obstacles);
  g_test_add_func ("/inventory/blockers", test_blockers_of_domains);
  g_test_add_func ("/hypervisor/policy-in-metadata", test_policy_in_metadata);
  g_test_add_func ("/hypervisor/migrate-without-connection", test_migrate_without_connection);
  g_test_add_func ("/migration/ended-before", test_job_that_ended_before);
  g_test_add_func ("/connection/unreachable", test_unreachable);
  return g_test_run ();
}
