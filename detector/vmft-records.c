/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Alarms and incidents as records. */
#include "vmft-incident.h"

#include <string.h>

/* Why nothing is planned for what any user of the machine, or another machine, could have written. */
#define NO_PLAN                                                                                              \
  "no trusted source stands behind it: not the kernel's own records, not a source with trust=kernel"

static const char *const state_names[] = { "suspected", "confirmed", "cleared" };
static const char *const trust_names[] = { "none", "claimed", "kernel" };
static const char *const proof_names[] = { "none", "mount", "device", "md" };

void
vmft_alarm_free (VmftAlarm *alarm)
{
  if (!alarm)
    return;
  g_free (alarm->source);
  g_free (alarm->line);
  g_free (alarm->template_text);
  g_free (alarm->family);
  g_free (alarm);
}

static void
put_text (GVariantDict *dict, const char *key, const char *text)
{
  g_autofree char *printable = vmft_text_printable (text, -1);

  g_variant_dict_insert (dict, key, "s", printable);
}

static void
put_locus (GVariantDict *dict, const VmftLocus *locus)
{
  g_autofree char *text = vmft_locus_to_string (locus);

  put_text (dict, "locus", text);
}

GVariant *
vmft_alarm_to_variant (const VmftAlarm *alarm)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "id", "x", (gint64) alarm->id);
  g_variant_dict_insert (&dict, "incident_id", "x", (gint64) alarm->incident_id);
  g_variant_dict_insert (&dict, "time_us", "x", alarm->time_us);
  g_variant_dict_insert (&dict, "arrival_us", "x", alarm->arrival_us);
  put_text (&dict, "source", alarm->source);
  put_text (&dict, "line", alarm->line);
  put_text (&dict, "template", alarm->template_text);
  g_variant_dict_insert (&dict, "template_id", "x", (gint64) alarm->template_id);
  g_variant_dict_insert (&dict, "p", "d", alarm->p);
  put_text (&dict, "family", alarm->family);
  g_variant_dict_insert (&dict, "class", "s", vmft_fault_class_to_string (alarm->fault_class));
  put_locus (&dict, &alarm->locus);
  g_variant_dict_insert (&dict, "trust", "s", trust_names[alarm->trust]);
  g_variant_dict_insert (&dict, "backlog", "b", alarm->backlog);
  g_variant_dict_insert (&dict, "drill", "b", alarm->drill);
  return g_variant_dict_end (&dict);
}

GVariant *
vmft_incident_to_variant (const VmftIncident *incident)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "id", "x", (gint64) incident->id);
  g_variant_dict_insert (&dict, "state", "s", state_names[incident->state]);
  g_variant_dict_insert (&dict, "class", "s", vmft_fault_class_to_string (incident->fault_class));
  put_locus (&dict, &incident->locus);
  put_text (&dict, "family", incident->family);
  put_text (&dict, "template", incident->template_text);
  g_variant_dict_insert (&dict, "first_us", "x", incident->first_us);
  g_variant_dict_insert (&dict, "confirmed_us", "x", incident->confirmed_us);
  g_variant_dict_insert (&dict, "last_us", "x", incident->last_us);
  g_variant_dict_insert (&dict, "cleared_us", "x", incident->cleared_us);
  g_variant_dict_insert (&dict, "alarms", "x", (gint64) incident->n_alarms);
  g_variant_dict_insert (&dict, "templates", "x", (gint64) incident->n_templates);
  g_variant_dict_insert (&dict, "recurrences", "x", (gint64) incident->n_recurrences);
  g_variant_dict_insert (&dict, "p", "d", incident->p);
  g_variant_dict_insert (&dict, "terminal", "b", incident->terminal);
  g_variant_dict_insert (&dict, "proof", "s", proof_names[incident->proof]);
  g_variant_dict_insert (&dict, "trusted", "b", incident->trusted);
  if (incident->state == VMFT_INCIDENT_CONFIRMED && !incident->trusted && !incident->drill)
    g_variant_dict_insert (&dict, "no_plan", "s", NO_PLAN);
  g_variant_dict_insert (&dict, "backlog", "b", incident->backlog);
  g_variant_dict_insert (&dict, "acknowledged", "b", incident->acknowledged);
  g_variant_dict_insert (&dict, "benign", "b", incident->benign);
  g_variant_dict_insert (&dict, "drill", "b", incident->drill);
  g_variant_dict_insert (&dict, "firm", "b", incident->firm);
  return g_variant_dict_end (&dict);
}

