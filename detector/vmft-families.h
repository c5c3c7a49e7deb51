/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * VmftFamilies:
 *
 * The fault-family table, data/fault-families.conf: which messages belong to which fault. That file documents
 * its keys.
 */
typedef struct _VmftFamilies VmftFamilies;

/**
 * VmftFamily: one group of the table.
 * @alarms: its messages are faults whatever the model says; else the model decides
 * @benign: its messages are none, whatever the model says
 * @evidence: how many records confirm an incident: 1, 2, or 0 for lines that only belong to a record
 * @terminal: a state that stays until something proves it gone
 * @learnable: healthy hosts say it too, at boot: its (template, locus) may become normal
 * @depends_on_values: has a `When`: two messages that differ in numbers alone may differ in family
 */
typedef struct
{
  const char *name;
  const char *program; /* (nullable): NULL for the kernel, else a prefix of the program's name */
  VmftFaultClass fault_class;
  VmftProof proof;
  gboolean alarms;
  gboolean benign;
  guint evidence;
  gboolean terminal;
  gboolean learnable;
  gboolean depends_on_values;
} VmftFamily;

/**
 * vmft_families_load:
 * @path: (nullable): the table; NULL for vmft_detector_data_path() of "fault-families.conf"
 * @error: return location, %VMFT_ERROR_CONFIG naming file, group, key and what is allowed
 *
 * Returns: (transfer full): the table
 */
VmftFamilies *vmft_families_load (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_families_parse: vmft_families_load() from @data, named @name in errors. */
VmftFamilies *vmft_families_parse (const char *name, const char *data, gsize length, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

void vmft_families_free (VmftFamilies *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftFamilies, vmft_families_free)

guint vmft_families_count (const VmftFamilies *self);

/** vmft_families_get: Returns: (transfer none): family @index, in the order of the file. */
const VmftFamily *vmft_families_get (const VmftFamilies *self, guint index);

/** vmft_families_wants: Returns: whether some family is about messages of the program @name. */
gboolean vmft_families_wants (const VmftFamilies *self, const char *name, gsize length);

/**
 * vmft_families_match:
 * @program: (nullable): NULL for a message of the kernel
 * @text: the message as it came, values and all; only its first 4 KiB count
 * @locus: (out) (optional): where; the family's own extraction, else vmft_locus_scan()
 *
 * The first family of the file that matches. Tens of microseconds: for new combinations of words and for
 * alarms, not for every line.
 *
 * Returns: (transfer none) (nullable): the family, or NULL when there is none
 */
const VmftFamily *vmft_families_match (const VmftFamilies *self,
                                       const VmftSlice *program,
                                       const char *text,
                                       gsize length,
                                       VmftLocus *locus);

/** vmft_families_locate: @locus: (out): where a message says the fault is, that is known to be of @family. */
void vmft_families_locate (const VmftFamilies *self,
                           const VmftFamily *family,
                           const char *text,
                           gsize length,
                           VmftLocus *locus);

/**
 * vmft_families_depends_on_values:
 *
 * Returns: whether a family whose `Pattern` matches @text has a `When`, so that every message with these words
 * has to be looked at
 */
gboolean vmft_families_depends_on_values (const VmftFamilies *self, const char *text, gsize length);

G_END_DECLS
