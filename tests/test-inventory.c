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

/* --- disks that are named by something else than a path --- */

static void
make_volume (virConnectPtr connection, const char *pool_xml, const char *name)
{
  g_autofree char *xml = g_strdup_printf ("<volume%s><name>%s</name><capacity>1048576</capacity></volume>",
                                          strstr (pool_xml, "'rbd'") != NULL ? " type='network'" : "", name);
  g_autoptr (virStoragePool) pool = virStoragePoolCreateXML (connection, pool_xml, 0);
  g_autoptr (virStorageVol) volume = pool != NULL ? virStorageVolCreateXML (pool, xml, 0) : NULL;

  g_assert_nonnull (volume);
}

/* Each test driver's node is its connection's own. */
static virConnectPtr
open_with_volumes (const char *directory)
{
  g_autofree char *uri = g_strconcat ("test://", VMFT_SOURCE_ROOT, "/tests/test-node.xml", NULL);
  g_autofree char *here = g_strdup_printf (
      "<pool type='dir'><name>here</name><target><path>%s</path></target></pool>", directory);
  virConnectPtr connection = virConnectOpen (uri);
  virStoragePoolPtr stopped = NULL;

  g_assert_nonnull (connection);
  make_volume (connection, here, "web.img");
  make_volume (connection, "<pool type='dir'><name>local</name><target><path>/nowhere</path></target></pool>",
               "web.img");
  make_volume (connection, "<pool type='dir'><name>nfs</name><target><path>/shared</path></target></pool>",
               "web.img");
  make_volume (connection,
               "<pool type='rbd'><name>ceph</name><source><name>p</name><host name='m'/></source></pool>",
               "web");
  stopped = virStoragePoolDefineXML (
      connection, "<pool type='dir'><name>stopped</name><target><path>/x</path></target></pool>", 0);
  g_assert_nonnull (stopped);
  virStoragePoolFree (stopped);
  return connection;
}

/* Returns: (transfer full): a VM with that disk, as the inventory has it */
static VmftVm *
load_with_disk (virConnectPtr connection, const char *disk, const VmftDiskRules *rules)
{
  g_autofree char *xml =
      g_strdup_printf ("<domain type='test'><name>a-vm</name><memory>65536</memory><os><type>hvm</type></os>"
                       "<devices><disk %s<target dev='vda' bus='virtio'/></disk></devices></domain>",
                       disk);
  g_autoptr (virDomain) domain = virDomainCreateXML (connection, xml, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) vms = NULL;
  VmftVm *vm = NULL;

  g_assert_nonnull (domain);
  vms = vmft_inventory_load (connection, rules, &error);
  g_assert_no_error (error);
  vm = g_ptr_array_index (vms, 0); /* they are sorted */
  g_assert_cmpstr (vm->name, ==, "a-vm");
  g_assert_cmpint (virDomainDestroy (domain), ==, 0);
  return vmft_vm_ref (vm);
}

#define VOLUME(pool, name) "type='volume' device='disk'><source pool='" pool "' volume='" name "'/>"

