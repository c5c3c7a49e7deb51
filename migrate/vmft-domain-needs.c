/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-domain-needs.h"

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
  return needs;
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
  g_free (needs);
}
