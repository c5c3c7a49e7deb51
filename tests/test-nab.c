/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scores on small made-up series, by hand. */
#include "vmft-nab.h"
#include "vmft-rates.h"
#include "vmft-series-score.h"

#include <math.h>

static VmftSeries *
make_series (const char *class_name, guint n_rows, int label, int failure)
{
  VmftSeries *series = g_new0 (VmftSeries, 1);

  series->name = g_strdup ("made-up.csv");
  series->class_name = g_strdup (class_name);
  series->n_rows = n_rows;
  series->keys = g_new0 (guint32, n_rows);
  series->times_us = g_new0 (VmftTime, n_rows);
  series->score = g_new0 (double, n_rows);
  series->alarm_level = g_new0 (double, n_rows);
  series->label = series->rate_label = label;
  series->failure = series->rate_failure = failure;
  for (guint i = 0; i < n_rows; i++)
    series->times_us[i] = (i + 1) * (VmftTime) G_USEC_PER_SEC;
  if (failure >= 0)
    series->failure_us = series->times_us[failure];
  return series;
}

static void
free_series (gpointer data)
{
  VmftSeries *series = data;

  g_free (series->name);
  g_free (series->class_name);
  g_free (series->keys);
  g_free (series->times_us);
  g_free (series->score);
  g_free (series->alarm_level);
  g_free (series);
}

static VmftSeriesSet *
make_set (void)
{
  VmftSeriesSet *set = g_new0 (VmftSeriesSet, 1);

  set->series = g_ptr_array_new_with_free_func (free_series);
  set->n_templates = 4;
  set->templates = g_new0 (VmftSeriesTemplate, 4);
  return set;
}

static void
test_detection (void)
{
  g_assert_cmpfloat_with_epsilon (vmft_nab_detection (600, 699, 600), 1.0, 1e-12);
  g_assert_cmpfloat (vmft_nab_detection (600, 699, 699), >, 0.0);
  g_assert_cmpfloat (vmft_nab_detection (600, 699, 650), <, vmft_nab_detection (600, 699, 649));
}

static void
test_perfect_and_null (void)
{
  g_autoptr (VmftSeriesSet) set = make_set ();
  VmftSeries *series = make_series ("hdd", 1000, 600, 700);
  VmftNabResult result;

  g_ptr_array_add (set->series, series);
  vmft_nab_score (set, VMFT_NAB_STRICT, vmft_nab_profile (0), &result);
  g_assert_cmpfloat (result.correct, ==, 0.0);
  g_assert_true (isinf (result.threshold));
  vmft_nab_score (set, VMFT_NAB_RELAXED, vmft_nab_profile (0), &result);
  g_assert_cmpfloat (result.correct, >, 50.0); /* the appended row lets no file be missed */
  vmft_nab_score (set, VMFT_NAB_RELAXED_UNFORCED, vmft_nab_profile (0), &result);
  g_assert_cmpfloat (result.correct, ==, 0.0);

  series->score[600] = 0.7;
  vmft_nab_score (set, VMFT_NAB_STRICT, vmft_nab_profile (0), &result);
  g_assert_cmpfloat_with_epsilon (result.correct, 100.0, 1e-9);
  g_assert_cmpfloat (result.threshold, ==, 0.7);
  series->score[701] = 0.9; /* after the failure: cut off */
  series->score[100] = 0.9; /* probation */
  vmft_nab_score (set, VMFT_NAB_STRICT, vmft_nab_profile (0), &result);
  g_assert_cmpfloat_with_epsilon (result.correct, 100.0, 1e-9);
  series->score[400] = 0.9; /* a false positive */
  vmft_nab_score (set, VMFT_NAB_STRICT, vmft_nab_profile (0), &result);
  g_assert_cmpfloat_with_epsilon (result.raw, 1.0 - 0.11, 1e-9);
  vmft_nab_score (set, VMFT_NAB_STRICT, vmft_nab_profile (1), &result);
  g_assert_cmpfloat_with_epsilon (result.raw, 1.0 - 0.22, 1e-9);
  vmft_nab_score (set, VMFT_NAB_STRICT, vmft_nab_profile (2), &result);
  g_assert_cmpfloat_with_epsilon (result.correct, 100.0 * (0.89 + 2.0) / 3.0, 1e-9);
  g_assert_cmpfloat_with_epsilon (result.published, 100.0 * (0.89 + 232.0 / 540) / (1.0 + 232.0 / 540), 1e-9);
}

static void
test_rates (void)
{
  g_autoptr (VmftSeriesSet) set = make_set ();
  VmftSeries *faulty = make_series ("hdd", 1000, 600, 720), *benign = make_series ("benign", 300, -1, -1);
  VmftRates rates;
  VmftLead lead;
  double auc = 0.0;

  benign->rate_label = -1;
  g_ptr_array_add (set->series, faulty);
  g_ptr_array_add (set->series, benign);
  faulty->score[660] = faulty->alarm_level[660] = 0.8;
  faulty->score[150] = 0.8; /* rates begin a row later */
  benign->score[299] = 0.6;
  vmft_rates_count (set, 0.5, &rates);
  g_assert_cmpuint (rates.false_positives, ==, 1);
  g_assert_cmpuint (rates.negatives, ==, (600 - 151) + (300 - 151));
  g_assert_cmpuint (rates.early, ==, 1);
  g_assert_cmpuint (rates.n_faulty, ==, 1);
  vmft_rates_lead (set, "hdd", 0.5, &lead, NULL);
  g_assert_cmpuint (lead.n, ==, 1);
  g_assert_cmpfloat_with_epsilon (lead.p50, 1.0, 1e-9);
  g_array_unref (vmft_rates_roc (set, "hdd", FALSE, 1.0, &auc));
  g_assert_cmpfloat_with_epsilon (auc, 1.0, 1e-9);
  faulty->alarm_level[660] = 0.0;
  faulty->alarm_level[800] = 0.5;
  g_array_unref (vmft_rates_roc (set, "hdd", FALSE, 1.0, &auc));
  g_assert_cmpfloat_with_epsilon (auc, 0.5, 1e-9);
  g_array_unref (vmft_rates_roc (set, "hdd", TRUE, 1.0, &auc));
  g_assert_cmpfloat_with_epsilon (auc, 1.0, 1e-9);
}

static void
test_evidence (void)
{
  g_autoptr (VmftSeriesSet) set = make_set ();
  VmftSeries *series = make_series ("hdd", 4000, 600, 700);

  g_ptr_array_add (set->series, series);
  series->score[200] = series->score[270] = series->score[280] =
      0.9; /* one template; 70 s, then 10 s apart */
  series->keys[3000] = 1;
  series->score[3000] = 0.9; /* a record that is enough, long after */
  set->templates[1].one_record = TRUE;
  vmft_series_apply_evidence (set, 0.5);
  g_assert_cmpfloat (series->score[200], ==, 0.0);
  g_assert_cmpfloat (series->score[270], ==, 0.0);
  g_assert_cmpfloat (series->score[280], ==, 0.9);
  g_assert_cmpfloat (series->score[3000], ==, 0.9);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nab/detection", test_detection);
  g_test_add_func ("/nab/perfect-and-null", test_perfect_and_null);
  g_test_add_func ("/nab/rates", test_rates);
  g_test_add_func ("/nab/evidence", test_evidence);
  return g_test_run ();
}
