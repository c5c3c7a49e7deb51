/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-domain-xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)

/* libxml2 has an allocator of its own; what leaves these two is GLib's */
static char *
attribute (xmlNode *node, const char *name)
{
  xmlChar *value = node != NULL ? xmlGetNoNsProp (node, BAD_CAST name) : NULL;
  char *copy = g_strdup ((const char *) value);

  xmlFree (value);
  return copy;
}

static char *
text_of (xmlNode *node)
{
  xmlChar *value = node != NULL ? xmlNodeGetContent (node) : NULL;
  char *copy = value != NULL ? g_strstrip (g_strdup ((const char *) value)) : NULL;

  xmlFree (value);
  return copy;
}

static gboolean
is_element (xmlNode *node, const char *name)
{
  return node->type == XML_ELEMENT_NODE && xmlStrEqual (node->name, BAD_CAST name);
}

static xmlNode *
child (xmlNode *node, const char *name)
{
  for (xmlNode *n = node != NULL ? node->children : NULL; n != NULL; n = n->next)
    {
      if (is_element (n, name))
        return n;
    }
  return NULL;
}

static gboolean
attribute_is (xmlNode *node, const char *name, const char *value)
{
  g_autofree char *actual = attribute (node, name);

  return g_strcmp0 (actual, value) == 0;
}

/* --- numbers --- */

static guint64
parse_memory (xmlNode *node)
{
  /* virScaleInteger()'s suffixes; KiB without one */
  static const struct
  {
    const char *unit;
    guint64 factor;
  } units[] = {
    { "b", 1 },
    { "bytes", 1 },
    { "KB", 1000 },
    { "k", 1024 },
    { "KiB", 1024 },
    { "MB", 1000 * 1000 },
    { "M", 1 << 20 },
    { "MiB", 1 << 20 },
    { "GB", 1000 * 1000 * 1000 },
    { "G", 1 << 30 },
    { "GiB", 1 << 30 },
    { "T", G_GUINT64_CONSTANT (1) << 40 },
    { "TiB", G_GUINT64_CONSTANT (1) << 40 },
  };
  g_autofree char *text = text_of (node);
  g_autofree char *unit = attribute (node, "unit");
  guint64 value = text != NULL ? g_ascii_strtoull (text, NULL, 10) : 0;

  for (guint i = 0; unit != NULL && i < G_N_ELEMENTS (units); i++)
    {
      if (g_str_equal (units[i].unit, unit))
        return value * units[i].factor;
    }
  return value * 1024;
}

static void
parse_size (xmlNode *domain, VmftVm *vm)
{
  xmlNode *current = child (domain, "currentMemory");
  g_autofree char *n_vcpus = text_of (child (domain, "vcpu"));

  vm->memory_bytes = parse_memory (current != NULL ? current : child (domain, "memory"));
  vm->n_vcpus = n_vcpus != NULL ? (guint) g_ascii_strtoull (n_vcpus, NULL, 10) : 1;
  vm->kvm = attribute_is (domain, "type", "kvm");
}

/* --- policy --- */

static gboolean
parse_policy_number (xmlNode *node,
                     const char *name,
                     guint64 minimum,
                     guint64 maximum,
                     guint *value,
                     GError **error)
{
  g_autofree char *text = attribute (node, name);
  guint64 number = 0;

  if (text == NULL)
    return TRUE;
  if (!g_ascii_string_to_unsigned (text, 10, minimum, maximum, &number, error))
    {
      g_prefix_error (error, "%s: ", name);
      return FALSE;
    }
  *value = (guint) number;
  return TRUE;
}

static gboolean
parse_policy (xmlNode *node, VmftVmPolicy *policy, GError **error)
{
  g_autofree char *modes = attribute (node, "modes");
  g_autofree char *off = attribute (node, "off");
  const char *const no[] = { "no", "false", "0", NULL };
  const char *const yes[] = { "yes", "true", "1", NULL };

  if (off != NULL && !g_strv_contains (no, off) && !g_strv_contains (yes, off))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "off: “%s” is neither yes nor no", off);
      return FALSE;
    }
  policy->off = off != NULL && g_strv_contains (yes, off);
  return (modes == NULL || vmft_modes_from_string (modes, &policy->modes, error)) &&
         parse_policy_number (node, "priority", 1, VMFT_PRIORITY_MAX, &policy->priority, error) &&
         parse_policy_number (node, "max-downtime", 1, VMFT_MAX_DOWNTIME_MS, &policy->max_downtime_ms, error);
}

