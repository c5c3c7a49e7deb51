/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-alerts.h"

#include "vmft-alert-queue.h"

#define COMMAND_CONCURRENCY 4
#define WEBHOOK_CONCURRENCY 2

static const char *const events[] = { VMFT_ALERT_INCIDENT_RAISED, VMFT_ALERT_INCIDENT_CLEARED,
                                      VMFT_ALERT_PLAN_MADE, VMFT_ALERT_MIGRATION_FINISHED, NULL };

struct _VmftAlerts
{
  VmftClock *clock;
  char *hostname;
  char **events;
  VmftAlertQueue *command; /* (nullable) */
  VmftAlertQueue *webhook; /* (nullable) */
};

static gboolean
check_events (const char *const *wanted, GError **error)
{
  for (; wanted != NULL && *wanted != NULL; wanted++)
    if (!g_strv_contains (events, *wanted))
      {
        g_autofree char *allowed = g_strjoinv (", ", (char **) events);

        g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[Alerts] events=%s: must be of %s", *wanted,
                     allowed);
        return FALSE;
      }
  return TRUE;
}

VmftAlerts *
vmft_alerts_new (VmftClock *clock, const VmftAlertsConfig *config, GError **error)
{
  g_autoptr (VmftAlerts) self = g_new0 (VmftAlerts, 1);
  VmftAlertChannel channel;

  self->clock = g_object_ref (clock);
  self->hostname = g_strdup (config->hostname);
  self->events = g_strdupv ((char **) (config->events ? config->events : events));
  if (!check_events (config->events, error))
    return NULL;
  if (config->command != NULL)
    {
      vmft_alert_command_init (&channel, clock, config->command, config->timeout_s);
      self->command = vmft_alert_queue_new (clock, "command", &channel, config->limit, COMMAND_CONCURRENCY);
    }
  if (config->webhook != NULL)
    {
      if (!vmft_alert_webhook_init (&channel, clock, config->webhook, config->secret, config->timeout_s,
                                    error))
        return NULL;
      self->webhook = vmft_alert_queue_new (clock, "webhook", &channel, config->limit, WEBHOOK_CONCURRENCY);
    }
  return g_steal_pointer (&self);
}

void
vmft_alerts_send (VmftAlerts *self, const char *event, GVariant *record)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (record);
  g_autoptr (VmftAlert) alert = NULL;

  if (!g_strv_contains ((const char *const *) self->events, event) ||
      (self->command == NULL && self->webhook == NULL))
    return;
  alert = vmft_alert_new (event, self->hostname, vmft_clock_real_us (self->clock), held);
  if (self->command != NULL)
    vmft_alert_queue_push (self->command, vmft_alert_copy (alert));
  if (self->webhook != NULL)
    vmft_alert_queue_push (self->webhook, vmft_alert_copy (alert));
}

void
vmft_alerts_add_metrics (VmftAlerts *self, VmftMetrics *metrics)
{
  static const char *const names[] = { "command", "webhook" };
  VmftAlertQueue *const queues[] = { self->command, self->webhook };
  guint n_waiting[2] = { 0 };
  guint64 n_delivered[2] = { 0 }, n_dropped[2] = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (queues); i++)
    if (queues[i] != NULL)
      vmft_alert_queue_get_counts (queues[i], &n_waiting[i], &n_delivered[i], &n_dropped[i]);
  vmft_metrics_gauge (metrics, "vmft_alerts_waiting", "Alerts not yet taken by command or webhook.");
  for (gsize i = 0; i < G_N_ELEMENTS (queues); i++)
    vmft_metrics_add (metrics, n_waiting[i], "channel", names[i], NULL);
  vmft_metrics_counter (metrics, "vmft_alerts_delivered_total", "Alerts taken by command or webhook.");
  for (gsize i = 0; i < G_N_ELEMENTS (queues); i++)
    vmft_metrics_add (metrics, (double) n_delivered[i], "channel", names[i], NULL);
  vmft_metrics_counter (metrics, "vmft_alerts_dropped_total", "Alerts lost: refused, too old or too many.");
  for (gsize i = 0; i < G_N_ELEMENTS (queues); i++)
    vmft_metrics_add (metrics, (double) n_dropped[i], "channel", names[i], NULL);
}

void
vmft_alerts_free (VmftAlerts *self)
{
  g_clear_pointer (&self->command, vmft_alert_queue_free);
  g_clear_pointer (&self->webhook, vmft_alert_queue_free);
  g_object_unref (self->clock);
  g_strfreev (self->events);
  g_free (self->hostname);
  g_free (self);
}
