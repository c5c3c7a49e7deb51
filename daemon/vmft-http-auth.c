/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-http-auth.h"

#define SECRET_MIN     16
#define SECRET_MAX     4096
#define NAME_MAX_BYTES 255
#define LIMIT_MAX      1000

static const char heartbeat_prefix[] = "/heartbeat/";

static gboolean
is_port (const char *text)
{
  guint64 port;

  return g_ascii_string_to_unsigned (text, 10, 0, 65535, &port, NULL);
}

/* The host of "host", "host:port", "[v6]", "[v6]:port"; NULL when it is none of them. */
static char *
split_host (const char *header)
{
  const char *end = *header == '[' ? strchr (header, ']') : strchr (header, ':');
  const char *rest;

  if (*header == '[' && end == NULL)
    return NULL;
  rest = end == NULL ? "" : *header == '[' ? end + 1 : end;
  if (*rest != '\0' && (*rest != ':' || !is_port (rest + 1)))
    return NULL;
  if (*header == '[')
    return g_strndup (header + 1, (gsize) (end - header - 1));
  return end == NULL ? g_strdup (header) : g_strndup (header, (gsize) (end - header));
}

gboolean
vmft_http_host_is_allowed (const char *host, const char *const *allowed)
{
  g_autofree char *name = host ? split_host (host) : NULL;

  /* the scope of a link-local address ("fe80::1%eth0") stays with the client, and may be any text */
  if (name == NULL || *name == '\0' || strchr (name, '%') != NULL)
    return FALSE;
  if (g_hostname_is_ip_address (name))
    return TRUE;
  if (*host == '[')
    return FALSE;
  if (g_ascii_strcasecmp (name, "localhost") == 0)
    return TRUE;
  for (; allowed != NULL && *allowed != NULL; allowed++)
    if (g_ascii_strcasecmp (name, *allowed) == 0)
      return TRUE;
  return FALSE;
}

gboolean
vmft_http_secret_equal (const char *a, const char *b)
{
  gsize length = strlen (a), other = strlen (b);
  volatile guint8 difference = length != other;

  for (gsize i = 0; i < length; i++)
    difference = difference | (guint8) (a[i] ^ (other > 0 ? b[i % other] : '\0'));
  return difference == 0;
}

gboolean
vmft_http_bearer_matches (const char *header, const char *token)
{
  if (header == NULL || g_ascii_strncasecmp (header, "Bearer ", 7) != 0)
    return FALSE;
  for (header += 7; *header == ' ';)
    header++;
  return vmft_http_secret_equal (header, token);
}

char *
vmft_http_load_secret (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) local = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, &local))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s", local->message);
      return NULL;
    }
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
    text[--length] = '\0';
  if (length < SECRET_MIN || length > SECRET_MAX)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s: a secret must have %d to %d characters", path,
                   SECRET_MIN, SECRET_MAX);
      return NULL;
    }
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph (text[i]))
      {
        g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                     "%s: a secret must be one line of printable ASCII without blanks", path);
        return NULL;
      }
  return g_steal_pointer (&text);
}

GSocketAddress *
vmft_http_parse_address (const char *text, GError **error)
{
  g_autofree char *host = split_host (text);
  const char *colon = strrchr (text, ':');
  GSocketAddress *address = NULL;

  if (host != NULL && colon != NULL && is_port (colon + 1))
    address = g_inet_socket_address_new_from_string (host, (guint) g_ascii_strtoull (colon + 1, NULL, 10));
  if (address == NULL)
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "\"%s\" is not ADDRESS:PORT or [ADDRESS]:PORT", text);
  return address;
}

gboolean
vmft_http_is_loopback (GSocketAddress *address)
{
  return G_IS_INET_SOCKET_ADDRESS (address) &&
         g_inet_address_get_is_loopback (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
}

gboolean
vmft_http_parse_limit (const char *query, guint *limit, GError **error)
{
  guint64 value;

  if (query == NULL || *query == '\0')
    return TRUE;
  if (!g_str_has_prefix (query, "limit="))
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "the only option here is limit=N");
      return FALSE;
    }
  if (!g_ascii_string_to_unsigned (query + strlen ("limit="), 10, 1, LIMIT_MAX, &value, NULL))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "limit must be a whole number from 1 to %d",
                   LIMIT_MAX);
      return FALSE;
    }
  *limit = (guint) value;
  return TRUE;
}

char *
vmft_http_parse_heartbeat_path (const char *path)
{
  g_autofree char *name = NULL;

  if (!g_str_has_prefix (path, heartbeat_prefix))
    return NULL;
  /* also refuses %00, and a name with an encoded slash */
  name = g_uri_unescape_string (path + strlen (heartbeat_prefix), "/");
  if (name == NULL || *name == '\0' || strlen (name) > NAME_MAX_BYTES || strchr (name, '/') != NULL ||
      !g_utf8_validate (name, -1, NULL))
    return NULL;
  for (const char *c = name; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      return NULL;
  return g_steal_pointer (&name);
}
