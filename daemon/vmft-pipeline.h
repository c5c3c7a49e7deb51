/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"
#include "vmft-source.h"

G_BEGIN_DECLS

/**
 * VmftPipelineEvents: what comes out. The first two are called after the transaction that holds the lines' cursor,
 * verdicts and alarms has been committed, the third within it.
 * @alarm: a line counted as evidence: its record
 * @incident: an incident changed; @evidence_us is the monotonic time at which the batch was handed over that
 *   changed it: the zero of the reaction time
 * @judged: (nullable): a line has its verdict
 */
typedef struct
{
  void (*alarm) (GVariant *alarm, gpointer user_data);
  void (*incident) (guint64 incident_id, gint64 evidence_us, gpointer user_data);
  void (*judged) (const VmftLine *line, const char *source, const VmftVerdict *verdict, gpointer user_data);
} VmftPipelineEvents;

/** VmftPipeline: from the sources through the detector into the store. */
typedef struct _VmftPipeline VmftPipeline;

VmftPipeline *vmft_pipeline_new (VmftClock *clock,
                                 VmftStore *store,
                                 VmftDetector *detector,
                                 const VmftPipelineEvents *events,
                                 gpointer user_data);
void vmft_pipeline_free (VmftPipeline *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftPipeline, vmft_pipeline_free)

/** vmft_pipeline_add_source: takes lines from @source from now on; kept alive. */
void vmft_pipeline_add_source (VmftPipeline *self, VmftSource *source);

/** vmft_pipeline_clear_sources: lets go of all sources; their cursors are in the store. */
void vmft_pipeline_clear_sources (VmftPipeline *self);

/** vmft_pipeline_start: starts the sources that have not been. */
void vmft_pipeline_start (VmftPipeline *self);

/** vmft_pipeline_feed_drill: feeds @text as if the kernel said it, in rehearsal; committed like any other. */
void vmft_pipeline_feed_drill (VmftPipeline *self, const char *text);

/** vmft_pipeline_feed_line: feeds a line that no source holds any more, committed like any other. */
void vmft_pipeline_feed_line (VmftPipeline *self, const VmftLine *line, const char *source);

/** vmft_pipeline_raise_pressure: vmft_detector_raise_pressure(), committed like a line. */
void vmft_pipeline_raise_pressure (VmftPipeline *self, const char *resource, const char *line);

/** vmft_pipeline_to_variant: Returns: (transfer floating): `a{sv}`: lines, batches, store_errors, sources. */
GVariant *vmft_pipeline_to_variant (VmftPipeline *self);

G_END_DECLS
