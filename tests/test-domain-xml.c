/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read out of a domain's description, and what is written into it. */
#include "vmft-domain-needs.h"
#include "vmft-domain-xml.h"
#include "vmft-libvirt-call.h"

#include <string.h>

#define DOMAIN(devices, metadata)                                                                            \
  "<domain type='kvm' id='3'><name>web1</name><uuid>e707b101-e027-4fd1-9579-0a721007ff37</uuid>"             \
  "<metadata>" metadata "</metadata><memory unit='GiB'>2</memory>"                                           \
  "<currentMemory unit='KiB'>1048576</currentMemory><vcpu placement='static' current='1'>4</vcpu>"           \
  "<devices>" devices "</devices></domain>"

#define POLICY(attributes) "<vmft:policy xmlns:vmft='https://vmft.org/xmlns/domain/1.0' " attributes "/>"

static VmftVm *
parse (const char *xml)
{
  VmftVm *vm = vmft_vm_new ("e707b101-e027-4fd1-9579-0a721007ff37", "web1");
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_domain_xml_parse (xml, vm, &error));
  g_assert_no_error (error);
  return vm;
}

/* --- domain XML --- */

static void
test_xml_basics (void)
{
  g_autoptr (VmftVm) vm = parse (DOMAIN (
      "<disk type='block' device='disk'><source dev='/dev/vg0/web1'/><target dev='vda'/></disk>"
      "<disk type='network' device='disk'><source protocol='rbd' name='p/i'/><target dev='vdb'/></disk>"
      "<disk type='file' device='cdrom'><source file='/iso/a.iso' startupPolicy='optional'/>"
      "<target dev='sda'/><readonly/></disk>"
      "<disk type='file' device='cdrom'><target dev='sdb'/><readonly/></disk>",
      ""));
  VmftVmDisk *disk = g_ptr_array_index (vm->disks, 0);

  g_assert_cmpuint (vm->memory_bytes, ==, G_GUINT64_CONSTANT (1) << 30);
  g_assert_cmpuint (vm->n_vcpus, ==, 4);
  g_assert_true (vm->kvm);
  g_assert_null (vm->blocker);
  g_assert_cmpuint (vm->disks->len, ==, 4);
  g_assert_cmpstr (disk->target, ==, "vda");
  g_assert_cmpstr (disk->source, ==, "/dev/vg0/web1");
  g_assert_false (disk->shared);
  disk = g_ptr_array_index (vm->disks, 1);
  g_assert_true (disk->shared);
  /* a medium that may be dropped is no obstacle */
  disk = g_ptr_array_index (vm->disks, 2);
  g_assert_null (disk->source);
  g_assert_true (disk->read_only);
}

