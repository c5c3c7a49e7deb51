/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-families.h"
#include "vmft-locus.h"

#include <string.h>
#include <time.h>

typedef struct
{
  const char *text;
  const char *family; /* NULL for none */
  const char *fault_class;
  const char *locus;
} Case;

/* Messages as Linux 5.x and 6.x print them. */
static const Case cases[] = {
  { "critical medium error, dev sda, sector 4000 op 0x0:(READ) flags 0x800 phys_seg 1 prio class 2",
    "medium-error", "disk", "block sda" },
  { "blk_update_request: critical medium error, dev sdb, sector 8", "medium-error", "disk", "block sdb" },
  { "sd 0:0:0:0: Device offlined - not ready after error recovery", "device-offlined", "disk",
    "block 0:0:0:0" },
  { "sd 2:0:1:0: [sdc] tag#12 Add. Sense: Unrecovered read error", "sense-medium", "disk", "block sdc" },
  { "sd 0:0:0:0: [sda] tag#38 Sense Key : Recovered Error [current] ", "sense-recovered", "disk",
    "block sda" },
  { "sd 0:0:0:0: [sda] Unhandled error code", "scsi-result", "disk", "block sda" },
  { "sd 0:0:0:0: [sda] Attached SCSI disk", NULL, NULL, NULL },
  { "ata2.00: exception Emask 0x1 SAct 0x1 SErr 0x0 action 0x0", "ata-exception", "disk", "block ata2" },
  { "ata2.00: failed command: WRITE FPDMA QUEUED", "ata-exception", "disk", "block ata2" },
  { "ata1: SATA link down (SStatus 0 SControl 300)", "ata-link-down", "disk", "block ata1" },
  { "ata1: SATA link up 6.0 Gbps (SStatus 133 SControl 300)", NULL, NULL, NULL },
  { "nvme nvme0: I/O 12 QID 3 timeout, aborting", "nvme-timeout", "disk", "block nvme0" },
  { "nvme0n1: I/O Cmd(0x2) @ LBA 4352, 64 blocks, I/O Error (sct 0x2 / sc 0x81) ", "nvme-io-error", "disk",
    "block nvme0n1" },
  { "nvme nvme0: Device not ready; aborting reset, CSTS=0x1", "nvme-dead", "disk", "block nvme0" },
  { "md/raid1:md0: Disk failure on sda, disabling device.", "md-disk-failure", "disk", "block md0" },
  { "md/raid1:md0: active with 1 out of 2 mirrors", "md-degraded", "disk", "block md0" },
  { "md/raid1:md0: active with 2 out of 2 mirrors", "md-complete", "disk", "block md0" },
  { "md/raid1:md0: active with 12 out of 12 mirrors", "md-complete", "disk", "block md0" },
  { "md/raid1:md0: active with 1 out of 12 mirrors", "md-degraded", "disk", "block md0" },
  { "md/raid:md127: raid level 6 active with 5 out of 6 devices, algorithm 2", "md-degraded", "disk",
    "block md127" },
  { "clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable because the skew is "
    "too "
    "large:",
    "clock", "other", "host" },
  { "sd 1:0:0:0: [sdb] Asking for cache data failed", "cache-page", "disk", "block sdb" },
  { "device-mapper: core: CONFIG_IMA_DISABLE_HTABLE is disabled. Duplicate IMA measurements will not be "
    "recorded in the IMA log.",
    "kernel-config", "other", "host" },
  { "operation not supported error, dev loop0, sector 8 op 0x9:(WRITE_ZEROES) flags 0x800 phys_seg 0",
    "unsupported-request", "io", "block loop0" },
  { "EXT4-fs (dm-0): Remounting filesystem read-only", "readonly-remount", "io", "block dm-0" },
  { "EXT4-fs (dm-0): re-mounted. Opts: (null)", NULL, NULL, NULL },
  { "EXT4-fs (sda1): re-mounted filesystem read-write", NULL, NULL, NULL },
  { "Aborting journal on device dm-0-8.", "journal-abort", "io", "block dm-0" },
  { "EXT4-fs error (device sda2): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0",
    "fs-error", "io", "block sda" },
  { "XFS (nvme0n1p2): metadata I/O error in \"xfs_buf_ioend\" at daddr 0x1 len 1 error 5", "fs-io-error",
    "io", "block nvme0n1" },
  { "Buffer I/O error on dev dm-0, logical block 22000, async page read", "buffer-io-error", "io",
    "block dm-0" },
  { "Buffer I/O error on device sdb1, logical block 3", "buffer-io-error", "io", "block sdb" },
  { "I/O error, dev sda, sector 4 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2", "io-error", "io",
    "block sda" },
  { "blk_update_request: I/O error, dev fd0, sector 0", "io-error", "io", "block fd0" },
  { "mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 4: 9c05400000080813", "mce-bank", "memory", "host" },
  { "mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 4: be00000000080813",
    "mce-bank-uncorrected", "memory", "host" },
  { "[Hardware Error]: Uncorrected, software containable error.", "mce-uncorrected", "memory", "host" },
  { "[Hardware Error]: Corrected error, no action required.", "mce-bank", "memory", "host" },
  { "mce: [Hardware Error]: Machine check events logged", "hardware-error", "memory", "host" },
  { "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0 (channel:0)", "mce-bank", "memory",
    "host" },
  { "EDAC MC0: 1 UE memory read error on any memory", "mce-uncorrected", "memory", "host" },
  { "{1}[Hardware Error]: event severity: corrected", "mce-bank", "memory", "host" },
  { "Memory cgroup out of memory: Killed process 4711 (qemu-system-x86) total-vm:1kB", "oom-kill-vm",
    "pressure", "pid 4711" },
  { "Memory cgroup out of memory: Killed process 4711 (stress) total-vm:1kB", NULL, NULL, NULL },
  { "Out of memory: Killed process 99 (firefox) total-vm:1kB", "oom-kill", "pressure", "host" },
  { "qemu-system-x86: page allocation failure: order:4, mode:0x40cc0", "page-allocation-failure", "pressure",
    "host" },
  { "INFO: task qemu-system-x86:221 blocked for more than 120 seconds.", "hung-task", "cpu", "host" },
  { "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:1]", "lockup", "cpu", "host" },
  { "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "rcu-stall", "cpu", "host" },
  { "pcieport 0000:00:1c.0: AER: Corrected error received: 0000:01:00.0", "aer-corrected", "pcie",
    "pci 0000:00:1c.0" },
  { "e1000e 0000:01:00.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer",
    "aer-uncorrected", "pcie", "pci 0000:01:00.0" },
  { "NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out", "tx-timeout", "network", "net eth0" },
  { "e1000e 0000:01:00.0 eth1: NIC Link is Down", "link-down", "network", "net eth1" },
  { "mce: CPU3: Core temperature above threshold, cpu clock throttled (total events = 1)", "thermal", "cpu",
    "host" },
  { "device vnet0 left promiscuous mode", NULL, NULL, NULL },
  { "virbr0: port 1(vnet0) entered disabled state", NULL, NULL, NULL },
};

static VmftFamilies *
load (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (VMFT_SOURCE_ROOT, "data", "fault-families.conf", NULL);
  VmftFamilies *families = vmft_families_load (path, &error);

  g_assert_no_error (error);
  return families;
}

static void
test_table (void)
{
  g_autoptr (VmftFamilies) families = load ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case *c = &cases[i];
      VmftLocus locus = { 0 };
      const VmftFamily *family = vmft_families_match (families, NULL, c->text, strlen (c->text), &locus);
      g_autofree char *where = NULL;

      g_test_message ("%s", c->text);
      g_assert_cmpstr (family ? family->name : NULL, ==, c->family);
      if (!family)
        continue;
      where = vmft_locus_to_string (&locus);
      g_assert_cmpstr (where, ==, c->locus);
      g_assert_cmpstr (vmft_fault_class_to_string (family->fault_class), ==, c->fault_class);
    }
}

