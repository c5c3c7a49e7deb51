/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftHookCall: what libvirt's hook says. See libvirt's "Hooks for specific system management".
 * @operation: "migrate", "started", "stopped", "release", "reconnect"
 * @sub_operation: "begin" or "end"
 * @uuid: (nullable): of the domain
 * @memory_bytes: its RAM, 0 when unknown
 */
typedef struct
{
  const char *operation;
  const char *sub_operation;
  const char *uuid;
  const char *name;
  guint64 memory_bytes;
} VmftHookCall;

/**
 * VmftHookFunc: must answer at once and must not call libvirt, which waits.
 *
 * Returns: (transfer full) (nullable): why the VM may not come (looked at for "migrate" only); NULL to let it pass.
 */
typedef char *(*VmftHookFunc) (const VmftHookCall *call, gpointer user_data);

/** VmftHookServer: vmftd's end of the socket that vmft-hook talks to. */
typedef struct _VmftHookServer VmftHookServer;

/**
 * vmft_hook_server_new:
 * @path: of the socket; one that nobody listens on is replaced, for root alone
 * @error: return location, %VMFT_ERROR_FAILED
 */
VmftHookServer *vmft_hook_server_new (const char *path, VmftHookFunc func, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void vmft_hook_server_free (VmftHookServer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftHookServer, vmft_hook_server_free)

/** vmft_hook_parse: @line: without its newline; changed in place, @call points into it. %VMFT_ERROR_INVALID. */
gboolean vmft_hook_parse (char *line, VmftHookCall *call, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_hook_refusal: Returns: (transfer full) (nullable): the reason of a destination's hook in libvirt's error @message. */
char *vmft_hook_refusal (const char *message);

G_END_DECLS
