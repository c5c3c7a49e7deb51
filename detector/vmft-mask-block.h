/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sixty-four bytes at a time as sets of bits: which are digits, which are letters, which of these hexadecimal. */
#pragma once

#include "vmft-mask-private.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

G_BEGIN_DECLS

#define VMFT_MASK_BLOCK 64

/* Bit i stands for byte i. */
typedef struct
{
  guint64 alnum;
  guint64 digit;
  guint64 lower;   /* a to f */
  guint64 upper;   /* A to F */
  guint64 x;       /* x alone */
  guint64 special; /* a quote, or a byte that may begin a digit outside ASCII */
} VmftMaskBlock;

/* The first digits outside ASCII are ARABIC-INDIC, 0xd9 0xa0 and on. */
#define VMFT_MASK_FOREIGN_MIN 0xd9

#ifdef __SSE2__

static inline __m128i
vmft_mask_in_range (__m128i v, char first, char last)
{
  __m128i from_first = _mm_sub_epi8 (v, _mm_set1_epi8 (first));

  return _mm_cmpeq_epi8 (_mm_min_epu8 (from_first, _mm_set1_epi8 ((char) (last - first))), from_first);
}

static inline void
vmft_mask_classify (const guint8 *s, VmftMaskBlock *block)
{
  memset (block, 0, sizeof *block);
  for (guint i = 0; i < VMFT_MASK_BLOCK; i += 16)
    {
      __m128i v = _mm_loadu_si128 ((const __m128i *) (gconstpointer) (s + i));
      __m128i folded = _mm_or_si128 (v, _mm_set1_epi8 (0x20));
      __m128i quote = _mm_cmpeq_epi8 (v, _mm_set1_epi8 ('"'));
      __m128i foreign = _mm_cmpeq_epi8 (_mm_max_epu8 (v, _mm_set1_epi8 ((char) VMFT_MASK_FOREIGN_MIN)), v);
      guint64 small = (guint) _mm_movemask_epi8 (_mm_slli_epi16 (v, 2)); /* bit 5: lower case */
      guint64 digit = (guint) _mm_movemask_epi8 (vmft_mask_in_range (v, '0', '9'));
      guint64 letter = (guint) _mm_movemask_epi8 (vmft_mask_in_range (folded, 'a', 'z'));
      guint64 hex = (guint) _mm_movemask_epi8 (vmft_mask_in_range (folded, 'a', 'f'));
      guint64 x = (guint) _mm_movemask_epi8 (_mm_cmpeq_epi8 (v, _mm_set1_epi8 ('x')));
      guint64 special = (guint) _mm_movemask_epi8 (_mm_or_si128 (quote, foreign));

      block->digit |= digit << i;
      block->alnum |= (digit | letter) << i;
      block->lower |= (hex & small) << i;
      block->upper |= (hex & ~small) << i;
      block->x |= x << i;
      block->special |= special << i;
    }
}

#else

static inline void
vmft_mask_classify (const guint8 *s, VmftMaskBlock *block)
{
  memset (block, 0, sizeof *block);
  for (guint i = 0; i < VMFT_MASK_BLOCK; i++)
    {
      guint64 bit = G_GUINT64_CONSTANT (1) << i;
      guint class = vmft_mask_class[s[i]];

      block->alnum |= class != 0 ? bit : 0;
      block->digit |= (class & VMFT_MASK_DIGIT) != 0 ? bit : 0;
      block->lower |= (class & VMFT_MASK_LOWER) != 0 && (class & VMFT_MASK_UPPER) == 0 ? bit : 0;
      block->upper |= (class & VMFT_MASK_UPPER) != 0 && (class & VMFT_MASK_LOWER) == 0 ? bit : 0;
      block->x |= s[i] == 'x' ? bit : 0;
      block->special |= s[i] == '"' || s[i] >= VMFT_MASK_FOREIGN_MIN ? bit : 0;
    }
}

#endif

/* Leaves out the first @n bytes. */
static inline void
vmft_mask_block_shift (VmftMaskBlock *block, guint n)
{
  block->alnum >>= n;
  block->digit >>= n;
  block->lower >>= n;
  block->upper >>= n;
  block->x >>= n;
  block->special >>= n;
}

G_END_DECLS
