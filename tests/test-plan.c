/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds for every plan, whatever goes in: each VM is accounted for, with a reason; units never mix. */
#include "vmft-policy.h"

#include <math.h>
#include <string.h>

#define MIB (1024.0 * 1024.0)
#define NOW G_GINT64_CONSTANT (1700000000000000)

typedef struct
{
  GPtrArray *vms;
  GPtrArray *destinations;
  VmftIncident incident;
  VmftLead lead;
  VmftLink link;
  VmftPolicyInput input;
} Case;

static void
case_init (Case *c)
{
  *c = (Case){ .vms = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_policy_vm_free),
               .destinations = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_destination_free),
               .incident = { .id = 7,
                             .state = VMFT_INCIDENT_CONFIRMED,
                             .fault_class = VMFT_CLASS_MEMORY,
                             .locus = { VMFT_LOCUS_HOST, "" },
                             .p = 0.97,
                             .last_us = NOW,
                             .trusted = TRUE },
               .link = VMFT_LINK_DEFAULT };
  c->input = (VmftPolicyInput){ .now_us = NOW,
                                .incident = &c->incident,
                                .lead = &c->lead,
                                .vms = c->vms,
                                .destinations = c->destinations,
                                .link = &c->link,
                                .config = VMFT_POLICY_CONFIG_DEFAULT };
  c->input.config.operation = VMFT_OPERATION_ACT;
}

static void
case_clear (Case *c)
{
  g_ptr_array_unref (c->vms);
  g_ptr_array_unref (c->destinations);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Case, case_clear)

static VmftPolicyVm *
add_vm (Case *c, double ram_bytes, double rate_bps, double working_set_bytes)
{
  g_autofree char *uuid = g_strdup_printf ("00000000-0000-4000-8000-%012u", c->vms->len + 1);
  g_autofree char *name = g_strdup_printf ("vm%u", c->vms->len);
  g_autoptr (VmftVm) vm = vmft_vm_new (uuid, name);
  VmftPolicyVm *pvm;

  vm->running = TRUE;
  vm->memory_bytes = vm->resident_bytes = (guint64) ram_bytes;
  pvm = vmft_policy_vm_new (vm, NOW);
  vmft_dirty_curve_init (&pvm->load.curve, rate_bps, working_set_bytes, 0.5);
  g_ptr_array_add (c->vms, pvm);
  return pvm;
}

/* --- every VM, once, with a reason in one sentence --- */

static void
assert_sentence (const char *text)
{
  g_assert_nonnull (text);
  g_assert_cmpuint (strlen (text), >, 5);
  g_assert_null (strchr (text, '\n'));
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_null (strstr (text, "nan"));
  g_assert_null (strstr (text, "(null)"));
}

static void
assert_step (const VmftPlanStep *step)
{
  assert_sentence (step->reason);
  g_assert_cmpint (step->destination == NULL, ==, step->save);
  g_assert_cmpfloat (step->p_arrive, >=, 0.0);
  g_assert_cmpfloat (step->p_arrive, <=, 1.0);
  g_assert_cmpfloat (step->finish_p50_s, >=, 0.0);
  g_assert_cmpfloat (step->finish_p90_s, >=, step->finish_p50_s);
  g_assert_cmpfloat (step->finish_p50_s, >=, step->start_p50_s);
  if (step->save)
    return;
  g_assert_cmpfloat (step->finish_p50_s, >, 0.0);
  g_assert_true (vmft_estimate_is_possible (&step->estimates[step->mode]));
}

static void
assert_complete (const Case *c, const VmftPlan *plan)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  assert_sentence (plan->reason);
  g_assert_cmpfloat (plan->saved_weight, <=, plan->total_weight + 1e-9);
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = plan->steps->pdata[i];

      assert_step (step);
      g_assert_true (g_hash_table_add (seen, step->uuid));
    }
  for (guint i = 0; i < plan->refusals->len; i++)
    {
      const VmftPlanRefusal *refusal = plan->refusals->pdata[i];

      assert_sentence (refusal->reason);
      g_assert_true (g_hash_table_add (seen, refusal->uuid));
    }
  g_assert_cmpuint (g_hash_table_size (seen), ==, c->vms->len);
}

