/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-alert-queue.h"

#define BACKOFF_FIRST_US ((gint64) G_USEC_PER_SEC)
#define BACKOFF_MAX_US   (300 * BACKOFF_FIRST_US)
#define GIVE_UP_US       (3600 * BACKOFF_FIRST_US)
#define TELL_US          (60 * BACKOFF_FIRST_US)

struct _VmftAlertQueue
{
  grefcount refs; /* one for each attempt under way */
  VmftClock *clock;
  char *name;
  VmftAlertChannel channel;
  GCancellable *cancellable;
  guint limit;
  guint concurrency;
  GQueue waiting; /* of VmftAlert, oldest first */
  GQueue running; /* of Attempt */
  guint timer;
  guint64 n_delivered;
  guint64 n_dropped;
  gint64 told_us;
};

typedef struct
{
  VmftAlertQueue *queue;
  VmftAlert *alert;
} Attempt;

VmftAlert *
vmft_alert_new (const char *event, const char *hostname, VmftTime now_us, GVariant *record)
{
  VmftAlert *alert = g_new0 (VmftAlert, 1);
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  char *json;

  alert->id = g_uuid_string_random ();
  alert->event = g_strdup (event);
  g_variant_dict_insert (&dict, "id", "s", alert->id);
  g_variant_dict_insert (&dict, "event", "s", event);
  g_variant_dict_insert (&dict, "host", "s", hostname);
  g_variant_dict_insert (&dict, "time_us", "x", now_us);
  g_variant_dict_insert_value (&dict, "data", record);
  json = vmft_json_from_variant (g_variant_dict_end (&dict), FALSE);
  alert->body = g_bytes_new_take (json, strlen (json));
  return alert;
}

VmftAlert *
vmft_alert_copy (const VmftAlert *alert)
{
  VmftAlert *copy = g_memdup2 (alert, sizeof *alert);

  copy->id = g_strdup (alert->id);
  copy->event = g_strdup (alert->event);
  copy->body = g_bytes_ref (alert->body);
  return copy;
}

void
vmft_alert_free (VmftAlert *alert)
{
  g_free (alert->id);
  g_free (alert->event);
  g_bytes_unref (alert->body);
  g_free (alert);
}

static void
queue_unref (VmftAlertQueue *self)
{
  if (!g_ref_count_dec (&self->refs))
    return;
  self->channel.free (self->channel.data);
  g_object_unref (self->cancellable);
  g_object_unref (self->clock);
  g_free (self->name);
  g_free (self);
}

static void queue_pump (VmftAlertQueue *self);

static void
drop (VmftAlertQueue *self, VmftAlert *alert, const char *why)
{
  gint64 now_us = vmft_clock_monotonic_us (self->clock);

  self->n_dropped++;
  /* a flood of alerts is not to become one of messages */
  if (now_us >= self->told_us + TELL_US)
    {
      g_message ("alerts: %s: %s %s is lost, %" G_GUINT64_FORMAT " so far: %s", self->name, alert->event,
                 alert->id, self->n_dropped, why);
      self->told_us = now_us;
    }
  vmft_alert_free (alert);
}

static void
retry_later (VmftAlertQueue *self, VmftAlert *alert, const char *why)
{
  gint64 now_us = vmft_clock_monotonic_us (self->clock);
  gint64 delay_us = MIN (BACKOFF_MAX_US, BACKOFF_FIRST_US << MIN (alert->n_attempts - 1, 20));

  if (now_us + delay_us > alert->queued_us + GIVE_UP_US)
    {
      drop (self, alert, why);
      return;
    }
  g_info ("alerts: %s: %s, trying again: %s", self->name, alert->event, why);
  alert->due_us = now_us + delay_us;
  g_queue_push_head (&self->waiting, alert);
}

static void
on_delivered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Attempt *attempt = user_data;
  VmftAlertQueue *self = attempt->queue;
  VmftAlert *alert = g_steal_pointer (&attempt->alert);
  g_autoptr (GError) error = NULL;
  gboolean done = g_task_propagate_boolean (G_TASK (result), &error);

  g_queue_remove (&self->running, attempt);
  if (g_cancellable_is_cancelled (self->cancellable))
    vmft_alert_free (alert);
  else if (!done && error->domain == VMFT_ERROR && error->code == VMFT_ERROR_REFUSED)
    drop (self, alert, error->message);
  else if (!done)
    retry_later (self, alert, error->message);
  else
    {
      self->n_delivered++;
      vmft_alert_free (alert);
    }
  queue_pump (self);
  queue_unref (self);
  g_free (attempt);
}

