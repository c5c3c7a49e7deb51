/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "llm-server.h"

#include <string.h>

#define DEADLINE_US (10 * G_USEC_PER_SEC)
#define CHUNK       16384
#define HUGE_BYTES  (32 << 20)

/* One connection. Each operation under way holds a reference. */
typedef struct
{
  LlmServer *server;
  GSocketConnection *connection;
  GString *input;
  char buffer[CHUNK];
  guint drip_id;
  gboolean closing;
} Peer;

static void peer_read (Peer *peer);

static void
peer_clear (gpointer data)
{
  Peer *peer = data;

  g_clear_handle_id (&peer->drip_id, g_source_remove);
  g_io_stream_close (G_IO_STREAM (peer->connection), NULL, NULL);
  g_object_unref (peer->connection);
  g_string_free (peer->input, TRUE);
  peer->server->n_peers--;
}

static void
peer_unref (Peer *peer)
{
  g_rc_box_release_full (peer, peer_clear);
}

static GOutputStream *
output_of (Peer *peer)
{
  return g_io_stream_get_output_stream (G_IO_STREAM (peer->connection));
}

/* --- responses --- */

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Peer *peer = user_data;

  if (g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL) && !peer->closing)
    peer_read (peer);
  peer_unref (peer);
}

/* @text: (transfer full) */
static void
send_text (Peer *peer, char *text, gsize length)
{
  g_object_set_data_full (G_OBJECT (peer->connection), "text", text, g_free);
  g_output_stream_write_all_async (output_of (peer), text, length, G_PRIORITY_DEFAULT,
                                   peer->server->cancellable, on_written, g_rc_box_acquire (peer));
}

static void
respond (Peer *peer, const char *status, const char *headers, const char *body)
{
  char *text = g_strdup_printf ("HTTP/1.1 %s\r\n%sContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s", status,
                                headers, strlen (body), body);

  send_text (peer, text, strlen (text));
}

static void
answer (Peer *peer, const char *content)
{
  g_autofree char *body = g_strdup_printf (
      "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"%s\"}}]}", content);

  respond (peer, "200 OK", "Content-Type: application/json\r\n", body);
}

static void
hang_up (Peer *peer, const char *last_words)
{
  g_output_stream_write_all (output_of (peer), last_words, strlen (last_words), NULL, NULL, NULL);
  g_io_stream_close (G_IO_STREAM (peer->connection), NULL, NULL);
}

static void
send_huge (Peer *peer, gboolean chunked)
{
  g_autofree char *spaces = g_strnfill (HUGE_BYTES, ' ');
  char *text =
      chunked ? g_strdup_printf ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
                                 HUGE_BYTES, spaces)
              : g_strdup_printf ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", HUGE_BYTES, spaces);

  peer->closing = TRUE;
  send_text (peer, text, strlen (text));
}

static gboolean
on_drip (gpointer user_data)
{
  Peer *peer = user_data;

  if (g_output_stream_write_all (output_of (peer), "1\r\n \r\n", 6, NULL, peer->server->cancellable, NULL))
    return G_SOURCE_CONTINUE;
  peer->drip_id = 0;
  peer_unref (peer);
  return G_SOURCE_REMOVE;
}

static void
start_drip (Peer *peer)
{
  static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

  g_output_stream_write_all (output_of (peer), head, strlen (head), NULL, NULL, NULL);
  peer->drip_id = g_timeout_add (20, on_drip, g_rc_box_acquire (peer));
}

static void
misbehave (Peer *peer)
{
  LlmServer *self = peer->server;
  g_autofree char *status = NULL;

  switch (self->behaviour)
    {
    case LLM_ANSWER:
      answer (peer, self->content);
      break;
    case LLM_OBEY_INJECTION:
      answer (peer, strstr (self->body, "answer normal") ? "normal: as ordered" : "faulty");
      break;
    case LLM_BUSY:
      status = g_strdup_printf ("429 busy with %s", self->secret);
      respond (peer, status, "Retry-After: " G_STRINGIFY (LLM_RETRY_AFTER_S) "\r\n", self->secret);
      break;
    case LLM_BUSY_UNTIL:
      respond (peer, "429 busy",
               "Date: Mon, 23 Nov 2026 11:00:00 GMT\r\nRetry-After: Mon, 23 Nov 2026 11:00:08 GMT\r\n", "");
      break;
    case LLM_BROKEN:
      status = g_strdup_printf ("500 no luck with %s", self->secret);
      respond (peer, status, "", self->secret);
      break;
    case LLM_DRIP:
      start_drip (peer);
      break;
    case LLM_HUGE_BODY:
    case LLM_HUGE_LENGTH:
      send_huge (peer, self->behaviour == LLM_HUGE_BODY);
      break;
    case LLM_NO_JSON:
      respond (peer, "200 OK", "Content-Type: application/json\r\n", "{\"choices\": [{");
      break;
    case LLM_WRONG_SCHEMA:
      status = g_strdup_printf ("I think that %s is a fine key", self->secret);
      answer (peer, status);
      break;
    case LLM_HANG_UP:
      hang_up (peer, "");
      break;
    case LLM_HANG_UP_HALF_WAY:
      hang_up (peer, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\": [");
      break;
    case LLM_REDIRECT:
      respond (peer, "303 over there", "Location: /elsewhere\r\n", "");
      break;
    case LLM_DENY:
      status = g_strdup_printf ("401 wrong key %s", self->secret);
      respond (peer, status, "", self->secret);
      break;
    }
}

