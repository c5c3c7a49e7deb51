/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-daemon-private.h"

#include "vmft-resolver.h"

#define REVIEW_MS     30000
#define SETTLE_MS     500
#define OPERATION_KEY "operation"

G_DEFINE_FINAL_TYPE (VmftDaemon, vmft_daemon, G_TYPE_OBJECT)

enum
{
  SIGNAL_ALARM,
  SIGNAL_INCIDENT,
  SIGNAL_PLAN,
  SIGNAL_MIGRATION,
  SIGNAL_CHANGED,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

/* --- from the detector --- */

static void
on_alarm (GVariant *record, gpointer user_data)
{
  vmft_history_note_alarm (((VmftDaemon *) user_data)->history, record);
  g_signal_emit (user_data, signals[SIGNAL_ALARM], 0, record);
}

static void
on_judged (const VmftLine *line, const char *source, const VmftVerdict *verdict, gpointer user_data)
{
  VmftDaemon *self = user_data;

  vmft_inquiry_note (self->inquiry, line, source, verdict);
  if (self->recorder != NULL)
    vmft_recorder_note_line (self->recorder, line);
}

static const char *
state_name (VmftIncidentState state)
{
  static const char *const names[] = { "suspected", "confirmed", "cleared" };

  return names[state];
}

static void
call_off (VmftDaemon *self, guint64 incident_id)
{
  const char *choice = vmft_conf_get_string (self->conf, "Policy", "when-cleared");

  if (strcmp (choice, "finish") != 0)
    vmft_executor_call_off (self->executor, incident_id, strcmp (choice, "abort") == 0,
                            "the incident has cleared");
}

static void
on_incident (guint64 incident_id, gint64 evidence_us, gpointer user_data)
{
  VmftDaemon *self = user_data;
  const VmftIncident *incident;
  g_autoptr (GVariant) record = NULL;

  if (self->resumed) /* before, neither VMs nor running jobs are known */
    vmft_decisions_consider (self->decisions, incident_id, evidence_us);
  incident = vmft_detector_lookup_incident (self->detector, incident_id);
  if (incident == NULL)
    return;
  vmft_history_note_incident (self->history, incident);
  if (self->recorder != NULL)
    vmft_recorder_note_incident (self->recorder, incident);
  if (incident->state == VMFT_INCIDENT_CLEARED)
    call_off (self, incident_id);
  if (incident->n_alarms <= 1 || incident->state == VMFT_INCIDENT_CLEARED)
    {
      g_autofree char *locus = vmft_locus_to_string (&incident->locus);

      g_message ("incident %" G_GUINT64_FORMAT " %s: %s, %s, p %.2f: %s", incident->id,
                 state_name (incident->state), vmft_fault_class_to_string (incident->fault_class), locus,
                 incident->p, incident->template_text);
    }
  record = g_variant_ref_sink (vmft_incident_to_variant (incident));
  g_signal_emit (self, signals[SIGNAL_INCIDENT], 0, record);
}

/* --- from decisions and their execution --- */

static void
on_plan (GVariant *record, gpointer user_data)
{
  g_signal_emit (user_data, signals[SIGNAL_PLAN], 0, record);
}

static void
on_migration (GVariant *record, gpointer user_data)
{
  VmftDaemon *self = user_data;

  vmft_sampler_hold (self->sampler, vmft_executor_count (self->executor) > 0);
  g_signal_emit (self, signals[SIGNAL_MIGRATION], 0, record);
}

static void
on_first_call (guint64 plan_id, gint64 call_us, gpointer user_data)
{
  vmft_decisions_note_first_call (((VmftDaemon *) user_data)->decisions, plan_id, call_us);
}

static void
on_finished (guint64 incident_id, gpointer user_data)
{
  VmftDaemon *self = user_data;

  vmft_decisions_consider (self->decisions, incident_id, 0);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

/* --- from the hypervisor --- */

static void
consider_all (VmftDaemon *self)
{
  if (self->resumed)
    vmft_decisions_consider_all (self->decisions);
}

static gboolean
on_settled (gpointer user_data)
{
  VmftDaemon *self = user_data;

  self->settle_id = 0;
  consider_all (self);
  return G_SOURCE_REMOVE;
}

/* Many changes come at once; one more look a moment later is enough for all of them. */
static void
think_again_soon (gpointer user_data)
{
  VmftDaemon *self = user_data;

  if (self->settle_id == 0)
    self->settle_id = vmft_clock_add_timer (self->clock, SETTLE_MS, on_settled, self, NULL);
}

static void
on_connected (VmftHypervisor *hypervisor, gboolean up, gpointer user_data)
{
  VmftDaemon *self = user_data;

  g_message (up ? "libvirt answers" : "libvirt does not answer; trying again");
  if (up && !self->resumed)
    {
      self->resumed = TRUE;
      vmft_executor_resume (self->executor);
    }
  think_again_soon (self);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

static void
on_vm_changed (VmftHypervisor *hypervisor, const char *uuid, gpointer user_data)
{
  think_again_soon (user_data);
}

static void
on_vm_failed (VmftHypervisor *hypervisor, const char *uuid, const char *reason, gpointer user_data)
{
  VmftDaemon *self = user_data;
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (hypervisor, uuid);

  g_message ("VM %s failed: %s", uuid, reason);
  vmft_history_note_vm_failed (self->history, vm, vmft_clock_real_us (self->clock));
  think_again_soon (self);
}

static void
on_failed (const VmftIncident *incident, VmftTime when_us, gpointer user_data)
{
  vmft_recorder_note_failure (((VmftDaemon *) user_data)->recorder, incident->id, when_us);
}

/* "/sys/…" and "/proc/…" where the configuration says they are */
static char *
pseudo_file (VmftDaemon *self, const char *path)
{
  if (g_str_has_prefix (path, "/sys/"))
    return g_build_filename (vmft_conf_get_string (self->conf, "Daemon", "sysfs"), path + strlen ("/sys/"),
                             NULL);
  if (g_str_has_prefix (path, "/proc/"))
    return g_build_filename (vmft_conf_get_string (self->conf, "Daemon", "proc"), path + strlen ("/proc/"),
                             NULL);
  return g_strdup (path);
}

/* A degraded array, an offline device, a read-only mount: over when the kernel's own state files say so. */
static void
check_proofs (VmftDaemon *self)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);

  for (guint i = 0; i < incidents->len; i++)
    {
      const VmftIncident *incident = g_ptr_array_index (incidents, i);
      g_autofree char *path = vmft_incident_proof_path (incident);
      g_autofree char *file = path ? pseudo_file (self, path) : NULL;
      g_autofree char *contents = NULL;
      g_autoptr (GError) error = NULL;

      if (file == NULL || incident->state == VMFT_INCIDENT_CLEARED)
        continue;
      if (!g_file_get_contents (file, &contents, NULL, NULL))
        g_clear_pointer (&contents, g_free);
      if (vmft_incident_is_disproved (incident, contents) &&
          !vmft_detector_clear (self->detector, incident->id, &error))
        g_warning ("incident %" G_GUINT64_FORMAT " cannot be cleared: %s", incident->id, error->message);
    }
}

/* Inhibitions end, lead times shrink, states go: none of it says so. */
static gboolean
on_review (gpointer user_data)
{
  VmftDaemon *self = user_data;

  check_proofs (self);
  consider_all (self);
  return G_SOURCE_CONTINUE;
}

/* --- from log inference --- */

static void
judge_again (const VmftLine *line, const char *source, gpointer user_data)
{
  vmft_pipeline_feed_line (((VmftDaemon *) user_data)->pipeline, line, source);
}

/* --- operation --- */

VmftOperation
vmft_daemon_get_operation (VmftDaemon *self)
{
  return self->operation;
}

static void
adopt_operation (VmftDaemon *self, VmftOperation operation)
{
  self->operation = operation;
  vmft_decisions_set_operation (self->decisions, operation);
}

gboolean
vmft_daemon_set_operation (VmftDaemon *self, VmftOperation operation, GError **error)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "operation", "s", vmft_operation_to_string (operation));
  if (!vmft_store_put (self->store, VMFT_STORE_SETTINGS, OPERATION_KEY, vmft_clock_real_us (self->clock),
                       g_variant_dict_end (&dict), error))
    return FALSE;
  g_message ("mode of operation: %s, was %s", vmft_operation_to_string (operation),
             vmft_operation_to_string (self->operation));
  adopt_operation (self, operation);
  consider_all (self);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
  return TRUE;
}

