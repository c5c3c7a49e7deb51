/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-syslog-source.h"

#include "vmft-syslog-frame.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>

#define RETRY_MS       1000
#define BACKLOG        16
#define UDP_TURN       64 /* datagrams a turn */
#define UDP_MAX        65536
#define UDP_BUFFER     (1 << 20)
#define COUNT_REFUSALS 1000 /* said once in so many */

typedef struct
{
  VmftSyslogSource *source;
  gboolean udp;
  GSocketAddress *address;
  char *text; /* "tcp:127.0.0.1:514" */
  GSocket *socket;
  guint watch_id;
  gboolean complained;
} Listener;

typedef struct
{
  VmftSyslogSource *source;
  GSocket *socket;
  char *label; /* "tcp:192.0.2.7" */
  VmftSyslogFramer *framer;
  guint watch_id;
} Connection;

struct _VmftSyslogSource
{
  GObject parent;

  char *name;
  VmftClock *clock;
  VmftTrust trust;
  guint max_connections;
  GPtrArray *listeners;   /* of Listener */
  GPtrArray *allowed;     /* of GInetAddressMask */
  GPtrArray *connections; /* of Connection */
  GArray *frames;         /* of VmftSlice, reused */
  GArray *lines;          /* of VmftLine, reused */
  char *datagrams;        /* UDP_TURN of UDP_MAX bytes */
  guint timer_id;

  VmftSyslogFrameStats stats;
  guint64 n_refused, n_over_limit, n_datagrams;
  guint32 udp_dropped;
};

static void vmft_syslog_source_iface_init (VmftSourceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftSyslogSource,
                               vmft_syslog_source,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_SOURCE, vmft_syslog_source_iface_init))

static void
connection_free (Connection *connection)
{
  g_clear_handle_id (&connection->watch_id, g_source_remove);
  g_socket_close (connection->socket, NULL);
  g_object_unref (connection->socket);
  vmft_syslog_framer_free (connection->framer);
  g_free (connection->label);
  g_free (connection);
}

static void
listener_free (Listener *listener)
{
  g_clear_handle_id (&listener->watch_id, g_source_remove);
  g_clear_object (&listener->socket);
  g_clear_object (&listener->address);
  g_free (listener->text);
  g_free (listener);
}

/* --- handing lines over --- */

static void
hand_over (VmftSyslogSource *self, const char *label, VmftTrust trust)
{
  VmftTime now_us = vmft_clock_real_us (self->clock);
  g_autoptr (GVariant) cursor = NULL;
  VmftBatch batch = { .source = label, .cursor_key = self->name };
  GVariantDict dict;

  g_array_set_size (self->lines, self->frames->len);
  for (guint i = 0; i < self->frames->len; i++)
    {
      const VmftSlice *frame = &g_array_index (self->frames, VmftSlice, i);
      VmftLine *line = &g_array_index (self->lines, VmftLine, i);

      vmft_line_split (line, VMFT_LINE_AUTO, frame->data, frame->length, now_us);
      line->trust = trust;
    }
  g_array_set_size (self->frames, 0);
  /* nothing to go back to on a socket: the count is for the record */
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "lines", "t", self->stats.frames);
  cursor = g_variant_ref_sink (g_variant_dict_end (&dict));
  batch.cursor = cursor;
  batch.lines = (const VmftLine *) (gpointer) self->lines->data;
  batch.n_lines = self->lines->len;
  vmft_source_emit_batch (VMFT_SOURCE (self), &batch);
}

/* --- who may send --- */

static GInetAddress *
get_inet_address (GSocketAddress *address)
{
  return G_IS_INET_SOCKET_ADDRESS (address)
             ? g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address))
             : NULL;
}

