/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VmftTokens:
 *
 * Words of templates as small numbers. Only words that some template or tree node uses are kept, so the table
 * is as bounded as they are: a word of a passing line is looked up, not stored. Texts that are looked up need
 * %VMFT_HASH_PADDING readable bytes behind them.
 */
typedef struct _VmftTokens VmftTokens;

/** The number of no word. */
#define VMFT_TOKEN_NONE 0

VmftTokens *vmft_tokens_new (void);
void vmft_tokens_free (VmftTokens *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftTokens, vmft_tokens_free)

/** vmft_tokens_find: Returns: the word's number, or %VMFT_TOKEN_NONE for one that nothing uses. */
guint32 vmft_tokens_find (const VmftTokens *self, const char *text, gsize length);

/** vmft_tokens_intern: Returns: the word's number, with one reference more. */
guint32 vmft_tokens_intern (VmftTokens *self, const char *text, gsize length);

/** vmft_tokens_ref: one reference more to @id. */
void vmft_tokens_ref (VmftTokens *self, guint32 id);

/** vmft_tokens_unref: the last reference frees the number for another word. */
void vmft_tokens_unref (VmftTokens *self, guint32 id);

/** vmft_tokens_text: Returns: the word, which is not NUL-terminated; its @length bytes live as long as it. */
const char *vmft_tokens_text (const VmftTokens *self, guint32 id, gsize *length);

/** vmft_tokens_memory_bytes: Returns: bytes held. */
gsize vmft_tokens_memory_bytes (const VmftTokens *self);

G_END_DECLS
