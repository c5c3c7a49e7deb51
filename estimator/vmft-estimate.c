/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-estimate.h"

#include "vmft-models.h"

#include <math.h>

#define Z90               1.2815515655446004
#define MODEL_SIGMA       0.05 /* what is left when bandwidth and curve are known: the lab's post-copy and hybrid */
#define MAX_SIGMA         0.5
#define CAPPED_SIGMA      0.03
#define XBZRLE_CPU        0.05 /* share of the guest's time that compressing costs */
#define PRECOPY_CPU       0.01
#define POSTCOPY_SLOWDOWN 0.3 /* share of its time a guest waits for pages while memory is missing */
#define GIVE_UP_ROUNDS    20.0

/* Gauss and Hermite, five nodes, for a standard normal. */
const double vmft_node_z[VMFT_N_NODES] = { -2.8569700138728056, -1.3556261799742659, 0.0, 1.3556261799742659,
                                           2.8569700138728056 };
const double vmft_node_weight[VMFT_N_NODES] = { 0.011257411327720689, 0.22207592200561266,
                                                0.53333333333333333, 0.22207592200561266,
                                                0.011257411327720689 };

double
vmft_link_effective_bps (const VmftLink *link)
{
  double bandwidth = link->bandwidth_bps;

  if (!isfinite (bandwidth) || bandwidth <= 0.0)
    return 0.0;
  bandwidth /= MAX (1u, link->sharing);
  return link->cap_bps > 0.0 && isfinite (link->cap_bps) ? MIN (bandwidth, link->cap_bps) : bandwidth;
}

double
vmft_link_effective_sigma (const VmftLink *link)
{
  double share = link->bandwidth_bps / MAX (1u, link->sharing);
  double sigma = isfinite (link->sigma) ? CLAMP (link->sigma, 0.0, 1.0) : 1.0;

  /* the cap is kept exactly, as long as the link stays above it even when it is two sigma slow */
  if (link->cap_bps > 0.0 && link->cap_bps < share * exp (-2.0 * sigma))
    return MIN (sigma, CAPPED_SIGMA);
  return sigma;
}

static double
startup_s (const VmftLink *link)
{
  return isfinite (link->startup_s) ? MAX (0.0, link->startup_s) : 0.0;
}

static gboolean
mode_resends (VmftMode mode)
{
  return mode == VMFT_MODE_PRECOPY || mode == VMFT_MODE_XBZRLE || mode == VMFT_MODE_AUTO_CONVERGE;
}

/* Total time with start-up and storage; for a job that never ends, the moment anyone would have given it up. */
static double
run_total_s (const VmftRun *run, const VmftRunInput *input, const VmftLink *link)
{
  double before_s = startup_s (link) + vmft_load_storage_s (input->load, input->bandwidth_bps);
  double pass_s = input->first_bytes / input->bandwidth_bps;

  if (run->converged)
    return before_s + run->total_s;
  return before_s + MAX (run->total_s, GIVE_UP_ROUNDS * pass_s);
}

static double
phi (double z)
{
  return 0.5 * erfc (-z * G_SQRT2 / 2.0);
}

/*
 * Whether the resends die out is monotone in the ratio of writing to bandwidth: find how many standard errors away
 * the edge is, the error of both (and of XBZRLE's factor) taken together.
 */
static double
probability_of_converging (const VmftRunInput *at_p50, double sigma_bandwidth)
{
  const VmftDirtyCurve *curve = &at_p50->load->curve;
  double sigma = hypot (sigma_bandwidth, curve->rate_sigma);
  double low = -4.0, high = 4.0;
  VmftRunInput input = *at_p50;
  VmftRun run;

  if (!mode_resends (at_p50->mode))
    return 1.0;
  if (at_p50->mode == VMFT_MODE_XBZRLE && at_p50->load->xbzrle_factor <= 0.0 &&
      at_p50->load->rewrite_share <= 0.0)
    sigma = hypot (sigma, G_LN2 / Z90);
  sigma = MAX (sigma, 0.02);
  input.rate_scale = exp (high * sigma);
  vmft_run_simulate (&run, &input);
  if (run.converged)
    return 1.0;
  for (guint i = 0; i < 6; i++)
    {
      double middle = 0.5 * (low + high);

      input.rate_scale = exp (middle * sigma);
      vmft_run_simulate (&run, &input);
      if (run.converged)
        low = middle;
      else
        high = middle;
    }
  return phi (0.5 * (low + high));
}

static double
degraded_s (VmftMode mode, const VmftRun *run)
{
  double cpu = mode == VMFT_MODE_XBZRLE ? XBZRLE_CPU : PRECOPY_CPU;

  return run->downtime_s + run->throttled_s + POSTCOPY_SLOWDOWN * run->postcopy_s +
         cpu * (run->total_s - run->postcopy_s);
}

