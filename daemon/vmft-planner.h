/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-conf.h"
#include "vmft-destinations.h"
#include "vmft-facts.h"
#include "vmft-guards.h"

G_BEGIN_DECLS

/**
 * VmftPlanner: gathers what a plan depends on - VMs with their fitted dirty curves, destinations, lead time, facts,
 * guards - ahead of any alarm, and asks the policy.
 */
typedef struct _VmftPlanner VmftPlanner;

/** VmftPlannerParts: what a planner works with; borrowed and referenced, but for the three structs it only borrows. */
typedef struct
{
  VmftConf *conf;
  VmftClock *clock;
  VmftHypervisor *hypervisor;
  VmftEstimator *estimator;
  VmftLeadModel *leads;
  VmftDestinations *destinations;
  VmftFacts *facts;
  VmftGuards *guards;
} VmftPlannerParts;

VmftPlanner *vmft_planner_new (const VmftPlannerParts *parts);
void vmft_planner_free (VmftPlanner *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftPlanner, vmft_planner_free)

/** vmft_planner_set_migrating: a job of @uuid runs and needs @remaining_s more; negative: it ended. */
void vmft_planner_set_migrating (VmftPlanner *self, const char *uuid, double remaining_s);

/** vmft_planner_set_left: @uuid has arrived elsewhere: it is not planned again before the inventory has heard of it. */
void vmft_planner_set_left (VmftPlanner *self, const char *uuid);

/** vmft_planner_get_elapsed_s: Returns: e, time since the first alarm of @incident, on the monotonic clock. */
double vmft_planner_get_elapsed_s (VmftPlanner *self, const VmftIncident *incident);

/** vmft_planner_get_lead: @lead: (out): what is believed of @incident's remaining time, now. */
void vmft_planner_get_lead (VmftPlanner *self, const VmftIncident *incident, VmftLead *lead);

/**
 * vmft_planner_plan:
 * @incident: (nullable): NULL when the operator wants the host empty: no deadline
 *
 * Returns: (transfer full): the plan.
 */
VmftPlan *vmft_planner_plan (VmftPlanner *self, const VmftIncident *incident, VmftOperation operation);

/** vmft_planner_suppose: Returns: (transfer full): the plan if the whole host had a confirmed fault of @fault_class. */
VmftPlan *vmft_planner_suppose (VmftPlanner *self, VmftFaultClass fault_class, VmftOperation operation);

/** vmft_planner_get_load: Returns: (nullable): what @uuid puts on a link, as last fitted. */
const VmftLoad *vmft_planner_get_load (VmftPlanner *self, const char *uuid);

/** vmft_planner_describe_vm: Returns: (transfer floating): `a{sv}`: the VM, its curve, estimates per destination. */
GVariant *vmft_planner_describe_vm (VmftPlanner *self, VmftVm *vm);

G_END_DECLS
