/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-history.h"

struct _VmftHistory
{
  VmftClock *clock;
  VmftStore *store;
  VmftDetector *detector;
  VmftLeadModel *leads;
  VmftFacts *facts;
  VmftHistoryFunc failed; /* (nullable) */
  gpointer failed_data;
};

VmftHistory *
vmft_history_new (VmftClock *clock,
                  VmftStore *store,
                  VmftDetector *detector,
                  VmftLeadModel *leads,
                  VmftFacts *facts)
{
  VmftHistory *self = g_new0 (VmftHistory, 1);

  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  self->detector = g_object_ref (detector);
  self->leads = g_object_ref (leads);
  self->facts = facts;
  return self;
}

void
vmft_history_free (VmftHistory *self)
{
  g_object_unref (self->leads);
  g_object_unref (self->detector);
  g_object_unref (self->store);
  g_object_unref (self->clock);
  g_free (self);
}

void
vmft_history_set_failed_func (VmftHistory *self, VmftHistoryFunc func, gpointer user_data)
{
  self->failed = func;
  self->failed_data = user_data;
}

static gboolean
keep_lead (VmftHistory *self,
           const VmftIncident *incident,
           VmftTime end_us,
           gboolean censored,
           GError **error)
{
  g_autofree char *key = g_strdup_printf ("lead-of-incident-%" G_GUINT64_FORMAT, incident->id);
  g_autoptr (GVariant) kept = vmft_store_get (self->store, VMFT_STORE_SETTINGS, key, NULL);
  VmftLeadRecord record = {
    .fault_class = vmft_fault_class_to_string (incident->fault_class),
    .lead_s = vmft_time_diff_s (end_us, incident->first_us),
    .censored = censored,
    .origin = VMFT_LEAD_ORIGIN_FIELD,
    .when_us = end_us,
  };
  GVariantDict dict;

  if (kept != NULL || record.lead_s <= 0.0)
    return TRUE;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "censored", "b", censored);
  return vmft_lead_model_add (self->leads, &record, error) &&
         vmft_store_put (self->store, VMFT_STORE_SETTINGS, key, end_us, g_variant_dict_end (&dict), error);
}

static void
note_end (VmftHistory *self, const VmftIncident *incident, VmftTime end_us, gboolean censored)
{
  g_autoptr (GError) error = NULL;

  if (incident->benign || incident->drill || incident->backlog)
    return;
  if (!censored && self->failed != NULL)
    self->failed (incident, end_us, self->failed_data);
  if (!keep_lead (self, incident, end_us, censored, &error))
    g_warning ("the lead time of incident %" G_GUINT64_FORMAT " is not being kept: %s", incident->id,
               error->message);
}

void
vmft_history_note_incident (VmftHistory *self, const VmftIncident *incident)
{
  if (incident->state == VMFT_INCIDENT_CLEARED && incident->confirmed_us != 0)
    note_end (self, incident, incident->cleared_us, TRUE);
}

/*
 * What the kernel says of a failure opens an incident of its own where its locus is another: the file system on dm-0
 * goes because of the disk below, a VM's QEMU because the host has no memory left.
 */
static gboolean
leads_to (VmftHistory *self, const VmftIncident *incident, const VmftLocus *failed)
{
  VmftHostFacts facts;

  if (failed->kind == VMFT_LOCUS_VM_PID)
    return incident->fault_class == VMFT_CLASS_PRESSURE && incident->locus.kind == VMFT_LOCUS_HOST;
  if (failed->kind != VMFT_LOCUS_BLOCK || incident->locus.kind != VMFT_LOCUS_BLOCK)
    return FALSE;
  vmft_facts_get (self->facts, &incident->locus, &facts);
  return facts.locus_devices != NULL &&
         g_strv_contains ((const char *const *) facts.locus_devices, failed->name);
}

void
vmft_history_note_alarm (VmftHistory *self, GVariant *alarm)
{
  static const char *const failures[] = { "device-offlined", "readonly-remount", "oom-kill-vm", NULL };
  const char *family = vmft_dict_string (alarm, "family"), *locus = vmft_dict_string (alarm, "locus");
  guint64 own = (guint64) vmft_dict_int64 (alarm, "incident_id", 0);
  g_autoptr (GPtrArray) incidents = NULL;
  VmftLocus failed;

  if (family == NULL || !g_strv_contains (failures, family) || vmft_dict_boolean (alarm, "drill", FALSE) ||
      vmft_dict_boolean (alarm, "backlog", FALSE) || locus == NULL ||
      !vmft_locus_from_string (locus, &failed))
    return;
  incidents = vmft_detector_list_incidents (self->detector);
  for (guint i = 0; i < incidents->len; i++)
    {
      const VmftIncident *incident = g_ptr_array_index (incidents, i);

      if (incident->state == VMFT_INCIDENT_CONFIRMED &&
          (incident->id == own || leads_to (self, incident, &failed)))
        note_end (self, incident, vmft_dict_int64 (alarm, "time_us", 0), FALSE);
    }
}

/* A fault in another VM, or in a disk that carries none of this VM's, had not announced this. */
static gboolean
had_announced (VmftHistory *self, const VmftIncident *incident, const VmftVm *vm)
{
  VmftHostFacts facts;

  if (vm == NULL)
    return incident->locus.kind == VMFT_LOCUS_HOST;
  vmft_facts_get (self->facts, &incident->locus, &facts);
  return incident->locus.kind != VMFT_LOCUS_NET && vmft_policy_concerned (vm, incident, &facts, NULL);
}

void
vmft_history_note_vm_failed (VmftHistory *self, const VmftVm *vm, VmftTime failed_us)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);

  for (guint i = 0; i < incidents->len; i++)
    {
      const VmftIncident *incident = g_ptr_array_index (incidents, i);

      if (incident->state == VMFT_INCIDENT_CONFIRMED && had_announced (self, incident, vm))
        note_end (self, incident, failed_us, FALSE);
    }
}
