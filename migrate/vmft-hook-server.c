/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-hook-server.h"

#include "vmft-common.h"
#include "vmft-hook-protocol.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

#define MAX_CLIENTS 32

struct _VmftHookServer
{
  GSocketService *service;
  char *path;
  VmftHookFunc func;
  gpointer user_data;
  GCancellable *cancellable;
  guint n_clients;
};

typedef struct
{
  VmftHookServer *server; /* valid until @server's cancellable is cancelled */
  GSocketConnection *connection;
  char line[VMFT_HOOK_LINE_MAX];
  gsize length;
} Client;

static void read_more (Client *client);

static void
client_free (Client *client)
{
  g_clear_object (&client->connection);
  g_free (client);
}

gboolean
vmft_hook_parse (char *line, VmftHookCall *call, GError **error)
{
  char *rest = line;
  char *words[6] = { NULL };
  guint n = 0;

  while (n < G_N_ELEMENTS (words) && rest != NULL)
    {
      words[n++] = rest;
      rest = n < G_N_ELEMENTS (words) ? strchr (rest, ' ') : NULL;
      if (rest != NULL)
        *rest++ = '\0';
    }
  if (n != G_N_ELEMENTS (words) || strcmp (words[0], VMFT_HOOK_VERSION) != 0 || words[5][0] == '\0' ||
      !g_ascii_string_to_unsigned (words[4], 10, 0, G_MAXUINT64, &call->memory_bytes, NULL))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "not a line of vmft-hook");
      return FALSE;
    }
  call->operation = words[1];
  call->sub_operation = words[2];
  call->uuid = strcmp (words[3], "-") != 0 ? words[3] : NULL;
  call->name = words[5];
  return TRUE;
}

char *
vmft_hook_refusal (const char *message)
{
  const char *found = message != NULL ? strstr (message, VMFT_HOOK_REFUSED) : NULL;
  char *reason = NULL;

  if (found == NULL)
    return NULL;
  reason = g_strdup (found + strlen (VMFT_HOOK_REFUSED));
  reason[strcspn (reason, "\n")] = '\0';
  return reason;
}

/* --- one client: one line in, one line out --- */

static char *
answer_to (VmftHookServer *self, char *line)
{
  VmftHookCall call = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *reason = NULL;

  if (vmft_hook_parse (line, &call, &error))
    reason = self->func (&call, self->user_data);
  else
    g_message ("hook socket: %s", error->message);
  if (reason == NULL)
    return g_strdup ("pass\n");
  g_message ("%s of %s refused: %s", call.operation, call.name, reason);
  g_strdelimit (reason, "\r\n", ' ');
  return g_strdup_printf ("refuse %.*s\n", VMFT_HOOK_LINE_MAX - 16, reason);
}

static void
drop (Client *client)
{
  client->server->n_clients--;
  client_free (client);
}

static void
on_read (GObject *stream, GAsyncResult *result, gpointer user_data)
{
  Client *client = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *answer = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (stream), result, &error);
  char *end = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      client_free (client);
      return;
    }
  client->length += n > 0 ? (gsize) n : 0;
  end = memchr (client->line, '\n', client->length);
  if (end == NULL && n > 0 && client->length < sizeof client->line)
    {
      read_more (client);
      return;
    }
  if (end != NULL)
    {
      GSocket *socket = g_socket_connection_get_socket (client->connection);

      *end = '\0';
      answer = answer_to (client->server, client->line);
      /* fits into any socket's buffer; a hook that has gone does not matter */
      if (g_socket_send (socket, answer, strlen (answer), NULL, &error) < 0)
        g_debug ("hook socket: %s", error->message);
    }
  drop (client);
}

static void
read_more (Client *client)
{
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (client->connection)),
                             client->line + client->length, sizeof client->line - client->length,
                             G_PRIORITY_HIGH, client->server->cancellable, on_read, client);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, VmftHookServer *self)
{
  Client *client = NULL;

  if (self->n_clients >= MAX_CLIENTS)
    return TRUE;
  self->n_clients++;
  g_socket_set_blocking (g_socket_connection_get_socket (connection), FALSE);
  client = g_new0 (Client, 1);
  client->server = self;
  client->connection = g_object_ref (connection);
  read_more (client);
  return TRUE;
}

/* --- the socket --- */

static gboolean
is_listened_on (const char *path)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);

  return connection != NULL;
}

static gboolean
listen_at (VmftHookServer *self, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (self->path);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (self->path);

  if (is_listened_on (self->path))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_BUSY, "another vmftd listens at %s", self->path);
      return FALSE;
    }
  g_mkdir_with_parents (directory, 0755);
  g_unlink (self->path);
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (self->service), address, G_SOCKET_TYPE_STREAM,
                                      G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, error))
    {
      g_prefix_error (error, "hook socket %s: ", self->path);
      return FALSE;
    }
  /* libvirt runs its hooks as root */
  g_chmod (self->path, 0600);
  return TRUE;
}

VmftHookServer *
vmft_hook_server_new (const char *path, VmftHookFunc func, gpointer user_data, GError **error)
{
  g_autoptr (VmftHookServer) self = g_new0 (VmftHookServer, 1);

  self->path = g_strdup (path);
  self->func = func;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->service = g_socket_service_new ();
  if (!listen_at (self, error))
    {
      g_clear_pointer (&self->path, g_free); /* not ours to remove */
      return NULL;
    }
  g_signal_connect (self->service, "incoming", G_CALLBACK (on_incoming), self);
  g_socket_service_start (self->service);
  return g_steal_pointer (&self);
}

void
vmft_hook_server_free (VmftHookServer *self)
{
  g_cancellable_cancel (self->cancellable);
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  if (self->path != NULL)
    g_unlink (self->path);
  g_object_unref (self->service);
  g_object_unref (self->cancellable);
  g_free (self->path);
  g_free (self);
}
