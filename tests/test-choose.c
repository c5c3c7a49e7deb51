/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Joint plan and order against brute force: every permutation of every combination of modes. */
#include "vmft-choose.h"
#include "vmft-order.h"
#include "vmft-pressure.h"

#include <math.h>

#define MAX_N 6

static void
fill_random (VmftCandidate *candidate, GRand *rand)
{
  guint n = (guint) g_rand_int_range (rand, 1, 4);
  double time_s = g_rand_double_range (rand, 20.0, 300.0),
         disturbance_s = g_rand_double_range (rand, 0.1, 1.0);

  candidate->weight = g_rand_int_range (rand, 1, 11);
  candidate->n_options = n;
  for (guint o = 0; o < n; o++)
    {
      VmftOption *option = &candidate->options[o];

      option->mode = (VmftMode) o;
      option->disturbance_s = disturbance_s;
      option->item.weight = candidate->weight;
      option->item.sigma = g_rand_double_range (rand, 0.0, 0.2);
      option->item.cap = g_rand_boolean (rand) ? 1.0 : g_rand_double_range (rand, 0.4, 1.0);
      for (guint k = 0; k < VMFT_N_NODES; k++)
        option->item.node_s[k] = time_s * exp (0.1 * vmft_node_z[k]);
      time_s *= g_rand_double_range (rand, 0.4, 0.9);
      disturbance_s *= g_rand_double_range (rand, 1.5, 5.0);
    }
}

typedef struct
{
  const VmftCandidate *candidates;
  guint n;
  const VmftArrival *arrival;
  double confidence;
  gboolean found;
  gboolean all_fit;
  double saved;
  double disturbance;
} Brute;

static double
best_order_value (const VmftQueueItem *items,
                  guint n,
                  const VmftArrival *arrival,
                  const VmftCompletion *done,
                  guint left)
{
  double best = 0.0;

  for (guint i = 0; i < n; i++)
    {
      VmftCompletion next = *done;
      double value;

      if (!(left & (1u << i)))
        continue;
      vmft_completion_add (&next, &items[i]);
      value = items[i].weight * MIN (vmft_completion_p_arrive (&next, arrival), items[i].cap) +
              best_order_value (items, n, arrival, &next, left & ~(1u << i));
      best = MAX (best, value);
    }
  return best;
}

/* Is there an order in which all reach the confidence? Asked of the same order the value comes from, as the rule does. */
static gboolean
all_fit_in (const VmftQueueItem *items,
            const guint *order,
            guint n,
            const VmftArrival *arrival,
            double confidence)
{
  VmftCompletion done;

  vmft_completion_init (&done, 0.0);
  for (guint k = 0; k < n; k++)
    {
      vmft_completion_add (&done, &items[order[k]]);
      if (MIN (vmft_completion_p_arrive (&done, arrival), items[order[k]].cap) < confidence)
        return FALSE;
    }
  return TRUE;
}

static void
brute_combination (Brute *brute, const guint *option)
{
  VmftQueueItem items[MAX_N];
  guint order[MAX_N];
  VmftCompletion start;
  double saved, disturbance = 0.0;
  gboolean fit, better;

  for (guint i = 0; i < brute->n; i++)
    {
      items[i] = brute->candidates[i].options[option[i]].item;
      disturbance += brute->candidates[i].weight * brute->candidates[i].options[option[i]].disturbance_s;
    }
  vmft_completion_init (&start, 0.0);
  saved = best_order_value (items, brute->n, brute->arrival, &start, (1u << brute->n) - 1u);
  g_assert_cmpfloat_with_epsilon (vmft_order_moves (items, brute->n, brute->arrival, 0.0, TRUE, 0, order),
                                  saved, 1e-9);
  fit = all_fit_in (items, order, brute->n, brute->arrival, brute->confidence);

  if (!brute->found || fit != brute->all_fit)
    better = !brute->found || fit;
  else
    better = fit ? disturbance < brute->disturbance : saved > brute->saved;
  if (better)
    {
      brute->found = TRUE;
      brute->all_fit = fit;
      brute->saved = saved;
      brute->disturbance = disturbance;
    }
}

