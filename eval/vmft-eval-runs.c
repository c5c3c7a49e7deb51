/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmft-eval runs: recorded kernel logs of real faults, replayed through the whole detector. */
#include "vmft-eval.h"

#include "vmft-detector.h"
#include "vmft-run-scenarios.h"

#include <math.h>
#include <string.h>

/* All runs are told by one source, so that each restart of the kernel's stamps is another boot. */
#define SOURCE "file:log.txt"

typedef struct
{
  char *name;
  char *scenario;
  VmftTime inject_us;  /* 0 in a benign run */
  VmftTime failure_us; /* 0 without one */
  double boot_s;
  double stall_s; /* after the injection; not a number without one */
  GBytes *log;
} Run;

typedef struct
{
  double delay_s, lead_s, incident_delay_s; /* not a number where there is none */
  guint false_alarms;
  guint alarms;
  VmftFaultClass fault_class;
  char *locus;
  char *family;
  char *line;
  double p;
  GPtrArray *false_lines; /* char* */
} Outcome;

typedef struct
{
  const Run *run;
  Outcome *outcome;
  VmftTime now_us;
} Replay;

static void
run_free (Run *run)
{
  g_clear_pointer (&run->log, g_bytes_unref);
  g_free (run->name);
  g_free (run->scenario);
  g_free (run);
}

static void
outcome_free (Outcome *outcome)
{
  g_free (outcome->locus);
  g_free (outcome->family);
  g_free (outcome->line);
  g_ptr_array_unref (outcome->false_lines);
  g_free (outcome);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Run, run_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Outcome, outcome_free)

/* -- reading ------------------------------------------------------------------------------------------------ */

static gboolean
read_time (GVariant *labels, const char *key, const char *path, VmftTime *time_us, GError **error)
{
  const char *text = vmft_dict_string (labels, key);
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) time = text ? g_date_time_new_from_iso8601 (text, utc) : NULL;

  *time_us = time ? g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time) : 0;
  if (text && !time)
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s: %s: \"%s\" is no ISO 8601 time", path, key,
                 text);
  return !text || time;
}

static gboolean
read_labels (Run *run, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GVariant) labels = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  labels = vmft_json_to_variant (text, error);
  if (!labels)
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  if (!g_variant_is_of_type (labels, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s: not an object", path);
      return FALSE;
    }
  run->scenario = g_strdup (vmft_dict_string (labels, "scenario"));
  run->boot_s = vmft_dict_double (labels, "boot_s", 120.0);
  return read_time (labels, "inject_time", path, &run->inject_us, error) &&
         read_time (labels, "failure_time", path, &run->failure_us, error);
}

static Run *
read_run (const char *folder, GError **error)
{
  g_autoptr (Run) run = g_new0 (Run, 1);
  g_autofree char *labels = g_build_filename (folder, "labels.json", NULL);
  g_autofree char *log = g_build_filename (folder, "log.txt", NULL);
  g_autofree char *pressure = g_build_filename (folder, "pressure.jsonl", NULL);
  g_autofree char *text = NULL;
  gsize length = 0;

  run->name = g_path_get_basename (folder);
  if (!read_labels (run, labels, error) || !g_file_get_contents (log, &text, &length, error))
    return NULL;
  run->stall_s = run->inject_us ? vmft_run_find_stall (pressure, run->inject_us, run->failure_us) : NAN;
  run->log = g_bytes_new_take (g_steal_pointer (&text), length);
  return g_steal_pointer (&run);
}

static GPtrArray *
read_runs (char **folders, GError **error)
{
  g_autoptr (GPtrArray) runs = g_ptr_array_new_with_free_func ((GDestroyNotify) run_free);

  for (guint i = 0; folders && folders[i]; i++)
    {
      Run *run = read_run (folders[i], error);

      if (!run)
        return NULL;
      g_ptr_array_add (runs, run);
    }
  return g_steal_pointer (&runs);
}

/* -- replaying ---------------------------------------------------------------------------------------------- */

typedef void (*LineFunc) (VmftDetector *detector, const VmftLine *line, gboolean booting, gpointer user_data);

static void
replay (const Run *run, VmftDetector *detector, LineFunc func, gpointer user_data)
{
  gsize length = 0;
  const char *at = g_bytes_get_data (run->log, &length);
  const char *end = at + length;
  gint64 boot_us = (gint64) (run->boot_s * G_USEC_PER_SEC), uptime_us = 0;
  VmftTime last_us = run->inject_us ? run->inject_us : 1;

  while (at < end)
    {
      const char *newline = memchr (at, '\n', (gsize) (end - at));
      const char *stop = newline ? newline : end;
      VmftLine line;

      vmft_line_split (&line, VMFT_LINE_AUTO, at, (gsize) (stop - at), last_us);
      if (line.time_us)
        last_us = line.arrival_us = line.time_us;
      if (line.kernel && line.uptime_us >= 0)
        uptime_us = line.uptime_us;
      func (detector, &line, uptime_us <= boot_us, user_data);
      at = stop + 1;
    }
}