/* What the operator set by hand outlives a restart; the configuration says what holds until then. */
static VmftOperation
initial_operation (VmftDaemon *self)
{
  g_autoptr (GVariant) kept = vmft_store_get (self->store, VMFT_STORE_SETTINGS, OPERATION_KEY, NULL);
  const char *text = kept ? vmft_dict_string (kept, "operation") : NULL;
  VmftOperation operation;

  if (text != NULL && vmft_operation_from_string (text, &operation))
    return operation;
  if (!vmft_operation_from_string (vmft_conf_get_string (self->conf, "Daemon", "mode"), &operation))
    return VMFT_OPERATION_OBSERVE;
  return operation;
}

gboolean
vmft_daemon_inhibit (VmftDaemon *self, VmftTime until_us, const char *why, GError **error)
{
  if (until_us != 0 && *why == '\0')
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "an inhibition needs a reason");
      return FALSE;
    }
  if (!vmft_guards_inhibit (self->guards, until_us, why, vmft_clock_real_us (self->clock), error))
    return FALSE;
  consider_all (self);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
  return TRUE;
}

gboolean
vmft_daemon_acknowledge (VmftDaemon *self,
                         guint64 incident_id,
                         gboolean benign,
                         gboolean clear,
                         GError **error)
{
  return vmft_detector_acknowledge (self->detector, incident_id, benign, error) &&
         (!clear || vmft_detector_clear (self->detector, incident_id, error));
}

