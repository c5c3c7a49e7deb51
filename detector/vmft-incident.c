/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-incident.h"

#include "vmft-locus.h"

#include <string.h>

#define WRITE_INTERVAL_US G_USEC_PER_SEC /* of an incident whose counters alone change */
#define MAX_BATCH_KEPT    4096           /* cleared ones, in memory */

typedef struct
{
  char *text;
  char *family;
  VmftLocus locus;
  guint64 words;
  double p;
  guint n; /* alarms of it in this run */
} Kind;

/* What counts of this occurrence of a fault. */
typedef struct
{
  VmftTime last_us;  /* record; 0 for none */
  guint n_templates; /* 0, 1, or 2 for more */
  char *template_text;
} Evidence;

typedef struct
{
  VmftIncident public;
  GPtrArray *kinds;  /* Kind: lines of this incident, for acknowledging */
  Evidence evidence; /* of all records */
  Evidence trusted;  /* of trusted records: a forger must not complete what the kernel began */
  VmftTime written_us;
  guint n_rows;
  gboolean dirty;   /* not written as it is now */
  gboolean unsaved; /* written, but perhaps in a transaction that is rolled back */
  guint serial;     /* of the flush before which it was written */
} Incident;

struct _VmftIncidentBook
{
  VmftStore *store;
  double quiet_s;
  VmftIncidentFunc func;
  gpointer user_data;
  GPtrArray *incidents; /* Incident, oldest first */
  guint serial;         /* of the next flush */
  guint64 last_id;
  guint64 last_alarm_id;
  guint64 n_failures;
};

static void
kind_free (Kind *kind)
{
  g_free (kind->text);
  g_free (kind->family);
  g_free (kind);
}

static void
incident_free (Incident *incident)
{
  g_free (incident->public.family);
  g_free (incident->public.template_text);
  g_ptr_array_unref (incident->kinds);
  g_free (incident->evidence.template_text);
  g_free (incident->trusted.template_text);
  g_free (incident);
}

static Incident *
incident_new (void)
{
  Incident *incident = g_new0 (Incident, 1);

  incident->kinds = g_ptr_array_new_with_free_func ((GDestroyNotify) kind_free);
  return incident;
}

/* One line a kind: words, p, locus, family, text, separated by tabs. */
static char *
kinds_to_string (const Incident *incident)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < incident->kinds->len; i++)
    {
      const Kind *kind = incident->kinds->pdata[i];
      g_autofree char *locus = vmft_locus_to_string (&kind->locus);
      g_autofree char *text = vmft_text_printable (kind->text, -1);

      g_string_append_printf (out, "%016" G_GINT64_MODIFIER "x\t%.6f\t%s\t%s\t%s\n", kind->words, kind->p,
                              locus, kind->family ? kind->family : "", text);
    }
  return g_string_free (out, FALSE);
}

static void
kinds_from_string (Incident *incident, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text ? text : "", "\n", VMFT_INCIDENT_MAX_TEMPLATES + 1);

  for (guint i = 0; lines[i] && incident->kinds->len < VMFT_INCIDENT_MAX_TEMPLATES; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], "\t", 5);
      VmftLocus locus;
      Kind *kind;

      if (g_strv_length (fields) != 5 || !vmft_locus_from_string (fields[2], &locus))
        continue;
      kind = g_new0 (Kind, 1);
      kind->words = g_ascii_strtoull (fields[0], NULL, 16);
      kind->p = g_ascii_strtod (fields[1], NULL);
      kind->locus = locus;
      kind->family = fields[3][0] ? g_strdup (fields[3]) : NULL;
      kind->text = g_strdup (fields[4]);
      g_ptr_array_add (incident->kinds, kind);
    }
}

static GVariant *
incident_to_row (const Incident *incident)
{
  g_autoptr (GVariant) public = g_variant_ref_sink (vmft_incident_to_variant (&incident->public));
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (public);
  g_autofree char *kinds = kinds_to_string (incident);

  g_variant_dict_insert (&dict, "kinds", "s", kinds);
  g_variant_dict_insert (&dict, "rows", "x", (gint64) incident->n_rows);
  g_variant_dict_insert (&dict, "evidence_us", "x", incident->evidence.last_us);
  g_variant_dict_insert (&dict, "trusted_us", "x", incident->trusted.last_us);
  return g_variant_dict_end (&dict);
}

