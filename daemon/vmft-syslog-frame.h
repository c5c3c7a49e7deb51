/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-line.h"

G_BEGIN_DECLS

#define VMFT_SYSLOG_MAX_FRAME (64 * 1024)

/**
 * VmftSyslogFramer: cuts one TCP stream into syslog messages, as RFC 6587 describes them: octet-counted
 * ("83 <34>1 …") or ended by newline, told apart message by message. Whatever the stream holds, memory is
 * bounded and work linear.
 */
typedef struct _VmftSyslogFramer VmftSyslogFramer;

/** VmftSyslogFrameStats: what passed so far. */
typedef struct
{
  guint64 bytes;
  guint64 frames;
  guint64 cut_frames; /* longer than %VMFT_SYSLOG_MAX_FRAME: the rest was dropped */
  guint64 cut_bytes;
} VmftSyslogFrameStats;

/** vmft_syslog_framer_new: @stats: live counters, shared by as many framers as one likes. */
VmftSyslogFramer *vmft_syslog_framer_new (VmftSyslogFrameStats *stats);
void vmft_syslog_framer_free (VmftSyslogFramer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftSyslogFramer, vmft_syslog_framer_free)

/**
 * vmft_syslog_framer_reserve:
 * @space: (out): at least 64 KiB
 *
 * Returns: (transfer none): where to put what is read next; frames handed over before are gone
 */
char *vmft_syslog_framer_reserve (VmftSyslogFramer *self, gsize *space);

/**
 * vmft_syslog_framer_commit:
 * @length: bytes put there
 * @frames: (element-type VmftSlice): complete messages are appended; valid until the next reserve. Empty ones are
 *   left out.
 */
void vmft_syslog_framer_commit (VmftSyslogFramer *self, gsize length, GArray *frames);

/** vmft_syslog_framer_finish: appends the unfinished message, if any: the stream has ended. */
void vmft_syslog_framer_finish (VmftSyslogFramer *self, GArray *frames);

G_END_DECLS
