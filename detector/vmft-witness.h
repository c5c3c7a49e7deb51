/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * VmftWitness:
 *
 * The same record of the kernel often comes by several ways: /dev/kmsg, the journal, a file. It is one record
 * of evidence, and it is as trustworthy as the best of its ways.
 */
typedef struct _VmftWitness VmftWitness;

#define VMFT_WITNESS_S 5.0 /* so soon must another source show the same line */

VmftWitness *vmft_witness_new (void);
void vmft_witness_free (VmftWitness *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftWitness, vmft_witness_free)

/**
 * vmft_witness_see:
 * @source: where @line came from
 * @trusted: (out): whether this line, or the same one from another source, is trusted
 *
 * Returns: whether another source has shown the very same record before
 */
gboolean vmft_witness_see (VmftWitness *self, const VmftLine *line, const char *source, gboolean *trusted);

G_END_DECLS
