/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-heartbeat.h"

#include "vmft-http-api.h"
#include "vmft-http-auth.h"
#include "vmft-http-listener.h"

#define STATUS_TOO_MANY_REQUESTS 429 /* RFC 6585; libsoup has no name for it */

#define CHECK_MS                 1000
#define MAX_CONNECTIONS          256
#define MAX_PER_PEER             8 /* one VM must not keep the others from being heard */
#define IDLE_S                   10
#define BURST                    4.0
#define BURST_RATE               5.0 /* sustained beats per period */

typedef struct
{
  char *name;
  char *token;
  gboolean armed; /* heard since it was last forgotten */
  gboolean silent;
  gint64 deadline_us; /* on the monotonic axis */
  VmftTime last_us;
  double allowance; /* token bucket */
  gint64 allowance_us;
  guint64 n_beats;
} Peer;

struct _VmftHeartbeat
{
  GObject parent;

  VmftClock *clock;
  SoupServer *server;
  VmftHttpListener *listener;
  GHashTable *peers; /* name -> Peer */
  double period_s;
  gint64 timeout_us;
  guint check;
  gint64 checked_us;
  guint64 n_refused;
};

G_DEFINE_FINAL_TYPE (VmftHeartbeat, vmft_heartbeat, G_TYPE_OBJECT)

static void
peer_free (Peer *peer)
{
  g_free (peer->name);
  g_free (peer->token);
  g_free (peer);
}

/* --- silence --- */

