/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-alerts.h"
#include "vmft-daemon.h"

G_BEGIN_DECLS

/**
 * VmftOutside: the daemon's outward faces but the bus, as the configuration wants them: HTTP server, heartbeat
 * monitor, alerts. They watch; nothing they hear moves a VM.
 */
typedef struct _VmftOutside VmftOutside;

/**
 * vmft_outside_check:
 * @error: %VMFT_ERROR_CONFIG: what vmft_outside_new() would refuse, found without listening anywhere
 */
gboolean vmft_outside_check (VmftConf *conf, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_outside_new:
 * @daemon: one reference is held
 * @error: %VMFT_ERROR_CONFIG
 *
 * An address that cannot be listened on is only warned of: it is no reason not to guard VMs.
 * Secrets come from the files that the configuration names, else from the service's credentials (systemd.exec(5)):
 * "http-token", "heartbeat-tokens", "webhook-secret".
 *
 * Returns: (transfer full): all of them, at work.
 */
VmftOutside *vmft_outside_new (VmftDaemon *daemon, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_outside_get_http_port: Returns: the HTTP server's first port, 0 when there is none. */
guint16 vmft_outside_get_http_port (VmftOutside *self);

/** vmft_outside_get_heartbeat_port: as above, of the heartbeat monitor. */
guint16 vmft_outside_get_heartbeat_port (VmftOutside *self);

void vmft_outside_free (VmftOutside *self);

/** vmft_outside_free_to_alerts: frees @self. Returns: (transfer full): its alerts, for whatever comes after it. */
VmftAlerts *vmft_outside_free_to_alerts (VmftOutside *self);

/** vmft_outside_take_over: @alerts: (transfer full): those before a reload; see vmft_alerts_take_over(). */
void vmft_outside_take_over (VmftOutside *self, VmftAlerts *alerts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftOutside, vmft_outside_free)

G_END_DECLS
