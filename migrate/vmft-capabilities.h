/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-domain-needs.h"
#include "vmft-hypervisor.h"
#include "vmft-libvirt-call.h"

G_BEGIN_DECLS

/** vmft_modes_of_qemu: @version: as virConnectGetVersion() gives it. Returns: the modes that QEMU knows. */
guint vmft_modes_of_qemu (gulong version);

/**
 * VmftProbeRequest: task data of vmft_probe_destination().
 * @source_version: QEMU's on this host; 0 when unknown
 * @needs: (element-type VmftDomainNeeds): of the domains that may go there
 */
typedef struct
{
  char *uri;
  gulong source_version;
  GPtrArray *needs;
} VmftProbeRequest;

/** vmft_probe_request_new: Returns: (transfer full): one for no domain at all. */
VmftProbeRequest *vmft_probe_request_new (const char *uri);
void vmft_probe_request_free (VmftProbeRequest *request);

/**
 * vmft_probe_source: a #VmftLibvirtFunc on this host's connection; task data: the destination's URI. Returns a
 * #VmftProbeRequest.
 */
void vmft_probe_source (GTask *task, virConnectPtr connection, gpointer task_data);

/**
 * vmft_probe_destination: a #VmftLibvirtFunc on the destination's connection; task data: #VmftProbeRequest. Returns a
 * #VmftProbe. Nothing is assumed: each domain's machine type, CPU and networks are asked for there.
 */
void vmft_probe_destination (GTask *task, virConnectPtr connection, gpointer task_data);

G_END_DECLS
