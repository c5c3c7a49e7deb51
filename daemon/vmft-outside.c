/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-outside.h"

#include "vmft-heartbeat.h"
#include "vmft-http-auth.h"
#include "vmft-http.h"
#include "vmft-view-vms.h"
#include "vmft-view.h"

struct _VmftOutside
{
  VmftDaemon *daemon;
  VmftView *view;
  VmftViewVms *vms;
  VmftHttp *http;           /* (nullable) */
  VmftHeartbeat *heartbeat; /* (nullable) */
  VmftAlerts *alerts;
  GHashTable *raised; /* incidents told of as raised */
  GHashTable *jobs;   /* migrations seen running */
  GHashTable *names;  /* UUID -> name of the VMs of this host */
};

/* --- what HTTP shows --- */

static GVariant *
show_status (gpointer user_data)
{
  VmftOutside *self = user_data;
  g_autoptr (GVariant) status = g_variant_ref_sink (vmft_daemon_describe (self->daemon));
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (status);

  if (self->heartbeat != NULL)
    g_variant_dict_insert_value (&dict, "heartbeats", vmft_heartbeat_to_variant (self->heartbeat));
  return g_variant_dict_end (&dict);
}

static GVariant *
show_incidents (guint limit, gpointer user_data)
{
  return vmft_view_list_incidents (((VmftOutside *) user_data)->view, limit);
}

static GVariant *
show_plans (guint limit, gpointer user_data)
{
  return vmft_view_list_plans (((VmftOutside *) user_data)->view, limit);
}

static GVariant *
show_migrations (guint limit, gpointer user_data)
{
  return vmft_view_list_migrations (((VmftOutside *) user_data)->view, limit, TRUE);
}

static GVariant *
show_history (guint limit, gpointer user_data)
{
  return vmft_view_list_migrations (((VmftOutside *) user_data)->view, limit, FALSE);
}

static char *
show_vms (gpointer user_data)
{
  return vmft_view_vms_to_json (((VmftOutside *) user_data)->vms);
}

static void
show_metrics (VmftMetrics *metrics, gpointer user_data)
{
  VmftOutside *self = user_data;

  vmft_view_add_metrics (self->view, metrics);
  vmft_view_vms_add_metrics (self->vms, metrics);
  vmft_alerts_add_metrics (self->alerts, metrics);
  if (self->heartbeat != NULL)
    vmft_heartbeat_add_metrics (self->heartbeat, metrics);
}

/* --- what happens --- */

static void
publish (VmftOutside *self, const char *event, GVariant *record)
{
  if (self->http != NULL)
    vmft_http_publish (self->http, event, record);
}

/* Returns: whether @record's id was not in @set, and puts it there. */
static gboolean
enter (GHashTable *set, GVariant *record)
{
  gint64 id = vmft_dict_int64 (record, "id", 0);

  return !g_hash_table_contains (set, &id) && g_hash_table_add (set, g_memdup2 (&id, sizeof id));
}

static gboolean
leave (GHashTable *set, GVariant *record)
{
  gint64 id = vmft_dict_int64 (record, "id", 0);

  return g_hash_table_remove (set, &id);
}

/* Raised is a confirmed incident; a suspected one would cry wolf. */
static void
on_incident (VmftDaemon *daemon, GVariant *record, VmftOutside *self)
{
  g_autoptr (GVariant) whole = g_variant_ref_sink (vmft_view_complete_incident (self->view, record));
  const char *state = vmft_dict_string (record, "state");

  if (g_strcmp0 (state, "confirmed") == 0 && enter (self->raised, record))
    vmft_alerts_send (self->alerts, VMFT_ALERT_INCIDENT_RAISED, whole);
  if (g_strcmp0 (state, "cleared") == 0 && leave (self->raised, record))
    vmft_alerts_send (self->alerts, VMFT_ALERT_INCIDENT_CLEARED, whole);
  publish (self, "incident", whole);
}