/* The mode's spread that is the VM's own: curve at its upper extreme, XBZRLE at its cautious factor. */
static double
own_sigma (const VmftRunInput *at_p50, const VmftLink *link, double total_p50_s)
{
  VmftRunInput input = *at_p50;
  double above;
  VmftRun run;

  if (at_p50->mode == VMFT_MODE_POSTCOPY)
    return MODEL_SIGMA;
  input.high = TRUE;
  input.xbzrle_factor = vmft_load_xbzrle_factor (input.load, TRUE);
  vmft_run_simulate (&run, &input);
  above = log (MAX (1.0, run_total_s (&run, &input, link) / total_p50_s)) / Z90;
  return MIN (MAX_SIGMA, hypot (MODEL_SIGMA, above));
}

static void
fill_nodes (VmftEstimate *estimate, const VmftRunInput *at_p50, const VmftLink *link, double sigma_bandwidth)
{
  for (guint i = 0; i < VMFT_N_NODES; i++)
    {
      VmftRunInput input = *at_p50;
      VmftRun run;

      input.bandwidth_bps = at_p50->bandwidth_bps * exp (-vmft_node_z[i] * sigma_bandwidth);
      vmft_run_simulate (&run, &input);
      estimate->node_s[i] = run_total_s (&run, &input, link);
    }
}

/* P(total <= exp (@ln_s)): node times with the VM's own log-normal error on each. */
static double
mixture_below (const double ln_node[VMFT_N_NODES], double sigma, double ln_s)
{
  double below = 0.0;

  for (guint k = 0; k < VMFT_N_NODES; k++)
    below += vmft_node_weight[k] * phi ((ln_s - ln_node[k]) / sigma);
  return below;
}

/* p90 of the mixture, by false position with Illinois' halving: a plan needs some thousands of these. */
static double
mixture_p90_s (const VmftEstimate *estimate)
{
  double ln_node[VMFT_N_NODES], low, high, at_low, at_high;
  gint side = 0;

  for (guint k = 0; k < VMFT_N_NODES; k++)
    ln_node[k] = log (estimate->node_s[k]);
  low = log (estimate->total_p50_s);
  high = ln_node[VMFT_N_NODES - 1] + 2.0 * estimate->sigma;
  at_low = mixture_below (ln_node, estimate->sigma, low) - 0.9;
  at_high = mixture_below (ln_node, estimate->sigma, high) - 0.9;
  if (at_low >= 0.0)
    return estimate->total_p50_s;
  for (guint i = 0; i < 40 && high - low > 1e-4; i++)
    {
      double middle = CLAMP ((low * at_high - high * at_low) / (at_high - at_low), low + 2e-5, high - 2e-5);
      double value = mixture_below (ln_node, estimate->sigma, middle) - 0.9;

      if (fabs (value) < 1e-5)
        return exp (middle);
      if (value < 0.0)
        {
          low = middle;
          at_low = value;
          at_high *= side < 0 ? 0.5 : 1.0;
          side = -1;
        }
      else
        {
          high = middle;
          at_high = value;
          at_low *= side > 0 ? 0.5 : 1.0;
          side = 1;
        }
    }
  return exp (high);
}

static gboolean
refuse (VmftEstimate *estimate, VmftEstimateStatus status)
{
  estimate->status = status;
  estimate->total_p50_s = estimate->total_p90_s = INFINITY;
  estimate->downtime_p50_s = estimate->downtime_p90_s = INFINITY;
  estimate->degraded_s = INFINITY;
  estimate->p_converge = 0.0;
  for (guint i = 0; i < VMFT_N_NODES; i++)
    estimate->node_s[i] = INFINITY;
  return FALSE;
}

static gboolean
check_input (VmftEstimate *estimate, const VmftLoad *load)
{
  double cache = load->xbzrle_cache_bytes > 0.0 ? load->xbzrle_cache_bytes : load->curve.working_set_bytes;

  if (estimate->bandwidth_bps <= 0.0)
    return refuse (estimate, VMFT_ESTIMATE_NO_BANDWIDTH);
  if (!isfinite (load->memory_bytes) || estimate->volume_bytes <= 0.0)
    return refuse (estimate, VMFT_ESTIMATE_NO_MEMORY);
  if (estimate->mode == VMFT_MODE_XBZRLE && load->pressure)
    return refuse (estimate, VMFT_ESTIMATE_PRESSURE);
  if (estimate->mode == VMFT_MODE_XBZRLE && load->source_free_bytes > 0.0 && cache > load->source_free_bytes)
    return refuse (estimate, VMFT_ESTIMATE_NO_CACHE);
  return TRUE;
}

