/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seven masks in one pass. All but CMD match whole runs of letters and digits: their lookarounds ask for a
 * neighbour that is neither, so a match starts where a run starts and ends where a run ends (or at the one
 * space behind it). That leaves one decision per run: the first mask, in their order, that matches there and
 * whose runs no earlier mask takes. Two things reach beyond the run:
 * - the sign of a NUM needs a neighbour, too: text masked earlier is one (">"), a NUM of the same pass is not;
 * - a CMD swallows whatever was masked between its quotes.
 */
#include "vmft-mask.h"

#include "vmft-mask-private.h"
#include "vmft-utf8.h"

#include <string.h>

typedef struct
{
  const guint8 *s;
  gsize n;
  char *out;
  gsize used;
  gsize done;       /* input up to here is in the output */
  gboolean barrier; /* and ended in a mask that a sign may follow */
} Scan;

static inline void
copy_up_to (Scan *scan, gsize p)
{
  memcpy (scan->out + scan->used, scan->s + scan->done, p - scan->done);
  scan->used += p - scan->done;
  scan->done = p;
  scan->barrier = FALSE;
}

static inline gsize
replace (Scan *scan, VmftMaskKind kind, gsize first, gsize end)
{
  copy_up_to (scan, first);
  scan->used += vmft_mask_write (kind, scan->out + scan->used);
  scan->done = end;
  scan->barrier = kind != VMFT_MASK_NUM;
  return end;
}

/* Whether the sign before the number at @p belongs to it. */
static inline gboolean
takes_sign (const Scan *scan, gsize p)
{
  if (p <= scan->done || (scan->s[p - 1] != '-' && scan->s[p - 1] != '+'))
    return FALSE;
  if (p - 1 == scan->done && scan->barrier)
    return TRUE;
  return p == 1 || !vmft_mask_is (scan->s[p - 2], VMFT_MASK_ALNUM);
}

/* Masks the run from @p to @end, whose characters have all of @classes. Returns: where to go on. */
static gsize
mask_run (Scan *scan, gsize p, gsize end, guint classes)
{
  const guint8 *s = scan->s;
  const gsize n = scan->n, length = end - p;
  const guint8 next = end < n ? s[end] : 0;
  gsize last;

  if ((classes & VMFT_MASK_LOWER) && next == ':' && (last = vmft_mask_match_id (s, n, p)) != 0)
    return replace (scan, VMFT_MASK_ID, p, last);
  if ((classes & VMFT_MASK_DIGIT) && next == '.' && (last = vmft_mask_match_ip (s, n, p)) != 0)
    return replace (scan, VMFT_MASK_IP, p, last);
  if ((classes & VMFT_MASK_LOWER) && length >= 6 && (next == ' ' || length >= 18) &&
      (last = vmft_mask_match_seq_lower (s, n, p)) != 0)
    return replace (scan, VMFT_MASK_SEQ_LOWER, p, last);
  if ((classes & VMFT_MASK_UPPER) && length % 4 == 0 && (next == ' ' || length >= 16) &&
      (last = vmft_mask_match_seq_upper (s, n, p)) != 0)
    return replace (scan, VMFT_MASK_SEQ_UPPER, p, last);
  if (classes & VMFT_MASK_DIGIT)
    return replace (scan, VMFT_MASK_NUM, takes_sign (scan, p) ? p - 1 : p, end);
  if ((classes & VMFT_MASK_HEX_X) && vmft_mask_match_hex (s, n, p) == end)
    return replace (scan, VMFT_MASK_HEXADECIMAL, p, end);
  return end;
}

static gboolean
foreign_digit_at (const Scan *scan, gsize p)
{
  gunichar c;

  vmft_utf8_next ((const char *) scan->s + p, scan->n - p, &c);
  return c != VMFT_UTF8_OPAQUE && vmft_utf8_is_decimal (c);
}

gsize
vmft_mask_default (const char *text, gsize length, char *out)
{
  Scan scan = { .s = (const guint8 *) text, .n = length, .out = out };
  gsize p = 0;

  while (p < length)
    {
      guint8 c = scan.s[p], class = vmft_mask_class[c], common;
      gsize first = p;

      if (class == 0)
        {
          gsize end = c == '"' ? vmft_mask_match_cmd (scan.s, length, p) : 0;

          if (c >= 0xd9 && foreign_digit_at (&scan, p)) /* the first are ARABIC-INDIC, from 0xd9 0xa0 on */
            return vmft_mask_foreign (text, length, out);
          p = end != 0 ? replace (&scan, VMFT_MASK_CMD, p, end) : p + 1;
          continue;
        }
      for (common = class; ++p < length && (class = vmft_mask_class[scan.s[p]]) != 0;)
        common &= class;
      if (common != VMFT_MASK_ALNUM)
        p = mask_run (&scan, first, p, common);
    }
  copy_up_to (&scan, length);
  return scan.used;
}
