/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the estimator room: how a class's prior and this host's own records become one belief. */
#pragma once

#include "vmft-lead.h"

G_BEGIN_DECLS

/** The knots' normal quantiles: p5, p10, p50, p90. */
#define VMFT_LEAD_KNOTS -1.6448536269514722, -1.2815515655446004, 0.0, 1.2815515655446004

/** Weight of the prior, in observations (DESIGN 4.2); and the events from which own history may also lengthen. */
#define VMFT_LEAD_PRIOR_WEIGHT 8.0

/** VmftLeadPrior: quantiles p5, p10, p50, p90 in minutes; @pi of a failure at all. */
typedef struct
{
  const char *fault_class;
  double minutes[VMFT_LEAD_N_KNOTS];
  double pi;
} VmftLeadPrior;

/** vmft_lead_prior_lookup: @stand_in: (out): set when @fault_class has no prior and the most pessimistic stands in. */
const VmftLeadPrior *vmft_lead_prior_lookup (const char *fault_class, const char **stand_in);

/** vmft_lead_prior_curve: the prior as a curve. */
void vmft_lead_prior_curve (const VmftLeadPrior *prior, VmftLeadCurve *curve);

/** VmftLeadDatum: one own record: seconds, and whether it was only watched so long. */
typedef struct
{
  double seconds;
  gboolean censored;
} VmftLeadDatum;

/** vmft_lead_fit: fills curves, weights, @pi, counts and @p_own of @lead; not its elapsed time nor origin. */
void
vmft_lead_fit (VmftLead *lead, const VmftLeadPrior *prior, double pi, const VmftLeadDatum *data, guint n);

/** vmft_lead_curve_z: Returns: the normal quantile at which the curve has ln t = @ln_s. */
double vmft_lead_curve_z (const VmftLeadCurve *curve, double ln_s);
/** vmft_lead_curve_ln_s: Returns: ln t at the normal quantile @z. */
double vmft_lead_curve_ln_s (const VmftLeadCurve *curve, double z);
/** vmft_lead_curve_log_survival: Returns: ln P(L > @seconds). */
double vmft_lead_curve_log_survival (const VmftLeadCurve *curve, double seconds);
/** vmft_normal_z_of_log_tail: Returns: z with ln (1 - Phi (z)) = @log_tail. */
double vmft_normal_z_of_log_tail (double log_tail);

G_END_DECLS