static gboolean
write_incident (VmftIncidentBook *self, Incident *incident, GError **error)
{
  return vmft_store_put_id (self->store, VMFT_STORE_INCIDENTS, incident->public.id, incident->public.last_us,
                            incident_to_row (incident), error);
}

/* A store that fails must not stop detection: it is counted, said once in a while, and tried again at the next
 * flush. */
static void
save (VmftIncidentBook *self, Incident *incident, VmftTime now_us)
{
  g_autoptr (GError) error = NULL;

  incident->written_us = now_us;
  incident->dirty = FALSE;
  incident->unsaved = TRUE;
  incident->serial = self->serial;
  if (write_incident (self, incident, &error))
    return;
  incident->dirty = TRUE;
  if (self->n_failures++ % 1000 == 0)
    g_warning ("incident %" G_GUINT64_FORMAT " could not be written: %s", incident->public.id,
               error->message);
}

static void
announce (VmftIncidentBook *self, Incident *incident, VmftTime now_us)
{
  save (self, incident, now_us);
  if (self->func)
    self->func (&incident->public, self->user_data);
}

static gboolean
load_row (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  VmftIncidentBook *self = user_data;
  Incident *incident = incident_new ();

  if (!vmft_incident_from_variant (&incident->public, record))
    {
      incident_free (incident);
      return TRUE;
    }
  kinds_from_string (incident, vmft_dict_string (record, "kinds"));
  incident->n_rows = (guint) vmft_dict_int64 (record, "rows", 0);
  incident->evidence.last_us = vmft_dict_int64 (record, "evidence_us", 0);
  incident->trusted.last_us = vmft_dict_int64 (record, "trusted_us", 0);
  self->last_id = MAX (self->last_id, incident->public.id);
  g_ptr_array_insert (self->incidents, 0, incident);
  return TRUE;
}

VmftIncidentBook *
vmft_incident_book_new (VmftStore *store,
                        double quiet_s,
                        VmftIncidentFunc func,
                        gpointer user_data,
                        GError **error)
{
  g_autoptr (VmftIncidentBook) self = g_new0 (VmftIncidentBook, 1);

  self->store = g_object_ref (store);
  self->quiet_s = quiet_s;
  self->func = func;
  self->user_data = user_data;
  self->incidents = g_ptr_array_new_with_free_func ((GDestroyNotify) incident_free);
  if (!vmft_store_foreach (store, VMFT_STORE_INCIDENTS, VMFT_STORE_NEWEST_FIRST, MAX_BATCH_KEPT, load_row,
                           self, error))
    return NULL;
  self->last_id = MAX (self->last_id, vmft_store_last_id (store, VMFT_STORE_INCIDENTS));
  self->last_alarm_id = vmft_store_last_id (store, VMFT_STORE_ALARMS);
  return g_steal_pointer (&self);
}

void
vmft_incident_book_free (VmftIncidentBook *self)
{
  g_ptr_array_unref (self->incidents);
  g_clear_object (&self->store);
  g_free (self);
}

/* One fault: the same device whatever it says there, or the same class on the host. */
static gboolean
is_one_fault (const VmftIncident *incident, const VmftAlarm *alarm)
{
  if (incident->drill != alarm->drill || !vmft_locus_overlaps (&incident->locus, &alarm->locus))
    return FALSE;
  return incident->fault_class == alarm->fault_class || alarm->locus.kind != VMFT_LOCUS_HOST;
}

static Incident *
find (VmftIncidentBook *self, const VmftAlarm *alarm, VmftTime now_us)
{
  for (guint i = self->incidents->len; i > 0; i--)
    {
      Incident *incident = self->incidents->pdata[i - 1];

      if (!is_one_fault (&incident->public, alarm))
        continue;
      if (incident->public.state != VMFT_INCIDENT_CLEARED ||
          vmft_time_diff_s (now_us, incident->public.cleared_us) <= VMFT_INCIDENT_RECURRENCE_S)
        return incident;
    }
  return NULL;
}

