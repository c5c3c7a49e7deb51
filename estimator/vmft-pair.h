/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the estimator room: what the jobs to one destination have taught. */
#pragma once

#include "vmft-calibration.h"
#include "vmft-forecast.h"

G_BEGIN_DECLS

/** VmftLinear: t = a*s + b by ordinary least squares, one observation at a time. */
typedef struct
{
  guint n;
  double sum_s, sum_t, sum_ss, sum_st;
} VmftLinear;

/** The lab's idle pre-copy: 5.486 ms per MiB of RAM and 1.03 s. */
#define VMFT_LINEAR_LAB_A (0.005486 / (1024 * 1024))
#define VMFT_LINEAR_LAB_B 1.028

void vmft_linear_add (VmftLinear *self, double s_bytes, double t_s);

/** vmft_linear_get: a and b; the lab's slope where the sizes seen do not tell one. */
void vmft_linear_get (const VmftLinear *self, double *a_s_per_byte, double *b_s);

/**
 * VmftPair:
 * @configured_bps: what the operator says of the link, 0 for nothing
 * @linear, @calibration: per mode; @pooled over the modes
 */
typedef struct
{
  double configured_bps;
  GArray *jobs; /* bytes and seconds, latest last */
  VmftLink link;
  VmftLinear linear[VMFT_N_MODES];
  VmftCalibration *calibration[VMFT_N_MODES];
  VmftCalibration *pooled;
} VmftPair;

VmftPair *vmft_pair_new (void);
void vmft_pair_free (VmftPair *pair);

/** vmft_pair_set_bandwidth: the operator's word on the link; jobs outweigh it. */
void vmft_pair_set_bandwidth (VmftPair *pair, double bandwidth_bps);

/** vmft_pair_learn: an ended job. */
void vmft_pair_learn (VmftPair *pair, const VmftForecast *forecast);

G_END_DECLS
