/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-series.h"

#include "vmft-csv.h"
#include "vmft-families.h"
#include "vmft-kernel-model.h"

#include <string.h>

#define FAULT_P 0.5

static void
series_free (VmftSeries *series)
{
  g_free (series->name);
  g_free (series->class_name);
  g_free (series->keys);
  g_free (series->times_us);
  g_free (series->score);
  g_free (series->alarm_level);
  g_free (series);
}

void
vmft_series_set_free (VmftSeriesSet *self)
{
  for (guint i = 0; i < self->n_templates; i++)
    g_free (self->templates[i].text);
  g_free (self->templates);
  g_clear_pointer (&self->series, g_ptr_array_unref);
  g_free (self);
}

static gboolean
parse_int (const char *text, int *value, GError **error)
{
  gint64 number;

  if (!g_ascii_string_to_signed (text, 10, G_MININT, G_MAXINT, &number, error))
    return FALSE;
  *value = (int) number;
  return TRUE;
}

static gboolean
parse_key (const char *text, guint32 *key, GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 1, 10000000, &number, error))
    return FALSE;
  *key = (guint32) number;
  return TRUE;
}

/* "2024-02-05 13:13:31", with or without a fraction. */
static gboolean
parse_time (const char *text, VmftTime *time_us, GError **error)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (text, utc);

  if (!time)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "\"%s\" is no time", text);
      return FALSE;
    }
  *time_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
  return TRUE;
}

typedef struct
{
  GArray *keys;
  GArray *times;
} Rows;

static gboolean
take_row (char **fields, guint line, gpointer user_data, GError **error)
{
  Rows *rows = user_data;
  guint32 key;
  VmftTime time_us;

  if (!parse_time (fields[0], &time_us, error) || !parse_key (fields[1], &key, error))
    return FALSE;
  g_array_append_val (rows->keys, key);
  g_array_append_val (rows->times, time_us);
  return TRUE;
}

static gboolean
load_rows (VmftSeries *series, const char *folder, GError **error)
{
  static const char *const columns[] = { "timestamp", "value", NULL };
  g_autofree char *path = g_build_filename (folder, series->class_name, series->name, NULL);
  Rows rows = { g_array_new (FALSE, FALSE, sizeof (guint32)), g_array_new (FALSE, FALSE, sizeof (VmftTime)) };
  gboolean ok = vmft_csv_read (path, columns, take_row, &rows, error);

  series->n_rows = rows.keys->len;
  series->keys = (guint32 *) (gpointer) g_array_free (rows.keys, FALSE);
  series->times_us = (VmftTime *) (gpointer) g_array_free (rows.times, FALSE);
  series->score = g_new0 (double, series->n_rows);
  series->alarm_level = g_new0 (double, series->n_rows);
  if (ok && (series->failure >= (int) series->n_rows || series->label > series->failure))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s: labels beyond its %u rows", path,
                   series->n_rows);
      return FALSE;
    }
  return ok;
}

typedef struct
{
  VmftSeriesSet *set;
  const char *folder;
} Loading;

static gboolean
take_label (char **fields, guint line, gpointer user_data, GError **error)
{
  Loading *loading = user_data;
  VmftSeries *series = g_new0 (VmftSeries, 1);

  g_ptr_array_add (loading->set->series, series);
  series->name = g_strdup (fields[0]);
  series->class_name = g_strdup (fields[1]);
  if (!parse_int (fields[2], &series->label, error) || !parse_int (fields[3], &series->failure, error) ||
      !parse_int (fields[4], &series->rate_label, error) ||
      !parse_int (fields[5], &series->rate_failure, error))
    return FALSE;
  series->rate_label--; /* and rate_failure is taken as it stands: EVALUATION.md */
  if (fields[6][0] && !parse_time (fields[6], &series->failure_us, error))
    return FALSE;
  return load_rows (series, loading->folder, error);
}

/* "[<:NUM:>.<:NUM:>]", white space aside. */
static gboolean
has_stamp (const char *text)
{
  static const char stamp[] = "[<:NUM:>.<:NUM:>]";
  gsize matched = 0;

  for (; *text && matched < strlen (stamp); text++)
    {
      if (*text == ' ')
        continue;
      if (*text != stamp[matched++])
        return FALSE;
    }
  return matched == strlen (stamp);
}

static VmftSeriesTemplate *
ensure_template (VmftSeriesSet *self, guint32 key)
{
  if (key >= self->n_templates)
    {
      self->templates = g_renew (VmftSeriesTemplate, self->templates, key + 1);
      memset (self->templates + self->n_templates, 0,
              (key + 1 - self->n_templates) * sizeof *self->templates);
      self->n_templates = key + 1;
    }
  return &self->templates[key];
}

static gboolean
take_template (char **fields, guint line, gpointer user_data, GError **error)
{
  guint32 key;
  VmftSeriesTemplate *template;

  if (!parse_key (fields[0], &key, error))
    return FALSE;
  template = ensure_template (user_data, key);
  g_free (template->text);
  template->text = g_strdup (fields[1]);
  template->kernel = has_stamp (fields[1]);
  return TRUE;
}

static void
ensure_templates_of_rows (VmftSeriesSet *self)
{
  for (guint i = 0; i < self->series->len; i++)
    {
      const VmftSeries *series = self->series->pdata[i];

      for (guint row = 0; row < series->n_rows; row++)
        ensure_template (self, series->keys[row]);
    }
}

