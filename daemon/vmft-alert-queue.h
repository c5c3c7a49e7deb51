/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftAlert: a message to the outside.
 * @id: the same for every attempt, so that a receiver can tell a repetition
 * @body: JSON
 */
typedef struct
{
  char *id;
  char *event;
  GBytes *body;
  guint n_attempts;
  gint64 queued_us; /* monotonic */
  gint64 due_us;
} VmftAlert;

/** vmft_alert_new: @record: (transfer floating): `a{sv}`. Returns: (transfer full). */
VmftAlert *vmft_alert_new (const char *event, const char *hostname, VmftTime now_us, GVariant *record);
VmftAlert *vmft_alert_copy (const VmftAlert *alert);
void vmft_alert_free (VmftAlert *alert);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftAlert, vmft_alert_free)

/**
 * VmftAlertChannel: a way to deliver.
 * @deliver: starts one attempt; @callback gets a #GTask with a boolean. %VMFT_ERROR_REFUSED means that trying
 *   again is pointless; any other error, that it is not. Must honour @cancellable.
 * @free: frees @data once nothing is under way
 */
typedef struct
{
  void (*deliver) (gpointer data,
                   const VmftAlert *alert,
                   GCancellable *cancellable,
                   GAsyncReadyCallback callback,
                   gpointer user_data);
  void (*free) (gpointer data);
  gpointer data;
} VmftAlertChannel;

/** VmftAlertQueue: keeps alerts until their channel took them: bounded in number, age and concurrency. */
typedef struct _VmftAlertQueue VmftAlertQueue;

/**
 * vmft_alert_queue_new:
 * @name: for messages
 * @channel: copied; its data belongs to the queue
 * @limit: alerts kept; the oldest gives way to a new one
 * @concurrency: attempts at the same time
 */
VmftAlertQueue *vmft_alert_queue_new (VmftClock *clock,
                                      const char *name,
                                      const VmftAlertChannel *channel,
                                      guint limit,
                                      guint concurrency);

/** vmft_alert_queue_push: @alert: (transfer full): attempted at once, then after 1, 2, 4 … 300 s, for an hour. */
void vmft_alert_queue_push (VmftAlertQueue *self, VmftAlert *alert);

/** vmft_alert_queue_get_counts: @n_waiting: now, those under way among them. The others: so far. */
void vmft_alert_queue_get_counts (VmftAlertQueue *self,
                                  guint *n_waiting,
                                  guint64 *n_delivered,
                                  guint64 *n_dropped);

/**
 * vmft_alert_queue_take_over:
 * @old: (transfer full): another queue, on the same clock
 *
 * What waits there, or is under way, is attempted here: at once, and then within the hour that it had.
 */
void vmft_alert_queue_take_over (VmftAlertQueue *self, VmftAlertQueue *old);

/** vmft_alert_queue_free: cancels what is under way, forgets the rest, and says how many are lost by it. */
void vmft_alert_queue_free (VmftAlertQueue *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftAlertQueue, vmft_alert_queue_free)

/**
 * vmft_alert_command_init:
 * @channel: (out)
 * @path: run with the event as its only argument and the JSON on standard input; no shell, own process group
 * @timeout_s: it is killed, with all it started, after so long
 */
void
vmft_alert_command_init (VmftAlertChannel *channel, VmftClock *clock, const char *path, double timeout_s);

/**
 * vmft_alert_webhook_init:
 * @channel: (out)
 * @url: gets a POST of the JSON
 * @secret: (nullable): key of the HMAC-SHA256 of the body, sent as "X-Vmft-Signature: sha256=HEX"
 * @timeout_s: for one attempt as a whole
 * @error: %VMFT_ERROR_CONFIG: not an http or https URL
 */
gboolean vmft_alert_webhook_init (VmftAlertChannel *channel,
                                  VmftClock *clock,
                                  const char *url,
                                  const char *secret,
                                  double timeout_s,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
