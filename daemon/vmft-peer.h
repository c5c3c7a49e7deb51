/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftPeerState: what another host says of itself: the part of `/api/v1/status` of its vmftd that matters to those who
 * would send VMs there. Whatever else answers at the URL says the same in one JSON object: `suspect` (boolean, required),
 * `suspicion` (text), `templates` (object: message template -> seconds since it was last seen there).
 * @suspicion: (nullable): why, for people: one printable line, 256 bytes at most
 * @templates: of its incidents -> age in seconds, as double *
 */
typedef struct
{
  gboolean suspect;
  char *suspicion;
  GHashTable *templates;
} VmftPeerState;

/** vmft_peer_state_parse: Returns: (transfer full): what @json says; NULL with %VMFT_ERROR_INVALID. */
VmftPeerState *vmft_peer_state_parse (const char *json, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void vmft_peer_state_free (VmftPeerState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftPeerState, vmft_peer_state_free)

/**
 * VmftPeer: asks one host's status URL. One question at a time, five seconds for it, and no more than 1 MiB of an answer;
 * redirects are not followed, and the token goes nowhere else, least of all into a message.
 */
typedef struct _VmftPeer VmftPeer;

/** VmftPeerFunc: @state: (nullable): (transfer none): the answer, or NULL with @error. */
typedef void (*VmftPeerFunc) (const VmftPeerState *state, const GError *error, gpointer user_data);

/**
 * vmft_peer_new:
 * @url: http or https
 * @token: (nullable): sent as a bearer token
 *
 * Returns: (transfer full): a peer that has not been asked; NULL with %VMFT_ERROR_CONFIG.
 */
VmftPeer *vmft_peer_new (VmftClock *clock,
                         const char *url,
                         const char *token,
                         VmftPeerFunc func,
                         gpointer user_data,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_peer_free: an answer under way is not told of any more. */
void vmft_peer_free (VmftPeer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftPeer, vmft_peer_free)

/** vmft_peer_ask: asks, unless a question is under way. */
void vmft_peer_ask (VmftPeer *self);

G_END_DECLS
