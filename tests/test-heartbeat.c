/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-heartbeat.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

#define START    G_GINT64_CONSTANT (1795430400000000)
#define SECOND   G_USEC_PER_SEC
#define DEADLINE (10 * G_USEC_PER_SEC)
#define TOKEN_A  "aaaaaaaaaaaaaaaaaaaa"
#define TOKEN_B  "bbbbbbbbbbbbbbbbbbbb"

typedef struct
{
  VmftClock *clock;
  VmftHeartbeat *monitor;
  GString *story;
} Fixture;

static void
on_silent (VmftHeartbeat *monitor, const char *name, gint64 last_us, Fixture *f)
{
  g_string_append_printf (f->story, "%s silent since %.1f;", name, (double) (last_us - START) / SECOND);
}

static void
set_up_on (Fixture *f, VmftClock *clock)
{
  static const char *const listen[] = { "127.0.0.1:0", NULL };
  g_autoptr (GHashTable) tokens = g_hash_table_new (g_str_hash, g_str_equal);
  VmftHeartbeatConfig config = { .listen = listen,
                                 .tokens = tokens,
                                 .period_s = VMFT_HEARTBEAT_PERIOD_S,
                                 .timeout_s = VMFT_HEARTBEAT_TIMEOUT_S };
  g_autoptr (GError) error = NULL;

  g_hash_table_insert (tokens, (gpointer) "web 1", (gpointer) TOKEN_A);
  g_hash_table_insert (tokens, (gpointer) "node2", (gpointer) TOKEN_B);
  f->clock = clock;
  f->story = g_string_new (NULL);
  f->monitor = vmft_heartbeat_new (clock, &config, &error);
  g_assert_no_error (error);
  g_signal_connect (f->monitor, "silent", G_CALLBACK (on_silent), f);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  set_up_on (f, vmft_fake_clock_new (START));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_object_unref (f->monitor);
  g_object_unref (f->clock);
  g_string_free (f->story, TRUE);
}

static void
advance (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * SECOND));
}

static guint
ask (Fixture *f, const char *method, const char *path, const char *token, const char *more)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  g_autofree char *text = g_strdup_printf (
      "%s %s HTTP/1.1\r\nHost: 10.0.0.1\r\nAuthorization: Bearer %s\r\n%s\r\n", method, path, token, more);
  gint64 end_us = g_get_monotonic_time () + DEADLINE;
  char answer[64] = "";
  GSocket *socket;

  g_socket_client_set_enable_proxy (client, FALSE);
  connection =
      g_socket_client_connect_to_host (client, "127.0.0.1", vmft_heartbeat_get_port (f->monitor), NULL, NULL);
  g_assert_nonnull (connection);
  socket = g_socket_connection_get_socket (connection);
  g_assert_cmpint (g_socket_send (socket, text, strlen (text), NULL, NULL), ==, strlen (text));
  while (g_socket_condition_check (socket, G_IO_IN | G_IO_HUP | G_IO_ERR) == 0)
    {
      g_main_context_iteration (NULL, FALSE);
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
    }
  if (g_socket_receive (socket, answer, sizeof answer - 1, NULL, NULL) <= 0)
    return 0;
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 "));
  return (guint) g_ascii_strtoull (answer + strlen ("HTTP/1.1 "), NULL, 10);
}

static gboolean
beat (Fixture *f, const char *name)
{
  gboolean is_node2 = strcmp (name, "node2") == 0;
  const char *path = is_node2 ? "/heartbeat/node2" : "/heartbeat/web%201";

  return ask (f, "GET", path, is_node2 ? TOKEN_B : TOKEN_A, "") == 204;
}

/* Returns: (transfer full): what the monitor says of @name. */
static char *
state_of (Fixture *f, const char *name)
{
  g_autoptr (GVariant) list = g_variant_ref_sink (vmft_heartbeat_to_variant (f->monitor));

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) peer = g_variant_get_child_value (list, i);

      if (strcmp (vmft_dict_string (peer, "name"), name) == 0)
        return g_strdup (vmft_dict_string (peer, "state"));
    }
  return NULL;
}