static void
on_plan (VmftDaemon *daemon, GVariant *record, VmftOutside *self)
{
  vmft_alerts_send (self->alerts, VMFT_ALERT_PLAN_MADE, record);
  publish (self, "plan", record);
}

static void
on_migration (VmftDaemon *daemon, GVariant *record, VmftOutside *self)
{
  if (vmft_view_is_running (record))
    enter (self->jobs, record);
  else if (leave (self->jobs, record))
    vmft_alerts_send (self->alerts, VMFT_ALERT_MIGRATION_FINISHED, record);
  publish (self, "migration", record);
}

static void
on_changed (VmftDaemon *daemon, VmftOutside *self)
{
  publish (self, "status", show_status (self));
}

/* A VM that left or was shut down owes no heartbeat. */
static void
on_vm_changed (VmftHypervisor *hypervisor, const char *uuid, VmftOutside *self)
{
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (hypervisor, uuid);
  const char *name = vm ? vm->name : g_hash_table_lookup (self->names, uuid);
  GVariantDict dict;

  if (self->heartbeat != NULL && name != NULL && (vm == NULL || !vm->running))
    vmft_heartbeat_forget (self->heartbeat, name);
  if (vm != NULL)
    g_hash_table_replace (self->names, g_strdup (uuid), g_strdup (vm->name));
  else
    g_hash_table_remove (self->names, uuid);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uuid", "s", uuid);
  publish (self, "vm", g_variant_dict_end (&dict));
}

/* A moment of failure for the lead-time history, and nothing else: silence has many reasons. */
static void
on_silent (VmftHeartbeat *heartbeat, const char *name, gint64 last_us, VmftOutside *self)
{
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (vmft_daemon_get_hypervisor (self->daemon), name);
  g_autofree char *when = vmft_text_time (last_us);

  g_message ("heartbeat: %s is silent since %s", name, when);
  if (vm != NULL && vm->running)
    vmft_daemon_note_silence (self->daemon, vm, last_us);
}

/* --- as configured --- */

/* The file named in the configuration, else the credential that systemd handed over; NULL for neither. */
static char *
secret_path (VmftConf *conf, const char *group, const char *key, const char *credential)
{
  const char *path = vmft_conf_get_string (conf, group, key);
  const char *directory = g_getenv ("CREDENTIALS_DIRECTORY");
  g_autofree char *given = directory ? g_build_filename (directory, credential, NULL) : NULL;

  if (path != NULL)
    return g_strdup (path);
  return given != NULL && g_file_test (given, G_FILE_TEST_EXISTS) ? g_steal_pointer (&given) : NULL;
}

/* Returns: FALSE when there is a file and it is no good. */
static gboolean
load_secret (VmftConf *conf,
             const char *group,
             const char *key,
             const char *credential,
             char **secret,
             GError **error)
{
  g_autofree char *path = secret_path (conf, group, key, credential);

  *secret = path ? vmft_http_load_secret (path, error) : NULL;
  return path == NULL || *secret != NULL;
}

static gboolean
start_alerts (VmftOutside *self, VmftConf *conf, VmftClock *clock, GError **error)
{
  g_auto (GStrv) events = vmft_conf_get_list (conf, "Alerts", "events");
  g_autofree char *secret = NULL;
  VmftAlertsConfig config = {
    .hostname = g_get_host_name (),
    .events = (const char *const *) events,
    .command = vmft_conf_get_string (conf, "Alerts", "command"),
    .webhook = vmft_conf_get_string (conf, "Alerts", "webhook"),
    .timeout_s = vmft_conf_get_double (conf, "Alerts", "timeout"),
    .limit = (guint) vmft_conf_get_uint (conf, "Alerts", "queue"),
  };

  if (!load_secret (conf, "Alerts", "webhook-secret-file", "webhook-secret", &secret, error))
    return FALSE;
  config.secret = secret;
  self->alerts = vmft_alerts_new (clock, &config, error);
  return self->alerts != NULL;
}

