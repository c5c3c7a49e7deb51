/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-dirty-curve.h"

#include <math.h>

#define PAGE_BYTES        4096.0
#define MAX_RATE_BPS      (1024.0 * 1024 * 1024 * 1024)
#define Z90               1.2815515655446004
#define ASSUMED_SIGMA     0.857 /* a factor of 3 at p90 */
#define MODEL_ERROR       0.03  /* no guest follows either extreme exactly */
#define RATE_PRIOR_SPREAD 0.5

void
vmft_dirty_sample_init_page_sampling (VmftDirtySample *sample,
                                      VmftTime at_us,
                                      double period_s,
                                      double rate_bps,
                                      double ram_bytes,
                                      guint pages_per_gib)
{
  double pages = MAX (1.0, ram_bytes / (1 << 30) * pages_per_gib);
  double seen = CLAMP (rate_bps * period_s / ram_bytes, 0.0, 1.0);
  /* Agresti and Coull's centre: keeps an error at none and at all */
  double share = (seen * pages + 2.0) / (pages + 4.0);

  sample->at_us = at_us;
  sample->period_s = period_s;
  sample->unique_bytes = rate_bps * period_s;
  sample->stderr_bytes = ram_bytes * sqrt (share * (1.0 - share) / pages);
}

const char *
vmft_dirty_sample_problem (const VmftDirtySample *sample, double ram_bytes)
{
  if (!isfinite (sample->period_s) || !isfinite (sample->unique_bytes))
    return "not a number";
  if (sample->period_s <= 0.0)
    return "the period is nothing";
  if (sample->period_s > 3600.0)
    return "the period is longer than an hour";
  if (sample->unique_bytes < 0.0)
    return "negative";
  if (sample->unique_bytes / sample->period_s > MAX_RATE_BPS)
    return "faster than any memory";
  if (ram_bytes > 0.0 && sample->unique_bytes > ram_bytes * 1.01)
    return "more than the guest has";
  return NULL;
}

static double
bytes_sweeping (double rate_bps, double working_set_bytes, double seconds)
{
  return MIN (working_set_bytes, rate_bps * seconds);
}

static double
bytes_random (double rate_bps, double working_set_bytes, double seconds)
{
  return working_set_bytes > 0.0 ? -working_set_bytes * expm1 (-rate_bps * seconds / working_set_bytes) : 0.0;
}

/* A reading as the fit sees it. */
typedef struct
{
  double period_s;
  double bytes;
  double inverse_error;
  double age_weight;
} Reading;

static GArray *
collect_readings (VmftDirtyCurve *curve,
                  const VmftDirtySample *samples,
                  gsize n_samples,
                  double ram_bytes,
                  VmftTime now_us,
                  double max_age_s)
{
  GArray *readings = g_array_new (FALSE, FALSE, sizeof (Reading));

  for (gsize i = 0; i < n_samples; i++)
    {
      const VmftDirtySample *sample = &samples[i];
      const char *problem = vmft_dirty_sample_problem (sample, ram_bytes);
      double age_s = MAX (0.0, vmft_time_diff_s (now_us, sample->at_us));
      double error = sample->stderr_bytes;
      Reading reading;

      if (problem != NULL)
        {
          curve->n_rejected++;
          curve->problem = problem;
          continue;
        }
      if (max_age_s > 0.0 && age_s > max_age_s)
        {
          curve->n_stale++;
          continue;
        }
      if (!isfinite (error) || error <= 0.0)
        error = 0.15 * sample->unique_bytes;
      error = sqrt (error * error + MODEL_ERROR * MODEL_ERROR * sample->unique_bytes * sample->unique_bytes);
      reading.period_s = sample->period_s;
      reading.bytes = sample->unique_bytes;
      reading.inverse_error = 1.0 / MAX (error, 16 * PAGE_BYTES);
      reading.age_weight = max_age_s > 0.0 ? exp2 (-3.0 * age_s / max_age_s) : 1.0;
      g_array_append_val (readings, reading);
      curve->n_samples++;
      curve->horizon_s = MAX (curve->horizon_s, sample->period_s);
    }
  return readings;
}

/* The posterior of (shape, ln r, ln W) on a grid: two shapes, flat in ln W, falling above the apparent rate. */
#define GRID 28

typedef struct
{
  const GArray *readings;
  double apparent_bps;
  double ln_rate[2]; /* bounds */
  double ln_set[2];
  double p_rate[GRID]; /* marginals */
  double p_set[GRID];
  double p_sweep;
  double best_chi2;
} Posterior;

static double
grid_value (const double bounds[2], guint i)
{
  return bounds[0] + (bounds[1] - bounds[0]) * i / (GRID - 1);
}