gboolean
vmft_daemon_abort (VmftDaemon *self, guint64 migration_id, GError **error)
{
  return vmft_executor_abort (self->executor, migration_id, error);
}

void
vmft_daemon_note_silence (VmftDaemon *self, const VmftVm *vm, VmftTime last_us)
{
  vmft_history_note_vm_failed (self->history, vm, last_us);
}

char *
vmft_daemon_get_suspicion (VmftDaemon *self)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);

  for (guint i = 0; i < incidents->len; i++)
    {
      const VmftIncident *incident = g_ptr_array_index (incidents, i);

      /* neither a rehearsal nor a line that anybody could have written turns VMs away */
      if (incident->state == VMFT_INCIDENT_CONFIRMED && incident->trusted && !incident->drill)
        return g_strdup_printf ("incident %" G_GUINT64_FORMAT " (%s) is open", incident->id,
                                vmft_fault_class_to_string (incident->fault_class));
    }
  return NULL;
}

/* --- parts --- */

VmftLeadModel *
vmft_daemon_get_leads (VmftDaemon *self)
{
  return self->leads;
}

VmftEstimator *
vmft_daemon_get_estimator (VmftDaemon *self)
{
  return self->estimator;
}

VmftHypervisor *
vmft_daemon_get_hypervisor (VmftDaemon *self)
{
  return self->hypervisor;
}

VmftConf *
vmft_daemon_get_conf (VmftDaemon *self)
{
  return self->conf;
}

VmftClock *
vmft_daemon_get_clock (VmftDaemon *self)
{
  return self->clock;
}

gboolean
vmft_daemon_is_learning (VmftDaemon *self)
{
  return vmft_detector_is_learning (self->detector);
}

/* --- making one --- */

static VmftDetector *
make_detector (VmftDaemon *self, GError **error)
{
  const char *hostname = vmft_conf_get_string (self->conf, "Daemon", "hostname");
  VmftDetectorConfig config = VMFT_DETECTOR_CONFIG_DEFAULT;

  config.engine = vmft_conf_get_string (self->conf, "Detector", "engine");
  config.preset = vmft_conf_get_string (self->conf, "Detector", "preset");
  config.model_path = vmft_conf_get_string (self->conf, "Detector", "model");
  config.masks_path = vmft_conf_get_string (self->conf, "Detector", "masks");
  config.families_path = vmft_conf_get_string (self->conf, "Detector", "families");
  config.learning_s = vmft_conf_get_double (self->conf, "Detector", "learning-time");
  config.learning_lines = (guint) vmft_conf_get_uint (self->conf, "Detector", "learning-lines");
  config.boot_s = vmft_conf_get_double (self->conf, "Detector", "boot-time");
  config.quiet_s = vmft_conf_get_double (self->conf, "Detector", "quiet-time");
  config.max_templates = (guint) vmft_conf_get_uint (self->conf, "Detector", "max-templates");
  if (hostname == NULL)
    config.hostname = g_get_host_name ();
  else if (strcmp (hostname, "*") != 0)
    config.hostname = hostname;
  return vmft_detector_new (self->clock, self->store, &config, error);
}