static void
learn_line (VmftDetector *detector, const VmftLine *line, gboolean booting, gpointer user_data)
{
  vmft_detector_feed (detector, line, SOURCE, NULL);
}

static void
note_first_alarm (Outcome *outcome, const Run *run, const VmftLine *line, const VmftVerdict *verdict)
{
  outcome->delay_s = vmft_time_diff_s (line->arrival_us, run->inject_us);
  if (run->failure_us)
    outcome->lead_s = vmft_time_diff_s (run->failure_us, line->arrival_us);
  outcome->fault_class = verdict->fault_class;
  outcome->locus = vmft_locus_to_string (&verdict->locus);
  outcome->family = g_strdup (verdict->family ? verdict->family : "");
  outcome->line = vmft_text_printable (line->text.data, (gssize) MIN (line->text.length, 300));
  outcome->p = verdict->p;
}

static void
judge_line (VmftDetector *detector, const VmftLine *line, gboolean booting, gpointer user_data)
{
  Replay *replay = user_data;
  Outcome *outcome = replay->outcome;
  const Run *run = replay->run;
  VmftVerdict verdict;
  gboolean before = !run->inject_us || line->arrival_us < run->inject_us;

  replay->now_us = line->arrival_us;
  vmft_detector_feed (detector, line, SOURCE, &verdict);
  if (!verdict.fault || (before && booting))
    return;
  outcome->alarms++;
  if (before)
    {
      outcome->false_alarms++;
      g_ptr_array_add (outcome->false_lines,
                       vmft_text_printable (line->text.data, (gssize) line->text.length));
    }
  else if (!outcome->line)
    note_first_alarm (outcome, run, line, &verdict);
}

static void
on_incident (VmftDetector *detector, const VmftIncident *incident, gpointer user_data)
{
  Replay *replay = user_data;
  const Run *run = replay->run;

  if (incident->state == VMFT_INCIDENT_CONFIRMED && run->inject_us && replay->now_us >= run->inject_us &&
      isnan (replay->outcome->incident_delay_s))
    replay->outcome->incident_delay_s = vmft_time_diff_s (replay->now_us, run->inject_us);
}

static Outcome *
evaluate (const Run *run, GPtrArray *lessons, GError **error)
{
  VmftDetectorConfig config = VMFT_DETECTOR_CONFIG_DEFAULT;
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (run->inject_us ? run->inject_us : 1);
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  g_autoptr (VmftDetector) detector = NULL;
  g_autoptr (Outcome) outcome = g_new0 (Outcome, 1);
  Replay state = { .run = run, .outcome = outcome };

  outcome->false_lines = g_ptr_array_new_with_free_func (g_free);
  outcome->delay_s = outcome->lead_s = outcome->incident_delay_s = NAN;
  config.learning_s = 1e9;
  config.boot_s = run->boot_s;
  detector = vmft_detector_new (clock, store, &config, error);
  if (!detector)
    return NULL;
  for (guint i = 0; i < lessons->len; i++)
    replay (lessons->pdata[i], detector, learn_line, NULL);
  vmft_detector_end_learning (detector);
  g_signal_connect (detector, "incident", G_CALLBACK (on_incident), &state);
  replay (run, detector, judge_line, &state);
  return g_steal_pointer (&outcome);
}

/* -- telling ------------------------------------------------------------------------------------------------ */

static GVariant *
outcome_to_variant (const Run *run, const Outcome *outcome)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "name", "s", run->name);
  g_variant_dict_insert (&dict, "scenario", "s", run->scenario ? run->scenario : "");
  g_variant_dict_insert (&dict, "delay_s", "d", outcome->delay_s);
  g_variant_dict_insert (&dict, "lead_s", "d", outcome->lead_s);
  g_variant_dict_insert (&dict, "incident_delay_s", "d", outcome->incident_delay_s);
  g_variant_dict_insert (&dict, "stall_s", "d", run->stall_s);
  g_variant_dict_insert (&dict, "false_alarms", "x", (gint64) outcome->false_alarms);
  g_variant_dict_insert (&dict, "alarms", "x", (gint64) outcome->alarms);
  g_variant_dict_insert_value (
      &dict, "false_lines",
      g_variant_new_strv ((const char *const *) outcome->false_lines->pdata, outcome->false_lines->len));
  g_variant_dict_insert (&dict, "class", "s",
                         outcome->line ? vmft_fault_class_to_string (outcome->fault_class) : "");
  g_variant_dict_insert (&dict, "locus", "s", outcome->locus ? outcome->locus : "");
  g_variant_dict_insert (&dict, "family", "s", outcome->family ? outcome->family : "");
  g_variant_dict_insert (&dict, "line", "s", outcome->line ? outcome->line : "");
  g_variant_dict_insert (&dict, "p", "d", outcome->line ? outcome->p : NAN);
  return g_variant_dict_end (&dict);
}

