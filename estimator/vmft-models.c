/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-models.h"

#include <math.h>

/* A job that is not done after so many resends is one that does not end: the lab's worst that did took 41. */
#define MAX_RESENDS  150
#define MAX_RUN_S    (24.0 * 3600.0)
#define MAX_THROTTLE 0.99
#define DEFAULT_CEILING                                                                                      \
  1.5 /* so many times faster would a guest write; the testbed's halved at 50% of throttle */
#define DEFAULT_DISK_BPS    100e6
#define POSTCOPY_DOWNTIME_S 0.005 /* device state; the lab's 2-12 ms */
#define STOP_S              0.03  /* stop, last page, start */

double
vmft_load_downtime_s (const VmftLoad *load)
{
  return isfinite (load->max_downtime_s) && load->max_downtime_s > 0.0 ? load->max_downtime_s
                                                                       : VMFT_LOAD_DEFAULT.max_downtime_s;
}

double
vmft_load_volume_bytes (const VmftLoad *load)
{
  double memory = isfinite (load->memory_bytes) ? MAX (0.0, load->memory_bytes) : 0.0;
  double resident = load->resident_bytes;

  if (load->hugepages || !isfinite (resident) || resident <= 0.0)
    return memory;
  return memory > 0.0 ? MIN (memory, resident) : resident;
}

double
vmft_load_xbzrle_factor (const VmftLoad *load, gboolean p90)
{
  double cache = load->xbzrle_cache_bytes;
  double working_set = p90 ? load->curve.working_set_high_bytes : load->curve.working_set_bytes;

  /* a cache that does not hold the set misses on nearly every page of a sweep */
  if (cache > 0.0 && cache < working_set)
    return 1.0;
  if (load->xbzrle_factor > 0.0 && isfinite (load->xbzrle_factor))
    return MIN (1.0, load->xbzrle_factor * (p90 ? 1.25 : 1.0));
  if (load->rewrite_share > 0.0 && isfinite (load->rewrite_share))
    return MIN (1.0, load->rewrite_share * (p90 ? 1.5 : 1.0));
  return p90 ? 1.0 : 0.5;
}

double
vmft_load_storage_s (const VmftLoad *load, double bandwidth_bps)
{
  double disk = load->disk_read_bps > 0.0 ? load->disk_read_bps : DEFAULT_DISK_BPS;

  if (!isfinite (load->storage_bytes) || load->storage_bytes <= 0.0)
    return 0.0;
  return load->storage_bytes / MIN (disk, bandwidth_bps);
}

/*
 * Auto-converge as QEMU does it: at most once a second it compares what was dirtied with what was sent since the last
 * look; more than half counts, and at every second count the throttle rises.
 */
typedef struct
{
  double throttle;
  double counts;
} Throttle;

/* How often a round of @round_s is looked at. One a little longer than a second may still fall short of it. */
static double
looks_per_round (double round_s)
{
  if (round_s >= 1.0)
    return MIN (1.0, 0.5 + 2.0 * (round_s - 1.0));
  return 1.0 / ceil (1.0 / MAX (round_s, 1e-3));
}

static void
throttle_after_round (Throttle *self,
                      const VmftLoad *load,
                      double round_s,
                      double sent_bytes,
                      double dirtied_bytes)
{
  if (dirtied_bytes <= 0.5 * sent_bytes)
    return;
  self->counts += looks_per_round (round_s);
  if (self->counts < 2.0)
    return;
  self->counts = 0.0;
  self->throttle +=
      (self->throttle > 0.0 ? load->auto_converge_increment : load->auto_converge_initial) / 100.0;
  self->throttle = MIN (MAX_THROTTLE, self->throttle);
}

/* Bytes dirtied in @seconds; the throttle bites only below what the guest could write at most. */
static double
dirtied (const VmftRunInput *input, double throttle, double seconds)
{
  const VmftDirtyCurve *curve = &input->load->curve;
  double scale = input->rate_scale;

  if (throttle > 0.0)
    {
      double ceiling = input->load->write_ceiling_bps;

      if (!(ceiling > 0.0) || !isfinite (ceiling))
        ceiling = DEFAULT_CEILING * curve->rate_bps;
      scale = MIN (scale, curve->rate_bps > 0.0 ? ceiling * (1.0 - throttle) / curve->rate_bps : 0.0);
    }
  return input->high ? vmft_dirty_curve_high (curve, seconds * scale)
                     : vmft_dirty_curve_bytes (curve, seconds * scale);
}

/* QEMU stops the guest as soon as its own estimate allows, which is rarely much below the limit: the lab's idle guests
 * stand still for 0.09-0.27 s of the 0.3 s allowed. Rounds that XBZRLE has shrunk end sooner. */