/* "::ffff:192.0.2.7" is 192.0.2.7, come in over a socket that speaks both. */
static GInetAddress *
unmap (GInetAddress *address)
{
  static const guint8 prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
  const guint8 *bytes = g_inet_address_to_bytes (address);

  if (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6 &&
      memcmp (bytes, prefix, sizeof prefix) == 0)
    return g_inet_address_new_from_bytes (bytes + sizeof prefix, G_SOCKET_FAMILY_IPV4);
  return g_object_ref (address);
}

static gboolean
may_send (VmftSyslogSource *self, GSocketAddress *address)
{
  GInetAddress *raw = get_inet_address (address);
  g_autoptr (GInetAddress) peer = raw ? unmap (raw) : NULL;

  if (peer == NULL)
    return FALSE;
  if (self->allowed->len == 0)
    return g_inet_address_get_is_loopback (peer);
  for (guint i = 0; i < self->allowed->len; i++)
    if (g_inet_address_mask_matches (g_ptr_array_index (self->allowed, i), peer))
      return TRUE;
  return FALSE;
}

static char *
label_peer (const char *transport, GSocketAddress *address)
{
  GInetAddress *raw = get_inet_address (address);
  g_autoptr (GInetAddress) peer = raw ? unmap (raw) : NULL;
  g_autofree char *text = peer ? g_inet_address_to_string (peer) : g_strdup ("unknown");

  return g_strconcat (transport, ":", text, NULL);
}

static void
note_refusal (VmftSyslogSource *self, GSocketAddress *address)
{
  g_autofree char *peer = label_peer ("peer", address);

  if (self->n_refused++ % COUNT_REFUSALS == 0)
    g_message ("source %s: refused a sender that is not allowed (%s); %" G_GUINT64_FORMAT " so far",
               self->name, peer, self->n_refused);
}

/* --- TCP --- */

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user_data)
{
  Connection *connection = user_data;
  g_autoptr (VmftSyslogSource) self = g_object_ref (connection->source);
  gsize space = 0;
  char *buffer = vmft_syslog_framer_reserve (connection->framer, &space);
  gssize n = recv (fd, buffer, space, MSG_DONTWAIT);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n > 0)
    vmft_syslog_framer_commit (connection->framer, (gsize) n, self->frames);
  else
    vmft_syslog_framer_finish (connection->framer, self->frames);
  if (self->frames->len > 0)
    hand_over (self, connection->label, self->trust);
  if (n > 0)
    return G_SOURCE_CONTINUE;
  connection->watch_id = 0;
  g_ptr_array_remove_fast (self->connections, connection);
  return G_SOURCE_REMOVE;
}

static void
add_connection (VmftSyslogSource *self, GSocket *socket, GSocketAddress *peer)
{
  Connection *connection = g_new0 (Connection, 1);

  connection->source = self;
  connection->socket = g_object_ref (socket);
  connection->label = label_peer ("tcp", peer);
  connection->framer = vmft_syslog_framer_new (&self->stats);
  g_socket_set_keepalive (socket, TRUE);
  connection->watch_id =
      g_unix_fd_add (g_socket_get_fd (socket), G_IO_IN | G_IO_HUP, on_readable, connection);
  g_ptr_array_add (self->connections, connection);
}

static gboolean
on_connection (gint fd, GIOCondition condition, gpointer user_data)
{
  Listener *listener = user_data;
  VmftSyslogSource *self = listener->source;
  g_autoptr (GSocket) socket = g_socket_accept (listener->socket, NULL, NULL);
  g_autoptr (GSocketAddress) peer = socket ? g_socket_get_remote_address (socket, NULL) : NULL;

  if (peer == NULL)
    return G_SOURCE_CONTINUE;
  if (!may_send (self, peer))
    {
      note_refusal (self, peer);
      g_socket_close (socket, NULL);
    }
  else if (self->connections->len >= self->max_connections)
    {
      if (self->n_over_limit++ % COUNT_REFUSALS == 0)
        g_warning ("source %s: more than %u connections; closing new ones", self->name,
                   self->max_connections);
      g_socket_close (socket, NULL);
    }
  else
    {
      add_connection (self, socket, peer);
    }
  return G_SOURCE_CONTINUE;
}

