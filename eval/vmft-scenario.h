/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Simulated hosts for `vmft-eval policy`: what a planner believes, and what is true. */
#pragma once

#include "vmft-policy.h"

G_BEGIN_DECLS

#define VMFT_SCENARIO_MAX_VMS 40

/**
 * VmftScenarioVm:
 * @believed: what the estimator knows; @truth: what the guest does
 * @true_s: how long each mode really takes, alone on the link; infinite when it never ends
 * @volume_s: how long one pass over its memory takes
 */
typedef struct
{
  VmftPolicyVm *believed;
  guint weight;
  double true_s[VMFT_N_MODES];
  double volume_s;
} VmftScenarioVm;

/**
 * VmftScenario: one alarm on one host.
 * @load: work over the median lead: sum of V/B, 0.5 to 3
 * @lead_s: when the host really fails after the alarm; infinite when it never does
 * @vms: in the order of the inventory
 * @link: as believed
 * @destinations: (element-type VmftDestination): one, with room for all
 */
typedef struct
{
  double load;
  double lead_s;
  const char *fault_class;
  VmftLead lead;
  VmftLink link;
  guint n;
  VmftScenarioVm vms[VMFT_SCENARIO_MAX_VMS];
  GPtrArray *policy_vms; /* the same VMs, as a plan wants them */
  GPtrArray *destinations;
} VmftScenario;

/**
 * vmft_scenario_draw:
 * @rand: the only source of chance: same seed, same story
 * @leads: priors to draw from
 *
 * 2-40 VMs, RAM log-uniform 0.5-64 GiB, 1/10/25 Gbit/s, weights 1-10; drawn again until the load is
 * near one that is drawn uniformly.
 *
 * Returns: (transfer full): the scenario.
 */
VmftScenario *vmft_scenario_draw (GRand *rand, VmftLeadModel *leads);
void vmft_scenario_free (VmftScenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftScenario, vmft_scenario_free)

G_END_DECLS
