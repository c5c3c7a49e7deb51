/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmft-eval series: the paper's data, scored as the paper's tables were. */
#include "vmft-eval.h"

#include "vmft-figures.h"
#include "vmft-nab.h"
#include "vmft-rates.h"
#include "vmft-series-score.h"

#include <math.h>
#include <string.h>

#define FAULT_P  0.5
#define ROC_LAD  0.35
#define ROC_REST 1.0

typedef struct
{
  char *data, *templates, *answers, *column, *engine, *preset, *figures;
  gboolean product, drop, model_only, json;
  VmftSeriesSet *set;
  guint n_dropped;
} Options;

static const char *const criteria[] = { "strict", "relaxed", "relaxed_unforced" };

static gboolean
is_kernel (const Options *options)
{
  return strcmp (options->engine, "kernel") == 0;
}

static gboolean
score (Options *options, GError **error)
{
  VmftLadPreset preset;

  if (is_kernel (options))
    vmft_series_score_kernel (options->set);
  else
    {
      if (!vmft_lad_preset (options->preset, &preset))
        {
          g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                       "--preset: \"%s\" is none of: published, paper", options->preset);
          return FALSE;
        }
      vmft_series_score_lad (options->set, &preset, VMFT_LAD_LEARNING_ROWS);
    }
  if (options->product)
    vmft_series_apply_evidence (options->set, is_kernel (options) ? FAULT_P : 1.0);
  return TRUE;
}

static gboolean
load (Options *options, GError **error)
{
  options->set = vmft_series_set_load (options->data, options->templates, error);
  if (!options->set ||
      (options->answers &&
       !vmft_series_set_answers (options->set, options->answers, options->column, error)) ||
      !vmft_series_set_judge (options->set, options->model_only, options->answers != NULL, error))
    return FALSE;
  if (options->drop)
    options->n_dropped = vmft_series_set_drop_fixed_offset (options->set, is_kernel (options));
  return score (options, error);
}

/* -- the results as one record ------------------------------------------------------------------------------ */

static GVariant *
nab_to_variant (const VmftNabResult *result)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "correct", "d", result->correct);
  g_variant_dict_insert (&dict, "published", "d", result->published);
  g_variant_dict_insert (&dict, "raw", "d", result->raw);
  g_variant_dict_insert (&dict, "threshold", "d", result->threshold);
  g_variant_dict_insert (&dict, "windows", "x", (gint64) result->n_windows);
  return g_variant_dict_end (&dict);
}

/* @threshold: (out): the best of the relaxed standard profile, which the rates go by. */
static GVariant *
all_nab (const VmftSeriesSet *set, double *threshold)
{
  g_auto (GVariantDict) nab = G_VARIANT_DICT_INIT (NULL);

  for (guint c = 0; c < G_N_ELEMENTS (criteria); c++)
    {
      g_auto (GVariantDict) by_profile = G_VARIANT_DICT_INIT (NULL);

      for (guint p = 0; p < VMFT_NAB_N_PROFILES; p++)
        {
          VmftNabResult result;

          vmft_nab_score (set, (VmftNabCriterion) c, vmft_nab_profile (p), &result);
          g_variant_dict_insert_value (&by_profile, vmft_nab_profile (p)->name, nab_to_variant (&result));
          if (c == VMFT_NAB_RELAXED && p == 0)
            *threshold = result.threshold;
        }
      g_variant_dict_insert_value (&nab, criteria[c], g_variant_dict_end (&by_profile));
    }
  return g_variant_dict_end (&nab);
}

static GVariant *
all_auc (const Options *options, gboolean relaxed)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) classes = vmft_rates_classes (options->set);

  for (guint i = 0; i < classes->len; i++)
    {
      double auc = 0.0;
      g_autoptr (GArray) points = vmft_rates_roc (options->set, classes->pdata[i], relaxed,
                                                  is_kernel (options) ? ROC_REST : ROC_LAD, &auc);

      g_variant_dict_insert (&dict, classes->pdata[i], "d", auc);
    }
  return g_variant_dict_end (&dict);
}

static GVariant *
all_leads (const VmftSeriesSet *set, double threshold)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) classes = vmft_rates_classes (set);

  for (guint i = 0; i < classes->len; i++)
    {
      g_auto (GVariantDict) one = G_VARIANT_DICT_INIT (NULL);
      VmftLead lead;

      vmft_rates_lead (set, classes->pdata[i], threshold, &lead, NULL);
      g_variant_dict_insert (&one, "n", "x", (gint64) lead.n);
      g_variant_dict_insert (&one, "mean", "d", lead.mean);
      g_variant_dict_insert (&one, "p5", "d", lead.p5);
      g_variant_dict_insert (&one, "p10", "d", lead.p10);
      g_variant_dict_insert (&one, "p50", "d", lead.p50);
      g_variant_dict_insert (&one, "p90", "d", lead.p90);
      g_variant_dict_insert (&one, "as_published", "d", lead.running);
      g_variant_dict_insert_value (&dict, classes->pdata[i], g_variant_dict_end (&one));
    }
  return g_variant_dict_end (&dict);
}

