/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-libvirt-call.h"
#include "vmft-migration-outcome.h"

G_BEGIN_DECLS

/**
 * VmftLeftover: what a destination that says "already exists" has under the VM's UUID.
 * @VMFT_LEFTOVER_NONE: nothing of ours, or nothing that may be touched
 * @VMFT_LEFTOVER_DEFINITION: a definition that does not run
 * @VMFT_LEFTOVER_HALF: a half of an earlier migration that can never run: stopped, waiting for memory that will not come
 */
typedef enum
{
  VMFT_LEFTOVER_NONE,
  VMFT_LEFTOVER_DEFINITION,
  VMFT_LEFTOVER_HALF,
} VmftLeftover;

/**
 * vmft_leftover_classify:
 * @source: the VM on this host
 * @destination_state, @destination_reason: from virDomainGetState() there, of the domain with the same UUID
 *
 * Only while the VM runs here, whole, is another copy of it known to be dead.
 */
VmftLeftover vmft_leftover_classify (VmftEnd source,
                                     gboolean source_has_job,
                                     int destination_state,
                                     int destination_reason);

/**
 * vmft_leftover_clear:
 * @domain: the VM, on this host
 * @destination_uri: as this process opens it
 *
 * Worker threads only. Takes away what an earlier try left of @domain on the destination: the same UUID, and not running.
 * A domain that has only its name is somebody else's and stays, and so does a definition with a saved image.
 *
 * Returns: whether there is anything to be gained from trying again.
 */
gboolean vmft_leftover_clear (virDomainPtr domain, const char *destination_uri);

/** vmft_leftover_is_clash: Returns: whether libvirt's @message may mean that the destination has such a domain. */
gboolean vmft_leftover_is_clash (const char *message);

G_END_DECLS
