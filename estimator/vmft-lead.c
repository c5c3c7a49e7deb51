/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-lead.h"

#include "vmft-lead-fit.h"

#include <math.h>

#define HEADROOM_SIGMA 0.25
#define LAST           (VMFT_LEAD_N_KNOTS - 1)

static double
log_normal_tail (double z)
{
  /* erfc underflows beyond 37; so far out the leading term is exact enough */
  if (z > 30.0)
    return -0.5 * z * z - log (z * 2.5066282746310002);
  return log (0.5 * erfc (z / G_SQRT2));
}

static double
normal_density (double z)
{
  return exp (-0.5 * z * z) / 2.5066282746310002;
}

/* Slope of ln t over z below the first knot: the steeper of the first piece and the way to the median, so that the
 * lowest per cents are not believed to be closer than anyone has measured. */
static double
lower_slope (const VmftLeadCurve *curve)
{
  double first = (curve->ln_s[1] - curve->ln_s[0]) / (curve->z[1] - curve->z[0]);
  double whole = (curve->ln_s[2] - curve->ln_s[0]) / (curve->z[2] - curve->z[0]);

  return MAX (MAX (first, whole), 1e-6);
}

/* Mean excess of the exponential tail, in seconds: the log-normal's hazard at the last knot, kept from there on. */
static double
tail_s (const VmftLeadCurve *curve)
{
  double sigma = (curve->ln_s[LAST] - curve->ln_s[LAST - 1]) / (curve->z[LAST] - curve->z[LAST - 1]);
  double z = curve->z[LAST];

  return MAX (1e-9,
              MAX (sigma, 1e-3) * exp (curve->ln_s[LAST]) * exp (log_normal_tail (z)) / normal_density (z));
}

double
vmft_lead_curve_z (const VmftLeadCurve *curve, double ln_s)
{
  if (ln_s <= curve->ln_s[0])
    return curve->z[0] + (ln_s - curve->ln_s[0]) / lower_slope (curve);
  for (guint i = 1; i <= LAST; i++)
    if (ln_s <= curve->ln_s[i])
      {
        double share = (ln_s - curve->ln_s[i - 1]) / MAX (1e-12, curve->ln_s[i] - curve->ln_s[i - 1]);

        return curve->z[i - 1] + share * (curve->z[i] - curve->z[i - 1]);
      }
  /* in the tail: the z of the same survival, asymptotically sqrt (-2 ln S) */
  return vmft_normal_z_of_log_tail (vmft_lead_curve_log_survival (curve, exp (ln_s)));
}

double
vmft_lead_curve_ln_s (const VmftLeadCurve *curve, double z)
{
  if (z <= curve->z[0])
    return curve->ln_s[0] + (z - curve->z[0]) * lower_slope (curve);
  for (guint i = 1; i <= LAST; i++)
    if (z <= curve->z[i])
      {
        double share = (z - curve->z[i - 1]) / (curve->z[i] - curve->z[i - 1]);

        return curve->ln_s[i - 1] + share * (curve->ln_s[i] - curve->ln_s[i - 1]);
      }
  return log (exp (curve->ln_s[LAST]) +
              tail_s (curve) * (log_normal_tail (curve->z[LAST]) - log_normal_tail (z)));
}

double
vmft_lead_curve_log_survival (const VmftLeadCurve *curve, double seconds)
{
  double ln_s;

  if (!(seconds > 0.0))
    return 0.0;
  ln_s = log (seconds);
  if (ln_s > curve->ln_s[LAST])
    return log_normal_tail (curve->z[LAST]) - (seconds - exp (curve->ln_s[LAST])) / tail_s (curve);
  return log_normal_tail (vmft_lead_curve_z (curve, ln_s));
}

double
vmft_normal_z_of_log_tail (double log_tail)
{
  double low = -40.0, high = 40.0;

  /* -800 is z = 40 */
  if (log_tail < -800.0)
    return sqrt (-2.0 * log_tail);
  for (guint i = 0; i < 50; i++)
    {
      double middle = 0.5 * (low + high);

      if (log_normal_tail (middle) > log_tail)
        low = middle;
      else
        high = middle;
    }
  return 0.5 * (low + high);
}

/* ln of the mixture's survival; in logarithms, because e can be far beyond every curve. */
static double
mixture_log_survival (const VmftLead *lead, double seconds)
{
  double values[G_N_ELEMENTS (lead->curves)];
  double top = -INFINITY, sum = 0.0;

  for (guint i = 0; i < lead->n_curves; i++)
    {
      values[i] = log (lead->curves[i].weight) + vmft_lead_curve_log_survival (&lead->curves[i], seconds);
      top = MAX (top, values[i]);
    }
  if (!isfinite (top))
    return -INFINITY;
  for (guint i = 0; i < lead->n_curves; i++)
    sum += exp (values[i] - top);
  return top + log (sum);
}

