/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon as a library: main.c, the tests and the simulation link the same object. */
#pragma once

#include "vmft-conf.h"
#include "vmft-detector.h"
#include "vmft-estimator.h"
#include "vmft-hypervisor.h"
#include "vmft-policy.h"
#include "vmft-source.h"

G_BEGIN_DECLS

/**
 * VmftDaemon: source -> detector -> plan -> migration -> history, wired together on three seams: clock, sources,
 * hypervisor.
 *
 * Signals, each after it has been made durable:
 * - `alarm`, `incident`, `plan`, `migration` (GVariant *record)
 * - `changed` (): something that vmft_daemon_describe() shows is different
 */
#define VMFT_TYPE_DAEMON vmft_daemon_get_type ()
G_DECLARE_FINAL_TYPE (VmftDaemon, vmft_daemon, VMFT, DAEMON, GObject)

/**
 * vmft_daemon_new:
 * @conf: the configuration; sources are added apart
 * @store: history; whatever it holds is taken up again
 * @hypervisor: not started
 * @error: %VMFT_ERROR_CONFIG, %VMFT_ERROR_CORRUPT
 *
 * Returns: (transfer full): the daemon, not started.
 */
VmftDaemon *vmft_daemon_new (VmftConf *conf,
                             VmftClock *clock,
                             VmftStore *store,
                             VmftHypervisor *hypervisor,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_add_source: lines from @source count from now on. */
void vmft_daemon_add_source (VmftDaemon *self, VmftSource *source);

/** vmft_daemon_start: connects, starts the sources, resumes what an earlier run left. */
void vmft_daemon_start (VmftDaemon *self);

/**
 * vmft_daemon_add_configured_sources: one for each "[Source NAME]".
 *
 * Returns: %FALSE with %VMFT_ERROR_CONFIG when a group does not add up.
 */
gboolean vmft_daemon_add_configured_sources (VmftDaemon *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_get_operation: Returns: the mode of operation in force. */
VmftOperation vmft_daemon_get_operation (VmftDaemon *self);

/**
 * vmft_daemon_get_suspicion: Returns: (transfer full) (nullable): why nothing should move to this host now: the first
 * of its confirmed incidents that is neither a drill nor any user's claim, in a sentence; NULL when it has none.
 */
char *vmft_daemon_get_suspicion (VmftDaemon *self);

/** vmft_daemon_set_operation: takes effect at once, open incidents included, and survives a restart. */
gboolean vmft_daemon_set_operation (VmftDaemon *self,
                                    VmftOperation operation,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_inhibit: @until_us: nothing moves before; 0 ends it. @why: for the record. */
gboolean vmft_daemon_inhibit (VmftDaemon *self, VmftTime until_us, const char *why, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_acknowledge: @benign: teaches the normal set; @clear: the state behind the incident is gone. */
gboolean vmft_daemon_acknowledge (VmftDaemon *self,
                                  guint64 incident_id,
                                  gboolean benign,
                                  gboolean clear,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_daemon_suppose:
 * @fault_class: (nullable): suppose a confirmed fault of this class on the whole host; NULL: empty the host, no deadline
 *
 * Returns: (transfer floating): the plan's record; nothing is stored or done.
 */
GVariant *vmft_daemon_suppose (VmftDaemon *self,
                               const char *fault_class,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_daemon_evacuate: the operator wants the host empty, now, whatever the mode of operation.
 * @dry_run: only say what would be done
 *
 * Returns: (transfer floating): the plan's record; %VMFT_ERROR_REFUSED with the reason when nothing can move.
 */
GVariant *vmft_daemon_evacuate (VmftDaemon *self, gboolean dry_run, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_daemon_migrate: the operator wants one VM moved.
 * @name: name, id or UUID
 * @mode_name: (nullable): the policy's choice when NULL
 * @destination: (nullable): likewise
 *
 * Returns: (transfer floating): the plan's record with migration_id; %VMFT_ERROR_NOT_FOUND, %VMFT_ERROR_INVALID,
 * %VMFT_ERROR_REFUSED.
 */
GVariant *vmft_daemon_migrate (VmftDaemon *self,
                               const char *name,
                               const char *mode_name,
                               const char *destination,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_daemon_set_vm_policy_async:
 * @name: name, id or UUID
 * @changes: as for vmft_vm_policy_change()
 *
 * Changes what the operator wants of one VM, in the domain's metadata.
 *
 * vmft_daemon_set_vm_policy_finish: Returns: (transfer floating): the VM's record with its new policy;
 * %VMFT_ERROR_NOT_FOUND, %VMFT_ERROR_INVALID, %VMFT_ERROR_BUSY while it migrates.
 */
void vmft_daemon_set_vm_policy_async (VmftDaemon *self,
                                      const char *name,
                                      GVariant *changes,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
GVariant *vmft_daemon_set_vm_policy_finish (VmftDaemon *self,
                                            GAsyncResult *result,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_daemon_drill: feeds the lines of a fault of @class_name as a rehearsal.
 * @move: carry the plan out as if the fault were real; without it the rehearsal is recorded and planned, nothing moves
 * @error: %VMFT_ERROR_INVALID; with @move also %VMFT_ERROR_REFUSED with the reason when nothing can move
 */
gboolean vmft_daemon_drill (VmftDaemon *self, const char *class_name, gboolean move, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_abort: ends the running job @migration_id; refused in post-copy. */
gboolean vmft_daemon_abort (VmftDaemon *self, guint64 migration_id, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_note_silence: @vm, of this host, was heard last at @last_us: a moment of failure, for the history. */
void vmft_daemon_note_silence (VmftDaemon *self, const VmftVm *vm, VmftTime last_us);

VmftLeadModel *vmft_daemon_get_leads (VmftDaemon *self);
VmftEstimator *vmft_daemon_get_estimator (VmftDaemon *self);
VmftHypervisor *vmft_daemon_get_hypervisor (VmftDaemon *self);
VmftConf *vmft_daemon_get_conf (VmftDaemon *self);
VmftClock *vmft_daemon_get_clock (VmftDaemon *self);
gboolean vmft_daemon_is_learning (VmftDaemon *self);

/* --- records for the operator: vmft-report.c --- */

/**
 * VmftQuery: which records.
 * @limit: newest so many; 0 for all
 * @incident: of this incident only; 0 for any, and for a list of incidents
 * @open: incidents that are not cleared
 */
typedef struct
{
  guint limit;
  guint64 incident;
  gboolean open;
} VmftQuery;

/** vmft_daemon_describe: Returns: (transfer floating): `a{sv}`: what `vmftctl status` shows. */
GVariant *vmft_daemon_describe (VmftDaemon *self);

/** vmft_daemon_list_vms: Returns: (transfer floating): `aa{sv}`. */
GVariant *vmft_daemon_list_vms (VmftDaemon *self);

/** vmft_daemon_show_vm: @name: name, id or UUID. Returns: (transfer floating): `a{sv}`; %VMFT_ERROR_NOT_FOUND. */
GVariant *vmft_daemon_show_vm (VmftDaemon *self, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_list_alarms and its kind: Returns: (transfer floating): `aa{sv}`, newest first. */
GVariant *vmft_daemon_list_alarms (VmftDaemon *self, const VmftQuery *query, GError **error);
GVariant *vmft_daemon_list_incidents (VmftDaemon *self, const VmftQuery *query, GError **error);
GVariant *vmft_daemon_list_plans (VmftDaemon *self, const VmftQuery *query, GError **error);
GVariant *vmft_daemon_list_migrations (VmftDaemon *self, const VmftQuery *query, GError **error);

/**
 * vmft_daemon_list_runs: Returns: (transfer floating): `aa{sv}`: what has been recorded, newest first.
 * @error: %VMFT_ERROR_REFUSED: nothing is, see [Record] in vmftd.conf(5)
 */
GVariant *vmft_daemon_list_runs (VmftDaemon *self, GError **error);

/** vmft_daemon_read_run: Returns: (transfer full): see vmft_recorder_read(). */
GBytes *vmft_daemon_read_run (VmftDaemon *self,
                              guint64 incident,
                              const char *file,
                              guint64 offset,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_list_answers: Returns: (transfer floating): `aa{sv}`: what log inference said, newest first. */
GVariant *vmft_daemon_list_answers (VmftDaemon *self, const VmftQuery *query, GError **error);

/** vmft_daemon_forget_answer: takes the answer @key back; %VMFT_ERROR_NOT_FOUND. */
gboolean vmft_daemon_forget_answer (VmftDaemon *self,
                                    const char *key,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_daemon_overrule_answer:
 * @template_text: key of an answer, or the text of a template
 * @answer: "faulty", "normal" or "unsure"; else %VMFT_ERROR_INVALID
 * @reason: (nullable)
 *
 * Puts the operator's answer in place of any other.
 */
gboolean vmft_daemon_overrule_answer (VmftDaemon *self,
                                      const char *template_text,
                                      const char *answer,
                                      const char *reason,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_show_migration: Returns: (transfer floating): `a{sv}`, with its progress while it runs. */
GVariant *vmft_daemon_show_migration (VmftDaemon *self, guint64 id, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_explain: Returns: (transfer floating): `a{sv}`: incident, alarms, plans, migrations, lead. */
GVariant *vmft_daemon_explain (VmftDaemon *self,
                               guint64 incident_id,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_daemon_describe_lead: Returns: (transfer floating) (nullable): the lead time left of an open incident, now. */
GVariant *vmft_daemon_describe_lead (VmftDaemon *self, guint64 incident_id);

/** vmft_daemon_count: @open_incidents, @running_migrations: (out). */
void vmft_daemon_count (VmftDaemon *self, guint *open_incidents, guint *running_migrations);

G_END_DECLS
