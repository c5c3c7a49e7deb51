/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-run-scenarios.h"

#include <math.h>
#include <string.h>

#define WINDOW_S     2.0
#define MEMORY_SHARE 0.15

/* --- stalls --- */

typedef struct
{
  VmftTime time_us;
  double stalled_s; /* since the boot */
} Sample;

static gboolean
parse_sample (const char *text, Sample *sample)
{
  g_autoptr (GVariant) row = vmft_json_to_variant (text, NULL);
  g_autoptr (GVariant) memory = NULL, some = NULL;
  g_autoptr (GDateTime) time = NULL;
  const char *when;

  if (row == NULL || !g_variant_is_of_type (row, G_VARIANT_TYPE_VARDICT))
    return FALSE;
  when = vmft_dict_string (row, "time");
  time = when ? g_date_time_new_from_iso8601 (when, NULL) : NULL;
  memory = g_variant_lookup_value (row, "memory", G_VARIANT_TYPE_VARDICT);
  some = memory ? g_variant_lookup_value (memory, "some", G_VARIANT_TYPE_VARDICT) : NULL;
  if (time == NULL || some == NULL)
    return FALSE;
  sample->time_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
  sample->stalled_s = vmft_dict_double (some, "total", 0.0) / G_USEC_PER_SEC;
  return TRUE;
}

static GArray *
read_samples (const char *path)
{
  g_autoptr (GArray) samples = g_array_new (FALSE, FALSE, sizeof (Sample));
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return g_steal_pointer (&samples);
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      Sample sample;

      if (parse_sample (lines[i], &sample))
        g_array_append_val (samples, sample);
    }
  return g_steal_pointer (&samples);
}

double
vmft_run_find_stall (const char *path, VmftTime inject_us, VmftTime failure_us)
{
  g_autoptr (GArray) samples = read_samples (path);
  guint begin = 0;

  for (guint end = 0; end < samples->len; end++)
    {
      const Sample *last = &g_array_index (samples, Sample, end), *first;
      double span_s;

      while (begin + 1 < end &&
             vmft_time_diff_s (last->time_us, g_array_index (samples, Sample, begin + 1).time_us) >= WINDOW_S)
        begin++;
      first = &g_array_index (samples, Sample, begin);
      span_s = vmft_time_diff_s (last->time_us, first->time_us);
      if (failure_us != 0 && last->time_us >= failure_us)
        break;
      if (span_s >= WINDOW_S && last->time_us >= inject_us &&
          (last->stalled_s - first->stalled_s) / span_s >= MEMORY_SHARE)
        return vmft_time_diff_s (last->time_us, inject_us);
    }
  return NAN;
}

/* --- a line a scenario --- */

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double first = *(const double *) a, second = *(const double *) b;

  return (first > second) - (first < second);
}

/* lowest / median / highest */
static char *
spread (GArray *values)
{
  double middle;

  if (values->len == 0)
    return g_strdup ("-");
  g_array_sort (values, compare_doubles);
  middle = (g_array_index (values, double, (values->len - 1) / 2) +
            g_array_index (values, double, values->len / 2)) /
           2.0;
  return g_strdup_printf ("%.1f / %.1f / %.1f", g_array_index (values, double, 0), middle,
                          g_array_index (values, double, values->len - 1));
}

static void
add_value (GArray *values, double value)
{
  if (!isnan (value))
    g_array_append_val (values, value);
}

static void
add_scenario (VmftTable *table, GArray *results, const char *scenario)
{
  g_autoptr (GArray) delays = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) leads = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) stalls = g_array_new (FALSE, FALSE, sizeof (double));
  g_autofree char *delay = NULL, *lead = NULL, *stall = NULL;
  guint n = 0, n_failing = 0, n_foreseen = 0, n_false = 0;

  for (guint i = 0; i < results->len; i++)
    {
      const VmftRunResult *result = &g_array_index (results, VmftRunResult, i);

      if (strcmp (result->scenario, scenario) != 0)
        continue;
      n++;
      n_failing += result->failing;
      n_foreseen += result->failing && result->lead_s >= VMFT_FORESEEN_S;
      n_false += result->false_alarms;
      add_value (delays, result->delay_s);
      add_value (leads, result->lead_s);
      add_value (stalls, result->stall_s);
    }
  delay = spread (delays);
  lead = spread (leads);
  stall = spread (stalls);
  vmft_table_add_printf (table, "%s", scenario);
  vmft_table_add_printf (table, "%u", n);
  vmft_table_add_printf (table, n_failing > 0 ? "%u of %u" : "-", n_foreseen, n_failing);
  vmft_table_add_printf (table, "%u", delays->len);
  vmft_table_add_printf (table, "%s", delay);
  vmft_table_add_printf (table, "%s", lead);
  vmft_table_add_printf (table, "%s", stall);
  vmft_table_add_printf (table, "%u", n_false);
}

/* Does any run of it fail? */
static gboolean
fails (GArray *results, const char *scenario)
{
  for (guint i = 0; i < results->len; i++)
    {
      const VmftRunResult *result = &g_array_index (results, VmftRunResult, i);

      if (result->failing && strcmp (result->scenario, scenario) == 0)
        return TRUE;
    }
  return FALSE;
}

static GPtrArray *
list_scenarios (GArray *results)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GList) keys = NULL;
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < results->len; i++)
    g_hash_table_add (names, (gpointer) g_array_index (results, VmftRunResult, i).scenario);
  keys = g_list_sort (g_hash_table_get_keys (names), (GCompareFunc) strcmp);
  for (GList *at = keys; at != NULL; at = at->next)
    g_ptr_array_add (list, at->data);
  return list;
}

char *
vmft_run_scenarios_to_string (GArray *results)
{
  static const char *const headings[] = { "Scenario", "Runs",     "Foreseen", "Alarmed", "Delay s",
                                          "Lead s",   "Stalls s", "False",    NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) scenarios = list_scenarios (results);

  for (guint failing = 2; failing-- > 0;)
    for (guint i = 0; i < scenarios->len; i++)
      if (fails (results, scenarios->pdata[i]) == (gboolean) failing)
        add_scenario (table, results, scenarios->pdata[i]);
  return vmft_table_to_string (table);
}