/* --- UDP --- */

/* The kernel's own count of datagrams that found the buffer full comes with each later one (SO_RXQ_OVFL). */
static void
note_drops (VmftSyslogSource *self, struct msghdr *header)
{
  for (struct cmsghdr *c = CMSG_FIRSTHDR (header); c != NULL; c = CMSG_NXTHDR (header, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
      memcpy (&self->udp_dropped, CMSG_DATA (c), sizeof self->udp_dropped);
}

/* Returns: the bytes of one datagram; -1 when there is none. */
static gssize
receive (VmftSyslogSource *self, int fd, char *buffer, GSocketAddress **peer)
{
  union
  {
    char bytes[CMSG_SPACE (sizeof (guint32))];
    struct cmsghdr alignment;
  } control;
  struct sockaddr_storage from;
  struct iovec vector = { buffer, UDP_MAX };
  struct msghdr header = { .msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes };
  gssize n = recvmsg (fd, &header, MSG_DONTWAIT);

  if (n < 0)
    return -1;
  note_drops (self, &header);
  *peer = g_socket_address_new_from_native (&from, header.msg_namelen);
  return n;
}

static gboolean
on_datagrams (gint fd, GIOCondition condition, gpointer user_data)
{
  Listener *listener = user_data;
  g_autoptr (VmftSyslogSource) self = g_object_ref (listener->source);
  g_autofree char *label = g_strdup (listener->text);

  for (guint i = 0; i < UDP_TURN; i++)
    {
      g_autoptr (GSocketAddress) peer = NULL;
      VmftSlice frame = { self->datagrams + i * UDP_MAX, 0 };
      gssize n = receive (self, fd, self->datagrams + i * UDP_MAX, &peer);

      if (n < 0)
        break;
      if (peer == NULL || !may_send (self, peer))
        {
          note_refusal (self, peer);
          continue;
        }
      frame.length = (gsize) n;
      self->n_datagrams++;
      self->stats.frames += n > 0;
      self->stats.bytes += (guint64) n;
      if (n > 0)
        g_array_append_val (self->frames, frame);
    }
  if (self->frames->len > 0)
    hand_over (self, label, VMFT_TRUST_NONE);
  return G_SOURCE_CONTINUE;
}

/* --- listening --- */

static gboolean
try_listen (Listener *listener, GError **error)
{
  VmftSyslogSource *self = listener->source;
  g_autoptr (GSocket) socket = g_socket_new (g_socket_address_get_family (listener->address),
                                             listener->udp ? G_SOCKET_TYPE_DATAGRAM : G_SOCKET_TYPE_STREAM,
                                             G_SOCKET_PROTOCOL_DEFAULT, error);

  if (socket == NULL || !g_socket_bind (socket, listener->address, !listener->udp, error))
    return FALSE;
  g_socket_set_blocking (socket, FALSE);
  if (listener->udp)
    {
      g_socket_set_option (socket, SOL_SOCKET, SO_RXQ_OVFL, 1, NULL);
      g_socket_set_option (socket, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER, NULL);
      if (self->datagrams == NULL)
        self->datagrams = g_malloc ((gsize) UDP_TURN * UDP_MAX);
    }
  else
    {
      g_socket_set_listen_backlog (socket, BACKLOG);
      if (!g_socket_listen (socket, error))
        return FALSE;
    }
  listener->watch_id = g_unix_fd_add (g_socket_get_fd (socket), G_IO_IN,
                                      listener->udp ? on_datagrams : on_connection, listener);
  listener->socket = g_steal_pointer (&socket);
  return TRUE;
}

/* Returns: whether all listeners listen. */
static gboolean
listen_all (VmftSyslogSource *self)
{
  gboolean all = TRUE;

  for (guint i = 0; i < self->listeners->len; i++)
    {
      Listener *listener = g_ptr_array_index (self->listeners, i);
      g_autoptr (GError) error = NULL;

      if (listener->socket != NULL)
        continue;
      if (try_listen (listener, &error))
        {
          if (listener->complained)
            g_message ("source %s: listening on %s now", self->name, listener->text);
          continue;
        }
      if (!listener->complained)
        g_warning ("source %s: cannot listen on %s: %s; trying on", self->name, listener->text,
                   error->message);
      listener->complained = TRUE;
      all = FALSE;
    }
  return all;
}

static gboolean
on_retry (gpointer user_data)
{
  VmftSyslogSource *self = user_data;

  if (!listen_all (self))
    return G_SOURCE_CONTINUE;
  self->timer_id = 0;
  return G_SOURCE_REMOVE;
}

/* --- VmftSource --- */

static void
vmft_syslog_source_start (VmftSource *source)
{
  VmftSyslogSource *self = VMFT_SYSLOG_SOURCE (source);

  g_return_if_fail (self->timer_id == 0);
  if (!listen_all (self))
    self->timer_id = vmft_clock_add_timer (self->clock, RETRY_MS, on_retry, self, NULL);
}

/* Where this really listens: port 0 in the configuration is a port of the kernel's choice here. */
static GVariant *
describe_addresses (VmftSyslogSource *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < self->listeners->len; i++)
    {
      Listener *listener = g_ptr_array_index (self->listeners, i);
      g_autofree char *address =
          g_strndup (listener->text, (gsize) (strrchr (listener->text, ':') - listener->text));

      if (listener->socket != NULL)
        g_variant_builder_add_value (&builder, g_variant_new_take_string (g_strdup_printf (
                                                   "%s:%u", address, vmft_syslog_source_get_port (self, i))));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
vmft_syslog_source_describe (VmftSource *source)
{
  VmftSyslogSource *self = VMFT_SYSLOG_SOURCE (source);
  GVariant *addresses = describe_addresses (self);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", self->name);
  g_variant_dict_insert (&dict, "type", "s", "syslog");
  g_variant_dict_insert (&dict, "trusted", "b", self->trust == VMFT_TRUST_KERNEL);
  g_variant_dict_insert (&dict, "listening", "u", (guint) g_variant_n_children (addresses));
  g_variant_dict_insert_value (&dict, "addresses", addresses);
  g_variant_dict_insert (&dict, "connections", "u", self->connections->len);
  g_variant_dict_insert (&dict, "lines", "t", self->stats.frames);
  g_variant_dict_insert (&dict, "bytes", "t", self->stats.bytes);
  g_variant_dict_insert (&dict, "cut_lines", "t", self->stats.cut_frames);
  g_variant_dict_insert (&dict, "datagrams", "t", self->n_datagrams);
  g_variant_dict_insert (&dict, "dropped", "t", (guint64) self->udp_dropped);
  g_variant_dict_insert (&dict, "refused", "t", self->n_refused);
  g_variant_dict_insert (&dict, "over_limit", "t", self->n_over_limit);
  return g_variant_dict_end (&dict);
}

static void
vmft_syslog_source_iface_init (VmftSourceInterface *iface)
{
  iface->start = vmft_syslog_source_start;
  iface->describe = vmft_syslog_source_describe;
}

/* --- configuration --- */

static gboolean
set_listen_error (const char *text, GError **error)
{
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
               "%s: must be tcp:ADDRESS:PORT or udp:ADDRESS:PORT, with a numeric address", text);
  return FALSE;
}

static gboolean
add_listener (VmftSyslogSource *self, const char *text, GError **error)
{
  gboolean udp = g_str_has_prefix (text, "udp:");
  const char *colon = strrchr (text, ':');
  g_autofree char *host = NULL;
  guint64 port = 0;
  Listener *listener;
  g_autoptr (GInetAddress) address = NULL;

  if ((!udp && !g_str_has_prefix (text, "tcp:")) || colon == text + 3 ||
      !g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT16, &port, NULL))
    return set_listen_error (text, error);
  host = g_strndup (text + 4, (gsize) (colon - text - 4));
  if (*host == '[' && g_str_has_suffix (host, "]"))
    {
      host[strlen (host) - 1] = '\0';
      memmove (host, host + 1, strlen (host));
    }
  address = g_inet_address_new_from_string (host);
  if (address == NULL)
    return set_listen_error (text, error);
  if (self->allowed->len == 0 && !g_inet_address_get_is_loopback (address))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                   "%s: other machines could send there: say with \"allow\" which may", text);
      return FALSE;
    }
  listener = g_new0 (Listener, 1);
  listener->source = self;
  listener->udp = udp;
  listener->text = g_strdup (text);
  listener->address = g_inet_socket_address_new (address, (guint16) port);
  g_ptr_array_add (self->listeners, listener);
  return TRUE;
}

