/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-source.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftSyslogConfig: what a syslog receiver listens to and to whom.
 * @listen: NULL-terminated "tcp:ADDRESS:PORT" and "udp:ADDRESS:PORT", "[…]" around an IPv6 address; port 0 lets
 *   the kernel choose
 * @allow: NULL-terminated addresses and networks ("192.0.2.0/24") that may send; empty: this machine only
 * @max_connections: over TCP, all listeners together; more are closed at once
 * @trust: for what comes over TCP; UDP senders can be forged and are never trusted
 */
typedef struct
{
  const char *const *listen;
  const char *const *allow;
  guint max_connections;
  VmftTrust trust;
} VmftSyslogConfig;

#define VMFT_SYSLOG_MAX_CONNECTIONS 64

/**
 * VmftSyslogSource: the receiving end of rsyslog's forwarding: RFC 5424 and RFC 3164 over TCP (octet-counted and
 * by newline) and UDP. A connection is read a chunk at a time, in turn with all else: a flood fills the sender's
 * socket, not this memory. What UDP loses is counted.
 */
#define VMFT_TYPE_SYSLOG_SOURCE vmft_syslog_source_get_type ()
G_DECLARE_FINAL_TYPE (VmftSyslogSource, vmft_syslog_source, VMFT, SYSLOG_SOURCE, GObject)

/**
 * vmft_syslog_source_new:
 * @config: copied
 * @error: return location, %VMFT_ERROR_CONFIG: an address or network that is none, or a listener that others can
 *   reach without a list of who may
 *
 * Returns: (transfer full): the source, not started. A port that is taken is tried again once a second.
 */
VmftSource *vmft_syslog_source_new (const char *name,
                                    const VmftSyslogConfig *config,
                                    VmftClock *clock,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_syslog_source_get_port: Returns: port of listener @index; 0 while it is not bound. */
guint16 vmft_syslog_source_get_port (VmftSyslogSource *self, guint index);

G_END_DECLS