/* Only the fastest way is tried without being sure enough. */
static void
assert_moves_fit (const Case *c, const VmftPlan *plan)
{
  for (guint i = 0; c->input.config.fallback != VMFT_FALLBACK_FASTEST && i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = plan->steps->pdata[i];

      g_assert_true (step->fits || step->save);
    }
}

/* A number that a broken agent, a full disk or a bad cable could come up with. */
static double
draw_absurd (GRand *rand, double sane)
{
  const double values[] = { sane, sane, sane, 0.0, -1.0, 1e18, NAN, INFINITY };

  return values[g_rand_int_range (rand, 0, G_N_ELEMENTS (values))];
}

static void
draw_vm (Case *c, GRand *rand)
{
  double ram = g_rand_double_range (rand, 0.0, 8192.0) * MIB * (g_rand_int_range (rand, 0, 8) != 0);
  VmftPolicyVm *pvm = add_vm (c, ram, 10 * MIB, 0.2 * ram);
  VmftVm *vm = pvm->vm;
  VmftDirtySample samples[4];

  for (guint i = 0; i < G_N_ELEMENTS (samples); i++)
    samples[i] = (VmftDirtySample){ NOW - (gint64) draw_absurd (rand, 1e7 * i) % (gint64) 1e15,
                                    draw_absurd (rand, 1.0 + i), draw_absurd (rand, 30 * MIB),
                                    draw_absurd (rand, MIB) };
  vmft_dirty_curve_fit (&pvm->load.curve, samples, (guint) g_rand_int_range (rand, 0, 5),
                        (double) vm->memory_bytes, NOW, 3600.0);
  vm->policy.modes = (guint) g_rand_int_range (rand, 0, VMFT_MODES_ALL + 1);
  vm->policy.priority = (guint) g_rand_int_range (rand, 0, 20);
  vm->policy.off = g_rand_int_range (rand, 0, 10) == 0;
  vm->running = g_rand_int_range (rand, 0, 10) != 0;
  vm->qemu_pid = g_rand_int_range (rand, 0, 3000);
  pvm->n_failures = (guint) g_rand_int_range (rand, 0, 3);
  pvm->last_moved_us =
      g_rand_boolean (rand) ? 0 : NOW + g_rand_int_range (rand, -2000, 2000) * G_USEC_PER_SEC;
  pvm->migrating = g_rand_int_range (rand, 0, 6) == 0;
  pvm->remaining_s = draw_absurd (rand, 12.0);
}

static void
draw_destination (Case *c, GRand *rand)
{
  g_autofree char *name = g_strdup_printf ("host%u", c->destinations->len);
  VmftDestination *destination = vmft_destination_new (name);

  destination->free_known = g_rand_boolean (rand);
  destination->free_bytes = draw_absurd (rand, 16384 * MIB);
  destination->weight = draw_absurd (rand, 1.0);
  destination->reachable = g_rand_int_range (rand, 0, 5) != 0;
  destination->suspect = g_rand_int_range (rand, 0, 5) == 0;
  g_ptr_array_add (c->destinations, destination);
}

static void
test_every_vm_is_explained (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  for (guint trial = 0; trial < 2000; trial++)
    {
      g_auto (Case) c;
      g_autoptr (VmftPlan) plan = NULL;
      guint n_vms = (guint) g_rand_int_range (rand, 0, 12);
      guint n_destinations = (guint) g_rand_int_range (rand, 0, 4);

      case_init (&c);
      for (guint i = 0; i < n_destinations; i++)
        draw_destination (&c, rand);
      for (guint i = 0; i < n_vms; i++)
        draw_vm (&c, rand);
      vmft_lead_init_lognormal (&c.lead, g_rand_double_range (rand, 1.0, 2000.0), 0.5, g_rand_double (rand));
      c.incident.fault_class = (VmftFaultClass) g_rand_int_range (rand, 0, VMFT_CLASS_OTHER + 1);
      c.link.bandwidth_bps = draw_absurd (rand, 113 * MIB);
      c.input.config.bandwidth_bps = g_rand_boolean (rand) ? 0.0 : 50 * MIB;
      c.input.config.fallback = (VmftFallback) g_rand_int_range (rand, 0, 3);
      c.input.config.limit_out = (guint) g_rand_int_range (rand, 0, 4);
      plan = vmft_policy_plan (&c.input);
      assert_complete (&c, plan);
      assert_moves_fit (&c, plan);
    }
}

