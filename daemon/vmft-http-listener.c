/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-http-listener.h"

#include <netinet/in.h>

#define PEERS_KEPT  1024
#define PEER_BURST  40.0
#define PEER_RATE_S 20.0 /* connections a second */

typedef struct
{
  guint n_open;
  double allowance; /* token bucket */
  gint64 allowance_us;
} Peer;

/* Outlives the listener for as long as a connection does. */
typedef struct
{
  guint n_open;
  GHashTable *peers; /* address -> Peer */
} Census;

typedef struct
{
  Census *census;
  char *peer;
} Entry;

struct _VmftHttpListener
{
  VmftClock *clock;
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

static void
on_connection_gone (gpointer data, GObject *where_it_was)
{
  Entry *entry = data;
  Peer *peer = g_hash_table_lookup (entry->census->peers, entry->peer);

  entry->census->n_open--;
  peer->n_open--;
  g_rc_box_release_full (entry->census, census_clear);
  g_free (entry->peer);
  g_free (entry);
}

static void
enter (VmftHttpListener *self, GSocketConnection *connection, Peer *peer, const char *address)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->census = g_rc_box_acquire (self->census);
  entry->peer = g_strdup (address);
  self->census->n_open++;
  peer->n_open++;
  g_object_weak_ref (G_OBJECT (connection), on_connection_gone, entry);
}

static gboolean
is_absent (gpointer key, gpointer value, gpointer user_data)
{
  return ((Peer *) value)->n_open == 0;
}

static Peer *
get_peer (VmftHttpListener *self, const char *address)
{
  Peer *peer = g_hash_table_lookup (self->census->peers, address);

  if (peer != NULL)
    return peer;
  if (g_hash_table_size (self->census->peers) >= PEERS_KEPT)
    g_hash_table_foreach_remove (self->census->peers, is_absent, NULL);
  peer = g_new0 (Peer, 1);
  peer->allowance = PEER_BURST;
  peer->allowance_us = vmft_clock_monotonic_us (self->clock);
  g_hash_table_insert (self->census->peers, g_strdup (address), peer);
  return peer;
}

static gboolean
take_allowance (VmftHttpListener *self, Peer *peer)
{
  gint64 now_us = vmft_clock_monotonic_us (self->clock);
  double elapsed_s = (double) (now_us - peer->allowance_us) / G_USEC_PER_SEC;

  peer->allowance = MIN (PEER_BURST, peer->allowance + elapsed_s * PEER_RATE_S);
  peer->allowance_us = now_us;
  if (peer->allowance < 1.0)
    return FALSE;
  peer->allowance -= 1.0;
  return TRUE;
}

static gboolean
has_room (VmftHttpListener *self, Peer *peer)
{
  if (self->census->n_open >= self->max_connections)
    return FALSE;
  return self->max_per_peer == 0 || (peer->n_open < self->max_per_peer && take_allowance (self, peer));
}

static gboolean
on_incoming (GSocketService *service,
             GSocketConnection *connection,
             GObject *source_object,
             VmftHttpListener *self)
{
  g_autoptr (GSocketAddress) local = g_socket_connection_get_local_address (connection, NULL);
  g_autoptr (GSocketAddress) remote = g_socket_connection_get_remote_address (connection, NULL);
  g_autofree char *address = NULL;
  g_autoptr (GError) error = NULL;
  Peer *peer;

  if (local == NULL || remote == NULL)
    return TRUE;
  address = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  peer = get_peer (self, address);
  if (!has_room (self, peer))
    {
      self->n_refused++;
      return TRUE;
    }
  enter (self, connection, peer, address);
  g_socket_set_timeout (g_socket_connection_get_socket (connection), self->idle_s);
  if (!soup_server_accept_iostream (self->server, G_IO_STREAM (connection), local, remote, &error))
    g_debug ("http: connection from %s: %s", address, error->message);
  return TRUE;
}

VmftHttpListener *
vmft_http_listener_new (SoupServer *server,
                        VmftClock *clock,
                        guint max_connections,
                        guint max_per_peer,
                        guint idle_s)
{
  VmftHttpListener *self = g_new0 (VmftHttpListener, 1);

  self->clock = g_object_ref (clock);
  self->server = server;
  self->max_connections = max_connections;
  self->max_per_peer = max_per_peer;
  self->idle_s = idle_s;
  self->census = g_rc_box_new0 (Census);
  self->census->peers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
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
  g_object_unref (self->clock);
  g_free (self);
}
