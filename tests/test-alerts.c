/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-alert-queue.h"
#include "daemon/vmft-alerts.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#define START    G_GINT64_CONSTANT (1795430400000000)
#define DEADLINE (10 * G_USEC_PER_SEC)
#define SECRET   "0123456789abcdef"

/* A receiver that answers its n-th request by the n-th word of a script, and remembers what it was sent. */
typedef struct
{
  GSocketService *service;
  GMutex lock;
  guint16 port;
  char **script;
  GPtrArray *requests; /* of char * */
  GPtrArray *open;     /* of GSocketConnection */
} Receiver;

typedef struct
{
  VmftClock *clock;
  Receiver receiver;
  char *url;
  char *dir;
  VmftAlerts *alerts;
} Fixture;

static char *
read_request (GSocketConnection *connection)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  g_autoptr (GString) text = g_string_new (NULL);
  const char *end, *length;
  char buffer[4096];

  for (;;)
    {
      gssize n = g_input_stream_read (input, buffer, sizeof buffer, NULL, NULL);

      if (n <= 0)
        break;
      g_string_append_len (text, buffer, n);
      end = strstr (text->str, "\r\n\r\n");
      length = strstr (text->str, "Content-Length: ");
      if (end != NULL && length != NULL &&
          strlen (end + 4) >= g_ascii_strtoull (length + strlen ("Content-Length: "), NULL, 10))
        break;
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
reply (GSocketConnection *connection, const char *word)
{
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  g_autofree char *text = NULL;

  if (strcmp (word, "reset") == 0)
    text = g_strdup ("");
  else if (strcmp (word, "garbage") == 0)
    text = g_strdup ("\x01\x02\r\n\r\n\r\n");
  else if (strcmp (word, "endless") == 0)
    text = g_strdup ("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nand on and on");
  else if (strcmp (word, "302") == 0)
    text = g_strdup ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  else
    text = g_strdup_printf ("HTTP/1.1 %s Whatever\r\nContent-Length: 0\r\n\r\n", word);
  g_assert_true (g_output_stream_write_all (output, text, strlen (text), NULL, NULL, NULL));
}

/* In a thread of its own: client and receiver would otherwise wait for each other. */
static gboolean
on_run (GThreadedSocketService *service, GSocketConnection *connection, GObject *source, Receiver *self)
{
  char *request = read_request (connection);
  g_autofree char *word = NULL;

  g_mutex_lock (&self->lock);
  word = g_strdup (self->script[self->requests->len]);
  g_ptr_array_add (self->requests, request);
  if (strcmp (word, "hang") == 0 || strcmp (word, "endless") == 0)
    g_ptr_array_add (self->open, g_object_ref (connection));
  g_mutex_unlock (&self->lock);
  if (strcmp (word, "hang") != 0)
    reply (connection, word);
  if (strcmp (word, "hang") != 0 && strcmp (word, "endless") != 0)
    g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  return TRUE;
}

static guint
count_requests (Receiver *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = self->requests->len;
  g_mutex_unlock (&self->lock);
  return n;
}

static void
set_up (Fixture *f, gconstpointer script)
{
  g_autoptr (GError) error = NULL;

  f->clock = vmft_fake_clock_new (START);
  f->dir = g_dir_make_tmp ("vmft-alerts-XXXXXX", NULL);
  f->receiver.script = g_strsplit (script ? script : "", " ", -1);
  f->receiver.requests = g_ptr_array_new_with_free_func (g_free);
  f->receiver.open = g_ptr_array_new_with_free_func (g_object_unref);
  f->receiver.service = g_threaded_socket_service_new (4);
  f->receiver.port =
      g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (f->receiver.service), NULL, &error);
  g_assert_no_error (error);
  g_signal_connect (f->receiver.service, "run", G_CALLBACK (on_run), &f->receiver);
  f->url = g_strdup_printf ("http://127.0.0.1:%u/hook", f->receiver.port);
}