/* --- units: bytes and seconds never meet but as bytes per second --- */

/* The same host with every byte counted @scale times: its plan has the same seconds and the same choices. */
static VmftPlan *
plan_at_scale (double scale, guint seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_auto (Case) c;

  case_init (&c);
  g_ptr_array_add (c.destinations, vmft_destination_new ("hostB"));
  for (guint i = 0; i < 6; i++)
    {
      double ram = g_rand_double_range (rand, 1024.0, 8192.0) * MIB;
      double rate = g_rand_double_range (rand, 0.0, 80.0) * MIB;
      double set = g_rand_double_range (rand, 0.05, 0.4) * ram;

      add_vm (&c, floor (ram) * scale, rate * scale, set * scale);
    }
  c.link.bandwidth_bps *= scale;
  vmft_lead_init_lognormal (&c.lead, 300.0, 0.5, 0.95);
  return vmft_policy_plan (&c.input);
}

static void
test_units_never_mix (void)
{
  for (guint seed = 0; seed < 50; seed++)
    {
      g_autoptr (VmftPlan) plain = plan_at_scale (1.0, seed);
      g_autoptr (VmftPlan) scaled = plan_at_scale (16.0, seed);

      g_assert_cmpuint (plain->steps->len, ==, 6);
      g_assert_cmpuint (scaled->steps->len, ==, 6);
      for (guint i = 0; i < plain->steps->len; i++)
        {
          const VmftPlanStep *a = plain->steps->pdata[i], *b = scaled->steps->pdata[i];

          g_assert_cmpstr (a->name, ==, b->name);
          g_assert_cmpint (a->mode, ==, b->mode);
          g_assert_cmpfloat_with_epsilon (a->finish_p50_s, b->finish_p50_s, 0.01 * a->finish_p50_s);
          g_assert_cmpfloat_with_epsilon (a->finish_p90_s, b->finish_p90_s, 0.01 * a->finish_p90_s);
          g_assert_cmpfloat_with_epsilon (a->p_arrive, b->p_arrive, 0.01);
        }
    }
}

/* --- those that fit go, the others follow the fallback --- */

static void
test_fallback_of_some (void)
{
  static const guint n_steps[] = { 2, 1, 2 };

  for (guint fallback = 0; fallback < 3; fallback++)
    {
      g_auto (Case) c;
      g_autoptr (VmftPlan) plan = NULL;

      case_init (&c);
      g_ptr_array_add (c.destinations, vmft_destination_new ("hostB"));
      add_vm (&c, 256 * MIB, 0.0, MIB);
      add_vm (&c, 32768 * MIB, 0.0, MIB); /* five minutes on the link */
      vmft_lead_init_lognormal (&c.lead, 40.0, 0.2, 1.0);
      c.input.config.fallback = (VmftFallback) fallback;
      plan = vmft_policy_plan (&c.input);
      g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_GO);
      g_assert_true (plan->fallback_used);
      g_assert_cmpuint (plan->steps->len, ==, n_steps[fallback]);
      if (fallback == VMFT_FALLBACK_ALERT)
        g_assert_nonnull (
            strstr (((VmftPlanRefusal *) plan->refusals->pdata[0])->reason, "fallback “alert”"));
      else
        g_assert_cmpint (((VmftPlanStep *) plan->steps->pdata[1])->save, ==, fallback == VMFT_FALLBACK_SAVE);
    }
}

static const VmftPlanStep *
find_step (const VmftPlan *plan, const char *name)
{
  for (guint i = 0; i < plan->steps->len; i++)
    if (g_str_equal (((VmftPlanStep *) plan->steps->pdata[i])->name, name))
      return plan->steps->pdata[i];
  return NULL;
}