static double
stop_time_s (const VmftRunInput *input, guint rounds, double last_round_s)
{
  gboolean shrunk = input->mode == VMFT_MODE_XBZRLE && rounds + input->resends > 2;

  return MAX (shrunk ? 0.0 : 0.6 * vmft_load_downtime_s (input->load), last_round_s + STOP_S);
}

/*
 * XBZRLE on the wire. A page costs its full price when it is resent for the first time, the cache knowing nothing of it
 * until then: a sweep that takes longer than a pass keeps coming to such pages. Of the others those are skipped whose
 * last change was sent already, having come before their turn: half of them, as long as a page is not rewritten from
 * one turn to the next.
 */
typedef struct
{
  double seen_bytes; /* resent once, hence in the cache */
} Cache;

static double
xbzrle_wire_bytes (Cache *self, const VmftRunInput *input, double pending, double round_s, double writing_s)
{
  const VmftDirtyCurve *curve = &input->load->curve;
  double touched = dirtied (input, 0.0, writing_s);
  double fresh = CLAMP (touched - self->seen_bytes, 0.0, pending);
  double rewrites = curve->working_set_bytes > 0.0
                        ? curve->rate_bps * input->rate_scale * round_s / curve->working_set_bytes
                        : 1.0;
  double share = input->high ? 1.0 : CLAMP (rewrites, 0.5, 1.0);

  self->seen_bytes = MAX (self->seen_bytes, touched);
  return fresh + input->xbzrle_factor * share * (pending - fresh);
}

static void
run_precopy_rounds (VmftRun *run, const VmftRunInput *input)
{
  double limit_bytes = input->bandwidth_bps * vmft_load_downtime_s (input->load);
  double last_round_s = input->first_round_s + run->total_s;
  double pending = dirtied (input, 0.0, last_round_s);
  /* a job that runs has filled its cache: how far nobody says */
  Cache cache = { input->resends > 0 ? input->load->curve.working_set_bytes : 0.0 };
  Throttle throttle = { 0 };

  for (guint resend = 1;; resend++)
    {
      double wire = input->mode == VMFT_MODE_XBZRLE ? xbzrle_wire_bytes (&cache, input, pending, last_round_s,
                                                                         input->first_round_s + run->total_s)
                                                    : pending;
      double round_s = wire / input->bandwidth_bps;
      double next;

      run->total_s += round_s;
      run->bytes += wire;
      run->rounds++;
      run->throttled_s += throttle.throttle * round_s;
      if (wire <= limit_bytes)
        {
          run->converged = TRUE;
          run->downtime_s = stop_time_s (input, run->rounds, round_s);
          run->total_s += STOP_S;
          return;
        }
      next = dirtied (input, throttle.throttle, round_s);
      if (input->mode == VMFT_MODE_AUTO_CONVERGE)
        throttle_after_round (&throttle, input->load, round_s, wire, next);
      else if (resend > 2 && next >= pending * 0.9995)
        return;
      if (resend >= MAX_RESENDS || run->total_s > MAX_RUN_S)
        return;
      pending = next;
      last_round_s = round_s;
    }
}

static void
run_postcopy_tail (VmftRun *run, const VmftRunInput *input)
{
  double pending = dirtied (input, 0.0, input->first_round_s + run->total_s);
  double tail_s = pending / input->bandwidth_bps;

  run->converged = TRUE;
  run->bytes += pending;
  run->rounds++;
  run->total_s += tail_s;
  /* a guest that is nearly clean after the first pass finishes, as pre-copy does, before the switch comes */
  if (pending <= input->bandwidth_bps * vmft_load_downtime_s (input->load))
    {
      run->downtime_s = stop_time_s (input, run->rounds, tail_s);
      run->total_s += STOP_S;
    }
  else
    {
      run->downtime_s = POSTCOPY_DOWNTIME_S;
      run->postcopy_s = tail_s;
    }
}

void
vmft_run_simulate (VmftRun *run, const VmftRunInput *input)
{
  *run = (VmftRun){ .total_s = input->first_bytes / input->bandwidth_bps,
                    .bytes = input->first_bytes,
                    .rounds = 1 };

  switch (input->mode)
    {
    case VMFT_MODE_POSTCOPY:
      run->converged = TRUE;
      run->downtime_s = POSTCOPY_DOWNTIME_S;
      run->postcopy_s = run->total_s;
      break;
    case VMFT_MODE_HYBRID:
      run_postcopy_tail (run, input);
      break;
    case VMFT_MODE_PRECOPY:
    case VMFT_MODE_XBZRLE:
    case VMFT_MODE_AUTO_CONVERGE:
      run_precopy_rounds (run, input);
      break;
    default:
      g_return_if_reached ();
    }
}
