/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-calibration.h"
#include "vmft-estimator.h"

#include <math.h>

#define assert_near(a, b, relative) g_assert_cmpfloat_with_epsilon ((a), (b), (relative) *fabs (b))

static void
test_rank (void)
{
  g_autoptr (VmftCalibration) calibration = vmft_calibration_new ();
  double score = NAN;

  for (guint i = 1; i <= 8; i++)
    vmft_calibration_add (calibration, 0.1 * i, FALSE);
  g_assert_false (vmft_calibration_quantile (calibration, 0.9, &score));
  vmft_calibration_add (calibration, 0.9, FALSE);
  /* n = 9: rank ceil (0.9 * 10) = 9 */
  g_assert_true (vmft_calibration_quantile (calibration, 0.9, &score));
  assert_near (score, 0.9, 1e-9);
  /* n = 10: rank ceil (0.9 * 11) = 10 */
  vmft_calibration_add (calibration, 1.0, FALSE);
  g_assert_true (vmft_calibration_quantile (calibration, 0.9, &score));
  assert_near (score, 1.0, 1e-9);
  for (guint i = 11; i <= 19; i++)
    vmft_calibration_add (calibration, 0.1 * i, FALSE);
  /* n = 19: rank ceil (0.9 * 20) = 18 */
  g_assert_true (vmft_calibration_quantile (calibration, 0.9, &score));
  assert_near (score, 1.8, 1e-9);
  vmft_calibration_add (calibration, NAN, FALSE);
  vmft_calibration_add (calibration, -INFINITY, FALSE);
  g_assert_cmpuint (vmft_calibration_get_n (calibration), ==, 19);
}

/* A stopped job hands its mass to the scores above it: dropping it, or taking it as an end, would say too little. */
static void
test_censoring (void)
{
  g_autoptr (VmftCalibration) all = vmft_calibration_new ();
  g_autoptr (VmftCalibration) dropped = vmft_calibration_new ();
  g_autoptr (VmftCalibration) hopeless = vmft_calibration_new ();
  double with, without;

  for (guint i = 1; i <= 30; i++)
    {
      gboolean censored = i % 3 == 0;

      vmft_calibration_add (all, 0.01 * i, censored);
      if (!censored)
        vmft_calibration_add (dropped, 0.01 * i, FALSE);
      vmft_calibration_add (hopeless, 0.01 * i, i % 3 != 0);
    }
  g_assert_true (vmft_calibration_quantile (all, 0.9, &with));
  g_assert_true (vmft_calibration_quantile (dropped, 0.9, &without));
  g_assert_cmpfloat (with, >=, without);
  g_assert_false (vmft_calibration_quantile (hopeless, 0.9, &with));
}

/* 1 to 20, the 18th stopped: rank 19 of 20; after 17 ends 3 of 20 are left, after the 19th 3/40, after the 20th none. */
static void
test_kaplan_meier (void)
{
  g_autoptr (VmftCalibration) calibration = vmft_calibration_new ();
  double score = NAN;

  for (guint i = 1; i <= 20; i++)
    vmft_calibration_add (calibration, i, i == 18);
  g_assert_true (vmft_calibration_quantile (calibration, 0.9, &score));
  assert_near (score, 20.0, 1e-9);
}

/* Coverage of a stream of log-normal errors, each judged by those before it. */
static void
test_coverage (void)
{
  g_autoptr (VmftCalibration) calibration = vmft_calibration_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  guint covered = 0, judged = 0;

  for (guint i = 0; i < 2000; i++)
    {
      double z = sqrt (-2.0 * log (1.0 - g_rand_double (rand))) * cos (2.0 * G_PI * g_rand_double (rand));
      double score = 0.3 * z, bound;

      if (vmft_calibration_quantile (calibration, 0.9, &bound))
        {
          judged++;
          covered += score <= bound;
        }
      vmft_calibration_add (calibration, score, FALSE);
    }
  g_assert_cmpuint (judged, ==, 2000 - VMFT_CALIBRATION_MIN);
  assert_near ((double) covered / judged, 0.9, 0.02);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/calibration/rank", test_rank);
  g_test_add_func ("/calibration/censoring", test_censoring);
  g_test_add_func ("/calibration/kaplan-meier", test_kaplan_meier);
  g_test_add_func ("/calibration/coverage", test_coverage);
  return g_test_run ();
}
