/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-inference-llm.h"

#include <libsoup/soup.h>
#include <string.h>

#define MAX_KEY_BYTES           4096
#define CHUNK_BYTES             8192

#define VMFT_TYPE_INFERENCE_LLM vmft_inference_llm_get_type ()
G_DECLARE_FINAL_TYPE (VmftInferenceLlm, vmft_inference_llm, VMFT, INFERENCE_LLM, GObject)

struct _VmftInferenceLlm
{
  GObject parent;

  SoupSession *session;
  GUri *uri;
  char *model;
  char *authorization; /* (nullable): "Bearer KEY" */
  VmftPromptStyle style;
  gsize max_reply_bytes;
};

static void vmft_inference_llm_iface_init (VmftInferenceProviderInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftInferenceLlm,
                               vmft_inference_llm,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_INFERENCE_PROVIDER,
                                                      vmft_inference_llm_iface_init))

/* One request on its way; owned by its task. */
typedef struct
{
  SoupMessage *message;
  GInputStream *stream;
  GByteArray *body;
  double retry_after_s;
} Exchange;

static void
exchange_free (Exchange *exchange)
{
  g_clear_object (&exchange->message);
  g_clear_object (&exchange->stream);
  g_byte_array_unref (exchange->body);
  g_free (exchange);
}

/* --- the response --- */

/* RFC 9110, 10.2.3: seconds or a date. A date is taken against the server's own clock. */
static double
parse_retry_after (SoupMessageHeaders *headers)
{
  const char *text = soup_message_headers_get_one (headers, "Retry-After");
  const char *now_text = soup_message_headers_get_one (headers, "Date");
  g_autoptr (GDateTime) when = NULL;
  g_autoptr (GDateTime) now = NULL;
  double seconds;

  if (text == NULL)
    return 0;
  if (g_ascii_isdigit (*text))
    return g_ascii_strtod (text, NULL);
  when = soup_date_time_new_from_http_string (text);
  now = now_text ? soup_date_time_new_from_http_string (now_text) : NULL;
  if (when == NULL || now == NULL)
    return 0;
  seconds = (double) g_date_time_difference (when, now) / G_USEC_PER_SEC;
  return MAX (seconds, 0);
}

static GError *
status_error (guint status)
{
  gboolean passing = status == 408 || status == 425 || status == 429 || status >= 500;

  if (status >= 300 && status < 400)
    return g_error_new (VMFT_ERROR, VMFT_ERROR_REFUSED,
                        "the server redirects (HTTP %u), which is not followed", status);
  if (status == 401 || status == 403)
    return g_error_new (VMFT_ERROR, VMFT_ERROR_REFUSED, "the server does not accept the key (HTTP %u)",
                        status);
  return g_error_new (VMFT_ERROR, passing ? VMFT_ERROR_UNAVAILABLE : VMFT_ERROR_REFUSED,
                      "the server says HTTP %u", status);
}

static void
fail_transport (GTask *task, const GError *cause)
{
  /* GIO's and libsoup's messages name host and reason; they hold no header and no body */
  g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "the connection failed: %s",
                           cause->message);
}

static void
finish_exchange (GTask *task)
{
  VmftInferenceLlm *self = g_task_get_source_object (task);
  Exchange *exchange = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  VmftReply *reply =
      vmft_prompt_parse_reply (self->style, (const char *) exchange->body->data, exchange->body->len, &error);

  if (reply != NULL)
    g_task_return_pointer (task, reply, (GDestroyNotify) vmft_reply_free);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
on_chunk (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VmftInferenceLlm *self = g_task_get_source_object (task);
  Exchange *exchange = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) chunk = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (chunk == NULL)
    {
      fail_transport (task, error);
      return;
    }
  if (g_bytes_get_size (chunk) == 0)
    {
      finish_exchange (task);
      return;
    }
  g_byte_array_append (exchange->body, g_bytes_get_data (chunk, NULL), (guint) g_bytes_get_size (chunk));
  if (exchange->body->len > self->max_reply_bytes)
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_INVALID,
                               "the reply is longer than %" G_GSIZE_FORMAT " bytes", self->max_reply_bytes);
      return;
    }
  g_input_stream_read_bytes_async (exchange->stream, CHUNK_BYTES, G_PRIORITY_DEFAULT,
                                   g_task_get_cancellable (task), on_chunk, g_object_ref (task));
}