static gboolean
on_check (gpointer data)
{
  g_autoptr (VmftHeartbeat) self = g_object_ref (data);
  gint64 now_us = vmft_clock_monotonic_us (self->clock);
  gint64 elapsed_us = now_us - self->checked_us;
  g_autoptr (GPtrArray) failed = g_ptr_array_new ();
  GHashTableIter iter;
  Peer *peer;

  self->checked_us = now_us;
  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    {
      /* while this process slept it could hear nobody: that is not their silence */
      if (elapsed_us > 2 * CHECK_MS * 1000)
        peer->deadline_us += elapsed_us;
      if (!peer->armed || peer->silent || now_us < peer->deadline_us)
        continue;
      peer->silent = TRUE;
      g_ptr_array_add (failed, peer);
    }
  for (guint i = 0; i < failed->len; i++)
    {
      peer = g_ptr_array_index (failed, i);
      g_signal_emit_by_name (self, "silent", peer->name, peer->last_us);
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
take_allowance (VmftHeartbeat *self, Peer *peer, gint64 now_us)
{
  double elapsed_s = (double) (now_us - peer->allowance_us) / G_USEC_PER_SEC;

  peer->allowance = MIN (BURST, peer->allowance + elapsed_s * BURST_RATE / self->period_s);
  peer->allowance_us = now_us;
  if (peer->allowance < 1.0)
    return FALSE;
  peer->allowance -= 1.0;
  return TRUE;
}

static gboolean
peer_beat (VmftHeartbeat *self, Peer *peer)
{
  gint64 now_us = vmft_clock_monotonic_us (self->clock);

  if (!take_allowance (self, peer, now_us))
    return FALSE;
  peer->armed = TRUE;
  peer->silent = FALSE;
  peer->deadline_us = now_us + self->timeout_us;
  peer->last_us = vmft_clock_real_us (self->clock);
  peer->n_beats++;
  return TRUE;
}

void
vmft_heartbeat_forget (VmftHeartbeat *self, const char *name)
{
  Peer *peer = g_hash_table_lookup (self->peers, name);

  if (peer != NULL)
    peer->armed = peer->silent = FALSE;
}

/* --- the listener --- */

static void
answer (VmftHeartbeat *self, SoupServerMessage *message, guint status, const char *text)
{
  if (status == SOUP_STATUS_NO_CONTENT)
    {
      soup_server_message_set_status (message, status, NULL);
      return;
    }
  self->n_refused++;
  vmft_http_set_text (message, status, "%s", text);
}

/* An unknown name and a wrong token look the same from outside: guests do not learn who else is here. */
static Peer *
authenticate (VmftHeartbeat *self, SoupServerMessage *message, const char *name)
{
  const char *header =
      soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Authorization");
  Peer *peer = g_hash_table_lookup (self->peers, name);

  return peer != NULL && vmft_http_bearer_matches (header, peer->token) ? peer : NULL;
}

static void
on_request (SoupServer *server,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query,
            gpointer user_data)
{
  static const char *const methods[] = { "GET", "POST", "PUT", NULL };
  VmftHeartbeat *self = user_data;
  g_autofree char *name = vmft_http_parse_heartbeat_path (path);
  Peer *peer = name ? authenticate (self, message, name) : NULL;

  if (vmft_http_refuse_body (message))
    {
      self->n_refused++;
      return;
    }
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Connection", "close");
  if (name == NULL)
    answer (self, message, SOUP_STATUS_NOT_FOUND, "there is only /heartbeat/NAME here");
  else if (!g_strv_contains (methods, soup_server_message_get_method (message)))
    answer (self, message, SOUP_STATUS_METHOD_NOT_ALLOWED, "beat with GET, POST or PUT");
  else if (peer == NULL)
    answer (self, message, SOUP_STATUS_UNAUTHORIZED, "unknown name, or not its token");
  else if (!peer_beat (self, peer))
    answer (self, message, STATUS_TOO_MANY_REQUESTS,
            "too many heartbeats; see heartbeat-period in vmftd.conf(5)");
  else
    answer (self, message, SOUP_STATUS_NO_CONTENT, NULL);
}

static gboolean
start_listening (VmftHeartbeat *self, const char *const *listen, GError **error)
{
  for (; listen != NULL && *listen != NULL; listen++)
    {
      g_autoptr (GSocketAddress) address = vmft_http_parse_address (*listen, error);

      if (address == NULL || !vmft_http_listener_add (self->listener, address, error))
        return FALSE;
    }
  return TRUE;
}

guint16
vmft_heartbeat_get_port (VmftHeartbeat *self)
{
  return vmft_http_listener_get_port (self->listener);
}

/* --- what there is to tell --- */

static const char *
peer_state (const Peer *peer)
{
  if (!peer->armed)
    return "never";
  return peer->silent ? "silent" : "beating";
}

GVariant *
vmft_heartbeat_to_variant (VmftHeartbeat *self)
{
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (self->peers), (GCompareFunc) strcmp);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (GList *l = names; l != NULL; l = l->next)
    {
      const Peer *peer = g_hash_table_lookup (self->peers, l->data);
      g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

      g_variant_dict_insert (&dict, "name", "s", peer->name);
      g_variant_dict_insert (&dict, "state", "s", peer_state (peer));
      g_variant_dict_insert (&dict, "last_us", "x", peer->last_us);
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&builder);
}

void
vmft_heartbeat_add_metrics (VmftHeartbeat *self, VmftMetrics *metrics)
{
  GHashTableIter iter;
  const Peer *peer;

  vmft_metrics_gauge (metrics, "vmft_heartbeat_silent", "1 for a VM or host that beat and then fell silent.");
  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    if (peer->armed)
      vmft_metrics_add (metrics, peer->silent, "name", peer->name, NULL);
  vmft_metrics_counter (metrics, "vmft_heartbeats_total", "Heartbeats heard.");
  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    vmft_metrics_add (metrics, (double) peer->n_beats, "name", peer->name, NULL);
  vmft_metrics_counter (metrics, "vmft_heartbeats_refused_total",
                        "Requests of the heartbeat listener refused.");
  vmft_metrics_add (metrics, (double) self->n_refused, NULL);
}

/* --- tokens --- */

static gboolean
add_token (GHashTable *tokens, char *line, GError **error)
{
  char *blank;

  g_strstrip (line);
  if (*line == '\0' || *line == '#')
    return TRUE;
  if (!g_utf8_validate (line, -1, NULL))
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "must be valid UTF-8");
      return FALSE;
    }
  /* names of domains may have blanks in them, tokens not */
  blank = strpbrk (line, " \t") ? line + strlen (line) : NULL;
  while (blank != NULL && !g_ascii_isspace (*blank))
    blank--;
  if (blank == NULL || strlen (blank + 1) < 16)
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                           "must be NAME TOKEN, with a token of at least 16 characters");
      return FALSE;
    }
  *blank = '\0';
  g_strchomp (line);
  if (g_hash_table_contains (tokens, line))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s has a token already", line);
      return FALSE;
    }
  g_hash_table_insert (tokens, g_strdup (line), g_strdup (blank + 1));
  return TRUE;
}

