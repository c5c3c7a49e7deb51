/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `vmft-eval policy`: how much weight the plans bring away, on simulated hosts. */
#include "vmft-eval.h"

#include "vmft-common.h"
#include "vmft-rules.h"

#include <math.h>

#define N_BANDS     5
#define MAX_RULES   16
#define N_SPECIALS  2 /* vmft and the clairvoyant come before the fixed rules */
#define VMFT        0
#define CLAIRVOYANT 1

static const double band_edges[N_BANDS + 1] = { 0.5, 1.0, 1.5, 2.0, 2.5, 3.0 };

/* Sums over scenarios in which the host failed, per band of load; moves also over those in which it did not. */
typedef struct
{
  const char *name;
  const char *summary;
  double saved[N_BANDS];
  guint64 unneeded;
} Row;

typedef struct
{
  Row rows[MAX_RULES];
  guint n_rows;
  double weight[N_BANDS];
  guint n_failing[N_BANDS];
  guint n_quiet;
  guint64 n_quiet_vms;
  guint n_small; /* failing hosts of up to VMFT_RULE_OPTIMUM_MAX VMs */
  double small_vmft;
  double small_optimum;
} Tally;

static void
tally_init (Tally *tally)
{
  const VmftRule *rules;
  guint n;

  *tally = (Tally){ 0 };
  rules = vmft_fixed_rules (&n);
  tally->rows[VMFT] = (Row){ .name = "vmft", .summary = "the joint plan" };
  tally->rows[CLAIRVOYANT] = (Row){ .name = "clairvoyant", .summary = "knows the failure and all times" };
  tally->n_rows = N_SPECIALS + n;
  g_assert (tally->n_rows <= MAX_RULES);
  for (guint i = 0; i < n; i++)
    tally->rows[N_SPECIALS + i] = (Row){ .name = rules[i].name, .summary = rules[i].summary };
}

static guint
band_of (double load)
{
  guint band = 0;

  while (band + 1 < N_BANDS && load >= band_edges[band + 1])
    band++;
  return band;
}

static void
run_rule (guint row, const VmftScenario *scenario, VmftSaved *saved)
{
  guint n;

  *saved = (VmftSaved){ 0 };
  if (row == VMFT)
    vmft_rule_vmft (scenario, saved);
  else if (row == CLAIRVOYANT)
    vmft_rule_clairvoyant (scenario, saved);
  else
    vmft_fixed_rules (&n)[row - N_SPECIALS].run (scenario, saved);
}

static void
play (Tally *tally, const VmftScenario *scenario)
{
  guint band = band_of (scenario->load);
  gboolean fails = isfinite (scenario->lead_s);
  VmftSaved saved, optimum = { 0 };

  for (guint row = 0; row < tally->n_rows; row++)
    {
      run_rule (row, scenario, &saved);
      if (fails)
        tally->rows[row].saved[band] += saved.saved_weight;
      else
        tally->rows[row].unneeded += saved.n_moved;
      if (row == VMFT && fails && scenario->n <= VMFT_RULE_OPTIMUM_MAX)
        {
          vmft_rule_optimum (scenario, &optimum);
          tally->small_vmft += saved.saved_weight;
          tally->small_optimum += optimum.saved_weight;
          tally->n_small++;
        }
    }
  tally->n_failing[band] += fails;
  tally->n_quiet += !fails;
  for (guint i = 0; i < scenario->n; i++)
    if (fails)
      tally->weight[band] += scenario->vms[i].weight;
    else
      tally->n_quiet_vms++;
}

static double
sum (const double values[N_BANDS])
{
  double total = 0.0;

  for (guint band = 0; band < N_BANDS; band++)
    total += values[band];
  return total;
}

