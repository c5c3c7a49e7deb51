/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `vmft-eval policy` is made of, on few hosts: the targets hold and the referees are right. */
#include "vmft-rules.h"

#include <math.h>

#define N_SCENARIOS 150

typedef struct
{
  VmftStore *store;
  VmftLeadModel *leads;
  GRand *rand;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->store = vmft_memory_store_new ();
  fixture->leads = vmft_lead_model_new (fixture->store, NULL, &error);
  g_assert_no_error (error);
  fixture->rand = g_rand_new_with_seed (5);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_rand_free (fixture->rand);
  g_object_unref (fixture->leads);
  g_object_unref (fixture->store);
}

static void
test_draws (Fixture *fixture, gconstpointer data)
{
  guint n_quiet = 0;

  for (guint i = 0; i < N_SCENARIOS; i++)
    {
      g_autoptr (VmftScenario) scenario = vmft_scenario_draw (fixture->rand, fixture->leads);

      g_assert_cmpuint (scenario->n, >=, 2);
      g_assert_cmpuint (scenario->n, <=, VMFT_SCENARIO_MAX_VMS);
      g_assert_cmpfloat (scenario->load, >=, 0.5);
      g_assert_cmpfloat (scenario->load, <=, 3.0);
      n_quiet += isinf (scenario->lead_s);
      for (guint k = 0; k < scenario->n; k++)
        g_assert_true (isfinite (scenario->vms[k].true_s[VMFT_MODE_POSTCOPY]));
    }
  g_assert_cmpuint (n_quiet, >, N_SCENARIOS / 10);
  g_assert_cmpuint (n_quiet, <, N_SCENARIOS / 3);
}

static void
test_same_seed_same_story (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GRand) again = g_rand_new_with_seed (5);

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (VmftScenario) one = vmft_scenario_draw (fixture->rand, fixture->leads);
      g_autoptr (VmftScenario) other = vmft_scenario_draw (again, fixture->leads);
      VmftSaved saved_one = { 0 }, saved_other = { 0 };

      vmft_rule_vmft (one, &saved_one);
      vmft_rule_vmft (other, &saved_other);
      g_assert_cmpfloat (saved_one.saved_weight, ==, saved_other.saved_weight);
      g_assert_cmpfloat (one->load, ==, other->load);
    }
}

/* The clairvoyant's knapsack against all subsets. */
static void
test_clairvoyant_is_exact (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0, n_checked = 0; n_checked < 10; i++)
    {
      g_autoptr (VmftScenario) scenario = vmft_scenario_draw (fixture->rand, fixture->leads);
      VmftSaved saved = { 0 };
      double best = 0.0;

      if (scenario->n > 14 || isinf (scenario->lead_s))
        continue;
      n_checked++;
      for (guint set = 0; set < 1u << scenario->n; set++)
        {
          double time_s = 0.0, weight = 0.0;

          for (guint k = 0; k < scenario->n; k++)
            if (set & (1u << k))
              {
                time_s += scenario->vms[k].true_s[VMFT_MODE_POSTCOPY];
                weight += scenario->vms[k].weight;
              }
          if (time_s < scenario->lead_s)
            best = MAX (best, weight);
        }
      vmft_rule_clairvoyant (scenario, &saved);
      g_assert_cmpfloat (saved.saved_weight, ==, best);
    }
}

static void
test_targets (Fixture *fixture, gconstpointer data)
{
  double vmft = 0.0, clairvoyant = 0.0, small = 0.0, optimum = 0.0, fixed[16] = { 0 };
  const VmftRule *rules;
  guint n_rules;

  rules = vmft_fixed_rules (&n_rules);
  for (guint i = 0; i < N_SCENARIOS; i++)
    {
      g_autoptr (VmftScenario) scenario = vmft_scenario_draw (fixture->rand, fixture->leads);
      VmftSaved ours = { 0 }, best = { 0 };

      if (isinf (scenario->lead_s))
        continue;
      vmft_rule_vmft (scenario, &ours);
      vmft_rule_clairvoyant (scenario, &best);
      g_assert_cmpfloat (ours.saved_weight, <=, best.saved_weight);
      vmft += ours.saved_weight;
      clairvoyant += best.saved_weight;
      for (guint k = 0; k < n_rules; k++)
        {
          VmftSaved saved = { 0 };

          rules[k].run (scenario, &saved);
          fixed[k] += saved.saved_weight;
        }
      if (scenario->n <= VMFT_RULE_OPTIMUM_MAX)
        {
          VmftSaved saved = { 0 };

          vmft_rule_optimum (scenario, &saved);
          small += ours.saved_weight;
          optimum += saved.saved_weight;
        }
    }
  g_assert_cmpfloat (vmft, >=, 0.97 * clairvoyant);
  g_assert_cmpfloat (small, >=, 0.98 * optimum);
  for (guint k = 0; k < n_rules; k++)
    g_assert_cmpfloat (vmft, >, fixed[k]);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/rules/draws", test_draws);
  ADD ("/rules/same-seed-same-story", test_same_seed_same_story);
  ADD ("/rules/clairvoyant-is-exact", test_clairvoyant_is_exact);
  ADD ("/rules/targets", test_targets);
  return g_test_run ();
}
