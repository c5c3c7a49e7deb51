/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-lead-fit.h"
#include "vmft-lead.h"

#include <math.h>

#define MAX_LEAD_S (366.0 * 24 * 3600)

static const char *const classes[] = {
  "disk", "io", "memory", "pressure", "cpu", "pcie", "network", "other"
};
static const char *const origins[] = { VMFT_LEAD_ORIGIN_FIELD, VMFT_LEAD_ORIGIN_TESTBED,
                                       VMFT_LEAD_ORIGIN_PAPER };

/* Names are from the static tables above, so records compare and copy as plain values. */
typedef struct
{
  const char *fault_class;
  const char *origin;
  double lead_s;
  gboolean censored;
  VmftTime when_us;
} Record;

struct _VmftLeadModel
{
  GObject parent;

  VmftStore *store;
  const char *own_origin; /* NULL: the one with most events of the class */
  GArray *records;
  guint64 last_id;
};

G_DEFINE_FINAL_TYPE (VmftLeadModel, vmft_lead_model, G_TYPE_OBJECT)

static const char *
find_name (const char *const *names, guint n_names, const char *name)
{
  for (guint i = 0; i < n_names; i++)
    if (g_strcmp0 (names[i], name) == 0)
      return names[i];
  return NULL;
}

static gboolean
record_init (Record *record, const VmftLeadRecord *given, GError **error)
{
  record->fault_class = find_name (classes, G_N_ELEMENTS (classes), given->fault_class);
  record->origin = find_name (origins, G_N_ELEMENTS (origins), given->origin);
  record->lead_s = given->lead_s;
  record->censored = given->censored;
  record->when_us = given->when_us;
  if (record->fault_class == NULL)
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "no fault class \"%s\"",
                 given->fault_class != NULL ? given->fault_class : "");
  else if (record->origin == NULL)
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "no origin \"%s\": field, testbed or paper",
                 given->origin != NULL ? given->origin : "");
  else if (!isfinite (given->lead_s) || given->lead_s <= 0.0 || given->lead_s > MAX_LEAD_S)
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "a lead time of %g s", given->lead_s);
  else
    return TRUE;
  return FALSE;
}

static gboolean
record_equal (const Record *a, const Record *b)
{
  return a->fault_class == b->fault_class && a->origin == b->origin && a->censored == b->censored &&
         fabs (a->lead_s - b->lead_s) < 1e-9 * a->lead_s && a->when_us == b->when_us;
}

static GVariant *
record_to_variant (const Record *record)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "class", "s", record->fault_class);
  g_variant_dict_insert (&dict, "lead_s", "d", record->lead_s);
  g_variant_dict_insert (&dict, "censored", "b", record->censored);
  g_variant_dict_insert (&dict, "origin", "s", record->origin);
  if (record->when_us != VMFT_TIME_UNKNOWN)
    {
      g_autoptr (GDateTime) second = g_date_time_new_from_unix_utc (record->when_us / G_USEC_PER_SEC);
      g_autoptr (GDateTime) time =
          second != NULL ? g_date_time_add (second, record->when_us % G_USEC_PER_SEC) : NULL;
      g_autofree char *text = time != NULL ? g_date_time_format_iso8601 (time) : NULL;

      if (text != NULL)
        g_variant_dict_insert (&dict, "when", "s", text);
    }
  return g_variant_dict_end (&dict);
}

/* Seconds since the epoch, or ISO 8601 text; UTC when it names no zone. */
static gboolean
parse_when (GVariant *dict, VmftTime *when_us, GError **error)
{
  const char *text = vmft_dict_string (dict, "when");
  double seconds = vmft_dict_double (dict, "when", 0.0);
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) time = NULL;

  *when_us = VMFT_TIME_UNKNOWN;
  if (text == NULL)
    {
      if (isfinite (seconds) && fabs (seconds) < 1e11)
        *when_us = (VmftTime) llround (seconds * G_USEC_PER_SEC);
      return TRUE;
    }
  time = g_date_time_new_from_iso8601 (text, utc);
  if (time == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "\"%s\" is no time", text);
      return FALSE;
    }
  *when_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
  return TRUE;
}

