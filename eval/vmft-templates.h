/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The templates of a log: shared by `vmft-eval templates` and `vmftctl templates`. */
#pragma once

#include "vmft-drain.h"

G_BEGIN_DECLS

/** VmftTemplatesFunc: a line has been given the template @id. */
typedef void (*VmftTemplatesFunc) (guint32 id, gpointer user_data);

/**
 * vmft_templates_read:
 * @drain: takes every line of @path, see vmft_log_file_read()
 * @content: lines are bare messages, no header to split off
 * @func: (nullable): called for each line
 * @n_lines: (out): how many there were
 */
gboolean vmft_templates_read (VmftDrain *drain,
                              const char *path,
                              gboolean content,
                              VmftTemplatesFunc func,
                              gpointer user_data,
                              guint64 *n_lines,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_templates_to_variant: Returns: (transfer floating): `aa{sv}`: id, count, generation, template. */
GVariant *vmft_templates_to_variant (VmftDrain *drain);

/** vmft_templates_to_string: Returns: (transfer full): the same as a table for people. */
char *vmft_templates_to_string (VmftDrain *drain);

G_END_DECLS
