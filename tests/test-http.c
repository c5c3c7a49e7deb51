/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-canned.h"

#define TOKEN     "0123456789abcdef0123"
#define DEADLINE  (10 * G_USEC_PER_SEC)
#define N_CLIENTS 200
#define N_EVENTS  100

typedef struct
{
  VmftClock *clock;
  VmftHttpCanned canned;
  VmftHttp *http;
} Fixture;

static void
set_up (Fixture *f, gconstpointer token)
{
  static const char *const listen[] = { "127.0.0.1:0", NULL };
  static const char *const hosts[] = { "node1", NULL };
  VmftHttpConfig config = {
    .listen = listen, .token = token, .allowed_hosts = hosts, .max_clients = N_CLIENTS + 1
  };
  g_autoptr (GError) error = NULL;

  f->clock = vmft_real_clock_new ();
  g_assert_true (vmft_http_canned_load (&f->canned, VMFT_SOURCE_ROOT "/tests/web/canned.json", &error));
  f->http = vmft_http_new (f->clock, &config, vmft_http_canned_view (), &f->canned, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer token)
{
  vmft_http_free (f->http);
  g_variant_unref (f->canned.records);
  g_object_unref (f->clock);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

static GSocketConnection *
dial (Fixture *f)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection;

  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_set_timeout (client, 10);
  connection =
      g_socket_client_connect_to_host (client, "127.0.0.1", vmft_http_get_port (f->http), NULL, &error);
  g_assert_no_error (error);
  return connection;
}

/* Writes what fits and reads on until the other end closes or @until was read, while the server runs. */
static char *
talk (GSocketConnection *connection, const char *text, const char *until)
{
  GSocket *socket = g_socket_connection_get_socket (connection);
  g_autoptr (GString) answer = g_string_new (NULL);
  gsize length = strlen (text), sent = 0;
  gint64 end_us = g_get_monotonic_time () + DEADLINE;

  g_socket_set_blocking (socket, FALSE);
  while (g_get_monotonic_time () < end_us && (until == NULL || strstr (answer->str, until) == NULL))
    {
      char buffer[4096];
      gssize n = sent < length ? g_socket_send (socket, text + sent, length - sent, NULL, NULL) : 0;

      sent += (gsize) MAX (n, 0);
      g_main_context_iteration (NULL, FALSE);
      n = g_socket_condition_check (socket, G_IO_IN | G_IO_HUP)
              ? g_socket_receive (socket, buffer, sizeof buffer, NULL, NULL)
              : -1;
      if (n > 0)
        g_string_append_len (answer, buffer, n);
      if (n == 0 || g_socket_condition_check (socket, G_IO_ERR | G_IO_HUP) != 0)
        break;
    }
  g_assert_cmpint (g_get_monotonic_time (), <, end_us);
  return g_string_free (g_steal_pointer (&answer), FALSE);
}

static char *
request (Fixture *f, const char *text)
{
  g_autoptr (GSocketConnection) connection = dial (f);

  return talk (connection, text, NULL);
}

static char *
get_with (Fixture *f, const char *path, const char *headers)
{
  g_autofree char *text = g_strdup_printf ("GET %s HTTP/1.1\r\nConnection: close\r\n%s\r\n", path, headers);

  return request (f, text);
}

static char *
get (Fixture *f, const char *path)
{
  return get_with (f, path, "Host: localhost\r\n");
}

static void
assert_status (const char *answer, guint status)
{
  g_autofree char *line = g_strdup_printf ("HTTP/1.1 %u ", status);

  if (!g_str_has_prefix (answer, line))
    g_error ("wanted %u, got: %s", status, answer);
}

static const char *
body (const char *answer)
{
  const char *start = strstr (answer, "\r\n\r\n");

  g_assert_nonnull (start);
  return start + 4;
}

static void
test_records (Fixture *f, gconstpointer token)
{
  static const char *const names[] = { "status", "incidents", "plans", "migrations", "vms", "history", NULL };
  g_autofree char *few = get (f, "/api/v1/history?limit=2");
  g_autoptr (GVariant) records = NULL;

  for (gsize i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_strconcat ("/api/v1/", names[i], NULL);
      g_autofree char *answer = get (f, path);
      g_autoptr (GVariant) value = NULL;

      assert_status (answer, 200);
      g_assert_nonnull (strstr (answer, "Content-Type: application/json\r\n"));
      value = vmft_json_to_variant (body (answer), NULL);
      g_assert_nonnull (value);
    }
  records = vmft_json_to_variant (body (few), NULL);
  g_assert_cmpuint (g_variant_n_children (records), ==, 2);
}

static void
test_page (Fixture *f, gconstpointer token)
{
  static const char *const parts[] = { "/", "/page.css", "/page.js", "/icon.svg", NULL };

  for (gsize i = 0; parts[i] != NULL; i++)
    {
      g_autofree char *answer = get (f, parts[i]);

      assert_status (answer, 200);
      g_assert_nonnull (strstr (answer, "Content-Security-Policy: default-src 'none'; script-src 'self'"));
      g_assert_nonnull (strstr (answer, "X-Content-Type-Options: nosniff"));
      g_assert_cmpuint (strlen (body (answer)), >, 100);
    }
}

static void
assert_refused (Fixture *f, const char *text, guint status)
{
  g_autofree char *answer = request (f, text);
  g_autofree char *line = NULL;

  assert_status (answer, status);
  line = g_strdup (body (answer));
  g_assert_cmpuint (strlen (g_strchomp (line)), >, 8);
  g_assert_null (strchr (line, '\n'));
}

static void
test_bad_requests (Fixture *f, gconstpointer token)
{
#define HEAD " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
  assert_refused (f, "GET /nothing" HEAD, 404);
  assert_refused (f, "GET /api/v1/" HEAD, 404);
  assert_refused (f, "GET /api/v1/status/" HEAD, 404);
  assert_refused (f, "GET /../../etc/passwd" HEAD, 404);
  assert_refused (f, "GET /api/v1/plans?limit=0" HEAD, 400);
  assert_refused (f, "GET /api/v1/plans?limit=all" HEAD, 400);
  assert_refused (f, "GET /api/v1/status?verbose=1" HEAD, 400);
  assert_refused (f, "POST /api/v1/status" HEAD, 405);
  assert_refused (f, "DELETE /" HEAD, 405);
  assert_refused (f, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421);
  assert_refused (f, "GET /api/v1/status HTTP/1.1\r\nHost: evil.example:8638\r\nConnection: close\r\n\r\n",
                  421);
  assert_refused (f, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\nlong", 413);
  assert_refused (f, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlong\r\n",
                  413);
#undef HEAD
}

static void
test_garbage (Fixture *f, gconstpointer token)
{
  g_autofree char *long_header = g_strnfill (1 << 20, 'a');
  g_autofree char *flood =
      g_strconcat ("GET / HTTP/1.1\r\nHost: localhost\r\nX: ", long_header, "\r\n\r\n", NULL);
  const char *const texts[] = { "GET\r\n\r\n", "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
                                "\x16\x03\x01\x02\x01 hello over TLS\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
                                flood };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_test_message ("request %" G_GSIZE_FORMAT, i);
      g_autofree char *answer = request (f, texts[i]);

      g_assert_null (strstr (answer, " 200 "));
    }
  {
    g_autofree char *answer = get (f, "/api/v1/status");

    assert_status (answer, 200);
  }
}

static void
test_token (Fixture *f, gconstpointer token)
{
  static const char *const paths[] = { "/metrics", "/api/v1/status", "/api/v1/events", "/nothing", NULL };
  g_autofree char *page = get (f, "/");
  g_autofree char *wrong =
      get_with (f, "/metrics", "Host: node1\r\nAuthorization: Bearer 0123456789abcdef0124\r\n");
  g_autofree char *right = get_with (f, "/metrics", "Host: node1\r\nAuthorization: Bearer " TOKEN "\r\n");

  for (gsize i = 0; paths[i] != NULL; i++)
    {
      g_autofree char *answer = get (f, paths[i]);

      assert_status (answer, 401);
      g_assert_nonnull (strstr (answer, "WWW-Authenticate: Bearer"));
    }
  assert_status (page, 200);
  assert_status (wrong, 401);
  assert_status (right, 200);
}

static void
test_refuses_to_start (void)
{
  static const char *const open[] = { "0.0.0.0:0", NULL };
  static const char *const unknown[] = { "localhost:0", NULL };
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  VmftHttpConfig config = { .listen = open, .max_clients = 1 };
  VmftHttpCanned canned = { NULL };
  g_autoptr (GError) error = NULL;
  VmftHttp *http = vmft_http_new (clock, &config, vmft_http_canned_view (), &canned, &error);

  g_assert_null (http);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  g_clear_error (&error);
  config.listen = unknown;
  g_assert_null (vmft_http_new (clock, &config, vmft_http_canned_view (), &canned, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  config.listen = open;
  config.token = TOKEN;
  http = vmft_http_new (clock, &config, vmft_http_canned_view (), &canned, NULL);
  g_assert_nonnull (http);
  vmft_http_free (http);
}

static void
test_metrics (Fixture *f, gconstpointer token)
{
  g_autofree char *promtool = g_find_program_in_path ("promtool");
  g_autofree char *answer = get (f, "/metrics");
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *said = NULL;
  g_autoptr (GError) error = NULL;

  assert_status (answer, 200);
  g_assert_nonnull (strstr (answer, "\nvmft_lead_seconds{incident=\"7\",p=\"50\"} 966.5\n"));
  g_assert_nonnull (strstr (answer, "\nvmft_lead_seconds{incident=\"8\",p=\"50\"} +Inf\n"));
  g_assert_nonnull (strstr (answer, "{version=\"0.1.0 \\\"quoted\\\\\\\"?and broken\"} 1\n"));
  g_assert_null (strstr (answer, "vmft_nothing"));
  if (promtool == NULL)
    {
      g_test_skip ("promtool (Debian package prometheus) is not installed");
      return;
    }
  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  G_SUBPROCESS_FLAGS_STDERR_MERGE,
                              &error, promtool, "check", "metrics", NULL);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (process, body (answer), NULL, &said, NULL, &error));
  g_assert_cmpstr (said, ==, "");
  g_assert_true (g_subprocess_get_successful (process));
}

#define SUBSCRIBE "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"

static GVariant *
incident (guint64 id, const char *line)
{
  return g_variant_new_parsed ("{'id': <%t>, 'line': <%s>}", id, line);
}

static void
test_events (Fixture *f, gconstpointer token)
{
  g_autoptr (GSocketConnection) connection = dial (f);
  g_autofree char *head = talk (connection, SUBSCRIBE, "retry: 3000\n\n");
  g_autofree char *events = NULL;

  assert_status (head, 200);
  g_assert_nonnull (strstr (head, "Content-Type: text/event-stream\r\n"));
  vmft_http_publish (f->http, "incident", incident (1, "two\nlines\n\nevent: forged"));
  vmft_http_publish (f->http, "plan", incident (2, "x"));
  events = talk (connection, "", "\"x\"}\n\n");
  g_assert_cmpstr (events, ==,
                   "event: incident\nid: 1\ndata: {\"id\":1,\"line\":\"two\\nlines\\n\\nevent: forged\"}\n\n"
                   "event: plan\nid: 2\ndata: {\"id\":2,\"line\":\"x\"}\n\n");
}

/* 200 clients that only listen, one that never reads, one that does: publishing stays cheap, the sleeper is
 * dropped, the reader misses nothing. */
static void
test_many_clients (Fixture *f, gconstpointer token)
{
  g_autoptr (GPtrArray) idle = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *line = g_strnfill (16000, 'x');
  g_autofree char *metrics = NULL;
  g_autofree char *refused = NULL;
  gint64 spent_us = 0;

  for (guint i = 0; i <= N_CLIENTS; i++)
    {
      GSocketConnection *connection = dial (f);
      g_autofree char *head = talk (connection, SUBSCRIBE, "retry: 3000\n\n");

      g_ptr_array_add (idle, connection);
    }
  refused = get (f, "/api/v1/events");
  assert_status (refused, 503);
  for (guint i = 0; i < N_EVENTS; i++)
    {
      gint64 start_us = g_get_monotonic_time ();

      vmft_http_publish (f->http, "incident", incident (i, line));
      spent_us += g_get_monotonic_time () - start_us;
      for (guint j = 1; j < idle->len; j++) /* all but the first read */
        {
          GSocket *socket = g_socket_connection_get_socket (g_ptr_array_index (idle, j));
          char buffer[65536];

          while (g_socket_receive (socket, buffer, sizeof buffer, NULL, NULL) > 0)
            continue;
        }
      g_main_context_iteration (NULL, FALSE);
    }
  metrics = get (f, "/metrics");
  g_assert_nonnull (strstr (metrics, "\nvmft_http_event_clients 200\n"));
  g_assert_nonnull (strstr (metrics, "\nvmft_http_dropped_event_clients_total 1\n"));
  g_test_minimized_result ((double) spent_us / N_EVENTS, "publish to 200 clients: %.0f us each",
                           (double) spent_us / N_EVENTS);
  g_assert_cmpint (spent_us / N_EVENTS, <, 50000);
}

/* What does not fit a client's queue is announced, and no reason to drop it. */
static void
test_large_event (Fixture *f, gconstpointer token)
{
  g_autoptr (GSocketConnection) connection = dial (f);
  g_autofree char *head = talk (connection, SUBSCRIBE, "retry: 3000\n\n");
  g_autofree char *line = g_strnfill (1 << 20, 'x');
  g_autofree char *events = NULL;

  vmft_http_publish (f->http, "plan", incident (12, line));
  events = talk (connection, "", "}\n\n");
  g_assert_cmpstr (events, ==, "event: plan\nid: 1\ndata: {\"id\":12}\n\n");
}

static void
test_client_leaves (Fixture *f, gconstpointer token)
{
  GSocketConnection *connection = dial (f);
  g_autofree char *head = talk (connection, SUBSCRIBE, "retry: 3000\n\n");
  gint64 end_us = g_get_monotonic_time () + DEADLINE;
  gboolean gone = FALSE;

  g_object_unref (connection);
  while (!gone && g_get_monotonic_time () < end_us)
    {
      g_autofree char *metrics = get (f, "/metrics");

      gone = strstr (metrics, "\nvmft_http_event_clients 0\n") != NULL;
    }
  g_assert_true (gone);
}

#define add(path, token, func) g_test_add (path, Fixture, token, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/http/records", NULL, test_records);
  add ("/http/page", NULL, test_page);
  add ("/http/bad-requests", NULL, test_bad_requests);
  add ("/http/garbage", NULL, test_garbage);
  add ("/http/token", TOKEN, test_token);
  add ("/http/metrics", NULL, test_metrics);
  add ("/http/events", NULL, test_events);
  add ("/http/many-clients", NULL, test_many_clients);
  add ("/http/large-event", NULL, test_large_event);
  add ("/http/client-leaves", NULL, test_client_leaves);
  g_test_add_func ("/http/refuses-to-start", test_refuses_to_start);
  return g_test_run ();
}