/* why @name does not move, as a save or as a refusal */
static const char *
why_left (const VmftPlan *plan, const char *name)
{
  const VmftPlanStep *step = find_step (plan, name);

  if (step != NULL)
    return step->save ? step->reason : "it moves";
  for (guint i = 0; i < plan->refusals->len; i++)
    if (g_str_equal (((VmftPlanRefusal *) plan->refusals->pdata[i])->name, name))
      return ((VmftPlanRefusal *) plan->refusals->pdata[i])->reason;
  return "it is nowhere";
}

/* Two VMs on a link that has about 40 s until the failure. */
static VmftPlan *
plan_for_two (VmftFallback fallback, double first_mib, guint first_priority, double second_mib)
{
  g_auto (Case) c;
  VmftPlan *plan = NULL;

  case_init (&c);
  g_ptr_array_add (c.destinations, vmft_destination_new ("hostB"));
  add_vm (&c, first_mib * MIB, 0.0, MIB)->vm->policy.priority = first_priority;
  add_vm (&c, second_mib * MIB, 0.0, MIB)->vm->policy.priority = 1;
  vmft_lead_init_lognormal (&c.lead, 40.0, 0.2, 1.0);
  c.input.config.fallback = fallback;
  plan = vmft_policy_plan (&c.input);
  assert_complete (&c, plan);
  for (guint i = 0; i < plan->steps->len; i++)
    g_test_message ("%s: %s", ((VmftPlanStep *) plan->steps->pdata[i])->name,
                    ((VmftPlanStep *) plan->steps->pdata[i])->reason);
  for (guint i = 0; i < plan->refusals->len; i++)
    g_test_message ("%s: %s", ((VmftPlanRefusal *) plan->refusals->pdata[i])->name,
                    ((VmftPlanRefusal *) plan->refusals->pdata[i])->reason);
  return plan;
}

/* The heavy one goes first and arrives with 85%, the light one behind it with less: but alone it is sure to. */
static void
test_misfit_takes_no_time (void)
{
  g_autoptr (VmftPlan) fastest = plan_for_two (VMFT_FALLBACK_FASTEST, 2700.0, 10, 160.0);

  g_assert_cmpstr (((VmftPlanStep *) fastest->steps->pdata[0])->name, ==, "vm0");
  g_assert_false (find_step (fastest, "vm0")->fits || find_step (fastest, "vm1")->fits);
  for (guint fallback = VMFT_FALLBACK_ALERT; fallback <= VMFT_FALLBACK_SAVE; fallback++)
    {
      g_autoptr (VmftPlan) plan = plan_for_two ((VmftFallback) fallback, 2700.0, 10, 160.0);

      g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_GO);
      g_assert_true (plan->fallback_used);
      g_assert_true (find_step (plan, "vm1")->fits && !find_step (plan, "vm1")->save);
      g_assert_cmpfloat (find_step (plan, "vm1")->p_arrive, >, 0.99);
      g_assert_nonnull (strstr (why_left (plan, "vm0"), "no mode arrives in time (best 8"));
      g_assert_cmpfloat_with_epsilon (plan->saved_weight, 1.0, 0.01); /* what stays is not counted */
      g_assert_cmpfloat (plan->total_weight, ==, 11.0);
    }
}

/* Each would arrive, both do not: that is what is said, and one goes. */
static void
test_one_of_two_fits (void)
{
  for (guint fallback = VMFT_FALLBACK_ALERT; fallback <= VMFT_FALLBACK_SAVE; fallback++)
    {
      g_autoptr (VmftPlan) plan = plan_for_two ((VmftFallback) fallback, 1900.0, 9, 2000.0);

      g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_GO);
      g_assert_true (find_step (plan, "vm0")->fits && !find_step (plan, "vm0")->save);
      g_assert_nonnull (strstr (why_left (plan, "vm1"), "no mode arrives in time behind the others"));
      g_assert_cmpfloat (plan->saved_weight, <=, 9.0);
    }
}

/* --- whom no destination takes, or takes in time --- */

static const VmftPlanStep *
get_step (const VmftPlan *plan, guint i)
{
  g_assert_cmpuint (i, <, plan->steps->len);
  return plan->steps->pdata[i];
}