static double
conditional_survival (const VmftLead *lead, double seconds)
{
  double least = 1.0;

  if (!lead->pessimistic)
    return exp (mixture_log_survival (lead, lead->elapsed_s + seconds) -
                mixture_log_survival (lead, lead->elapsed_s));
  for (guint i = 0; i < lead->n_curves; i++)
    {
      double later = vmft_lead_curve_log_survival (&lead->curves[i], lead->elapsed_s + seconds);
      double now = vmft_lead_curve_log_survival (&lead->curves[i], lead->elapsed_s);

      least = MIN (least, exp (later - now));
    }
  return least;
}

double
vmft_lead_survival (const VmftLead *lead, double seconds)
{
  double survival;

  if (isnan (seconds) || seconds == INFINITY)
    return 0.0;
  if (seconds <= 0.0)
    return 1.0;
  survival = lead->n_curves > 0 ? conditional_survival (lead, seconds) : 1.0;
  if (isfinite (lead->headroom_s))
    survival *= lead->headroom_s > 0.0
                    ? exp (log_normal_tail (log (seconds / lead->headroom_s) / HEADROOM_SIGMA))
                    : 0.0;
  return CLAMP (survival, 0.0, 1.0);
}

double
vmft_lead_quantile (const VmftLead *lead, double p)
{
  double low = log (1e-6), high = log (1e12);

  if (!(p > 0.0))
    return 0.0;
  if (vmft_lead_survival (lead, exp (high)) > 1.0 - p)
    return INFINITY;
  for (guint i = 0; i < 60; i++)
    {
      double middle = 0.5 * (low + high);

      if (vmft_lead_survival (lead, exp (middle)) > 1.0 - p)
        low = middle;
      else
        high = middle;
    }
  return exp (0.5 * (low + high));
}

void
vmft_lead_set_elapsed (VmftLead *lead, double elapsed_s)
{
  double log_survival = 0.0, survival;

  lead->elapsed_s = isfinite (elapsed_s) ? MAX (0.0, elapsed_s) : 0.0;
  if (lead->n_curves > 0)
    log_survival = mixture_log_survival (lead, lead->elapsed_s);
  survival = exp (log_survival);
  lead->p_fails = lead->pi * survival / MAX (1e-300, lead->pi * survival + 1.0 - lead->pi);
}

void
vmft_lead_set_headroom (VmftLead *lead, double free_bytes, double decline_bps)
{
  lead->headroom_s = INFINITY;
  if (isfinite (decline_bps) && decline_bps > 0.0 && isfinite (free_bytes))
    lead->headroom_s = MAX (0.0, free_bytes) / decline_bps;
}

void
vmft_lead_init_lognormal (VmftLead *lead, double p50_s, double sigma, double pi)
{
  static const double z[VMFT_LEAD_N_KNOTS] = { VMFT_LEAD_KNOTS };

  *lead = (VmftLead){ .n_curves = 1, .pi = CLAMP (pi, 0.0, 1.0), .headroom_s = INFINITY };
  g_strlcpy (lead->origin, VMFT_LEAD_ORIGIN_FIELD, sizeof lead->origin);
  lead->curves[0].weight = 1.0;
  for (guint i = 0; i < VMFT_LEAD_N_KNOTS; i++)
    {
      lead->curves[0].z[i] = z[i];
      lead->curves[0].ln_s[i] = log (p50_s) + sigma * z[i];
    }
  vmft_lead_set_elapsed (lead, 0.0);
}

GVariant *
vmft_lead_to_variant (const VmftLead *lead)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "p5_s", "d", vmft_lead_quantile (lead, 0.05));
  g_variant_dict_insert (&dict, "p10_s", "d", vmft_lead_quantile (lead, 0.10));
  g_variant_dict_insert (&dict, "p50_s", "d", vmft_lead_quantile (lead, 0.50));
  g_variant_dict_insert (&dict, "p90_s", "d", vmft_lead_quantile (lead, 0.90));
  g_variant_dict_insert (&dict, "elapsed_s", "d", lead->elapsed_s);
  g_variant_dict_insert (&dict, "pi", "d", lead->pi);
  g_variant_dict_insert (&dict, "p_fails", "d", lead->p_fails);
  g_variant_dict_insert (&dict, "headroom_s", "d", lead->headroom_s);
  g_variant_dict_insert (&dict, "events", "u", lead->n_events);
  g_variant_dict_insert (&dict, "censored", "u", lead->n_censored);
  g_variant_dict_insert (&dict, "p_own", "d", lead->p_own);
  g_variant_dict_insert (&dict, "origin", "s", lead->origin);
  g_variant_dict_insert (&dict, "pessimistic", "b", lead->pessimistic);
  if (lead->stand_in != NULL)
    g_variant_dict_insert (&dict, "stand_in", "s", lead->stand_in);
  return g_variant_dict_end (&dict);
}
