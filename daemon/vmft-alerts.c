/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-alerts.h"

#include "vmft-alert-queue.h"

#define COMMAND_CONCURRENCY 4
#define WEBHOOK_CONCURRENCY 2

static const char *const events[] = { VMFT_ALERT_INCIDENT_RAISED, VMFT_ALERT_INCIDENT_CLEARED,
                                      VMFT_ALERT_PLAN_MADE, VMFT_ALERT_MIGRATION_FINISHED, NULL };

typedef enum
{
  COMMAND,
  WEBHOOK,
  N_CHANNELS,
} Kind;

static const char *const kind_names[N_CHANNELS] = { [COMMAND] = "command", [WEBHOOK] = "webhook" };

typedef struct
{
  VmftAlertQueue *queue; /* (nullable) */
  guint64 n_delivered;   /* by those before it */
  guint64 n_dropped;
} Channel;

struct _VmftAlerts
{
  VmftClock *clock;
  char *hostname;
  char **events;
  Channel channels[N_CHANNELS];
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
      self->channels[COMMAND].queue =
          vmft_alert_queue_new (clock, kind_names[COMMAND], &channel, config->limit, COMMAND_CONCURRENCY);
    }
  if (config->webhook != NULL)
    {
      if (!vmft_alert_webhook_init (&channel, clock, config->webhook, config->secret, config->timeout_s,
                                    error))
        return NULL;
      self->channels[WEBHOOK].queue =
          vmft_alert_queue_new (clock, kind_names[WEBHOOK], &channel, config->limit, WEBHOOK_CONCURRENCY);
    }
  return g_steal_pointer (&self);
}

/* Now and since the first of those that took over from each other. */
static void
count (const VmftAlerts *self, Kind kind, guint *n_waiting, guint64 *n_delivered, guint64 *n_dropped)
{
  const Channel *channel = &self->channels[kind];

  *n_waiting = 0;
  *n_delivered = *n_dropped = 0;
  if (channel->queue != NULL)
    vmft_alert_queue_get_counts (channel->queue, n_waiting, n_delivered, n_dropped);
  *n_delivered += channel->n_delivered;
  *n_dropped += channel->n_dropped;
}

void
vmft_alerts_take_over (VmftAlerts *self, VmftAlerts *old)
{
  for (Kind kind = 0; kind < N_CHANNELS; kind++)
    {
      Channel *channel = &self->channels[kind];
      guint n_waiting;

      count (old, kind, &n_waiting, &channel->n_delivered, &channel->n_dropped);
      if (channel->queue == NULL)
        channel->n_dropped += n_waiting; /* freeing it says so */
      else if (old->channels[kind].queue != NULL)
        vmft_alert_queue_take_over (channel->queue, g_steal_pointer (&old->channels[kind].queue));
    }
  vmft_alerts_free (old);
}

void
vmft_alerts_send (VmftAlerts *self, const char *event, GVariant *record)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (record);
  g_autoptr (VmftAlert) alert = NULL;

  if (!g_strv_contains ((const char *const *) self->events, event))
    return;
  alert = vmft_alert_new (event, self->hostname, vmft_clock_real_us (self->clock), held);
  for (Kind kind = 0; kind < N_CHANNELS; kind++)
    if (self->channels[kind].queue != NULL)
      vmft_alert_queue_push (self->channels[kind].queue, vmft_alert_copy (alert));
}

void
vmft_alerts_add_metrics (VmftAlerts *self, VmftMetrics *metrics)
{
  guint n_waiting[N_CHANNELS];
  guint64 n_delivered[N_CHANNELS], n_dropped[N_CHANNELS];

  for (Kind kind = 0; kind < N_CHANNELS; kind++)
    count (self, kind, &n_waiting[kind], &n_delivered[kind], &n_dropped[kind]);
  vmft_metrics_gauge (metrics, "vmft_alerts_waiting", "Alerts not yet taken by command or webhook.");
  for (Kind kind = 0; kind < N_CHANNELS; kind++)
    vmft_metrics_add (metrics, n_waiting[kind], "channel", kind_names[kind], NULL);
  vmft_metrics_counter (metrics, "vmft_alerts_delivered_total", "Alerts taken by command or webhook.");
  for (Kind kind = 0; kind < N_CHANNELS; kind++)
    vmft_metrics_add (metrics, (double) n_delivered[kind], "channel", kind_names[kind], NULL);
  vmft_metrics_counter (metrics, "vmft_alerts_dropped_total", "Alerts lost: refused, too old or too many.");
  for (Kind kind = 0; kind < N_CHANNELS; kind++)
    vmft_metrics_add (metrics, (double) n_dropped[kind], "channel", kind_names[kind], NULL);
}

void
vmft_alerts_free (VmftAlerts *self)
{
  for (Kind kind = 0; kind < N_CHANNELS; kind++)
    g_clear_pointer (&self->channels[kind].queue, vmft_alert_queue_free);
  g_object_unref (self->clock);
  g_strfreev (self->events);
  g_free (self->hostname);
  g_free (self);
}
