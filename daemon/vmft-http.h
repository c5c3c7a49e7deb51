/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"
#include "vmft-metrics.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftHttpView: what the server shows; every function returns (transfer floating) what is true now.
 * @status: `a{sv}`
 * @incidents: `aa{sv}`: open ones and those of the last 24 h
 * @plans: `aa{sv}`: newest first
 * @migrations: `aa{sv}`: running ones
 * @vms: (transfer full): JSON, an array of records
 * @history: `aa{sv}`: ended migrations, newest first
 * @metrics: (nullable): adds its own to the page
 */
typedef struct
{
  GVariant *(*status) (gpointer user_data);
  GVariant *(*incidents) (guint limit, gpointer user_data);
  GVariant *(*plans) (guint limit, gpointer user_data);
  GVariant *(*migrations) (guint limit, gpointer user_data);
  char *(*vms) (gpointer user_data);
  GVariant *(*history) (guint limit, gpointer user_data);
  void (*metrics) (VmftMetrics *metrics, gpointer user_data);
} VmftHttpView;

/**
 * VmftHttpConfig: see vmftd.conf(5), group [HTTP]. All is copied.
 * @listen: "ADDRESS:PORT"…, NULL-terminated
 * @token: (nullable): what clients must show; required for an address that others can reach
 * @allowed_hosts: (nullable): names this server answers to besides its addresses and "localhost"
 * @max_clients: of the event stream at the same time
 */
typedef struct
{
  const char *const *listen;
  const char *token;
  const char *const *allowed_hosts;
  guint max_clients;
} VmftHttpConfig;

/**
 * VmftHttp:
 *
 * `/metrics`, `/api/v1/status|incidents|plans|migrations|vms|history`, `/api/v1/events` and the page at `/`.
 * It reads and never changes anything. Runs on the main context of the thread that made it.
 */
typedef struct _VmftHttp VmftHttp;

/** vmft_http_check: Returns: whether vmft_http_new() takes @config, else %VMFT_ERROR_CONFIG; listens nowhere. */
gboolean vmft_http_check (const VmftHttpConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_http_new:
 * @view: copied; called with @user_data from the main loop
 * @error: %VMFT_ERROR_CONFIG: an address that does not parse, or one beyond loopback without a token;
 *   %VMFT_ERROR_UNAVAILABLE: an address that cannot be listened on
 *
 * Returns: (transfer full): a running server.
 */
VmftHttp *vmft_http_new (VmftClock *clock,
                         const VmftHttpConfig *config,
                         const VmftHttpView *view,
                         gpointer user_data,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_http_publish: tells the clients of the event stream.
 * @event: "status", "incident", "plan", "migration" or "vm"
 * @record: (transfer floating): `a{sv}`
 */
void vmft_http_publish (VmftHttp *self, const char *event, GVariant *record);

/** vmft_http_get_port: Returns: the port of the first address, for tests that asked for port 0. */
guint16 vmft_http_get_port (VmftHttp *self);

/** vmft_http_free: closes all connections. */
void vmft_http_free (VmftHttp *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftHttp, vmft_http_free)

G_END_DECLS
