/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-planner.h"

#define REFIT_MS 30000 /* samples age, so curves are fitted again even when nothing changed */

/* When an incident was first seen: its elapsed time runs on the monotonic clock from there. */
typedef struct
{
  double elapsed_s;
  gint64 monotonic_us;
  VmftTime first_us;
} Watch;

struct _VmftPlanner
{
  VmftPlannerParts parts;
  VmftPolicyConfig config;
  GHashTable *vms;       /* uuid -> VmftPolicyVm */
  GHashTable *migrating; /* uuid -> double * remaining seconds */
  GHashTable *left;      /* uuids that went, which the inventory still shows */
  GHashTable *watches;   /* incident id -> Watch */
  gulong changed_id;
  guint refit_id;
};

/* --- configuration --- */

static guint
read_modes (VmftConf *conf)
{
  guint modes = VMFT_MODES_ALL;

  if (!vmft_modes_from_string (vmft_conf_get_string (conf, "Policy", "modes"), &modes, NULL))
    g_warn_if_reached (); /* vmft_daemon_new() has read it before */
  return modes;
}

static void
read_config (VmftPolicyConfig *config, VmftConf *conf)
{
  *config = VMFT_POLICY_CONFIG_DEFAULT;
  config->modes = read_modes (conf);
  config->confidence = vmft_conf_get_double (conf, "Policy", "confidence");
  config->guard_s = vmft_conf_get_double (conf, "Policy", "guard");
  if (!vmft_fallback_from_string (vmft_conf_get_string (conf, "Policy", "fallback"), &config->fallback))
    g_warn_if_reached (); /* the table of keys allows no other */
  config->max_downtime_s = vmft_conf_get_double (conf, "Migration", "max-downtime");
  config->bandwidth_bps = (double) vmft_conf_get_uint (conf, "Migration", "bandwidth");
  config->limit_out = (guint) vmft_conf_get_uint (conf, "Migration", "max-parallel");
  config->cooldown_s = vmft_conf_get_double (conf, "Policy", "cool-down");
  config->max_failures = (guint) vmft_conf_get_uint (conf, "Policy", "max-failures");
  config->loss_s = vmft_conf_get_double (conf, "Policy", "loss");
  config->move_s = vmft_conf_get_double (conf, "Policy", "move-cost");
  config->suspect_share = vmft_conf_get_double (conf, "Policy", "suspect-share");
  config->same_template_s = vmft_conf_get_double (conf, "Policy", "same-template-time");
  config->xbzrle_cache_bytes = (double) vmft_conf_get_uint (conf, "Migration", "xbzrle-cache");
}

/* --- VMs, fitted ahead of any alarm --- */

static void
fit_vm (VmftPlanner *self, VmftVm *vm)
{
  g_hash_table_replace (self->vms, g_strdup (vm->uuid),
                        vmft_policy_vm_new (vm, vmft_clock_real_us (self->parts.clock)));
}

static void
on_vm_changed (VmftHypervisor *hypervisor, const char *uuid, gpointer user_data)
{
  VmftPlanner *self = user_data;
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (hypervisor, uuid);

  if (vm == NULL || !vm->running)
    g_hash_table_remove (self->left, uuid);
  if (vm != NULL)
    fit_vm (self, vm);
  else
    g_hash_table_remove (self->vms, uuid);
}

static gboolean
refit (gpointer user_data)
{
  VmftPlanner *self = user_data;
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (self->parts.hypervisor);

  g_hash_table_remove_all (self->vms);
  for (guint i = 0; i < vms->len; i++)
    fit_vm (self, g_ptr_array_index (vms, i));
  return G_SOURCE_CONTINUE;
}

VmftPlanner *
vmft_planner_new (const VmftPlannerParts *parts)
{
  VmftPlanner *self = g_new0 (VmftPlanner, 1);

  self->parts = *parts;
  vmft_conf_ref (parts->conf);
  g_object_ref (parts->clock);
  g_object_ref (parts->hypervisor);
  g_object_ref (parts->estimator);
  g_object_ref (parts->leads);
  read_config (&self->config, parts->conf);
  self->vms = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vmft_policy_vm_free);
  self->migrating = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->left = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->watches = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  self->changed_id = g_signal_connect (parts->hypervisor, "vm-changed", G_CALLBACK (on_vm_changed), self);
  self->refit_id = vmft_clock_add_timer (parts->clock, REFIT_MS, refit, self, NULL);
  refit (self);
  return self;
}

void
vmft_planner_free (VmftPlanner *self)
{
  vmft_clear_timer (self->parts.clock, &self->refit_id);
  g_clear_signal_handler (&self->changed_id, self->parts.hypervisor);
  g_hash_table_unref (self->vms);
  g_hash_table_unref (self->migrating);
  g_hash_table_unref (self->left);
  g_hash_table_unref (self->watches);
  g_object_unref (self->parts.leads);
  g_object_unref (self->parts.estimator);
  g_object_unref (self->parts.hypervisor);
  g_object_unref (self->parts.clock);
  vmft_conf_unref (self->parts.conf);
  g_free (self);
}