static Incident *
lookup (VmftIncidentBook *self, guint64 id)
{
  for (guint i = 0; i < self->incidents->len; i++)
    {
      Incident *incident = self->incidents->pdata[i];

      if (incident->public.id == id)
        return incident;
    }
  return NULL;
}

static guint
count_open (VmftIncidentBook *self)
{
  guint n = 0;

  for (guint i = 0; i < self->incidents->len; i++)
    n += ((Incident *) self->incidents->pdata[i])->public.state != VMFT_INCIDENT_CLEARED;
  return n;
}

static Incident *
open_incident (VmftIncidentBook *self, const VmftAlarm *alarm)
{
  Incident *incident = incident_new ();
  VmftIncident *public = &incident->public;

  public->id = ++self->last_id;
  public->fault_class = alarm->fault_class;
  public->locus = alarm->locus;
  public->template_text = g_strdup (alarm->template_text);
  public->first_us = alarm->time_us;
  public->backlog = TRUE;
  public->drill = alarm->drill;
  g_ptr_array_add (self->incidents, incident);
  return incident;
}

static void
reopen (Incident *incident)
{
  incident->public.state = VMFT_INCIDENT_SUSPECTED;
  incident->public.n_recurrences++;
  incident->public.confirmed_us = 0;
  incident->public.cleared_us = 0;
  incident->public.benign = FALSE;
  incident->public.acknowledged = FALSE;
  incident->public.backlog = TRUE;
  incident->public.trusted = FALSE;
  incident->public.firm = FALSE;
  g_free (incident->evidence.template_text);
  g_free (incident->trusted.template_text);
  incident->evidence = incident->trusted = (Evidence){ 0 };
}

/* Returns: (nullable): what the alarm is one of; NULL when there are too many kinds. */
static Kind *
note_kind (Incident *incident, const VmftAlarm *alarm, const VmftIncidentRecord *record)
{
  gboolean new_text = TRUE;
  Kind *kind;

  for (guint i = 0; i < incident->kinds->len; i++)
    {
      kind = incident->kinds->pdata[i];
      if (strcmp (kind->text, alarm->template_text) != 0)
        continue;
      new_text = FALSE;
      if (kind->words == record->words && vmft_locus_equal (&kind->locus, &alarm->locus))
        return kind;
    }
  incident->public.n_templates += new_text && incident->kinds->len < VMFT_INCIDENT_MAX_TEMPLATES;
  if (incident->kinds->len == VMFT_INCIDENT_MAX_TEMPLATES)
    return NULL;
  kind = g_new0 (Kind, 1);
  kind->text = g_strdup (alarm->template_text);
  kind->family = g_strdup (alarm->family);
  kind->locus = alarm->locus;
  kind->words = record->words;
  kind->p = record->p;
  g_ptr_array_add (incident->kinds, kind);
  return kind;
}

/* The first few of each kind, then ever fewer: a flood of one line must not take the place of all others. */
static gboolean
is_worth_a_row (Incident *incident, Kind *kind)
{
  guint n = kind ? ++kind->n : incident->public.n_alarms;

  return incident->n_rows < VMFT_INCIDENT_MAX_ROWS && (n <= VMFT_INCIDENT_KIND_ROWS || (n & (n - 1)) == 0);
}

/* Returns whether the evidence is complete with this alarm. */
static gboolean
weigh (Evidence *evidence, const VmftAlarm *alarm, const VmftIncidentRecord *record)
{
  guint needed = record->family ? record->family->evidence : 2;
  VmftTime before = evidence->last_us;

  if (needed == 0)
    return FALSE;
  evidence->last_us = alarm->time_us;
  if (!evidence->template_text)
    {
      evidence->template_text = g_strdup (alarm->template_text);
      evidence->n_templates = 1;
    }
  else if (strcmp (evidence->template_text, alarm->template_text) != 0)
    evidence->n_templates = 2;
  return needed == 1 || evidence->n_templates == 2 ||
         (before != 0 && ABS (vmft_time_diff_s (alarm->time_us, before)) <= VMFT_EVIDENCE_WINDOW_S);
}

