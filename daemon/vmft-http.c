/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-http.h"

#include "vmft-http-api.h"
#include "vmft-http-auth.h"
#include "vmft-http-events.h"
#include "vmft-http-listener.h"

#include <sys/socket.h>

#define IDLE_S            30
#define REQUEST_MAX       64 /* connections besides the event streams */
#define QUEUE_BYTES       (256 * 1024)
#define SEND_BUFFER_BYTES (64 * 1024)

struct _VmftHttp
{
  VmftHttpView view;
  gpointer user_data;
  char *token;
  char **allowed_hosts;
  SoupServer *server;
  VmftHttpListener *listener;
  VmftHttpEvents *events;
  guint64 n_requests;
  guint64 n_refused;
};

/* The page has no inline script or style, loads nothing from elsewhere, and is not to be framed. */
static const char content_security_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void
add_headers (SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  soup_message_headers_replace (headers, "Cache-Control", "no-store");
  soup_message_headers_replace (headers, "Content-Security-Policy", content_security_policy);
  soup_message_headers_replace (headers, "Cross-Origin-Resource-Policy", "same-origin");
  soup_message_headers_replace (headers, "Referrer-Policy", "no-referrer");
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
}

/* --- before the body is read --- */

static void
refuse (VmftHttp *self, SoupServerMessage *message, guint status, const char *text)
{
  self->n_refused++;
  vmft_http_set_text (message, status, "%s", text);
}

static void
on_early (SoupServer *server,
          SoupServerMessage *message,
          const char *path,
          GHashTable *query,
          gpointer user_data)
{
  VmftHttp *self = user_data;
  SoupMessageHeaders *request = soup_server_message_get_request_headers (message);
  SoupMessageHeaders *response = soup_server_message_get_response_headers (message);
  const char *method = soup_server_message_get_method (message);
  VmftHttpRoute route = vmft_http_route (path);

  self->n_requests++;
  add_headers (message);
  if (vmft_http_refuse_body (message))
    {
      self->n_refused++;
    }
  else if (!vmft_http_host_is_allowed (soup_message_headers_get_one (request, "Host"),
                                       (const char *const *) self->allowed_hosts))
    {
      refuse (self, message, SOUP_STATUS_MISDIRECTED_REQUEST,
              "this server does not go by that name; see allowed-hosts in vmftd.conf(5)");
    }
  else if (strcmp (method, SOUP_METHOD_GET) != 0 && strcmp (method, SOUP_METHOD_HEAD) != 0)
    {
      soup_message_headers_replace (response, "Allow", "GET, HEAD");
      refuse (self, message, SOUP_STATUS_METHOD_NOT_ALLOWED, "only GET and HEAD are understood here");
    }
  else if (self->token != NULL && route != VMFT_HTTP_ROUTE_PAGE &&
           !vmft_http_bearer_matches (soup_message_headers_get_one (request, "Authorization"), self->token))
    {
      soup_message_headers_replace (response, "WWW-Authenticate", "Bearer realm=\"vmft\"");
      refuse (self, message, SOUP_STATUS_UNAUTHORIZED, "a bearer token is required");
    }
}

/* --- answers --- */

static void
start_events (VmftHttp *self, SoupServerMessage *message)
{
  g_autoptr (GIOStream) stream = NULL;
  g_autoptr (GIOStream) base = NULL;

  if (strcmp (soup_server_message_get_method (message), SOUP_METHOD_HEAD) == 0)
    {
      soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
      soup_server_message_set_response (message, "text/event-stream", SOUP_MEMORY_STATIC, "", 0);
      return;
    }
  if (vmft_http_events_is_full (self->events))
    {
      refuse (self, message, SOUP_STATUS_SERVICE_UNAVAILABLE,
              "too many clients of the event stream; see max-clients in vmftd.conf(5)");
      return;
    }
  stream = soup_server_message_steal_connection (message);
  g_object_get (stream, "base-iostream", &base, NULL);
  if (G_IS_SOCKET_CONNECTION (base))
    {
      GSocket *socket = g_socket_connection_get_socket (G_SOCKET_CONNECTION (base));

      g_socket_set_timeout (socket, 0);
      g_socket_set_keepalive (socket, TRUE);
      /* the kernel's part of the queue is bounded as well: by itself it grows to megabytes a client */
      (void) !g_socket_set_option (socket, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES, NULL);
    }
  vmft_http_events_add (self->events, stream);
}

