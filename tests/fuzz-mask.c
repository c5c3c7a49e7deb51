/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes masked both ways, in one pass and mask by mask: the same text comes out, within its bound. */
#include "vmft-mask-private.h"
#include "vmft-mask.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_memdup2 (data, size);
  g_autofree char *one = g_malloc (vmft_mask_bound (size));
  g_autofree char *other = g_malloc (vmft_mask_bound (size));
  gsize one_length = vmft_mask_default (text, size, one);
  gsize other_length = vmft_mask_foreign (text, size, other);

  g_assert_cmpmem (one, one_length, other, other_length);
  return 0;
}
