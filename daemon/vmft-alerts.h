/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"
#include "vmft-metrics.h"

G_BEGIN_DECLS

/** Events that go out. */
#define VMFT_ALERT_INCIDENT_RAISED    "incident-raised"
#define VMFT_ALERT_INCIDENT_CLEARED   "incident-cleared"
#define VMFT_ALERT_PLAN_MADE          "plan-made"
#define VMFT_ALERT_MIGRATION_FINISHED "migration-finished"

/**
 * VmftAlertsConfig: see vmftd.conf(5), group [Alerts]. All is copied.
 * @hostname: names this host in every alert
 * @events: (nullable): which ones go out, NULL-terminated; NULL for all
 * @command: (nullable): absolute path
 * @webhook: (nullable): URL
 * @secret: (nullable): key of the webhook's signature
 * @timeout_s: for one attempt of either
 * @limit: alerts kept for each while it does not take them
 */
typedef struct
{
  const char *hostname;
  const char *const *events;
  const char *command;
  const char *webhook;
  const char *secret;
  double timeout_s;
  guint limit;
} VmftAlertsConfig;

/**
 * VmftAlerts: tells a command and a webhook what happened, without ever waiting for them.
 *
 * The JSON is {"id", "event", "host", "time_us", "data"}, with the record of incident, plan or migration as data.
 */
typedef struct _VmftAlerts VmftAlerts;

/**
 * vmft_alerts_new:
 * @error: %VMFT_ERROR_CONFIG
 *
 * Returns: (transfer full): what sends alerts; nowhere, when neither command nor webhook is given.
 */
VmftAlerts *vmft_alerts_new (VmftClock *clock,
                             const VmftAlertsConfig *config,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_alerts_send: @record: (transfer floating): `a{sv}`. */
void vmft_alerts_send (VmftAlerts *self, const char *event, GVariant *record);

/**
 * vmft_alerts_take_over:
 * @old: (transfer full): what sent alerts until now, before a reload
 *
 * What it did not get rid of goes on here, by the channel of the same kind, and so do its counts. What has no such
 * channel any more is lost, counted, and said.
 */
void vmft_alerts_take_over (VmftAlerts *self, VmftAlerts *old);

/** vmft_alerts_add_metrics: writes what waits, went out and was lost, by channel. */
void vmft_alerts_add_metrics (VmftAlerts *self, VmftMetrics *metrics);

/** vmft_alerts_free: what did not go out yet is lost, with a line in the log. */
void vmft_alerts_free (VmftAlerts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftAlerts, vmft_alerts_free)

G_END_DECLS