static void
test_silence (Fixture *f, gconstpointer data)
{
  g_autofree char *back = NULL;

  advance (f, 100); /* never heard: nothing to miss */
  g_assert_cmpstr (f->story->str, ==, "");
  for (guint i = 0; i < 10; i++)
    {
      g_assert_true (beat (f, "web 1"));
      advance (f, 15);
    }
  g_assert_cmpstr (f->story->str, ==, "");
  advance (f, 2.9);
  g_assert_cmpstr (f->story->str, ==, "");
  advance (f, 1.2);
  g_assert_cmpstr (f->story->str, ==, "web 1 silent since 235.0;");
  advance (f, 3600); /* said once */
  g_assert_true (beat (f, "web 1"));
  back = state_of (f, "web 1");
  g_assert_cmpstr (back, ==, "beating");
  advance (f, 20);
  g_assert_cmpstr (f->story->str, ==, "web 1 silent since 235.0;web 1 silent since 3854.1;");
}

static void
test_clock_jumps (Fixture *f, gconstpointer data)
{
  g_assert_true (beat (f, "web 1"));
  vmft_fake_clock_jump (VMFT_FAKE_CLOCK (f->clock), 3600 * G_GINT64_CONSTANT (1000000));
  advance (f, 10);
  vmft_fake_clock_jump (VMFT_FAKE_CLOCK (f->clock), -7200 * G_GINT64_CONSTANT (1000000));
  advance (f, 7);
  g_assert_cmpstr (f->story->str, ==, "");
  advance (f, 3);
  g_assert_cmpstr (f->story->str, ==, "web 1 silent since 0.0;");
}

static void
test_forget (Fixture *f, gconstpointer data)
{
  g_autofree char *failed = NULL, *forgotten = NULL;

  g_assert_true (beat (f, "web 1"));
  g_assert_true (beat (f, "node2"));
  advance (f, 5);
  vmft_heartbeat_forget (f->monitor, "web 1");
  vmft_heartbeat_forget (f->monitor, "nobody");
  advance (f, 60);
  g_assert_cmpstr (f->story->str, ==, "node2 silent since 0.0;");
  failed = state_of (f, "node2");
  forgotten = state_of (f, "web 1");
  g_assert_cmpstr (failed, ==, "silent");
  g_assert_cmpstr (forgotten, ==, "never");
}

static void
test_rate_limit (Fixture *f, gconstpointer data)
{
  guint n_heard = 0;

  for (guint i = 0; i < 20; i++)
    n_heard += beat (f, "web 1");
  g_assert_cmpuint (n_heard, ==, 4);
  /* another one's zeal is not node2's problem */
  g_assert_true (beat (f, "node2"));
  advance (f, 15);
  g_assert_true (beat (f, "web 1"));
}

/* A clock whose timers come late, as those of a process that was stopped do. */
static void
test_own_sleep (void)
{
  Fixture f = { NULL };

  set_up_on (&f, vmft_fake_clock_new (START));
  g_assert_true (beat (&f, "web 1"));
  advance (&f, 16);
  vmft_fake_clock_stall (VMFT_FAKE_CLOCK (f.clock), 60 * SECOND);
  advance (&f, 1);
  g_assert_cmpstr (f.story->str, ==, "");
  advance (&f, 3);
  g_assert_cmpstr (f.story->str, ==, "web 1 silent since 0.0;");
  tear_down (&f, NULL);
}

/* --- requests --- */