static void
set_links (VmftDaemon *self)
{
  g_autofree const char **names = vmft_conf_list_named (self->conf, "Destination");

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *group = g_strconcat ("Destination ", names[i], NULL);

      vmft_estimator_set_link (self->estimator, names[i],
                               (double) vmft_conf_get_uint (self->conf, group, "bandwidth"));
    }
}

static void
resolve_locus (VmftLocus *locus, gpointer user_data)
{
  vmft_resolver_resolve (vmft_conf_get_string (((VmftDaemon *) user_data)->conf, "Daemon", "sysfs"), locus);
}

static gboolean
check_modes (VmftDaemon *self, GError **error)
{
  const char *text = vmft_conf_get_string (self->conf, "Policy", "modes");
  g_autoptr (GError) local = NULL;
  guint modes = 0;

  if (vmft_modes_from_string (text, &modes, &local) && modes != 0)
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[Policy] modes=%s: %s", text,
               local ? local->message : "at least one must be allowed");
  return FALSE;
}

static void
make_recorder (VmftDaemon *self)
{
  g_autofree char *directory =
      g_build_filename (vmft_conf_get_string (self->conf, "Daemon", "state-directory"), "runs", NULL);
  VmftRecorderConfig config = {
    .directory = directory,
    .proc = vmft_conf_get_string (self->conf, "Daemon", "proc"),
    .context_s = vmft_conf_get_double (self->conf, "Record", "context"),
    .aftermath_s = vmft_conf_get_double (self->conf, "Record", "aftermath"),
    .max_bytes = vmft_conf_get_uint (self->conf, "Record", "max-size"),
    .max_runs = (guint) vmft_conf_get_uint (self->conf, "Record", "max-runs"),
  };

  if (!vmft_conf_get_boolean (self->conf, "Record", "enabled"))
    return;
  self->recorder = vmft_recorder_new (self->clock, &config);
  vmft_history_set_failed_func (self->history, on_failed, self);
}

static gboolean
make_models (VmftDaemon *self, GError **error)
{
  const char *origin = vmft_conf_get_string (self->conf, "LeadTime", "origin");

  self->detector = make_detector (self, error);
  if (self->detector == NULL)
    return FALSE;
  vmft_detector_set_resolver (self->detector, resolve_locus, self);
  self->inquiry =
      vmft_inquiry_new (self->conf, self->clock, self->store, self->detector, judge_again, self, error);
  if (self->inquiry == NULL)
    return FALSE;
  self->estimator = vmft_estimator_new (self->store, error);
  if (self->estimator == NULL)
    return FALSE;
  set_links (self);
  self->leads = vmft_lead_model_new (self->store, strcmp (origin, "auto") == 0 ? NULL : origin, error);
  return self->leads != NULL;
}

static void
make_parts (VmftDaemon *self)
{
  static const VmftPipelineEvents pipeline_events = { on_alarm, on_incident, on_judged };
  static const VmftExecutorEvents executor_events = { on_migration, on_first_call, on_finished };
  VmftPlannerParts parts = {
    .conf = self->conf,
    .clock = self->clock,
    .hypervisor = self->hypervisor,
    .estimator = self->estimator,
    .leads = self->leads,
  };

  parts.destinations = self->destinations;
  self->facts = parts.facts =
      vmft_facts_new (self->clock, vmft_conf_get_string (self->conf, "Daemon", "sysfs"),
                      vmft_conf_get_string (self->conf, "Daemon", "proc"),
                      vmft_conf_get_string (self->conf, "Daemon", "state-directory"));
  self->guards = parts.guards = vmft_guards_new (self->store);
  self->planner = vmft_planner_new (&parts);
  self->decisions = vmft_decisions_new (&parts, self->store, self->detector, self->planner, on_plan, self);
  self->executor = vmft_executor_new (&parts, self->store, self->planner, &executor_events, self);
  vmft_decisions_set_executor (self->decisions, self->executor);
  self->history = vmft_history_new (self->clock, self->store, self->detector, self->leads, self->facts);
  make_recorder (self);
  self->pipeline = vmft_pipeline_new (self->clock, self->store, self->detector, &pipeline_events, self);
  self->sampler = vmft_sampler_new (self->clock, self->hypervisor, self->estimator,
                                    vmft_conf_get_double (self->conf, "Estimator", "sample-interval"),
                                    vmft_conf_get_double (self->conf, "Estimator", "sample-pause"));
}

