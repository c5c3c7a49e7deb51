/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-conf.h"
#include "vmft-hypervisor.h"
#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftDestinations: the hosts of the configuration, and what is known of them now: whether libvirtd answers there,
 * how much memory is free and whether the host is suspect itself, asked in the background so that an alarm never waits
 * for it. A host that has said it is suspect stays so until it says otherwise.
 */
typedef struct _VmftDestinations VmftDestinations;

/**
 * vmft_destinations_new: reads the groups "[Destination NAME]" and "[VM NAME]".
 *
 * Returns: (transfer full): none of them looked at yet; NULL with %VMFT_ERROR_CONFIG for a bad status URL or token.
 */
VmftDestinations *vmft_destinations_new (VmftConf *conf,
                                         VmftClock *clock,
                                         VmftHypervisor *hypervisor,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
void vmft_destinations_free (VmftDestinations *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftDestinations, vmft_destinations_free)

/** vmft_destinations_set_changed: @func: called when one of them may be sent to that could not, or the other way round. */
void vmft_destinations_set_changed (VmftDestinations *self, void (*func) (gpointer), gpointer user_data);

/** vmft_destinations_start: looks at all of them now and every 15 s. */
void vmft_destinations_start (VmftDestinations *self);

/** vmft_destinations_list: Returns: (transfer none) (element-type VmftDestination): for #VmftPolicyInput. */
const GPtrArray *vmft_destinations_list (VmftDestinations *self);

/** vmft_destinations_get_uri: Returns: (nullable): libvirt's URI of the destination @name. */
const char *vmft_destinations_get_uri (VmftDestinations *self, const char *name);

/** vmft_destinations_get_migrate_uri: Returns: (nullable): where the stream goes; NULL lets libvirt decide. */
const char *vmft_destinations_get_migrate_uri (VmftDestinations *self, const char *name);

/** vmft_destinations_note_template: sets @same_template_us of each for a plan about @template_text (nullable). */
void vmft_destinations_note_template (VmftDestinations *self, const char *template_text);

/** vmft_destinations_reserve: counts @bytes (negative to give back) as promised to moves under way. */
void vmft_destinations_reserve (VmftDestinations *self, const char *name, double bytes);

/** vmft_destinations_to_variant: Returns: (transfer floating): `aa{sv}`: name, uri, reachable, problem, free_bytes … */
GVariant *vmft_destinations_to_variant (VmftDestinations *self);

G_END_DECLS
