/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftDomainNeeds: what a host must have to take a domain.
 * @cpu: (nullable): the domain's <cpu> element, when libvirt is to check it
 * @networks: names of libvirt networks, NULL-terminated
 * @interfaces: names of bridges and of devices under macvtap, NULL-terminated
 * @loader: (nullable): its firmware, when the variables that go with it have no template of their own
 * @nvram: (nullable): the file of these variables, when it is on this host alone
 */
typedef struct
{
  char *uuid;
  char *arch;
  char *machine;
  char *virt_type;
  char *emulator;
  char *cpu;
  GStrv networks;
  GStrv interfaces;
  char *loader;
  char *nvram;
} VmftDomainNeeds;

/** vmft_domain_needs_from_xml: @xml: migratable description. Returns: (transfer full): %VMFT_ERROR_INVALID. */
VmftDomainNeeds *vmft_domain_needs_from_xml (const char *uuid,
                                             const char *xml,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_domain_capabilities_know_loader: Returns: whether the domain capabilities in @xml list the firmware @path. */
gboolean vmft_domain_capabilities_know_loader (const char *xml, const char *path);

void vmft_domain_needs_free (VmftDomainNeeds *needs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftDomainNeeds, vmft_domain_needs_free)

G_END_DECLS