static void
tear_down (Fixture *f, gconstpointer script)
{
  const char *name;
  g_autoptr (GDir) dir = g_dir_open (f->dir, 0, NULL);

  g_clear_pointer (&f->alerts, vmft_alerts_free);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (f->dir);
  g_socket_service_stop (f->receiver.service);
  g_socket_listener_close (G_SOCKET_LISTENER (f->receiver.service));
  g_object_unref (f->receiver.service);
  g_ptr_array_unref (f->receiver.requests);
  g_ptr_array_unref (f->receiver.open);
  g_strfreev (f->receiver.script);
  g_object_unref (f->clock);
  g_free (f->url);
  g_free (f->dir);
}

static void
start (Fixture *f, const char *command, const char *webhook)
{
  VmftAlertsConfig config = { .hostname = "node1",
                              .command = command,
                              .webhook = webhook,
                              .secret = SECRET,
                              .timeout_s = 10,
                              .limit = 16 };
  g_autoptr (GError) error = NULL;

  f->alerts = vmft_alerts_new (f->clock, &config, &error);
  g_assert_no_error (error);
}

static void
send_one (Fixture *f, guint id)
{
  vmft_alerts_send (f->alerts, VMFT_ALERT_INCIDENT_RAISED,
                    g_variant_new_parsed ("{'id': <%u>, 'line': <'a \"hostile\" $(line)\\n'>}", id));
}

static char *
metrics (Fixture *f)
{
  g_autoptr (VmftMetrics) page = vmft_metrics_new ();

  vmft_alerts_add_metrics (f->alerts, page);
  return vmft_metrics_to_string (page);
}

static gboolean
shows (Fixture *f, const char *line)
{
  g_autofree char *text = metrics (f);

  return strstr (text, line) != NULL;
}

static void
wait_for_requests (Fixture *f, guint n)
{
  gint64 end_us = g_get_monotonic_time () + DEADLINE;

  while (count_requests (&f->receiver) < n && g_get_monotonic_time () < end_us)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (count_requests (&f->receiver), ==, n);
}

static void
wait_for (Fixture *f, const char *line)
{
  gint64 end_us = g_get_monotonic_time () + DEADLINE;

  while (!shows (f, line) && g_get_monotonic_time () < end_us)
    g_main_context_iteration (NULL, FALSE);
  if (!shows (f, line))
    g_error ("never: %s", line);
}