static const VmftPlanRefusal *
get_refusal (const VmftPlan *plan, guint i)
{
  g_assert_cmpuint (i, <, plan->refusals->len);
  return plan->refusals->pdata[i];
}

static VmftVm *
add_small (Case *c)
{
  return add_vm (c, 64 * MIB, 0.0, MIB)->vm;
}

/* Two VMs that could leave, and those that no fallback touches. */
static void
case_init_unreachable (Case *c)
{
  case_init (c);
  g_ptr_array_add (c->destinations, vmft_destination_new ("hostB"));
  ((VmftDestination *) c->destinations->pdata[0])->reachable = FALSE;
  vmft_lead_init_lognormal (&c->lead, 600.0, 0.5, 0.95);
  add_small (c);
  add_small (c)->policy.priority = 9;
  add_small (c)->policy.off = TRUE;
  add_small (c)->running = FALSE;
  add_small (c)->blocker = g_strdup ("it has a hostdev");
  add_vm (c, 64 * MIB, 0.0, MIB)->last_moved_us = NOW - 5 * G_USEC_PER_SEC;
  add_vm (c, 64 * MIB, 0.0, MIB)->n_failures = 2;
}

static void
test_nobody_is_saved_unasked (void)
{
  for (guint fallback = 0; fallback < VMFT_FALLBACK_SAVE; fallback++)
    {
      g_auto (Case) c;
      g_autoptr (VmftPlan) plan = NULL;

      case_init_unreachable (&c);
      c.input.config.fallback = (VmftFallback) fallback;
      plan = vmft_policy_plan (&c.input);
      g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_NOTHING);
      g_assert_false (vmft_plan_is_actionable (plan));
      g_assert_cmpuint (plan->steps->len, ==, 0);
      g_assert_false (plan->fallback_used);
    }
}

static void
test_no_destination_left (void)
{
  g_auto (Case) c;
  g_autoptr (VmftPlan) plan = NULL;

  case_init_unreachable (&c);
  c.input.config.fallback = VMFT_FALLBACK_SAVE;
  plan = vmft_policy_plan (&c.input);
  assert_complete (&c, plan);
  g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_SAVE);
  g_assert_true (vmft_plan_is_actionable (plan));
  g_assert_true (plan->fallback_used);
  g_assert_nonnull (strstr (plan->reason, "2 are saved"));
  g_assert_cmpuint (plan->steps->len, ==, 2);
  g_assert_cmpstr (get_step (plan, 0)->name, ==, "vm1"); /* the heavy one */
  g_assert_true (get_step (plan, 0)->save && get_step (plan, 1)->save);
  g_assert_cmpfloat (get_step (plan, 0)->finish_p50_s, >, 0.0);
  g_assert_cmpfloat (get_step (plan, 1)->start_p50_s, ==, get_step (plan, 0)->finish_p50_s);
  g_assert_nonnull (strstr (get_step (plan, 1)->reason, "could not be reached"));
}

/* A save stops the guest: it is held back, and weighed, as a move is. */
static void
test_saves_are_weighed (void)
{
  g_auto (Case) c;
  VmftPolicyState state = { .inhibit_until_us = NOW + G_USEC_PER_SEC };
  g_autoptr (VmftPlan) held = NULL;
  g_autoptr (VmftPlan) unlikely = NULL;

  case_init_unreachable (&c);
  c.input.config.fallback = VMFT_FALLBACK_SAVE;
  c.input.state = &state;
  held = vmft_policy_plan (&c.input);
  g_assert_cmpint (held->verdict, ==, VMFT_PLAN_ADVISE);
  g_assert_cmpstr (held->guard, ==, "inhibit");
  g_assert_cmpuint (held->steps->len, ==, 2);
  g_assert_false (vmft_plan_is_actionable (held));
  state.inhibit_until_us = 0;
  vmft_lead_init_lognormal (&c.lead, 600.0, 0.5, 0.0001);
  unlikely = vmft_policy_plan (&c.input);
  g_assert_cmpint (unlikely->verdict, ==, VMFT_PLAN_NOT_WORTH);
}

