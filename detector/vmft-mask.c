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

#include "vmft-mask-block.h"
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
  const gsize length = p - scan->done;
  const guint8 *from = scan->s + scan->done;

  /* Mostly a few words: sixteen bytes each way are cheaper than a call. */
  if (length <= 16 && scan->n - scan->done >= 16)
    memcpy (scan->out + scan->used, from, 16);
  else
    memcpy (scan->out + scan->used, from, length);
  scan->used += length;
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
  if (s[p] == '0' && vmft_mask_match_hex (s, n, p) == end)
    return replace (scan, VMFT_MASK_HEXADECIMAL, p, end);
  return end;
}

/* A stretch of the text whose runs are all whole, as bits. */
typedef struct
{
  VmftMaskBlock bits;
  gsize base;
  gsize length;
  guint64 starts; /* of runs that begin with a digit, a hexadecimal letter or x */
  guint64 ends;   /* the bytes behind those of them that have no other letters */
} Window;

static inline guint64
bits_below (gsize n)
{
  return n < 64 ? (G_GUINT64_CONSTANT (1) << n) - 1 : ~G_GUINT64_CONSTANT (0);
}

/* Reads the window at @base. Returns: %FALSE when it would be but a part of one run. */
static inline gboolean
window_read (Window *w, const Scan *scan, gsize base)
{
  VmftMaskBlock *bits = &w->bits;
  guint64 plain;

  w->base = base;
  w->length = scan->n - base;
  if (w->length >= VMFT_MASK_BLOCK)
    {
      vmft_mask_classify (scan->s + base, bits);
      if (~bits->alnum == 0)
        return FALSE;
      /* A run that goes on behind the block is left to the next one. */
      w->length = VMFT_MASK_BLOCK - (gsize) __builtin_clzll (~bits->alnum);
    }
  else if (scan->n >= VMFT_MASK_BLOCK)
    {
      vmft_mask_classify (scan->s + scan->n - VMFT_MASK_BLOCK, bits);
      vmft_mask_block_shift (bits, VMFT_MASK_BLOCK - (guint) w->length);
    }
  else
    {
      guint8 rest[VMFT_MASK_BLOCK] = { 0 };

      memcpy (rest, scan->s + base, w->length);
      vmft_mask_classify (rest, bits);
    }
  bits->alnum &= bits_below (w->length);
  bits->special &= bits_below (w->length);

  /* Adding a run's first bit carries to the first byte behind what is plain: within the run when another
   * letter comes, else behind it, where no letter stands. */
  plain = bits->alnum & (bits->digit | bits->lower | bits->upper | bits->x);
  w->starts = plain & ~(bits->alnum << 1);
  w->ends = (plain + w->starts) & ~plain & ~bits->alnum;
  return TRUE;
}

static inline guint
window_classes (const Window *w, guint start, guint end)
{
  guint64 run = bits_below (end) & ~bits_below (start), rest = run & ~w->bits.digit;

  if (rest == 0)
    return VMFT_MASK_DIGIT | VMFT_MASK_LOWER | VMFT_MASK_UPPER;
  if ((rest & ~w->bits.lower) == 0)
    return VMFT_MASK_LOWER;
  if ((rest & ~w->bits.upper) == 0)
    return VMFT_MASK_UPPER;
  return VMFT_MASK_HEX_X;
}

static gboolean
foreign_digit_at (const Scan *scan, gsize p)
{
  gunichar c;

  vmft_utf8_next ((const char *) scan->s + p, scan->n - p, &c);
  return c != VMFT_UTF8_OPAQUE && vmft_utf8_is_decimal (c);
}

/* Masks what begins in the window. Returns: where to go on; %G_MAXSIZE when a foreign digit was met. */
static gsize
window_mask (const Window *w, Scan *scan)
{
  gsize p = w->base;

  for (guint64 events = w->ends | w->bits.special; events != 0; events &= events - 1)
    {
      guint at = (guint) __builtin_ctzll (events);
      guint64 bit = events & -events;

      if (w->ends & bit)
        {
          guint start = 63 - (guint) __builtin_clzll (w->starts & (bit - 1));

          if (w->base + start >= p)
            p = mask_run (scan, w->base + start, w->base + at, window_classes (w, start, at));
        }
      if ((w->bits.special & bit) && w->base + at >= p)
        {
          gsize end = vmft_mask_match_cmd (scan->s, scan->n, w->base + at);

          if (end != 0)
            p = replace (scan, VMFT_MASK_CMD, w->base + at, end);
          else if (scan->s[w->base + at] != '"' && foreign_digit_at (scan, w->base + at))
            return G_MAXSIZE;
        }
    }
  return MAX (p, w->base + w->length);
}

/* A run longer than a window. */
static gsize
long_run_mask (Scan *scan, gsize first)
{
  gsize p = first;
  guint8 common = G_MAXUINT8;

  for (; p < scan->n && vmft_mask_class[scan->s[p]] != 0; p++)
    common &= vmft_mask_class[scan->s[p]];
  return common != VMFT_MASK_ALNUM ? mask_run (scan, first, p, common) : p;
}

gsize
vmft_mask_default (const char *text, gsize length, char *out)
{
  Scan scan = { .s = (const guint8 *) text, .n = length, .out = out };
  gsize p = 0;

  if (length == 0)
    return 0;
  while (p < length)
    {
      Window w;

      p = window_read (&w, &scan, p) ? window_mask (&w, &scan) : long_run_mask (&scan, p);
      if (G_UNLIKELY (p == G_MAXSIZE))
        return vmft_mask_foreign (text, length, out);
    }
  copy_up_to (&scan, length);
  return scan.used;
}