static gboolean
find_name (const char *const *names, guint n_names, const char *name, guint *index)
{
  for (guint i = 0; i < n_names; i++)
    if (g_strcmp0 (names[i], name) == 0)
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

gboolean
vmft_incident_from_variant (VmftIncident *incident, GVariant *record)
{
  const char *fault_class = vmft_dict_string (record, "class");
  const char *locus = vmft_dict_string (record, "locus");
  const char *family = vmft_dict_string (record, "family");
  const char *template_text = vmft_dict_string (record, "template");
  guint state = 0, proof = 0;

  *incident = (VmftIncident){ 0 };
  if (!fault_class || !locus || !vmft_fault_class_from_string (fault_class, &incident->fault_class) ||
      !vmft_locus_from_string (locus, &incident->locus) ||
      !find_name (state_names, G_N_ELEMENTS (state_names), vmft_dict_string (record, "state"), &state))
    return FALSE;
  if (find_name (proof_names, G_N_ELEMENTS (proof_names), vmft_dict_string (record, "proof"), &proof))
    incident->proof = (VmftProof) proof;
  incident->state = (VmftIncidentState) state;
  incident->id = (guint64) vmft_dict_int64 (record, "id", 0);
  incident->first_us = vmft_dict_int64 (record, "first_us", 0);
  incident->confirmed_us = vmft_dict_int64 (record, "confirmed_us", 0);
  incident->last_us = vmft_dict_int64 (record, "last_us", 0);
  incident->cleared_us = vmft_dict_int64 (record, "cleared_us", 0);
  incident->n_alarms = (guint) vmft_dict_int64 (record, "alarms", 0);
  incident->n_templates = (guint) vmft_dict_int64 (record, "templates", 0);
  incident->n_recurrences = (guint) vmft_dict_int64 (record, "recurrences", 0);
  incident->p = vmft_dict_double (record, "p", 0.0);
  incident->terminal = vmft_dict_boolean (record, "terminal", FALSE);
  incident->trusted = vmft_dict_boolean (record, "trusted", FALSE);
  incident->backlog = vmft_dict_boolean (record, "backlog", FALSE);
  incident->acknowledged = vmft_dict_boolean (record, "acknowledged", FALSE);
  incident->benign = vmft_dict_boolean (record, "benign", FALSE);
  incident->drill = vmft_dict_boolean (record, "drill", FALSE);
  incident->firm = vmft_dict_boolean (record, "firm", FALSE);
  incident->family = family && *family ? g_strdup (family) : NULL;
  incident->template_text = g_strdup (template_text ? template_text : "");
  return incident->id != 0;
}

char *
vmft_incident_proof_path (const VmftIncident *incident)
{
  const char *name = incident->locus.name;

  if (!incident->terminal || incident->locus.kind != VMFT_LOCUS_BLOCK || strchr (name, '/') || name[0] == '.')
    return NULL;
  switch (incident->proof)
    {
    case VMFT_PROOF_MOUNT:
      return g_strdup ("/proc/self/mounts");
    case VMFT_PROOF_DEVICE:
      if (g_str_has_prefix (name, "nvme") && !strchr (name + 4, 'n'))
        return g_strdup_printf ("/sys/class/nvme/%s/state", name);
      return g_strdup_printf ("/sys/block/%s/device/state", name);
    case VMFT_PROOF_MD:
      return g_strdup_printf ("/sys/block/%s/md/degraded", name);
    case VMFT_PROOF_NONE:
      break;
    }
  return NULL;
}

/* One line of /proc/self/mounts: "device mountpoint type options 0 0". */
static gboolean
is_mounted_on (const char *device, const char *name)
{
  g_autofree char *base = g_path_get_basename (device);
  gsize length = strlen (name);

  if (!g_str_has_prefix (base, name))
    return FALSE;
  return base[length] == '\0' || base[length] == 'p' || g_ascii_isdigit (base[length]);
}

static gboolean
is_mounted_rw_only (const char *mounts, const char *name)
{
  g_auto (GStrv) lines = g_strsplit (mounts, "\n", -1);
  gboolean seen = FALSE;

  for (guint i = 0; lines[i]; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], " ", 5);

      if (g_strv_length (fields) < 4 || !is_mounted_on (fields[0], name))
        continue;
      if (g_str_equal (fields[3], "ro") || g_str_has_prefix (fields[3], "ro,"))
        return FALSE;
      seen = TRUE;
    }
  return seen;
}

gboolean
vmft_incident_is_disproved (const VmftIncident *incident, const char *contents)
{
  g_autofree char *value = contents ? g_strstrip (g_strdup (contents)) : NULL;

  if (!value || !incident->terminal)
    return FALSE;
  switch (incident->proof)
    {
    case VMFT_PROOF_MOUNT:
      return is_mounted_rw_only (value, incident->locus.name);
    case VMFT_PROOF_DEVICE:
      return g_str_equal (value, "running") || g_str_equal (value, "live");
    case VMFT_PROOF_MD:
      return g_str_equal (value, "0");
    case VMFT_PROOF_NONE:
      break;
    }
  return FALSE;
}
