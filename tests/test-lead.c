/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-estimator.h"

#include <math.h>

#define MINUTE_S                    60.0

#define assert_near(a, b, relative) g_assert_cmpfloat_with_epsilon ((a), (b), (relative) *fabs (b))

typedef struct
{
  VmftStore *store;
  VmftLeadModel *model;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->store = vmft_memory_store_new ();
  fixture->model = vmft_lead_model_new (fixture->store, NULL, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_object_unref (fixture->model);
  g_object_unref (fixture->store);
}

static void
add (VmftLeadModel *model, const char *fault_class, double lead_s, gboolean censored, const char *origin)
{
  g_autoptr (GError) error = NULL;
  VmftLeadRecord record = { fault_class, lead_s, censored, origin, 1 };

  g_assert_true (vmft_lead_model_add (model, &record, &error));
  g_assert_no_error (error);
}

/* DESIGN 4.2, minutes. */
static const struct
{
  const char *fault_class;
  double p5, p10, p50, p90;
} published[] = {
  { "disk", 6.9, 8.0, 17.7, 34.5 },
  { "pressure", 4.1, 4.3, 5.0, 8.6 },
  { "io", 5.7, 6.4, 12.7, 19.0 },
  { "cpu", 8.3, 8.4, 11.6, 12.4 },
};

static void
test_priors (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (published); i++)
    {
      VmftLead lead;

      vmft_lead_model_get (fixture->model, published[i].fault_class, 0.0, &lead);
      assert_near (vmft_lead_quantile (&lead, 0.05), published[i].p5 * MINUTE_S, 1e-3);
      assert_near (vmft_lead_quantile (&lead, 0.10), published[i].p10 * MINUTE_S, 1e-3);
      assert_near (vmft_lead_quantile (&lead, 0.50), published[i].p50 * MINUTE_S, 1e-3);
      assert_near (vmft_lead_quantile (&lead, 0.90), published[i].p90 * MINUTE_S, 1e-3);
      g_assert_cmpstr (lead.origin, ==, "paper");
      g_assert_null (lead.stand_in);
    }
}

static void
test_no_prior_takes_the_most_pessimistic (Fixture *fixture, gconstpointer data)
{
  VmftLead memory, nonsense, pressure;

  vmft_lead_model_get (fixture->model, "memory", 0.0, &memory);
  vmft_lead_model_get (fixture->model, "gremlins", 0.0, &nonsense);
  vmft_lead_model_get (fixture->model, "pressure", 0.0, &pressure);
  g_assert_cmpstr (memory.stand_in, ==, "pressure");
  g_assert_cmpstr (nonsense.stand_in, ==, "pressure");
  assert_near (vmft_lead_quantile (&memory, 0.5), vmft_lead_quantile (&pressure, 0.5), 1e-6);
}

static void
test_survival_is_monotone (Fixture *fixture, gconstpointer data)
{
  static const double elapsed[] = { 0, 1, 60, 900, 3600, 86400, 1e7 };

  for (guint k = 0; k < G_N_ELEMENTS (published); k++)
    for (guint i = 0; i < G_N_ELEMENTS (elapsed); i++)
      {
        double last = 1.0;
        VmftLead lead;

        vmft_lead_model_get (fixture->model, published[k].fault_class, elapsed[i], &lead);
        g_assert_cmpfloat (vmft_lead_survival (&lead, 0.0), ==, 1.0);
        for (double t = 0.01; t < 1e6; t *= 1.3)
          {
            double survival = vmft_lead_survival (&lead, t);

            g_assert_true (isfinite (survival));
            g_assert_cmpfloat (survival, <=, last);
            last = survival;
          }
      }
}

