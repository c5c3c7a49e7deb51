/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmft's HTTP server on canned records, for the test of the page: prints its port, then takes lines
 * "EVENT FILE" on standard input: shows the records of FILE from now on and publishes EVENT. */
#include "http-canned.h"

#include <gio/gunixinputstream.h>

typedef struct
{
  GMainLoop *loop;
  VmftHttp *http;
  VmftHttpCanned canned;
} Server;

static void
on_line (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Server *server = user_data;
  GDataInputStream *input = G_DATA_INPUT_STREAM (source);
  g_autofree char *line = g_data_input_stream_read_line_finish (input, result, NULL, NULL);
  g_auto (GStrv) words = line ? g_strsplit (line, " ", 2) : NULL;
  g_autoptr (GError) error = NULL;

  if (words == NULL || g_strv_length (words) != 2)
    {
      g_main_loop_quit (server->loop);
      return;
    }
  if (!vmft_http_canned_load (&server->canned, words[1], &error))
    g_error ("%s", error->message);
  vmft_http_publish (server->http, words[0], g_variant_new_parsed ("{'id': <uint64 1>}"));
  g_data_input_stream_read_line_async (input, G_PRIORITY_DEFAULT, NULL, on_line, server);
}

int
main (int argc, char **argv)
{
  static const char *const listen[] = { "127.0.0.1:0", NULL };
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GInputStream) stdin_stream = g_unix_input_stream_new (0, FALSE);
  g_autoptr (GDataInputStream) lines = g_data_input_stream_new (stdin_stream);
  g_autoptr (GError) error = NULL;
  VmftHttpConfig config = { .listen = listen, .token = argc > 2 ? argv[2] : NULL, .max_clients = 8 };
  Server server = { .loop = loop };

  if (argc < 2 || !vmft_http_canned_load (&server.canned, argv[1], &error))
    g_error ("usage: http-server FILE [TOKEN]: %s", error ? error->message : "no file");
  server.http = vmft_http_new (clock, &config, vmft_http_canned_view (), &server.canned, &error);
  if (server.http == NULL)
    g_error ("%s", error->message);
  g_print ("%u\n", vmft_http_get_port (server.http));
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, on_line, &server);
  g_main_loop_run (loop);
  vmft_http_free (server.http);
  g_variant_unref (server.canned.records);
  return 0;
}