static gboolean
start_heartbeat (VmftOutside *self, VmftConf *conf, VmftClock *clock, gboolean really, GError **error)
{
  g_auto (GStrv) listen = vmft_conf_get_list (conf, "Heartbeat", "listen");
  g_autofree char *path = secret_path (conf, "Heartbeat", "tokens-file", "heartbeat-tokens");
  g_autoptr (GHashTable) tokens = NULL;
  const char *const nowhere[] = { NULL };
  VmftHeartbeatConfig config = {
    .listen = really ? (const char *const *) listen : nowhere,
    .period_s = vmft_conf_get_double (conf, "Heartbeat", "heartbeat-period"),
    .timeout_s = vmft_conf_get_double (conf, "Heartbeat", "heartbeat-timeout"),
  };

  if (listen[0] == NULL)
    return TRUE;
  if (path == NULL)
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                           "[Heartbeat] tokens-file: is required to listen for heartbeats");
      return FALSE;
    }
  tokens = vmft_heartbeat_load_tokens (path, error);
  if (tokens == NULL)
    return FALSE;
  config.tokens = tokens;
  self->heartbeat = vmft_heartbeat_new (clock, &config, error);
  return self->heartbeat != NULL;
}

static gboolean
start_http (VmftOutside *self, VmftConf *conf, VmftClock *clock, gboolean really, GError **error)
{
  static const VmftHttpView view = {
    .status = show_status,
    .incidents = show_incidents,
    .plans = show_plans,
    .migrations = show_migrations,
    .vms = show_vms,
    .history = show_history,
    .metrics = show_metrics,
  };
  g_auto (GStrv) listen = vmft_conf_get_list (conf, "HTTP", "listen");
  g_auto (GStrv) more_hosts = vmft_conf_get_list (conf, "HTTP", "allowed-hosts");
  g_autoptr (GStrvBuilder) hosts = g_strv_builder_new ();
  g_auto (GStrv) allowed_hosts = NULL;
  g_autofree char *token = NULL;
  VmftHttpConfig config = {
    .listen = (const char *const *) listen,
    .max_clients = (guint) vmft_conf_get_uint (conf, "HTTP", "max-clients"),
  };

  if (listen[0] == NULL)
    return TRUE;
  if (!load_secret (conf, "HTTP", "token-file", "http-token", &token, error))
    return FALSE;
  g_strv_builder_add (hosts, g_get_host_name ());
  g_strv_builder_addv (hosts, (const char **) more_hosts);
  allowed_hosts = g_strv_builder_end (hosts);
  config.allowed_hosts = (const char *const *) allowed_hosts;
  config.token = token;
  if (!really)
    return vmft_http_check (&config, error);
  self->http = vmft_http_new (clock, &config, &view, self, error);
  return self->http != NULL;
}

/* An address that is taken leaves the VMs without a page, not without a guard. */
static gboolean
forgive (GError *problem, GError **error)
{
  if (problem == NULL)
    return TRUE;
  if (g_error_matches (problem, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE))
    {
      g_warning ("%s", problem->message);
      g_error_free (problem);
      return TRUE;
    }
  g_propagate_error (error, problem);
  return FALSE;
}

static gboolean
start_all (VmftOutside *self, VmftConf *conf, VmftClock *clock, gboolean really, GError **error)
{
  GError *problem = NULL;

  if (!start_alerts (self, conf, clock, error))
    return FALSE;
  if (!start_heartbeat (self, conf, clock, really, &problem) && !forgive (g_steal_pointer (&problem), error))
    return FALSE;
  return start_http (self, conf, clock, really, &problem) || forgive (g_steal_pointer (&problem), error);
}

