/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The models of DESIGN 4.1: what one migration costs in a given mode over a given link. Pure arithmetic. */
#pragma once

#include "vmft-dirty-curve.h"
#include "vmft-mode.h"

G_BEGIN_DECLS

/**
 * VmftLoad: what one VM puts on a link. Fill from VMFT_LOAD_DEFAULT.
 * @uuid: (nullable): borrowed; key of what is learnt per VM (XBZRLE's factor, volume)
 * @memory_bytes: RAM the guest has (balloon)
 * @resident_bytes: of it in use: RSS plus swap of its QEMU without QEMU's own share; 0 when unknown: all RAM
 * @hugepages: everything is sent, touched or not
 * @max_downtime_s: QEMU's downtime limit for the job; 0 for its default of 0.3
 * @xbzrle_cache_bytes: the cache the job will get; 0 for one that holds the working set
 * @xbzrle_factor: bytes sent per byte dirtied from the second resend on, as earlier jobs showed it; 0 when none has
 * @rewrite_share: the same, as seen in the guest's memory; 0 when unknown
 * @source_free_bytes: memory the source can spare for the cache; 0 when unknown
 * @pressure: the source is short of memory: no XBZRLE
 * @auto_converge_initial, @auto_converge_increment: throttle in percent
 * @write_ceiling_bps: the rate at which the guest would write on an unthrottled CPU; 0 when unknown
 * @storage_bytes: allocated bytes of the disks that must be copied along, 0 for none
 * @disk_read_bps: speed of the disk they are read from, 0 for an assumed 100 MB/s
 */
typedef struct
{
  const char *uuid;
  double memory_bytes;
  double resident_bytes;
  gboolean hugepages;
  gboolean kvm;
  VmftDirtyCurve curve;
  double max_downtime_s;
  double xbzrle_cache_bytes;
  double xbzrle_factor;
  double rewrite_share;
  double source_free_bytes;
  gboolean pressure;
  guint auto_converge_initial;
  guint auto_converge_increment;
  double write_ceiling_bps;
  double storage_bytes;
  double disk_read_bps;
} VmftLoad;

#define VMFT_LOAD_DEFAULT                                                                                    \
  ((VmftLoad){ .max_downtime_s = 0.3, .auto_converge_initial = 20, .auto_converge_increment = 10 })

/** vmft_load_downtime_s: Returns: the downtime limit the job will have. */
double vmft_load_downtime_s (const VmftLoad *load);

/** vmft_load_volume_bytes: Returns: V, the memory to send at first pass. */
double vmft_load_volume_bytes (const VmftLoad *load);

/**
 * VmftLink: the way from this host to one destination.
 * @bandwidth_bps: median of what a job gets, alone on the link
 * @sigma: standard error of its logarithm
 * @startup_s: t_s, from the call to the first byte
 * @cap_bps: the bandwidth parameter that the job will get; 0 for none
 * @sharing: VMs that leave at the same time, at least 1
 * @n_jobs: jobs this was learnt from; 0 when it is configured or assumed
 */
typedef struct
{
  double bandwidth_bps;
  double sigma;
  double startup_s;
  double cap_bps;
  guint sharing;
  guint n_jobs;
} VmftLink;

#define VMFT_LINK_DEFAULT                                                                                    \
  ((VmftLink){ .bandwidth_bps = 113.0 * 1024 * 1024, .sigma = 0.35, .startup_s = 0.35, .sharing = 1 })

/** vmft_link_effective_bps: Returns: what one job gets: the lesser of share and cap; 0 when that is no number. */
double vmft_link_effective_bps (const VmftLink *link);

/** vmft_link_effective_sigma: Returns: its uncertainty; a cap below the link makes it small. */
double vmft_link_effective_sigma (const VmftLink *link);

/** Nodes of the error factor for B that all VMs of one plan share: z values (standard normal) and weights. */
#define VMFT_N_NODES 5
extern const double vmft_node_z[VMFT_N_NODES];
extern const double vmft_node_weight[VMFT_N_NODES];

