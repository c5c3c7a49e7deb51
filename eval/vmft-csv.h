/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** VmftCsvFunc: one record; @fields is NULL-terminated. Returns: %FALSE with @error set to stop. */
typedef gboolean (*VmftCsvFunc) (char **fields, guint line, gpointer user_data, GError **error);

/**
 * vmft_csv_read:
 * @columns: NULL-terminated names that the heading must have; @func gets their fields, in this order
 * @error: return location, %VMFT_ERROR_INVALID naming file and line
 *
 * Reads a file of comma-separated values with a heading (RFC 4180, without line breaks inside fields).
 */
gboolean vmft_csv_read (const char *path,
                        const char *const *columns,
                        VmftCsvFunc func,
                        gpointer user_data,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
