/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For vmft-recorder.c: one run on disk, and what waits to belong to one. */
#pragma once

#include "vmft-file-writer.h"

#include "vmft-detector.h"

G_BEGIN_DECLS

#define VMFT_RECORDING_LABELS "labels.json"

/** VmftTrack: the files of a run that grow: "log.txt" and "pressure.jsonl". */
typedef enum
{
  VMFT_TRACK_LOG,
  VMFT_TRACK_PRESSURE,
} VmftTrack;

#define VMFT_N_TRACKS 2

/** vmft_track_name: Returns: the file's name. */
const char *vmft_track_name (VmftTrack track);

/** VmftContext: what was said lately, of one track, bounded in bytes and in time. */
typedef struct _VmftContext VmftContext;

VmftContext *vmft_context_new (gsize max_bytes, double length_s);
void vmft_context_free (VmftContext *self);

/** vmft_context_add: @text: (transfer full): a whole line with its newline. */
void vmft_context_add (VmftContext *self, VmftTime time_us, char *text);

/** vmft_context_copy: Returns: (transfer full): what was said after @after_us. */
GString *vmft_context_copy (VmftContext *self, VmftTime after_us);

/**
 * VmftRecordingState:
 * @VMFT_RECORDING_OPEN: lines are being added
 * @VMFT_RECORDING_STOPPED: vmftd was stopped meanwhile; whether the incident went on is not known
 * @VMFT_RECORDING_FAILED: what was announced came
 * @VMFT_RECORDING_CLEARED: it did not
 */
typedef enum
{
  VMFT_RECORDING_OPEN,
  VMFT_RECORDING_STOPPED,
  VMFT_RECORDING_FAILED,
  VMFT_RECORDING_CLEARED,
} VmftRecordingState;

/** VmftRecording: one run. What is in @text and @state is on disk after vmft_recording_flush(). */
typedef struct
{
  guint64 incident_id;
  VmftRecordingState state;
  char *directory;
  char *fault_class;
  char *locus;
  char *family;
  char *template_text;
  char *boot_id;
  VmftTime start_us;   /* of the first line */
  VmftTime first_us;   /* first alarm */
  VmftTime last_us;    /* of the last line */
  VmftTime failure_us; /* 0: none so far */
  VmftTime end_us;     /* after a failure: lines are added until then */
  guint64 bytes;
  guint64 n_lines;
  guint64 n_dropped;
  GString *text[VMFT_N_TRACKS]; /* not handed to the writer yet */
} VmftRecording;

VmftRecording *vmft_recording_new (const char *directory, const VmftIncident *incident, const char *boot_id);
void vmft_recording_free (VmftRecording *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftRecording, vmft_recording_free)

/** vmft_recording_load: Returns: (transfer full) (nullable): the run in @directory, unless its labels are no good. */
VmftRecording *vmft_recording_load (const char *directory);

/** vmft_recording_add: @text: a line, or several. What is beyond @max_bytes is counted only. */
void vmft_recording_add (VmftRecording *self,
                         VmftTrack track,
                         VmftTime time_us,
                         const char *text,
                         gsize length,
                         guint64 max_bytes);

/** vmft_recording_flush: hands over what there is, and the labels. */
void vmft_recording_flush (VmftRecording *self, VmftFileWriter *writer);

/** vmft_recording_to_variant: Returns: (transfer floating): `a{sv}`: labels.json, as vmft-eval runs reads it. */
GVariant *vmft_recording_to_variant (const VmftRecording *self);

/** vmft_recording_format_time: Returns: (transfer full): ISO 8601 in UTC, with microseconds. */
char *vmft_recording_format_time (VmftTime time_us);

/** vmft_recording_format_line: Returns: (transfer full): "TIME HOST TAG: TEXT" and a newline. */
char *vmft_recording_format_line (const VmftLine *line);

G_END_DECLS