/** VmftEstimateStatus: whether a mode can be used, and if not, why (vmft_estimate_reason() says it in words). */
typedef enum
{
  VMFT_ESTIMATE_OK,
  VMFT_ESTIMATE_NO_BANDWIDTH,   /* no usable bandwidth */
  VMFT_ESTIMATE_NO_MEMORY,      /* the VM's memory is unknown or zero */
  VMFT_ESTIMATE_NOT_CONVERGING, /* more likely than not it never ends */
  VMFT_ESTIMATE_PRESSURE,       /* XBZRLE's cache on a host short of memory */
  VMFT_ESTIMATE_NO_CACHE,       /* no room for XBZRLE's cache */
  VMFT_ESTIMATE_NOT_ALLOWED,    /* by the VM's policy, the configuration or one end's QEMU */
} VmftEstimateStatus;

/**
 * VmftEstimate: one mode's forecast for one VM over one link. A plain value.
 * @total_p50_s, @total_p90_s: from the migrate call to the end of the job; infinite when it never ends
 * @downtime_p50_s, @downtime_p90_s: the guest stands still
 * @bytes: transferred, p50
 * @volume_bytes: V, of the first pass
 * @p_converge: probability that it ends by itself
 * @rounds: passes, p50
 * @sigma: standard error of ln total that is this VM's own, apart from the bandwidth's
 * @degraded_s: expected guest time lost to downtime, faults over the network, throttling or compression
 * @node_s: total time at each node of the shared error factor of B (vmft_node_z)
 * @calibrated: n of the outcomes behind p90; 0 when it comes from the model's own spread
 */
typedef struct
{
  VmftMode mode;
  VmftEstimateStatus status;
  double total_p50_s;
  double total_p90_s;
  double downtime_p50_s;
  double downtime_p90_s;
  double bytes;
  double volume_bytes;
  double bandwidth_bps;
  double dirty_bps;
  double p_converge;
  double rounds;
  double sigma;
  double degraded_s;
  double node_s[VMFT_N_NODES];
  guint calibrated;
} VmftEstimate;

/**
 * vmft_estimate_mode:
 * @estimate: (out): always filled; @status says whether it counts
 *
 * The models of DESIGN 4.1, uncalibrated: p90 is the models' own spread (bandwidth, curve extremes, XBZRLE's
 * factor). Never yields NaN: what cannot be computed has a status and infinite times.
 */
void vmft_estimate_mode (VmftEstimate *estimate, const VmftLoad *load, const VmftLink *link, VmftMode mode);

/** vmft_estimate_reason: Returns: (transfer full): one sentence: why the mode cannot be used, or how it will go. */
char *vmft_estimate_reason (const VmftEstimate *estimate);

/** vmft_estimate_is_possible: Returns: whether the mode can be used at all. */
static inline gboolean
vmft_estimate_is_possible (const VmftEstimate *estimate)
{
  return estimate->status == VMFT_ESTIMATE_OK;
}

/**
 * VmftRemaining: what a running job still needs.
 * @converges: pre-copy will end by itself as things stand
 * @postcopy_s: what is left if it is switched to post-copy now
 */
typedef struct
{
  double p50_s;
  double p90_s;
  double postcopy_s;
  gboolean converges;
} VmftRemaining;

/**
 * vmft_estimate_remaining:
 * @remaining: (out)
 * @in_postcopy: the job has switched already
 * @remaining_bytes: libvirt's memory_remaining
 * @throughput_bps: measured by the job itself; 0 to trust @link
 * @dirty_bps: what the job reports as dirty rate; 0 when it has none yet: the curve speaks
 * @round_s: time since the current iteration began: what was dirtied in it is not in @remaining_bytes yet
 *
 * To be called at each iteration event and with each poll.
 */
void vmft_estimate_remaining (VmftRemaining *remaining,
                              const VmftLoad *load,
                              const VmftLink *link,
                              VmftMode mode,
                              gboolean in_postcopy,
                              double remaining_bytes,
                              double throughput_bps,
                              double dirty_bps,
                              double round_s);

/** vmft_estimate_to_variant: Returns: (transfer floating): the record `a{sv}`, reason included. */
GVariant *vmft_estimate_to_variant (const VmftEstimate *estimate);

G_END_DECLS
