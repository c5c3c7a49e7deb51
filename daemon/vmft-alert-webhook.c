/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-alert-queue.h"

#include <libsoup/soup.h>

#define STATUS_TOO_MANY_REQUESTS 429

typedef struct
{
  VmftClock *clock;
  SoupSession *session;
  char *url;
  char *secret;
  guint timeout_ms;
} Webhook;

typedef struct
{
  VmftClock *clock;
  SoupMessage *message;
  GCancellable *cancellable; /* of this attempt */
  GCancellable *outer;       /* of the queue */
  gulong outer_id;
  guint timer;
  gboolean timed_out;
} Post;

static void
post_free (Post *post)
{
  vmft_clear_timer (post->clock, &post->timer);
  g_cancellable_disconnect (post->outer, post->outer_id);
  g_object_unref (post->outer);
  g_object_unref (post->cancellable);
  g_object_unref (post->message);
  g_object_unref (post->clock);
  g_free (post);
}

static gboolean
on_timeout (gpointer data)
{
  Post *post = data;

  post->timer = 0;
  post->timed_out = TRUE;
  g_cancellable_cancel (post->cancellable);
  return G_SOURCE_REMOVE;
}

/* A client error will be one again; "later" and "too many" say otherwise. */
static gboolean
is_final (guint status)
{
  return status >= 300 && status < 500 && status != SOUP_STATUS_REQUEST_TIMEOUT &&
         status != STATUS_TOO_MANY_REQUESTS;
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Post *post = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  /* the answer's body is not read: it could be endless */
  g_autoptr (GInputStream) body = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  guint status = soup_message_get_status (post->message);

  if (post->timed_out)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_TIMEOUT, "no answer in time");
  else if (body == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (SOUP_STATUS_IS_SUCCESSFUL (status))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, VMFT_ERROR,
                             is_final (status) ? VMFT_ERROR_REFUSED : VMFT_ERROR_UNAVAILABLE,
                             "the receiver answered %u", status);
}

static void
on_outer_cancelled (GCancellable *outer, GCancellable *inner)
{
  g_cancellable_cancel (inner);
}

static SoupMessage *
make_message (Webhook *self, const VmftAlert *alert)
{
  SoupMessage *message = soup_message_new (SOUP_METHOD_POST, self->url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  soup_message_set_request_body_from_bytes (message, "application/json", alert->body);
  soup_message_headers_replace (headers, "X-Vmft-Event", alert->event);
  soup_message_headers_replace (headers, "X-Vmft-Delivery", alert->id);
  if (self->secret != NULL)
    {
      gsize size = 0;
      const guint8 *body = g_bytes_get_data (alert->body, &size);
      g_autofree char *hmac = g_compute_hmac_for_data (G_CHECKSUM_SHA256, (const guint8 *) self->secret,
                                                       strlen (self->secret), body, size);
      g_autofree char *signature = g_strconcat ("sha256=", hmac, NULL);

      soup_message_headers_replace (headers, "X-Vmft-Signature", signature);
    }
  /* what is signed for one receiver is not for another */
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  return message;
}

static void
webhook_deliver (gpointer data,
                 const VmftAlert *alert,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  Webhook *self = data;
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  Post *post = g_new0 (Post, 1);

  post->clock = g_object_ref (self->clock);
  post->message = make_message (self, alert);
  post->cancellable = g_cancellable_new ();
  post->outer = g_object_ref (cancellable);
  post->outer_id =
      g_cancellable_connect (cancellable, G_CALLBACK (on_outer_cancelled), post->cancellable, NULL);
  post->timer = vmft_clock_add_timer (self->clock, self->timeout_ms, on_timeout, post, NULL);
  g_task_set_task_data (task, post, (GDestroyNotify) post_free);
  soup_session_send_async (self->session, post->message, G_PRIORITY_DEFAULT, post->cancellable, on_sent,
                           task);
}

static void
webhook_free (gpointer data)
{
  Webhook *self = data;

  g_object_unref (self->session);
  g_object_unref (self->clock);
  g_free (self->url);
  g_free (self->secret);
  g_free (self);
}

gboolean
vmft_alert_webhook_init (VmftAlertChannel *channel,
                         VmftClock *clock,
                         const char *url,
                         const char *secret,
                         double timeout_s,
                         GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);
  const char *scheme = uri ? g_uri_get_scheme (uri) : NULL;
  Webhook *self;

  if ((g_strcmp0 (scheme, "http") != 0 && g_strcmp0 (scheme, "https") != 0) || g_uri_get_host (uri) == NULL ||
      *g_uri_get_host (uri) == '\0')
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                           "[Alerts] webhook: must be an http or https URL");
      return FALSE;
    }
  self = g_new0 (Webhook, 1);
  self->clock = g_object_ref (clock);
  self->session = soup_session_new_with_options ("proxy-resolver", NULL, "user-agent", "vmftd", NULL);
  soup_session_remove_feature_by_type (self->session, SOUP_TYPE_AUTH_MANAGER);
  self->url = g_strdup (url);
  self->secret = g_strdup (secret);
  self->timeout_ms = (guint) (timeout_s * 1000);
  *channel = (VmftAlertChannel){ .deliver = webhook_deliver, .free = webhook_free, .data = self };
  return TRUE;
}
