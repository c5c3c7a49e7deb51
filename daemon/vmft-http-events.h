/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftHttpEvents: server-sent events (WHATWG HTML, 9.2) to many clients, none of which can hold up the daemon:
 * nothing here blocks, each client has a bounded queue, and one that does not read is dropped. It may
 * reconnect and then reads the state anew.
 */
typedef struct _VmftHttpEvents VmftHttpEvents;

/**
 * vmft_http_events_new:
 * @clock: for the comment that keeps idle connections alive
 * @max_clients: at the same time
 * @queue_bytes: a client with more than so much unsent is dropped
 */
VmftHttpEvents *vmft_http_events_new (VmftClock *clock, guint max_clients, gsize queue_bytes);

/** vmft_http_events_is_full: Returns: whether there is no room for another client. */
gboolean vmft_http_events_is_full (VmftHttpEvents *self);

/** vmft_http_events_add: @stream: an HTTP/1.1 connection whose request was read; the response is ours to write. */
void vmft_http_events_add (VmftHttpEvents *self, GIOStream *stream);

/** vmft_http_events_publish: @event: one word. @record: (transfer floating): becomes the event's JSON. */
void vmft_http_events_publish (VmftHttpEvents *self, const char *event, GVariant *record);

/** vmft_http_events_get_counts: @n_clients: now. @n_sent, @n_dropped: events and slow clients so far. */
void
vmft_http_events_get_counts (VmftHttpEvents *self, guint *n_clients, guint64 *n_sent, guint64 *n_dropped);

void vmft_http_events_free (VmftHttpEvents *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftHttpEvents, vmft_http_events_free)

G_END_DECLS