static double
log_likelihood (const Posterior *self, double rate_bps, double set_bytes, gboolean sweep, double *chi2)
{
  double sum = 0.0;

  *chi2 = 0.0;
  for (guint i = 0; i < self->readings->len; i++)
    {
      const Reading *reading = &g_array_index (self->readings, Reading, i);
      double u = sweep ? bytes_sweeping (rate_bps, set_bytes, reading->period_s)
                       : bytes_random (rate_bps, set_bytes, reading->period_s);
      double miss = (reading->bytes - u) * reading->inverse_error;

      sum -= 0.5 * reading->age_weight * miss * miss;
      *chi2 += reading->age_weight * miss * miss;
    }
  return sum;
}

/* A rate far above what any period has shown is possible (everything saturated), only less likely. */
static double
log_prior_of_rate (const Posterior *self, double ln_rate)
{
  double above = (ln_rate - log (self->apparent_bps)) / RATE_PRIOR_SPREAD;

  return above > 0.0 ? -0.5 * above * above : 0.0;
}

static void
posterior_accumulate (Posterior *self, const double *log_p, double top)
{
  double total = 0.0, sweep_total = 0.0;

  memset (self->p_rate, 0, sizeof self->p_rate);
  memset (self->p_set, 0, sizeof self->p_set);
  for (guint i = 0; i < 2 * GRID * GRID; i++)
    {
      double p = exp (log_p[i] - top);

      total += p;
      if (i >= GRID * GRID)
        sweep_total += p;
      self->p_rate[i / GRID % GRID] += p;
      self->p_set[i % GRID] += p;
    }
  for (guint i = 0; i < GRID; i++)
    {
      self->p_rate[i] /= total;
      self->p_set[i] /= total;
    }
  self->p_sweep = sweep_total / total;
}

static void
posterior_compute (Posterior *self)
{
  double log_p[2 * GRID * GRID];
  double top = -INFINITY;

  self->best_chi2 = INFINITY;
  for (guint i = 0; i < 2 * GRID * GRID; i++)
    {
      double ln_rate = grid_value (self->ln_rate, i / GRID % GRID);
      double ln_set = grid_value (self->ln_set, i % GRID);
      double chi2;

      log_p[i] = log_likelihood (self, exp (ln_rate), exp (ln_set), i >= GRID * GRID, &chi2) +
                 log_prior_of_rate (self, ln_rate);
      top = MAX (top, log_p[i]);
      self->best_chi2 = MIN (self->best_chi2, chi2);
    }
  posterior_accumulate (self, log_p, top);
}

static double
marginal_quantile (const double bounds[2], const double p[GRID], double quantile)
{
  double below = 0.0;

  for (guint i = 0; i < GRID; i++)
    {
      if (below + p[i] >= quantile && p[i] > 0.0)
        {
          double within = (quantile - below) / p[i] - 0.5;
          double step = (bounds[1] - bounds[0]) / (GRID - 1);

          return CLAMP (grid_value (bounds, i) + within * step, bounds[0], bounds[1]);
        }
      below += p[i];
    }
  return bounds[1];
}

/* Narrows the bounds to where the mass is, for a second and finer pass. */
static void
zoom (double bounds[2], const double p[GRID])
{
  double step = (bounds[1] - bounds[0]) / (GRID - 1);
  double low = marginal_quantile (bounds, p, 0.005) - step;
  double high = marginal_quantile (bounds, p, 0.995) + step;

  bounds[0] = MAX (bounds[0], low);
  bounds[1] = MIN (bounds[1], high);
}

static void
posterior_init (Posterior *self, const GArray *readings, double ram_bytes)
{
  double most = 16 * PAGE_BYTES;
  gboolean signal = FALSE;

  self->readings = readings;
  self->apparent_bps = PAGE_BYTES;
  for (guint i = 0; i < readings->len; i++)
    {
      const Reading *reading = &g_array_index (readings, Reading, i);
      double seen = MAX (reading->bytes, 0.5 / reading->inverse_error);

      self->apparent_bps = MAX (self->apparent_bps, seen / reading->period_s);
      most = MAX (most, seen);
      if (reading->bytes * reading->inverse_error > 3.0)
        signal = TRUE;
    }
  self->ln_rate[0] = log (self->apparent_bps * (signal ? 0.5 : 0.01));
  self->ln_rate[1] = log (self->apparent_bps * 4.0);
  self->ln_set[0] = log (0.7 * most);
  self->ln_set[1] = log (MAX (ram_bytes, most));
}

static void
curve_from_posterior (VmftDirtyCurve *curve, const Posterior *self)
{
  double mean = 0.0, square = 0.0;
  double dof = MAX (1.0, curve->n_samples - 2.0);
  double excess = MAX (1.0, self->best_chi2 / dof);

  for (guint i = 0; i < GRID; i++)
    {
      double x = grid_value (self->ln_rate, i);

      mean += self->p_rate[i] * x;
      square += self->p_rate[i] * x * x;
    }
  curve->rate_bps = exp (mean);
  /* readings that scatter more than their errors allow say that the guest itself varies */
  curve->rate_sigma = MIN (1.5, sqrt (MAX (0.0, square - mean * mean) * excess));
  curve->working_set_bytes = exp (marginal_quantile (self->ln_set, self->p_set, 0.5));
  curve->working_set_low_bytes = exp (marginal_quantile (self->ln_set, self->p_set, 0.1));
  curve->working_set_high_bytes = exp (marginal_quantile (self->ln_set, self->p_set, 0.9));
  curve->sweep = self->p_sweep;
  curve->measured = TRUE;
}

