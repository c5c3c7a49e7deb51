/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `vmft-eval policy` compares vmft with: fixed rules, one who knows the future, and the best that cannot. */
#pragma once

#include "vmft-scenario.h"

G_BEGIN_DECLS

/** VmftSaved: what one planner brought away. @saved_weight before the failure; @n_moved: jobs that ended, ever. */
typedef struct
{
  double saved_weight;
  guint n_moved;
} VmftSaved;

/** VmftRule: @run plays the scenario through. */
typedef struct
{
  const char *name;
  const char *summary;
  void (*run) (const VmftScenario *scenario, VmftSaved *saved);
} VmftRule;

/** vmft_rule_vmft: the plan of vmft_policy_plan(), with a switch to post-copy where a job drags on. */
void vmft_rule_vmft (const VmftScenario *scenario, VmftSaved *saved);

/** vmft_rule_clairvoyant: knows the failure and all times: the heaviest set that fits, exactly. */
void vmft_rule_clairvoyant (const VmftScenario *scenario, VmftSaved *saved);

/** VMFT_RULE_OPTIMUM_MAX: hosts of up to so many VMs have an exact non-anticipating optimum. */
#define VMFT_RULE_OPTIMUM_MAX 12

/** vmft_rule_optimum: the order and modes of greatest expectation for one who knows distributions only, exactly. */
void vmft_rule_optimum (const VmftScenario *scenario, VmftSaved *saved);

/** vmft_fixed_rules: @n: (out): how many. Returns: the fixed rules. */
const VmftRule *vmft_fixed_rules (guint *n);

G_END_DECLS