static void
print_table (GPtrArray *runs, GPtrArray *outcomes)
{
  static const char *const headings[] = { "Run",   "Scenario", "Delay s", "Lead s",      "False",
                                          "Class", "Locus",    "p",       "First alarm", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autofree char *text = NULL;

  for (guint i = 0; i < runs->len; i++)
    {
      const Run *run = runs->pdata[i];
      const Outcome *outcome = outcomes->pdata[i];
      gboolean alarmed = outcome->line != NULL;

      vmft_table_add_printf (table, "%s", run->name);
      vmft_table_add_printf (table, "%s", run->scenario ? run->scenario : "-");
      vmft_table_add_printf (table, alarmed ? "%.2f" : "-", outcome->delay_s);
      vmft_table_add_printf (table, alarmed && run->failure_us ? "%.2f" : "-", outcome->lead_s);
      vmft_table_add_printf (table, "%u", outcome->false_alarms);
      vmft_table_add_printf (table, "%s", alarmed ? vmft_fault_class_to_string (outcome->fault_class) : "-");
      vmft_table_add_printf (table, "%s", alarmed ? outcome->locus : "-");
      vmft_table_add_printf (table, alarmed ? "%.3f" : "-", outcome->p);
      vmft_table_add_printf (table, "%.70s", alarmed ? outcome->line : "-");
    }
  text = vmft_table_to_string (table);
  g_print ("%s", text);
  for (guint i = 0; i < runs->len; i++)
    {
      const Outcome *outcome = outcomes->pdata[i];

      for (guint k = 0; k < outcome->false_lines->len; k++)
        g_print ("false alarm in %s: %s\n", ((Run *) runs->pdata[i])->name,
                 (char *) outcome->false_lines->pdata[k]);
    }
}

/* Several runs of one kind are better seen together. */
static void
print_scenarios (GPtrArray *runs, GPtrArray *outcomes)
{
  g_autoptr (GArray) results = g_array_new (FALSE, FALSE, sizeof (VmftRunResult));
  g_autofree char *text = NULL;

  for (guint i = 0; i < runs->len; i++)
    {
      const Run *run = runs->pdata[i];
      const Outcome *outcome = outcomes->pdata[i];
      VmftRunResult result = { .scenario = run->scenario ? run->scenario : "-",
                               .failing = run->failure_us != 0,
                               .delay_s = outcome->delay_s,
                               .lead_s = outcome->lead_s,
                               .stall_s = run->stall_s,
                               .false_alarms = outcome->false_alarms };

      g_array_append_val (results, result);
    }
  text = vmft_run_scenarios_to_string (results);
  g_print ("\n%s", text);
}

static void
print_json (GPtrArray *runs, GPtrArray *outcomes)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariantBuilder) list = g_variant_builder_new (G_VARIANT_TYPE ("aa{sv}"));
  g_autofree char *text = NULL;

  for (guint i = 0; i < runs->len; i++)
    g_variant_builder_add_value (list, outcome_to_variant (runs->pdata[i], outcomes->pdata[i]));
  g_variant_dict_insert_value (&dict, "runs", g_variant_builder_end (list));
  text = vmft_json_from_variant (g_variant_dict_end (&dict), TRUE);
  g_print ("%s\n", text);
}

static gboolean
evaluate_all (char **folders, char **learn, gboolean json, GError **error)
{
  g_autoptr (GPtrArray) lessons = read_runs (learn, error);
  g_autoptr (GPtrArray) runs = lessons ? read_runs (folders, error) : NULL;
  g_autoptr (GPtrArray) outcomes = g_ptr_array_new_with_free_func ((GDestroyNotify) outcome_free);

  if (!runs)
    return FALSE;
  for (guint i = 0; i < runs->len; i++)
    {
      Outcome *outcome = evaluate (runs->pdata[i], lessons, error);

      if (!outcome)
        return FALSE;
      g_ptr_array_add (outcomes, outcome);
    }
  if (json)
    print_json (runs, outcomes);
  else
    {
      print_table (runs, outcomes);
      if (runs->len > 1)
        print_scenarios (runs, outcomes);
    }
  return TRUE;
}

gboolean
vmft_eval_runs (int argc, char **argv, GError **error)
{
  gboolean json = FALSE;
  g_auto (GStrv) learn = NULL;
  g_auto (GStrv) folders = NULL;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { "learn", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &learn, "Learn what is normal from this run, whole",
      "DIR" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &folders, NULL, "DIR…" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context,
                                "Each DIR holds log.txt and labels.json of one run, and pressure.jsonl if "
                                "stalls were recorded.");
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (!folders)
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "no DIR given");
      return FALSE;
    }
  return evaluate_all (folders, learn, json, error);
}