static void
curve_assume (VmftDirtyCurve *curve, double ram_bytes)
{
  double ram = isfinite (ram_bytes) && ram_bytes > 0.0 ? ram_bytes : 0.0;

  curve->rate_bps = 0.01 * ram;
  curve->working_set_bytes = 0.25 * ram;
  curve->working_set_low_bytes = 0.25 * ram / 3;
  curve->working_set_high_bytes = 0.75 * ram;
  curve->rate_sigma = ASSUMED_SIGMA;
  curve->sweep = 0.5;
  curve->measured = FALSE;
}

void
vmft_dirty_curve_fit (VmftDirtyCurve *curve,
                      const VmftDirtySample *samples,
                      gsize n_samples,
                      double ram_bytes,
                      VmftTime now_us,
                      double max_age_s)
{
  g_autoptr (GArray) readings = NULL;
  Posterior posterior;

  memset (curve, 0, sizeof *curve);
  readings = collect_readings (curve, samples, n_samples, ram_bytes, now_us, max_age_s);
  if (readings->len == 0)
    {
      curve_assume (curve, ram_bytes);
      return;
    }
  posterior_init (&posterior, readings, ram_bytes);
  posterior_compute (&posterior);
  zoom (posterior.ln_rate, posterior.p_rate);
  zoom (posterior.ln_set, posterior.p_set);
  posterior_compute (&posterior);
  curve_from_posterior (curve, &posterior);
}

void
vmft_dirty_curve_init (VmftDirtyCurve *curve, double rate_bps, double working_set_bytes, double sweep)
{
  memset (curve, 0, sizeof *curve);
  curve->rate_bps = MAX (0.0, rate_bps);
  curve->working_set_bytes = MAX (0.0, working_set_bytes);
  curve->working_set_low_bytes = curve->working_set_bytes;
  curve->working_set_high_bytes = curve->working_set_bytes;
  curve->sweep = CLAMP (sweep, 0.0, 1.0);
  curve->measured = TRUE;
}

double
vmft_dirty_curve_bytes (const VmftDirtyCurve *curve, double seconds)
{
  double sweeping = 0.0, random = 0.0;

  if (!(seconds > 0.0))
    return 0.0;
  if (curve->sweep > 0.0)
    sweeping = bytes_sweeping (curve->rate_bps, curve->working_set_bytes, seconds);
  if (curve->sweep < 1.0)
    random = bytes_random (curve->rate_bps, curve->working_set_bytes, seconds);
  return curve->sweep * sweeping + (1.0 - curve->sweep) * random;
}

double
vmft_dirty_curve_high (const VmftDirtyCurve *curve, double seconds)
{
  return seconds > 0.0 ? bytes_sweeping (curve->rate_bps * exp (Z90 * curve->rate_sigma),
                                         curve->working_set_high_bytes, seconds)
                       : 0.0;
}

guint
vmft_dirty_curve_next_period_s (const VmftDirtyCurve *curve, double round_s)
{
  double longest = isfinite (round_s) ? CLAMP (round_s, 1.0, 60.0) : 60.0;

  if (!curve->measured)
    return 1;
  if (curve->horizon_s < 0.9 * longest)
    return (guint) MIN (ceil (longest), ceil (4.0 * curve->horizon_s));
  /* both ends by turns: the short period pins r, the long one W */
  return curve->n_samples % 2 == 0 ? 1 : (guint) ceil (longest);
}

GVariant *
vmft_dirty_curve_to_variant (const VmftDirtyCurve *curve)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "rate_bps", "d", curve->rate_bps);
  g_variant_dict_insert (&dict, "rate_sigma", "d", curve->rate_sigma);
  g_variant_dict_insert (&dict, "working_set_bytes", "d", curve->working_set_bytes);
  g_variant_dict_insert (&dict, "working_set_low_bytes", "d", curve->working_set_low_bytes);
  g_variant_dict_insert (&dict, "working_set_high_bytes", "d", curve->working_set_high_bytes);
  g_variant_dict_insert (&dict, "sweep", "d", curve->sweep);
  g_variant_dict_insert (&dict, "horizon_s", "d", curve->horizon_s);
  g_variant_dict_insert (&dict, "samples", "u", curve->n_samples);
  g_variant_dict_insert (&dict, "rejected", "u", curve->n_rejected);
  g_variant_dict_insert (&dict, "stale", "u", curve->n_stale);
  g_variant_dict_insert (&dict, "measured", "b", curve->measured);
  if (curve->problem != NULL)
    g_variant_dict_insert (&dict, "problem", "s", curve->problem);
  return g_variant_dict_end (&dict);
}