VmftDaemon *
vmft_daemon_new (VmftConf *conf,
                 VmftClock *clock,
                 VmftStore *store,
                 VmftHypervisor *hypervisor,
                 GError **error)
{
  g_autoptr (VmftDaemon) self = g_object_new (VMFT_TYPE_DAEMON, NULL);

  self->conf = vmft_conf_ref (conf);
  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  self->hypervisor = g_object_ref (hypervisor);
  self->started_us = vmft_clock_real_us (clock);
  if (!check_modes (self, error) || !make_models (self, error))
    return NULL;
  self->destinations = vmft_destinations_new (conf, clock, hypervisor, error);
  if (self->destinations == NULL)
    return NULL;
  make_parts (self);
  adopt_operation (self, initial_operation (self));
  g_signal_connect (hypervisor, "connected", G_CALLBACK (on_connected), self);
  g_signal_connect (hypervisor, "vm-changed", G_CALLBACK (on_vm_changed), self);
  g_signal_connect (hypervisor, "vm-failed", G_CALLBACK (on_vm_failed), self);
  return g_steal_pointer (&self);
}

void
vmft_daemon_add_source (VmftDaemon *self, VmftSource *source)
{
  vmft_pipeline_add_source (self->pipeline, source);
}

void
vmft_daemon_start (VmftDaemon *self)
{
  vmft_facts_start (self->facts);
  vmft_destinations_set_changed (self->destinations, think_again_soon, self);
  vmft_destinations_start (self->destinations);
  vmft_sampler_start (self->sampler);
  self->review_id = vmft_clock_add_timer (self->clock, REVIEW_MS, on_review, self, NULL);
  vmft_hypervisor_start (self->hypervisor);
  if (self->recorder != NULL)
    vmft_recorder_start (self->recorder, self->detector);
  vmft_pipeline_start (self->pipeline);
}

static void
vmft_daemon_finalize (GObject *object)
{
  VmftDaemon *self = VMFT_DAEMON (object);

  vmft_clear_timer (self->clock, &self->review_id);
  vmft_clear_timer (self->clock, &self->settle_id);
  g_signal_handlers_disconnect_by_data (self->hypervisor, self);
  g_clear_pointer (&self->inquiry, vmft_inquiry_free);
  g_clear_pointer (&self->pipeline, vmft_pipeline_free);
  g_clear_pointer (&self->sampler, vmft_sampler_free);
  g_clear_pointer (&self->executor, vmft_executor_free);
  g_clear_pointer (&self->decisions, vmft_decisions_free);
  g_clear_pointer (&self->history, vmft_history_free);
  g_clear_pointer (&self->recorder, vmft_recorder_free);
  g_clear_pointer (&self->planner, vmft_planner_free);
  g_clear_pointer (&self->guards, vmft_guards_free);
  g_clear_pointer (&self->facts, vmft_facts_free);
  g_clear_pointer (&self->destinations, vmft_destinations_free);
  g_clear_object (&self->leads);
  g_clear_object (&self->estimator);
  g_clear_object (&self->detector);
  g_clear_object (&self->hypervisor);
  g_clear_object (&self->store);
  g_clear_object (&self->clock);
  g_clear_pointer (&self->conf, vmft_conf_unref);
  G_OBJECT_CLASS (vmft_daemon_parent_class)->finalize (object);
}

static void
vmft_daemon_class_init (VmftDaemonClass *klass)
{
  static const char *const names[N_SIGNALS] = { "alarm", "incident", "plan", "migration", "changed" };

  G_OBJECT_CLASS (klass)->finalize = vmft_daemon_finalize;
  for (guint i = 0; i < N_SIGNALS; i++)
    signals[i] = g_signal_new (names[i], VMFT_TYPE_DAEMON, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                               G_TYPE_NONE, i == SIGNAL_CHANGED ? 0 : 1, G_TYPE_VARIANT);
}

static void
vmft_daemon_init (VmftDaemon *self)
{
}
