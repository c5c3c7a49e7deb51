/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The detector room: a line comes in, a verdict goes out, alarms of one fault join one incident. */
#pragma once

#include "vmft-answer.h"
#include "vmft-common.h"
#include "vmft-drain.h"
#include "vmft-line.h"

G_BEGIN_DECLS

/** VmftFaultClass: what fails. The lead-time model keeps one distribution for each. */
typedef enum
{
  VMFT_CLASS_DISK,
  VMFT_CLASS_IO,
  VMFT_CLASS_MEMORY,   /* hardware: MCE, EDAC, GHES */
  VMFT_CLASS_PRESSURE, /* exhaustion: PSI, OOM */
  VMFT_CLASS_CPU,
  VMFT_CLASS_PCIE,
  VMFT_CLASS_NETWORK,
  VMFT_CLASS_OTHER,
} VmftFaultClass;

#define VMFT_N_CLASSES 8

/** vmft_fault_class_to_string: Returns: "disk", "io", "memory", "pressure", "cpu", "pcie", "network", "other". */
const char *vmft_fault_class_to_string (VmftFaultClass fault_class);
gboolean vmft_fault_class_from_string (const char *text,
                                       VmftFaultClass *fault_class) G_GNUC_WARN_UNUSED_RESULT;

/**
 * VmftLocus: where it fails.
 * @name: kernel name of the device ("sda", "dm-0", "0000:01:00.0"), "memory"/"io"/"cpu" for host pressure, QEMU
 *   pid or VM name for a VM; empty for the host as a whole
 */
typedef enum
{
  VMFT_LOCUS_HOST,
  VMFT_LOCUS_BLOCK,
  VMFT_LOCUS_PCI,
  VMFT_LOCUS_NET,
  VMFT_LOCUS_VM_PID,
  VMFT_LOCUS_VM_NAME,
} VmftLocusKind;

typedef struct
{
  VmftLocusKind kind;
  char name[64];
} VmftLocus;

/** vmft_locus_to_string: Returns: (transfer full): "host", "block sda", "pci 0000:01:00.0", "vm 4711" … */
char *vmft_locus_to_string (const VmftLocus *locus);
gboolean vmft_locus_from_string (const char *text, VmftLocus *locus) G_GNUC_WARN_UNUSED_RESULT;
gboolean vmft_locus_equal (const VmftLocus *a, const VmftLocus *b);

/**
 * VmftVerdict: what the detector says of one line; valid until the next vmft_detector_feed().
 * @p: probability that the template announces a fault (kernel-message model), or the engine's score in [0, 1]
 * @fault: the line counts as an alarm
 * @novel: a kernel template never seen before, the second and weaker signal
 * @normal: (template text, locus) belongs to what this host has shown to be normal
 * @firm: a fault that no answer of log inference may lower: it has a family, or p >= 0.9 as a whole or in a part
 * @family: (nullable): name of the fault family in data/fault-families.conf
 */
typedef struct
{
  guint32 template_id;
  guint32 generation;
  const char *template_text;
  double p;
  gboolean fault;
  gboolean novel;
  gboolean normal;
  gboolean firm;
  const char *family;
  VmftFaultClass fault_class;
  VmftLocus locus;
} VmftVerdict;

/** VmftAlarm: one line that counts as evidence. */
typedef struct
{
  guint64 id;
  guint64 incident_id;
  VmftTime time_us; /* the line's own, or arrival when it has none that is plausible */
  VmftTime arrival_us;
  char *source; /* "file:/var/log/kern.log", "kmsg", "journal", … */
  char *line;   /* printable */
  char *template_text;
  guint32 template_id;
  double p;
  char *family; /* (nullable) */
  VmftFaultClass fault_class;
  VmftLocus locus;
  VmftTrust trust;
  gboolean backlog; /* older than five minutes when it arrived */
  gboolean drill;   /* a rehearsal's line */
  gboolean firm;    /* no answer of log inference may lower it */
} VmftAlarm;

void vmft_alarm_free (VmftAlarm *alarm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftAlarm, vmft_alarm_free)

/** vmft_alarm_to_variant: Returns: (transfer floating): the record `a{sv}`. */
GVariant *vmft_alarm_to_variant (const VmftAlarm *alarm);

/**
 * VmftIncidentState:
 * @VMFT_INCIDENT_SUSPECTED: some evidence, not enough to act
 * @VMFT_INCIDENT_CONFIRMED: evidence complete (DESIGN 3.5): the policy is asked
 * @VMFT_INCIDENT_CLEARED: quiet for long enough, state gone, or acknowledged
 */
typedef enum
{
  VMFT_INCIDENT_SUSPECTED,
  VMFT_INCIDENT_CONFIRMED,
  VMFT_INCIDENT_CLEARED,
} VmftIncidentState;

