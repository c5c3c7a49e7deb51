/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Characters of a line that need not be UTF-8, classified as Python's str does it. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** What an invalid byte decodes to: beyond Unicode, so neither letter nor digit nor space. */
#define VMFT_UTF8_OPAQUE ((gunichar) 0x110000)

/**
 * vmft_utf8_next:
 * @text: at least one byte
 * @length: bytes there
 * @c: (out): the character, or %VMFT_UTF8_OPAQUE for one invalid byte
 *
 * Returns: bytes used
 */
static inline gsize
vmft_utf8_next (const char *text, gsize length, gunichar *c)
{
  if ((guchar) text[0] < 0x80)
    {
      *c = (guchar) text[0];
      return 1;
    }
  *c = g_utf8_get_char_validated (text, (gssize) MIN (length, 4));
  if (*c >= VMFT_UTF8_OPAQUE)
    {
      *c = VMFT_UTF8_OPAQUE;
      return 1;
    }
  return *c < 0x800 ? 2 : *c < 0x10000 ? 3 : 4;
}

/** vmft_utf8_is_decimal: Returns: whether `\d` matches @c: Unicode category Nd. */
static inline gboolean
vmft_utf8_is_decimal (gunichar c)
{
  return c < 0x80 ? g_ascii_isdigit ((char) c) : g_unichar_type (c) == G_UNICODE_DECIMAL_NUMBER;
}

/** vmft_utf8_is_digit: Returns: str.isdigit(): decimals and the likes of superscript and circled digits. */
gboolean vmft_utf8_is_digit (gunichar c);

/** vmft_utf8_is_space: Returns: whether str.split() splits there (bidirectional WS, B, S or category Zs). */
static inline gboolean
vmft_utf8_is_space (gunichar c)
{
  return c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

G_END_DECLS
