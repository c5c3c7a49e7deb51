/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

G_BEGIN_DECLS

/**
 * VmftFileWriter: writes files in a thread of its own, in order: the disk may be the one that dies, and whoever waits
 * for it is not to be the main loop.
 */
typedef struct _VmftFileWriter VmftFileWriter;

/**
 * vmft_file_writer_new:
 * @max_pending_bytes: what may wait to be appended; more is dropped. Replacements may wait beside it, as much again.
 */
VmftFileWriter *vmft_file_writer_new (gsize max_pending_bytes);

/** vmft_file_writer_free: what waits is written first. */
void vmft_file_writer_free (VmftFileWriter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftFileWriter, vmft_file_writer_free)

/**
 * vmft_file_writer_append: @text: (transfer full): to the end of @path, which is made with its directory if need be,
 * readable by its owner alone. Returns: whether there was room for it.
 */
gboolean vmft_file_writer_append (VmftFileWriter *self, const char *path, GString *text);

/** vmft_file_writer_replace: @text: (transfer full): all of @path from now on, or nothing of it. */
void vmft_file_writer_replace (VmftFileWriter *self, const char *path, char *text);

/** vmft_file_writer_remove: @directory with the files in it. */
void vmft_file_writer_remove (VmftFileWriter *self, const char *directory);

G_END_DECLS
