/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-domain-needs.h"

#include "vmft-block-device.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlXPathContext, xmlXPathFreeContext)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlXPathObject, xmlXPathFreeObject)

static char *
get_string (xmlXPathContext *context, const char *path)
{
  g_autoptr (xmlXPathObject) found = xmlXPathEvalExpression (BAD_CAST path, context);
  xmlChar *value = NULL;
  char *copy = NULL;

  if (found == NULL || found->nodesetval == NULL || found->nodesetval->nodeNr == 0)
    return NULL;
  value = xmlNodeGetContent (found->nodesetval->nodeTab[0]);
  copy = g_strdup ((const char *) value);
  xmlFree (value);
  return copy;
}

static GStrv
get_strings (xmlXPathContext *context, const char *path)
{
  g_autoptr (xmlXPathObject) found = xmlXPathEvalExpression (BAD_CAST path, context);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (int i = 0; found != NULL && found->nodesetval != NULL && i < found->nodesetval->nodeNr; i++)
    {
      xmlChar *value = xmlNodeGetContent (found->nodesetval->nodeTab[i]);

      g_strv_builder_add (builder, (const char *) value);
      xmlFree (value);
    }
  return g_strv_builder_end (builder);
}

/* libvirt checks a CPU on arrival unless it is told not to; host-passthrough has nothing that could be compared */
static char *
get_cpu (xmlXPathContext *context)
{
  g_autoptr (xmlXPathObject) found =
      xmlXPathEvalExpression (BAD_CAST "/domain/cpu[model and not(@check='none')]", context);
  xmlBuffer *buffer = NULL;
  char *text = NULL;

  if (found == NULL || found->nodesetval == NULL || found->nodesetval->nodeNr == 0)
    return NULL;
  buffer = xmlBufferCreate ();
  if (xmlNodeDump (buffer, context->doc, found->nodesetval->nodeTab[0], 0, 0) > 0)
    text = g_strdup ((const char *) xmlBufferContent (buffer));
  xmlBufferFree (buffer);
  return text;
}

/*
 * The contents of the variable store go with the guest's memory; libvirt only wants a file to put them in, and makes
 * it from a template. Where it knows none it says "unable to find any master var store for loader".
 */
static void
get_firmware (xmlXPathContext *context, VmftDomainNeeds *needs)
{
  g_autofree char *template_path = get_string (context, "/domain/os/nvram/@template");
  g_autofree char *nvram =
      get_string (context, "/domain/os/nvram[not(source)] | /domain/os/nvram/source/@file");

  if (template_path != NULL || nvram == NULL || *nvram == '\0' || vmft_path_is_shared (nvram))
    return;
  needs->loader = get_string (context, "/domain/os/loader");
  if (needs->loader != NULL)
    needs->nvram = g_steal_pointer (&nvram);
}

VmftDomainNeeds *
vmft_domain_needs_from_xml (const char *uuid, const char *xml, GError **error)
{
  g_autoptr (xmlDoc) doc = xmlReadMemory (xml, (int) strlen (xml), NULL, NULL,
                                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  g_autoptr (xmlXPathContext) context = doc != NULL ? xmlXPathNewContext (doc) : NULL;
  VmftDomainNeeds *needs = NULL;

  if (context == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "no domain description: malformed XML");
      return NULL;
    }
  needs = g_new0 (VmftDomainNeeds, 1);
  needs->uuid = g_strdup (uuid);
  needs->arch = get_string (context, "/domain/os/type/@arch");
  needs->machine = get_string (context, "/domain/os/type/@machine");
  needs->virt_type = get_string (context, "/domain/@type");
  needs->emulator = get_string (context, "/domain/devices/emulator");
  needs->cpu = get_cpu (context);
  needs->networks = get_strings (context, "/domain/devices/interface[@type='network']/source/@network");
  needs->interfaces = get_strings (context, "/domain/devices/interface[@type='bridge']/source/@bridge | "
                                            "/domain/devices/interface[@type='direct']/source/@dev");
  get_firmware (context, needs);
  return needs;
}

gboolean
vmft_domain_capabilities_know_loader (const char *xml, const char *path)
{
  g_autoptr (xmlDoc) doc = xmlReadMemory (xml, (int) strlen (xml), NULL, NULL,
                                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  g_autoptr (xmlXPathContext) context = doc != NULL ? xmlXPathNewContext (doc) : NULL;
  g_auto (GStrv) known =
      context != NULL ? get_strings (context, "/domainCapabilities/os/loader/value") : NULL;

  return known != NULL && g_strv_contains ((const char *const *) known, path);
}

void
vmft_domain_needs_free (VmftDomainNeeds *needs)
{
  if (needs == NULL)
    return;
  g_free (needs->uuid);
  g_free (needs->arch);
  g_free (needs->machine);
  g_free (needs->virt_type);
  g_free (needs->emulator);
  g_free (needs->cpu);
  g_strfreev (needs->networks);
  g_strfreev (needs->interfaces);
  g_free (needs->loader);
  g_free (needs->nvram);
  g_free (needs);
}
