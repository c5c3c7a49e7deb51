/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-syslog-source.h"

#include <string.h>
#include <sys/resource.h>

#define DEADLINE_US (60 * G_USEC_PER_SEC)

typedef struct
{
  VmftClock *clock;
  VmftSource *source;
  GPtrArray *seen; /* of char *: "label trust text" */
  guint64 n_lines;
  gboolean count_only;
  gsize largest_batch;
} Fixture;

static void
on_batch (VmftSource *source, const VmftBatch *batch, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_nonnull (batch->cursor);
  f->largest_batch = MAX (f->largest_batch, batch->n_lines);
  f->n_lines += batch->n_lines;
  for (gsize i = 0; i < batch->n_lines && !f->count_only; i++)
    {
      const VmftLine *line = &batch->lines[i];
      g_autofree char *text = vmft_text_printable (line->text.data, (gssize) line->text.length);

      g_ptr_array_add (f->seen, g_strdup_printf ("%s %d %s%s", batch->source, line->trust,
                                                 line->kernel ? "kernel: " : "", text));
    }
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->clock = vmft_real_clock_new ();
  f->seen = g_ptr_array_new_with_free_func (g_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->source);
  g_object_unref (f->clock);
  g_ptr_array_unref (f->seen);
}

static void
start (Fixture *f, const char *listen, const char *allow, guint max_connections, VmftTrust trust)
{
  g_auto (GStrv) listens = g_strsplit (listen, " ", -1);
  g_auto (GStrv) allows = g_strsplit (allow, " ", -1);
  VmftSyslogConfig config = { (const char *const *) listens, *allow ? (const char *const *) allows : NULL,
                              max_connections, trust };
  g_autoptr (GError) error = NULL;

  f->source = vmft_syslog_source_new ("net", &config, f->clock, &error);
  g_assert_no_error (error);
  g_signal_connect (f->source, "batch", G_CALLBACK (on_batch), f);
  vmft_source_start (f->source);
}

static GSocket *
connect_to (Fixture *f, guint index, GSocketType type)
{
  guint16 port = vmft_syslog_source_get_port (VMFT_SYSLOG_SOURCE (f->source), index);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", port);
  g_autoptr (GError) error = NULL;
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, type, G_SOCKET_PROTOCOL_DEFAULT, &error);

  g_assert_no_error (error);
  g_assert_true (g_socket_connect (socket, address, NULL, &error));
  g_assert_no_error (error);
  return socket;
}

static void
send_text (GSocket *socket, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_socket_send (socket, text, strlen (text), NULL, &error), ==, strlen (text));
  g_assert_no_error (error);
}

static void
wait_for (Fixture *f, guint64 n_lines)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (f->n_lines < n_lines && g_get_monotonic_time () < deadline_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
  g_assert_cmpuint (f->n_lines, ==, n_lines);
}

static gint64
described (Fixture *f, const char *key)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (vmft_source_describe (f->source));

  return vmft_dict_int64 (dict, key, -1);
}

static void
wait_until (Fixture *f, const char *key, gint64 value)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (described (f, key) != value && g_get_monotonic_time () < deadline_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
  g_assert_cmpint (described (f, key), ==, value);
}

static void
expect (Fixture *f, guint index, const char *text)
{
  g_assert_cmpstr (g_ptr_array_index (f->seen, index), ==, text);
}

static void
test_tcp (Fixture *f, gconstpointer data)
{
  g_autoptr (GSocket) socket = NULL;

  start (f, "tcp:127.0.0.1:0", "", 4, VMFT_TRUST_CLAIMED);
  socket = connect_to (f, 0, G_SOCKET_TYPE_STREAM);
  send_text (socket, "<3>1 2026-11-23T08:33:48.4Z host kernel - - - critical medium error, dev sda\n");
  send_text (socket, "36 <6>Nov 23 08:33:48 host sshd[42]: hi");
  wait_for (f, 2);
  send_text (socket, "<4>Nov 23 08:33:49 host kernel: unfin");
  g_socket_close (socket, NULL);
  wait_for (f, 3);
  expect (f, 0, "tcp:127.0.0.1 1 kernel: critical medium error, dev sda");
  expect (f, 1, "tcp:127.0.0.1 1 hi");
  expect (f, 2, "tcp:127.0.0.1 1 kernel: unfin");
  wait_until (f, "connections", 0);
}