static void
test_conditional_survival (Fixture *fixture, gconstpointer data)
{
  VmftLead fresh, later;

  vmft_lead_model_get (fixture->model, "disk", 0.0, &fresh);
  vmft_lead_model_get (fixture->model, "disk", 600.0, &later);
  assert_near (vmft_lead_survival (&later, 300.0),
               vmft_lead_survival (&fresh, 900.0) / vmft_lead_survival (&fresh, 600.0), 1e-9);
  /* the tail is memoryless */
  vmft_lead_set_elapsed (&fresh, 5000.0);
  vmft_lead_set_elapsed (&later, 50000.0);
  assert_near (vmft_lead_quantile (&later, 0.5), vmft_lead_quantile (&fresh, 0.5), 1e-3);
  /* the longer nothing happens, the less there is to come */
  g_assert_cmpfloat (later.p_fails, <, fresh.p_fails);
  g_assert_cmpfloat (later.p_fails, <, 1e-6);
}

static void
test_p_fails (Fixture *fixture, gconstpointer data)
{
  VmftLead lead;

  vmft_lead_model_get (fixture->model, "disk", 17.7 * MINUTE_S, &lead);
  assert_near (lead.p_fails, 0.4 / 0.6, 1e-6);
  vmft_lead_set_elapsed (&lead, -5.0);
  assert_near (lead.p_fails, 0.8, 1e-9);
  vmft_lead_set_elapsed (&lead, NAN);
  g_assert_cmpfloat (lead.elapsed_s, ==, 0.0);
}

/* Eight runs that agree with the prior move it half of the way: weight 8. */
static void
test_shrinkage (Fixture *fixture, gconstpointer data)
{
  static const double minutes[] = { 12, 16, 21, 24, 27, 33, 42, 30 }; /* geometric mean 24 */
  VmftLead lead;

  for (guint i = 0; i < G_N_ELEMENTS (minutes); i++)
    add (fixture->model, "disk", minutes[i] * MINUTE_S, FALSE, "field");
  vmft_lead_model_get (fixture->model, "disk", 0.0, &lead);
  g_assert_cmpfloat (lead.p_own, <, 0.5);
  g_assert_cmpfloat (vmft_lead_quantile (&lead, 0.5), >, 19.5 * MINUTE_S);
  g_assert_cmpfloat (vmft_lead_quantile (&lead, 0.5), <, 23.5 * MINUTE_S);
  g_assert_cmpuint (lead.n_events, ==, 8);
  g_assert_cmpstr (lead.origin, ==, "field");
}

/* Three orders of magnitude away: own history rules, and not at a geometric mean of both. */
static void
test_conflict (Fixture *fixture, gconstpointer data)
{
  static const double leads[] = { 14.1, 15.3, 16.0, 13.2, 15.8, 14.9, 17.1, 15.0 };
  VmftLead lead;

  for (guint i = 0; i < G_N_ELEMENTS (leads); i++)
    add (fixture->model, "disk", leads[i], FALSE, "testbed");
  vmft_lead_model_get (fixture->model, "disk", 0.0, &lead);
  g_assert_cmpfloat (lead.p_own, >, 0.999);
  assert_near (vmft_lead_quantile (&lead, 0.5), 15.1, 0.1);
  g_assert_cmpfloat (vmft_lead_quantile (&lead, 0.05), >, 7.0);
  g_assert_cmpfloat (vmft_lead_quantile (&lead, 0.05), <, 13.5);
  g_assert_cmpfloat (vmft_lead_quantile (&lead, 0.9), <, 30.0);
  g_test_message ("p5 %.1f p10 %.1f p50 %.1f p90 %.1f", vmft_lead_quantile (&lead, 0.05),
                  vmft_lead_quantile (&lead, 0.1), vmft_lead_quantile (&lead, 0.5),
                  vmft_lead_quantile (&lead, 0.9));
  /* another class has learnt nothing from it */
  vmft_lead_model_get (fixture->model, "io", 0.0, &lead);
  assert_near (vmft_lead_quantile (&lead, 0.5), 12.7 * MINUTE_S, 1e-3);
}

