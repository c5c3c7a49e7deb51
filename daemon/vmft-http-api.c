/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-http-api.h"

#include "vmft-http-auth.h"
#include "vmft-page.h"

#define LIMIT_DEFAULT  100
#define BODY_MAX_BYTES 4096

static const char api_prefix[] = "/api/v1/";

typedef struct
{
  const char *path;
  const char *resource;
  const char *type;
} Part;

static const Part parts[] = {
  { "/", "/org/vmft1/page/index.html", "text/html; charset=utf-8" },
  { "/page.css", "/org/vmft1/page/page.css", "text/css; charset=utf-8" },
  { "/page.js", "/org/vmft1/page/page.js", "text/javascript; charset=utf-8" },
  { "/icon.svg", "/org/vmft1/page/icon.svg", "image/svg+xml" },
};

static const char *const collections[] = { "status", "incidents", "plans", "migrations", "vms", "history" };

static const Part *
find_part (const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    if (strcmp (parts[i].path, path) == 0)
      return &parts[i];
  return NULL;
}

static const char *
find_collection (const char *path)
{
  if (!g_str_has_prefix (path, api_prefix))
    return NULL;
  path += strlen (api_prefix);
  for (gsize i = 0; i < G_N_ELEMENTS (collections); i++)
    if (strcmp (collections[i], path) == 0)
      return collections[i];
  return NULL;
}

VmftHttpRoute
vmft_http_route (const char *path)
{
  if (find_part (path) != NULL)
    return VMFT_HTTP_ROUTE_PAGE;
  if (strcmp (path, "/metrics") == 0)
    return VMFT_HTTP_ROUTE_METRICS;
  if (strcmp (path, "/api/v1/events") == 0)
    return VMFT_HTTP_ROUTE_EVENTS;
  return find_collection (path) ? VMFT_HTTP_ROUTE_RECORDS : VMFT_HTTP_ROUTE_NONE;
}

void
vmft_http_set_text (SoupServerMessage *message, guint status, const char *format, ...)
{
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  va_list list;

  va_start (list, format);
  text = g_strdup_vprintf (format, list);
  va_end (list);
  line = g_strconcat (text, "\n", NULL);
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "text/plain; charset=utf-8", SOUP_MEMORY_COPY, line,
                                    strlen (line));
}

gboolean
vmft_http_refuse_body (SoupServerMessage *message)
{
  static const char response[] = "HTTP/1.1 413 Request Entity Too Large\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Length: 27\r\n"
                                 "Connection: close\r\n"
                                 "\r\n"
                                 "no request here has a body\n";
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  g_autoptr (GIOStream) stream = NULL;

  soup_message_body_set_accumulate (soup_server_message_get_request_body (message), FALSE);
  if (soup_message_headers_get_encoding (headers) != SOUP_ENCODING_CHUNKED &&
      soup_message_headers_get_content_length (headers) <= BODY_MAX_BYTES)
    return FALSE;
  stream = soup_server_message_steal_connection (message);
  (void) !g_pollable_output_stream_write_nonblocking (
      G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (stream)), response, sizeof response - 1, NULL,
      NULL);
  g_io_stream_close (stream, NULL, NULL);
  return TRUE;
}

static GBytes *
load_part (const Part *part)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes;

  /* a static library: nobody runs its constructors; registering twice does nothing */
  vmft_page_register_resource ();
  bytes = g_resources_lookup_data (part->resource, G_RESOURCE_LOOKUP_FLAGS_NONE, &error);
  if (bytes == NULL)
    g_error ("http: %s", error->message);
  return bytes;
}

void
vmft_http_set_page (SoupServerMessage *message, const char *path)
{
  const Part *part = find_part (path);
  g_autoptr (GBytes) bytes = load_part (part);
  gsize size = 0;
  const char *data = g_bytes_get_data (bytes, &size);

  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, part->type, SOUP_MEMORY_COPY, data, size);
}

/* a view may give a floating record or a reference of its own */
static char *
to_json (GVariant *value)
{
  g_autoptr (GVariant) held = g_variant_take_ref (value);

  return vmft_json_from_variant (held, FALSE);
}

static char *
get_json (const char *name, guint limit, const VmftHttpView *view, gpointer user_data)
{
  if (strcmp (name, "incidents") == 0)
    return to_json (view->incidents (limit, user_data));
  if (strcmp (name, "plans") == 0)
    return to_json (view->plans (limit, user_data));
  if (strcmp (name, "migrations") == 0)
    return to_json (view->migrations (limit, user_data));
  if (strcmp (name, "history") == 0)
    return to_json (view->history (limit, user_data));
  if (strcmp (name, "vms") == 0)
    return view->vms (user_data);
  return to_json (view->status (user_data));
}

void
vmft_http_set_records (SoupServerMessage *message,
                       const char *path,
                       const char *query,
                       const VmftHttpView *view,
                       gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = NULL;
  guint limit = LIMIT_DEFAULT;

  if (!vmft_http_parse_limit (query, &limit, &error))
    {
      vmft_http_set_text (message, SOUP_STATUS_BAD_REQUEST, "%s", error->message);
      return;
    }
  json = get_json (find_collection (path), limit, view, user_data);
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_TAKE, json, strlen (json));
  json = NULL;
}
