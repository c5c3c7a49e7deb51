/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-conf.h"
#include "vmft-detector.h"
#include "vmft-inference.h"

G_BEGIN_DECLS

/**
 * VmftInquiry: between detector and log inference. It asks about what an answer could change: a template of the
 * kernel that was never seen before and counts as no fault, and one that counts as a fault without a family and
 * below %VMFT_ANSWER_MAX_LOWERED_P; under engine `vmft-lad`, which has the paper's log inference, every template of
 * the kernel once learning is over. Nobody waits: the alarm has been raised, the answer amends it.
 *
 * "faulty" raises: the line that was asked about is judged again and opens an incident. "normal" lowers: an open
 * incident that rests on this template alone is cleared. Both last, the answers being in the store.
 */
typedef struct _VmftInquiry VmftInquiry;

/** VmftInquiryFeed: judge @line (again); it comes from @source. */
typedef void (*VmftInquiryFeed) (const VmftLine *line, const char *source, gpointer user_data);

/**
 * vmft_inquiry_new:
 * @conf: group [Inference]
 * @feed: how a line gets to the detector and what comes of it to the policy
 * @error: return location, %VMFT_ERROR_CONFIG, or the store's error
 *
 * Tells @detector the answers of earlier runs.
 *
 * Returns: (transfer full): the inquiry
 */
VmftInquiry *vmft_inquiry_new (VmftConf *conf,
                               VmftClock *clock,
                               VmftStore *store,
                               VmftDetector *detector,
                               VmftInquiryFeed feed,
                               gpointer user_data,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_inquiry_free (VmftInquiry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftInquiry, vmft_inquiry_free)

/** vmft_inquiry_note: a line has been judged; may be called while a transaction is open. */
void
vmft_inquiry_note (VmftInquiry *self, const VmftLine *line, const char *source, const VmftVerdict *verdict);

/** vmft_inquiry_get_inference: Returns: (transfer none): for listing and overruling answers. */
VmftInference *vmft_inquiry_get_inference (VmftInquiry *self);

/** vmft_inquiry_find: Returns: (transfer none) (nullable): the answer @key. */
const VmftAnswer *vmft_inquiry_find (VmftInquiry *self, const char *key);

/** vmft_inquiry_forget: forgets the answer @key, what it changed included; %VMFT_ERROR_NOT_FOUND. */
gboolean vmft_inquiry_forget (VmftInquiry *self, const char *key, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_inquiry_to_variant: Returns: (transfer floating): `a{sv}`: vmft_inference_describe(), with the provider's name as
 * it is configured, raised, lowered.
 */
GVariant *vmft_inquiry_to_variant (VmftInquiry *self);

G_END_DECLS