/* One record may shorten the lead at once, and may not make it ten hours. */
static void
test_caution_is_one_sided (Fixture *fixture, gconstpointer data)
{
  VmftLead lead;

  add (fixture->model, "disk", 12.0, FALSE, "field");
  vmft_lead_model_get (fixture->model, "disk", 0.0, &lead);
  g_assert_cmpfloat (vmft_lead_quantile (&lead, 0.5), <, 60.0);
  add (fixture->model, "io", 10 * 3600.0, FALSE, "field");
  vmft_lead_model_get (fixture->model, "io", 0.0, &lead);
  g_assert_cmpfloat (vmft_lead_quantile (&lead, 0.5), <, 2 * 12.7 * MINUTE_S);
  for (guint i = 0; i < 8; i++)
    add (fixture->model, "io", 10 * 3600.0 + 60 * i, FALSE, "field");
  vmft_lead_model_get (fixture->model, "io", 0.0, &lead);
  assert_near (vmft_lead_quantile (&lead, 0.5), 10 * 3600.0, 0.2);
}

static void
test_censoring (Fixture *fixture, gconstpointer data)
{
  VmftLead seen, blind;
  double seen_p50, blind_p50;

  /* evacuated after two minutes ten times over: says nearly nothing; as failures they would halve the lead */
  for (guint i = 0; i < 10; i++)
    add (fixture->model, "disk", 120.0, TRUE, "field");
  vmft_lead_model_get (fixture->model, "disk", 0.0, &blind);
  blind_p50 = vmft_lead_quantile (&blind, 0.5);
  assert_near (blind_p50, 17.7 * MINUTE_S, 0.1);
  g_assert_cmpuint (blind.n_censored, ==, 10);
  assert_near (blind.pi, 0.8, 0.05);

  for (guint i = 0; i < 10; i++)
    add (fixture->model, "io", 120.0, FALSE, "field");
  vmft_lead_model_get (fixture->model, "io", 0.0, &seen);
  seen_p50 = vmft_lead_quantile (&seen, 0.5);
  g_assert_cmpfloat (seen_p50, <, 0.5 * 12.7 * MINUTE_S);

  /* hosts watched for a day without a failure tell that failures are rare, not that they come late */
  for (guint i = 0; i < 10; i++)
    add (fixture->model, "cpu", 86400.0, TRUE, "field");
  vmft_lead_model_get (fixture->model, "cpu", 0.0, &seen);
  g_assert_cmpfloat (seen.pi, <, 0.5);
  assert_near (vmft_lead_quantile (&seen, 0.5), 11.6 * MINUTE_S, 0.2);
}