static void
print_table (const Tally *tally)
{
  static const char *const headings[] = { "Planner", "Saved", "Of clairvoyant", "0.5-1",          "1-1.5",
                                          "1.5-2",   "2-2.5", "2.5-3",          "Unneeded moves", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autofree char *text = NULL;
  const double *best = tally->rows[CLAIRVOYANT].saved;

  for (guint i = 0; i < tally->n_rows; i++)
    {
      const Row *row = &tally->rows[i];

      vmft_table_add_printf (table, "%s", row->name);
      vmft_table_add_printf (table, "%.1f%%", 100.0 * sum (row->saved) / sum (tally->weight));
      vmft_table_add_printf (table, "%.1f%%", 100.0 * sum (row->saved) / sum (best));
      for (guint band = 0; band < N_BANDS; band++)
        vmft_table_add_printf (table, "%.1f%%", 100.0 * row->saved[band] / MAX (1.0, best[band]));
      vmft_table_add_printf (table, "%" G_GUINT64_FORMAT, row->unneeded);
    }
  text = vmft_table_to_string (table);
  g_print ("%s", text);
}

static void
print_tally (const Tally *tally, guint n_scenarios, guint32 seed)
{
  guint n_failing = 0;

  for (guint band = 0; band < N_BANDS; band++)
    n_failing += tally->n_failing[band];
  g_print ("%u scenarios, seed %u: %u hosts fail, %u do not (%" G_GUINT64_FORMAT " VMs on them).\n"
           "Weight saved on hosts that fail, as a share of all and of what a clairvoyant saves; columns are\n"
           "load, the work over the median lead time.\n\n",
           n_scenarios, seed, n_failing, tally->n_quiet, tally->n_quiet_vms);
  print_table (tally);
  g_print ("\nHosts of up to %d VMs (%u): %.2f%% of the exact non-anticipating optimum\n",
           VMFT_RULE_OPTIMUM_MAX, tally->n_small,
           100.0 * tally->small_vmft / MAX (1.0, tally->small_optimum));
  for (guint i = N_SPECIALS; i < tally->n_rows; i++)
    g_print ("%s: %s\n", tally->rows[i].name, tally->rows[i].summary);
}

static GVariant *
loads_to_variant (const Tally *tally)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint band = 0; band < N_BANDS; band++)
    {
      GVariantDict dict, saved;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_init (&saved, NULL);
      for (guint i = 0; i < tally->n_rows; i++)
        g_variant_dict_insert (&saved, tally->rows[i].name, "d",
                               tally->rows[i].saved[band] / MAX (1.0, tally->weight[band]));
      g_variant_dict_insert (&dict, "from", "d", band_edges[band]);
      g_variant_dict_insert (&dict, "to", "d", band_edges[band + 1]);
      g_variant_dict_insert (&dict, "scenarios", "u", tally->n_failing[band]);
      g_variant_dict_insert_value (&dict, "saved", g_variant_dict_end (&saved));
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&builder);
}

static void
print_json (const Tally *tally, guint n_scenarios, guint32 seed)
{
  g_autofree char *text = NULL;
  GVariantDict dict, saved, unneeded;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_init (&saved, NULL);
  g_variant_dict_init (&unneeded, NULL);
  for (guint i = 0; i < tally->n_rows; i++)
    {
      g_variant_dict_insert (&saved, tally->rows[i].name, "d",
                             sum (tally->rows[i].saved) / MAX (1.0, sum (tally->weight)));
      g_variant_dict_insert (&unneeded, tally->rows[i].name, "t", tally->rows[i].unneeded);
    }
  g_variant_dict_insert (&dict, "scenarios", "u", n_scenarios);
  g_variant_dict_insert (&dict, "seed", "u", seed);
  g_variant_dict_insert_value (&dict, "saved", g_variant_dict_end (&saved));
  g_variant_dict_insert_value (&dict, "unneeded_moves", g_variant_dict_end (&unneeded));
  g_variant_dict_insert (&dict, "of_clairvoyant", "d",
                         sum (tally->rows[VMFT].saved) / MAX (1.0, sum (tally->rows[CLAIRVOYANT].saved)));
  g_variant_dict_insert (&dict, "of_optimum", "d", tally->small_vmft / MAX (1.0, tally->small_optimum));
  g_variant_dict_insert (&dict, "optimum_scenarios", "u", tally->n_small);
  g_variant_dict_insert_value (&dict, "loads", loads_to_variant (tally));
  text = vmft_json_from_variant (g_variant_dict_end (&dict), TRUE);
  g_print ("%s\n", text);
}

gboolean
vmft_eval_policy (int argc, char **argv, GError **error)
{
  int n_scenarios = 10000, seed = 1;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "scenarios", 'n', 0, G_OPTION_ARG_INT, &n_scenarios, "how many hosts (default 10000)", "N" },
    { "seed", 's', 0, G_OPTION_ARG_INT, &seed, "same seed, same hosts (default 1)", "N" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "print a JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- weight saved on simulated hosts");
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  g_autoptr (VmftLeadModel) leads = NULL;
  g_autoptr (GRand) rand = NULL;
  Tally tally;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc > 1 || n_scenarios <= 0)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s",
                   argc > 1 ? "takes no arguments" : "the number of scenarios must be positive");
      return FALSE;
    }
  leads = vmft_lead_model_new (store, VMFT_LEAD_ORIGIN_PAPER, error);
  if (leads == NULL)
    return FALSE;
  rand = g_rand_new_with_seed ((guint32) seed);
  tally_init (&tally);
  for (int i = 0; i < n_scenarios; i++)
    {
      g_autoptr (VmftScenario) scenario = vmft_scenario_draw (rand, leads);

      play (&tally, scenario);
    }
  if (json)
    print_json (&tally, (guint) n_scenarios, (guint32) seed);
  else
    print_tally (&tally, (guint) n_scenarios, (guint32) seed);
  return TRUE;
}
