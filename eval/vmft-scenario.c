/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-scenario.h"

#include <math.h>

#define GIB             (1024.0 * 1024 * 1024)
#define BANDWIDTH_SIGMA 0.05 /* scatter of jobs over one link, learnt */
#define RATE_SIGMA      0.10 /* pooled page-sampling readings */
#define SET_SIGMA       0.10
#define VOLUME_SIGMA    0.03
#define MODEL_SIGMA     0.05 /* what the models miss: the lab's post-copy and hybrid */
#define NOW             (G_GINT64_CONSTANT (1700000000) * G_USEC_PER_SEC)

static const char *const classes[] = { "disk", "pressure", "io", "cpu" };
static const double links_bps[] = { 1e9 / 8, 10e9 / 8, 25e9 / 8 };

static double
draw_normal (GRand *rand)
{
  double u = 1.0 - g_rand_double (rand);

  return sqrt (-2.0 * log (u)) * cos (2.0 * G_PI * g_rand_double (rand));
}

static double
draw_log_uniform (GRand *rand, double low, double high)
{
  return low * pow (high / low, g_rand_double (rand));
}

/* The guest writes at a rate that is log-normal about a fifth of the link, over 5-50% of its memory. */
static void
draw_curves (GRand *rand,
             double memory_bytes,
             double bandwidth_bps,
             VmftDirtyCurve *believed,
             VmftDirtyCurve *truth)
{
  double rate = bandwidth_bps * 0.2 * exp (1.0 * draw_normal (rand));
  double set = memory_bytes * draw_log_uniform (rand, 0.05, 0.5);

  vmft_dirty_curve_init (truth, rate, set, g_rand_double (rand));
  vmft_dirty_curve_init (believed, rate * exp (RATE_SIGMA * draw_normal (rand)),
                         MIN (memory_bytes, set * exp (SET_SIGMA * draw_normal (rand))), 0.5);
  believed->rate_sigma = RATE_SIGMA;
  believed->working_set_low_bytes = believed->working_set_bytes * exp (-1.28 * SET_SIGMA);
  believed->working_set_high_bytes = MIN (memory_bytes, believed->working_set_bytes * exp (1.28 * SET_SIGMA));
}

static VmftPolicyVm *
believed_vm (guint index, double memory_bytes, guint weight)
{
  g_autofree char *uuid = g_strdup_printf ("00000000-0000-4000-8000-%012u", index);
  g_autofree char *name = g_strdup_printf ("vm%02u", index);
  g_autoptr (VmftVm) vm = vmft_vm_new (uuid, name);

  vm->running = TRUE;
  vm->kvm = TRUE;
  vm->memory_bytes = vm->resident_bytes = (guint64) memory_bytes;
  vm->policy.priority = weight;
  return vmft_policy_vm_new (vm, NOW);
}

static void
draw_truth (VmftScenarioVm *vm,
            GRand *rand,
            const VmftDirtyCurve *curve,
            double memory_bytes,
            double true_bps)
{
  VmftLoad load = VMFT_LOAD_DEFAULT;
  VmftLink link = VMFT_LINK_DEFAULT;
  double noise = exp (MODEL_SIGMA * draw_normal (rand));

  load.memory_bytes = load.resident_bytes = memory_bytes * exp (VOLUME_SIGMA * draw_normal (rand));
  load.curve = *curve;
  load.xbzrle_factor = draw_log_uniform (rand, 0.1, 1.0);
  link.bandwidth_bps = true_bps;
  link.sigma = 0.0;
  vm->volume_s = load.memory_bytes / true_bps;
  for (guint mode = 0; mode < VMFT_N_MODES; mode++)
    {
      VmftEstimate run;

      vmft_estimate_mode (&run, &load, &link, (VmftMode) mode);
      vm->true_s[mode] = vmft_estimate_is_possible (&run) ? run.total_p50_s * noise : INFINITY;
    }
}

static VmftScenario *
scenario_new (void)
{
  VmftScenario *scenario = g_new0 (VmftScenario, 1);

  scenario->policy_vms = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_policy_vm_free);
  scenario->destinations = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_destination_free);
  g_ptr_array_add (scenario->destinations, vmft_destination_new ("B"));
  return scenario;
}

void
vmft_scenario_free (VmftScenario *scenario)
{
  g_ptr_array_unref (scenario->policy_vms);
  g_ptr_array_unref (scenario->destinations);
  g_free (scenario);
}

static void
draw_vms (VmftScenario *scenario, GRand *rand, const double *memory_bytes)
{
  double true_bps = scenario->link.bandwidth_bps * exp (BANDWIDTH_SIGMA * draw_normal (rand));

  for (guint i = 0; i < scenario->n; i++)
    {
      VmftScenarioVm *vm = &scenario->vms[i];
      VmftDirtyCurve believed, truth;

      vm->weight = (guint) g_rand_int_range (rand, 1, 11);
      draw_curves (rand, memory_bytes[i], scenario->link.bandwidth_bps, &believed, &truth);
      vm->believed = believed_vm (i, memory_bytes[i], vm->weight);
      vm->believed->load.curve = believed;
      draw_truth (vm, rand, &truth, memory_bytes[i], true_bps);
      g_ptr_array_add (scenario->policy_vms, vm->believed);
    }
}

VmftScenario *
vmft_scenario_draw (GRand *rand, VmftLeadModel *leads)
{
  VmftScenario *scenario = scenario_new ();
  double memory_bytes[VMFT_SCENARIO_MAX_VMS];

  /* aimed at, because loads come out small when only the sizes are drawn */
  double load = g_rand_double_range (rand, 0.5, 3.0);

  scenario->link = VMFT_LINK_DEFAULT;
  scenario->link.sigma = BANDWIDTH_SIGMA;
  do
    {
      double work_s = 0.0;

      scenario->fault_class = classes[g_rand_int_range (rand, 0, G_N_ELEMENTS (classes))];
      scenario->link.bandwidth_bps = links_bps[g_rand_int_range (rand, 0, G_N_ELEMENTS (links_bps))];
      scenario->n = (guint) g_rand_int_range (rand, 2, VMFT_SCENARIO_MAX_VMS + 1);
      for (guint i = 0; i < scenario->n; i++)
        {
          memory_bytes[i] = draw_log_uniform (rand, 0.5, 64.0) * GIB;
          work_s += memory_bytes[i] / scenario->link.bandwidth_bps;
        }
      vmft_lead_model_get (leads, scenario->fault_class, 0.0, &scenario->lead);
      scenario->load = work_s / vmft_lead_quantile (&scenario->lead, 0.5);
    }
  while (fabs (scenario->load - load) > 0.05 || scenario->load < 0.5 || scenario->load > 3.0);

  scenario->lead_s = INFINITY;
  if (g_rand_double (rand) < scenario->lead.pi)
    scenario->lead_s = vmft_lead_quantile (&scenario->lead, g_rand_double (rand));
  draw_vms (scenario, rand, memory_bytes);
  return scenario;
}
