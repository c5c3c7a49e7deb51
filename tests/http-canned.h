/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon/vmft-http.h"

/** VmftHttpCanned: a view of the HTTP server on records from a JSON file. */
typedef struct
{
  GVariant *records; /* a{sv} */
} VmftHttpCanned;

/** vmft_http_canned_view: Returns: the functions; their user data is a #VmftHttpCanned. */
const VmftHttpView *vmft_http_canned_view (void);

/** vmft_http_canned_load: replaces what the view shows by what is in @path. */
gboolean vmft_http_canned_load (VmftHttpCanned *self,
                                const char *path,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
