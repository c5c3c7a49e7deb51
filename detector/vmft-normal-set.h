/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * VmftNormalSet:
 *
 * What this host has shown to be normal: (template text, locus), with the combinations of words seen under the
 * template, how often it came while it was learned, and when it came last.
 *
 * An entry learned from the log is pending until two boots have shown it; an acknowledged one is normal at
 * once. Twenty times the learned rate counts again, once for a flood: further lines in excess are counted and
 * covered until there was none for half an hour. 30 days of silence make an entry forgotten.
 */
typedef struct _VmftNormalSet VmftNormalSet;

#define VMFT_NORMAL_EXCESS    20.0   /* times the learned rate */
#define VMFT_NORMAL_QUIET_S   1800.0 /* without excess: the next one is news */
#define VMFT_NORMAL_EXPIRY_S  (30.0 * 24 * 3600)
#define VMFT_NORMAL_BOOTS     2 /* that must have shown an entry */
#define VMFT_NORMAL_MAX_COUNT 20000
#define VMFT_NORMAL_MAX_WORDS 32 /* combinations kept for an entry */

/**
 * VmftNormalKey: what is asked about.
 * @words: hash of the line's words (VmftDrainMatch)
 * @p: of the line's own words
 * @family: (nullable): a line of another family is never covered
 */
typedef struct
{
  const char *template_text;
  const VmftLocus *locus;
  const char *family;
  guint64 words;
  double p;
} VmftNormalKey;

VmftNormalSet *vmft_normal_set_new (void);

/** vmft_normal_set_load: reads the table %VMFT_STORE_NORMAL; rows that make no sense are left out. */
gboolean vmft_normal_set_load (VmftNormalSet *self,
                               VmftStore *store,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_normal_set_free (VmftNormalSet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftNormalSet, vmft_normal_set_free)

/**
 * vmft_normal_set_covers:
 * @now_us: when the line came
 *
 * Counts the line against the learned rate as well.
 *
 * Returns: whether the line is normal
 */
gboolean vmft_normal_set_covers (VmftNormalSet *self, const VmftNormalKey *key, VmftTime now_us);

/**
 * vmft_normal_set_learn:
 * @boot: serial number of the boot that shows the line
 * @at_once: one boot is enough (learnable families)
 */
void vmft_normal_set_learn (VmftNormalSet *self,
                            const VmftNormalKey *key,
                            VmftTime now_us,
                            guint64 boot,
                            gboolean at_once);

/** vmft_normal_set_acknowledge: normal at once, because the operator says so; @per_minute: how often it came. */
void vmft_normal_set_acknowledge (VmftNormalSet *self,
                                  const VmftNormalKey *key,
                                  double per_minute,
                                  VmftTime now_us);

/** vmft_normal_set_expire: forgets what was silent for 30 days. */
void vmft_normal_set_expire (VmftNormalSet *self, VmftTime now_us);

/** vmft_normal_set_flush: puts changed entries into @store, and removes forgotten ones. */
gboolean vmft_normal_set_flush (VmftNormalSet *self,
                                VmftStore *store,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_normal_set_mark_saved: what was flushed is durable. */
void vmft_normal_set_mark_saved (VmftNormalSet *self);

/** vmft_normal_set_excess: Returns: lines beyond the learned rate of what they belong to. */
guint64 vmft_normal_set_excess (const VmftNormalSet *self);

/** vmft_normal_set_count: Returns: entries that are normal, without pending ones. */
guint vmft_normal_set_count (const VmftNormalSet *self);

G_END_DECLS