static void
test_equals_brute_force (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  guint n_fit = 0, n_not = 0;

  for (guint trial = 0; trial < 120; trial++)
    {
      guint n = (guint) g_rand_int_range (rand, 1, trial < 100 ? 5 : MAX_N + 1);
      VmftCandidate candidates[MAX_N] = { 0 };
      guint option[MAX_N] = { 0 }, i = 0;
      g_autoptr (VmftChoice) choice = NULL;
      VmftArrival arrival;
      VmftLead lead;
      Brute brute = { candidates, n, &arrival, 0.5 };

      for (guint k = 0; k < n; k++)
        fill_random (&candidates[k], rand);
      vmft_lead_init_lognormal (&lead, g_rand_double_range (rand, 60.0, 1500.0), 0.5, 0.9);
      vmft_arrival_init (&arrival, &lead, 1.0);
      choice = vmft_choose_modes (candidates, n, &arrival, brute.confidence, 0.0);
      while (i < n)
        {
          brute_combination (&brute, option);
          for (i = 0; i < n; i++)
            {
              if (++option[i] < candidates[i].n_options)
                break;
              option[i] = 0;
            }
        }
      g_assert_true (choice->exact);
      g_assert_cmpint (choice->all_fit, ==, brute.all_fit);
      if (brute.all_fit)
        g_assert_cmpfloat_with_epsilon (choice->disturbance, brute.disturbance, 1e-9);
      else
        g_assert_cmpfloat_with_epsilon (choice->saved, brute.saved, 1e-9);
      n_fit += brute.all_fit;
      n_not += !brute.all_fit;
    }
  /* both halves of the rule were looked at */
  g_assert_cmpuint (n_fit, >, 10);
  g_assert_cmpuint (n_not, >, 10);
}

static VmftOption
sharp_option (VmftMode mode, double seconds, double disturbance_s)
{
  VmftOption option = { .mode = mode, .disturbance_s = disturbance_s, .item = { .weight = 1.0, .cap = 1.0 } };

  for (guint k = 0; k < VMFT_N_NODES; k++)
    option.item.node_s[k] = seconds;
  return option;
}

/* DESIGN 4.3: six VMs, pre-copy 3 min, post-copy 1.5 min, lead 8 min: one by one saves 2 or 3, together 5. */
static void
test_joint_plan_saves_five_of_six (void)
{
  VmftCandidate candidates[6] = { 0 };
  g_autoptr (VmftChoice) choice = NULL;
  VmftArrival arrival;
  VmftLead lead;

  for (guint i = 0; i < 6; i++)
    {
      candidates[i].weight = 1.0;
      candidates[i].n_options = 2;
      candidates[i].options[0] = sharp_option (VMFT_MODE_PRECOPY, 180.0, 0.3);
      candidates[i].options[1] = sharp_option (VMFT_MODE_POSTCOPY, 90.0, 30.0);
    }
  vmft_lead_init_lognormal (&lead, 480.0, 0.001, 1.0);
  vmft_arrival_init (&arrival, &lead, 0.0);
  choice = vmft_choose_modes (candidates, 6, &arrival, 0.9, 0.0);
  g_assert_false (choice->all_fit);
  g_assert_cmpfloat_with_epsilon (choice->saved, 5.0, 0.05);
}

/* The same queue: more lead, more time gone or a smaller guard never make arrival less likely. */
static void
test_more_lead_never_hurts (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (8);

  for (guint trial = 0; trial < 300; trial++)
    {
      VmftCandidate candidate = { 0 };
      VmftCompletion done;
      double last = -1.0, sigma = g_rand_double_range (rand, 0.05, 1.0);

      vmft_completion_init (&done, g_rand_double_range (rand, 0.0, 100.0));
      for (guint i = 0; i < 5; i++)
        {
          fill_random (&candidate, rand);
          vmft_completion_add (&done, &candidate.options[0].item);
        }
      for (double lead_s = 5.0; lead_s < 1e5; lead_s *= 1.4)
        {
          VmftArrival arrival, guarded;
          VmftLead lead;
          double p;

          vmft_lead_init_lognormal (&lead, lead_s, sigma, 1.0);
          vmft_arrival_init (&arrival, &lead, 0.0);
          vmft_arrival_init (&guarded, &lead, 30.0);
          p = vmft_completion_p_arrive (&done, &arrival);
          g_assert_cmpfloat (p, >=, last - 1e-9);
          g_assert_cmpfloat (vmft_completion_p_arrive (&done, &guarded), <=, p + 1e-9);
          last = p;
        }
    }
}

