/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

#include <libsoup/soup.h>

G_BEGIN_DECLS

/**
 * VmftHttpListener: accepts connections for a #SoupServer, which by itself bounds neither their number nor how
 * long one may sit silent.
 */
typedef struct _VmftHttpListener VmftHttpListener;

/**
 * vmft_http_listener_new:
 * @server: gets the connections; outlives the listener
 * @max_connections: at the same time; further ones are closed at once
 * @max_per_peer: of them, from one address, which then may not open more than 20 a second either; 0 for no such limit
 * @idle_s: a connection that waits so long for its peer is closed
 *
 * Returns: (transfer full): a listener on nothing yet.
 */
VmftHttpListener *vmft_http_listener_new (SoupServer *server,
                                          VmftClock *clock,
                                          guint max_connections,
                                          guint max_per_peer,
                                          guint idle_s);

/**
 * vmft_http_listener_add:
 * @address: need not be configured on this machine yet (a bridge that libvirt will bring up)
 * @error: %VMFT_ERROR_UNAVAILABLE
 */
gboolean vmft_http_listener_add (VmftHttpListener *self,
                                 GSocketAddress *address,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_http_listener_get_port: Returns: the port of the first address, for tests that asked for port 0. */
guint16 vmft_http_listener_get_port (VmftHttpListener *self);

/** vmft_http_listener_get_refused: Returns: connections closed because there were too many. */
guint64 vmft_http_listener_get_refused (VmftHttpListener *self);

/** vmft_http_listener_free: stops listening; connections that are open stay with their server. */
void vmft_http_listener_free (VmftHttpListener *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftHttpListener, vmft_http_listener_free)

G_END_DECLS
