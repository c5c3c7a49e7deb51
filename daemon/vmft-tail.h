/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"
#include "vmft-line.h"

G_BEGIN_DECLS

#define VMFT_TAIL_MAX_LINE (64 * 1024)

/**
 * VmftTail: one open log file, read line by line as it grows. It follows the inode, not the name: what happens
 * to the name (rotation, deletion) is its owner's business. Truncation (logrotate's copytruncate) is noticed
 * by size and, when the file has grown past the old offset meanwhile, by its first bytes.
 */
typedef struct _VmftTail VmftTail;

/**
 * vmft_tail_open:
 * @error: from the errno of open(2); %VMFT_ERROR_INVALID when @path is no regular file
 *
 * Returns: (transfer full): the file, at its beginning.
 */
VmftTail *vmft_tail_open (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_tail_free (VmftTail *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftTail, vmft_tail_free)

/**
 * vmft_tail_resume:
 * @cursor: what vmft_tail_get_cursor() once said of some file
 *
 * Returns: whether it was this file; if so, reading goes on where it stood, or at the beginning when the file
 * is shorter now. A device number may change with a reboot, so the inode and the first bytes decide.
 */
gboolean vmft_tail_resume (VmftTail *self, GVariant *cursor);

/** vmft_tail_get_cursor: Returns: (transfer floating): `a{sv}`: inode, offset, head_bytes, head. */
GVariant *vmft_tail_get_cursor (VmftTail *self);

/** vmft_tail_is_file: Returns: whether @path names this very file now. */
gboolean vmft_tail_is_file (VmftTail *self, const char *path);

/**
 * VmftTailState: what vmft_tail_read() found.
 * @VMFT_TAIL_MORE: read on
 * @VMFT_TAIL_END: no more for now
 */
typedef enum
{
  VMFT_TAIL_MORE,
  VMFT_TAIL_END,
} VmftTailState;

/**
 * vmft_tail_read:
 * @lines: (element-type VmftSlice): complete lines are appended, without their newline; valid until the next read
 *
 * Reads at most one chunk (16 KiB). Empty lines are left out. Of a line longer than %VMFT_TAIL_MAX_LINE the
 * rest is dropped and counted.
 */
VmftTailState vmft_tail_read (VmftTail *self, GArray *lines);

/** vmft_tail_flush: appends the last line, if it never got its newline: nobody writes to this file any more. */
void vmft_tail_flush (VmftTail *self, GArray *lines);

/** VmftTailStats: what passed so far. */
typedef struct
{
  guint64 bytes;
  guint64 lines;
  guint64 cut_lines;
  guint64 cut_bytes;
  guint64 truncations;
} VmftTailStats;

/** vmft_tail_get_stats: Returns: (transfer none): live counters. */
const VmftTailStats *vmft_tail_get_stats (VmftTail *self);

G_END_DECLS