/* A guest that would stand still for an hour is not worth saving, and keeps nobody else here. */
static void
test_save_takes_too_long (void)
{
  g_auto (Case) c;
  g_autoptr (VmftPlan) plan = NULL;

  case_init (&c);
  g_ptr_array_add (c.destinations, vmft_destination_new ("hostB"));
  vmft_lead_init_lognormal (&c.lead, 600.0, 0.3, 0.9);
  c.input.config.fallback = VMFT_FALLBACK_SAVE;
  add_vm (&c, 512 * MIB, 0.0, MIB);
  add_vm (&c, 400.0 * 1024 * MIB, 0.0, MIB);
  plan = vmft_policy_plan (&c.input);
  assert_complete (&c, plan);
  g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_GO);
  g_assert_cmpuint (plan->steps->len, ==, 1);
  g_assert_false (get_step (plan, 0)->save);
  g_assert_nonnull (strstr (get_refusal (plan, 0)->reason, "at risk"));
}

/* One leaves; the others cannot, each for another reason. */
static VmftPlan *
plan_moves_and_saves (void)
{
  g_auto (Case) c;
  VmftPlan *plan = NULL;
  VmftDestination *destination = vmft_destination_new ("hostB");

  case_init (&c);
  g_ptr_array_add (c.destinations, destination);
  vmft_lead_init_lognormal (&c.lead, 20.0, 0.3, 1.0);
  c.input.config.fallback = VMFT_FALLBACK_SAVE;
  destination->free_known = TRUE;
  destination->free_bytes = 12288 * MIB;
  add_vm (&c, 256 * MIB, 0.0, MIB);
  add_vm (&c, 8192 * MIB, 0.0, MIB); /* over a minute on the link */
  add_small (&c)->policy.modes = 0;
  vmft_vm_set_movability (add_small (&c), "hostB", FALSE, VMFT_MODES_ALL, "missing bridge br7", NOW);
  add_vm (&c, 16384 * MIB, 0.0, MIB); /* more than there is room for */
  plan = vmft_policy_plan (&c.input);
  assert_complete (&c, plan);
  return plan;
}

static void
test_some_are_saved (void)
{
  static const char *const order[] = { "vm0", "vm4", "vm1", "vm2", "vm3" };
  static const char *const says[] = { "pre-copy", "12.0 GiB left", "no mode arrives in time",
                                      "no mode is possible", "br7" };
  g_autoptr (VmftPlan) plan = plan_moves_and_saves ();

  g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_GO);
  g_assert_true (plan->fallback_used);
  g_assert_nonnull (strstr (plan->reason, "1 VM can leave"));
  g_assert_nonnull (strstr (plan->reason, "4 VMs cannot and are saved"));
  g_assert_cmpuint (plan->steps->len, ==, G_N_ELEMENTS (order));
  g_assert_cmpuint (plan->refusals->len, ==, 0);
  g_assert_cmpfloat (plan->saved_weight, <=, get_step (plan, 0)->weight + 1e-9);
  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    {
      const VmftPlanStep *step = get_step (plan, i);

      g_test_message ("%s: %s", step->name, step->reason);
      g_assert_cmpstr (step->name, ==, order[i]);
      g_assert_cmpint (step->save, ==, i > 0);
      g_assert_nonnull (strstr (step->reason, says[i]));
      if (i > 0)
        g_assert_cmpfloat (step->start_p50_s, ==, get_step (plan, i - 1)->finish_p50_s);
    }
}

static void
test_saves_in_the_record (void)
{
  g_autoptr (VmftPlan) plan = plan_moves_and_saves ();
  g_autofree char *text = vmft_json_from_variant (vmft_plan_to_variant (plan), FALSE);
  g_autoptr (GVariant) record = NULL, steps = NULL;
  g_autoptr (GError) error = NULL;

  record = vmft_json_to_variant (text, &error);
  g_assert_no_error (error);
  g_assert_true (vmft_dict_boolean (record, "fallback_used", FALSE));
  steps = g_variant_lookup_value (record, "steps", NULL);
  g_assert_cmpuint (g_variant_n_children (steps), ==, plan->steps->len);
  for (guint i = 0; i < plan->steps->len; i++)
    {
      g_autoptr (GVariant) step = NULL;

      g_variant_get_child (steps, i, "v", &step);
      g_assert_cmpstr (vmft_dict_string (step, "name"), ==, get_step (plan, i)->name);
      g_assert_cmpint (vmft_dict_boolean (step, "save", i == 0), ==, i > 0);
      g_assert_cmpstr (vmft_dict_string (step, "destination"), ==, i > 0 ? "" : "hostB");
    }
}