GHashTable *
vmft_heartbeat_load_tokens (const char *path, GError **error)
{
  g_autoptr (GHashTable) tokens = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) local = NULL;

  if (!g_file_get_contents (path, &text, NULL, &local))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s", local->message);
      return NULL;
    }
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (!add_token (tokens, lines[i], error))
      {
        g_prefix_error (error, "%s:%u: ", path, i + 1);
        return NULL;
      }
  return g_steal_pointer (&tokens);
}

/* --- life --- */

static void
add_peers (VmftHeartbeat *self, GHashTable *tokens)
{
  GHashTableIter iter;
  const char *name, *token;

  g_hash_table_iter_init (&iter, tokens);
  while (g_hash_table_iter_next (&iter, (gpointer *) &name, (gpointer *) &token))
    {
      Peer *peer = g_new0 (Peer, 1);

      peer->name = g_strdup (name);
      peer->token = g_strdup (token);
      peer->allowance = BURST;
      peer->allowance_us = self->checked_us;
      g_hash_table_insert (self->peers, peer->name, peer);
    }
}

VmftHeartbeat *
vmft_heartbeat_new (VmftClock *clock, const VmftHeartbeatConfig *config, GError **error)
{
  g_autoptr (VmftHeartbeat) self = g_object_new (VMFT_TYPE_HEARTBEAT, NULL);

  self->clock = g_object_ref (clock);
  self->listener = vmft_http_listener_new (self->server, clock, MAX_CONNECTIONS, MAX_PER_PEER, IDLE_S);
  self->checked_us = vmft_clock_monotonic_us (clock);
  self->period_s = config->period_s;
  self->timeout_us = (gint64) (config->timeout_s * G_USEC_PER_SEC);
  if (!(config->period_s > 0) || !(config->timeout_s > config->period_s))
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                           "[Heartbeat] heartbeat-timeout must be longer than heartbeat-period");
      return NULL;
    }
  add_peers (self, config->tokens);
  if (!start_listening (self, config->listen, error))
    return NULL;
  self->check = vmft_clock_add_timer (clock, CHECK_MS, on_check, self, NULL);
  return g_steal_pointer (&self);
}

static void
vmft_heartbeat_finalize (GObject *object)
{
  VmftHeartbeat *self = VMFT_HEARTBEAT (object);

  if (self->clock)
    vmft_clear_timer (self->clock, &self->check);
  g_clear_pointer (&self->listener, vmft_http_listener_free);
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_hash_table_unref (self->peers);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (vmft_heartbeat_parent_class)->finalize (object);
}

static void
vmft_heartbeat_class_init (VmftHeartbeatClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_heartbeat_finalize;
  g_signal_new ("silent", VMFT_TYPE_HEARTBEAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2,
                G_TYPE_STRING, G_TYPE_INT64);
}

static void
vmft_heartbeat_init (VmftHeartbeat *self)
{
  self->peers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) peer_free);
  self->server = soup_server_new ("server-header", "vmftd", "raw-paths", TRUE, NULL);
  soup_server_add_early_handler (self->server, NULL, on_request, self, NULL);
}