/**
 * VmftProof: which state file says whether the fault behind a terminal incident is still there.
 * @VMFT_PROOF_NONE: only the operator (or a reboot, for lack of anything to look at) can tell
 * @VMFT_PROOF_MOUNT: /proc/self/mounts no longer shows the device mounted read-only
 * @VMFT_PROOF_DEVICE: /sys/block/NAME/device/state says "running" (SCSI) or "live" (NVMe)
 * @VMFT_PROOF_MD: /sys/block/NAME/md/degraded says 0
 */
typedef enum
{
  VMFT_PROOF_NONE,
  VMFT_PROOF_MOUNT,
  VMFT_PROOF_DEVICE,
  VMFT_PROOF_MD,
} VmftProof;

/** VmftIncident: the alarms of one fault. Owned by the detector; copy what must outlive a callback. */
typedef struct
{
  guint64 id;
  VmftIncidentState state;
  VmftFaultClass fault_class;
  VmftLocus locus;
  char *family;        /* (nullable) */
  char *template_text; /* of the first alarm */
  VmftTime first_us;   /* first alarm, the zero of the lead time; survives a recurrence within 24 h */
  VmftTime confirmed_us;
  VmftTime last_us;
  VmftTime cleared_us;
  guint n_alarms;
  guint n_templates;
  guint n_recurrences;
  double p;          /* highest of its alarms */
  gboolean terminal; /* clears only when sysfs, /proc or the operator says so */
  gboolean trusted;  /* what trusted sources (or those with trust=kernel) say of it is evidence enough */
  gboolean backlog;  /* only backlog lines so far: no plan until a live line or state confirms it */
  gboolean acknowledged;
  gboolean benign; /* acknowledged as harmless */
  gboolean drill;  /* a rehearsal: recorded and planned, never executed unless told */
  gboolean firm;   /* some alarm of it is one that no answer of log inference may lower */
  VmftProof proof; /* of a terminal state: what would show that it is gone */
} VmftIncident;

/**
 * vmft_incident_proof_path:
 *
 * Returns: (transfer full) (nullable): the state file that would show that the fault is gone; NULL when the
 * incident is not terminal or nothing shows it. The caller reads it and asks vmft_incident_is_disproved().
 */
char *vmft_incident_proof_path (const VmftIncident *incident);

/**
 * vmft_incident_is_disproved:
 * @contents: (nullable): what the file of vmft_incident_proof_path() holds; NULL when there is no such file
 *
 * A device that is not there proves nothing: it may have dropped off the bus.
 *
 * Returns: whether the state is gone, so that vmft_detector_clear() is due
 */
gboolean vmft_incident_is_disproved (const VmftIncident *incident, const char *contents);

/** vmft_incident_to_variant: Returns: (transfer floating): the record `a{sv}`. */
GVariant *vmft_incident_to_variant (const VmftIncident *incident);

/**
 * VmftDetectorConfig: see vmftd.conf(5), group [Detector].
 * @engine: "kernel" (default) or "vmft-lad": the one that alarms
 * @shadow_engine: (nullable): the other one, run beside it and only counted
 * @model_path, @families_path: (nullable): data files; NULL for the installed ones
 * @masks_path: (nullable): the operator's masks, see vmft_mask_regex_load(); NULL for the paper's
 * @hostname: (nullable): lines that name another host are not this host's; NULL accepts any
 * @learning_s: learning lasts the backlog plus so long (default 3600)
 * @learning_lines: (0 for none): learning ends after so many lines instead (evaluation)
 * @boot_s: boot counts as over at this kernel uptime (default 120)
 */
typedef struct
{
  const char *engine;
  const char *shadow_engine;
  const char *model_path;
  const char *families_path;
  const char *masks_path;
  const char *hostname;
  const char *preset; /* vmft-lad: "published" or "paper" */
  double learning_s;
  guint learning_lines;
  double boot_s;
  double quiet_s;      /* a non-terminal incident clears after so long without an alarm (default 1800) */
  guint max_templates; /* LRU bound (default 100000) */
} VmftDetectorConfig;

#define VMFT_DETECTOR_CONFIG_DEFAULT                                                                         \
  ((VmftDetectorConfig){ .engine = "kernel",                                                                 \
                         .preset = "published",                                                              \
                         .learning_s = 3600.0,                                                               \
                         .boot_s = 120.0,                                                                    \
                         .quiet_s = 1800.0,                                                                  \
                         .max_templates = 100000 })

/**
 * VmftDetector:
 *
 * Parser, engine, evidence and incidents behind one call a line. It does no I/O of its own but for the store,
 * and has no clock but the one it is given.
 *
 * Signals:
 * - `alarm` (const VmftAlarm *): a line counted as evidence; emitted within vmft_detector_feed()
 * - `incident` (const VmftIncident *): an incident was opened, confirmed, joined, cleared or reopened
 */
#define VMFT_TYPE_DETECTOR vmft_detector_get_type ()
G_DECLARE_FINAL_TYPE (VmftDetector, vmft_detector, VMFT, DETECTOR, GObject)