/* Only what is known to be somewhere else, or nowhere, counts as shared; all else the inventory must look at. */
static void
test_xml_disk_types (void)
{
  static const struct
  {
    const char *disk;
    VmftDiskKind kind;
    const char *source; /* (nullable) */
    const char *pool;   /* (nullable) */
    gboolean shared;
  } cases[] = {
    { "<disk type='volume'><source pool='p' volume='v'/><target dev='vda'/></disk>", VMFT_DISK_VOLUME, "v",
      "p", FALSE },
    { "<disk type='volume'><source volume='v'/><target dev='vda'/></disk>", VMFT_DISK_VOLUME, "v", "",
      FALSE },
    { "<disk type='volume' device='cdrom'><target dev='sda'/></disk>", VMFT_DISK_PATH, NULL, NULL, FALSE },
    { "<disk type='volume' device='cdrom'><source pool='p' volume='v' startupPolicy='optional'/>"
      "<target dev='sda'/></disk>",
      VMFT_DISK_PATH, NULL, NULL, TRUE },
    { "<disk type='dir'><source dir='/d'/><target dev='vda'/><readonly/></disk>", VMFT_DISK_PATH, "/d", NULL,
      FALSE },
    { "<disk><source file='/f'/><target dev='vda'/></disk>", VMFT_DISK_PATH, "/f", NULL, FALSE },
    { "<disk type='vhostuser'><source type='unix' path='/s'/><target dev='vda'/></disk>", VMFT_DISK_HOST,
      "/s", NULL, FALSE },
    { "<disk type='vhostuser'><source type='unix' path='/s'/><target dev='vda'/><shareable/></disk>",
      VMFT_DISK_HOST, "/s", NULL, FALSE },
    { "<disk type='nvme'><source type='pci' namespace='1'/><target dev='vda'/><shareable/></disk>",
      VMFT_DISK_HOST, NULL, NULL, FALSE },
    { "<disk type='quantum'><source path='/q'/><target dev='vda'/><shareable/></disk>", VMFT_DISK_HOST, NULL,
      NULL, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *xml = g_strdup_printf (DOMAIN ("%s", ""), cases[i].disk);
      g_autoptr (VmftVm) vm = parse (xml);
      const VmftVmDisk *disk = g_ptr_array_index (vm->disks, 0);

      g_assert_cmpint (disk->kind, ==, cases[i].kind);
      g_assert_cmpstr (disk->source, ==, cases[i].source);
      g_assert_cmpstr (disk->pool, ==, cases[i].pool);
      g_assert_cmpint (disk->shared, ==, cases[i].shared);
    }
}

static void
test_xml_policy (void)
{
  g_autoptr (VmftVm) vm =
      parse (DOMAIN ("", POLICY ("priority='8' modes='pre-copy, hybrid' max-downtime='200' off='no'")));
  g_autoptr (VmftVm) off = parse (DOMAIN ("", POLICY ("off='yes'")));
  /* somebody else's element of the same name */
  g_autoptr (VmftVm) foreign =
      parse (DOMAIN ("", "<x:policy xmlns:x='https://example.org/' priority='1' off='yes'/>"));

  g_assert_cmpuint (vm->policy.priority, ==, 8);
  g_assert_cmpuint (vm->policy.modes, ==,
                    vmft_mode_bit (VMFT_MODE_PRECOPY) | vmft_mode_bit (VMFT_MODE_HYBRID));
  g_assert_cmpuint (vm->policy.max_downtime_ms, ==, 200);
  g_assert_false (vm->policy.off);
  g_assert_true (off->policy.off);
  g_assert_cmpuint (off->policy.priority, ==, 5);
  g_assert_false (foreign->policy.off);
}

/* What is written is what is read; what is nothing special is not written. */
static void
test_xml_policy_there_and_back (void)
{
  static const VmftVmPolicy policies[] = {
    { .priority = 9, .modes = VMFT_MODES_ALL },
    { .priority = 5, .modes = 1, .off = TRUE },
    { .priority = 1, .modes = 6, .max_downtime_ms = VMFT_MAX_DOWNTIME_MS },
    { .priority = 10, .modes = VMFT_MODES_ALL, .max_downtime_ms = 1, .off = TRUE },
  };
  const VmftVmPolicy fresh = VMFT_VM_POLICY_DEFAULT;

  g_assert_null (vmft_domain_xml_format_policy (&fresh));
  for (guint i = 0; i < G_N_ELEMENTS (policies); i++)
    {
      g_autofree char *element = vmft_domain_xml_format_policy (&policies[i]);
      g_autoptr (GString) xml = g_string_new ("<domain><metadata>");
      g_autoptr (VmftVm) vm = NULL;

      /* libvirt puts the namespace in */
      g_string_append (xml, element);
      g_string_replace (xml, "<policy", "<vmft:policy xmlns:vmft='" VMFT_DOMAIN_XMLNS "'", 1);
      g_string_append (xml, "</metadata></domain>");
      vm = parse (xml->str);
      g_assert_true (vmft_vm_policy_equal (&vm->policy, &policies[i]));
    }
}

static void
test_xml_bad_policy (void)
{
  const char *const bad[] = {
    DOMAIN ("", POLICY ("priority='11'")),     DOMAIN ("", POLICY ("priority='high'")),
    DOMAIN ("", POLICY ("modes='teleport'")),  DOMAIN ("", POLICY ("off='perhaps'")),
    DOMAIN ("", POLICY ("max-downtime='-1'")),
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (VmftVm) vm = parse (bad[i]);

      g_assert_nonnull (vm->blocker);
      g_assert_true (g_str_has_prefix (vm->blocker, "its vmft policy is invalid: "));
    }
}

static void
test_xml_blockers (void)
{
  const struct
  {
    const char *xml;
    const char *word;
  } cases[] = {
    { DOMAIN ("<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x06' slot='0x02' "
              "function='0x0'/></source></hostdev>",
              ""),
      "0x06:0x02" },
    { DOMAIN ("<hostdev mode='subsystem' type='usb'><source/></hostdev>", ""), "usb" },
    { DOMAIN ("<interface type='hostdev'><source/></interface>", ""), "network interface" },
    { DOMAIN ("<filesystem type='mount'><driver type='virtiofs'/></filesystem>", ""), "directory" },
    { DOMAIN ("<shmem name='x'><model type='ivshmem-plain'/></shmem>", ""), "shares memory" },
    { DOMAIN (
          "<disk type='file'><source file='/a'/><target dev='vda'/><mirror type='file' job='copy'/></disk>",
          ""),
      "block job" },
    { DOMAIN ("<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>", ""), "vDPA" },
    { DOMAIN ("<disk type='nvme'><source type='pci'/><target dev='vda'/></disk>", ""), "NVMe" },
    { DOMAIN ("<disk type='quantum'><source/><target dev='vda'/></disk>", ""), "unknown" },
    { DOMAIN ("<tpm model='tpm-tis'><backend type='passthrough'/></tpm>", ""), "TPM" },
    { DOMAIN ("<input type='evdev'><source dev='/dev/input/event1'/></input>", ""), "input device" },
    { DOMAIN ("<smartcard mode='host'/>", ""), "smartcard" },
    { "<domain type='kvm'><launchSecurity type='sev'/></domain>", "encrypted" },
    { "<domain type='kvm'><cpu><feature policy='require' name='invtsc'/></cpu></domain>", "invtsc" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (VmftVm) vm = parse (cases[i].xml);

      g_assert_nonnull (vm->blocker);
      g_assert_nonnull (strstr (vm->blocker, cases[i].word));
    }
}

static void
test_xml_no_blocker (void)
{
  g_autoptr (VmftVm) teamed = parse (
      DOMAIN ("<interface type='hostdev'><teaming type='transient' persistent='ua-1'/></interface>", ""));
  g_autoptr (VmftVm) disabled =
      parse ("<domain type='qemu'><cpu><feature policy='disable' name='invtsc'/></cpu></domain>");

  g_autoptr (VmftVm) scaled =
      parse ("<domain type='kvm'><clock offset='utc'><timer name='tsc' frequency='2400000000'/></clock>"
             "<cpu><feature policy='require' name='invtsc'/></cpu></domain>");
  g_autoptr (VmftVm) emulated =
      parse (DOMAIN ("<tpm model='tpm-tis'><backend type='emulator'/></tpm>"
                     "<input type='tablet' bus='usb'/><smartcard mode='passthrough'/>",
                     ""));

  g_assert_null (scaled->blocker);
  g_assert_null (emulated->blocker);
  g_assert_null (teamed->blocker);
  g_assert_null (disabled->blocker);
  g_assert_false (disabled->kvm);
}

static void
test_xml_garbage (void)
{
  const char *const bad[] = {
    "",
    "<domain",
    "<network/>",
    "\xff\xfe<domain/>",
    "<domain><memory>1</domain>",
    "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><network>&a;</network>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (VmftVm) vm = vmft_vm_new ("u", "n");
      g_autoptr (GError) error = NULL;

      g_assert_false (vmft_domain_xml_parse (bad[i], vm, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
    }
}

/* --- what a domain needs --- */

static void
test_needs (void)
{
  const char *xml = "<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
                    "<cpu mode='custom' match='exact' check='full'><model>EPYC</model></cpu>"
                    "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
                    "<interface type='network'><source network='lan'/></interface>"
                    "<interface type='bridge'><source bridge='br0'/></interface>"
                    "<interface type='direct'><source dev='eth1' mode='bridge'/></interface>"
                    "<interface type='network'><source network='dmz'/></interface></devices></domain>";
  const char *const networks[] = { "lan", "dmz", NULL };
  const char *const interfaces[] = { "br0", "eth1", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftDomainNeeds) needs = vmft_domain_needs_from_xml ("u", xml, &error);
  g_autoptr (VmftDomainNeeds) unchecked =
      vmft_domain_needs_from_xml ("u", "<domain><cpu check='none'><model>EPYC</model></cpu></domain>", NULL);
  g_autoptr (VmftDomainNeeds) passed_through =
      vmft_domain_needs_from_xml ("u", "<domain><cpu mode='host-passthrough'/></domain>", NULL);
  g_autoptr (VmftDomainNeeds) broken = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (needs->machine, ==, "pc-q35-7.2");
  g_assert_cmpstr (needs->arch, ==, "x86_64");
  g_assert_cmpstr (needs->virt_type, ==, "kvm");
  g_assert_nonnull (strstr (needs->cpu, "<model>EPYC</model>"));
  g_assert_cmpstrv (needs->networks, networks);
  g_assert_cmpstrv (needs->interfaces, interfaces);
  g_assert_null (needs->loader);
  g_assert_null (unchecked->cpu);
  g_assert_null (passed_through->cpu);
  broken = vmft_domain_needs_from_xml ("u", "<domain", &error);
  g_assert_null (broken);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
}

/* An NVRAM file is made anew from its template; only one without a template is bound to its host. */
static void
test_needs_firmware (void)
{
#define OS(nvram) "<domain><os><loader type='pflash'>/fw/code.fd</loader>" nvram "</os></domain>"
  g_autoptr (VmftDomainNeeds) local = vmft_domain_needs_from_xml ("u", OS ("<nvram>/nv/a.fd</nvram>"), NULL);
  g_autoptr (VmftDomainNeeds) source =
      vmft_domain_needs_from_xml ("u", OS ("<nvram type='file'><source file='/nv/b.fd'/></nvram>"), NULL);
  g_autoptr (VmftDomainNeeds) made =
      vmft_domain_needs_from_xml ("u", OS ("<nvram template='/fw/vars.fd'>/nv/a.fd</nvram>"), NULL);
  g_autoptr (VmftDomainNeeds) none = vmft_domain_needs_from_xml ("u", OS (""), NULL);
  const char *capabilities = "<domainCapabilities><os supported='yes'><loader supported='yes'>"
                             "<value>/fw/code.fd</value></loader></os></domainCapabilities>";

  g_assert_cmpstr (local->loader, ==, "/fw/code.fd");
  g_assert_cmpstr (local->nvram, ==, "/nv/a.fd");
  g_assert_cmpstr (source->nvram, ==, "/nv/b.fd");
  g_assert_null (made->loader);
  g_assert_null (none->loader);
  g_assert_true (vmft_domain_capabilities_know_loader (capabilities, "/fw/code.fd"));
  g_assert_false (vmft_domain_capabilities_know_loader (capabilities, "/fw/other.fd"));
  g_assert_false (vmft_domain_capabilities_know_loader ("<broken", "/fw/code.fd"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/domain-xml/basics", test_xml_basics);
  g_test_add_func ("/domain-xml/disk-types", test_xml_disk_types);
  g_test_add_func ("/domain-xml/policy", test_xml_policy);
  g_test_add_func ("/domain-xml/policy-there-and-back", test_xml_policy_there_and_back);
  g_test_add_func ("/domain-xml/bad-policy", test_xml_bad_policy);
  g_test_add_func ("/domain-xml/blockers", test_xml_blockers);
  g_test_add_func ("/domain-xml/no-blocker", test_xml_no_blocker);
  g_test_add_func ("/domain-xml/garbage", test_xml_garbage);
  g_test_add_func ("/domain-needs/parse", test_needs);
  g_test_add_func ("/domain-needs/firmware", test_needs_firmware);
  return g_test_run ();
}
