/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the estimator room: one migration played through, for given bandwidth and writing guest. */
#pragma once

#include "vmft-estimate.h"

G_BEGIN_DECLS

/**
 * VmftRunInput:
 * @rate_scale: factor on the rate of the guest's writing
 * @high: the curve's upper extreme instead of its p50
 * @xbzrle_factor: bytes sent per byte dirtied, from the second resend on
 * @first_bytes: what the first pass sends: V, or what remains of a running job
 * @first_round_s: time the guest has written into that pass already
 * @resends: resends already made (a running job's)
 */
typedef struct
{
  const VmftLoad *load;
  VmftMode mode;
  double bandwidth_bps;
  double rate_scale;
  gboolean high;
  double xbzrle_factor;
  double first_bytes;
  double first_round_s;
  guint resends;
} VmftRunInput;

/**
 * VmftRun: how it went, start-up and storage not counted.
 * @converged: it ended by itself; otherwise the times are those at which it was given up
 * @postcopy_s: time the guest ran on the destination with memory missing
 * @throttled_s: guest time lost to auto-converge
 */
typedef struct
{
  double total_s;
  double downtime_s;
  double bytes;
  guint rounds;
  gboolean converged;
  double postcopy_s;
  double throttled_s;
} VmftRun;

/** vmft_run_simulate: plays the rounds of DESIGN 4.1 and QEMU's migration/ram.c through. */
void vmft_run_simulate (VmftRun *run, const VmftRunInput *input);

/** vmft_load_xbzrle_factor: Returns: c for @load's cache; @p90 for the cautious prior. */
double vmft_load_xbzrle_factor (const VmftLoad *load, gboolean p90);

/** vmft_load_storage_s: Returns: time to copy the disks along over @bandwidth_bps. */
double vmft_load_storage_s (const VmftLoad *load, double bandwidth_bps);

G_END_DECLS
