/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What another host says of itself, from a real HTTP server: believed when it is well said, bounded when it is not. */
#include "daemon/vmft-peer.h"

#include <libsoup/soup.h>

#define TOKEN "0123456789abcdef"

typedef struct
{
  SoupServer *server;
  VmftClock *clock;
  char *url;
  const char *answer; /* NULL: none at all */
  guint status;
  gsize padding_bytes;
  guint n_asked;
  gboolean authorized;
  VmftPeerState *state;
  GError *error;
  guint n_told;
} Fixture;

static void
on_request (SoupServer *server,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query,
            gpointer user_data)
{
  Fixture *f = user_data;
  const char *header =
      soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Authorization");
  g_autofree char *padding = NULL;
  g_autofree char *body = NULL;

  f->n_asked++;
  f->authorized = g_strcmp0 (header, "Bearer " TOKEN) == 0;
  if (f->answer == NULL)
    {
      soup_server_message_pause (message);
      return;
    }
  padding = g_strnfill (f->padding_bytes, ' ');
  body = g_strconcat (padding, f->answer, NULL);
  soup_server_message_set_status (message, f->status, NULL);
  if (f->status == SOUP_STATUS_FOUND)
    soup_message_headers_replace (soup_server_message_get_response_headers (message), "Location", "/else");
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, body, strlen (body));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GSList *uris;

  f->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (f->server, NULL, on_request, f, NULL);
  g_assert_true (soup_server_listen_local (f->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error));
  g_assert_no_error (error);
  uris = soup_server_get_uris (f->server);
  f->url = g_uri_to_string (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  f->clock = vmft_real_clock_new ();
  f->status = SOUP_STATUS_OK;
}

static void
forget (Fixture *f)
{
  g_clear_pointer (&f->state, vmft_peer_state_free);
  g_clear_error (&f->error);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  forget (f);
  soup_server_disconnect (f->server);
  g_object_unref (f->server);
  g_object_unref (f->clock);
  g_free (f->url);
}

static void
on_told (const VmftPeerState *state, const GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  f->n_told++;
  forget (f);
  if (error != NULL)
    {
      f->error = g_error_copy (error);
      return;
    }
  f->state = g_new0 (VmftPeerState, 1);
  f->state->suspect = state->suspect;
  f->state->suspicion = g_strdup (state->suspicion);
  f->state->templates = g_hash_table_ref (state->templates);
}

static void
ask (Fixture *f, const char *token)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftPeer) peer = vmft_peer_new (f->clock, f->url, token, on_told, f, &error);
  guint before = f->n_told;

  g_assert_no_error (error);
  vmft_peer_ask (peer);
  vmft_peer_ask (peer); /* one at a time */
  while (f->n_told == before)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (f->n_told, ==, before + 1);
}

static void
test_answers (Fixture *f, gconstpointer data)
{
  f->answer = "{\"suspect\": true, \"suspicion\": \"incident 3 (disk) is open\", \"vms\": 4,"
              " \"templates\": {\"I/O error, dev <*>\": 12.5, \"nonsense\": \"x\"}}";
  ask (f, TOKEN);
  g_assert_no_error (f->error);
  g_assert_true (f->authorized);
  g_assert_cmpuint (f->n_asked, ==, 1);
  g_assert_true (f->state->suspect);
  g_assert_cmpstr (f->state->suspicion, ==, "incident 3 (disk) is open");
  g_assert_cmpfloat (*(double *) g_hash_table_lookup (f->state->templates, "I/O error, dev <*>"), ==, 12.5);
  g_assert_cmpuint (g_hash_table_size (f->state->templates), ==, 1);

  f->answer = "{\"suspect\": false}";
  ask (f, NULL);
  g_assert_no_error (f->error);
  g_assert_false (f->authorized);
  g_assert_false (f->state->suspect);
}

