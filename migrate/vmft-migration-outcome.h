/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-hypervisor.h"

G_BEGIN_DECLS

/**
 * VmftEnd: a domain on one host, as far as the outcome of a migration depends on it.
 * @VMFT_END_UNKNOWN: its libvirtd does not answer
 * @VMFT_END_ABSENT: no such domain there, or it is shut off
 * @VMFT_END_RUNNING: the guest's CPUs run there (or the operator paused it there), all memory in place
 * @VMFT_END_MIGRATING: stopped for the hand-over, or still coming in
 * @VMFT_END_POSTCOPY: in post-copy: on the source stopped for good, on the destination running on borrowed memory
 * @VMFT_END_POSTCOPY_FAILED: post-copy broke
 */
typedef enum
{
  VMFT_END_UNKNOWN,
  VMFT_END_ABSENT,
  VMFT_END_RUNNING,
  VMFT_END_MIGRATING,
  VMFT_END_POSTCOPY,
  VMFT_END_POSTCOPY_FAILED,
} VmftEnd;

/**
 * VmftEnds: both hosts at one moment.
 * @job: the source's libvirt has an outgoing job for the domain
 * @shut_down: the source says that the guest ended by itself, or by its operator's hand
 * @migrated: the source says that the domain left by migration
 */
typedef struct
{
  VmftEnd source;
  VmftEnd destination;
  gboolean job;
  gboolean shut_down;
  gboolean migrated;
} VmftEnds;

/**
 * VmftJudgement:
 * @VMFT_JUDGEMENT_WAIT: not settled; look again
 * @VMFT_JUDGEMENT_DECIDED: the outcome is certain
 * @VMFT_JUDGEMENT_PRESUMED: the ends contradict each other or one is silent; the outcome holds if that stays so
 */
typedef enum
{
  VMFT_JUDGEMENT_WAIT,
  VMFT_JUDGEMENT_DECIDED,
  VMFT_JUDGEMENT_PRESUMED,
} VmftJudgement;

/**
 * vmft_end_from_state: @state, @reason: from virDomainGetState(). Returns: what they mean to a migration.
 */
VmftEnd vmft_end_from_state (int state, int reason);

/** vmft_end_to_string: Returns: "unknown", "absent", "running", "migrating", "post-copy" or "post-copy failed". */
const char *vmft_end_to_string (VmftEnd end);

/**
 * vmft_migration_judge:
 * @outcome: (out): set unless the judgement is %VMFT_JUDGEMENT_WAIT
 * @why: (out): static string, one clause for people; set as @outcome
 *
 * What became of a migration, from the states of its two ends alone: a return code may be lost with a libvirtd or with
 * vmftd itself, the domains are not. Never calls a VM lost while it may still run somewhere.
 */
VmftJudgement vmft_migration_judge (const VmftEnds *ends, VmftOutcome *outcome, const char **why);

G_END_DECLS