static void
on_response (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exchange *exchange = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  guint status;

  exchange->stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (exchange->stream == NULL)
    {
      fail_transport (task, error);
      return;
    }
  status = soup_message_get_status (exchange->message);
  if (status != SOUP_STATUS_OK)
    {
      exchange->retry_after_s = parse_retry_after (soup_message_get_response_headers (exchange->message));
      g_task_return_error (task, status_error (status));
      return;
    }
  g_input_stream_read_bytes_async (exchange->stream, CHUNK_BYTES, G_PRIORITY_DEFAULT,
                                   g_task_get_cancellable (task), on_chunk, g_object_ref (task));
}

/* --- the request --- */

static void
vmft_inference_llm_ask (VmftInferenceProvider *provider,
                        const VmftQuestion *question,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  VmftInferenceLlm *self = VMFT_INFERENCE_LLM (provider);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Exchange *exchange = g_new0 (Exchange, 1);
  char *body = vmft_prompt_build (self->style, self->model, question);
  g_autoptr (GBytes) bytes = g_bytes_new_take (body, strlen (body));
  SoupMessageHeaders *headers;

  exchange->message = soup_message_new_from_uri (SOUP_METHOD_POST, self->uri);
  exchange->body = g_byte_array_new ();
  g_task_set_task_data (task, exchange, (GDestroyNotify) exchange_free);
  /* asking twice does no harm, and only what may be repeated gets to use a connection that is there already */
  soup_message_add_flags (exchange->message, SOUP_MESSAGE_NO_REDIRECT | SOUP_MESSAGE_IDEMPOTENT);
  soup_message_set_request_body_from_bytes (exchange->message, "application/json", bytes);
  headers = soup_message_get_request_headers (exchange->message);
  soup_message_headers_replace (headers, "Accept", "application/json");
  if (self->authorization != NULL)
    soup_message_headers_replace (headers, "Authorization", self->authorization);
  soup_session_send_async (self->session, exchange->message, G_PRIORITY_DEFAULT, cancellable, on_response,
                           g_steal_pointer (&task));
}

static VmftReply *
vmft_inference_llm_ask_finish (VmftInferenceProvider *provider,
                               GAsyncResult *result,
                               double *retry_after_s,
                               GError **error)
{
  Exchange *exchange = g_task_get_task_data (G_TASK (result));

  *retry_after_s = exchange->retry_after_s;
  return g_task_propagate_pointer (G_TASK (result), error);
}

static const char *
vmft_inference_llm_get_name (VmftInferenceProvider *provider)
{
  return "llm";
}

static void
vmft_inference_llm_iface_init (VmftInferenceProviderInterface *iface)
{
  iface->get_name = vmft_inference_llm_get_name;
  iface->ask = vmft_inference_llm_ask;
  iface->ask_finish = vmft_inference_llm_ask_finish;
}

/* --- configuration --- */

static void
wipe (char *text)
{
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
}

static GUri *
parse_url (const char *url, GError **error)
{
  g_autoptr (GUri) uri = url ? g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL) : NULL;
  const char *scheme = uri ? g_uri_get_scheme (uri) : NULL;
  const char *host = uri ? g_uri_get_host (uri) : NULL;
  g_autofree char *path = NULL;

  if ((g_strcmp0 (scheme, "https") != 0 && g_strcmp0 (scheme, "http") != 0) || host == NULL || *host == '\0')
    {
      /* not quoted: someone may have put the key into it */
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                           "log inference: the URL must be http://HOST… or https://HOST…");
      return NULL;
    }
  if (g_str_has_suffix (g_uri_get_path (uri), "/chat/completions"))
    return g_steal_pointer (&uri);
  if (strlen (g_uri_get_path (uri)) <= 1)
    path = g_strdup ("/v1/chat/completions");
  else
    path = g_strconcat (
        g_uri_get_path (uri),
        g_str_has_suffix (g_uri_get_path (uri), "/") ? "chat/completions" : "/chat/completions", NULL);
  return soup_uri_copy (uri, SOUP_URI_PATH, path, SOUP_URI_NONE);
}

