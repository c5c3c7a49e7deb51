/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"
#include "vmft-metrics.h"

G_BEGIN_DECLS

#define VMFT_HEARTBEAT_PERIOD_S  15.0
#define VMFT_HEARTBEAT_TIMEOUT_S 18.0

/**
 * VmftHeartbeatConfig: see vmftd.conf(5), group [Heartbeat]. All is copied.
 * @listen: "ADDRESS:PORT"…, NULL-terminated; addresses that VMs can reach
 * @tokens: (element-type utf8 utf8): name of VM or host -> its token
 * @period_s: how often they are meant to beat; more than a few times as often is refused
 * @timeout_s: silence after which one counts as failed
 */
typedef struct
{
  const char *const *listen;
  GHashTable *tokens;
  double period_s;
  double timeout_s;
} VmftHeartbeatConfig;

/**
 * VmftHeartbeat:
 *
 * The paper's monitor: VMs and hosts ask for `/heartbeat/NAME` (GET, POST or PUT, with their token) every 15
 * seconds; one that was heard and then stays silent for longer than 18 has failed. That is a moment for the
 * lead-time history, never a reason to move anything.
 *
 * Signals:
 * - `silent` (const char *name, gint64 last_us): failed; @last_us is when it was last heard
 */
#define VMFT_TYPE_HEARTBEAT vmft_heartbeat_get_type ()
G_DECLARE_FINAL_TYPE (VmftHeartbeat, vmft_heartbeat, VMFT, HEARTBEAT, GObject)

/**
 * vmft_heartbeat_load_tokens:
 * @path: lines "NAME TOKEN"; empty ones and those that begin with '#' do not count
 * @error: %VMFT_ERROR_CONFIG, with file and line
 *
 * Returns: (transfer full): name -> token.
 */
GHashTable *vmft_heartbeat_load_tokens (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_heartbeat_new:
 * @error: %VMFT_ERROR_CONFIG, %VMFT_ERROR_UNAVAILABLE
 *
 * Returns: (transfer full): a monitor that listens.
 */
VmftHeartbeat *vmft_heartbeat_new (VmftClock *clock,
                                   const VmftHeartbeatConfig *config,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_heartbeat_forget: @name was shut down or moved away: its silence means nothing until it beats again. */
void vmft_heartbeat_forget (VmftHeartbeat *self, const char *name);

/** vmft_heartbeat_get_port: Returns: the port of the first address, for tests that asked for port 0. */
guint16 vmft_heartbeat_get_port (VmftHeartbeat *self);

/** vmft_heartbeat_to_variant: Returns: (transfer floating): `aa{sv}`: name, state (never, beating, silent), last_us. */
GVariant *vmft_heartbeat_to_variant (VmftHeartbeat *self);

/** vmft_heartbeat_add_metrics: writes names, beats and refusals. */
void vmft_heartbeat_add_metrics (VmftHeartbeat *self, VmftMetrics *metrics);

G_END_DECLS
