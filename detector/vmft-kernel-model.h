/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

G_BEGIN_DECLS

/**
 * VmftKernelModel:
 *
 * The kernel-message model: the probability that a message of the kernel is one that its authors graded
 * warning or worse. Logistic regression over hashed uni- and bigrams, trained by data/train-kernel-model.py,
 * which also documents features and file format.
 */
typedef struct _VmftKernelModel VmftKernelModel;

/**
 * vmft_kernel_model_load:
 * @path: (nullable): the model; NULL for vmft_detector_data_path() of "kernel-message.model"
 * @error: return location: %VMFT_ERROR_NOT_FOUND, %VMFT_ERROR_CORRUPT for a file whose checksum, size or
 * header is wrong
 *
 * Returns: (transfer full): the model
 */
VmftKernelModel *vmft_kernel_model_load (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_kernel_model_parse: vmft_kernel_model_load() from @data, named @name in errors. */
VmftKernelModel *vmft_kernel_model_parse (const char *name, const char *data, gsize length, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

void vmft_kernel_model_free (VmftKernelModel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftKernelModel, vmft_kernel_model_free)

/**
 * vmft_kernel_model_score:
 * @text: a template or masked line; a printk stamp, `<:NAME:>` and `<*>` are passed over
 * @length: bytes; what follows the first 512 words does not count
 *
 * No allocation; about a microsecond. Score a template once per generation.
 *
 * Returns: probability in (0, 1) that the message announces a fault; 0 for a text without words
 */
double vmft_kernel_model_score (const VmftKernelModel *self, const char *text, gsize length);

/**
 * vmft_kernel_model_score_worst_part:
 *
 * Words that somebody adds to a message dilute its score; they do not dilute that of the part they were added to.
 *
 * Returns: the highest probability of the whole text and of any 4 to 32 neighbouring words of it
 */
double vmft_kernel_model_score_worst_part (const VmftKernelModel *self, const char *text, gsize length);

G_END_DECLS
