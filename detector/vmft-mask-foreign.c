/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-mask-private.h"
#include "vmft-utf8.h"

#include <string.h>

/* Characters outside ASCII, and what has been masked: first its kind, then filling. */
#define FOREIGN_DIGIT 0x80
#define FOREIGN_OTHER 0x81
#define MASKED        0x82
#define MASKED_FIRST  0x90

typedef struct
{
  guint8 *s;      /* one byte a character */
  guint32 *start; /* where the character is in the text; one more for the end */
  gsize n;
} Foreign;

static inline gboolean
is_digit (guint8 c)
{
  return c == FOREIGN_DIGIT || vmft_mask_is (c, VMFT_MASK_DIGIT);
}

static gsize
digits_end (const Foreign *f, gsize p)
{
  while (p < f->n && is_digit (f->s[p]))
    p++;
  return p;
}

/* The longest run of digits from @p to at most @q after which no letter or digit follows: what backtracking
 * leaves of \d+ or \d{1,3}. */
static gsize
give_back (const Foreign *f, gsize p, gsize q)
{
  while (q > p && q < f->n && vmft_mask_is (f->s[q], VMFT_MASK_ALNUM))
    q--;
  return q > p ? q : 0;
}

static gsize
match_ip (const Foreign *f, gsize p)
{
  for (guint group = 0; group < 3; group++)
    {
      gsize q = digits_end (f, p);

      if (q == p || q - p > 3 || q >= f->n || f->s[q] != '.')
        return 0;
      p = q + 1;
    }
  return give_back (f, p, MIN (digits_end (f, p), p + 3));
}

static gsize
match_num (const Foreign *f, gsize p)
{
  if (f->s[p] == '-' || f->s[p] == '+')
    p++;
  return give_back (f, p, digits_end (f, p));
}

static gsize
match (const Foreign *f, VmftMaskKind kind, gsize p)
{
  if (kind == VMFT_MASK_CMD)
    return vmft_mask_match_cmd (f->s, f->n, p);
  if (p > 0 && vmft_mask_is (f->s[p - 1], VMFT_MASK_ALNUM))
    return 0;
  switch (kind)
    {
    case VMFT_MASK_ID:
      return vmft_mask_match_id (f->s, f->n, p);
    case VMFT_MASK_IP:
      return match_ip (f, p);
    case VMFT_MASK_SEQ_LOWER:
      return vmft_mask_match_seq_lower (f->s, f->n, p);
    case VMFT_MASK_SEQ_UPPER:
      return vmft_mask_match_seq_upper (f->s, f->n, p);
    case VMFT_MASK_HEXADECIMAL:
      return vmft_mask_match_hex (f->s, f->n, p);
    default:
      return match_num (f, p);
    }
}

/* Finds all matches of one mask, then blots them out: within one mask lookbehind still sees the text. */
static void
pass (Foreign *f, VmftMaskKind kind, GArray *spans)
{
  g_array_set_size (spans, 0);
  for (gsize p = 0; p < f->n;)
    {
      gsize end = match (f, kind, p);

      if (end != 0)
        {
          g_array_append_val (spans, p);
          g_array_append_val (spans, end);
        }
      p = end != 0 ? end : p + 1;
    }
  for (guint i = 0; i < spans->len; i += 2)
    {
      gsize first = g_array_index (spans, gsize, i), end = g_array_index (spans, gsize, i + 1);

      memset (f->s + first, MASKED, end - first);
      f->s[first] = MASKED_FIRST + kind;
    }
}

static void
decode (Foreign *f, const char *text, gsize length)
{
  gsize at = 0;

  f->s = g_malloc (length + 1);
  f->start = g_new (guint32, length + 1);
  for (f->n = 0; at < length; f->n++)
    {
      gunichar c;

      f->start[f->n] = (guint32) at;
      at += vmft_utf8_next (text + at, length - at, &c);
      f->s[f->n] = c < 0x80 ? (guint8) c : vmft_utf8_is_decimal (c) ? FOREIGN_DIGIT : FOREIGN_OTHER;
    }
  f->start[f->n] = (guint32) length;
}

gsize
vmft_mask_foreign (const char *text, gsize length, char *out)
{
  g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (gsize));
  g_autofree guint8 *s = NULL;
  g_autofree guint32 *start = NULL;
  Foreign f;
  gsize used = 0;

  decode (&f, text, length);
  s = f.s;
  start = f.start;
  for (guint kind = 0; kind < VMFT_MASK_N_KINDS; kind++)
    pass (&f, kind, spans);
  for (gsize p = 0; p < f.n; p++)
    {
      if (f.s[p] >= MASKED_FIRST)
        {
          used += vmft_mask_write (f.s[p] - MASKED_FIRST, out + used);
        }
      else if (f.s[p] != MASKED)
        {
          memcpy (out + used, text + start[p], start[p + 1] - start[p]);
          used += start[p + 1] - start[p];
        }
    }
  return used;
}
