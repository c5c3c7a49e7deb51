/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the migrate room: a random sample of a guest's pages, read from its QEMU and looked at again later. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VmftPageSample:
 *
 * What QEMU's page sampling does (hashes of random pages, compared after a while), done from outside: with more
 * pages where 512 a GiB are too few, without rounding to whole MiB/s, at several moments of one sample, and with two
 * answers that QEMU does not give: how much of the memory has been written, for pages of zeros cost nothing to send,
 * and how much of a page a rewrite changes, which is what XBZRLE sends. Pages that are not there are not touched.
 *
 * It wants the right to read the process (root, or CAP_SYS_PTRACE). Of the contents nothing is kept but hashes, and
 * of %VMFT_PAGE_SAMPLE_KEPT pages the bytes, until the sample is freed.
 */
typedef struct _VmftPageSample VmftPageSample;

#define VMFT_PAGE_SAMPLE_KEPT 1024

/**
 * vmft_page_sample_new:
 * @proc: "/proc", or a test's
 * @pid: of the QEMU
 * @memory_bytes: RAM the guest has: the mapping that holds so much and is in use is looked at
 * @error: %VMFT_ERROR_UNAVAILABLE when the kernel does not permit it or no mapping is as large (NUMA nodes apart)
 *
 * Blocks for some milliseconds: for worker threads.
 *
 * Returns: (transfer full): the first look.
 */
VmftPageSample *vmft_page_sample_new (const char *proc, int pid, guint64 memory_bytes, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void vmft_page_sample_free (VmftPageSample *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftPageSample, vmft_page_sample_free)

/**
 * VmftPageLook: a later look, against the first.
 * @seconds: between the two
 * @ram_bytes: that the pages were drawn from: all the guest can ever have, whatever its balloon takes away
 * @pages: looked at
 * @changed: of them, with other contents than at first
 * @resident: of them, in memory or swapped out
 * @written: of the resident ones, not all zeros
 * @rewrite_share: XBZRLE's bytes per byte of the pages that changed; 0 when too few did to tell
 */
typedef struct
{
  double seconds;
  guint64 ram_bytes;
  guint pages;
  guint changed;
  guint resident;
  guint written;
  double rewrite_share;
} VmftPageLook;

/** vmft_page_sample_look: looks again. Blocks. %VMFT_ERROR_UNAVAILABLE when the process has gone. */
gboolean vmft_page_sample_look (VmftPageSample *self,
                                VmftPageLook *look,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_xbzrle_bytes: Returns: what QEMU's XBZRLE needs to turn @before into @after, both of @n bytes; @n at most. */
guint vmft_xbzrle_bytes (const guint8 *before, const guint8 *after, guint n);

G_END_DECLS
