/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * vmft_mask_bound:
 * @length: bytes of a line
 *
 * Returns: the most bytes that vmft_mask_default() can make of it (every other byte a digit).
 */
static inline gsize
vmft_mask_bound (gsize length)
{
  return 4 * length + 16;
}

/**
 * vmft_mask_default:
 * @text: a message; need not be UTF-8
 * @length: its bytes
 * @out: room for vmft_mask_bound() bytes; not NUL-terminated; must not overlap @text
 *
 * Replaces what the paper's seven masks match (ID, IP, SEQ, SEQ, HEX, NUM, CMD) by `<:NAME:>`. One pass over
 * the bytes; the result is that of applying the seven regular expressions one after the other with Python's
 * `re` to the text decoded as UTF-8, each invalid byte being one character that is neither letter nor digit.
 *
 * Returns: bytes written to @out.
 */
gsize vmft_mask_default (const char *text, gsize length, char *out);

G_END_DECLS
