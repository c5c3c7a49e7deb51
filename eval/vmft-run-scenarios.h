/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recorded runs, a line a scenario. */
#pragma once

#include "vmft-common.h"

G_BEGIN_DECLS

#define VMFT_FORESEEN_S 1.0 /* an alarm so long before the failure counts */

/**
 * VmftRunResult: what was found of one run; seconds are not a number where there is none.
 * @scenario: as the labels say; a run in which the errors came and nothing failed has another than one that failed
 * @failing: it ended in a failure
 * @delay_s: from the injection to the first alarm
 * @lead_s: from there to the failure
 * @stall_s: from the injection to the first stalls, see vmft_run_find_stall()
 * @false_alarms: alarms before the injection, or in a run without one
 */
typedef struct
{
  const char *scenario;
  gboolean failing;
  double delay_s;
  double lead_s;
  double stall_s;
  guint false_alarms;
} VmftRunResult;

/**
 * vmft_run_find_stall:
 * @path: a run's pressure.jsonl; there need not be one
 * @failure_us: stalls from then on come too late; 0 for none
 *
 * Out of memory comes without a line, but not without stalls: this is when the source that watches them would have
 * spoken, tasks having waited for memory for 15 per cent of 2 s.
 *
 * Returns: seconds after @inject_us, or not a number.
 */
double vmft_run_find_stall (const char *path, VmftTime inject_us, VmftTime failure_us);

/**
 * vmft_run_scenarios_to_string:
 * @results: (element-type VmftRunResult)
 *
 * Returns: (transfer full): a table with lowest, median and highest of each scenario; those that only recover follow
 *   those that fail.
 */
char *vmft_run_scenarios_to_string (GArray *results);

G_END_DECLS