/* what it says of itself ends up in our log */
static void
test_suspicion (Fixture *f, gconstpointer data)
{
  g_autofree char *long_text = g_strnfill (5000, 'x');
  g_autofree char *answer =
      g_strdup_printf ("{\"suspect\": true, \"suspicion\": \"a\\n\\u001b[2Jb%s\"}", long_text);

  f->answer = answer;
  ask (f, NULL);
  g_assert_no_error (f->error);
  g_assert_true (g_str_has_prefix (f->state->suspicion, "a??[2Jbx"));
  g_assert_cmpuint (strlen (f->state->suspicion), ==, 256);
}

static void
test_half_a_surrogate_pair (Fixture *f, gconstpointer data)
{
  f->answer = "{\"suspect\": true, \"suspicion\": \"\\ud800xx\", \"templates\": {\"\\ud800xx\": 1}}";
  ask (f, NULL);
  g_assert_no_error (f->error);
  g_assert_true (g_str_has_prefix (f->state->suspicion, "???"));
  g_assert_cmpuint (g_hash_table_size (f->state->templates), ==, 1);
}

/* of a whole mebibyte each member is looked at once */
static void
test_many_members (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) answer = g_string_new ("{\"suspect\": false, \"templates\": {");

  for (guint i = 0; i < 80000; i++)
    g_string_append_printf (answer, "\"%x\":-1,", i);
  g_string_append (answer, "\"sda\": 3}}");
  f->answer = answer->str;
  ask (f, NULL);
  g_assert_no_error (f->error);
  g_assert_cmpuint (g_hash_table_size (f->state->templates), ==, 1);
}

static void
expect_error (Fixture *f, const char *part)
{
  ask (f, TOKEN);
  g_assert_nonnull (f->error);
  g_assert_null (f->state);
  g_test_message ("%s", f->error->message);
  g_assert_nonnull (strstr (f->error->message, part));
  g_assert_null (strstr (f->error->message, TOKEN));
}

static void
test_bad_answers (Fixture *f, gconstpointer data)
{
  const char *const answers[] = { "",        "suspect", "[]", "{}", "{\"suspect\": 1}", "{\"suspect\": true",
                                  "\xff\xfe" };

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      f->answer = answers[i];
      expect_error (f, "its status");
    }
  f->answer = "{\"suspect\": true}";
  f->status = SOUP_STATUS_UNAUTHORIZED;
  expect_error (f, "401");
  f->n_asked = 0;
  f->status = SOUP_STATUS_FOUND;
  expect_error (f, "302");
  g_assert_cmpuint (f->n_asked, ==, 1); /* the token was carried nowhere else */
  f->status = SOUP_STATUS_OK;
  f->padding_bytes = 2 * 1024 * 1024;
  expect_error (f, "too long");
}

static void
test_silence (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (0);
  g_autoptr (VmftPeer) peer = vmft_peer_new (clock, f->url, NULL, on_told, f, &error);

  g_assert_no_error (error);
  vmft_peer_ask (peer);
  while (f->n_asked == 0)
    g_main_context_iteration (NULL, TRUE);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 6 * G_USEC_PER_SEC);
  g_assert_cmpuint (f->n_told, ==, 1);
  g_assert_error (f->error, VMFT_ERROR, VMFT_ERROR_TIMEOUT);

  vmft_peer_ask (peer);
  while (f->n_asked == 1)
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&peer, vmft_peer_free); /* in the middle of it */
  for (guint i = 0; i < 20; i++)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (f->n_told, ==, 1);
}

static void
test_urls (Fixture *f, gconstpointer data)
{
  const char *const bad[] = { "", "b:8638", "ftp://b/status", "http://", "http:///x" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vmft_peer_new (f->clock, bad[i], NULL, on_told, f, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
    }
}

#define ADD(path, func) g_test_add ("/peer/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("answers", test_answers);
  ADD ("suspicion", test_suspicion);
  ADD ("half-a-surrogate-pair", test_half_a_surrogate_pair);
  ADD ("many-members", test_many_members);
  ADD ("bad-answers", test_bad_answers);
  ADD ("silence", test_silence);
  ADD ("urls", test_urls);
  return g_test_run ();
}
