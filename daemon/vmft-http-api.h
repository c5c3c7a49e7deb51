/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-http.h"

#include <libsoup/soup.h>

G_BEGIN_DECLS

/**
 * VmftHttpRoute: what a path means.
 * @VMFT_HTTP_ROUTE_PAGE: a part of the page: no secret in it, so that it can ask for the token
 */
typedef enum
{
  VMFT_HTTP_ROUTE_NONE,
  VMFT_HTTP_ROUTE_PAGE,
  VMFT_HTTP_ROUTE_METRICS,
  VMFT_HTTP_ROUTE_RECORDS,
  VMFT_HTTP_ROUTE_EVENTS,
} VmftHttpRoute;

/** vmft_http_route: Returns: what @path, still percent-encoded, means. */
VmftHttpRoute vmft_http_route (const char *path);

/** vmft_http_set_text: @format: one line; the newline is added. Sets status and body of the response. */
void vmft_http_set_text (SoupServerMessage *message, guint status, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/**
 * vmft_http_refuse_body: to be called before the body of a request is read. A small one is read and ignored; a
 * large or endless one gets an answer and its connection is closed.
 *
 * Returns: whether @message was answered so, and is not to be touched again.
 */
gboolean vmft_http_refuse_body (SoupServerMessage *message);

/** vmft_http_set_page: answers with the part of the page that @path names. */
void vmft_http_set_page (SoupServerMessage *message, const char *path);

/** vmft_http_set_records: answers with what @path and @query ask @view for, as JSON; or with 400. */
void vmft_http_set_records (SoupServerMessage *message,
                            const char *path,
                            const char *query,
                            const VmftHttpView *view,
                            gpointer user_data);

G_END_DECLS
