/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-utf8.h"

/* Numeric_Type=Digit without Nd (Unicode 15, DerivedNumericType.txt). */
static const struct
{
  gunichar first, last;
} digits[] = {
  { 0xb2, 0xb3 },     { 0xb9, 0xb9 },       { 0x1369, 0x1371 },   { 0x19da, 0x19da },   { 0x2070, 0x2070 },
  { 0x2074, 0x2079 }, { 0x2080, 0x2089 },   { 0x2460, 0x2468 },   { 0x2474, 0x247c },   { 0x2488, 0x2490 },
  { 0x24ea, 0x24ea }, { 0x24f5, 0x24fd },   { 0x24ff, 0x24ff },   { 0x2776, 0x277e },   { 0x2780, 0x2788 },
  { 0x278a, 0x2792 }, { 0x10a40, 0x10a43 }, { 0x10e60, 0x10e68 }, { 0x11052, 0x1105a }, { 0x1f100, 0x1f10a },
};

gboolean
vmft_utf8_is_digit (gunichar c)
{
  if (c < 0x80)
    return g_ascii_isdigit ((char) c);
  for (gsize i = 0; i < G_N_ELEMENTS (digits); i++)
    {
      if (c >= digits[i].first && c <= digits[i].last)
        return TRUE;
    }
  return vmft_utf8_is_decimal (c);
}
