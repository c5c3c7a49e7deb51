/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/** Actions known to polkit. */
#define VMFT_ACTION_READ      "org.vmft1.read"
#define VMFT_ACTION_PLAN      "org.vmft1.plan"
#define VMFT_ACTION_MIGRATE   "org.vmft1.migrate"
#define VMFT_ACTION_CONFIGURE "org.vmft1.configure"

/**
 * vmft_auth_check_async:
 * @sender: unique name of the caller
 * @action: one of the actions above
 * @interactive: the caller lets polkit ask its user
 *
 * uid 0 may do all; others may do what polkit says; on a bus without polkit they may only read.
 */
void vmft_auth_check_async (GDBusConnection *connection,
                            const char *sender,
                            const char *action,
                            gboolean interactive,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data);

/** vmft_auth_check_finish: Returns: whether it is allowed; %G_DBUS_ERROR_ACCESS_DENIED when it is not. */
gboolean vmft_auth_check_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
