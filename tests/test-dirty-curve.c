/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-estimator.h"

#include <math.h>

#define MIB                         (1024.0 * 1024)
#define NOW                         (G_GINT64_CONSTANT (1000000) * G_USEC_PER_SEC)
#define MAX_AGE_S                   3600.0
#define RAM                         (512 * MIB)

#define assert_near(a, b, relative) g_assert_cmpfloat_with_epsilon ((a), (b), (relative) *fabs (b))

static VmftDirtySample
reading (double period_s, double bytes, double age_s)
{
  VmftDirtySample sample;

  vmft_dirty_sample_init_page_sampling (&sample, vmft_time_add_s (NOW, -age_s), period_s, bytes / period_s,
                                        RAM, VMFT_DIRTY_PAGES_PER_GIB);
  return sample;
}

static void
test_standard_error (void)
{
  VmftDirtySample fast = reading (1, 100 * MIB, 0);
  VmftDirtySample slow = reading (1, 20 * MIB, 0);
  VmftDirtySample idle = reading (1, 0, 0);

  /* FACTS: 14-31% for 512 pages per GiB */
  assert_near (fast.stderr_bytes / fast.unique_bytes, 0.13, 0.2);
  assert_near (slow.stderr_bytes / slow.unique_bytes, 0.33, 0.2);
  g_assert_cmpfloat (idle.stderr_bytes, >, 0.0);
  g_assert_cmpfloat (idle.unique_bytes, ==, 0.0);
}

/* The lab: 100 MiB/s over 128 MiB; two seconds read as 63 MiB/s because the set is exhausted. */
static void
test_working_set_from_two_periods (void)
{
  g_autoptr (GArray) samples = g_array_new (FALSE, FALSE, sizeof (VmftDirtySample));
  VmftDirtyCurve curve;

  for (guint i = 0; i < 6; i++)
    {
      VmftDirtySample one = reading (1, 100 * MIB, i), four = reading (4, 128 * MIB, i);

      g_array_append_val (samples, one);
      g_array_append_val (samples, four);
    }
  vmft_dirty_curve_fit (&curve, (VmftDirtySample *) (gpointer) samples->data, samples->len, RAM, NOW,
                        MAX_AGE_S);
  g_assert_true (curve.measured);
  assert_near (curve.working_set_bytes, 128 * MIB, 0.1);
  assert_near (vmft_dirty_curve_bytes (&curve, 1.0), 100 * MIB, 0.1);
  assert_near (vmft_dirty_curve_bytes (&curve, 20.0), 128 * MIB, 0.1);
  g_assert_cmpfloat (curve.horizon_s, ==, 4.0);
}

static void
test_one_period_leaves_the_set_open (void)
{
  VmftDirtySample one = reading (1, 50 * MIB, 0);
  VmftDirtyCurve curve;

  vmft_dirty_curve_fit (&curve, &one, 1, RAM, NOW, MAX_AGE_S);
  assert_near (vmft_dirty_curve_bytes (&curve, 1.0), 50 * MIB, 0.25);
  g_assert_cmpfloat (curve.working_set_high_bytes, >, 4 * curve.working_set_low_bytes);
  g_assert_cmpuint (vmft_dirty_curve_next_period_s (&curve, 10.0), >, 1);
}

static void
test_shape (void)
{
  static const double periods[] = { 0.5, 1, 2, 3 };
  VmftDirtySample sweeping[4], random[4];
  VmftDirtyCurve curve;

  for (guint i = 0; i < 4; i++)
    {
      sweeping[i] = reading (periods[i], MIN (128, 100 * periods[i]) * MIB, 0);
      random[i] = reading (periods[i], 128 * (1 - exp (-100 * periods[i] / 128)) * MIB, 0);
      sweeping[i].stderr_bytes = random[i].stderr_bytes = 0.01 * 128 * MIB;
    }
  vmft_dirty_curve_fit (&curve, sweeping, 4, RAM, NOW, MAX_AGE_S);
  g_assert_cmpfloat (curve.sweep, >, 0.9);
  vmft_dirty_curve_fit (&curve, random, 4, RAM, NOW, MAX_AGE_S);
  g_assert_cmpfloat (curve.sweep, <, 0.1);
  assert_near (curve.rate_bps, 100 * MIB, 0.1);
}