static gboolean
add_allowed (VmftSyslogSource *self, const char *text, GError **error)
{
  g_autoptr (GError) local = NULL;
  GInetAddressMask *mask = g_inet_address_mask_new_from_string (text, &local);

  if (mask == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                   "%s: must be an address or a network such as 192.0.2.0/24", text);
      return FALSE;
    }
  g_ptr_array_add (self->allowed, mask);
  return TRUE;
}

static void
vmft_syslog_source_finalize (GObject *object)
{
  VmftSyslogSource *self = VMFT_SYSLOG_SOURCE (object);

  vmft_clear_timer (self->clock, &self->timer_id);
  g_ptr_array_unref (self->connections);
  g_ptr_array_unref (self->listeners);
  g_ptr_array_unref (self->allowed);
  g_array_unref (self->frames);
  g_array_unref (self->lines);
  g_object_unref (self->clock);
  g_free (self->datagrams);
  g_free (self->name);
  G_OBJECT_CLASS (vmft_syslog_source_parent_class)->finalize (object);
}

static void
vmft_syslog_source_class_init (VmftSyslogSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_syslog_source_finalize;
}

static void
vmft_syslog_source_init (VmftSyslogSource *self)
{
  self->listeners = g_ptr_array_new_with_free_func ((GDestroyNotify) listener_free);
  self->allowed = g_ptr_array_new_with_free_func (g_object_unref);
  self->connections = g_ptr_array_new_with_free_func ((GDestroyNotify) connection_free);
  self->frames = g_array_new (FALSE, FALSE, sizeof (VmftSlice));
  self->lines = g_array_new (FALSE, FALSE, sizeof (VmftLine));
}

