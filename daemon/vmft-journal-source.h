/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-source.h"

G_BEGIN_DECLS

/**
 * VmftJournalConfig: which journal, and how much of its past.
 * @directory: (nullable): journal files there; NULL: this machine's own journal
 * @namespace: (nullable): of this machine's journal (systemd-journald.service(8)); not with @directory
 * @backlog_s: without a cursor, entries so old are where reading begins; 0: with the next one
 * @trust: the most that an entry deserves. journald itself writes `_TRANSPORT=kernel`, so this machine's journal
 *   deserves %VMFT_TRUST_KERNEL; what systemd-journal-remote wrote says what a sender made it say
 */
typedef struct
{
  const char *directory;
  const char *namespace;
  double backlog_s;
  VmftTrust trust;
} VmftJournalConfig;

/**
 * VmftJournalSource: systemd's journal through sd-journal(3). The cursor is the journal's own: no entry is lost
 * and none comes twice over a restart, also when files are rotated meanwhile. Where the entry it names has been
 * vacuumed away, reading goes on with the next one there is.
 */
#define VMFT_TYPE_JOURNAL_SOURCE vmft_journal_source_get_type ()
G_DECLARE_FINAL_TYPE (VmftJournalSource, vmft_journal_source, VMFT, JOURNAL_SOURCE, GObject)

/**
 * vmft_journal_source_new:
 * @name: NAME of its group, the cursor's key
 * @config: copied
 * @store: read for the cursor, never written
 *
 * Returns: (transfer full): the source, not started. A journal that cannot be opened is tried once a second.
 */
VmftSource *vmft_journal_source_new (const char *name,
                                     const VmftJournalConfig *config,
                                     VmftClock *clock,
                                     VmftStore *store);

G_END_DECLS
