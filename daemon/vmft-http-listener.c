/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-http-listener.h"

#include <netinet/in.h>

/* Outlives the listener for as long as a connection does. */
typedef struct
{
  guint n_open;
  GHashTable *peers; /* address -> GUINT_TO_POINTER (number of connections) */
} Census;

typedef struct
{
  Census *census;
  char *peer;
} Entry;

struct _VmftHttpListener
{
  SoupServer *server;
  GSocketService *service;
  Census *census;
  guint max_connections;
  guint max_per_peer;
  guint idle_s;
  guint16 port;
  guint64 n_refused;
};

static void
census_clear (gpointer data)
{
  g_hash_table_unref (((Census *) data)->peers);
}

static guint
census_count (Census *census, const char *peer)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (census->peers, peer));
}

static void
on_connection_gone (gpointer data, GObject *where_it_was)
{
  Entry *entry = data;
  guint n = census_count (entry->census, entry->peer);

  entry->census->n_open--;
  if (n > 1)
    g_hash_table_insert (entry->census->peers, g_strdup (entry->peer), GUINT_TO_POINTER (n - 1));
  else
    g_hash_table_remove (entry->census->peers, entry->peer);
  g_rc_box_release_full (entry->census, census_clear);
  g_free (entry->peer);
  g_free (entry);
}

static void
enter (VmftHttpListener *self, GSocketConnection *connection, const char *peer)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->census = g_rc_box_acquire (self->census);
  entry->peer = g_strdup (peer);
  self->census->n_open++;
  g_hash_table_insert (self->census->peers, g_strdup (peer),
                       GUINT_TO_POINTER (census_count (self->census, peer) + 1));
  g_object_weak_ref (G_OBJECT (connection), on_connection_gone, entry);
}

static gboolean
has_room (VmftHttpListener *self, const char *peer)
{
  return self->census->n_open < self->max_connections &&
         (self->max_per_peer == 0 || census_count (self->census, peer) < self->max_per_peer);
}

static gboolean
on_incoming (GSocketService *service,
             GSocketConnection *connection,
             GObject *source_object,
             VmftHttpListener *self)
{
  g_autoptr (GSocketAddress) local = g_socket_connection_get_local_address (connection, NULL);
  g_autoptr (GSocketAddress) remote = g_socket_connection_get_remote_address (connection, NULL);
  g_autofree char *peer = NULL;
  g_autoptr (GError) error = NULL;

  if (local == NULL || remote == NULL)
    return TRUE;
  peer = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  if (!has_room (self, peer))
    {
      self->n_refused++;
      return TRUE;
    }
  enter (self, connection, peer);
  g_socket_set_timeout (g_socket_connection_get_socket (connection), self->idle_s);
  if (!soup_server_accept_iostream (self->server, G_IO_STREAM (connection), local, remote, &error))
    g_debug ("http: connection from %s: %s", peer, error->message);
  return TRUE;
}

VmftHttpListener *
vmft_http_listener_new (SoupServer *server, guint max_connections, guint max_per_peer, guint idle_s)
{
  VmftHttpListener *self = g_new0 (VmftHttpListener, 1);

  self->server = server;
  self->max_connections = max_connections;
  self->max_per_peer = max_per_peer;
  self->idle_s = idle_s;
  self->census = g_rc_box_new0 (Census);
  self->census->peers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->service = g_socket_service_new ();
  g_signal_connect (self->service, "incoming", G_CALLBACK (on_incoming), self);
  return self;
}

static GSocket *
open_socket (GSocketAddress *address, GError **error)
{
  g_autoptr (GSocket) socket = g_socket_new (g_socket_address_get_family (address), G_SOCKET_TYPE_STREAM,
                                             G_SOCKET_PROTOCOL_TCP, error);

  if (socket == NULL)
    return NULL;
  /* best effort: without it an address that is not there yet fails to bind, and says so */
  (void) !g_socket_set_option (socket, IPPROTO_IP, IP_FREEBIND, 1, NULL);
  if (!g_socket_bind (socket, address, TRUE, error) || !g_socket_listen (socket, error))
    return NULL;
  return g_steal_pointer (&socket);
}

gboolean
vmft_http_listener_add (VmftHttpListener *self, GSocketAddress *address, GError **error)
{
  g_autofree char *text = g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address));
  g_autoptr (GError) local = NULL;
  g_autoptr (GSocket) socket = open_socket (address, &local);
  g_autoptr (GSocketAddress) bound = socket ? g_socket_get_local_address (socket, &local) : NULL;

  if (bound == NULL ||
      !g_socket_listener_add_socket (G_SOCKET_LISTENER (self->service), socket, NULL, &local))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "cannot listen on %s: %s", text,
                   local->message);
      return FALSE;
    }
  if (self->port == 0)
    self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  return TRUE;
}

guint16
vmft_http_listener_get_port (VmftHttpListener *self)
{
  return self->port;
}

guint64
vmft_http_listener_get_refused (VmftHttpListener *self)
{
  return self->n_refused;
}

void
vmft_http_listener_free (VmftHttpListener *self)
{
  g_signal_handlers_disconnect_by_data (self->service, self);
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_object_unref (self->service);
  g_rc_box_release_full (self->census, census_clear);
  g_free (self);
}