void
vmft_planner_set_migrating (VmftPlanner *self, const char *uuid, double remaining_s)
{
  if (remaining_s < 0.0)
    g_hash_table_remove (self->migrating, uuid);
  else
    g_hash_table_replace (self->migrating, g_strdup (uuid), g_memdup2 (&remaining_s, sizeof remaining_s));
}

void
vmft_planner_set_left (VmftPlanner *self, const char *uuid)
{
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (self->parts.hypervisor, uuid);

  if (vm != NULL && vm->running)
    g_hash_table_add (self->left, g_strdup (uuid));
}

const VmftLoad *
vmft_planner_get_load (VmftPlanner *self, const char *uuid)
{
  const VmftPolicyVm *vm = g_hash_table_lookup (self->vms, uuid);

  return vm ? &vm->load : NULL;
}

/* --- lead time --- */

double
vmft_planner_get_elapsed_s (VmftPlanner *self, const VmftIncident *incident)
{
  gint64 now_us = vmft_clock_monotonic_us (self->parts.clock);
  Watch *watch = g_hash_table_lookup (self->watches, &incident->id);

  if (watch == NULL || watch->first_us != incident->first_us)
    {
      VmftTime real_us = vmft_clock_real_us (self->parts.clock);

      watch = g_new0 (Watch, 1);
      watch->elapsed_s = MAX (vmft_time_diff_s (real_us, incident->first_us), 0.0);
      watch->monotonic_us = now_us;
      watch->first_us = incident->first_us;
      g_hash_table_replace (self->watches, g_memdup2 (&incident->id, sizeof incident->id), watch);
    }
  return watch->elapsed_s + (double) (now_us - watch->monotonic_us) / G_USEC_PER_SEC;
}

void
vmft_planner_get_lead (VmftPlanner *self, const VmftIncident *incident, VmftLead *lead)
{
  vmft_lead_model_get (self->parts.leads, vmft_fault_class_to_string (incident->fault_class),
                       vmft_planner_get_elapsed_s (self, incident), lead);
  if (incident->fault_class == VMFT_CLASS_PRESSURE && strcmp (incident->locus.name, "memory") == 0)
    {
      double free_bytes = 0.0;
      double decline_bps = vmft_facts_get_decline_bps (self->parts.facts, &free_bytes);

      vmft_lead_set_headroom (lead, free_bytes, decline_bps);
    }
}

/* --- plans --- */

static GPtrArray *
gather_vms (VmftPlanner *self, guint64 incident_id)
{
  GPtrArray *list = g_ptr_array_new ();
  g_autoptr (GPtrArray) known = vmft_hypervisor_list_vms (self->parts.hypervisor);

  /* the hypervisor's order, so that the same host gives the same plan */
  for (guint i = 0; i < known->len; i++)
    {
      const char *uuid = ((const VmftVm *) g_ptr_array_index (known, i))->uuid;
      const double *remaining_s = g_hash_table_lookup (self->migrating, uuid);
      VmftPolicyVm *vm;

      if (!g_hash_table_contains (self->vms, uuid))
        fit_vm (self, g_ptr_array_index (known, i)); /* nothing was said of it yet */
      vm = g_hash_table_lookup (self->vms, uuid);
      vm->last_moved_us = vmft_guards_last_moved (self->parts.guards, uuid);
      vm->n_failures = vmft_guards_n_failures (self->parts.guards, incident_id, uuid);
      vm->migrating = remaining_s != NULL || g_hash_table_contains (self->left, uuid);
      vm->remaining_s = remaining_s ? *remaining_s : 0.0;
      g_ptr_array_add (list, vm);
    }
  return list;
}

VmftPlan *
vmft_planner_plan (VmftPlanner *self, const VmftIncident *incident, VmftOperation operation)
{
  g_autoptr (GPtrArray) vms = gather_vms (self, incident ? incident->id : 0);
  VmftLead lead;
  VmftHostFacts facts = { 0 };
  VmftPolicyState state;
  VmftPolicyInput input = {
    .now_us = vmft_clock_real_us (self->parts.clock),
    .incident = incident,
    .vms = vms,
    .destinations = vmft_destinations_list (self->parts.destinations),
    .estimator = self->parts.estimator,
    .state = &state,
    .config = self->config,
  };

  vmft_guards_get_state (self->parts.guards, incident ? incident->template_text : NULL, &state);
  vmft_destinations_note_template (self->parts.destinations, incident ? incident->template_text : NULL);
  input.config.operation = operation;
  if (incident != NULL)
    {
      vmft_planner_get_lead (self, incident, &lead);
      vmft_facts_get (self->parts.facts, &incident->locus, &facts);
      input.lead = &lead;
      input.facts = &facts;
    }
  return vmft_policy_plan (&input);
}

