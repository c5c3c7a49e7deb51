/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-http-events.h"

#define KEEPALIVE_MS    15000
#define INPUT_MAX_BYTES 4096 /* nobody has anything to say here */
#define RECONNECT_MS    3000

static const char response_head[] = "HTTP/1.1 200 OK\r\n"
                                    "Content-Type: text/event-stream\r\n"
                                    "Cache-Control: no-store\r\n"
                                    "X-Content-Type-Options: nosniff\r\n"
                                    "Cross-Origin-Resource-Policy: same-origin\r\n"
                                    "Connection: close\r\n"
                                    "\r\n"
                                    "retry: " G_STRINGIFY (RECONNECT_MS) "\n\n";

typedef struct
{
  VmftHttpEvents *hub;
  GIOStream *stream;
  GSource *readable;
  GSource *writable; /* (nullable): while the queue is not empty */
  GQueue queue;      /* of GBytes, the first sent up to @offset */
  gsize offset;
  gsize queued_bytes;
  gsize input_bytes;
} Client;

struct _VmftHttpEvents
{
  VmftClock *clock;
  guint max_clients;
  gsize queue_bytes;
  GPtrArray *clients;
  guint keepalive;
  guint64 last_id;
  guint64 n_sent;
  guint64 n_dropped;
};

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
client_free (Client *client)
{
  clear_source (&client->readable);
  clear_source (&client->writable);
  g_queue_clear_full (&client->queue, (GDestroyNotify) g_bytes_unref);
  /* a socket: closing does not block */
  g_io_stream_close (client->stream, NULL, NULL);
  g_object_unref (client->stream);
  g_free (client);
}

static void
client_remove (Client *client)
{
  g_ptr_array_remove_fast (client->hub->clients, client);
}

static GPollableOutputStream *
client_output (Client *client)
{
  return G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (client->stream));
}

static GPollableInputStream *
client_input (Client *client)
{
  return G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (client->stream));
}

/* Writes what the socket takes. Returns: FALSE when the connection is no more. */
static gboolean
client_flush (Client *client)
{
  GBytes *bytes;

  while ((bytes = g_queue_peek_head (&client->queue)) != NULL)
    {
      g_autoptr (GError) error = NULL;
      gsize size = 0;
      const char *data = g_bytes_get_data (bytes, &size);
      gssize n = g_pollable_output_stream_write_nonblocking (client_output (client), data + client->offset,
                                                             size - client->offset, NULL, &error);

      if (n < 0)
        return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
      client->offset += (gsize) n;
      client->queued_bytes -= (gsize) n;
      if (client->offset < size)
        continue;
      g_bytes_unref (g_queue_pop_head (&client->queue));
      client->offset = 0;
    }
  return TRUE;
}

static gboolean
on_writable (GObject *stream, gpointer data)
{
  Client *client = data;

  if (!client_flush (client))
    {
      client_remove (client);
      return G_SOURCE_REMOVE;
    }
  if (!g_queue_is_empty (&client->queue))
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&client->writable, g_source_unref);
  return G_SOURCE_REMOVE;
}