/* Returns whether the incident has become trusted: what trusted sources say is enough by itself. */
static gboolean
weigh_trusted (Incident *incident, const VmftAlarm *alarm, const VmftIncidentRecord *record)
{
  if (!record->trusted || !weigh (&incident->trusted, alarm, record) || incident->public.trusted)
    return FALSE;
  incident->public.trusted = TRUE;
  return TRUE;
}

static Kind *
absorb (Incident *incident, const VmftAlarm *alarm, const VmftIncidentRecord *record)
{
  VmftIncident *public = &incident->public;

  public->n_alarms++;
  public->last_us = MAX (public->last_us, alarm->time_us);
  public->p = MAX (public->p, alarm->p);
  public->firm |= alarm->firm;
  if (!public->family)
  public->family = g_strdup (alarm->family);
  if (public->fault_class == VMFT_CLASS_OTHER)
  public->fault_class = alarm->fault_class;
  if (vmft_locus_is_vague (&public->locus) && !vmft_locus_is_vague (&alarm->locus))
  public->locus = alarm->locus;
  if (record->family && record->family->terminal && !public->terminal)
    {
      public->terminal = TRUE;
      public->proof = record->family->proof;
    }
  return note_kind (incident, alarm, record);
}

static Incident *
find_or_open (VmftIncidentBook *self, VmftAlarm *alarm, VmftTime now_us, gboolean *changed)
{
  Incident *incident = find (self, alarm, now_us);

  if (!incident && count_open (self) >= VMFT_INCIDENT_MAX_OPEN)
    {
      alarm->locus = (VmftLocus){ .kind = VMFT_LOCUS_HOST };
      incident = find (self, alarm, now_us);
    }
  *changed = TRUE;
  if (!incident)
    return open_incident (self, alarm);
  if (incident->public.state == VMFT_INCIDENT_CLEARED)
    reopen (incident);
  else
    *changed = FALSE;
  return incident;
}

/* Another source's copy of a record that is counted already: it can only add trust. */
static gboolean
add_copy (VmftIncidentBook *self, const VmftAlarm *alarm, const VmftIncidentRecord *record)
{
  Incident *incident = find (self, alarm, record->now_us);

  if (!incident || incident->public.state == VMFT_INCIDENT_CLEARED)
    return FALSE;
  if (weigh_trusted (incident, alarm, record))
    announce (self, incident, record->now_us);
  else
    incident->dirty = TRUE;
  return FALSE;
}

gboolean
vmft_incident_book_add (VmftIncidentBook *self, VmftAlarm *alarm, const VmftIncidentRecord *record)
{
  gboolean changed, complete, row;
  Incident *incident;
  VmftIncident *public;
  Kind *kind;

  if (record->repeated)
    return add_copy (self, alarm, record);

  incident = find_or_open (self, alarm, record->now_us, &changed);
  public = &incident->public;
  kind = absorb (incident, alarm, record);
  complete = weigh (&incident->evidence, alarm, record);
  if (complete && public->state == VMFT_INCIDENT_SUSPECTED)
    {
      public->state = VMFT_INCIDENT_CONFIRMED;
      public->confirmed_us = alarm->time_us;
      changed = TRUE;
    }
  changed |= weigh_trusted (incident, alarm, record);
  changed |= public->backlog && !alarm->backlog;
  public->backlog &= alarm->backlog;

  row = is_worth_a_row (incident, kind);
  incident->n_rows += row;
  alarm->incident_id = public->id;
  alarm->id = row ? ++self->last_alarm_id : 0;
  if (!row && (changed || record->now_us - incident->written_us >= WRITE_INTERVAL_US))
    announce (self, incident, record->now_us);
  else
    incident->dirty = TRUE;
  return row;
}

void
vmft_incident_book_announce (VmftIncidentBook *self, guint64 id, VmftTime now_us)
{
  Incident *incident = lookup (self, id);

  if (incident)
    announce (self, incident, now_us);
}

