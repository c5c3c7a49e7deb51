/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-peer.h"

#include <libsoup/soup.h>
#include <string.h>

#define TIMEOUT_MS       5000
#define ANSWER_MAX_BYTES (1024 * 1024)
#define TEMPLATES_MAX    1000
#define SUSPICION_BYTES  256

/* --- what it says --- */

static void
read_templates (GHashTable *templates, GVariant *record)
{
  GVariantIter iter;
  const char *template_text;
  GVariant *age;

  g_variant_iter_init (&iter, record);
  while (g_hash_table_size (templates) < TEMPLATES_MAX &&
         g_variant_iter_next (&iter, "{&sv}", &template_text, &age))
    {
      double age_s = vmft_variant_double (age, -1.0);

      g_variant_unref (age);
      if (age_s >= 0.0)
        g_hash_table_replace (templates, g_strdup (template_text), g_memdup2 (&age_s, sizeof age_s));
    }
}

/* It goes into our log, which is not theirs to write. */
static char *
read_suspicion (GVariant *record)
{
  const char *text = vmft_dict_string (record, "suspicion");

  return text ? vmft_text_printable (text, (gssize) strnlen (text, SUSPICION_BYTES)) : NULL;
}

VmftPeerState *
vmft_peer_state_parse (const char *json, GError **error)
{
  g_autoptr (GVariant) record = vmft_json_to_variant (json, error);
  g_autoptr (GVariant) suspect = NULL;
  g_autoptr (GVariant) templates = NULL;
  VmftPeerState *state = NULL;

  if (record == NULL)
    return NULL;
  if (g_variant_is_of_type (record, G_VARIANT_TYPE_VARDICT))
    suspect = g_variant_lookup_value (record, "suspect", G_VARIANT_TYPE_BOOLEAN);
  if (suspect == NULL)
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                           "the answer does not say whether it is “suspect”");
      return NULL;
    }
  state = g_new0 (VmftPeerState, 1);
  state->suspect = g_variant_get_boolean (suspect);
  state->suspicion = read_suspicion (record);
  state->templates = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  templates = g_variant_lookup_value (record, "templates", G_VARIANT_TYPE_VARDICT);
  if (templates != NULL)
    read_templates (state->templates, templates);
  return state;
}

void
vmft_peer_state_free (VmftPeerState *state)
{
  g_free (state->suspicion);
  g_hash_table_unref (state->templates);
  g_free (state);
}

/* --- asking --- */

struct _VmftPeer
{
  VmftClock *clock;
  SoupSession *session;
  char *url;
  char *authorization; /* (nullable) */
  VmftPeerFunc func;
  gpointer user_data;
  GCancellable *cancellable; /* (nullable): of the question under way */
  guint timer;
};

/* A question under way: outlives the peer when that goes. */
typedef struct
{
  VmftPeer *peer; /* valid until @cancellable is cancelled */
  GCancellable *cancellable;
  SoupMessage *message;
  GInputStream *body;
  char *buffer;
} Question;

static void
question_free (Question *question)
{
  g_object_unref (question->cancellable);
  g_object_unref (question->message);
  g_clear_object (&question->body);
  g_free (question->buffer);
  g_free (question);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Question, question_free)

static void
tell (VmftPeer *self, const VmftPeerState *state, const GError *error)
{
  vmft_clear_timer (self->clock, &self->timer);
  g_clear_object (&self->cancellable);
  self->func (state, error, self->user_data);
}