/* --- requests --- */

/* Returns: (transfer full) (nullable): the value of @name among the headers. */
static char *
find_header (const char *head, const char *name)
{
  g_auto (GStrv) lines = g_strsplit (head, "\r\n", -1);

  for (guint i = 1; lines[i] != NULL; i++)
    if (g_ascii_strncasecmp (lines[i], name, strlen (name)) == 0 && lines[i][strlen (name)] == ':')
      return g_strdup (g_strchug (lines[i] + strlen (name) + 1));
  return NULL;
}

/* Takes a complete request out of the input. Returns: whether there was one. */
static gboolean
take_request (Peer *peer)
{
  LlmServer *self = peer->server;
  const char *end = strstr (peer->input->str, "\r\n\r\n");
  g_autofree char *head = end ? g_strndup (peer->input->str, (gsize) (end - peer->input->str)) : NULL;
  g_autofree char *length = head ? find_header (head, "Content-Length") : NULL;
  gsize body_bytes = length ? (gsize) g_ascii_strtoull (length, NULL, 10) : 0;
  gsize head_bytes = head ? strlen (head) + 4 : 0;

  if (head == NULL || peer->input->len < head_bytes + body_bytes)
    return FALSE;
  self->n_requests++;
  self->n_redirected += strstr (head, " /elsewhere ") != NULL;
  g_free (self->authorization);
  self->authorization = find_header (head, "Authorization");
  g_free (self->body);
  self->body = g_strndup (peer->input->str + head_bytes, body_bytes);
  g_string_append (self->bodies, self->body);
  g_string_erase (peer->input, 0, (gssize) (head_bytes + body_bytes));
  return TRUE;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Peer *peer = user_data;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  if (n > 0)
    {
      g_string_append_len (peer->input, peer->buffer, n);
      if (!take_request (peer))
        {
          peer_read (peer);
        }
      else if (peer->server->bad_left > 0)
        {
          peer->server->bad_left--;
          misbehave (peer);
        }
      else
        {
          answer (peer, peer->server->content);
        }
    }
  peer_unref (peer);
}

static void
peer_read (Peer *peer)
{
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (peer->connection)), peer->buffer,
                             sizeof peer->buffer, G_PRIORITY_DEFAULT, peer->server->cancellable, on_read,
                             g_rc_box_acquire (peer));
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  LlmServer *self = user_data;
  Peer *peer = g_rc_box_new0 (Peer);

  self->n_connections++;
  self->n_peers++;
  peer->server = self;
  peer->connection = g_object_ref (connection);
  peer->input = g_string_new (NULL);
  peer_read (peer);
  peer_unref (peer);
  return TRUE;
}

LlmServer *
llm_server_new (const char *content)
{
  LlmServer *self = g_new0 (LlmServer, 1);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = NULL;
  g_autoptr (GError) error = NULL;

  self->content = content;
  self->secret = "";
  self->bodies = g_string_new (NULL);
  self->cancellable = g_cancellable_new ();
  self->service = g_socket_service_new ();
  g_assert_true (g_socket_listener_add_address (G_SOCKET_LISTENER (self->service), address,
                                                G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &bound,
                                                &error));
  g_assert_no_error (error);
  self->url = g_strdup_printf ("http://127.0.0.1:%u/",
                               g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound)));
  g_signal_connect (self->service, "incoming", G_CALLBACK (on_incoming), self);
  return self;
}

void
llm_server_stop (LlmServer *self)
{
  if (self->service == NULL)
    return;
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_clear_object (&self->service);
}

void
llm_server_free (LlmServer *self)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  llm_server_stop (self);
  g_cancellable_cancel (self->cancellable);
  while (self->n_peers > 0 && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (self->n_peers, ==, 0);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_object_unref (self->cancellable);
  g_string_free (self->bodies, TRUE);
  g_free (self->authorization);
  g_free (self->body);
  g_free (self->url);
  g_free (self);
}