static void
fill_downtime (VmftEstimate *estimate, const VmftRun *run, const VmftLoad *load)
{
  estimate->downtime_p50_s = run->downtime_s;
  estimate->downtime_p90_s = run->postcopy_s > 0.0
                                 ? 4.0 * run->downtime_s
                                 : MAX (1.3 * run->downtime_s, 1.15 * vmft_load_downtime_s (load));
}

void
vmft_estimate_mode (VmftEstimate *estimate, const VmftLoad *load, const VmftLink *link, VmftMode mode)
{
  double sigma = vmft_link_effective_sigma (link);
  VmftRunInput input = { .load = load, .mode = mode, .rate_scale = 1.0 };
  VmftRun run;

  *estimate = (VmftEstimate){ .mode = mode,
                              .bandwidth_bps = vmft_link_effective_bps (link),
                              .volume_bytes = vmft_load_volume_bytes (load),
                              .dirty_bps = vmft_dirty_curve_bytes (&load->curve, 1.0) };
  if (!check_input (estimate, load))
    return;
  input.bandwidth_bps = estimate->bandwidth_bps;
  input.first_bytes = estimate->volume_bytes;
  input.xbzrle_factor = vmft_load_xbzrle_factor (load, FALSE);
  vmft_run_simulate (&run, &input);
  estimate->bytes = run.bytes + MAX (0.0, load->storage_bytes);
  estimate->rounds = run.rounds;
  estimate->p_converge = probability_of_converging (&input, sigma);
  if (!run.converged || estimate->p_converge < 0.5)
    {
      double p_converge = estimate->p_converge;

      refuse (estimate, VMFT_ESTIMATE_NOT_CONVERGING);
      estimate->p_converge = MIN (p_converge, 0.5);
      return;
    }
  estimate->total_p50_s = run_total_s (&run, &input, link);
  fill_downtime (estimate, &run, load);
  estimate->degraded_s = degraded_s (mode, &run);
  estimate->sigma = own_sigma (&input, link, estimate->total_p50_s);
  fill_nodes (estimate, &input, link, sigma);
  estimate->total_p90_s = mixture_p90_s (estimate);
}

/* The job sees the guest as it is now, the curve as it was over a longer time: the geometric mean of both. */
static double
observed_rate_scale (const VmftDirtyCurve *curve, double dirty_bps)
{
  if (!isfinite (dirty_bps) || dirty_bps <= 0.0 || curve->rate_bps <= 0.0)
    return 1.0;
  return CLAMP (sqrt (dirty_bps / curve->rate_bps), 0.25, 4.0);
}

static double
remaining_p90_s (const VmftRunInput *at_p50, double p50_s, double sigma)
{
  VmftRunInput input = *at_p50;
  VmftRun run;

  input.bandwidth_bps *= exp (-Z90 * sigma);
  input.xbzrle_factor = vmft_load_xbzrle_factor (input.load, TRUE);
  input.high = at_p50->mode != VMFT_MODE_POSTCOPY;
  vmft_run_simulate (&run, &input);
  return run.converged ? MAX (p50_s, run.total_s) : INFINITY;
}

void
vmft_estimate_remaining (VmftRemaining *remaining,
                         const VmftLoad *load,
                         const VmftLink *link,
                         VmftMode mode,
                         gboolean in_postcopy,
                         double remaining_bytes,
                         double throughput_bps,
                         double dirty_bps,
                         double round_s)
{
  gboolean measured = isfinite (throughput_bps) && throughput_bps > 0.0;
  double bandwidth = measured ? throughput_bps : vmft_link_effective_bps (link);
  VmftRunInput input = { .load = load,
                         .mode = in_postcopy ? VMFT_MODE_POSTCOPY : mode,
                         .bandwidth_bps = bandwidth,
                         .rate_scale = observed_rate_scale (&load->curve, dirty_bps),
                         .xbzrle_factor = vmft_load_xbzrle_factor (load, FALSE),
                         .first_bytes = vmft_load_volume_bytes (load),
                         .first_round_s = isfinite (round_s) ? MAX (0.0, round_s) : 0.0,
                         .resends = 1 };
  VmftRun run;

  *remaining = (VmftRemaining){ INFINITY, INFINITY, INFINITY, FALSE };
  if (bandwidth <= 0.0)
    return;
  if (isfinite (remaining_bytes))
    input.first_bytes = MAX (0.0, remaining_bytes);
  vmft_run_simulate (&run, &input);
  remaining->postcopy_s = input.first_bytes / bandwidth;
  if (!in_postcopy)
    remaining->postcopy_s +=
        vmft_dirty_curve_bytes (&load->curve, input.first_round_s * input.rate_scale) / bandwidth;
  remaining->converges = run.converged;
  if (!run.converged)
    return;
  remaining->p50_s = run.total_s;
  remaining->p90_s =
      remaining_p90_s (&input, run.total_s, measured ? MODEL_SIGMA : vmft_link_effective_sigma (link));
}
