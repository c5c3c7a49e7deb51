/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-mask-private.h"

#include <string.h>

#define A VMFT_MASK_ALNUM
#define N (A | VMFT_MASK_DIGIT | VMFT_MASK_LOWER | VMFT_MASK_UPPER | VMFT_MASK_HEX | VMFT_MASK_HEX_X)
#define L (A | VMFT_MASK_LOWER | VMFT_MASK_HEX | VMFT_MASK_HEX_X)
#define U (A | VMFT_MASK_UPPER | VMFT_MASK_HEX | VMFT_MASK_HEX_X)
#define X (A | VMFT_MASK_HEX_X)

const guint8 vmft_mask_class[256] = {
  ['0'] = N, ['1'] = N, ['2'] = N, ['3'] = N, ['4'] = N, ['5'] = N, ['6'] = N, ['7'] = N, ['8'] = N,
  ['9'] = N, ['a'] = L, ['b'] = L, ['c'] = L, ['d'] = L, ['e'] = L, ['f'] = L, ['g'] = A, ['h'] = A,
  ['i'] = A, ['j'] = A, ['k'] = A, ['l'] = A, ['m'] = A, ['n'] = A, ['o'] = A, ['p'] = A, ['q'] = A,
  ['r'] = A, ['s'] = A, ['t'] = A, ['u'] = A, ['v'] = A, ['w'] = A, ['x'] = X, ['y'] = A, ['z'] = A,
  ['A'] = U, ['B'] = U, ['C'] = U, ['D'] = U, ['E'] = U, ['F'] = U, ['G'] = A, ['H'] = A, ['I'] = A,
  ['J'] = A, ['K'] = A, ['L'] = A, ['M'] = A, ['N'] = A, ['O'] = A, ['P'] = A, ['Q'] = A, ['R'] = A,
  ['S'] = A, ['T'] = A, ['U'] = A, ['V'] = A, ['W'] = A, ['X'] = A, ['Y'] = A, ['Z'] = A,
};

#undef A
#undef N
#undef L
#undef U
#undef X

const VmftMaskName vmft_mask_names[VMFT_MASK_N_KINDS] = {
  [VMFT_MASK_ID] = { "<:ID:>  ", 6 },          [VMFT_MASK_IP] = { "<:IP:>  ", 6 },
  [VMFT_MASK_SEQ_LOWER] = { "<:SEQ:> ", 7 },   [VMFT_MASK_SEQ_UPPER] = { "<:SEQ:> ", 7 },
  [VMFT_MASK_HEXADECIMAL] = { "<:HEX:> ", 7 }, [VMFT_MASK_NUM] = { "<:NUM:> ", 7 },
  [VMFT_MASK_CMD] = { "<:CMD:> ", 7 },
};

static inline gsize
run_end (const guint8 *s, gsize n, gsize p, guint classes)
{
  while (p < n && vmft_mask_is (s[p], classes))
    p++;
  return p;
}

static inline gboolean
alnum_at (const guint8 *s, gsize n, gsize p)
{
  return p < n && vmft_mask_is (s[p], VMFT_MASK_ALNUM);
}

/* ([0-9a-f]{2,}:){3,}([0-9a-f]{2,}) */
gsize
vmft_mask_match_id (const guint8 *s, gsize n, gsize p)
{
  gsize end = 0;
  guint groups = 0;

  for (;;)
    {
      gsize q = run_end (s, n, p, VMFT_MASK_LOWER);

      /* A group too short or run into other letters: the match ends before its colon. */
      if (q - p < 2 || alnum_at (s, n, q))
        break;
      end = q;
      groups++;
      if (q >= n || s[q] != ':')
        break;
      p = q + 1;
    }
  return groups >= 4 ? end : 0;
}

/* \d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3} */
gsize
vmft_mask_match_ip (const guint8 *s, gsize n, gsize p)
{
  for (guint group = 0;; group++)
    {
      gsize q = run_end (s, n, p, VMFT_MASK_DIGIT);

      if (q == p || q - p > 3)
        return 0;
      if (group < 3 && (q >= n || s[q] != '.'))
        return 0;
      if (group == 3)
        {
          if (alnum_at (s, n, q) || (q < n && s[q] == ':' && vmft_mask_match_id (s, n, p) != 0))
            return 0;
          return q;
        }
      p = q + 1;
    }
}

/* A sequence's last space belongs to it unless a letter or digit follows, which an earlier mask may have
 * turned into "<". */
static gsize
with_space (const guint8 *s, gsize n, gsize end, gboolean upper)
{
  gsize p = end + 1;

  if (end >= n || s[end] != ' ')
    return end;
  if (!alnum_at (s, n, p) || vmft_mask_match_id (s, n, p) != 0 || vmft_mask_match_ip (s, n, p) != 0)
    return end + 1;
  return upper && vmft_mask_match_seq_lower (s, n, p) != 0 ? end + 1 : end;
}

/* ([0-9a-f]{6,} ?){3,}: a run of 12 counts twice, as backtracking finds. */
gsize
vmft_mask_match_seq_lower (const guint8 *s, gsize n, gsize p)
{
  gsize end = 0, count = 0;

  for (;;)
    {
      gsize q = run_end (s, n, p, VMFT_MASK_LOWER);

      if (q - p < 6 || alnum_at (s, n, q) || (q < n && s[q] == ':' && vmft_mask_match_id (s, n, p) != 0))
        break;
      count += (q - p) / 6;
      end = q;
      if (q >= n || s[q] != ' ')
        break;
      p = q + 1;
    }
  return count >= 3 ? with_space (s, n, end, FALSE) : 0;
}

/* ([0-9A-F]{4} ?){4,} */
gsize
vmft_mask_match_seq_upper (const guint8 *s, gsize n, gsize p)
{
  gsize end = 0, count = 0;

  for (;;)
    {
      gsize q = run_end (s, n, p, VMFT_MASK_UPPER);

      if (q == p || (q - p) % 4 != 0 || alnum_at (s, n, q))
        break;
      if ((q < n && s[q] == ':' && vmft_mask_match_id (s, n, p) != 0) ||
          vmft_mask_match_seq_lower (s, n, p) != 0)
        break;
      count += (q - p) / 4;
      end = q;
      if (q >= n || s[q] != ' ')
        break;
      p = q + 1;
    }
  return count >= 4 ? with_space (s, n, end, TRUE) : 0;
}

/* 0x[a-f0-9A-F]+ */
gsize
vmft_mask_match_hex (const guint8 *s, gsize n, gsize p)
{
  gsize q;

  if (n - p < 3 || s[p] != '0' || s[p + 1] != 'x')
    return 0;
  q = run_end (s, n, p + 2, VMFT_MASK_HEX);
  return q > p + 2 && !alnum_at (s, n, q) ? q : 0;
}

/* (?<=executed cmd )(".+?") */
gsize
vmft_mask_match_cmd (const guint8 *s, gsize n, gsize p)
{
  static const char before[] = "executed cmd ";
  const gsize length = sizeof before - 1;

  if (s[p] != '"' || p < length || memcmp (s + p - length, before, length) != 0)
    return 0;
  if (p + 2 >= n || s[p + 1] == '\n')
    return 0;
  for (gsize q = p + 2; q < n && s[q] != '\n'; q++)
    {
      if (s[q] == '"')
        return q + 1;
    }
  return 0;
}
