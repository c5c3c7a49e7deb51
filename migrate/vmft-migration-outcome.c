/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-migration-outcome.h"

#include "vmft-libvirt.h"

VmftEnd
vmft_end_from_state (int state, int reason)
{
  switch (state)
    {
    case VIR_DOMAIN_RUNNING:
      if (reason == VIR_DOMAIN_RUNNING_POSTCOPY)
        return VMFT_END_POSTCOPY;
      if (reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED)
        return VMFT_END_POSTCOPY_FAILED;
      return VMFT_END_RUNNING;
    case VIR_DOMAIN_PAUSED:
      if (reason == VIR_DOMAIN_PAUSED_MIGRATION || reason == VIR_DOMAIN_PAUSED_STARTING_UP)
        return VMFT_END_MIGRATING;
      if (reason == VIR_DOMAIN_PAUSED_POSTCOPY)
        return VMFT_END_POSTCOPY;
      if (reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED)
        return VMFT_END_POSTCOPY_FAILED;
      return VMFT_END_RUNNING;
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_PMSUSPENDED:
    case VIR_DOMAIN_SHUTDOWN:
      return VMFT_END_RUNNING;
    case VIR_DOMAIN_SHUTOFF:
    case VIR_DOMAIN_CRASHED:
    case VIR_DOMAIN_NOSTATE:
    default:
      return VMFT_END_ABSENT;
    }
}

const char *
vmft_end_to_string (VmftEnd end)
{
  const char *const names[] = {
    "unknown", "absent", "running", "migrating", "post-copy", "post-copy failed"
  };

  g_return_val_if_fail ((guint) end < G_N_ELEMENTS (names), "unknown");
  return names[end];
}

typedef struct
{
  VmftJudgement judgement;
  VmftOutcome outcome;
  const char *why;
} Verdict;

static Verdict
verdict (VmftJudgement judgement, VmftOutcome outcome, const char *why)
{
  return (Verdict){ judgement, outcome, why };
}

static Verdict
judge_source_gone (const VmftEnds *ends)
{
  switch (ends->destination)
    {
    case VMFT_END_RUNNING:
      return verdict (VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_COMPLETED, "it runs on the destination");
    case VMFT_END_ABSENT:
      if (ends->shut_down)
        return verdict (VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_FAILED, "the guest was shut down on the way");
      return verdict (VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_LOST, "it is on neither host");
    case VMFT_END_POSTCOPY_FAILED:
      return verdict (VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_LOST,
                      "the source went before all memory had arrived");
    case VMFT_END_POSTCOPY:
    case VMFT_END_MIGRATING:
      return verdict (VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_LOST,
                      "the source went and the destination never had all of it");
    case VMFT_END_UNKNOWN:
    default:
      if (ends->migrated)
        return verdict (VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_COMPLETED, "the source says it has left");
      return verdict (VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_LOST,
                      "it is gone from the source and the destination does not answer");
    }
}

static Verdict
judge_postcopy_failed (const VmftEnds *ends)
{
  switch (ends->destination)
    {
    case VMFT_END_ABSENT:
      return verdict (VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_LOST,
                      "the destination lost it in post-copy and the source's memory is stale");
    case VMFT_END_POSTCOPY_FAILED:
      return verdict (VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_PAUSED,
                      "both ends wait for the job to be resumed");
    case VMFT_END_RUNNING:
      return verdict (VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_COMPLETED,
                      "it runs on the destination; a dead copy is left on the source");
    default:
      /* a job whose client was killed looks like this for a while and then completes by itself */
      return verdict (VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_PAUSED,
                      "the source gave up and the destination has not said so");
    }
}

static Verdict
judge_stopped (const VmftEnds *ends)
{
  if (ends->destination == VMFT_END_RUNNING)
    return verdict (VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_COMPLETED,
                    "it runs on the destination; a stopped copy is left on the source");
  if (ends->source == VMFT_END_POSTCOPY)
    return verdict (VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_PAUSED, "post-copy came to a halt");
  return verdict (VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_FAILED, "it was left stopped on the source");
}

static Verdict
judge (const VmftEnds *ends)
{
  switch (ends->source)
    {
    case VMFT_END_POSTCOPY_FAILED:
      return judge_postcopy_failed (ends);
    case VMFT_END_RUNNING:
      return verdict (VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_FAILED, "it still runs on the source");
    case VMFT_END_MIGRATING:
    case VMFT_END_POSTCOPY:
      return judge_stopped (ends);
    case VMFT_END_ABSENT:
      return judge_source_gone (ends);
    case VMFT_END_UNKNOWN:
    default:
      if (ends->destination == VMFT_END_RUNNING)
        return verdict (VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_COMPLETED, "it runs on the destination");
      return verdict (VMFT_JUDGEMENT_WAIT, VMFT_OUTCOME_FAILED, "");
    }
}

VmftJudgement
vmft_migration_judge (const VmftEnds *ends, VmftOutcome *outcome, const char **why)
{
  Verdict result;

  if (ends->job && ends->source != VMFT_END_POSTCOPY_FAILED)
    return VMFT_JUDGEMENT_WAIT;
  result = judge (ends);
  if (result.judgement == VMFT_JUDGEMENT_WAIT)
    return result.judgement;
  *outcome = result.outcome;
  *why = result.why;
  return result.judgement;
}
