/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-daemon.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VMFT_DBUS_NAME "org.vmft1"
#define VMFT_DBUS_PATH "/org/vmft1"

/**
 * VmftDbus: the daemon as the service org.vmft1. A bus that cannot be reached, or goes away, is tried again every 5 s:
 * the watch over the host does not depend on it.
 *
 * @VmftDbusReloadFunc: reads the configuration again
 */
typedef struct _VmftDbus VmftDbus;
typedef gboolean (*VmftDbusReloadFunc) (gpointer user_data, GError **error);

/**
 * vmft_dbus_new:
 * @address: (nullable): of the bus; NULL for the system bus, wherever DBUS_SYSTEM_BUS_ADDRESS says it is
 * @reload: (nullable)
 *
 * Returns: (transfer full): the service, connecting.
 */
VmftDbus *
vmft_dbus_new (VmftDaemon *daemon, const char *address, VmftDbusReloadFunc reload, gpointer user_data);
void vmft_dbus_free (VmftDbus *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftDbus, vmft_dbus_free)

/** vmft_dbus_set_daemon: @daemon answers from now on, in place of the one before; the name is never without an owner. */
void vmft_dbus_set_daemon (VmftDbus *self, VmftDaemon *daemon);

/** vmft_dbus_owns_name: Returns: whether clients can find the daemon now. */
gboolean vmft_dbus_owns_name (VmftDbus *self);

G_END_DECLS