static void
advance (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

/* What happens outside needs real time to arrive; only then the virtual clock may move on. */
static void
settle (void)
{
  for (gint64 end_us = g_get_monotonic_time () + 50000; g_get_monotonic_time () < end_us;)
    g_main_context_iteration (NULL, FALSE);
}

static char *
header (const char *request, const char *name)
{
  g_autofree char *key = g_strdup_printf ("\r\n%s: ", name);
  const char *start_of = strstr (request, key);

  g_assert_nonnull (start_of);
  start_of += strlen (key);
  return g_strndup (start_of, strcspn (start_of, "\r"));
}

#define DELIVERED "vmft_alerts_delivered_total{channel=\"webhook\"} 1\n"
#define DROPPED   "vmft_alerts_dropped_total{channel=\"webhook\"} 1\n"
#define RETRYING  "vmft_alerts_waiting{channel=\"webhook\"} 1\n"

static void
test_webhook (Fixture *f, gconstpointer script)
{
  g_autofree char *signature = NULL, *event = NULL, *delivery = NULL, *hmac = NULL, *wanted = NULL;
  g_autoptr (GVariant) alert = NULL;
  g_autoptr (GVariant) data = NULL;
  const char *request, *body;

  start (f, NULL, f->url);
  send_one (f, 7);
  wait_for (f, DELIVERED);
  request = g_ptr_array_index (f->receiver.requests, 0);
  body = strstr (request, "\r\n\r\n") + 4;
  signature = header (request, "X-Vmft-Signature");
  event = header (request, "X-Vmft-Event");
  delivery = header (request, "X-Vmft-Delivery");
  hmac = g_compute_hmac_for_string (G_CHECKSUM_SHA256, (const guint8 *) SECRET, strlen (SECRET), body, -1);
  wanted = g_strconcat ("sha256=", hmac, NULL);
  g_assert_true (g_str_has_prefix (request, "POST /hook HTTP/1.1\r\n"));
  g_assert_cmpstr (signature, ==, wanted);
  g_assert_cmpstr (event, ==, "incident-raised");
  alert = vmft_json_to_variant (body, NULL);
  g_assert_nonnull (alert);
  g_assert_cmpstr (vmft_dict_string (alert, "id"), ==, delivery);
  g_assert_cmpstr (vmft_dict_string (alert, "host"), ==, "node1");
  g_assert_cmpint (vmft_dict_int64 (alert, "time_us", 0), ==, START);
  data = g_variant_lookup_value (alert, "data", G_VARIANT_TYPE_VARDICT);
  g_assert_cmpint (vmft_dict_int64 (data, "id", 0), ==, 7);
}

/* Refusals to talk, of every kind, each tried again after twice the time. */
static void
test_retries (Fixture *f, gconstpointer script)
{
  static const double delays[] = { 1, 2, 4, 8, 16, 32 };
  g_autofree char *first = NULL;
  g_autofree char *last = NULL;

  start (f, NULL, f->url);
  send_one (f, 7);
  for (guint i = 0; i < G_N_ELEMENTS (delays); i++)
    {
      wait_for_requests (f, i + 1);
      if (strcmp (f->receiver.script[i], "hang") == 0)
        advance (f, 10.1);
      wait_for (f, RETRYING);
      settle ();
      advance (f, 0.6 * delays[i]);
      g_assert_cmpuint (count_requests (&f->receiver), ==, i + 1);
      advance (f, 0.5 * delays[i]);
    }
  wait_for (f, DELIVERED);
  first = header (g_ptr_array_index (f->receiver.requests, 0), "X-Vmft-Delivery");
  last = header (g_ptr_array_index (f->receiver.requests, 6), "X-Vmft-Delivery");
  g_assert_cmpstr (first, ==, last);
  g_assert_true (shows (f, "vmft_alerts_dropped_total{channel=\"webhook\"} 0\n"));
}

static void
test_refused (Fixture *f, gconstpointer script)
{
  start (f, NULL, f->url);
  send_one (f, 7);
  wait_for (f, DROPPED);
  advance (f, 600);
  g_assert_cmpuint (count_requests (&f->receiver), ==, 1);
}

static void
test_endless_answer (Fixture *f, gconstpointer script)
{
  start (f, NULL, f->url);
  send_one (f, 7);
  wait_for (f, DELIVERED);
  send_one (f, 8);
  wait_for (f, "vmft_alerts_delivered_total{channel=\"webhook\"} 2\n");
}

static void
test_bad_configuration (void)
{
  static const char *const urls[] = { "ftp://a/", "http://", "nonsense", "file:///etc/passwd", "", NULL };
  static const char *const events[] = { "incident-raised", "incident-solved", NULL };
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (START);
  VmftAlertsConfig config = { .hostname = "node1", .timeout_s = 1, .limit = 1 };
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; urls[i] != NULL; i++)
    {
      config.webhook = urls[i];
      g_assert_null (vmft_alerts_new (clock, &config, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
      g_clear_error (&error);
    }
  config.webhook = NULL;
  config.events = events;
  g_assert_null (vmft_alerts_new (clock, &config, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
}

/* --- the command --- */

static char *
write_script (Fixture *f, const char *text)
{
  g_autofree char *path = g_build_filename (f->dir, "hook", NULL);
  g_autofree char *script = g_strdup_printf ("#!/bin/sh\n%s\n", text);

  g_assert_true (g_file_set_contents_full (path, script, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0700, NULL));
  return g_steal_pointer (&path);
}

static char *
read_output (Fixture *f)
{
  g_autofree char *path = g_build_filename (f->dir, "out", NULL);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

#define COMMAND_DONE "vmft_alerts_delivered_total{channel=\"command\"} 1\n"

static void
test_command (Fixture *f, gconstpointer script)
{
  g_autofree char *path = write_script (f, "echo \"$#:$1\" > \"${0%/*}/out\"; cat >> \"${0%/*}/out\"");
  g_autofree char *text = NULL;
  g_autoptr (GVariant) alert = NULL;

  start (f, path, NULL);
  send_one (f, 7);
  wait_for (f, COMMAND_DONE);
  text = read_output (f);
  g_assert_true (g_str_has_prefix (text, "1:incident-raised\n"));
  alert = vmft_json_to_variant (strchr (text, '\n'), NULL);
  g_assert_nonnull (alert);
  g_assert_cmpstr (vmft_dict_string (alert, "event"), ==, "incident-raised");
}

/* It fails, is tried again, then does not even read. */
static void
test_command_fails (Fixture *f, gconstpointer script)
{
  g_autofree char *path = write_script (f, "test -e \"${0%/*}/out\" || { touch \"${0%/*}/out\"; exit 3; }");
  g_autofree char *out = g_build_filename (f->dir, "out", NULL);
  gint64 end_us = g_get_monotonic_time () + DEADLINE;

  start (f, path, NULL);
  send_one (f, 7);
  wait_for (f, "vmft_alerts_waiting{channel=\"command\"} 1\n");
  while (g_get_monotonic_time () < end_us && !g_file_test (out, G_FILE_TEST_EXISTS))
    g_main_context_iteration (NULL, FALSE);
  settle ();
  advance (f, 1.5);
  wait_for (f, COMMAND_DONE);
}

static gboolean
is_alive (const char *pid)
{
  return kill ((pid_t) g_ascii_strtoll (pid, NULL, 10), 0) == 0;
}

static void
test_command_hangs (Fixture *f, gconstpointer script)
{
  g_autofree char *path =
      write_script (f, "sleep 1000 & echo $! > \"${0%/*}/pid\"; mv \"${0%/*}/pid\" \"${0%/*}/out\"; wait");
  g_autofree char *pid = NULL;
  gint64 end_us = g_get_monotonic_time () + DEADLINE;

  start (f, path, NULL);
  send_one (f, 7);
  while ((pid = read_output (f)) == NULL && g_get_monotonic_time () < end_us)
    g_main_context_iteration (NULL, FALSE);
  g_assert_true (is_alive (pid));
  advance (f, 10.1);
  while (is_alive (pid) && g_get_monotonic_time () < end_us)
    g_main_context_iteration (NULL, FALSE);
  g_assert_false (is_alive (pid));
  g_assert_true (shows (f, "vmft_alerts_waiting{channel=\"command\"} 1\n"));
}

static void
test_no_command (Fixture *f, gconstpointer script)
{
  start (f, "/nonexistent/hook", NULL);
  send_one (f, 7);
  advance (f, 30);
  g_assert_true (shows (f, "vmft_alerts_waiting{channel=\"command\"} 1\n"));
}

/* --- a reload --- */

static void
reload (Fixture *f, const char *command, const char *webhook)
{
  VmftAlerts *old = g_steal_pointer (&f->alerts);

  start (f, command, webhook);
  vmft_alerts_take_over (f->alerts, old);
}

static gboolean
was_sent (Fixture *f, const char *delivery, guint first, guint last)
{
  for (guint i = first; i <= last; i++)
    {
      g_autofree char *id = header (g_ptr_array_index (f->receiver.requests, i), "X-Vmft-Delivery");

      if (strcmp (id, delivery) == 0)
        return TRUE;
    }
  return FALSE;
}

/* One alert has failed and waits, one is under way: both go where the new configuration says, without delay. */
static void
test_reload (Fixture *f, gconstpointer script)
{
  g_autofree char *waiting = NULL, *running = NULL;

  start (f, NULL, f->url);
  send_one (f, 7);
  wait_for_requests (f, 1);
  settle ();
  send_one (f, 8);
  wait_for_requests (f, 2);
  reload (f, NULL, f->url);
  wait_for (f, "vmft_alerts_delivered_total{channel=\"webhook\"} 2\n");
  waiting = header (g_ptr_array_index (f->receiver.requests, 0), "X-Vmft-Delivery");
  running = header (g_ptr_array_index (f->receiver.requests, 1), "X-Vmft-Delivery");
  g_assert_true (was_sent (f, waiting, 2, 3));
  g_assert_true (was_sent (f, running, 2, 3));
  g_assert_true (shows (f, "vmft_alerts_waiting{channel=\"webhook\"} 0\n"));
  g_assert_true (shows (f, "vmft_alerts_dropped_total{channel=\"webhook\"} 0\n"));
}

/* What nobody takes any more is counted, and so is what went out before. */
static void
test_reload_without_webhook (Fixture *f, gconstpointer script)
{
  start (f, NULL, f->url);
  send_one (f, 7);
  wait_for (f, DELIVERED);
  send_one (f, 8);
  wait_for_requests (f, 2);
  settle ();
  reload (f, NULL, NULL);
  g_assert_true (shows (f, DELIVERED));
  g_assert_true (shows (f, DROPPED));
  g_assert_true (shows (f, "vmft_alerts_waiting{channel=\"webhook\"} 0\n"));
}

/* --- the queue on a channel that does as it is told --- */

typedef struct
{
  GPtrArray *tasks;
  guint n_started;
} Channel;

static void
hold (gpointer data,
      const VmftAlert *alert,
      GCancellable *cancellable,
      GAsyncReadyCallback callback,
      gpointer user_data)
{
  Channel *self = data;

  self->n_started++;
  g_ptr_array_add (self->tasks, g_task_new (NULL, cancellable, callback, user_data));
}

static void
release (Channel *self, gboolean success)
{
  g_autoptr (GTask) task = g_ptr_array_steal_index (self->tasks, 0);

  if (success)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "no");
}

static void
nothing (gpointer data)
{
}

static void
test_bounds (void)
{
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (START);
  Channel state = { g_ptr_array_new (), 0 };
  VmftAlertChannel channel = { hold, nothing, &state };
  VmftAlertQueue *queue = vmft_alert_queue_new (clock, "test", &channel, 16, 3);
  guint n_waiting = 0;
  guint64 n_delivered = 0, n_dropped = 0;

  for (guint i = 0; i < 100; i++)
    vmft_alert_queue_push (queue, vmft_alert_new ("x", "node1", START, g_variant_new_parsed ("@a{sv} {}")));
  g_assert_cmpuint (state.n_started, ==, 3);
  vmft_alert_queue_get_counts (queue, &n_waiting, &n_delivered, &n_dropped);
  g_assert_cmpuint (n_waiting, ==, 19);
  g_assert_cmpuint (n_dropped, ==, 81);
  release (&state, TRUE);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 1);
  g_assert_cmpuint (state.n_started, ==, 4);
  vmft_alert_queue_free (queue);
  while (state.tasks->len > 0)
    release (&state, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_ptr_array_unref (state.tasks);
}

static void
test_gives_up (void)
{
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (START);
  Channel state = { g_ptr_array_new (), 0 };
  VmftAlertChannel channel = { hold, nothing, &state };
  g_autoptr (VmftAlertQueue) queue = vmft_alert_queue_new (clock, "test", &channel, 16, 3);
  guint n_waiting = 0;
  guint64 n_delivered = 0, n_dropped = 0;

  vmft_alert_queue_push (queue, vmft_alert_new ("x", "node1", START, g_variant_new_parsed ("@a{sv} {}")));
  for (guint i = 0; i < 7200 && n_dropped == 0; i++)
    {
      if (state.tasks->len > 0)
        release (&state, FALSE);
      vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), G_USEC_PER_SEC);
      vmft_alert_queue_get_counts (queue, &n_waiting, &n_delivered, &n_dropped);
    }
  g_assert_cmpuint (n_dropped, ==, 1);
  /* 1 + 2 + … + 256 s, then every 5 minutes: not a hammer, and not for ever */
  g_assert_cmpuint (state.n_started, >, 15);
  g_assert_cmpuint (state.n_started, <, 25);
  g_ptr_array_unref (state.tasks);
}

#define add(path, script, func) g_test_add (path, Fixture, script, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/alerts/webhook", "200", test_webhook);
  add ("/alerts/retries", "500 reset hang garbage 429 503 204", test_retries);
  add ("/alerts/refused", "400", test_refused);
  add ("/alerts/redirected", "302", test_refused);
  add ("/alerts/endless-answer", "endless 200", test_endless_answer);
  g_test_add_func ("/alerts/bad-configuration", test_bad_configuration);
  add ("/alerts/command", NULL, test_command);
  add ("/alerts/command-fails", NULL, test_command_fails);
  add ("/alerts/command-hangs", NULL, test_command_hangs);
  add ("/alerts/no-command", NULL, test_no_command);
  add ("/alerts/reload", "503 hang 200 200", test_reload);
  add ("/alerts/reload-without-webhook", "200 503", test_reload_without_webhook);
  g_test_add_func ("/alerts/bounds", test_bounds);
  g_test_add_func ("/alerts/gives-up", test_gives_up);
  return g_test_run ();
}
