/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the single pass (vmft-mask.c) and the pass for text with foreign digits share. */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/* One byte stands for one character: ASCII for itself, any byte from 0x80 on for some other character. */

typedef enum
{
  VMFT_MASK_ALNUM = 1 << 0, /* [A-Za-z0-9], what the lookarounds ask for */
  VMFT_MASK_DIGIT = 1 << 1, /* [0-9] */
  VMFT_MASK_LOWER = 1 << 2, /* [0-9a-f] */
  VMFT_MASK_UPPER = 1 << 3, /* [0-9A-F] */
  VMFT_MASK_HEX = 1 << 4,   /* [0-9a-fA-F] */
  VMFT_MASK_HEX_X = 1 << 5, /* [0-9a-fA-Fx] */
} VmftMaskClass;

typedef enum
{
  VMFT_MASK_ID,
  VMFT_MASK_IP,
  VMFT_MASK_SEQ_LOWER,
  VMFT_MASK_SEQ_UPPER,
  VMFT_MASK_HEXADECIMAL,
  VMFT_MASK_NUM,
  VMFT_MASK_CMD,
  VMFT_MASK_N_KINDS
} VmftMaskKind;

extern const guint8 vmft_mask_class[256];

static inline gboolean
vmft_mask_is (guint8 c, guint classes)
{
  return (vmft_mask_class[c] & classes) != 0;
}

/* Each: the end of the mask's match that starts at @p, where no letter or digit stands before; 0 for none.
 * A match is given up where an earlier mask in the order takes part of it away. */
gsize vmft_mask_match_id (const guint8 *s, gsize n, gsize p);
gsize vmft_mask_match_ip (const guint8 *s, gsize n, gsize p);
gsize vmft_mask_match_seq_lower (const guint8 *s, gsize n, gsize p);
gsize vmft_mask_match_seq_upper (const guint8 *s, gsize n, gsize p);
gsize vmft_mask_match_hex (const guint8 *s, gsize n, gsize p);

/* The end of a quoted command whose opening quote is at @p; 0 for none. */
gsize vmft_mask_match_cmd (const guint8 *s, gsize n, gsize p);

/* `<:NAME:>`, padded to eight bytes, so that writing one is a single store. */
typedef struct
{
  char text[9];
  guint8 length;
} VmftMaskName;

extern const VmftMaskName vmft_mask_names[VMFT_MASK_N_KINDS];

/* Writes the name of @kind to @out, which has room for eight bytes. Returns: how many count. */
static inline gsize
vmft_mask_write (VmftMaskKind kind, char *out)
{
  memcpy (out, vmft_mask_names[kind].text, 8);
  return vmft_mask_names[kind].length;
}

/* vmft_mask_default() mask by mask, for text with decimal digits outside ASCII: `\d` matches them while the
 * lookarounds count them as punctuation, so that matches may begin and end within a run of digits. */
gsize vmft_mask_foreign (const char *text, gsize length, char *out);

G_END_DECLS
