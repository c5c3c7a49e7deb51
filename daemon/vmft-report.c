/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records for the operator: the same ones over D-Bus, HTTP and in vmftctl's JSON. */
#include "vmft-daemon-private.h"

#include <vmft-config.h>

/* --- lists out of the store --- */

typedef struct
{
  VmftDaemon *self;
  guint limit;
  gboolean live; /* a running job's record is the executor's */
  guint n;
  GVariantBuilder builder;
} Listing;

static gboolean
list_record (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  Listing *listing = user_data;
  GVariant *live = NULL;

  if (listing->live)
    live = vmft_executor_lookup (listing->self->executor, (guint64) vmft_dict_int64 (record, "id", 0));
  g_variant_builder_add_value (&listing->builder, live ? live : record);
  listing->n++;
  return listing->limit == 0 || listing->n < listing->limit;
}

static GVariant *
list_table (VmftDaemon *self, const char *table, const VmftQuery *query, GError **error)
{
  Listing listing = {
    .self = self,
    .limit = query->limit,
    .live = strcmp (table, VMFT_STORE_MIGRATIONS) == 0,
  };
  gboolean read;

  g_variant_builder_init (&listing.builder, G_VARIANT_TYPE ("aa{sv}"));
  if (query->incident != 0)
    read = vmft_store_foreach_of_incident (self->store, table, query->incident, list_record, &listing, error);
  else
    read = vmft_store_foreach (self->store, table, VMFT_STORE_NEWEST_FIRST, query->limit, list_record,
                               &listing, error);
  if (read)
    return g_variant_builder_end (&listing.builder);
  g_variant_builder_clear (&listing.builder);
  return NULL;
}

GVariant *
vmft_daemon_list_alarms (VmftDaemon *self, const VmftQuery *query, GError **error)
{
  return list_table (self, VMFT_STORE_ALARMS, query, error);
}

static gint
newest_incident_first (gconstpointer a, gconstpointer b)
{
  const VmftIncident *x = *(const VmftIncident *const *) a, *y = *(const VmftIncident *const *) b;

  if (x->last_us != y->last_us)
    return x->last_us > y->last_us ? -1 : 1;
  return x->id > y->id ? -1 : x->id < y->id;
}

/* Those that are open are all in memory: the table holds years of others. */
static GVariant *
list_open_incidents (VmftDaemon *self, const VmftQuery *query)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);
  GVariantBuilder builder;
  guint n = 0;

  g_ptr_array_sort (incidents, newest_incident_first);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < incidents->len && (query->limit == 0 || n < query->limit); i++)
    {
      const VmftIncident *incident = g_ptr_array_index (incidents, i);

      if (incident->state == VMFT_INCIDENT_CLEARED)
        continue;
      g_variant_builder_add_value (&builder, vmft_incident_to_variant (incident));
      n++;
    }
  return g_variant_builder_end (&builder);
}

GVariant *
vmft_daemon_list_incidents (VmftDaemon *self, const VmftQuery *query, GError **error)
{
  g_return_val_if_fail (query->incident == 0, NULL);
  if (query->open)
    return list_open_incidents (self, query);
  return list_table (self, VMFT_STORE_INCIDENTS, query, error);
}

GVariant *
vmft_daemon_list_plans (VmftDaemon *self, const VmftQuery *query, GError **error)
{
  return list_table (self, VMFT_STORE_PLANS, query, error);
}

GVariant *
vmft_daemon_list_migrations (VmftDaemon *self, const VmftQuery *query, GError **error)
{
  return list_table (self, VMFT_STORE_MIGRATIONS, query, error);
}

GVariant *
vmft_daemon_show_migration (VmftDaemon *self, guint64 id, GError **error)
{
  GVariant *live = vmft_executor_lookup (self->executor, id);
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GError) local = NULL;
  GVariantDict dict;

  if (live != NULL)
    return live;
  record = vmft_store_get_id (self->store, VMFT_STORE_MIGRATIONS, id, &local);
  if (record == NULL && local == NULL)
    g_set_error (&local, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "there is no migration %" G_GUINT64_FORMAT, id);
  if (record == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  g_variant_dict_init (&dict, record);
  return g_variant_dict_end (&dict);
}

/* --- VMs --- */

GVariant *
vmft_daemon_list_vms (VmftDaemon *self)
{
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (self->hypervisor);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < vms->len; i++)
    g_variant_builder_add_value (&builder,
                                 vmft_planner_describe_vm (self->planner, g_ptr_array_index (vms, i)));
  return g_variant_builder_end (&builder);
}

GVariant *
vmft_daemon_show_vm (VmftDaemon *self, const char *name, GError **error)
{
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (self->hypervisor, name);

  if (vm != NULL)
    return vmft_planner_describe_vm (self->planner, vm);
  if (vmft_hypervisor_is_connected (self->hypervisor))
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "this host has no domain “%s”", name);
  else
    g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "libvirtd does not answer");
  return NULL;
}

/* --- the whole --- */

void
vmft_daemon_count (VmftDaemon *self, guint *open_incidents, guint *running_migrations)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);

  *open_incidents = 0;
  for (guint i = 0; i < incidents->len; i++)
    *open_incidents +=
        ((const VmftIncident *) g_ptr_array_index (incidents, i))->state != VMFT_INCIDENT_CLEARED;
  *running_migrations = vmft_executor_count (self->executor);
}

static const char *
overall_state (VmftDaemon *self, guint open_incidents, guint running_migrations)
{
  if (running_migrations > 0)
    return "evacuating";
  if (open_incidents > 0)
    return "incident";
  return vmft_detector_is_learning (self->detector) ? "learning" : "watching";
}