static void
add_own_metrics (VmftHttp *self, VmftMetrics *metrics)
{
  guint n_clients = 0;
  guint64 n_sent = 0, n_dropped = 0;

  vmft_http_events_get_counts (self->events, &n_clients, &n_sent, &n_dropped);
  vmft_metrics_counter (metrics, "vmft_http_requests_total", "HTTP requests received.");
  vmft_metrics_add (metrics, (double) self->n_requests, NULL);
  vmft_metrics_counter (metrics, "vmft_http_refused_requests_total",
                        "HTTP requests refused: bad, unauthorised, or too many.");
  vmft_metrics_add (metrics, (double) self->n_refused, NULL);
  vmft_metrics_counter (metrics, "vmft_http_refused_connections_total",
                        "Connections closed because there were too many.");
  vmft_metrics_add (metrics, (double) vmft_http_listener_get_refused (self->listener), NULL);
  vmft_metrics_gauge (metrics, "vmft_http_event_clients", "Clients of the event stream.");
  vmft_metrics_add (metrics, n_clients, NULL);
  vmft_metrics_counter (metrics, "vmft_http_events_total", "Events published.");
  vmft_metrics_add (metrics, (double) n_sent, NULL);
  vmft_metrics_counter (metrics, "vmft_http_dropped_event_clients_total",
                        "Clients of the event stream dropped because they did not read.");
  vmft_metrics_add (metrics, (double) n_dropped, NULL);
}

static void
set_metrics (VmftHttp *self, SoupServerMessage *message)
{
  g_autoptr (VmftMetrics) metrics = vmft_metrics_new ();
  g_autofree char *text = NULL;

  if (self->view.metrics)
    self->view.metrics (metrics, self->user_data);
  add_own_metrics (self, metrics);
  text = vmft_metrics_to_string (metrics);
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, "text/plain; version=0.0.4; charset=utf-8", SOUP_MEMORY_COPY,
                                    text, strlen (text));
}

static void
on_request (SoupServer *server,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query,
            gpointer user_data)
{
  VmftHttp *self = user_data;

  switch (vmft_http_route (path))
    {
    case VMFT_HTTP_ROUTE_NONE:
      refuse (self, message, SOUP_STATUS_NOT_FOUND, "there is nothing here; see vmftd(8) for what there is");
      break;
    case VMFT_HTTP_ROUTE_PAGE:
      vmft_http_set_page (message, path);
      break;
    case VMFT_HTTP_ROUTE_METRICS:
      set_metrics (self, message);
      break;
    case VMFT_HTTP_ROUTE_RECORDS:
      vmft_http_set_records (message, path, g_uri_get_query (soup_server_message_get_uri (message)),
                             &self->view, self->user_data);
      break;
    case VMFT_HTTP_ROUTE_EVENTS:
      start_events (self, message);
      break;
    }
}

/* --- life --- */

static GSocketAddress *
check_address (const char *text, const char *token, GError **error)
{
  g_autoptr (GSocketAddress) address = vmft_http_parse_address (text, error);

  if (address == NULL)
    return NULL;
  if (token == NULL && !vmft_http_is_loopback (address))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                   "[HTTP] listen=%s: others can reach that address, so token-file is required", text);
      return NULL;
    }
  return g_steal_pointer (&address);
}

gboolean
vmft_http_check (const VmftHttpConfig *config, GError **error)
{
  for (const char *const *text = config->listen; *text != NULL; text++)
    {
      g_autoptr (GSocketAddress) address = check_address (*text, config->token, error);

      if (address == NULL)
        return FALSE;
    }
  return TRUE;
}

VmftHttp *
vmft_http_new (VmftClock *clock,
               const VmftHttpConfig *config,
               const VmftHttpView *view,
               gpointer user_data,
               GError **error)
{
  g_autoptr (VmftHttp) self = g_new0 (VmftHttp, 1);

  self->view = *view;
  self->user_data = user_data;
  self->token = g_strdup (config->token);
  self->allowed_hosts = g_strdupv ((char **) config->allowed_hosts);
  self->server = soup_server_new ("server-header", "vmftd", "raw-paths", TRUE, NULL);
  soup_server_add_early_handler (self->server, NULL, on_early, self, NULL);
  soup_server_add_handler (self->server, NULL, on_request, self, NULL);
  self->events = vmft_http_events_new (clock, config->max_clients, QUEUE_BYTES);
  self->listener = vmft_http_listener_new (self->server, clock, config->max_clients + REQUEST_MAX, 0, IDLE_S);
  for (const char *const *text = config->listen; *text != NULL; text++)
    {
      g_autoptr (GSocketAddress) address = check_address (*text, config->token, error);

      if (address == NULL || !vmft_http_listener_add (self->listener, address, error))
        return NULL;
    }
  return g_steal_pointer (&self);
}

void
vmft_http_publish (VmftHttp *self, const char *event, GVariant *record)
{
  vmft_http_events_publish (self->events, event, record);
}

guint16
vmft_http_get_port (VmftHttp *self)
{
  return vmft_http_listener_get_port (self->listener);
}

void
vmft_http_free (VmftHttp *self)
{
  g_clear_pointer (&self->listener, vmft_http_listener_free);
  g_clear_pointer (&self->events, vmft_http_events_free);
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_strfreev (self->allowed_hosts);
  g_free (self->token);
  g_free (self);
}