/* With port 0 only the description can tell where to send. */
static void
test_addresses (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) dict = NULL;
  g_autofree const char **addresses = NULL;
  g_autofree char *tcp = NULL, *udp = NULL;

  start (f, "tcp:127.0.0.1:0 udp:127.0.0.1:0", "", 4, VMFT_TRUST_CLAIMED);
  dict = g_variant_ref_sink (vmft_source_describe (f->source));
  g_assert_true (g_variant_lookup (dict, "addresses", "^a&s", &addresses));
  g_assert_cmpuint (g_strv_length ((GStrv) addresses), ==, 2);
  tcp = g_strdup_printf ("tcp:127.0.0.1:%u", vmft_syslog_source_get_port (VMFT_SYSLOG_SOURCE (f->source), 0));
  udp = g_strdup_printf ("udp:127.0.0.1:%u", vmft_syslog_source_get_port (VMFT_SYSLOG_SOURCE (f->source), 1));
  g_assert_cmpstr (addresses[0], ==, tcp);
  g_assert_cmpstr (addresses[1], ==, udp);
}

/* What an operator says about TCP says nothing about UDP. */
static void
test_udp_is_never_trusted (Fixture *f, gconstpointer data)
{
  g_autoptr (GSocket) udp = NULL;
  g_autoptr (GSocket) tcp = NULL;

  start (f, "udp:127.0.0.1:0 tcp:127.0.0.1:0", "", 4, VMFT_TRUST_KERNEL);
  udp = connect_to (f, 0, G_SOCKET_TYPE_DATAGRAM);
  tcp = connect_to (f, 1, G_SOCKET_TYPE_STREAM);
  send_text (udp, "<3>Nov 23 08:33:48 host kernel: critical medium error, dev sda");
  send_text (udp, "");
  wait_for (f, 1);
  send_text (tcp, "<3>Nov 23 08:33:48 host kernel: critical medium error, dev sda\n");
  wait_for (f, 2);
  g_assert_true (g_str_has_prefix (f->seen->pdata[0], "udp:127.0.0.1:0 0 kernel: "));
  g_assert_true (g_str_has_prefix (f->seen->pdata[1], "tcp:127.0.0.1 2 kernel: "));
}

static void
test_allow_list (Fixture *f, gconstpointer data)
{
  g_autoptr (GSocket) tcp = NULL;
  g_autoptr (GSocket) udp = NULL;
  char byte;

  start (f, "tcp:127.0.0.1:0 udp:127.0.0.1:0", "192.0.2.0/24 2001:db8::1", 4, VMFT_TRUST_CLAIMED);
  tcp = connect_to (f, 0, G_SOCKET_TYPE_STREAM);
  udp = connect_to (f, 1, G_SOCKET_TYPE_DATAGRAM);
  send_text (udp, "<3>Nov 23 08:33:48 host kernel: critical medium error, dev sda");
  wait_until (f, "refused", 2);
  g_socket_set_timeout (tcp, 5);
  g_assert_cmpint (g_socket_receive (tcp, &byte, 1, NULL, NULL), <=, 0);
  g_assert_cmpint (described (f, "lines"), ==, 0);

  g_clear_object (&f->source);
  g_clear_object (&tcp);
  start (f, "tcp:127.0.0.1:0", "192.0.2.0/24 127.0.0.0/8", 4, VMFT_TRUST_CLAIMED);
  tcp = connect_to (f, 0, G_SOCKET_TYPE_STREAM);
  send_text (tcp, "<6>Nov 23 08:33:48 host kernel: hello\n");
  wait_for (f, 1);
}

static void
test_connection_limit (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) sockets = g_ptr_array_new_with_free_func (g_object_unref);

  start (f, "tcp:127.0.0.1:0", "", 3, VMFT_TRUST_CLAIMED);
  for (guint i = 0; i < 8; i++)
    g_ptr_array_add (sockets, connect_to (f, 0, G_SOCKET_TYPE_STREAM));
  wait_until (f, "over_limit", 5);
  g_assert_cmpint (described (f, "connections"), ==, 3);
  send_text (sockets->pdata[0], "<6>Nov 23 08:33:48 host kernel: hello\n");
  wait_for (f, 1);
  g_ptr_array_set_size (sockets, 0);
  wait_until (f, "connections", 0);
  g_ptr_array_add (sockets, connect_to (f, 0, G_SOCKET_TYPE_STREAM));
  wait_until (f, "connections", 1);
}

static void
test_port_taken (Fixture *f, gconstpointer data)
{
  g_autofree char *listen = NULL;
  Fixture first = { 0 };
  guint16 port;

  set_up (&first, NULL);
  start (&first, "tcp:127.0.0.1:0", "", 3, VMFT_TRUST_CLAIMED);
  port = vmft_syslog_source_get_port (VMFT_SYSLOG_SOURCE (first.source), 0);
  listen = g_strdup_printf ("tcp:127.0.0.1:%u", port);
  start (f, listen, "", 3, VMFT_TRUST_CLAIMED);
  g_assert_cmpint (described (f, "listening"), ==, 0);
  tear_down (&first, NULL);
  wait_until (f, "listening", 1);
}