static void
test_no_deadline_disturbs_least (void)
{
  VmftCandidate candidate = { .weight = 3.0, .n_options = 2 };
  g_autoptr (VmftChoice) choice = NULL;
  VmftArrival arrival;

  candidate.options[0] = sharp_option (VMFT_MODE_PRECOPY, 1e6, 0.3);
  candidate.options[1] = sharp_option (VMFT_MODE_POSTCOPY, 9.0, 30.0);
  vmft_arrival_init (&arrival, NULL, 1.0);
  choice = vmft_choose_modes (&candidate, 1, &arrival, 0.9, 0.0);
  g_assert_true (choice->all_fit);
  g_assert_cmpuint (choice->option[0], ==, 0);
}

static void
test_heuristic_is_close_to_exact (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  double exact_sum = 0.0, heuristic_sum = 0.0;

  for (guint trial = 0; trial < 60; trial++)
    {
      VmftQueueItem items[10];
      guint order[10];
      VmftArrival arrival;
      VmftLead lead;

      for (guint i = 0; i < 10; i++)
        {
          VmftCandidate candidate = { 0 };

          fill_random (&candidate, rand);
          items[i] = candidate.options[0].item;
        }
      vmft_lead_init_lognormal (&lead, 700.0, 0.5, 0.9);
      vmft_arrival_init (&arrival, &lead, 0.0);
      exact_sum += vmft_order_moves (items, 10, &arrival, 0.0, TRUE, 0, order);
      heuristic_sum += vmft_order_moves (items, 10, &arrival, 0.0, FALSE, 8, order);
    }
  g_assert_cmpfloat (heuristic_sum, <=, exact_sum + 1e-6);
  g_assert_cmpfloat (heuristic_sum, >, 0.98 * exact_sum);
}

static void
test_pruning_keeps_what_nothing_beats (void)
{
  VmftCandidate candidate = { .weight = 1.0, .n_options = 4 };

  candidate.options[0] = sharp_option (VMFT_MODE_PRECOPY, 10.0, 0.3);
  candidate.options[1] = sharp_option (VMFT_MODE_XBZRLE, 12.0, 0.4); /* beaten by pre-copy */
  candidate.options[2] = sharp_option (VMFT_MODE_HYBRID, 8.0, 2.0);
  candidate.options[3] =
      sharp_option (VMFT_MODE_POSTCOPY, 8.0, 2.0); /* the same as hybrid: the gentler name stays */
  vmft_candidate_prune (&candidate);
  g_assert_cmpuint (candidate.n_options, ==, 2);
  g_assert_cmpint (candidate.options[0].mode, ==, VMFT_MODE_PRECOPY);
  g_assert_cmpint (candidate.options[1].mode, ==, VMFT_MODE_HYBRID);
}

static void
test_pressure_frees_the_deficit_soonest (void)
{
  /* the big one alone takes 10 s, two small ones together 6 s */
  static const VmftRelief items[] = { { 8e9, 10.0 }, { 4e9, 3.0 }, { 4e9, 3.0 }, { 1e9, 0.5 } };
  gboolean chosen[4];

  g_assert_cmpuint (vmft_pressure_choose (items, 4, 7e9, chosen), ==, 2);
  g_assert_true (!chosen[0] && chosen[1] && chosen[2] && !chosen[3]);
  g_assert_cmpuint (vmft_pressure_choose (items, 4, 1e12, chosen), ==, 4);
  g_assert_cmpuint (vmft_pressure_choose (items, 0, 1.0, chosen), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/choose/brute-force", test_equals_brute_force);
  g_test_add_func ("/policy/choose/five-of-six", test_joint_plan_saves_five_of_six);
  g_test_add_func ("/policy/choose/more-lead", test_more_lead_never_hurts);
  g_test_add_func ("/policy/choose/no-deadline", test_no_deadline_disturbs_least);
  g_test_add_func ("/policy/choose/heuristic", test_heuristic_is_close_to_exact);
  g_test_add_func ("/policy/choose/pruning", test_pruning_keeps_what_nothing_beats);
  g_test_add_func ("/policy/pressure", test_pressure_frees_the_deficit_soonest);
  return g_test_run ();
}