/* what other hosts want to know before they send VMs here; see VmftPeerState */
static void
add_suspicion (VmftDaemon *self, GVariantDict *dict)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);
  g_autofree char *suspicion = vmft_daemon_get_suspicion (self);
  g_auto (GVariantDict) templates = G_VARIANT_DICT_INIT (NULL);

  for (guint i = 0; i < incidents->len; i++)
    {
      const VmftIncident *incident = g_ptr_array_index (incidents, i);

      if (incident->trusted && !incident->drill && incident->template_text != NULL)
        g_variant_dict_insert (
            &templates, incident->template_text, "d",
            MAX (vmft_time_diff_s (vmft_clock_real_us (self->clock), incident->last_us), 0.0));
    }
  g_variant_dict_insert (dict, "suspect", "b", suspicion != NULL);
  if (suspicion != NULL)
    g_variant_dict_insert (dict, "suspicion", "s", suspicion);
  g_variant_dict_insert_value (dict, "templates", g_variant_dict_end (&templates));
}

GVariant *
vmft_daemon_describe (VmftDaemon *self)
{
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (self->hypervisor);
  guint open = 0, running = 0;
  VmftPolicyState guards;
  GVariantDict dict;

  vmft_daemon_count (self, &open, &running);
  vmft_guards_get_state (self->guards, NULL, &guards);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "version", "s", VMFT_VERSION);
  g_variant_dict_insert (&dict, "host", "s", g_get_host_name ());
  g_variant_dict_insert (&dict, "now_us", "x", vmft_clock_real_us (self->clock));
  g_variant_dict_insert (&dict, "started_us", "x", self->started_us);
  g_variant_dict_insert (&dict, "operation", "s", vmft_operation_to_string (self->operation));
  g_variant_dict_insert (&dict, "state", "s", overall_state (self, open, running));
  g_variant_dict_insert (&dict, "open_incidents", "u", open);
  g_variant_dict_insert (&dict, "running_migrations", "u", running);
  g_variant_dict_insert (&dict, "vms", "u", vms->len);
  g_variant_dict_insert (&dict, "libvirt_connected", "b", vmft_hypervisor_is_connected (self->hypervisor));
  g_variant_dict_insert (&dict, "libvirt_uri", "s", vmft_conf_get_string (self->conf, "Libvirt", "uri"));
  if (guards.inhibit_until_us > vmft_clock_real_us (self->clock))
    {
      g_variant_dict_insert (&dict, "inhibited_until_us", "x", guards.inhibit_until_us);
      g_variant_dict_insert (&dict, "inhibited_because", "s",
                             guards.inhibit_reason ? guards.inhibit_reason : "");
    }
  add_suspicion (self, &dict);
  g_variant_dict_insert_value (&dict, "detector", vmft_detector_describe (self->detector));
  g_variant_dict_insert_value (&dict, "inference", vmft_inquiry_to_variant (self->inquiry));
  g_variant_dict_insert_value (&dict, "input", vmft_pipeline_to_variant (self->pipeline));
  g_variant_dict_insert_value (&dict, "sampler", vmft_sampler_to_variant (self->sampler));
  g_variant_dict_insert_value (&dict, "destinations", vmft_destinations_to_variant (self->destinations));
  return g_variant_dict_end (&dict);
}

GVariant *
vmft_daemon_describe_lead (VmftDaemon *self, guint64 incident_id)
{
  const VmftIncident *incident = vmft_detector_lookup_incident (self->detector, incident_id);
  VmftLead lead;

  if (incident == NULL || incident->state == VMFT_INCIDENT_CLEARED)
    return NULL;
  vmft_planner_get_lead (self->planner, incident, &lead);
  return vmft_lead_to_variant (&lead);
}

static gboolean
add_list (GVariantDict *dict, const char *key, GVariant *list)
{
  if (list == NULL)
    return FALSE;
  g_variant_dict_insert_value (dict, key, list);
  return TRUE;
}

GVariant *
vmft_daemon_explain (VmftDaemon *self, guint64 incident_id, GError **error)
{
  const VmftQuery query = { .incident = incident_id };
  const VmftIncident *incident = vmft_detector_lookup_incident (self->detector, incident_id);
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GError) local = NULL;
  GVariantDict dict;

  if (incident != NULL)
    record = g_variant_ref_sink (vmft_incident_to_variant (incident));
  else
    record = vmft_store_get_id (self->store, VMFT_STORE_INCIDENTS, incident_id, &local);
  if (record == NULL)
    {
      if (local != NULL)
        g_propagate_error (error, g_steal_pointer (&local));
      else
        g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "there is no incident %" G_GUINT64_FORMAT,
                     incident_id);
      return NULL;
    }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, "incident", record);
  if (incident != NULL && incident->state != VMFT_INCIDENT_CLEARED)
    {
      VmftLead lead;

      vmft_planner_get_lead (self->planner, incident, &lead);
      g_variant_dict_insert_value (&dict, "lead", vmft_lead_to_variant (&lead));
    }
  if (!add_list (&dict, "alarms", vmft_daemon_list_alarms (self, &query, error)) ||
      !add_list (&dict, "plans", vmft_daemon_list_plans (self, &query, error)) ||
      !add_list (&dict, "migrations", vmft_daemon_list_migrations (self, &query, error)))
    {
      g_variant_dict_clear (&dict);
      return NULL;
    }
  return g_variant_dict_end (&dict);
}
