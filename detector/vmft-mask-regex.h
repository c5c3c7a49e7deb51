/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** VmftMaskRegex: an operator's own masks: named regular expressions, applied in order. Not thread-safe. */
typedef struct _VmftMaskRegex VmftMaskRegex;

/** VmftMaskSpec: what matches @pattern (PCRE2, UTF, Unicode classes) becomes `<:NAME:>`. */
typedef struct
{
  const char *name;
  const char *pattern;
} VmftMaskSpec;

/**
 * vmft_mask_regex_new:
 * @specs: the masks, in the order in which they apply
 * @n_specs: how many
 * @error: return location; %VMFT_ERROR_CONFIG names the mask, what is wrong and where
 *
 * Compiles the masks (PCRE2 with JIT) and tries each on lines made to provoke backtracking: a mask that is
 * invalid, that matches the empty string, or that exceeds its match limit there is refused.
 *
 * Returns: (transfer full): the masks
 */
VmftMaskRegex *vmft_mask_regex_new (const VmftMaskSpec *specs,
                                    gsize n_specs,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_mask_regex_load:
 * @path: a file with one mask a line, a name, blanks, a pattern; `#` begins a comment line
 * @error: return location; %VMFT_ERROR_CONFIG names file, line or mask
 *
 * Returns: (transfer full): the masks
 */
VmftMaskRegex *vmft_mask_regex_load (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_mask_regex_free (VmftMaskRegex *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftMaskRegex, vmft_mask_regex_free)

/**
 * vmft_mask_regex_apply:
 * @text: a message; need not be UTF-8: an invalid byte matches like one private-use character
 * @length: its bytes
 * @out: the masked text replaces what is in it
 *
 * A mask that runs into its match limit on this line leaves the line's remainder as it is; see
 * vmft_mask_regex_limited().
 */
void vmft_mask_regex_apply (VmftMaskRegex *self, const char *text, gsize length, GString *out);

/** vmft_mask_regex_limited: Returns: how many times a match limit was hit since the start. */
guint64 vmft_mask_regex_limited (VmftMaskRegex *self);

/** vmft_mask_regex_fingerprint: Returns: a hash of names and patterns, equal for equal masks. */
guint64 vmft_mask_regex_fingerprint (VmftMaskRegex *self);

/** vmft_mask_regex_default_fingerprint: Returns: the same for the default masks. */
guint64 vmft_mask_regex_default_fingerprint (void);

G_END_DECLS