static gboolean
record_from_variant (Record *record, GVariant *dict, GError **error)
{
  const char *origin = vmft_dict_string (dict, "origin");
  VmftLeadRecord given = { .fault_class = vmft_dict_string (dict, "class"),
                           .lead_s = vmft_dict_double (dict, "lead_s", NAN),
                           .censored = vmft_dict_boolean (dict, "censored", FALSE),
                           .origin = origin != NULL ? origin : VMFT_LEAD_ORIGIN_FIELD };

  return parse_when (dict, &given.when_us, error) && record_init (record, &given, error);
}

static gboolean
load_record (const char *key, VmftTime time_us, GVariant *dict, gpointer user_data)
{
  VmftLeadModel *self = user_data;
  Record record;

  if (record_from_variant (&record, dict, NULL))
    g_array_append_val (self->records, record);
  return TRUE;
}

VmftLeadModel *
vmft_lead_model_new (VmftStore *store, const char *origin, GError **error)
{
  g_autoptr (VmftLeadModel) self = g_object_new (VMFT_TYPE_LEAD_MODEL, NULL);

  self->store = g_object_ref (store);
  self->own_origin = find_name (origins, G_N_ELEMENTS (origins), origin);
  if (origin != NULL && self->own_origin == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "no origin \"%s\": field, testbed or paper",
                   origin);
      return NULL;
    }
  self->last_id = vmft_store_last_id (store, VMFT_STORE_LEADS);
  if (!vmft_store_foreach (store, VMFT_STORE_LEADS, VMFT_STORE_BY_KEY, 0, load_record, self, error))
    return NULL;
  return g_steal_pointer (&self);
}

static gboolean
keep (VmftLeadModel *self, const Record *record, GError **error)
{
  if (!vmft_store_put_id (self->store, VMFT_STORE_LEADS, self->last_id + 1, record->when_us,
                          record_to_variant (record), error))
    return FALSE;
  self->last_id++;
  g_array_append_vals (self->records, record, 1);
  return TRUE;
}

gboolean
vmft_lead_model_add (VmftLeadModel *self, const VmftLeadRecord *given, GError **error)
{
  Record record;

  return record_init (&record, given, error) && keep (self, &record, error);
}

static gboolean
knows (const GArray *records, const Record *record)
{
  for (guint i = 0; i < records->len; i++)
    if (record_equal (&g_array_index (records, Record, i), record))
      return TRUE;
  return FALSE;
}

/* Two runs of one file may well agree in class and length; without a time they are told apart by their place only, so
 * within one import nothing is a duplicate. */
static GArray *
parse_records (VmftLeadModel *self, GVariant *records, GError **error)
{
  g_autoptr (GArray) parsed = g_array_new (FALSE, FALSE, sizeof (Record));
  gsize n = g_variant_n_children (records);

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (records, i);
      g_autoptr (GVariant) dict = g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT)
                                      ? g_variant_get_variant (child)
                                      : g_variant_ref (child);
      Record record;

      if (!g_variant_is_of_type (dict, G_VARIANT_TYPE_VARDICT))
        {
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "record %" G_GSIZE_FORMAT " is no object",
                       i + 1);
          return NULL;
        }
      if (!record_from_variant (&record, dict, error))
        {
          g_prefix_error (error, "record %" G_GSIZE_FORMAT ": ", i + 1);
          return NULL;
        }
      if (!knows (self->records, &record))
        g_array_append_val (parsed, record);
    }
  return g_steal_pointer (&parsed);
}

gboolean
vmft_lead_model_import (VmftLeadModel *self, GVariant *records, guint *n_imported, GError **error)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (records);
  g_autoptr (GArray) parsed = NULL;

  if (!g_variant_is_container (held) || g_variant_is_of_type (held, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "lead times come as a list of objects");
      return FALSE;
    }
  parsed = parse_records (self, held, error);
  if (parsed == NULL)
    return FALSE;
  for (guint i = 0; i < parsed->len; i++)
    if (!keep (self, &g_array_index (parsed, Record, i), error))
      return FALSE;
  if (n_imported != NULL)
    *n_imported = parsed->len;
  return TRUE;
}