static void
clear_incident (VmftIncidentBook *self, Incident *incident, VmftTime now_us)
{
  incident->public.state = VMFT_INCIDENT_CLEARED;
  incident->public.cleared_us = now_us;
  announce (self, incident, now_us);
}

static gboolean
is_over (const VmftIncidentBook *self, const Incident *incident, VmftTime now_us)
{
  return incident->public.state != VMFT_INCIDENT_CLEARED && !incident->public.terminal &&
         vmft_time_diff_s (now_us, incident->public.last_us) > self->quiet_s;
}

static gboolean
is_past (const Incident *incident, VmftTime now_us)
{
  return incident->public.state == VMFT_INCIDENT_CLEARED && !incident->dirty &&
         vmft_time_diff_s (now_us, incident->public.cleared_us) > VMFT_INCIDENT_RECURRENCE_S;
}

void
vmft_incident_book_tick (VmftIncidentBook *self, VmftTime now_us)
{
  for (guint i = self->incidents->len; i > 0; i--)
    {
      Incident *incident = self->incidents->pdata[i - 1];

      if (is_over (self, incident, now_us))
        clear_incident (self, incident, now_us);
      else if (is_past (incident, now_us))
        g_ptr_array_remove_index (self->incidents, i - 1);
    }
}

static Incident *
require (VmftIncidentBook *self, guint64 id, GError **error)
{
  Incident *incident = lookup (self, id);

  if (!incident)
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "no incident %" G_GUINT64_FORMAT, id);
  return incident;
}

gboolean
vmft_incident_book_clear (VmftIncidentBook *self, guint64 id, VmftTime now_us, GError **error)
{
  Incident *incident = require (self, id, error);

  if (!incident)
    return FALSE;
  if (incident->public.state != VMFT_INCIDENT_CLEARED)
    clear_incident (self, incident, now_us);
  return TRUE;
}

gboolean
vmft_incident_book_acknowledge (VmftIncidentBook *self,
                                guint64 id,
                                gboolean benign,
                                VmftTime now_us,
                                GError **error)
{
  Incident *incident = require (self, id, error);

  if (!incident)
    return FALSE;
  incident->public.acknowledged = TRUE;
  incident->public.benign = benign;
  if (benign && incident->public.state != VMFT_INCIDENT_CLEARED)
    clear_incident (self, incident, now_us);
  else
    announce (self, incident, now_us);
  return TRUE;
}

void
vmft_incident_book_foreach_template (VmftIncidentBook *self,
                                     guint64 id,
                                     VmftIncidentTemplateFunc func,
                                     gpointer user_data)
{
  Incident *incident = lookup (self, id);

  for (guint i = 0; incident && i < incident->kinds->len; i++)
    {
      const Kind *kind = incident->kinds->pdata[i];
      VmftNormalKey key = { .template_text = kind->text,
                            .locus = &kind->locus,
                            .family = kind->family,
                            .words = kind->words,
                            .p = kind->p };

      func (&key, user_data);
    }
}

const VmftIncident *
vmft_incident_book_lookup (VmftIncidentBook *self, guint64 id)
{
  Incident *incident = lookup (self, id);

  return incident ? &incident->public : NULL;
}

GPtrArray *
vmft_incident_book_list (VmftIncidentBook *self)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < self->incidents->len; i++)
    g_ptr_array_add (list, &((Incident *) self->incidents->pdata[i])->public);
  return list;
}

gboolean
vmft_incident_book_flush (VmftIncidentBook *self, GError **error)
{
  for (guint i = 0; i < self->incidents->len; i++)
    {
      Incident *incident = self->incidents->pdata[i];

      if ((incident->dirty || (incident->unsaved && incident->serial != self->serial)) &&
          !write_incident (self, incident, error))
        return FALSE;
    }
  self->serial++;
  return TRUE;
}

void
vmft_incident_book_mark_saved (VmftIncidentBook *self)
{
  for (guint i = 0; i < self->incidents->len; i++)
    {
      Incident *incident = self->incidents->pdata[i];

      incident->dirty = incident->unsaved = FALSE;
    }
}

guint64
vmft_incident_book_failures (VmftIncidentBook *self)
{
  return self->n_failures;
}