/**
 * vmft_detector_new:
 * @clock: quiet times and ages
 * @store: templates, normal set and incidents are read from it now and written to it as they change, inside
 *   whatever transaction the caller has open
 * @config: copied
 * @error: return location, %VMFT_ERROR_CONFIG, %VMFT_ERROR_CORRUPT
 *
 * Returns: (transfer full): the detector.
 */
VmftDetector *vmft_detector_new (VmftClock *clock,
                                 VmftStore *store,
                                 const VmftDetectorConfig *config,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_detector_feed:
 * @line: a split line; borrowed
 * @source: where it came from, for the record
 * @verdict: (out) (optional): what the detector says
 */
void vmft_detector_feed (VmftDetector *self, const VmftLine *line, const char *source, VmftVerdict *verdict);

/** vmft_detector_feed_drill: as vmft_detector_feed(), marking all that comes of it as a rehearsal. */
void vmft_detector_feed_drill (VmftDetector *self, const VmftLine *line, VmftVerdict *verdict);

/**
 * vmft_detector_raise_pressure:
 * @resource: "memory", "io" or "cpu"
 * @line: what to show the operator: the PSI reading
 *
 * A PSI trigger fired (class %VMFT_CLASS_PRESSURE).
 */
void vmft_detector_raise_pressure (VmftDetector *self, const char *resource, const char *line);

/**
 * VmftLocusResolver:
 * @locus: (inout): a block locus that names no block device yet: a SCSI address ("0:0:0:0"), an ATA port
 *   ("ata1") or an NVMe controller ("nvme0"); to be replaced by the device's name where sysfs knows it
 */
typedef void (*VmftLocusResolver) (VmftLocus *locus, gpointer user_data);

/** vmft_detector_set_resolver: @resolver: (nullable): asked once an alarm; must not block. */
void vmft_detector_set_resolver (VmftDetector *self, VmftLocusResolver resolver, gpointer user_data);

/**
 * vmft_detector_flush:
 * @error: return location, the store's error
 *
 * Puts what is new in templates, normal set and incident counters into the store. Alarms and state changes of
 * incidents are there already. Call it in the transaction that moves the source's cursor, commit, then call
 * vmft_detector_mark_saved(); without the latter the same rows are written again next time.
 */
gboolean vmft_detector_flush (VmftDetector *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_detector_mark_saved: the transaction with what vmft_detector_flush() wrote has been committed. */
void vmft_detector_mark_saved (VmftDetector *self);

/** vmft_detector_clear: the state behind the incident is gone (sysfs, /proc), or the operator says so. */
gboolean vmft_detector_clear (VmftDetector *self,
                              guint64 incident_id,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_detector_acknowledge: @benign: teaches the normal set its templates at its locus as well. */
gboolean vmft_detector_acknowledge (VmftDetector *self, guint64 incident_id, gboolean benign, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_detector_amend:
 * @template_text: of a template, as log inference was asked about it
 * @kind: %VMFT_ANSWER_UNSURE takes an earlier amendment back
 *
 * Log inference has answered, or the operator has overruled it: from now on lines of this template, in this
 * generation, count as faults or no longer do, by the rule of vmft_answer_amend(). Told again after a restart:
 * answers are kept in their own table. To be connected to #VmftInference::answered.
 */
void vmft_detector_amend (VmftDetector *self, const char *template_text, VmftAnswerKind kind);

/**
 * vmft_detector_sample_benign:
 * @n: at most so many
 *
 * Returns: (transfer full): templates of the kernel that count as no fault here, chosen with @random;
 *   NULL-terminated (a #VmftBenignFunc)
 */
char **vmft_detector_sample_benign (VmftDetector *self, GRand *random, guint n);

/** vmft_detector_list_incidents: Returns: (transfer container) (element-type VmftIncident): open ones and those of the last 24 h. */
GPtrArray *vmft_detector_list_incidents (VmftDetector *self);

/** vmft_detector_lookup_incident: Returns: (transfer none) (nullable): the incident @id. */
const VmftIncident *vmft_detector_lookup_incident (VmftDetector *self, guint64 id);

/** vmft_detector_is_learning: Returns: whether what is said now still becomes normal. */
gboolean vmft_detector_is_learning (VmftDetector *self);

/**
 * vmft_detector_data_path:
 * @name: "kernel-message.model" or "fault-families.conf"
 *
 * Returns: (transfer full): where that file is: under $VMFT_DATA_DIR when that is set, else the installed one,
 * else (a program run from its build tree) the one in data/ beside the program's folder.
 */
char *vmft_detector_data_path (const char *name);

/** vmft_detector_end_learning: learning is over now, whatever the configuration says. */
void vmft_detector_end_learning (VmftDetector *self);

/** vmft_detector_describe: Returns: (transfer floating): `a{sv}`: lines, templates, normal entries, learning, alarms. */
GVariant *vmft_detector_describe (VmftDetector *self);

G_END_DECLS