static VmftOutside *
outside_new_empty (void)
{
  VmftOutside *self = g_new0 (VmftOutside, 1);

  self->raised = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->jobs = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

gboolean
vmft_outside_check (VmftConf *conf, GError **error)
{
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (VmftOutside) self = outside_new_empty ();

  return start_all (self, conf, clock, FALSE, error);
}

/* What an earlier run told of is not told again; what ends now, is. */
static void
remember (GHashTable *set, GVariant *list)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (list);

  for (gsize i = 0; i < g_variant_n_children (held); i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (held, i);

      if (g_strcmp0 (vmft_dict_string (record, "state"), "suspected") != 0)
        enter (set, record);
    }
}

static void
remember_vms (VmftOutside *self)
{
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (vmft_daemon_get_hypervisor (self->daemon));

  for (guint i = 0; i < vms->len; i++)
    {
      const VmftVm *vm = g_ptr_array_index (vms, i);

      g_hash_table_replace (self->names, g_strdup (vm->uuid), g_strdup (vm->name));
    }
}

VmftOutside *
vmft_outside_new (VmftDaemon *daemon, GError **error)
{
  const VmftQuery open = { .open = TRUE };
  g_autoptr (VmftOutside) self = outside_new_empty ();
  GVariant *incidents = vmft_daemon_list_incidents (daemon, &open, NULL);

  self->daemon = g_object_ref (daemon);
  self->view = vmft_view_new (daemon);
  self->vms = vmft_view_vms_new (daemon);
  remember_vms (self);
  if (incidents != NULL)
    remember (self->raised, incidents);
  remember (self->jobs, vmft_view_list_migrations (self->view, G_MAXUINT, TRUE));
  if (!start_all (self, vmft_daemon_get_conf (daemon), vmft_daemon_get_clock (daemon), TRUE, error))
    return NULL;
  g_signal_connect (daemon, "incident", G_CALLBACK (on_incident), self);
  g_signal_connect (daemon, "plan", G_CALLBACK (on_plan), self);
  g_signal_connect (daemon, "migration", G_CALLBACK (on_migration), self);
  g_signal_connect (daemon, "changed", G_CALLBACK (on_changed), self);
  g_signal_connect (vmft_daemon_get_hypervisor (daemon), "vm-changed", G_CALLBACK (on_vm_changed), self);
  if (self->heartbeat != NULL)
    g_signal_connect (self->heartbeat, "silent", G_CALLBACK (on_silent), self);
  return g_steal_pointer (&self);
}

guint16
vmft_outside_get_http_port (VmftOutside *self)
{
  return self->http ? vmft_http_get_port (self->http) : 0;
}

guint16
vmft_outside_get_heartbeat_port (VmftOutside *self)
{
  return self->heartbeat ? vmft_heartbeat_get_port (self->heartbeat) : 0;
}

VmftAlerts *
vmft_outside_free_to_alerts (VmftOutside *self)
{
  VmftAlerts *alerts = g_steal_pointer (&self->alerts);

  vmft_outside_free (self);
  return alerts;
}

void
vmft_outside_take_over (VmftOutside *self, VmftAlerts *alerts)
{
  vmft_alerts_take_over (self->alerts, alerts);
}

void
vmft_outside_free (VmftOutside *self)
{
  if (self->daemon != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->daemon, self);
      g_signal_handlers_disconnect_by_data (vmft_daemon_get_hypervisor (self->daemon), self);
    }
  g_clear_pointer (&self->http, vmft_http_free);
  if (self->heartbeat != NULL)
    g_signal_handlers_disconnect_by_data (self->heartbeat, self);
  g_clear_object (&self->heartbeat);
  g_clear_pointer (&self->alerts, vmft_alerts_free);
  g_clear_pointer (&self->vms, vmft_view_vms_free);
  g_clear_pointer (&self->view, vmft_view_free);
  g_clear_object (&self->daemon);
  g_hash_table_unref (self->raised);
  g_hash_table_unref (self->jobs);
  g_hash_table_unref (self->names);
  g_free (self);
}
