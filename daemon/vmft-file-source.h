/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-source.h"

G_BEGIN_DECLS

/**
 * VmftFileSource: follows log files by name or shell pattern, through rotation by rename, copytruncate, deletion
 * and absence. inotify wakes it; a look a second covers what inotify cannot see (network file systems,
 * directories that are not there yet).
 *
 * A file that was rotated away is read on for as long as its writer may still hold it open (30 s without a new
 * byte), so that no line between the rename and the writer's reopening is lost, also across a restart.
 */
#define VMFT_TYPE_FILE_SOURCE vmft_file_source_get_type ()
G_DECLARE_FINAL_TYPE (VmftFileSource, vmft_file_source, VMFT, FILE_SOURCE, GObject)

/**
 * vmft_file_source_new:
 * @name: NAME of its group, part of the cursor's key
 * @patterns: NULL-terminated paths or shell patterns
 * @trust: what lines that say they are the kernel's deserve here
 * @store: read for cursors, never written
 *
 * Returns: (transfer full): the source, not started.
 */
VmftSource *vmft_file_source_new (const char *name,
                                  const char *const *patterns,
                                  VmftLineFormat format,
                                  VmftTrust trust,
                                  VmftClock *clock,
                                  VmftStore *store);

G_END_DECLS