static gboolean
on_readable (GObject *stream, gpointer data)
{
  Client *client = data;
  g_autoptr (GError) error = NULL;
  char buffer[512];
  gssize n =
      g_pollable_input_stream_read_nonblocking (client_input (client), buffer, sizeof buffer, NULL, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return G_SOURCE_CONTINUE;
  client->input_bytes += (gsize) MAX (n, 0);
  if (n > 0 && client->input_bytes <= INPUT_MAX_BYTES)
    return G_SOURCE_CONTINUE;
  client_remove (client);
  return G_SOURCE_REMOVE;
}

/* Returns: FALSE when the client is to go. */
static gboolean
client_send (Client *client, GBytes *bytes)
{
  if (client->queued_bytes + g_bytes_get_size (bytes) > client->hub->queue_bytes)
    {
      client->hub->n_dropped++;
      return FALSE;
    }
  g_queue_push_tail (&client->queue, g_bytes_ref (bytes));
  client->queued_bytes += g_bytes_get_size (bytes);
  if (client->writable != NULL)
    return TRUE;
  if (!client_flush (client))
    return FALSE;
  if (g_queue_is_empty (&client->queue))
    return TRUE;
  client->writable = g_pollable_output_stream_create_source (client_output (client), NULL);
  g_source_set_callback (client->writable, G_SOURCE_FUNC (on_writable), client, NULL);
  g_source_attach (client->writable, g_main_context_get_thread_default ());
  return TRUE;
}

static void
send_to_all (VmftHttpEvents *self, GBytes *bytes)
{
  /* backwards: removing one moves the last into its place */
  for (guint i = self->clients->len; i-- > 0;)
    if (!client_send (g_ptr_array_index (self->clients, i), bytes))
      g_ptr_array_remove_index_fast (self->clients, i);
}

static gboolean
on_keepalive (gpointer data)
{
  VmftHttpEvents *self = data;
  g_autoptr (GBytes) comment = g_bytes_new_static (":\n\n", 3);

  send_to_all (self, comment);
  return G_SOURCE_CONTINUE;
}

VmftHttpEvents *
vmft_http_events_new (VmftClock *clock, guint max_clients, gsize queue_bytes)
{
  VmftHttpEvents *self = g_new0 (VmftHttpEvents, 1);

  self->clock = g_object_ref (clock);
  self->max_clients = max_clients;
  self->queue_bytes = queue_bytes;
  self->clients = g_ptr_array_new_with_free_func ((GDestroyNotify) client_free);
  self->keepalive = vmft_clock_add_timer (clock, KEEPALIVE_MS, on_keepalive, self, NULL);
  return self;
}

gboolean
vmft_http_events_is_full (VmftHttpEvents *self)
{
  return self->clients->len >= self->max_clients;
}

void
vmft_http_events_add (VmftHttpEvents *self, GIOStream *stream)
{
  Client *client = g_new0 (Client, 1);
  g_autoptr (GBytes) head = g_bytes_new_static (response_head, sizeof response_head - 1);

  client->hub = self;
  client->stream = g_object_ref (stream);
  g_queue_init (&client->queue);
  client->readable = g_pollable_input_stream_create_source (client_input (client), NULL);
  g_source_set_callback (client->readable, G_SOURCE_FUNC (on_readable), client, NULL);
  g_source_attach (client->readable, g_main_context_get_thread_default ());
  g_ptr_array_add (self->clients, client);
  if (!client_send (client, head))
    client_remove (client);
}

void
vmft_http_events_publish (VmftHttpEvents *self, const char *event, GVariant *record)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (record);
  g_autofree char *json = NULL;
  g_autoptr (GBytes) bytes = NULL;
  char *text;

  self->last_id++;
  self->n_sent++;
  if (self->clients->len == 0)
    return;
  /* JSON on one line has no newline that could end the event early: they are escaped in strings */
  json = vmft_json_from_variant (held, FALSE);
  if (strlen (json) > self->queue_bytes / 4)
    {
      /* too large for a stream that is bounded: the client knows what to ask for */
      g_free (json);
      json = g_strdup_printf ("{\"id\":%" G_GINT64_FORMAT "}", vmft_dict_int64 (held, "id", 0));
    }
  text = g_strdup_printf ("event: %s\nid: %" G_GUINT64_FORMAT "\ndata: %s\n\n", event, self->last_id, json);
  bytes = g_bytes_new_take (text, strlen (text));
  send_to_all (self, bytes);
}

void
vmft_http_events_get_counts (VmftHttpEvents *self, guint *n_clients, guint64 *n_sent, guint64 *n_dropped)
{
  *n_clients = self->clients->len;
  *n_sent = self->n_sent;
  *n_dropped = self->n_dropped;
}

void
vmft_http_events_free (VmftHttpEvents *self)
{
  vmft_clear_timer (self->clock, &self->keepalive);
  g_ptr_array_unref (self->clients);
  g_object_unref (self->clock);
  g_free (self);
}