/* What is not known to be shared is not: its VM stays, and says why, or its disk is copied. */
static void
test_disks_without_a_path (void)
{
  static const struct
  {
    const char *disk;
    gboolean copy;
    const char *source; /* (nullable) */
    const char *pool;   /* (nullable) */
    gboolean shared;
    const char *blocker; /* (nullable): how it begins */
  } cases[] = {
    { VOLUME ("local", "web.img"), FALSE, "/nowhere/web.img", NULL, FALSE,
      "disk vda (/nowhere/web.img) is on this host alone, and copy-storage is off" },
    { VOLUME ("local", "web.img"), TRUE, "/nowhere/web.img", NULL, FALSE, NULL },
    { VOLUME ("nfs", "web.img"), FALSE, "/shared/web.img", NULL, TRUE, NULL },
    { VOLUME ("ceph", "web"), FALSE, NULL, NULL, TRUE, NULL },
    { VOLUME ("local", "gone"), FALSE, "gone", "local", FALSE,
      "disk vda may be on this host alone: volume gone of storage pool local: " },
    { VOLUME ("local", "gone") "<shareable/>", FALSE, "gone", "local", FALSE,
      "disk vda may be on this host alone: volume gone of storage pool local: " },
    { VOLUME ("gone", "web.img"), FALSE, "web.img", "gone", FALSE,
      "disk vda may be on this host alone: volume web.img of storage pool gone: " },
    { VOLUME ("stopped", "web.img"), FALSE, "web.img", "stopped", FALSE,
      "disk vda may be on this host alone: volume web.img of storage pool stopped: " },
    { VOLUME ("gone", "web.img"), TRUE, "web.img", "gone", FALSE, NULL },
    { VOLUME ("gone", "web.img") "<readonly/>", TRUE, "web.img", "gone", FALSE,
      "disk vda may be on this host alone: " },
    { "type='vhostuser'><source type='unix' path='/run/a.sock'/>", FALSE, "/run/a.sock", NULL, FALSE,
      "disk vda (/run/a.sock) is served by this host, and shared-paths does not name it" },
    { "type='vhostuser'><source type='unix' path='/run/a.sock'/>", TRUE, "/run/a.sock", NULL, FALSE,
      "disk vda (/run/a.sock) is served by this host, and shared-paths does not name it" },
    { "type='vhostuser'><source type='unix' path='/shared/a.sock'/>", FALSE, "/shared/a.sock", NULL, TRUE,
      NULL },
    { "type='nvme'><source type='pci' managed='yes' namespace='1'>"
      "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>",
      TRUE, NULL, NULL, FALSE, "disk vda is an NVMe device of this host" },
    { "type='dir'><source dir='/nowhere/fat'/><readonly/>", FALSE, "/nowhere/fat", NULL, FALSE,
      "disk vda (/nowhere/fat) is on this host alone, and copy-storage is off" },
  };
  const char *const shared[] = { "/shared", NULL };
  g_autoptr (virConnect) connection = open_with_volumes ("/nowhere/else");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const VmftDiskRules rules = { .shared_paths = (char **) shared, .copy = cases[i].copy };
      g_autoptr (VmftVm) vm = load_with_disk (connection, cases[i].disk, &rules);
      const VmftVmDisk *disk = g_ptr_array_index (vm->disks, 0);

      g_test_message ("%s: %s", cases[i].disk, vm->blocker != NULL ? vm->blocker : "may go");
      g_assert_cmpstr (disk->source, ==, cases[i].source);
      g_assert_cmpstr (disk->pool, ==, cases[i].pool);
      g_assert_cmpint (disk->shared, ==, cases[i].shared);
      if (cases[i].blocker == NULL)
        g_assert_null (vm->blocker);
      else
        g_assert_true (vm->blocker != NULL && g_str_has_prefix (vm->blocker, cases[i].blocker));
    }
}

/* A volume lies on the device that its file lies on. */
static void
test_device_of_volume (void)
{
  g_autofree char *directory = g_dir_make_tmp ("vmft-pool-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (directory, "web.img", NULL);
  const VmftDiskRules rules = { .copy = TRUE };
  g_autoptr (virConnect) connection = open_with_volumes (directory);
  g_autoptr (VmftVm) vm = NULL;
  g_autofree char *device = NULL;

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  device = vmft_block_device_of_path ("/sys", file);
  vm = load_with_disk (connection, VOLUME ("here", "web.img"), &rules);
  g_assert_cmpstr (((const VmftVmDisk *) g_ptr_array_index (vm->disks, 0))->source, ==, file);
  g_assert_cmpstr (((const VmftVmDisk *) g_ptr_array_index (vm->disks, 0))->device, ==, device);
  g_unlink (file);
  g_rmdir (directory);
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

/* Messages of this program go through here: warnings are kept in @said as well. */
static GLogWriterOutput
note_warnings (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer said)
{
  for (gsize i = 0; level & G_LOG_LEVEL_WARNING && i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      g_ptr_array_add (said, g_strdup (fields[i].value));
  return g_log_writer_default (level, fields, n_fields, NULL);
}

/* no libvirtd: said once per attempt, tried again with back-off on the clock, never fatal */
static void
test_unreachable (gconstpointer data)
{
  GPtrArray *said = (GPtrArray *) data;
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (0);
  g_autoptr (VmftConnection) connection =
      vmft_connection_new ("qemu+unix:///system?socket=/no/such/socket", clock);
  GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);

  g_ptr_array_set_size (said, 0);
  vmft_connection_start (connection);
  while (said->len < 1)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (g_str_has_suffix (said->pdata[0], "trying again in 1 s"));
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 900 * 1000);
  g_assert_cmpuint (said->len, ==, 1);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 200 * 1000);
  while (said->len < 2)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (g_str_has_suffix (said->pdata[1], "trying again in 2 s"));
  g_assert_false (vmft_connection_is_open (connection));
  g_log_set_always_fatal (fatal);
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) said = g_ptr_array_new_with_free_func (g_free);

  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (note_warnings, said, NULL);
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
  g_test_add_func ("/inventory/disks-without-a-path", test_disks_without_a_path);
  g_test_add_func ("/inventory/device-of-volume", test_device_of_volume);
  g_test_add_func ("/hypervisor/policy-in-metadata", test_policy_in_metadata);
  g_test_add_func ("/hypervisor/migrate-without-connection", test_migrate_without_connection);
  g_test_add_func ("/migration/ended-before", test_job_that_ended_before);
  g_test_add_data_func ("/connection/unreachable", said, test_unreachable);
  return g_test_run ();
}
