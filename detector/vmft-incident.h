/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"
#include "vmft-families.h"
#include "vmft-normal-set.h"

G_BEGIN_DECLS

/**
 * VmftIncidentBook:
 *
 * Evidence and incidents (DESIGN 3.5): joins the alarms of one fault, decides when the evidence is complete,
 * clears what is over, reopens what comes back within a day, and survives restarts through the store.
 */
typedef struct _VmftIncidentBook VmftIncidentBook;

#define VMFT_EVIDENCE_WINDOW_S      60.0          /* two records in so long confirm */
#define VMFT_INCIDENT_RECURRENCE_S  (24.0 * 3600) /* a cleared incident may be reopened for so long */
#define VMFT_INCIDENT_MAX_ROWS      200 /* alarms of one incident that are written down; all count */
#define VMFT_INCIDENT_KIND_ROWS     8   /* of one kind of line; then the 16th, 32nd, 64th, … */
#define VMFT_INCIDENT_MAX_TEMPLATES 64  /* kept of one incident, for acknowledging it */
#define VMFT_INCIDENT_MAX_OPEN      256 /* beyond, alarms join the host's incident of their class */

/** VmftIncidentFunc: something became of @incident. */
typedef void (*VmftIncidentFunc) (const VmftIncident *incident, gpointer user_data);

/** VmftIncidentTemplateFunc: one of the kinds of lines that make up an incident. */
typedef void (*VmftIncidentTemplateFunc) (const VmftNormalKey *key, gpointer user_data);

/**
 * vmft_incident_book_new:
 * @store: incidents are read from it now and written to it as they change
 * @quiet_s: an incident that is not terminal clears after so long without an alarm
 * @func: (nullable): told of every change
 * @error: return location, the store's error
 */
VmftIncidentBook *vmft_incident_book_new (VmftStore *store,
                                          double quiet_s,
                                          VmftIncidentFunc func,
                                          gpointer user_data,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_incident_book_free (VmftIncidentBook *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftIncidentBook, vmft_incident_book_free)

/**
 * VmftIncidentRecord: what an alarm says beyond itself.
 * @family: (nullable): what it takes to believe it
 * @words: of its line, for acknowledging
 * @repeated: another source has shown this record: no new evidence, but perhaps trust
 * @trusted: it, or another source's copy of it
 * @now_us: when it came
 */
typedef struct
{
  const VmftFamily *family;
  guint64 words;
  double p;
  gboolean repeated;
  gboolean trusted;
  VmftTime now_us;
} VmftIncidentRecord;

/**
 * vmft_incident_book_add:
 * @alarm: its incident_id is filled in, and its id when the alarm is one to write down
 *
 * Returns: whether @alarm is to be written down; then vmft_incident_book_announce() is due afterwards
 */
gboolean vmft_incident_book_add (VmftIncidentBook *self, VmftAlarm *alarm, const VmftIncidentRecord *record);

/** vmft_incident_book_announce: writes the incident @id and tells of it. */
void vmft_incident_book_announce (VmftIncidentBook *self, guint64 id, VmftTime now_us);

/** vmft_incident_book_tick: clears what has been quiet for long enough, forgets what is over for a day. */
void vmft_incident_book_tick (VmftIncidentBook *self, VmftTime now_us);

gboolean vmft_incident_book_clear (VmftIncidentBook *self, guint64 id, VmftTime now_us, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/** vmft_incident_book_acknowledge: a @benign one is cleared as well. */
gboolean vmft_incident_book_acknowledge (VmftIncidentBook *self,
                                         guint64 id,
                                         gboolean benign,
                                         VmftTime now_us,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_incident_book_foreach_template: what the incident @id consists of. */
void vmft_incident_book_foreach_template (VmftIncidentBook *self,
                                          guint64 id,
                                          VmftIncidentTemplateFunc func,
                                          gpointer user_data);

const VmftIncident *vmft_incident_book_lookup (VmftIncidentBook *self, guint64 id);

/** vmft_incident_book_list: Returns: (transfer container): open ones and those of the last day, oldest first. */
GPtrArray *vmft_incident_book_list (VmftIncidentBook *self);

/** vmft_incident_book_flush: writes incidents that changed since, or whose last write may have been rolled back. */
gboolean vmft_incident_book_flush (VmftIncidentBook *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_incident_book_mark_saved: what was flushed is durable. */
void vmft_incident_book_mark_saved (VmftIncidentBook *self);

/** vmft_incident_book_failures: Returns: writes to the store that failed. */
guint64 vmft_incident_book_failures (VmftIncidentBook *self);

/** vmft_incident_from_variant: Returns: whether @record is an incident; fills @incident, whose strings are owned. */
gboolean vmft_incident_from_variant (VmftIncident *incident, GVariant *record) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