VmftSource *
vmft_syslog_source_new (const char *name, const VmftSyslogConfig *config, VmftClock *clock, GError **error)
{
  g_autoptr (VmftSyslogSource) self = g_object_new (VMFT_TYPE_SYSLOG_SOURCE, NULL);

  self->name = g_strdup (name);
  self->clock = g_object_ref (clock);
  self->trust = config->trust;
  self->max_connections = config->max_connections;
  for (guint i = 0; config->allow != NULL && config->allow[i] != NULL; i++)
    if (!add_allowed (self, config->allow[i], error))
      return NULL;
  if (config->listen == NULL || config->listen[0] == NULL)
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                           "listen: a receiver needs an address, tcp:ADDRESS:PORT or udp:ADDRESS:PORT");
      return NULL;
    }
  for (guint i = 0; config->listen[i] != NULL; i++)
    if (!add_listener (self, config->listen[i], error))
      return NULL;
  return VMFT_SOURCE (g_steal_pointer (&self));
}

guint16
vmft_syslog_source_get_port (VmftSyslogSource *self, guint index)
{
  Listener *listener = g_ptr_array_index (self->listeners, index);
  g_autoptr (GSocketAddress) address =
      listener->socket ? g_socket_get_local_address (listener->socket, NULL) : NULL;

  return address ? g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)) : 0;
}