VmftSeriesSet *
vmft_series_set_load (const char *folder, const char *templates, GError **error)
{
  static const char *const label_columns[] = {
    "file",         "class", "label_index", "failure_index", "meta_label_region", "meta_failure_point",
    "failure_time", NULL
  };
  static const char *const template_columns[] = { "key", "template", NULL };
  g_autoptr (VmftSeriesSet) self = g_new0 (VmftSeriesSet, 1);
  g_autofree char *labels = g_build_filename (folder, "labels.csv", NULL);
  Loading loading = { self, folder };

  self->series = g_ptr_array_new_with_free_func ((GDestroyNotify) series_free);
  if (!vmft_csv_read (templates, template_columns, take_template, self, error) ||
      !vmft_csv_read (labels, label_columns, take_label, &loading, error))
    return NULL;
  if (self->series->len == 0)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s: names no file", labels);
      return NULL;
    }
  ensure_templates_of_rows (self);
  return g_steal_pointer (&self);
}

static gboolean
take_answer (char **fields, guint line, gpointer user_data, GError **error)
{
  guint32 key;
  int faulty;

  if (!parse_key (fields[0], &key, error) || !parse_int (fields[1], &faulty, error))
    return FALSE;
  ensure_template (user_data, key)->faulty = faulty != 0;
  return TRUE;
}

gboolean
vmft_series_set_answers (VmftSeriesSet *self, const char *path, const char *column, GError **error)
{
  const char *const columns[] = { "key", column, NULL };

  return vmft_csv_read (path, columns, take_answer, self, error);
}

/* The family table speaks of messages, not of templates: values stand in for masks, and the stamp goes. */
static char *
sample_message (const char *text)
{
  static const struct
  {
    const char *mask;
    const char *value;
  } values[] = {
    { "<:NUM:>", "0" },      { "<:HEX:>", "0x0" },        { "<:*:>", "x" },
    { "<:IP:>", "0.0.0.0" }, { "<:ID:>", "00:00:00:00" }, { "<:SEQ:>", "000000" },
  };
  const char *stamp_end = strchr (text, ']');
  GString *message = g_string_new (stamp_end ? stamp_end + 1 : text);

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    g_string_replace (message, values[i].mask, values[i].value, 0);
  g_string_erase (message, 0, (gssize) strspn (message->str, " "));
  return g_string_free (message, FALSE);
}

gboolean
vmft_series_set_judge (VmftSeriesSet *self, gboolean model_only, gboolean answers, GError **error)
{
  g_autoptr (VmftKernelModel) model = vmft_kernel_model_load (NULL, error);
  g_autoptr (VmftFamilies) families = model ? vmft_families_load (NULL, error) : NULL;

  if (!families)
    return FALSE;
  for (guint key = 0; key < self->n_templates; key++)
    {
      VmftSeriesTemplate *template = &self->templates[key];
      g_autofree char *message = NULL;
      const VmftFamily *family = NULL;

      if (!template->text || !template->kernel)
        continue;
      message = sample_message (template->text);
      if (!model_only)
        family = vmft_families_match (families, NULL, message, strlen (message), NULL);
      template->p = vmft_kernel_model_score (model, template->text, strlen (template->text));
      template->fault = !(family && family->benign) && (template->p >= FAULT_P || (family && family->alarms));
      template->one_record = family && family->evidence == 1;
      if (!answers)
        template->faulty = template->fault;
    }
  return TRUE;
}

static gboolean
has_whole_seconds (const VmftSeries *series)
{
  guint n_whole = 0;

  for (guint i = 0; i < series->n_rows; i++)
    n_whole += series->times_us[i] % G_USEC_PER_SEC == 0;
  return 10 * n_whole >= 9 * series->n_rows;
}

static gboolean
is_inserted (const VmftSeries *series, guint row, gboolean whole_seconds)
{
  VmftTime distance;

  if (whole_seconds && strcmp (series->class_name, "cpu") == 0)
    return series->times_us[row] % G_USEC_PER_SEC != 0;
  if (row == 0)
    return FALSE;
  distance = (series->times_us[row] - series->times_us[row - 1]) % G_USEC_PER_SEC;
  return distance >= 8000 && distance <= 12000 && distance % 1000 == 0;
}

static guint
drop_rows (VmftSeriesSet *self, VmftSeries *series, gboolean kernel_engine)
{
  gboolean whole_seconds = has_whole_seconds (series);
  g_autofree guint *kept_before = g_new (guint, series->n_rows + 1);
  g_autofree gboolean *drop = g_new (gboolean, series->n_rows + 1);
  int *marks[] = { &series->label, &series->failure, &series->rate_label, &series->rate_failure };
  guint kept = 0, n_rows = series->n_rows;

  for (guint row = 0; row < n_rows; row++)
    {
      const VmftSeriesTemplate *template = &self->templates[series->keys[row]];

      drop[row] =
          (kernel_engine ? template->fault : template->faulty) && is_inserted (series, row, whole_seconds);
    }
  for (guint row = 0; row < n_rows; row++)
    {
      kept_before[row] = kept;
      if (drop[row])
        continue;
      series->keys[kept] = series->keys[row];
      series->times_us[kept++] = series->times_us[row];
    }
  kept_before[n_rows] = kept;
  series->n_rows = kept;
  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    if (*marks[i] > 0)
      *marks[i] = (int) MIN (kept_before[MIN ((guint) *marks[i], n_rows)], kept - 1);
  return n_rows - kept;
}

guint
vmft_series_set_drop_fixed_offset (VmftSeriesSet *self, gboolean kernel_engine)
{
  guint n = 0;

  for (guint i = 0; i < self->series->len; i++)
    n += drop_rows (self, self->series->pdata[i], kernel_engine);
  return n;
}