static void
start (VmftAlertQueue *self, VmftAlert *alert)
{
  Attempt *attempt = g_new0 (Attempt, 1);

  attempt->queue = self;
  attempt->alert = alert;
  alert->n_attempts++;
  g_queue_push_tail (&self->running, attempt);
  g_ref_count_inc (&self->refs);
  self->channel.deliver (self->channel.data, alert, self->cancellable, on_delivered, attempt);
}

static gboolean
on_timer (gpointer data)
{
  VmftAlertQueue *self = data;

  self->timer = 0;
  queue_pump (self);
  return G_SOURCE_REMOVE;
}

/* Starts what is due and sets the timer for what will be. */
static void
queue_pump (VmftAlertQueue *self)
{
  gint64 now_us = vmft_clock_monotonic_us (self->clock);
  gint64 next_us = G_MAXINT64;

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  vmft_clear_timer (self->clock, &self->timer);
  for (GList *l = self->waiting.head, *next; l != NULL && self->running.length < self->concurrency; l = next)
    {
      VmftAlert *alert = l->data;

      next = l->next;
      if (alert->due_us > now_us)
        {
          next_us = MIN (next_us, alert->due_us);
          continue;
        }
      g_queue_delete_link (&self->waiting, l);
      start (self, alert);
    }
  if (next_us != G_MAXINT64)
    self->timer =
        vmft_clock_add_timer (self->clock, (guint) ((next_us - now_us + 999) / 1000), on_timer, self, NULL);
}

VmftAlertQueue *
vmft_alert_queue_new (VmftClock *clock,
                      const char *name,
                      const VmftAlertChannel *channel,
                      guint limit,
                      guint concurrency)
{
  VmftAlertQueue *self = g_new0 (VmftAlertQueue, 1);

  g_ref_count_init (&self->refs);
  self->clock = g_object_ref (clock);
  self->name = g_strdup (name);
  self->channel = *channel;
  self->cancellable = g_cancellable_new ();
  self->limit = limit;
  self->told_us = vmft_clock_monotonic_us (clock) - TELL_US;
  self->concurrency = concurrency;
  g_queue_init (&self->waiting);
  g_queue_init (&self->running);
  return self;
}

static void
enqueue (VmftAlertQueue *self, VmftAlert *alert)
{
  alert->due_us = vmft_clock_monotonic_us (self->clock);
  if (self->waiting.length >= self->limit)
    drop (self, g_queue_pop_head (&self->waiting), "the queue is full");
  g_queue_push_tail (&self->waiting, alert);
}

void
vmft_alert_queue_push (VmftAlertQueue *self, VmftAlert *alert)
{
  alert->queued_us = vmft_clock_monotonic_us (self->clock);
  enqueue (self, alert);
  queue_pump (self);
}

static void
queue_close (VmftAlertQueue *self)
{
  vmft_clear_timer (self->clock, &self->timer);
  g_queue_clear_full (&self->waiting, (GDestroyNotify) vmft_alert_free);
  g_cancellable_cancel (self->cancellable);
  queue_unref (self);
}

void
vmft_alert_queue_take_over (VmftAlertQueue *self, VmftAlertQueue *old)
{
  VmftAlert *alert;

  /* the attempts under way are the older ones; they own theirs until their channel has let go */
  for (GList *l = old->running.head; l != NULL; l = l->next)
    enqueue (self, vmft_alert_copy (((Attempt *) l->data)->alert));
  while ((alert = g_queue_pop_head (&old->waiting)) != NULL)
    enqueue (self, alert);
  queue_close (old);
  queue_pump (self);
}

void
vmft_alert_queue_get_counts (VmftAlertQueue *self, guint *n_waiting, guint64 *n_delivered, guint64 *n_dropped)
{
  *n_waiting = self->waiting.length + self->running.length;
  *n_delivered = self->n_delivered;
  *n_dropped = self->n_dropped;
}

void
vmft_alert_queue_free (VmftAlertQueue *self)
{
  guint n_lost = self->waiting.length + self->running.length;

  if (n_lost > 0)
    g_message ("alerts: %s: nobody tries again: %u lost", self->name, n_lost);
  queue_close (self);
}