static void
test_requests (Fixture *f, gconstpointer data)
{
  g_assert_cmpuint (ask (f, "GET", "/heartbeat/web%201", TOKEN_A, ""), ==, 204);
  g_assert_cmpuint (ask (f, "POST", "/heartbeat/node2", TOKEN_B, "Content-Length: 0\r\n"), ==, 204);
  g_assert_cmpuint (ask (f, "PUT", "/heartbeat/node2", TOKEN_B, "Content-Length: 0\r\n"), ==, 204);
  g_assert_cmpuint (ask (f, "GET", "/heartbeat/node2", TOKEN_A, ""), ==, 401);
  g_assert_cmpuint (ask (f, "GET", "/heartbeat/nobody", TOKEN_A, ""), ==, 401);
  g_assert_cmpuint (ask (f, "DELETE", "/heartbeat/node2", TOKEN_B, ""), ==, 405);
  g_assert_cmpuint (ask (f, "GET", "/metrics", TOKEN_B, ""), ==, 404);
  g_assert_cmpuint (ask (f, "GET", "/heartbeat/", TOKEN_B, ""), ==, 404);
  g_assert_cmpuint (ask (f, "GET", "/heartbeat/node2%2f", TOKEN_B, ""), ==, 404);
  g_assert_cmpuint (ask (f, "POST", "/heartbeat/node2", TOKEN_B, "Transfer-Encoding: chunked\r\n"), ==, 413);
  advance (f, 20);
  g_assert_nonnull (strstr (f->story->str, "node2 silent since 0.0;"));
  g_assert_nonnull (strstr (f->story->str, "web 1 silent since 0.0;"));
}

/* The virtual clock stands still: a flood from one address is cut off, first by name, then by address. */
static void
test_flood (Fixture *f, gconstpointer data)
{
  guint n_heard = 0, n_limited = 0, n_closed = 0;

  for (guint i = 0; i < 60; i++)
    {
      guint status = ask (f, "GET", "/heartbeat/web%201", TOKEN_A, "");

      n_heard += status == 204;
      n_limited += status == 429;
      n_closed += status == 0;
    }
  g_assert_cmpuint (n_heard, ==, 4);
  g_assert_cmpuint (n_limited, ==, 36);
  g_assert_cmpuint (n_closed, ==, 20);
}

/* --- tokens --- */

static GHashTable *
load (const char *text, GError **error)
{
  g_autofree char *dir = g_dir_make_tmp ("vmft-heartbeat-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "tokens", NULL);
  g_autoptr (GHashTable) tokens = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  tokens = vmft_heartbeat_load_tokens (path, error);
  g_unlink (path);
  g_rmdir (dir);
  return g_steal_pointer (&tokens);
}

static void
test_tokens (void)
{
  static const char *const bad[] = { "web1\n",       "web1 short\n",   "web1 " TOKEN_A "\nweb1 " TOKEN_B "\n",
                                     " \n " TOKEN_A, "w\xfc " TOKEN_A, NULL };
  g_autoptr (GHashTable) tokens = load ("# comment\n\nweb 1\t " TOKEN_A "\r\nnode2 " TOKEN_B, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (g_hash_table_size (tokens), ==, 2);
  g_assert_cmpstr (g_hash_table_lookup (tokens, "web 1"), ==, TOKEN_A);
  g_assert_cmpstr (g_hash_table_lookup (tokens, "node2"), ==, TOKEN_B);
  for (gsize i = 0; bad[i] != NULL; i++)
    {
      g_assert_null (load (bad[i], &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
      g_clear_error (&error);
    }
  g_assert_null (vmft_heartbeat_load_tokens ("/nonexistent", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
}

#define add(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/heartbeat/silence", test_silence);
  add ("/heartbeat/clock-jumps", test_clock_jumps);
  add ("/heartbeat/forget", test_forget);
  add ("/heartbeat/rate-limit", test_rate_limit);
  add ("/heartbeat/requests", test_requests);
  add ("/heartbeat/flood", test_flood);
  g_test_add_func ("/heartbeat/own-sleep", test_own_sleep);
  g_test_add_func ("/heartbeat/tokens", test_tokens);
  return g_test_run ();
}
