/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-clock.h"
#include "vmft-libvirt-call.h"

G_BEGIN_DECLS

/**
 * VmftConnection:
 *
 * A connection to one libvirtd that is kept: opened in a worker thread, watched by keep-alive, and opened again
 * with back-off (1, 2, 4, 5, 5 … seconds on the clock; a local socket costs little) for as long as the object lives.
 *
 * Signals, on the default main context:
 * - `opened` (): calls can be made; watches are registered
 * - `closed` (const char *reason)
 */
#define VMFT_TYPE_CONNECTION vmft_connection_get_type ()
G_DECLARE_FINAL_TYPE (VmftConnection, vmft_connection, VMFT, CONNECTION, GObject)

/** vmft_connection_new: @uri: a libvirt URI, "qemu:///system". Returns: (transfer full): not yet connected. */
VmftConnection *vmft_connection_new (const char *uri, VmftClock *clock);

/** vmft_connection_start: begins to connect. */
void vmft_connection_start (VmftConnection *self);

/** vmft_connection_is_open: Returns: whether calls can be made. */
gboolean vmft_connection_is_open (VmftConnection *self);

/**
 * vmft_connection_watch:
 * @event_id: a #virDomainEventID
 * @callback: libvirt's callback for this event; runs on the default main context with an opaque argument for
 *   vmft_connection_event_target()
 * @target: the object the callback works for; not kept alive by the watch
 *
 * Registers a callback for an event of all domains, now and at each reconnect. Before vmft_connection_start().
 */
void vmft_connection_watch (VmftConnection *self,
                            int event_id,
                            virConnectDomainEventGenericCallback callback,
                            GObject *target);

/** vmft_connection_event_target: Returns: (transfer full) (nullable): the target of the watch, while it lives. */
gpointer vmft_connection_event_target (gpointer opaque);

/** vmft_connection_call: runs @func in a worker thread; %VMFT_ERROR_UNAVAILABLE when there is no connection. */
void vmft_connection_call (VmftConnection *self, GTask *task, VmftLibvirtFunc func);

/**
 * vmft_connection_call_long: as vmft_connection_call(), on a connection of its own, for calls that last.
 *
 * Two threads on one connection of libvirt 9.0 disturb each other: while one waits for a reply, the other's request
 * may lie unsent until something else happens on the socket (the wake-up of the waiting thread gets lost). Measured:
 * beside a migrate call, a poll stalls until the next keep-alive, up to 5 seconds.
 */
void vmft_connection_call_long (VmftConnection *self, GTask *task, VmftLibvirtFunc func);

/** vmft_connection_call_uri: runs @func in a worker thread with a connection to @uri of its own. */
void vmft_connection_call_uri (VmftConnection *self, GTask *task, const char *uri, VmftLibvirtFunc func);

G_END_DECLS