static char *
find_key_file (const VmftLlmConfig *config, GError **error)
{
  const char *directory = g_getenv ("CREDENTIALS_DIRECTORY");

  if (config->key_file != NULL)
    return g_strdup (config->key_file);
  if (directory != NULL && strchr (config->credential, '/') == NULL)
    return g_build_filename (directory, config->credential, NULL);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
               "log inference: there is no credential %s: systemd passes none to this process",
               config->credential);
  return NULL;
}

static gboolean
is_header_text (const char *key)
{
  for (const char *c = key; *c != '\0'; c++)
    if (!g_ascii_isgraph (*c))
      return FALSE;
  return *key != '\0';
}

static gboolean
load_key (VmftInferenceLlm *self, const VmftLlmConfig *config, GError **error)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) local = NULL;
  char *key = NULL;
  gsize length = 0;
  gboolean usable;

  if (config->key_file == NULL && config->credential == NULL)
    return TRUE;
  path = find_key_file (config, error);
  if (path == NULL)
    return FALSE;
  if (!g_file_get_contents (path, &key, &length, &local))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "log inference: cannot read the key: %s",
                   local->message);
      return FALSE;
    }
  g_strchomp (key);
  usable = strlen (key) <= MAX_KEY_BYTES && is_header_text (key);
  if (usable)
    self->authorization = g_strconcat ("Bearer ", key, NULL);
  else
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                 "log inference: %s must hold one line with the key, up to %d printable characters", path,
                 MAX_KEY_BYTES);
  wipe (key);
  return usable;
}

static gboolean
is_loopback (const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

  return address ? g_inet_address_get_is_loopback (address) : g_ascii_strcasecmp (host, "localhost") == 0;
}

static gboolean
check_secrecy (VmftInferenceLlm *self, GError **error)
{
  if (self->authorization == NULL || g_str_equal (g_uri_get_scheme (self->uri), "https") ||
      is_loopback (g_uri_get_host (self->uri)))
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
               "log inference: the key would travel to %s unencrypted: use https",
               g_uri_get_host (self->uri));
  return FALSE;
}

/* --- GObject --- */

static void
vmft_inference_llm_finalize (GObject *object)
{
  VmftInferenceLlm *self = VMFT_INFERENCE_LLM (object);

  g_object_unref (self->session);
  g_clear_pointer (&self->uri, g_uri_unref);
  wipe (self->authorization);
  g_free (self->model);
  G_OBJECT_CLASS (vmft_inference_llm_parent_class)->finalize (object);
}

static void
vmft_inference_llm_class_init (VmftInferenceLlmClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_inference_llm_finalize;
}

static void
vmft_inference_llm_init (VmftInferenceLlm *self)
{
  self->session = soup_session_new ();
  /* the cap is on what is read: compressed replies would make it a cap on something else */
  soup_session_remove_feature_by_type (self->session, SOUP_TYPE_CONTENT_DECODER);
  soup_session_set_user_agent (self->session, "vmft");
  /* deadlines come through the clock, from the queue */
  soup_session_set_timeout (self->session, 0);
}

VmftInferenceProvider *
vmft_inference_llm_new (const VmftLlmConfig *config, GError **error)
{
  g_autoptr (VmftInferenceLlm) self = g_object_new (VMFT_TYPE_INFERENCE_LLM, NULL);

  if (config->model == NULL || *config->model == '\0')
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "log inference: no model is named");
      return NULL;
    }
  self->uri = parse_url (config->url, error);
  if (self->uri == NULL || !load_key (self, config, error) || !check_secrecy (self, error))
    return NULL;
  self->model = g_strdup (config->model);
  self->style = config->style;
  self->max_reply_bytes = config->max_reply_bytes;
  return VMFT_INFERENCE_PROVIDER (g_steal_pointer (&self));
}