static void
test_origins_are_not_pooled (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftLeadModel) field = NULL;
  VmftLead lead;

  for (guint i = 0; i < 12; i++)
    add (fixture->model, "disk", 10.0 + i, FALSE, "testbed");
  add (fixture->model, "disk", 20.0, TRUE, "field");
  vmft_lead_model_get (fixture->model, "disk", 0.0, &lead);
  g_assert_cmpstr (lead.origin, ==, "testbed");
  g_assert_cmpuint (lead.n_events, ==, 12);

  field = vmft_lead_model_new (fixture->store, "field", &error);
  g_assert_no_error (error);
  vmft_lead_model_get (field, "disk", 0.0, &lead);
  g_assert_cmpuint (lead.n_events, ==, 0);
  g_assert_cmpuint (lead.n_censored, ==, 1);
  g_assert_cmpfloat (vmft_lead_quantile (&lead, 0.5), >, 15 * MINUTE_S);
  g_assert_null (vmft_lead_model_new (fixture->store, "moon", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
}

static void
test_headroom (Fixture *fixture, gconstpointer data)
{
  VmftLead lead;

  vmft_lead_model_get (fixture->model, "pressure", 0.0, &lead);
  vmft_lead_set_headroom (&lead, 600e6, 10e6);
  assert_near (vmft_lead_quantile (&lead, 0.5), 60.0, 0.01);
  vmft_lead_set_headroom (&lead, 600e9, 10e6);
  assert_near (vmft_lead_quantile (&lead, 0.5), 5.0 * MINUTE_S, 0.01);
  vmft_lead_set_headroom (&lead, 0.0, 10e6);
  g_assert_cmpfloat (vmft_lead_survival (&lead, 0.001), ==, 0.0);
  vmft_lead_set_headroom (&lead, 600e6, -4.0);
  g_assert_true (isinf (lead.headroom_s));
  vmft_lead_set_headroom (&lead, NAN, 4.0);
  g_assert_true (isinf (lead.headroom_s));
}

static gboolean
import_json (Fixture *fixture, const char *json, guint *n, GError **error)
{
  g_autoptr (GError) parse_error = NULL;
  g_autoptr (GVariant) records = vmft_json_to_variant (json, &parse_error);

  g_assert_no_error (parse_error);
  return vmft_lead_model_import (fixture->model, records, n, error);
}

static void
test_import_export (Fixture *fixture, gconstpointer data)
{
  static const char json[] =
      "[{\"class\":\"disk\",\"lead_s\":14.5,\"origin\":\"testbed\",\"when\":1700000000.25},"
      " {\"class\":\"disk\",\"lead_s\":12,\"origin\":\"testbed\",\"when\":\"2026-01-02T03:04:05\"},"
      " {\"class\":\"io\",\"lead_s\":900,\"censored\":true}]";
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) exported = NULL;
  g_autoptr (VmftLeadModel) reread = NULL;
  g_autofree char *text = NULL;
  guint n = 0;

  g_assert_true (import_json (fixture, json, &n, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 3);
  /* twice is once */
  g_assert_true (import_json (fixture, json, &n, &error));
  g_assert_cmpuint (n, ==, 0);

  exported = g_variant_ref_sink (vmft_lead_model_export (fixture->model));
  g_assert_cmpuint (g_variant_n_children (exported), ==, 3);
  text = vmft_json_from_variant (exported, FALSE);
  g_assert_true (import_json (fixture, text, &n, &error));
  g_assert_cmpuint (n, ==, 0);

  reread = vmft_lead_model_new (fixture->store, NULL, &error);
  g_assert_no_error (error);
  g_clear_pointer (&exported, g_variant_unref);
  exported = g_variant_ref_sink (vmft_lead_model_export (reread));
  g_assert_cmpuint (g_variant_n_children (exported), ==, 3);
}

static void
test_bad_imports (Fixture *fixture, gconstpointer data)
{
  static const char *const bad[] = {
    "{\"class\":\"disk\",\"lead_s\":4}",
    "[17]",
    "[{\"class\":\"disk\"}]",
    "[{\"class\":\"disk\",\"lead_s\":-4}]",
    "[{\"class\":\"disk\",\"lead_s\":0}]",
    "[{\"class\":\"disk\",\"lead_s\":1e12}]",
    "[{\"class\":\"flood\",\"lead_s\":4}]",
    "[{\"class\":\"disk\",\"lead_s\":4,\"origin\":\"moon\"}]",
    "[{\"class\":\"disk\",\"lead_s\":4},{\"class\":\"disk\",\"lead_s\":4,\"when\":\"yesterday\"}]",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) exported = NULL;

      g_assert_false (import_json (fixture, bad[i], NULL, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
      exported = g_variant_ref_sink (vmft_lead_model_export (fixture->model));
      g_assert_cmpuint (g_variant_n_children (exported), ==, 0);
    }
}

static void
test_full_disk (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  VmftLeadRecord record = { "disk", 10.0, FALSE, "field", 0 };

  vmft_memory_store_fail_after (VMFT_MEMORY_STORE (fixture->store), 0);
  g_assert_false (vmft_lead_model_add (fixture->model, &record, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_FAILED);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/lead/priors", test_priors);
  ADD ("/lead/no-prior", test_no_prior_takes_the_most_pessimistic);
  ADD ("/lead/survival-is-monotone", test_survival_is_monotone);
  ADD ("/lead/conditional-survival", test_conditional_survival);
  ADD ("/lead/p-fails", test_p_fails);
  ADD ("/lead/shrinkage", test_shrinkage);
  ADD ("/lead/conflict", test_conflict);
  ADD ("/lead/caution-is-one-sided", test_caution_is_one_sided);
  ADD ("/lead/censoring", test_censoring);
  ADD ("/lead/origins-are-not-pooled", test_origins_are_not_pooled);
  ADD ("/lead/headroom", test_headroom);
  ADD ("/lead/import-export", test_import_export);
  ADD ("/lead/bad-imports", test_bad_imports);
  ADD ("/lead/full-disk", test_full_disk);
  return g_test_run ();
}
