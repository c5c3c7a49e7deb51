/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows back into a miner: the rows come in any order, so they are collected, then put together. */
#pragma once

#include "vmft-drain.h"

G_BEGIN_DECLS

typedef struct _VmftDrainLoad VmftDrainLoad;

/** vmft_drain_load_begin: Returns: (transfer full) (nullable): to collect rows in; %VMFT_ERROR_CONFIG. */
VmftDrainLoad *vmft_drain_load_begin (const VmftDrainConfig *config,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_drain_load_row: takes one row; what is wrong with it, vmft_drain_load_end() tells. */
void vmft_drain_load_row (VmftDrainLoad *load, const char *key, GVariant *record);

/** vmft_drain_load_end: Returns: (transfer full): the miner; %VMFT_ERROR_CORRUPT, %VMFT_ERROR_CONFIG. */
VmftDrain *vmft_drain_load_end (VmftDrainLoad *load, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_drain_load_free (VmftDrainLoad *load);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftDrainLoad, vmft_drain_load_free)

/** vmft_drain_fingerprint: Returns: (transfer full): what of the configuration makes two trees differ. */
char *vmft_drain_fingerprint (VmftDrain *self);

/**
 * vmft_drain_escape:
 * @bytes: words of a template, which need not be UTF-8
 *
 * Returns: (transfer full): text that JSON can hold; bytes that are no text, and backslashes, are `\\xHH`.
 */
char *vmft_drain_escape (const char *bytes, gsize length);

/** vmft_drain_unescape: Returns: (transfer full) (nullable): the bytes again; NULL for a broken escape. */
GBytes *vmft_drain_unescape (const char *text);

G_END_DECLS
