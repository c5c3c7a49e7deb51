/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-http-auth.h"

#include <glib/gstdio.h>

static void
test_host (void)
{
  static const char *const allowed[] = { "node1.example", "node1", NULL };
  static const char *const good[] = { "localhost",   "LOCALHOST:8638", "127.0.0.1",          "127.0.0.1:1",
                                      "[::1]:8638",  "[::1]",          "192.0.2.7:8638",     "node1",
                                      "Node1:65535", "node1.example",  "node1.example:8638", NULL };
  static const char *const bad[] = { "",
                                     "evil.example",
                                     "evil.example:8638",
                                     "localhost.evil.example",
                                     "localhost:",
                                     "localhost:x",
                                     "localhost:65536",
                                     ":8638",
                                     "[::1",
                                     "[::1]x",
                                     "[localhost]",
                                     "node1, evil",
                                     "localhost:1:2",
                                     "127.0.0.1.evil.example",
                                     " localhost",
                                     "[]",
                                     "[::1%/api/v1/status]:6",
                                     "[fe80::1%eth0]",
                                     "[]:8638",
                                     "node1.",
                                     NULL };

  for (gsize i = 0; good[i] != NULL; i++)
    if (!vmft_http_host_is_allowed (good[i], allowed))
      g_error ("refused: %s", good[i]);
  for (gsize i = 0; bad[i] != NULL; i++)
    if (vmft_http_host_is_allowed (bad[i], allowed))
      g_error ("allowed: %s", bad[i]);
  g_assert_false (vmft_http_host_is_allowed (NULL, allowed));
  g_assert_false (vmft_http_host_is_allowed ("node1", NULL));
}

static void
test_secrets (void)
{
  g_assert_true (vmft_http_secret_equal ("correct horse", "correct horse"));
  g_assert_false (vmft_http_secret_equal ("correct horse", "correct horsf"));
  g_assert_false (vmft_http_secret_equal ("correct horse", "correct hors"));
  g_assert_false (vmft_http_secret_equal ("aaaa", "aa"));
  g_assert_false (vmft_http_secret_equal ("a", ""));
  g_assert_false (vmft_http_secret_equal ("", "a"));
  g_assert_true (vmft_http_bearer_matches ("Bearer s3cret", "s3cret"));
  g_assert_true (vmft_http_bearer_matches ("bearer   s3cret", "s3cret"));
  g_assert_false (vmft_http_bearer_matches ("Basic s3cret", "s3cret"));
  g_assert_false (vmft_http_bearer_matches ("Bearer", "s3cret"));
  g_assert_false (vmft_http_bearer_matches ("Bearer ", "s3cret"));
  g_assert_false (vmft_http_bearer_matches ("Bearer s3cret ", "s3cret"));
  g_assert_false (vmft_http_bearer_matches (NULL, "s3cret"));
}

static char *
load (const char *dir, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename (dir, "token", NULL);
  g_autofree char *secret = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  secret = vmft_http_load_secret (path, error);
  g_unlink (path);
  return g_steal_pointer (&secret);
}

static void
test_secret_file (void)
{
  static const char *const bad[] = { "",
                                     "short\n",
                                     "two lines of\nsixteen letters\n",
                                     "with blanks in it, long",
                                     "na\xc3\xafve-and-long-enough",
                                     NULL };
  g_autofree char *dir = g_dir_make_tmp ("vmft-http-XXXXXX", NULL);
  g_autofree char *missing = g_build_filename (dir, "none", NULL);
  g_autofree char *secret = load (dir, "0123456789abcdef\n", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (secret, ==, "0123456789abcdef");
  for (gsize i = 0; bad[i] != NULL; i++)
    {
      g_assert_null (load (dir, bad[i], &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
      g_clear_error (&error);
    }
  g_assert_null (vmft_http_load_secret (missing, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  g_rmdir (dir);
}

static void
test_addresses (void)
{
  static const char *const bad[] = { "",    "127.0.0.1",       "127.0.0.1:", "localhost:80",
                                     ":80", "127.0.0.1:70000", "[::1]",      "::1:80x",
                                     NULL };
  g_autoptr (GSocketAddress) loopback = vmft_http_parse_address ("127.0.0.1:8638", NULL);
  g_autoptr (GSocketAddress) loopback6 = vmft_http_parse_address ("[::1]:8638", NULL);
  g_autoptr (GSocketAddress) any = vmft_http_parse_address ("0.0.0.0:8638", NULL);

  g_assert_true (vmft_http_is_loopback (loopback));
  g_assert_true (vmft_http_is_loopback (loopback6));
  g_assert_false (vmft_http_is_loopback (any));
  for (gsize i = 0; bad[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vmft_http_parse_address (bad[i], &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
    }
}

static void
test_queries (void)
{
  static const char *const bad[] = { "limit=", "limit=0", "limit=1001", "limit=-1", "limit=5&limit=6",
                                     "max=1",  "limit",   "limit=%35",  NULL };
  guint limit = 7;

  g_assert_true (vmft_http_parse_limit (NULL, &limit, NULL));
  g_assert_true (vmft_http_parse_limit ("", &limit, NULL));
  g_assert_cmpuint (limit, ==, 7);
  g_assert_true (vmft_http_parse_limit ("limit=1000", &limit, NULL));
  g_assert_cmpuint (limit, ==, 1000);
  for (gsize i = 0; bad[i] != NULL; i++)
    g_assert_false (vmft_http_parse_limit (bad[i], &limit, NULL));
}

static void
test_heartbeat_paths (void)
{
  static const char *const bad[] = { "/heartbeat/",
                                     "/heartbeat",
                                     "/heartbeats/a",
                                     "/heartbeat/a/b",
                                     "/heartbeat/a%2fb",
                                     "/heartbeat/a%00",
                                     "/heartbeat/%",
                                     "/heartbeat/%ff",
                                     "/heartbeat/a%0ab",
                                     "/HEARTBEAT/a",
                                     NULL };
  g_autofree char *name = vmft_http_parse_heartbeat_path ("/heartbeat/my%20vm-1");
  g_autofree char *length = g_strnfill (256, 'a');
  g_autofree char *endless = g_strconcat ("/heartbeat/", length, NULL);

  g_assert_cmpstr (name, ==, "my vm-1");
  for (gsize i = 0; bad[i] != NULL; i++)
    g_assert_null (vmft_http_parse_heartbeat_path (bad[i]));
  g_assert_null (vmft_http_parse_heartbeat_path (endless));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/http/auth/host", test_host);
  g_test_add_func ("/http/auth/secrets", test_secrets);
  g_test_add_func ("/http/auth/secret-file", test_secret_file);
  g_test_add_func ("/http/auth/addresses", test_addresses);
  g_test_add_func ("/http/auth/queries", test_queries);
  g_test_add_func ("/http/auth/heartbeat-paths", test_heartbeat_paths);
  return g_test_run ();
}