char *
vmft_domain_xml_format_policy (const VmftVmPolicy *policy)
{
  const VmftVmPolicy fresh = VMFT_VM_POLICY_DEFAULT;
  g_autoptr (GString) xml = NULL;

  if (vmft_vm_policy_equal (policy, &fresh))
    return NULL;
  xml = g_string_new ("<policy");
  if (policy->priority != fresh.priority)
    g_string_append_printf (xml, " priority=\"%u\"", policy->priority);
  if (policy->modes != fresh.modes)
    {
      g_autofree char *modes = vmft_modes_to_string (policy->modes);

      g_string_append_printf (xml, " modes=\"%s\"", modes);
    }
  if (policy->max_downtime_ms != fresh.max_downtime_ms)
    g_string_append_printf (xml, " max-downtime=\"%u\"", policy->max_downtime_ms);
  if (policy->off)
    g_string_append (xml, " off=\"yes\"");
  g_string_append (xml, "/>");
  return g_string_free (g_steal_pointer (&xml), FALSE);
}

static void block (VmftVm *vm, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* the first blocker is as good as any */
static void
block (VmftVm *vm, const char *format, ...)
{
  va_list args;

  if (vm->blocker != NULL)
    return;
  va_start (args, format);
  vm->blocker = g_strdup_vprintf (format, args);
  va_end (args);
}

static void
parse_metadata (xmlNode *domain, VmftVm *vm)
{
  xmlNode *metadata = child (domain, "metadata");

  for (xmlNode *n = metadata != NULL ? metadata->children : NULL; n != NULL; n = n->next)
    {
      VmftVmPolicy policy = VMFT_VM_POLICY_DEFAULT;
      g_autoptr (GError) error = NULL;

      if (!is_element (n, "policy") || n->ns == NULL ||
          !xmlStrEqual (n->ns->href, BAD_CAST VMFT_DOMAIN_XMLNS))
        continue;
      if (parse_policy (n, &policy, &error))
        vm->policy = policy;
      else
        block (vm, "its vmft policy is invalid: %s", error->message);
    }
}

/* --- devices --- */

/* libvirt's types of disks; one that is not among them may be anything of this host */
static const struct
{
  const char *type;
  VmftDiskKind kind;
  const char *source;  /* (nullable): the attribute that names it */
  const char *blocker; /* (nullable): what it is, when it can go nowhere */
} disk_types[] = {
  { "file", VMFT_DISK_PATH, "file", NULL },
  { "block", VMFT_DISK_PATH, "dev", NULL },
  { "dir", VMFT_DISK_PATH, "dir", NULL },
  { "network", VMFT_DISK_PATH, NULL, NULL },
  { "volume", VMFT_DISK_VOLUME, "volume", NULL },
  { "vhostuser", VMFT_DISK_HOST, "path", NULL },
  { "vhostvdpa", VMFT_DISK_HOST, "dev", "a vDPA device of this host" },
  { "nvme", VMFT_DISK_HOST, NULL, "an NVMe device of this host" },
  { NULL, VMFT_DISK_HOST, NULL, "of a type unknown to vmft" },
};

/* libvirt takes no volume without a pool; a drive without a volume is as empty as one without a file */
static void
parse_pool (xmlNode *source, VmftVmDisk *disk)
{
  if (disk->source == NULL)
    {
      disk->kind = VMFT_DISK_PATH;
      return;
    }
  disk->pool = attribute (source, "pool");
  if (disk->pool == NULL)
    disk->pool = g_strdup ("");
}

static void
parse_disk (xmlNode *node, VmftVm *vm)
{
  xmlNode *source = child (node, "source");
  g_autofree char *target = attribute (child (node, "target"), "dev");
  g_autofree char *type = attribute (node, "type");
  g_autofree char *name = NULL;
  VmftVmDisk *disk = NULL;
  guint i = 0;

  while (disk_types[i].type != NULL && !g_str_equal (disk_types[i].type, type != NULL ? type : "file"))
    i++;
  if (disk_types[i].source != NULL)
    name = attribute (source, disk_types[i].source);
  disk = vmft_vm_add_disk (vm, target != NULL ? target : "?", name, NULL, FALSE,
                           child (node, "readonly") != NULL);
  disk->kind = disk_types[i].kind;
  if (disk->kind == VMFT_DISK_VOLUME)
    parse_pool (source, disk);
  if (disk->kind != VMFT_DISK_HOST)
    disk->shared = g_strcmp0 (type, "network") == 0 || child (node, "shareable") != NULL;
  if (child (node, "mirror") != NULL)
    block (vm, "disk %s is being copied by a block job", disk->target);
  if (disk_types[i].blocker != NULL)
    block (vm, "disk %s is %s", disk->target, disk_types[i].blocker);
}

/* a medium in a drive may be dropped on the way only where the operator allows it */
static gboolean
may_lose_medium (xmlNode *disk)
{
  xmlNode *source = child (disk, "source");

  return attribute_is (source, "startupPolicy", "optional") ||
         attribute_is (source, "startupPolicy", "requisite");
}

static void
parse_removable (xmlNode *node, VmftVm *vm)
{
  VmftVmDisk *disk = g_ptr_array_index (vm->disks, vm->disks->len - 1);

  if ((attribute_is (node, "device", "cdrom") || attribute_is (node, "device", "floppy")) &&
      may_lose_medium (node))
    {
      /* an empty drive, for all that a migration cares */
      g_clear_pointer (&disk->source, g_free);
      g_clear_pointer (&disk->pool, g_free);
      disk->kind = VMFT_DISK_PATH;
      disk->shared = TRUE;
    }
}

static void
parse_hostdev (xmlNode *node, VmftVm *vm)
{
  xmlNode *address = child (child (node, "source"), "address");
  g_autofree char *type = attribute (node, "type");
  g_autofree char *bus = attribute (address, "bus");
  g_autofree char *slot = attribute (address, "slot");

  /* libvirt unplugs a teamed device for the migration and plugs one in on the other side */
  if (child (node, "teaming") != NULL)
    return;
  if (bus != NULL && slot != NULL)
    block (vm, "it uses %s device %s:%s of this host", type, bus, slot);
  else
    block (vm, "it uses a %s device of this host", type != NULL ? type : "physical");
}

static void
parse_device (xmlNode *node, VmftVm *vm)
{
  if (is_element (node, "disk"))
    {
      parse_disk (node, vm);
      parse_removable (node, vm);
    }
  else if (is_element (node, "hostdev"))
    parse_hostdev (node, vm);
  else if (is_element (node, "interface") && attribute_is (node, "type", "hostdev") &&
           child (node, "teaming") == NULL)
    block (vm, "its network interface is a device of this host");
  else if (is_element (node, "interface") && attribute_is (node, "type", "vdpa"))
    block (vm, "its network interface is a vDPA device of this host");
  else if (is_element (node, "tpm") && attribute_is (child (node, "backend"), "type", "passthrough"))
    block (vm, "it uses the TPM of this host");
  else if (is_element (node, "input") &&
           (attribute_is (node, "type", "passthrough") || attribute_is (node, "type", "evdev")))
    block (vm, "it uses an input device of this host");
  else if (is_element (node, "smartcard") && attribute_is (node, "mode", "host"))
    block (vm, "it uses the smartcard reader of this host");
  else if (is_element (node, "filesystem"))
    block (vm, "it mounts a directory of this host");
  else if (is_element (node, "shmem") && !attribute_is (node, "role", "master"))
    block (vm, "it shares memory with other VMs of this host");
}

/* with a frequency of its own the guest's TSC can be had on any host that scales it */
static gboolean
has_tsc_frequency (xmlNode *domain)
{
  xmlNode *clock = child (domain, "clock");

  for (xmlNode *n = clock != NULL ? clock->children : NULL; n != NULL; n = n->next)
    {
      if (is_element (n, "timer") && attribute_is (n, "name", "tsc") && xmlHasProp (n, BAD_CAST "frequency"))
        return TRUE;
    }
  return FALSE;
}

static void
parse_blockers (xmlNode *domain, VmftVm *vm)
{
  xmlNode *cpu = child (domain, "cpu");

  if (child (domain, "launchSecurity") != NULL)
    block (vm, "its memory is encrypted by this host's processor");
  for (xmlNode *n = cpu != NULL ? cpu->children : NULL; n != NULL; n = n->next)
    {
      if (is_element (n, "feature") && attribute_is (n, "name", "invtsc") &&
          !attribute_is (n, "policy", "disable") && !has_tsc_frequency (domain))
        block (vm, "its CPU feature invtsc cannot migrate");
    }
}

gboolean
vmft_domain_xml_parse (const char *xml, VmftVm *vm, GError **error)
{
  g_autoptr (xmlDoc) doc = xmlReadMemory (xml, (int) strlen (xml), NULL, NULL,
                                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  xmlNode *domain = doc != NULL ? xmlDocGetRootElement (doc) : NULL;
  xmlNode *devices = NULL;

  if (domain == NULL || !is_element (domain, "domain"))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "no domain description: %s",
                   doc == NULL ? "malformed XML" : "no <domain>");
      return FALSE;
    }
  parse_size (domain, vm);
  parse_metadata (domain, vm);
  parse_blockers (domain, vm);
  devices = child (domain, "devices");
  for (xmlNode *n = devices != NULL ? devices->children : NULL; n != NULL; n = n->next)
    {
      if (n->type == XML_ELEMENT_NODE)
        parse_device (n, vm);
    }
  return TRUE;
}
