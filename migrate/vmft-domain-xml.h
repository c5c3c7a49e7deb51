/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-policy.h"

G_BEGIN_DECLS

/** VMFT_DOMAIN_XMLNS: the namespace of vmft's element in a domain's metadata. */
#define VMFT_DOMAIN_XMLNS "https://vmft.org/xmlns/domain/1.0"

/**
 * vmft_domain_xml_parse:
 * @xml: libvirt's description of a domain
 * @vm: filled with vCPUs, memory, accelerator, policy, blocker and disks (what they are called; no look at the host's
 *   devices and storage pools)
 * @error: return location, %VMFT_ERROR_INVALID
 *
 * The operator's wishes stand in the metadata, so that they travel with the VM:
 * `<vmft:policy xmlns:vmft="https://vmft.org/xmlns/domain/1.0" priority="8" modes="pre-copy, hybrid" max-downtime="200" off="no"/>`.
 * A policy that does not parse keeps the VM where it is: it becomes its blocker.
 */
gboolean vmft_domain_xml_parse (const char *xml, VmftVm *vm, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** VMFT_DOMAIN_XML_PREFIX: of the element in the domain's description. */
#define VMFT_DOMAIN_XML_PREFIX "vmft"

/**
 * vmft_domain_xml_format_policy: Returns: (transfer full) (nullable): the element as virDomainSetMetadata() wants it,
 * without its namespace; NULL when @policy is the default and needs none.
 */
char *vmft_domain_xml_format_policy (const VmftVmPolicy *policy);

G_END_DECLS