static gboolean
on_timeout (gpointer user_data)
{
  VmftPeer *self = user_data;
  g_autoptr (GError) error =
      g_error_new_literal (VMFT_ERROR, VMFT_ERROR_TIMEOUT, "its status URL does not answer in time");

  self->timer = 0;
  g_cancellable_cancel (self->cancellable);
  tell (self, NULL, error);
  return G_SOURCE_REMOVE;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  g_autoptr (VmftPeerState) state = NULL;
  g_autoptr (GError) error = NULL;
  gsize n = 0;
  gboolean ok = g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &n, &error);

  if (g_cancellable_is_cancelled (question->cancellable))
    return;
  if (ok && n > ANSWER_MAX_BYTES)
    g_set_error_literal (&error, VMFT_ERROR, VMFT_ERROR_INVALID, "its status is far too long");
  else if (ok && !g_utf8_validate_len (question->buffer, n, NULL))
    g_set_error_literal (&error, VMFT_ERROR, VMFT_ERROR_INVALID, "its status is not UTF-8");
  else if (ok)
    state = vmft_peer_state_parse (question->buffer, &error);
  g_prefix_error (&error, "its status URL: ");
  tell (question->peer, state, error);
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  g_autoptr (GError) error = NULL;
  Question *reading = question;

  question->body = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (g_cancellable_is_cancelled (question->cancellable))
    return;
  if (question->body != NULL && soup_message_get_status (question->message) != SOUP_STATUS_OK)
    g_set_error (&error, VMFT_ERROR, VMFT_ERROR_REFUSED, "it answered %u",
                 (guint) soup_message_get_status (question->message));
  if (error != NULL)
    {
      g_prefix_error (&error, "its status URL: ");
      tell (question->peer, NULL, error);
      return;
    }
  /* one byte more than is read, so that the text ends, and one more, so that too long is seen */
  question->buffer = g_malloc0 (ANSWER_MAX_BYTES + 2);
  g_steal_pointer (&question);
  g_input_stream_read_all_async (reading->body, reading->buffer, ANSWER_MAX_BYTES + 1, G_PRIORITY_DEFAULT,
                                 reading->cancellable, on_read, reading);
}

void
vmft_peer_ask (VmftPeer *self)
{
  Question *question = NULL;
  SoupMessageHeaders *headers = NULL;

  if (self->cancellable != NULL)
    return;
  self->cancellable = g_cancellable_new ();
  question = g_new0 (Question, 1);
  question->peer = self;
  question->cancellable = g_object_ref (self->cancellable);
  question->message = soup_message_new (SOUP_METHOD_GET, self->url);
  headers = soup_message_get_request_headers (question->message);
  soup_message_headers_replace (headers, "Accept", "application/json");
  if (self->authorization != NULL)
    soup_message_headers_replace (headers, "Authorization", self->authorization);
  /* the token is for this host alone */
  soup_message_add_flags (question->message, SOUP_MESSAGE_NO_REDIRECT);
  self->timer = vmft_clock_add_timer (self->clock, TIMEOUT_MS, on_timeout, self, NULL);
  soup_session_send_async (self->session, question->message, G_PRIORITY_DEFAULT, self->cancellable, on_sent,
                           question);
}

/* --- life --- */

VmftPeer *
vmft_peer_new (VmftClock *clock,
               const char *url,
               const char *token,
               VmftPeerFunc func,
               gpointer user_data,
               GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);
  const char *scheme = uri ? g_uri_get_scheme (uri) : NULL;
  VmftPeer *self;

  if ((g_strcmp0 (scheme, "http") != 0 && g_strcmp0 (scheme, "https") != 0) || g_uri_get_host (uri) == NULL ||
      *g_uri_get_host (uri) == '\0')
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "status-url: must be an http or https URL");
      return NULL;
    }
  self = g_new0 (VmftPeer, 1);
  self->clock = g_object_ref (clock);
  self->session = soup_session_new_with_options ("proxy-resolver", NULL, "user-agent", "vmftd", NULL);
  soup_session_remove_feature_by_type (self->session, SOUP_TYPE_AUTH_MANAGER);
  self->url = g_strdup (url);
  self->authorization = token != NULL ? g_strconcat ("Bearer ", token, NULL) : NULL;
  self->func = func;
  self->user_data = user_data;
  return self;
}

void
vmft_peer_free (VmftPeer *self)
{
  vmft_clear_timer (self->clock, &self->timer);
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_object_unref (self->session);
  g_object_unref (self->clock);
  g_free (self->url);
  g_free (self->authorization);
  g_free (self);
}
