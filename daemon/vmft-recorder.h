/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * VmftRecorderConfig: what is kept, see group [Record] of vmftd.conf(5).
 * @directory: each run is a directory in it
 * @proc: "/proc": the boot's id and stalls are read there
 * @context_s: how much of what was said before the first alarm belongs to a run
 * @aftermath_s: a run goes on for so long after its failure
 * @max_bytes: of one run; what comes later is counted
 * @max_runs: the oldest make room for new ones
 */
typedef struct
{
  const char *directory;
  const char *proc;
  double context_s;
  double aftermath_s;
  guint64 max_bytes;
  guint max_runs;
} VmftRecorderConfig;

/**
 * VmftRecorder: keeps what this host lives through in the form that vmft-eval runs reads: for each confirmed incident
 * a directory with log.txt (every line, as its source told it, from some time before the first alarm on), pressure.jsonl
 * (/proc/pressure once a second) and labels.json, which says when it began and when the failure came, or that none did.
 *
 * Nothing is redacted: log lines may hold names, addresses and whatever programs put there. Only root may read them.
 */
typedef struct _VmftRecorder VmftRecorder;

/** vmft_recorder_new: @config: copied. Nothing is read or written before vmft_recorder_start(). */
VmftRecorder *vmft_recorder_new (VmftClock *clock, const VmftRecorderConfig *config);

/** vmft_recorder_free: runs that are open are marked as stopped, for the next one to go on with. */
void vmft_recorder_free (VmftRecorder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftRecorder, vmft_recorder_free)

/**
 * vmft_recorder_start:
 * @detector: its incidents say which runs go on
 *
 * A run that was open when the host went down, without anybody having stopped us, has met its failure: at the last
 * sign of life in it.
 */
void vmft_recorder_start (VmftRecorder *self, VmftDetector *detector);

/** vmft_recorder_note_line: every line of every source. */
void vmft_recorder_note_line (VmftRecorder *self, const VmftLine *line);

/** vmft_recorder_note_incident: a confirmed one opens a run, a cleared one ends it without a failure. */
void vmft_recorder_note_incident (VmftRecorder *self, const VmftIncident *incident);

/** vmft_recorder_note_failure: what the incident announced came at @when_us. */
void vmft_recorder_note_failure (VmftRecorder *self, guint64 incident_id, VmftTime when_us);

/** vmft_recorder_list: Returns: (transfer floating): `aa{sv}`: labels of every run, the newest incident first. */
GVariant *vmft_recorder_list (VmftRecorder *self);

/**
 * vmft_recorder_read:
 * @name: "log.txt", "labels.json" or "pressure.jsonl"
 * @error: %VMFT_ERROR_NOT_FOUND, %VMFT_ERROR_INVALID
 *
 * Returns: (transfer full): what @name holds from @offset on, 256 KiB at most; none at its end, or where there is no
 *   such file yet.
 */
GBytes *vmft_recorder_read (VmftRecorder *self,
                            guint64 incident_id,
                            const char *name,
                            guint64 offset,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
