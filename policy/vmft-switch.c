/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-policy.h"

#include <math.h>

/* Post-copy slows the guest and cannot be called back: it has to bring so much probability. */
#define MIN_GAIN 0.05
/* What waiting for the end of the iteration may cost. */
#define WAIT_COST 0.02

static gboolean
say (char **reason, gboolean answer, const char *text)
{
  if (reason != NULL)
    *reason = g_strdup (text);
  return answer;
}

/* P(in time) of a log-normal time by three Gauss-Hermite nodes, as a plan does it. */
static double
p_in_time (const VmftSwitchInput *input, double p50_s, double p90_s)
{
  double sigma = log (MAX (1.0, p90_s / MAX (p50_s, 1e-6))) / 1.2815515655446004;
  double spread = exp (sqrt (3.0) * sigma);
  double after_s = input->queue_s + input->guard_s;

  if (!isfinite (p50_s))
    return 0.0;
  if (!isfinite (p90_s))
    return 0.5 * vmft_lead_survival (input->lead, p50_s + after_s);
  return vmft_lead_survival (input->lead, p50_s + after_s) * 2.0 / 3.0 +
         (vmft_lead_survival (input->lead, p50_s / spread + after_s) +
          vmft_lead_survival (input->lead, p50_s * spread + after_s)) /
             6.0;
}

/* The same bytes, and those dirtied until the iteration ends: what post-copy would take if it waits for that. */
static double
postcopy_later_s (const VmftSwitchInput *input, double now_s)
{
  double bandwidth =
      input->throughput_bps > 0.0 ? input->throughput_bps : vmft_link_effective_bps (input->link);
  double pass_s = bandwidth > 0.0 ? input->remaining_bytes / bandwidth : 0.0;
  double more = vmft_dirty_curve_bytes (&input->load->curve, input->round_s + pass_s) -
                vmft_dirty_curve_bytes (&input->load->curve, input->round_s);

  return bandwidth > 0.0 ? now_s + MAX (0.0, more) / bandwidth : now_s;
}

gboolean
vmft_policy_choose_switch (const VmftSwitchInput *input, char **reason)
{
  double in_time_precopy, in_time_now, in_time_later, later_s;
  VmftRemaining left;

  vmft_estimate_remaining (&left, input->load, input->link, input->mode, FALSE, input->remaining_bytes,
                           input->throughput_bps, input->dirty_bps, input->round_s);
  in_time_precopy = left.converges ? p_in_time (input, left.p50_s, left.p90_s) : 0.0;
  if (in_time_precopy >= input->confidence)
    return say (reason, FALSE, "pre-copy still ends in time");

  in_time_now = p_in_time (input, left.postcopy_s, left.postcopy_s);
  if (in_time_now < in_time_precopy + MIN_GAIN)
    return say (reason, FALSE, "post-copy would hardly be in time more often");

  /* an iteration that starts with no less than the one before: this is the minimum */
  if (input->boundary && input->previous_bytes > 0.0 &&
      input->remaining_bytes >= 0.95 * input->previous_bytes)
    return say (reason, TRUE, "the remaining bytes shrink no more and pre-copy cannot end in time");

  later_s = postcopy_later_s (input, left.postcopy_s);
  in_time_later = p_in_time (input, later_s, later_s);
  if (in_time_later < in_time_now - WAIT_COST)
    return say (reason, TRUE, "the deadline does not wait for the end of this iteration");
  return say (reason, FALSE, "waiting for the end of this iteration, post-copy is still in time");
}
