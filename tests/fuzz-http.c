/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of an HTTP request that vmft parses itself, and hostile text on its way into metrics. */
#include "daemon/vmft-http-api.h"
#include "daemon/vmft-http-auth.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* An own name is the only name that passes; whatever passes besides is an address. */
static void
check_host (const char *text)
{
  static const char *const allowed[] = { "node1", NULL };

  if (!vmft_http_host_is_allowed (text, allowed))
    return;
  g_assert_true (g_ascii_strncasecmp (text, "node1", 5) == 0 ||
                 g_ascii_strncasecmp (text, "localhost", 9) == 0 || *text == '[' || g_ascii_isdigit (*text) ||
                 strchr (text, ':') != NULL);
  g_assert_null (strpbrk (text, " ,/@"));
}

static void
check_bearer (const char *text)
{
  static const char token[] = "0123456789abcdef";
  gboolean matches = vmft_http_bearer_matches (text, token);

  g_assert_cmpint (matches, ==,
                   g_ascii_strncasecmp (text, "Bearer ", 7) == 0 && strlen (text) >= 7 + strlen (token) &&
                       strcmp (text + 7 + strspn (text + 7, " "), token) == 0);
}

static void
check_path (const char *text)
{
  g_autofree char *path = g_strconcat ("/heartbeat/", text, NULL);
  g_autofree char *name = vmft_http_parse_heartbeat_path (path);
  guint limit = 7;

  (void) vmft_http_route (text);
  if (name != NULL)
    {
      g_assert_true (g_utf8_validate (name, -1, NULL));
      g_assert_null (strpbrk (name, "/\r\n"));
    }
  if (vmft_http_parse_limit (text, &limit, NULL))
    g_assert_cmpuint (limit, <=, 1000);
}

static void
check_address (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) address = vmft_http_parse_address (text, &error);

  g_assert_true ((address == NULL) == (error != NULL));
}

/* Whatever a label holds, the page has as many lines as it was given. */
static void
check_metrics (const char *text)
{
  g_autoptr (VmftMetrics) metrics = vmft_metrics_new ();
  g_autofree char *page = NULL;
  guint n_lines = 0;

  vmft_metrics_gauge (metrics, "vmft_x", "X.");
  vmft_metrics_add (metrics, 1, "label", text, NULL);
  page = vmft_metrics_to_string (metrics);
  for (const char *c = page; *c != '\0'; c++)
    n_lines += *c == '\n';
  g_assert_cmpuint (n_lines, ==, 3);
  g_assert_true (g_utf8_validate (page, -1, NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);

  check_host (text);
  check_bearer (text);
  check_path (text);
  check_address (text);
  check_metrics (text);
  return 0;
}
