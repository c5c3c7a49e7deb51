/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-time.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * VmftDirtySample: one dirty-rate reading.
 * @at_us: when the period ended
 * @period_s: calculation period
 * @unique_bytes: distinct bytes (pages times page size) dirtied in the period
 * @stderr_bytes: standard error of @unique_bytes; page sampling looks at 512 pages per GiB, which makes 14-31%
 */
typedef struct
{
  VmftTime at_us;
  double period_s;
  double unique_bytes;
  double stderr_bytes;
} VmftDirtySample;

/**
 * vmft_dirty_sample_init_page_sampling:
 * @sample: filled
 * @rate_bps: what virDomainGetStats said (dirtyrate.megabytes_per_second), in bytes per second
 * @ram_bytes: memory of the guest, of which @pages_per_gib pages a GiB were looked at
 *
 * Gives a page-sampling reading its binomial standard error. A reading of 0 keeps an error of its own: nothing
 * seen among n pages is not nothing dirtied.
 */
void vmft_dirty_sample_init_page_sampling (VmftDirtySample *sample,
                                           VmftTime at_us,
                                           double period_s,
                                           double rate_bps,
                                           double ram_bytes,
                                           guint pages_per_gib);

/** vmft_dirty_sample_problem: Returns: (nullable): why @sample of a guest with @ram_bytes is absurd; NULL when it is
 * not. Zero dirtied is fine; NaN, negative, a period of nothing, more than the RAM or 1 TiB/s are not. */
const char *vmft_dirty_sample_problem (const VmftDirtySample *sample, double ram_bytes);

#define VMFT_DIRTY_PAGES_PER_GIB 512

/**
 * VmftDirtyCurve: u(t), the unique bytes a guest dirties in t seconds (DESIGN 4.1). A plain value.
 * @rate_bps: initial slope r; bytes per second when nothing is written twice
 * @working_set_bytes: W, what u(t) saturates at
 * @sweep: how much the samples speak for the sweeping writer, min(W, r t), against random writes,
 *   W (1 - exp (-r t / W)); 0.5 when they cannot tell
 * @rate_sigma: standard error of ln r
 * @working_set_low_bytes, @working_set_high_bytes: W between which samples cannot decide (p10, p90)
 * @horizon_s: longest period among the samples: beyond it u(t) is extrapolated
 * @n_samples: used
 * @n_rejected: absurd ones, left out
 * @n_stale: too old, left out
 * @problem: (nullable): reason of the last rejection, a static string
 * @measured: FALSE when there was no usable sample and the curve is an assumption
 */
typedef struct
{
  double rate_bps;
  double working_set_bytes;
  double sweep;
  double rate_sigma;
  double working_set_low_bytes;
  double working_set_high_bytes;
  double horizon_s;
  guint n_samples;
  guint n_rejected;
  guint n_stale;
  const char *problem;
  gboolean measured;
} VmftDirtyCurve;

/**
 * vmft_dirty_curve_fit:
 * @curve: (out): the fit
 * @samples: readings in any order, pooled by their errors
 * @ram_bytes: what u(t) can never exceed
 * @now_us: age is counted from here; samples of the future count as just taken (clocks jump)
 * @max_age_s: older samples are left out; the weight of the others halves every third of it
 *
 * Weighted least squares of r and W to both extremes; W is integrated over where the samples cannot tell. Without a
 * usable sample the curve is an assumption: 1% of RAM a second over a quarter of RAM, a factor of 3 either way.
 */
void vmft_dirty_curve_fit (VmftDirtyCurve *curve,
                           const VmftDirtySample *samples,
                           gsize n_samples,
                           double ram_bytes,
                           VmftTime now_us,
                           double max_age_s);

/** vmft_dirty_curve_init: a curve that is known: rate @rate_bps over @working_set_bytes, shape @sweep (0 to 1). */
void vmft_dirty_curve_init (VmftDirtyCurve *curve, double rate_bps, double working_set_bytes, double sweep);

/** vmft_dirty_curve_bytes: Returns: u(@seconds), p50, in bytes. */
double vmft_dirty_curve_bytes (const VmftDirtyCurve *curve, double seconds);

/** vmft_dirty_curve_high: Returns: the upper extreme min (W, r t), r and W at their high ends. */
double vmft_dirty_curve_high (const VmftDirtyCurve *curve, double seconds);

/**
 * vmft_dirty_curve_next_period_s:
 * @curve: what is known
 * @round_s: how long one pass over the guest's memory takes on its link: u(t) matters up to there
 *
 * Returns: the period, in whole seconds from 1 to 60, whose reading would tell most.
 */
guint vmft_dirty_curve_next_period_s (const VmftDirtyCurve *curve, double round_s);

/** vmft_dirty_curve_to_variant: Returns: (transfer floating): the record `a{sv}`. */
GVariant *vmft_dirty_curve_to_variant (const VmftDirtyCurve *curve);

G_END_DECLS