/* Under pressure nobody is stopped whose memory is not needed. */
static void
test_pressure_saves_no_more_than_needed (void)
{
  g_auto (Case) c;
  VmftHostFacts facts = { .pressure_deficit_bytes = 400 * MIB };
  VmftDestination *destination = vmft_destination_new ("hostB");
  g_autoptr (VmftPlan) plan = NULL;

  case_init (&c);
  g_ptr_array_add (c.destinations, destination);
  vmft_lead_init_lognormal (&c.lead, 600.0, 0.5, 0.95);
  c.incident.fault_class = VMFT_CLASS_PRESSURE;
  c.incident.locus = (VmftLocus){ VMFT_LOCUS_HOST, "memory" };
  c.input.facts = &facts;
  c.input.config.fallback = VMFT_FALLBACK_SAVE;
  destination->free_known = TRUE;
  destination->free_bytes = 350 * MIB; /* for one of the three */
  for (guint i = 0; i < 3; i++)
    add_vm (&c, 300 * MIB, 0.0, MIB);
  plan = vmft_policy_plan (&c.input);
  assert_complete (&c, plan);
  g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_GO);
  g_assert_cmpuint (plan->steps->len, ==, 2);
  g_assert_false (get_step (plan, 0)->save);
  g_assert_true (get_step (plan, 1)->save);
  g_assert_false (get_refusal (plan, 0)->concerned);
}

/* P(fails) times the loss against the cost: the same host is worth moving, or not, by each of the three. */
static void
test_worth (void)
{
  static const struct
  {
    double p_fails, loss_s, move_s;
    VmftPlanVerdict verdict;
  } cases[] = {
    { 0.9, 600.0, 1.0, VMFT_PLAN_GO },      { 0.0005, 600.0, 1.0, VMFT_PLAN_NOT_WORTH },
    { 0.9, 0.1, 1.0, VMFT_PLAN_NOT_WORTH }, { 0.9, 600.0, 900.0, VMFT_PLAN_NOT_WORTH },
    { 0.01, 6000.0, 1.0, VMFT_PLAN_GO },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (Case) c;
      g_autoptr (VmftPlan) plan = NULL;

      case_init (&c);
      g_ptr_array_add (c.destinations, vmft_destination_new ("hostB"));
      add_vm (&c, 256 * MIB, 0.0, MIB);
      vmft_lead_init_lognormal (&c.lead, 600.0, 0.3, cases[i].p_fails);
      c.input.config.loss_s = cases[i].loss_s;
      c.input.config.move_s = cases[i].move_s;
      plan = vmft_policy_plan (&c.input);
      g_assert_cmpint (plan->verdict, ==, cases[i].verdict);
      assert_sentence (plan->reason);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/every-vm-is-explained", test_every_vm_is_explained);
  g_test_add_func ("/plan/units-never-mix", test_units_never_mix);
  g_test_add_func ("/plan/fallback-of-some", test_fallback_of_some);
  g_test_add_func ("/plan/misfit-takes-no-time", test_misfit_takes_no_time);
  g_test_add_func ("/plan/one-of-two-fits", test_one_of_two_fits);
  g_test_add_func ("/plan/saves/not-unasked", test_nobody_is_saved_unasked);
  g_test_add_func ("/plan/saves/no-destination-left", test_no_destination_left);
  g_test_add_func ("/plan/saves/weighed", test_saves_are_weighed);
  g_test_add_func ("/plan/saves/too-long", test_save_takes_too_long);
  g_test_add_func ("/plan/saves/some", test_some_are_saved);
  g_test_add_func ("/plan/saves/record", test_saves_in_the_record);
  g_test_add_func ("/plan/saves/pressure", test_pressure_saves_no_more_than_needed);
  g_test_add_func ("/plan/worth", test_worth);
  return g_test_run ();
}
