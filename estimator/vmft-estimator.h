/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The estimator room: how long does each mode take, how long does the host have. */
#pragma once

#include "vmft-common.h"
#include "vmft-dirty-curve.h"
#include "vmft-estimate.h"
#include "vmft-lead.h"
#include "vmft-mode.h"

G_BEGIN_DECLS

/**
 * VmftEstimator:
 *
 * What this host has learnt about its migrations: bandwidth and start-up per destination, XBZRLE's factor and the
 * volume's bias per VM, t = a*s + b per destination and mode, and how good its own forecasts were. Reads
 * %VMFT_STORE_FORECASTS when it starts, writes each forecast before its job and its outcome after. No clock, no
 * I/O but the store.
 */
#define VMFT_TYPE_ESTIMATOR vmft_estimator_get_type ()
G_DECLARE_FINAL_TYPE (VmftEstimator, vmft_estimator, VMFT, ESTIMATOR, GObject)

/**
 * vmft_estimator_new:
 * @store: forecasts and outcomes are replayed from it, oldest first
 * @error: return location; records that do not parse are skipped and counted, they are no error
 */
VmftEstimator *vmft_estimator_new (VmftStore *store, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_estimator_set_link:
 * @destination: name in the configuration
 * @bandwidth_bps: what the operator says of the link, 0 when he says nothing
 *
 * The starting point where no job has measured the pair yet; jobs outweigh it as they come.
 */
void vmft_estimator_set_link (VmftEstimator *self, const char *destination, double bandwidth_bps);

/**
 * vmft_estimator_get_link:
 * @destination: (nullable): NULL for a typical one
 * @cap_bps: the bandwidth parameter the job will get, 0 for none
 * @sharing: VMs leaving at the same time
 * @link: (out): filled
 */
void vmft_estimator_get_link (VmftEstimator *self,
                              const char *destination,
                              double cap_bps,
                              guint sharing,
                              VmftLink *link);

/** vmft_estimator_slowest_bps: Returns: bandwidth of the slowest way from here that is known; the default's if none. */
double vmft_estimator_slowest_bps (VmftEstimator *self);

/**
 * vmft_estimator_estimate:
 * @destination: (nullable): whose history calibrates
 * @estimate: (out): vmft_estimate_mode() with what has been learnt of the VM, p90 by the calibration
 *
 * Calibration is one-sided conformal (DESIGN 4.1): score log(actual/p50), rank ceil(0.9 (n + 1)) among the
 * outcomes of this destination and mode when n >= 9, else of this destination, else the models' own spread.
 */
void vmft_estimator_estimate (VmftEstimator *self,
                              const char *destination,
                              const VmftLoad *load,
                              const VmftLink *link,
                              VmftMode mode,
                              VmftEstimate *estimate);

/**
 * vmft_estimator_begin_job:
 * @now_us: the forecast counts as made now, before its job
 * @id: (out) (optional): for vmft_estimator_end_job()
 *
 * Stores the forecast.
 */
gboolean vmft_estimator_begin_job (VmftEstimator *self,
                                   VmftTime now_us,
                                   const char *uuid,
                                   const char *destination,
                                   const VmftLoad *load,
                                   const VmftLink *link,
                                   const VmftEstimate *estimate,
                                   guint64 *id,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * VmftJobOutcome:
 * @completed: in the mode that was forecast; otherwise (aborted, switched, failed) @total_s is a lower bound only
 * @total_s: how long it ran
 * @downtime_s: -1 when unknown
 * @bytes: transferred; 0 when unknown
 * @iterations: 0 when unknown
 * @verdict: "completed", "aborted", "switched", "failed": for the record
 */
typedef struct
{
  gboolean completed;
  double total_s;
  double downtime_s;
  double bytes;
  guint iterations;
  const char *verdict;
} VmftJobOutcome;

/** vmft_estimator_end_job: learns from the outcome and stores it. %VMFT_ERROR_NOT_FOUND, %VMFT_ERROR_INVALID. */
gboolean vmft_estimator_end_job (VmftEstimator *self,
                                 VmftTime now_us,
                                 guint64 id,
                                 const VmftJobOutcome *outcome,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_estimator_drop_job: a forecast whose job came to nothing that could be learnt from: it is taken back. */
void vmft_estimator_drop_job (VmftEstimator *self, guint64 id);

/**
 * VmftAccuracy: forecasts against outcomes for one mode over all destinations.
 * @n: completed jobs
 * @n_censored: aborted, switched and failed ones
 * @median_error: median of |p50 - actual| / actual
 * @p90_coverage: share of completed jobs at or below their p90
 * @linear_median_error: the same for t = a*s + b, fitted to the jobs before each
 */
typedef struct
{
  VmftMode mode;
  guint n;
  guint n_censored;
  double median_error;
  double p90_coverage;
  double linear_median_error;
} VmftAccuracy;

/** vmft_estimator_accuracy: @rows: filled, one a mode. NaN where n is 0. */
void vmft_estimator_accuracy (VmftEstimator *self, VmftAccuracy rows[VMFT_N_MODES]);

/** vmft_estimator_accuracy_to_variant: Returns: (transfer floating): `aa{sv}`, modes with jobs only. */
GVariant *vmft_estimator_accuracy_to_variant (VmftEstimator *self);

/**
 * vmft_estimator_get_linear:
 * @destination: (nullable): NULL for all pairs pooled
 * @a_s_per_byte, @b_s: (out): t = a*s + b, s the guest's RAM in bytes
 *
 * The prior of DESIGN 4.1, fitted online by least squares.
 *
 * Returns: the number of jobs behind it; with less than two, a and b are the lab's (5.486 ms/MiB, 1.03 s).
 */
guint vmft_estimator_get_linear (VmftEstimator *self,
                                 const char *destination,
                                 VmftMode mode,
                                 double *a_s_per_byte,
                                 double *b_s);

G_END_DECLS
