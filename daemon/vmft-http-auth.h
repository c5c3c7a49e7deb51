/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of an HTTP request is ours to parse: pure functions over hostile text. */
#pragma once

#include "vmft-common.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * vmft_http_host_is_allowed:
 * @host: (nullable): the request's Host header (RFC 9110, 7.2)
 * @allowed: (nullable): further names, NULL-terminated
 *
 * Guards against DNS rebinding: a page from elsewhere whose name was made to point here still says its own
 * name. Addresses cannot be rebound and are always right, "localhost" as well.
 *
 * Returns: whether the request means this server.
 */
gboolean vmft_http_host_is_allowed (const char *host, const char *const *allowed);

/**
 * vmft_http_secret_equal: Returns: whether the texts are the same, in a time that depends on their lengths only.
 */
gboolean vmft_http_secret_equal (const char *a, const char *b);

/**
 * vmft_http_bearer_matches:
 * @header: (nullable): the request's Authorization header (RFC 6750, 2.1)
 * @token: what it must carry
 */
gboolean vmft_http_bearer_matches (const char *header, const char *token);

/**
 * vmft_http_load_secret:
 * @path: a file with the secret in its first line and nothing after it
 * @error: %VMFT_ERROR_CONFIG: unreadable, shorter than 16 characters, or not printable ASCII
 *
 * Returns: (transfer full): the secret.
 */
char *vmft_http_load_secret (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_http_parse_address:
 * @text: "ADDRESS:PORT", "[ADDRESS]:PORT"; an address, never a name that could come to mean something else
 * @error: %VMFT_ERROR_CONFIG
 */
GSocketAddress *vmft_http_parse_address (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_http_is_loopback: Returns: whether nobody beyond this machine can reach @address. */
gboolean vmft_http_is_loopback (GSocketAddress *address);

/**
 * vmft_http_parse_limit:
 * @query: (nullable): the part of the URI behind '?'
 * @limit: (in) (out): changed when the query says "limit=N", 1 to 1000
 * @error: %VMFT_ERROR_INVALID: anything else in it
 */
gboolean vmft_http_parse_limit (const char *query, guint *limit, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_http_parse_heartbeat_path:
 * @path: the request's path, still percent-encoded
 *
 * Returns: (transfer full) (nullable): NAME of "/heartbeat/NAME".
 */
char *vmft_http_parse_heartbeat_path (const char *path);

G_END_DECLS