GVariant *
vmft_lead_model_export (VmftLeadModel *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < self->records->len; i++)
    g_variant_builder_add_value (&builder, record_to_variant (&g_array_index (self->records, Record, i)));
  return g_variant_builder_end (&builder);
}

/* The origin whose records this host believes for the class: its own when told, else the one with most events. */
static const char *
choose_origin (const VmftLeadModel *self, const char *fault_class)
{
  const char *best = NULL;
  guint most = 0;

  if (self->own_origin != NULL)
    return self->own_origin;
  for (guint k = 0; k < G_N_ELEMENTS (origins); k++)
    {
      guint n = 0;

      /* an event counts for more than any number of evacuations in time */
      for (guint i = 0; i < self->records->len; i++)
        {
          const Record *record = &g_array_index (self->records, Record, i);

          if (record->origin == origins[k] && g_str_equal (record->fault_class, fault_class))
            n += record->censored ? 1 : 10000;
        }
      if (n > most)
        {
          most = n;
          best = origins[k];
        }
    }
  return best;
}

static GArray *
collect (const VmftLeadModel *self, const char *fault_class, const char *origin)
{
  GArray *data = g_array_new (FALSE, FALSE, sizeof (VmftLeadDatum));

  for (guint i = 0; i < self->records->len; i++)
    {
      const Record *record = &g_array_index (self->records, Record, i);
      VmftLeadDatum datum = { record->lead_s, record->censored };

      if (record->origin == origin && g_str_equal (record->fault_class, fault_class))
        g_array_append_val (data, datum);
    }
  return data;
}

void
vmft_lead_model_get (VmftLeadModel *self, const char *fault_class, double elapsed_s, VmftLead *lead)
{
  const char *known = find_name (classes, G_N_ELEMENTS (classes), fault_class);
  const char *own = known != NULL ? known : "other";
  const char *stand_in;
  const VmftLeadPrior *prior = vmft_lead_prior_lookup (own, &stand_in);
  const char *origin = choose_origin (self, own);
  g_autoptr (GArray) data = collect (self, own, origin);

  *lead = (VmftLead){ .headroom_s = INFINITY, .stand_in = stand_in };
  g_strlcpy (lead->origin, data->len > 0 ? origin : VMFT_LEAD_ORIGIN_PAPER, sizeof lead->origin);
  vmft_lead_fit (lead, prior, stand_in != NULL ? 0.5 : prior->pi,
                 (const VmftLeadDatum *) (gconstpointer) data->data, data->len);
  vmft_lead_set_elapsed (lead, elapsed_s);
}

GVariant *
vmft_lead_model_describe (VmftLeadModel *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    {
      g_autoptr (GVariant) record = NULL;
      GVariantDict dict;
      VmftLead lead;

      vmft_lead_model_get (self, classes[i], 0.0, &lead);
      record = g_variant_ref_sink (vmft_lead_to_variant (&lead));
      g_variant_dict_init (&dict, record);
      g_variant_dict_insert (&dict, "class", "s", classes[i]);
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&builder);
}

static void
vmft_lead_model_finalize (GObject *object)
{
  VmftLeadModel *self = VMFT_LEAD_MODEL (object);

  g_clear_object (&self->store);
  g_array_unref (self->records);
  G_OBJECT_CLASS (vmft_lead_model_parent_class)->finalize (object);
}

static void
vmft_lead_model_class_init (VmftLeadModelClass *class)
{
  G_OBJECT_CLASS (class)->finalize = vmft_lead_model_finalize;
}

static void
vmft_lead_model_init (VmftLeadModel *self)
{
  self->records = g_array_new (FALSE, FALSE, sizeof (Record));
}