VmftPlan *
vmft_planner_suppose (VmftPlanner *self, VmftFaultClass fault_class, VmftOperation operation)
{
  VmftTime now_us = vmft_clock_real_us (self->parts.clock);
  VmftIncident incident = {
    .id = G_MAXUINT64, /* of no real incident, so that none of its failures count */
    .state = VMFT_INCIDENT_CONFIRMED,
    .fault_class = fault_class,
    .locus = { .kind = VMFT_LOCUS_HOST },
    .family = (char *) "supposed",
    .template_text = (char *) "supposed by the operator",
    .first_us = now_us,
    .confirmed_us = now_us,
    .last_us = now_us,
    .n_alarms = 2,
    .n_templates = 1,
    .p = 1.0,
    .trusted = TRUE,
  };
  VmftPlan *plan = vmft_planner_plan (self, &incident, operation);

  g_hash_table_remove (self->watches, &incident.id);
  return plan;
}

/* --- one VM for the operator --- */

/* One mode's estimate, and beside it the straight line over the RAM, which is all there is before any history. */
static GVariant *
estimate_to (VmftPlanner *self,
             const VmftLoad *load,
             const VmftLink *link,
             const char *destination,
             VmftMode mode)
{
  g_autoptr (GVariant) record = NULL;
  VmftEstimate estimate;
  GVariantDict dict;
  double a, b;
  guint n;

  vmft_estimator_estimate (self->parts.estimator, destination, load, link, mode, &estimate);
  n = vmft_estimator_get_linear (self->parts.estimator, destination, mode, &a, &b);
  record = g_variant_ref_sink (vmft_estimate_to_variant (&estimate));
  g_variant_dict_init (&dict, record);
  g_variant_dict_insert (&dict, "linear_s", "d", a * load->memory_bytes + b);
  g_variant_dict_insert (&dict, "linear_a_s_per_byte", "d", a);
  g_variant_dict_insert (&dict, "linear_b_s", "d", b);
  g_variant_dict_insert (&dict, "linear_jobs", "u", n);
  return g_variant_dict_end (&dict);
}

static GVariant *
link_to_variant (const VmftLink *link)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "bandwidth_bps", "d", vmft_link_effective_bps (link));
  g_variant_dict_insert (&dict, "startup_s", "d", link->startup_s);
  g_variant_dict_insert (&dict, "jobs", "u", link->n_jobs);
  return g_variant_dict_end (&dict);
}

static GVariant *
estimates_to (VmftPlanner *self, const VmftLoad *load, const VmftLink *link, const char *destination)
{
  GVariantBuilder modes;

  g_variant_builder_init (&modes, G_VARIANT_TYPE ("aa{sv}"));
  for (guint mode = 0; mode < VMFT_N_MODES; mode++)
    g_variant_builder_add_value (&modes, estimate_to (self, load, link, destination, (VmftMode) mode));
  return g_variant_builder_end (&modes);
}

GVariant *
vmft_planner_describe_vm (VmftPlanner *self, VmftVm *vm)
{
  const GPtrArray *destinations = vmft_destinations_list (self->parts.destinations);
  const VmftPolicyVm *fitted = g_hash_table_lookup (self->vms, vm->uuid);
  g_autoptr (GVariant) record = g_variant_ref_sink (vmft_vm_to_variant (vm));
  GVariantBuilder list;
  GVariantDict dict;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < destinations->len; i++)
    {
      const VmftDestination *destination = g_ptr_array_index (destinations, i);
      g_autofree char *reason = NULL;
      GVariantDict one;
      VmftLink link;

      vmft_estimator_get_link (self->parts.estimator, destination->name, self->config.bandwidth_bps, 1,
                               &link);
      g_variant_dict_init (&one, NULL);
      g_variant_dict_insert_value (&one, "link", link_to_variant (&link));
      g_variant_dict_insert (&one, "destination", "s", destination->name);
      g_variant_dict_insert (&one, "movable", "b", vmft_policy_movable (vm, destination, &reason));
      if (reason != NULL)
        g_variant_dict_insert (&one, "reason", "s", reason);
      if (fitted != NULL)
        g_variant_dict_insert_value (&one, "estimates",
                                     estimates_to (self, &fitted->load, &link, destination->name));
      g_variant_builder_add_value (&list, g_variant_dict_end (&one));
    }
  g_variant_dict_init (&dict, record);
  if (fitted != NULL)
    g_variant_dict_insert_value (&dict, "curve", vmft_dirty_curve_to_variant (&fitted->load.curve));
  g_variant_dict_insert (&dict, "migrating", "b", g_hash_table_contains (self->migrating, vm->uuid));
  g_variant_dict_insert (&dict, "last_moved_us", "x", vmft_guards_last_moved (self->parts.guards, vm->uuid));
  g_variant_dict_insert_value (&dict, "destinations", g_variant_builder_end (&list));
  return g_variant_dict_end (&dict);
}
