/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-capabilities.h"

/* major * 1000000 + minor * 1000 + release */
#define QEMU_AUTO_CONVERGE 2005000
#define QEMU_POSTCOPY      2006000

guint
vmft_modes_of_qemu (gulong version)
{
  guint modes = vmft_mode_bit (VMFT_MODE_PRECOPY) | vmft_mode_bit (VMFT_MODE_XBZRLE);

  if (version >= QEMU_AUTO_CONVERGE)
    modes |= vmft_mode_bit (VMFT_MODE_AUTO_CONVERGE);
  if (version >= QEMU_POSTCOPY)
    modes |= vmft_mode_bit (VMFT_MODE_HYBRID) | vmft_mode_bit (VMFT_MODE_POSTCOPY);
  return modes;
}

VmftProbeRequest *
vmft_probe_request_new (const char *uri)
{
  VmftProbeRequest *request = g_new0 (VmftProbeRequest, 1);

  request->uri = g_strdup (uri);
  request->needs = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_domain_needs_free);
  return request;
}

void
vmft_probe_request_free (VmftProbeRequest *request)
{
  if (request == NULL)
    return;
  g_free (request->uri);
  g_ptr_array_unref (request->needs);
  g_free (request);
}

static void
add_needs (GPtrArray *needs, virDomainPtr domain)
{
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  g_autoptr (GError) error = NULL;
  char *xml = NULL;
  VmftDomainNeeds *one = NULL;

  if (virDomainGetUUIDString (domain, uuid) < 0)
    return;
  xml = virDomainGetXMLDesc (domain, VIR_DOMAIN_XML_MIGRATABLE | VIR_DOMAIN_XML_UPDATE_CPU);
  if (xml == NULL)
    return;
  one = vmft_domain_needs_from_xml (uuid, xml, &error);
  if (one != NULL)
    g_ptr_array_add (needs, one);
  else
    g_info ("%s: %s", uuid, error->message);
  free (xml);
}