static GVariant *
evaluate (const Options *options, double *threshold)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_auto (GVariantDict) auc = G_VARIANT_DICT_INIT (NULL);
  VmftRates rates;

  g_variant_dict_insert (&dict, "engine", "s", options->engine);
  if (!is_kernel (options))
    g_variant_dict_insert (&dict, "preset", "s", options->preset);
  g_variant_dict_insert (&dict, "answers", "s", options->answers ? options->column : "kernel-model");
  g_variant_dict_insert (&dict, "product", "b", options->product);
  g_variant_dict_insert (&dict, "files", "x", (gint64) options->set->series->len);
  g_variant_dict_insert (&dict, "records_dropped", "x", (gint64) options->n_dropped);
  g_variant_dict_insert_value (&dict, "nab", all_nab (options->set, threshold));

  vmft_rates_count (options->set, *threshold, &rates);
  g_variant_dict_insert (&dict, "threshold", "d", *threshold);
  g_variant_dict_insert (&dict, "false_positives", "x", (gint64) rates.false_positives);
  g_variant_dict_insert (&dict, "negatives", "x", (gint64) rates.negatives);
  g_variant_dict_insert (&dict, "false_positive_rate", "d",
                         rates.negatives ? (double) rates.false_positives / (double) rates.negatives : 0.0);
  g_variant_dict_insert (&dict, "early", "x", (gint64) rates.early);
  g_variant_dict_insert (&dict, "faulty_files", "x", (gint64) rates.n_faulty);
  g_variant_dict_insert (&dict, "early_detection_rate", "d",
                         rates.n_faulty ? (double) rates.early / rates.n_faulty : 0.0);
  g_variant_dict_insert_value (&auc, "strict", all_auc (options, FALSE));
  g_variant_dict_insert_value (&auc, "relaxed", all_auc (options, TRUE));
  g_variant_dict_insert_value (&dict, "auc", g_variant_dict_end (&auc));
  g_variant_dict_insert_value (&dict, "lead_minutes", all_leads (options->set, *threshold));
  return g_variant_dict_end (&dict);
}

/* -- for people ----------------------------------------------------------------------------------------------- */

static GVariant *
dig (GVariant *dict, const char *first, const char *second)
{
  g_autoptr (GVariant) inner = g_variant_lookup_value (dict, first, G_VARIANT_TYPE_VARDICT);

  return g_variant_lookup_value (inner, second, G_VARIANT_TYPE_VARDICT);
}

static void
print_table (VmftTable *table)
{
  g_autofree char *text = vmft_table_to_string (table);

  g_print ("%s\n", text);
}

static void
print_nab (GVariant *results)
{
  static const char *const headings[] = { "NAB", "Profile", "Right null", "Paper's null", "Threshold", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GVariant) nab = g_variant_lookup_value (results, "nab", G_VARIANT_TYPE_VARDICT);

  for (guint c = 0; c < G_N_ELEMENTS (criteria); c++)
    for (guint p = 0; p < VMFT_NAB_N_PROFILES; p++)
      {
        g_autoptr (GVariant) one = dig (nab, criteria[c], vmft_nab_profile (p)->name);

        vmft_table_add_printf (table, "%s", criteria[c]);
        vmft_table_add_printf (table, "%s", vmft_nab_profile (p)->name);
        vmft_table_add_printf (table, "%.2f", vmft_dict_double (one, "correct", NAN));
        vmft_table_add_printf (table, "%.2f", vmft_dict_double (one, "published", NAN));
        vmft_table_add_printf (table, "%.4f", vmft_dict_double (one, "threshold", NAN));
      }
  print_table (table);
}

static void
print_classes (const Options *options, GVariant *results)
{
  static const char *const headings[] = { "Class",     "AUC strict",   "AUC relaxed", "Early",
                                          "Lead mean", "p5",           "p10",         "p50",
                                          "p90",       "As published", NULL };
  static const char *const columns[] = { "mean", "p5", "p10", "p50", "p90", "as_published" };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autoptr (GPtrArray) classes = vmft_rates_classes (options->set);
  g_autoptr (GVariant) strict = dig (results, "auc", "strict");
  g_autoptr (GVariant) relaxed = dig (results, "auc", "relaxed");

  for (guint i = 0; i < classes->len; i++)
    {
      g_autoptr (GVariant) lead = dig (results, "lead_minutes", classes->pdata[i]);

      vmft_table_add_printf (table, "%s", (char *) classes->pdata[i]);
      vmft_table_add_printf (table, "%.3f", vmft_dict_double (strict, classes->pdata[i], NAN));
      vmft_table_add_printf (table, "%.3f", vmft_dict_double (relaxed, classes->pdata[i], NAN));
      vmft_table_add_printf (table, "%d", (int) vmft_dict_int64 (lead, "n", 0));
      for (guint k = 0; k < G_N_ELEMENTS (columns); k++)
        vmft_table_add_printf (table, "%.1f", vmft_dict_double (lead, columns[k], NAN));
    }
  print_table (table);
}

