/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-figures.h"

#include "vmft-nab.h"
#include "vmft-rates.h"
#include "vmft-series-score.h"

#include <gio/gio.h>
#include <math.h>

#define HEAD                                                                                                 \
  "set terminal svg size 720,480 dynamic font 'sans-serif,13' background rgb 'white'\n"                      \
  "set grid lc rgb '#dddddd'\nset key right bottom box lc rgb '#cccccc'\nset border lc rgb '#555555'\n"

static gboolean
run_gnuplot (const char *script, GError **error)
{
  g_autoptr (GSubprocess) gnuplot = NULL;
  g_autofree char *complaint = NULL;
  g_autofree char *program = g_find_program_in_path ("gnuplot");

  if (!program)
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE,
                           "--figures needs gnuplot, which is not installed (Debian: gnuplot-nox)");
      return FALSE;
    }
  gnuplot = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error, program,
                              "-", NULL);
  if (!gnuplot || !g_subprocess_communicate_utf8 (gnuplot, script, NULL, NULL, &complaint, error))
    return FALSE;
  if (g_subprocess_get_successful (gnuplot))
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED, "gnuplot: %s", complaint);
  return FALSE;
}

static gboolean
make_folder (const char *folder, GError **error)
{
  if (g_mkdir_with_parents (folder, 0755) == 0)
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED, "%s: cannot be made", folder);
  return FALSE;
}

/* Begins a plot with one inline data block a curve; the curves' data follow. */
static GString *
begin_plot (const char *folder, const char *name, const char *title, const char *x, const char *y)
{
  GString *script = g_string_new (HEAD);

  g_string_append_printf (script,
                          "set output '%s/%s.svg'\nset title '%s'\nset xlabel '%s'\nset ylabel '%s'\n",
                          folder, name, title, x, y);
  return script;
}

static void
append_point (GString *data, double x, double y)
{
  char first[G_ASCII_DTOSTR_BUF_SIZE], second[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (data, "%s %s\n", g_ascii_formatd (first, sizeof first, "%.6g", x),
                          g_ascii_formatd (second, sizeof second, "%.6g", y));
}

static gboolean
draw_roc (const char *folder, const VmftSeriesSet *set, const char *title, double top, GError **error)
{
  g_autoptr (GPtrArray) classes = vmft_rates_classes (set);
  g_autofree char *heading = g_strdup_printf ("ROC by class, %s (strict)", title);
  g_autoptr (GString) script = begin_plot (folder, "roc", heading, "false-positive rate (pieces of 200 rows)",
                                           "true-positive rate (files)");
  g_autoptr (GString) data = g_string_new (NULL);

  g_string_append (script, "set xrange [-0.02:1]\nset yrange [0:1.02]\nplot ");
  for (guint i = 0; i < classes->len; i++)
    {
      double auc = 0.0;
      g_autoptr (GArray) points = vmft_rates_roc (set, classes->pdata[i], FALSE, top, &auc);

      g_string_append_printf (script, "%s'-' with linespoints lw 2 pt 7 ps 0.4 title '%s, AUC %.3f'",
                              i ? ", " : "", (char *) classes->pdata[i], auc);
      for (guint k = 0; k < points->len; k++)
        {
          const VmftRocPoint *point = &g_array_index (points, VmftRocPoint, k);

          append_point (data, point->false_positive_rate, point->true_positive_rate);
        }
      g_string_append (data, "e\n");
    }
  g_string_append_printf (script, "\n%s", data->str);
  return run_gnuplot (script->str, error);
}

static gboolean
draw_lead (const char *folder, const VmftSeriesSet *set, const char *title, double threshold, GError **error)
{
  g_autoptr (GPtrArray) classes = vmft_rates_classes (set);
  g_autofree char *heading = g_strdup_printf ("First alarm to failure, %s", title);
  g_autoptr (GString) script = begin_plot (folder, "lead", heading, "lead, minutes", "share of the failures");
  g_autoptr (GString) data = g_string_new (NULL);

  g_string_append (script, "set logscale x\nset yrange [0:1.02]\nset key right bottom\nplot ");
  for (guint i = 0; i < classes->len; i++)
    {
      VmftLead lead;
      g_autoptr (GArray) minutes = NULL;

      vmft_rates_lead (set, classes->pdata[i], threshold, &lead, &minutes);
      g_string_append_printf (script, "%s'-' with steps lw 2 title '%s (%u)'", i ? ", " : "",
                              (char *) classes->pdata[i], lead.n);
      if (minutes->len == 0)
        append_point (data, 1.0, 0.0);
      for (guint k = 0; k < minutes->len; k++)
        append_point (data, MAX (g_array_index (minutes, double, k), 0.001), (k + 1.0) / minutes->len);
      g_string_append (data, "e\n");
    }
  g_string_append_printf (script, "\n%s", data->str);
  return run_gnuplot (script->str, error);
}

gboolean
vmft_figures_write (const char *folder,
                    const VmftSeriesSet *set,
                    const char *title,
                    double top,
                    double threshold,
                    GError **error)
{
  return make_folder (folder, error) && draw_roc (folder, set, title, top, error) &&
         draw_lead (folder, set, title, threshold, error);
}

typedef void (*SweepFunc) (VmftLadPreset *preset, guint *learning_rows, double value);

static void
set_theta (VmftLadPreset *preset, guint *learning_rows, double value)
{
  preset->theta = value;
}

static void
set_window (VmftLadPreset *preset, guint *learning_rows, double value)
{
  preset->window = (guint) value;
}

static void
set_learning (VmftLadPreset *preset, guint *learning_rows, double value)
{
  *learning_rows = (guint) value;
}

typedef struct
{
  const char *name;
  const char *title;
  const char *axis;
  SweepFunc apply;
  double from, to, step;
} Sweep;

static const Sweep sweeps[] = {
  { "sweep-theta", "Anomaly threshold", "theta", set_theta, 0.05, 0.60, 0.05 },
  { "sweep-window", "Window", "m", set_window, 2, 10, 1 },
  { "sweep-learning", "Learning period", "M, rows", set_learning, 25, 300, 25 },
};

static gboolean
draw_sweep (const Sweep *sweep, const char *folder, VmftSeriesSet *set, GError **error)
{
  static const char *const presets[] = { "published", "paper" };
  g_autoptr (GString) script =
      begin_plot (folder, sweep->name, sweep->title, sweep->axis, "NAB strict standard, right null");

  g_string_append (script, "plot '-' with linespoints lw 2 pt 7 title 'published', "
                           "'-' with linespoints lw 2 pt 5 title 'paper'\n");
  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++)
    {
      for (double value = sweep->from; value <= sweep->to + 1e-9; value += sweep->step)
        {
          VmftLadPreset preset;
          VmftNabResult result;
          guint learning_rows = VMFT_LAD_LEARNING_ROWS;

          if (!vmft_lad_preset (presets[i], &preset))
            continue;
          sweep->apply (&preset, &learning_rows, value);
          vmft_series_score_lad (set, &preset, learning_rows);
          vmft_nab_score (set, VMFT_NAB_STRICT, vmft_nab_profile (0), &result);
          append_point (script, value, result.correct);
        }
      g_string_append (script, "e\n");
    }
  return run_gnuplot (script->str, error);
}

gboolean
vmft_figures_write_sweeps (const char *folder, VmftSeriesSet *set, GError **error)
{
  if (!make_folder (folder, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (sweeps); i++)
    if (!draw_sweep (&sweeps[i], folder, set, error))
      return FALSE;
  return TRUE;
}