void
vmft_probe_source (GTask *task, virConnectPtr connection, gpointer task_data)
{
  VmftProbeRequest *request = vmft_probe_request_new (task_data);
  virDomainPtr *domains = NULL;
  int n = virConnectListAllDomains (connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

  if (virConnectGetVersion (connection, &request->source_version) < 0)
    request->source_version = 0;
  for (int i = 0; i < n; i++)
    {
      add_needs (request->needs, domains[i]);
      virDomainFree (domains[i]);
    }
  if (n >= 0)
    free (domains);
  virResetLastError ();
  g_task_return_pointer (task, request, (GDestroyNotify) vmft_probe_request_free);
}

/* --- on the destination --- */

static char *
check_machine (virConnectPtr connection, const VmftDomainNeeds *needs)
{
  char *capabilities = NULL;
  virErrorPtr last = NULL;

  if (needs->machine == NULL)
    return NULL;
  /* another emulator path is libvirt's to choose there */
  capabilities =
      virConnectGetDomainCapabilities (connection, NULL, needs->arch, needs->machine, needs->virt_type, 0);
  if (capabilities != NULL)
    {
      free (capabilities);
      return NULL;
    }
  last = virGetLastError ();
  if (last == NULL || last->code != VIR_ERR_INVALID_ARG)
    return NULL;
  return g_strdup_printf ("it cannot run there: %s", last->message);
}

static char *
check_cpu (virConnectPtr connection, const VmftDomainNeeds *needs)
{
  int result = VIR_CPU_COMPARE_IDENTICAL;

  if (needs->cpu == NULL)
    return NULL;
  result = virConnectCompareHypervisorCPU (connection, NULL, needs->arch, needs->machine, needs->virt_type,
                                           needs->cpu, 0);
  /* what cannot be compared is left to libvirt's own check when the job starts */
  if (result != VIR_CPU_COMPARE_INCOMPATIBLE)
    return NULL;
  return g_strdup ("its CPU model does not exist there");
}

static char *
check_networks (virConnectPtr connection, const VmftDomainNeeds *needs)
{
  for (guint i = 0; needs->networks[i] != NULL; i++)
    {
      virNetworkPtr network = virNetworkLookupByName (connection, needs->networks[i]);
      virErrorPtr last = virGetLastError ();
      gboolean active = network != NULL && virNetworkIsActive (network) == 1;
      gboolean missing = network == NULL && last != NULL && last->code == VIR_ERR_NO_NETWORK;

      if (network != NULL)
        virNetworkFree (network);
      if (missing || (network != NULL && !active))
        return g_strdup_printf ("its network %s is not %s there", needs->networks[i],
                                missing ? "known" : "active");
    }
  return NULL;
}

static char *
check_interfaces (virConnectPtr connection, const VmftDomainNeeds *needs)
{
  for (guint i = 0; needs->interfaces[i] != NULL; i++)
    {
      virInterfacePtr interface = virInterfaceLookupByName (connection, needs->interfaces[i]);
      virErrorPtr last = virGetLastError ();

      if (interface != NULL)
        virInterfaceFree (interface);
      /* a libvirt without an interface driver leaves it open */
      else if (last != NULL && last->code == VIR_ERR_NO_INTERFACE)
        return g_strdup_printf ("there is no bridge or interface %s there", needs->interfaces[i]);
    }
  return NULL;
}

static char *
check_firmware (virConnectPtr connection, const VmftDomainNeeds *needs)
{
  char *capabilities = NULL;
  gboolean known = TRUE;

  if (needs->loader == NULL)
    return NULL;
  capabilities =
      virConnectGetDomainCapabilities (connection, NULL, needs->arch, needs->machine, needs->virt_type, 0);
  if (capabilities == NULL)
    return NULL;
  known = vmft_domain_capabilities_know_loader (capabilities, needs->loader);
  free (capabilities);
  if (known)
    return NULL;
  return g_strdup_printf (
      "its NVRAM %s is on this host alone, and for its firmware %s no template is known there", needs->nvram,
      needs->loader);
}

/* Returns: why the domain cannot go there, "" when nothing speaks against it */
static char *
check_domain (virConnectPtr connection, const VmftDomainNeeds *needs)
{
  char *(*const checks[]) (virConnectPtr, const VmftDomainNeeds *) = {
    check_machine, check_cpu, check_networks, check_interfaces, check_firmware,
  };

  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    {
      char *reason = checks[i](connection, needs);

      virResetLastError ();
      if (reason != NULL)
        return reason;
    }
  return g_strdup ("");
}

void
vmft_probe_destination (GTask *task, virConnectPtr connection, gpointer task_data)
{
  const VmftProbeRequest *request = task_data;
  VmftProbe *probe = vmft_probe_new ();
  virNodeInfo node = { 0 };
  char *name = virConnectGetHostname (connection);

  probe->host_name = g_strdup (name);
  free (name);
  if (virConnectGetVersion (connection, &probe->qemu_version) < 0 ||
      virConnectGetLibVersion (connection, &probe->libvirt_version) < 0)
    probe->qemu_version = 0;
  probe->free_bytes = virNodeGetFreeMemory (connection);
  if (virNodeGetInfo (connection, &node) == 0)
    probe->memory_bytes = (guint64) node.memory * 1024;
  if (probe->qemu_version > 0)
    probe->modes &= vmft_modes_of_qemu (probe->qemu_version);
  if (request->source_version > 0)
    probe->modes &= vmft_modes_of_qemu (request->source_version);
  for (guint i = 0; i < request->needs->len; i++)
    {
      const VmftDomainNeeds *needs = g_ptr_array_index (request->needs, i);

      g_hash_table_replace (probe->obstacles, g_strdup (needs->uuid), check_domain (connection, needs));
    }
  virResetLastError ();
  g_task_return_pointer (task, probe, (GDestroyNotify) vmft_probe_free);
}