static void
print_results (const Options *options, GVariant *results)
{
  g_print ("%u files, engine %s%s%s, log inference %s%s\n\n", options->set->series->len, options->engine,
           is_kernel (options) ? "" : " ", is_kernel (options) ? "" : options->preset,
           options->answers ? options->column : "kernel-model",
           options->product ? ", the product's evidence rule" : "");
  print_nab (results);
  g_print ("false positives %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
           " (%.4f %%), early detection %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " (%.2f %%)\n\n",
           vmft_dict_int64 (results, "false_positives", 0), vmft_dict_int64 (results, "negatives", 0),
           100.0 * vmft_dict_double (results, "false_positive_rate", NAN),
           vmft_dict_int64 (results, "early", 0), vmft_dict_int64 (results, "faulty_files", 0),
           100.0 * vmft_dict_double (results, "early_detection_rate", NAN));
  print_classes (options, results);
  g_print (
      "Lead times in minutes. cpu and part of oom hold fault records at fixed sub-second offsets that look\n"
      "inserted afterwards (--without-fixed-offset drops them; %u dropped here), and about six fault\n"
      "signatures carry the whole data set: files are not independent of each other.\n",
      options->n_dropped);
}

static gboolean
report (Options *options, GError **error)
{
  double threshold = INFINITY;
  g_autoptr (GVariant) results = g_variant_ref_sink (evaluate (options, &threshold));
  g_autofree char *json = NULL;

  if (options->json)
    {
      json = vmft_json_from_variant (results, TRUE);
      g_print ("%s\n", json);
    }
  else
    print_results (options, results);
  if (!options->figures)
    return TRUE;
  return vmft_figures_write (options->figures, options->set, options->engine,
                             is_kernel (options) ? ROC_REST : ROC_LAD, threshold, error) &&
         vmft_figures_write_sweeps (options->figures, options->set, error);
}

static gboolean
check (const Options *options, GError **error)
{
  if (!options->data || !options->templates)
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                         "--data and --templates are needed");
  else if (strcmp (options->engine, "kernel") != 0 && strcmp (options->engine, "vmft-lad") != 0)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "--engine: \"%s\" is none of: kernel, vmft-lad", options->engine);
  else
    return TRUE;
  return FALSE;
}

static void
options_clear (Options *options)
{
  g_clear_pointer (&options->set, vmft_series_set_free);
  g_free (options->data);
  g_free (options->templates);
  g_free (options->answers);
  g_free (options->column);
  g_free (options->engine);
  g_free (options->preset);
  g_free (options->figures);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* After parsing: GOption does not free what an option replaces. */
static void
set_default (char **option, const char *value)
{
  if (*option == NULL)
    *option = g_strdup (value);
}

gboolean
vmft_eval_series (int argc, char **argv, GError **error)
{
  g_auto (Options) options = { NULL };
  const GOptionEntry entries[] = {
    { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data, "Folder with labels.csv and a folder a class",
      "DIR" },
    { "templates", 0, 0, G_OPTION_ARG_FILENAME, &options.templates, "Templates by key", "FILE" },
    { "engine", 0, 0, G_OPTION_ARG_STRING, &options.engine, "kernel (default) or vmft-lad", "NAME" },
    { "preset", 0, 0, G_OPTION_ARG_STRING, &options.preset, "Of vmft-lad: published (default) or paper",
      "NAME" },
    { "answers", 0, 0, G_OPTION_ARG_FILENAME, &options.answers,
      "Stored answers of language models; without, the kernel-message model answers", "FILE" },
    { "column", 0, 0, G_OPTION_ARG_STRING, &options.column, "Whose answers (default gpt35)", "NAME" },
    { "product", 0, 0, G_OPTION_ARG_NONE, &options.product, "Under the product's evidence rule", NULL },
    { "without-fixed-offset", 0, 0, G_OPTION_ARG_NONE, &options.drop,
      "Drop fault records that look inserted afterwards", NULL },
    { "model-only", 0, 0, G_OPTION_ARG_NONE, &options.model_only, "Leave the fault-family table out", NULL },
    { "figures", 0, 0, G_OPTION_ARG_FILENAME, &options.figures, "Draw figures into this folder (gnuplot)",
      "DIR" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  set_default (&options.column, "gpt35");
  set_default (&options.engine, "kernel");
  set_default (&options.preset, "published");
  if (!check (&options, error))
    return FALSE;
  return load (&options, error) && report (&options, error);
}
