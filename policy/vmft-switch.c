/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-policy.h"

#include <math.h>

static gboolean
say (char **reason, gboolean answer, const char *text)
{
  if (reason != NULL)
    *reason = g_strdup (text);
  return answer;
}

gboolean
vmft_policy_choose_switch (const VmftSwitchInput *input, char **reason)
{
  VmftRemaining left;
  double in_time_precopy, in_time_now, in_time_later, pass_s;
  gboolean minimum;

  vmft_estimate_remaining (&left, input->load, input->link, input->mode, FALSE, input->remaining_bytes,
                           input->throughput_bps, input->dirty_bps, input->round_s);
  in_time_precopy = left.converges && isfinite (left.p90_s)
                        ? vmft_lead_survival (input->lead, left.p90_s + input->queue_s + input->guard_s)
                        : 0.0;
  if (in_time_precopy >= input->confidence)
    return say (reason, FALSE, "pre-copy still ends in time");

  in_time_now = vmft_lead_survival (input->lead, left.postcopy_s + input->queue_s + input->guard_s);
  if (in_time_now <= in_time_precopy)
    return say (reason, FALSE, "post-copy would not end sooner");

  /* an iteration that starts with no less than the one before: waiting for the next brings nothing */
  minimum = input->boundary && input->previous_bytes > 0.0 &&
            input->remaining_bytes >= 0.95 * input->previous_bytes;
  if (minimum)
    return say (reason, TRUE, "the remaining bytes shrink no more and pre-copy cannot end in time");

  /* what the rest of this iteration would cost: if that pass alone ruins post-copy's chance, now is the time */
  pass_s = input->throughput_bps > 0.0 ? input->remaining_bytes / input->throughput_bps : left.postcopy_s;
  in_time_later =
      vmft_lead_survival (input->lead, pass_s + left.postcopy_s + input->queue_s + input->guard_s);
  if (in_time_now >= input->confidence && in_time_later < input->confidence)
    return say (reason, TRUE, "the deadline does not wait for the end of this iteration");
  if (in_time_now < input->confidence)
    return say (reason, TRUE, "post-copy is the best chance that is left");
  return say (reason, FALSE, "waiting for the end of this iteration, post-copy is still in time");
}