static void
test_programs (void)
{
  static const char text[] = "block I/O error in device 'drive-virtio-disk0': Input/output error (5)";
  g_autoptr (VmftFamilies) families = load ();
  VmftSlice qemu = { "qemu-system-x86_64", 18 }, other = { "kernel", 6 };

  g_assert_true (vmft_families_wants (families, qemu.data, qemu.length));
  g_assert_false (vmft_families_wants (families, "sshd", 4));
  g_assert_nonnull (vmft_families_match (families, &qemu, text, strlen (text), NULL));
  g_assert_null (vmft_families_match (families, &other, text, strlen (text), NULL));
  g_assert_null (vmft_families_match (families, &qemu, cases[0].text, strlen (cases[0].text), NULL));
}

static void
test_bad_tables (void)
{
  static const struct
  {
    const char *text;
    const char *needles[4];
  } bad[] = {
    { "[Family x]\nClass=disc\nPattern=a\n", { "[Family x]", "Class", "disc", "network" } },
    { "[Family x]\nClass=disk\n", { "[Family x]", "Pattern", "missing", "t.conf" } },
    { "[Family x]\nPattern=a\n", { "[Family x]", "Class", "missing", "t.conf" } },
    { "[Family x]\nClass=disk\nPattern=(a\n", { "[Family x]", "Pattern", "PCRE2", "t.conf" } },
    { "[Family x]\nClass=disk\nPattern=\n", { "[Family x]", "Pattern", "empty", "t.conf" } },
    { "[Family x]\nClass=disk\nPattern=a\nEvidence=three\n", { "[Family x]", "Evidence", "three", "one" } },
    { "[Family x]\nClass=disk\nPattern=a\nPatern=b\n", { "[Family x]", "Patern", "unknown", "Pattern" } },
    { "[Family x]\nClass=disk\nPattern=a\nProof=md\n", { "[Family x]", "Proof", "Terminal", "t.conf" } },
    { "[Other]\nClass=disk\n", { "[Other]", "Family", "t.conf", "unknown" } },
    { "Class=disk\n", { "t.conf", "", "", "" } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vmft_families_parse ("t.conf", bad[i].text, strlen (bad[i].text), &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
      for (guint k = 0; k < 4; k++)
        if (!strstr (error->message, bad[i].needles[k]))
          g_error ("\"%s\" does not name \"%s\"", error->message, bad[i].needles[k]);
    }
}

/* A pattern that backtracks without end is cut short, not waited for. */
static void
test_catastrophe (void)
{
  static const char table[] = "[Family x]\nClass=disk\nPattern=^(a+)+$\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftFamilies) families = vmft_families_parse ("t.conf", table, strlen (table), &error);
  g_autofree char *text = g_strnfill (4000, 'a');
  clock_t before = clock (); /* processor time: others use this machine as well */

  g_assert_no_error (error);
  text[3999] = 'b';
  g_assert_null (vmft_families_match (families, NULL, text, 4000, NULL));
  g_assert_cmpint (clock () - before, <, 2 * CLOCKS_PER_SEC);
}

static void
test_locus_scan (void)
{
  static const struct
  {
    const char *text;
    const char *locus;
  } scans[] = {
    { "something about sda1 and sdb", "block sda" },
    { "nvme 0000:03:00.0: odd", "pci 0000:03:00.0" },
    { "nvme nvme0: odd, 0000:03:00.0", "block nvme0" },
    { "sd 1:0:0:0: odd", "block 1:0:0:0" },
    { "(md127): odd", "block md127" },
    { "loop7p1, ata3.00: odd", "block loop7" },
    { "ata3.00: odd", "block ata3" },
    { "sdoesnotexist mdx dm- nvme", "host" },
    { "", "host" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (scans); i++)
    {
      VmftLocus locus;
      g_autofree char *text = NULL;

      vmft_locus_scan (scans[i].text, strlen (scans[i].text), &locus);
      text = vmft_locus_to_string (&locus);
      g_assert_cmpstr (text, ==, scans[i].locus);
    }
}

static void
test_locus_text (void)
{
  VmftLocus locus = { .kind = VMFT_LOCUS_NET, .name = "eth0" }, back;
  g_autofree char *text = vmft_locus_to_string (&locus);
  g_autofree char *endless = g_strdup_printf ("block %0100d", 1);

  g_assert_true (vmft_locus_from_string (text, &back));
  g_assert_true (vmft_locus_equal (&locus, &back));
  g_assert_true (vmft_locus_from_string ("host", &back));
  g_assert_false (vmft_locus_from_string ("block", &back));
  g_assert_false (vmft_locus_from_string ("planet mars", &back));
  g_assert_false (vmft_locus_from_string ("", &back));
  g_assert_false (vmft_locus_from_string (endless, &back));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/families/table", test_table);
  g_test_add_func ("/families/programs", test_programs);
  g_test_add_func ("/families/bad-tables", test_bad_tables);
  g_test_add_func ("/families/catastrophe", test_catastrophe);
  g_test_add_func ("/families/locus-scan", test_locus_scan);
  g_test_add_func ("/families/locus-text", test_locus_text);
  return g_test_run ();
}