typedef struct
{
  GSocket *socket;
  guint n_lines;
} Flood;

static gpointer
flood (gpointer user_data)
{
  Flood *work = user_data;

  for (guint i = 0; i < work->n_lines; i += 100)
    {
      g_autoptr (GString) block = g_string_new (NULL);

      for (guint j = i; j < i + 100; j++)
        g_string_append_printf (block, "<6>Nov 23 08:33:48 host kernel: flood line %u\n", j);
      for (gsize sent = 0; sent < block->len;)
        {
          gssize n = g_socket_send (work->socket, block->str + sent, block->len - sent, NULL, NULL);

          g_assert_cmpint (n, >, 0);
          sent += (gsize) n;
        }
    }
  return NULL;
}

static gboolean
count_turn (gpointer user_data)
{
  ++*(guint *) user_data;
  return G_SOURCE_CONTINUE;
}

/* A sender that is faster than we are waits in its socket; memory does not grow and the main loop goes on. */
static void
test_flood (Fixture *f, gconstpointer data)
{
  Flood work = { .n_lines = 300000 };
  struct rusage before, after;
  guint turns = 0, id;
  GThread *thread;

  f->count_only = TRUE;
  start (f, "tcp:127.0.0.1:0", "", 3, VMFT_TRUST_CLAIMED);
  work.socket = connect_to (f, 0, G_SOCKET_TYPE_STREAM);
  getrusage (RUSAGE_SELF, &before);
  id = g_timeout_add (0, count_turn, &turns);
  thread = g_thread_new ("flood", flood, &work);
  wait_for (f, work.n_lines);
  g_thread_join (thread);
  g_source_remove (id);
  getrusage (RUSAGE_SELF, &after);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
  g_assert_cmpint (after.ru_maxrss - before.ru_maxrss, <, 4096);
#endif
  g_assert_cmpuint (f->largest_batch, <, 5000);
  g_assert_cmpuint (turns, >=, 20);
  g_object_unref (work.socket);
}

static void
test_configuration (Fixture *f, gconstpointer data)
{
  static const char *const bad[][2] = {
    { "127.0.0.1:514", "tcp:ADDRESS:PORT" }, { "tcp:127.0.0.1", "tcp:ADDRESS:PORT" },
    { "tcp:localhost:514", "numeric" },      { "tcp:127.0.0.1:65536", "PORT" },
    { "udp:0.0.0.0:514", "allow" },          { "tcp:[::]:514", "allow" },
    { "tcp:", "tcp:ADDRESS:PORT" },          { "tcp::514", "numeric" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      const char *const listen[] = { bad[i][0], NULL };
      VmftSyslogConfig config = { listen, NULL, 1, VMFT_TRUST_CLAIMED };
      g_autoptr (GError) error = NULL;
      g_autoptr (VmftSource) source = vmft_syslog_source_new ("net", &config, f->clock, &error);

      g_assert_null (source);
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
      g_assert_nonnull (strstr (error->message, bad[i][1]));
      g_assert_nonnull (strstr (error->message, bad[i][0]));
    }
  {
    VmftSyslogConfig config = { NULL, NULL, 1, VMFT_TRUST_CLAIMED };
    g_autoptr (GError) error = NULL;
    g_autoptr (VmftSource) source = vmft_syslog_source_new ("net", &config, f->clock, &error);

    g_assert_null (source);
    g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  }
  {
    const char *const listen[] = { "tcp:127.0.0.1:0", NULL };
    const char *const allow[] = { "192.0.2.0/33", NULL };
    VmftSyslogConfig config = { listen, allow, 1, VMFT_TRUST_CLAIMED };
    g_autoptr (GError) error = NULL;
    g_autoptr (VmftSource) source = vmft_syslog_source_new ("net", &config, f->clock, &error);

    g_assert_null (source);
    g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  }
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0)
    return g_log_writer_default (level, fields, n_fields, NULL);
  return G_LOG_WRITER_HANDLED;
}

#define ADD(path, func) g_test_add ("/syslog-source/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("tcp", test_tcp);
  ADD ("udp", test_udp_is_never_trusted);
  ADD ("addresses", test_addresses);
  ADD ("allow-list", test_allow_list);
  ADD ("connection-limit", test_connection_limit);
  ADD ("port-taken", test_port_taken);
  ADD ("flood", test_flood);
  ADD ("configuration", test_configuration);
  return g_test_run ();
}
