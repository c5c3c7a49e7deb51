/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Longer lines are cut here. */
#define VMFT_LOG_FILE_MAX_LINE_BYTES 65536

/** VmftLogFileFunc: one line without its newline; borrowed. Returns: %FALSE to read no further. */
typedef gboolean (*VmftLogFileFunc) (const char *data, gsize length, gpointer user_data);

/**
 * vmft_log_file_read:
 * @path: a file, also one that logrotate has compressed (.gz), or "-" for standard input
 * @error: %G_IO_ERROR, naming @path
 *
 * Calls @func for each line, in order. Memory does not grow with the file, whatever is in it.
 */
gboolean vmft_log_file_read (const char *path, VmftLogFileFunc func, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