static void
test_extreme_bounds (void)
{
  VmftDirtySample samples[2] = { reading (1, 60 * MIB, 0), reading (5, 140 * MIB, 0) };
  VmftDirtyCurve curve;

  vmft_dirty_curve_fit (&curve, samples, 2, RAM, NOW, MAX_AGE_S);
  for (double t = 0.01, last = 0.0; t < 100.0; t *= 1.5)
    {
      double u = vmft_dirty_curve_bytes (&curve, t);

      g_assert_cmpfloat (vmft_dirty_curve_high (&curve, t), >=, u);
      g_assert_cmpfloat (u, >=, last);
      last = u;
    }
  g_assert_cmpfloat (vmft_dirty_curve_bytes (&curve, 0.0), ==, 0.0);
  g_assert_cmpfloat (vmft_dirty_curve_bytes (&curve, NAN), ==, 0.0);
}

static void
test_absurd_samples (void)
{
  const VmftDirtySample absurd[] = {
    { NOW, 1.0, NAN, 1.0 },      { NOW, 0.0, 5.0, 1.0 },        { NOW, 1.0, -1.0, 1.0 },
    { NOW, INFINITY, 1.0, 1.0 }, { NOW, 1e-6, 200 * MIB, 1.0 }, { NOW, 1.0, RAM * 2, 1.0 },
  };
  VmftDirtyCurve curve;

  vmft_dirty_curve_fit (&curve, absurd, G_N_ELEMENTS (absurd), RAM, NOW, MAX_AGE_S);
  g_assert_false (curve.measured);
  g_assert_cmpuint (curve.n_rejected, ==, G_N_ELEMENTS (absurd));
  g_assert_nonnull (curve.problem);
  g_assert_cmpfloat (curve.rate_bps, >, 0.0);

  vmft_dirty_curve_fit (&curve, NULL, 0, RAM, NOW, MAX_AGE_S);
  g_assert_false (curve.measured);
  g_assert_null (curve.problem);
  vmft_dirty_curve_fit (&curve, NULL, 0, NAN, NOW, MAX_AGE_S);
  g_assert_cmpfloat (vmft_dirty_curve_bytes (&curve, 1.0), ==, 0.0);
}

static void
test_age (void)
{
  VmftDirtySample samples[2] = { reading (1, 10 * MIB, 2 * MAX_AGE_S), reading (1, 80 * MIB, 0) };
  VmftDirtyCurve curve;

  vmft_dirty_curve_fit (&curve, samples, 2, RAM, NOW, MAX_AGE_S);
  g_assert_cmpuint (curve.n_stale, ==, 1);
  g_assert_cmpuint (curve.n_samples, ==, 1);
  assert_near (vmft_dirty_curve_bytes (&curve, 1.0), 80 * MIB, 0.2);

  /* what is nearly too old says less than what is new, even where there is more of it */
  {
    VmftDirtySample mixed[6];

    for (guint i = 0; i < 6; i++)
      mixed[i] = i < 4 ? reading (1, 20 * MIB, 0.9 * MAX_AGE_S) : reading (1, 80 * MIB, 0);
    vmft_dirty_curve_fit (&curve, mixed, 6, RAM, NOW, MAX_AGE_S);
    g_assert_cmpfloat (vmft_dirty_curve_bytes (&curve, 1.0), >, 45 * MIB);
  }

  /* the clock jumped back: a sample of the future is as good as new */
  samples[0] = reading (1, 80 * MIB, -1e6);
  vmft_dirty_curve_fit (&curve, samples, 1, RAM, NOW, MAX_AGE_S);
  g_assert_true (curve.measured);
}

static void
test_idle (void)
{
  VmftDirtySample samples[4] = { reading (1, 0, 0), reading (1, 2 * MIB, 0), reading (8, 0, 0),
                                 reading (1, 0, 0) };
  VmftDirtyCurve curve;

  vmft_dirty_curve_fit (&curve, samples, 4, RAM, NOW, MAX_AGE_S);
  g_assert_cmpfloat (vmft_dirty_curve_bytes (&curve, 3.0), <, 10 * MIB);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dirty-curve/standard-error", test_standard_error);
  g_test_add_func ("/dirty-curve/working-set-from-two-periods", test_working_set_from_two_periods);
  g_test_add_func ("/dirty-curve/one-period-leaves-the-set-open", test_one_period_leaves_the_set_open);
  g_test_add_func ("/dirty-curve/shape", test_shape);
  g_test_add_func ("/dirty-curve/extreme-bounds", test_extreme_bounds);
  g_test_add_func ("/dirty-curve/absurd-samples", test_absurd_samples);
  g_test_add_func ("/dirty-curve/age", test_age);
  g_test_add_func ("/dirty-curve/idle", test_idle);
  return g_test_run ();
}
