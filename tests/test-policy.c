/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-policy.h"

#include <math.h>

#define MIB (1024.0 * 1024.0)
#define NOW G_GINT64_CONSTANT (1700000000000000)

typedef struct
{
  GPtrArray *vms;
  GPtrArray *destinations;
  VmftIncident incident;
  VmftLead lead;
  VmftHostFacts facts;
  VmftPolicyState state;
  VmftPolicyInput input;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->vms = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_policy_vm_free);
  f->destinations = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_destination_free);
  g_ptr_array_add (f->destinations, vmft_destination_new ("hostB"));
  f->incident = (VmftIncident){ .id = 7,
                                .state = VMFT_INCIDENT_CONFIRMED,
                                .fault_class = VMFT_CLASS_DISK,
                                .locus = { VMFT_LOCUS_BLOCK, "sda" },
                                .family = (char *) "medium-error",
                                .p = 0.97,
                                .last_us = NOW,
                                .trusted = TRUE };
  vmft_lead_init_lognormal (&f->lead, 600.0, 0.5, 0.95);
  f->input = (VmftPolicyInput){ .now_us = NOW,
                                .incident = &f->incident,
                                .lead = &f->lead,
                                .vms = f->vms,
                                .destinations = f->destinations,
                                .facts = &f->facts,
                                .state = &f->state,
                                .config = VMFT_POLICY_CONFIG_DEFAULT };
  f->input.config.operation = VMFT_OPERATION_ACT;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_ptr_array_unref (f->vms);
  g_ptr_array_unref (f->destinations);
}

/* A guest with so much RAM, all of it in use, that dirties @rate_bps over @working_set_bytes. */
static VmftPolicyVm *
add_vm (Fixture *f, const char *name, double ram_bytes, double rate_bps, double working_set_bytes)
{
  g_autofree char *uuid = g_strdup_printf ("00000000-0000-4000-8000-%012u", f->vms->len + 1);
  g_autoptr (VmftVm) vm = vmft_vm_new (uuid, name);
  VmftPolicyVm *pvm;

  vm->running = TRUE;
  vm->id = (int) f->vms->len + 1;
  vm->qemu_pid = 1000 + vm->id;
  vm->memory_bytes = vm->resident_bytes = (guint64) ram_bytes;
  pvm = vmft_policy_vm_new (vm, NOW);
  vmft_dirty_curve_init (&pvm->load.curve, rate_bps, working_set_bytes, 0.5);
  g_ptr_array_add (f->vms, pvm);
  return pvm;
}

static const VmftPlanStep *
step_of (const VmftPlan *plan, const char *name)
{
  for (guint i = 0; i < plan->steps->len; i++)
    if (g_str_equal (((VmftPlanStep *) plan->steps->pdata[i])->name, name))
      return plan->steps->pdata[i];
  return NULL;
}

static const VmftPlanRefusal *
refusal_of (const VmftPlan *plan, const char *name)
{
  for (guint i = 0; i < plan->refusals->len; i++)
    if (g_str_equal (((VmftPlanRefusal *) plan->refusals->pdata[i])->name, name))
      return plan->refusals->pdata[i];
  return NULL;
}

/* Returns: (transfer full): the one record in the array @key of @record. */
static GVariant *
only_member (GVariant *record, const char *key)
{
  g_autoptr (GVariant) array = g_variant_lookup_value (record, key, NULL);
  GVariant *member = NULL;

  g_assert_cmpuint (g_variant_n_children (array), ==, 1);
  g_variant_get_child (array, 0, "v", &member);
  return member;
}

static void
test_modes_follow_the_guests (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;

  add_vm (f, "idle", 256 * MIB, 0.0, 16 * MIB);
  add_vm (f, "writer", 1024 * MIB, 200 * MIB, 700 * MIB); /* faster than the link: pre-copy never ends */
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_GO);
  g_assert_null (plan->guard);
  g_assert_true (vmft_plan_is_actionable (plan));
  g_assert_cmpuint (plan->steps->len, ==, 2);
  g_assert_cmpint (step_of (plan, "idle")->mode, ==, VMFT_MODE_PRECOPY);
  g_assert_cmpint (step_of (plan, "writer")->mode, !=, VMFT_MODE_PRECOPY);
  g_assert_true (step_of (plan, "idle")->fits);
  g_assert_cmpstr (step_of (plan, "idle")->destination, ==, "hostB");
  g_assert_nonnull (strstr (step_of (plan, "writer")->reason, "pre-copy"));
}

/* Same input, same plan; and JSON says what is in it. */
static void
test_record (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL, again = NULL;
  g_autoptr (GVariant) parsed = NULL, step = NULL, refusal = NULL, obstacle = NULL, estimates = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL, *second = NULL;

  add_vm (f, "idle", 256 * MIB, 0.0, 16 * MIB);
  add_vm (f, "writer", 1024 * MIB, 200 * MIB, 700 * MIB)->vm->policy.off = FALSE;
  ((VmftPolicyVm *) f->vms->pdata[0])->vm->policy.off = TRUE;
  g_ptr_array_add (f->destinations, vmft_destination_new ("hostC"));
  vmft_vm_set_movability (((VmftPolicyVm *) f->vms->pdata[1])->vm, "hostC", FALSE, VMFT_MODES_ALL,
                          "no bridge there", NOW);
  plan = vmft_policy_plan (&f->input);
  again = vmft_policy_plan (&f->input);
  plan->id = again->id = 3;
  first = vmft_json_from_variant (vmft_plan_to_variant (plan), FALSE);
  second = vmft_json_from_variant (vmft_plan_to_variant (again), FALSE);
  g_assert_cmpstr (first, ==, second);

  parsed = vmft_json_to_variant (first, &error);
  g_assert_no_error (error);
  g_assert_cmpint (vmft_dict_int64 (parsed, "id", 0), ==, 3);
  g_assert_cmpint (vmft_dict_int64 (parsed, "incident_id", 0), ==, 7);
  g_assert_cmpint (vmft_dict_int64 (parsed, "now_us", 0), ==, NOW);
  g_assert_cmpstr (vmft_dict_string (parsed, "class"), ==, "disk");
  g_assert_cmpstr (vmft_dict_string (parsed, "locus"), ==, "block sda");
  g_assert_cmpstr (vmft_dict_string (parsed, "verdict"), ==, "go");
  g_assert_cmpstr (vmft_dict_string (parsed, "reason"), ==, plan->reason);
  g_assert_cmpfloat_with_epsilon (vmft_dict_double (parsed, "lead_p50_s", 0.0), plan->lead_p50_s, 1e-6);
  g_assert_cmpfloat_with_epsilon (vmft_dict_double (parsed, "p_fails", 0.0), plan->p_fails, 1e-9);
  step = only_member (parsed, "steps");
  g_assert_cmpstr (vmft_dict_string (step, "name"), ==, "writer");
  g_assert_cmpstr (vmft_dict_string (step, "destination"), ==, "hostB");
  g_assert_cmpstr (vmft_dict_string (step, "mode"), ==, vmft_mode_to_string (step_of (plan, "writer")->mode));
  g_assert_cmpfloat_with_epsilon (vmft_dict_double (step, "finish_p90_s", 0.0),
                                  step_of (plan, "writer")->finish_p90_s, 1e-6);
  estimates = g_variant_lookup_value (step, "estimates", NULL);
  g_assert_cmpuint (g_variant_n_children (estimates), ==, VMFT_N_MODES);
  refusal = only_member (parsed, "refusals");
  g_assert_cmpstr (vmft_dict_string (refusal, "name"), ==, "idle");
  g_assert_cmpstr (vmft_dict_string (refusal, "reason"), ==, refusal_of (plan, "idle")->reason);
  obstacle = only_member (parsed, "obstacles");
  g_assert_cmpstr (vmft_dict_string (obstacle, "destination"), ==, "hostC");
  g_assert_cmpstr (vmft_dict_string (obstacle, "reason"), ==, "no bridge there");
}

static void
assert_guard (Fixture *f, const char *guard)
{
  g_autoptr (VmftPlan) plan = vmft_policy_plan (&f->input);

  g_assert_cmpstr (plan->guard, ==, guard);
  g_assert_cmpint (plan->verdict, ==, guard ? VMFT_PLAN_ADVISE : VMFT_PLAN_GO);
  g_assert_cmpint (vmft_plan_is_actionable (plan), ==, guard == NULL);
}

static void
test_guards (Fixture *f, gconstpointer data)
{
  VmftDestination *destination = f->destinations->pdata[0];

  add_vm (f, "vm", 256 * MIB, 0.0, 16 * MIB);
  assert_guard (f, NULL);

  f->input.config.operation = VMFT_OPERATION_OBSERVE;
  assert_guard (f, "observe");
  f->input.config.operation = VMFT_OPERATION_ADVISE;
  assert_guard (f, "advise");
  f->input.config.operation = VMFT_OPERATION_ACT;

  f->incident.trusted = FALSE;
  assert_guard (f, "untrusted");
  f->incident.trusted = TRUE;
  f->incident.backlog = TRUE;
  assert_guard (f, "backlog");
  f->incident.backlog = FALSE;
  f->incident.drill = TRUE;
  assert_guard (f, "drill");
  f->incident.drill = FALSE;

  f->state.inhibit_until_us = NOW + G_USEC_PER_SEC;
  assert_guard (f, "inhibit");
  f->state.inhibit_until_us = NOW - G_USEC_PER_SEC;
  assert_guard (f, NULL);
  f->state.n_failed_in_row = 2;
  f->state.last_failed_us = NOW - G_GINT64_CONSTANT (3500) * G_USEC_PER_SEC;
  assert_guard (f, "failures");
  f->state.last_failed_us = NOW - G_GINT64_CONSTANT (3700) * G_USEC_PER_SEC;
  assert_guard (f, NULL);
  f->state.n_failed_in_row = 1;

  destination->same_template_us = NOW - 60 * G_USEC_PER_SEC;
  assert_guard (f, "same-template");
  destination->same_template_us = NOW - G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC;
  assert_guard (f, NULL);

  f->incident.family = NULL;
  f->incident.p = 0.7;
  f->state.template_evacuated_us = NOW - G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC;
  assert_guard (f, "once-a-day");
  f->incident.acknowledged = TRUE;
  assert_guard (f, NULL);
}

static void
test_suspect_destinations (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;
  VmftDestination *suspect = f->destinations->pdata[0];

  suspect->suspect = TRUE;
  suspect->suspect_reason = g_strdup ("incident 3 (memory)");
  g_ptr_array_add (f->destinations, vmft_destination_new ("hostC"));
  g_ptr_array_add (f->destinations, vmft_destination_new ("hostD"));
  g_ptr_array_add (f->destinations, vmft_destination_new ("hostE"));
  add_vm (f, "vm", 256 * MIB, 0.0, 16 * MIB);
  plan = vmft_policy_plan (&f->input);
  /* one of four is no third: the others take it, the suspect one never */
  g_assert_null (plan->guard);
  g_assert_cmpstr (step_of (plan, "vm")->destination, !=, "hostB");

  ((VmftDestination *) f->destinations->pdata[1])->suspect = TRUE;
  assert_guard (f, "suspects");
}

static void
test_who_is_concerned (Fixture *f, gconstpointer data)
{
  static const char *const devices[] = { "sda", "sda1", "dm-0", NULL };
  static const char *const system_devices[] = { "nvme0n1", NULL };
  VmftPolicyVm *on, *off;
  g_autofree char *reason = NULL;

  on = add_vm (f, "on-it", 256 * MIB, 0.0, 16 * MIB);
  off = add_vm (f, "elsewhere", 256 * MIB, 0.0, 16 * MIB);
  vmft_vm_add_disk (on->vm, "vda", "/dev/mapper/vg-on", "dm-0", TRUE, FALSE);
  vmft_vm_add_disk (off->vm, "vda", "/srv/off.qcow2", "nvme0n1", TRUE, FALSE);

  /* a device nobody knows concerns all */
  g_assert_true (vmft_policy_concerned (off->vm, &f->incident, &f->facts, &reason));
  f->facts.locus_known = TRUE;
  f->facts.locus_devices = (char **) devices;
  f->facts.system_devices = (char **) system_devices;
  g_assert_true (vmft_policy_concerned (on->vm, &f->incident, &f->facts, NULL));
  g_assert_false (vmft_policy_concerned (off->vm, &f->incident, &f->facts, &reason));
  g_assert_nonnull (strstr (reason, "sda"));
  {
    g_autoptr (VmftPlan) plan = vmft_policy_plan (&f->input);

    g_assert_nonnull (step_of (plan, "on-it"));
    g_assert_false (refusal_of (plan, "elsewhere")->concerned);
  }

  /* what carries / concerns all */
  f->facts.system_devices = (char **) devices;
  g_assert_true (vmft_policy_concerned (off->vm, &f->incident, &f->facts, NULL));
  f->facts.system_devices = (char **) system_devices;

  /* a loop image under nothing concerns nobody: an incident, no plan, and the reason */
  f->facts.locus_devices = NULL;
  g_strlcpy (f->incident.locus.name, "loop3", sizeof f->incident.locus.name);
  {
    g_autoptr (VmftPlan) plan = vmft_policy_plan (&f->input);

    g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_NOTHING);
    g_assert_cmpuint (plan->refusals->len, ==, 2);
    g_assert_nonnull (strstr (plan->reason, "none of the VMs"));
  }

  f->incident.locus = (VmftLocus){ VMFT_LOCUS_VM_PID, "1002" };
  g_assert_false (vmft_policy_concerned (on->vm, &f->incident, &f->facts, NULL));
  g_assert_true (vmft_policy_concerned (off->vm, &f->incident, &f->facts, NULL));
}

/* An image that vmftd may not even look at can be on the failing disk; what other hosts reach as well is not at stake. */
static void
test_disk_nobody_can_place (Fixture *f, gconstpointer data)
{
  static const char *const devices[] = { "sda", NULL };
  static const char *const system_devices[] = { "nvme0n1", NULL };
  VmftPolicyVm *local = add_vm (f, "local", 256 * MIB, 0.0, 16 * MIB);
  VmftPolicyVm *volume = add_vm (f, "volume", 256 * MIB, 0.0, 16 * MIB);
  VmftPolicyVm *nvme = add_vm (f, "nvme", 256 * MIB, 0.0, 16 * MIB);
  VmftPolicyVm *remote = add_vm (f, "remote", 256 * MIB, 0.0, 16 * MIB);
  g_autoptr (VmftPlan) plan = NULL;

  vmft_vm_add_disk (volume->vm, "vda", "lost.img", NULL, FALSE, FALSE)->kind = VMFT_DISK_VOLUME;
  vmft_vm_add_disk (nvme->vm, "vda", NULL, NULL, FALSE, FALSE)->kind = VMFT_DISK_HOST;
  vmft_vm_add_disk (local->vm, "vda", "/root/images/a.qcow2", NULL, FALSE, FALSE);
  vmft_vm_add_disk (remote->vm, "vda", NULL, NULL, TRUE, FALSE); /* rbd, nbd, http */
  vmft_vm_add_disk (remote->vm, "vdb", "/mnt/nfs/b.qcow2", NULL, TRUE, FALSE);
  f->facts.locus_known = TRUE;
  f->facts.locus_devices = (char **) devices;
  f->facts.system_devices = (char **) system_devices;
  g_assert_true (vmft_policy_concerned (local->vm, &f->incident, &f->facts, NULL));
  g_assert_true (vmft_policy_concerned (volume->vm, &f->incident, &f->facts, NULL));
  g_assert_true (vmft_policy_concerned (nvme->vm, &f->incident, &f->facts, NULL));
  g_assert_false (vmft_policy_concerned (remote->vm, &f->incident, &f->facts, NULL));
  plan = vmft_policy_plan (&f->input);
  g_assert_nonnull (step_of (plan, "local"));
  g_assert_false (refusal_of (plan, "remote")->concerned);
}

static void
test_same_storage_does_not_help (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;
  static const char *const shared[] = { "sda", NULL };
  VmftDestination *destination = f->destinations->pdata[0];

  f->facts.locus_known = TRUE;
  destination->same_storage = g_strdupv ((char **) shared);
  vmft_vm_add_disk (add_vm (f, "vm", 256 * MIB, 0.0, 16 * MIB)->vm, "vda", "/srv/a", "sda", TRUE, FALSE);
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpuint (plan->steps->len, ==, 0);
  g_assert_nonnull (strstr (refusal_of (plan, "vm")->reason, "same failing storage"));
}

static void
test_refusals_say_why (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;
  VmftDestination *destination = f->destinations->pdata[0];
  struct
  {
    const char *name;
    const char *says;
  } expected[] = { { "off", "off" },         { "stopped", "not running" },
                   { "hostdev", "hostdev" }, { "cooling", "cool-down" },
                   { "failing", "failed" },  { "unmovable", "missing bridge" },
                   { "large", "has" },       { "no-mode", "no mode is possible" } };

  destination->free_known = TRUE;
  destination->free_bytes = 1024 * MIB;
  add_vm (f, "off", 64 * MIB, 0, MIB)->vm->policy.off = TRUE;
  add_vm (f, "stopped", 64 * MIB, 0, MIB)->vm->running = FALSE;
  add_vm (f, "hostdev", 64 * MIB, 0, MIB)->vm->blocker = g_strdup ("it has a hostdev");
  add_vm (f, "cooling", 64 * MIB, 0, MIB)->last_moved_us = NOW - 5 * G_USEC_PER_SEC;
  add_vm (f, "failing", 64 * MIB, 0, MIB)->n_failures = 2;
  vmft_vm_set_movability (add_vm (f, "unmovable", 64 * MIB, 0, MIB)->vm, "hostB", FALSE, VMFT_MODES_ALL,
                          "missing bridge br7", NOW);
  add_vm (f, "large", 4096 * MIB, 0, MIB);
  add_vm (f, "no-mode", 64 * MIB, 0, MIB)->vm->policy.modes = 0;
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpuint (plan->steps->len, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      const VmftPlanRefusal *refusal = refusal_of (plan, expected[i].name);

      g_assert_nonnull (refusal);
      g_test_message ("%s: %s", refusal->name, refusal->reason);
      g_assert_nonnull (strstr (refusal->reason, expected[i].says));
    }
}

/* A VM that goes to one host may not be able to go to another: the plan says so, once for each. */
static void
test_obstacles_are_named (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;
  const VmftPlanObstacle *obstacle;

  g_ptr_array_add (f->destinations, vmft_destination_new ("hostC"));
  vmft_vm_set_movability (add_vm (f, "vm", 64 * MIB, 0, MIB)->vm, "hostC", FALSE, VMFT_MODES_ALL,
                          "there is no bridge or interface br7 there", NOW);
  add_vm (f, "hostdev", 64 * MIB, 0, MIB)->vm->blocker = g_strdup ("it has a hostdev");
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpstr (step_of (plan, "vm")->destination, ==, "hostB");
  g_assert_cmpuint (plan->obstacles->len, ==, 1);
  obstacle = plan->obstacles->pdata[0];
  g_assert_cmpstr (obstacle->name, ==, "vm");
  g_assert_cmpstr (obstacle->destination, ==, "hostC");
  g_assert_nonnull (strstr (obstacle->reason, "br7"));
}

/* An old QEMU on one host takes no mode away from those that go to another. */
static void
test_modes_are_a_destination_s (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) before = NULL;
  g_autoptr (VmftPlan) after = NULL;
  VmftVm *vm = add_vm (f, "vm", 64 * MIB, 0, MIB)->vm;

  vmft_vm_set_movability (vm, "hostB", TRUE, vmft_mode_bit (VMFT_MODE_XBZRLE), NULL, NOW);
  before = vmft_policy_plan (&f->input);
  g_assert_cmpint (step_of (before, "vm")->mode, ==, VMFT_MODE_XBZRLE);
  g_assert_false (step_of (before, "vm")->allow_postcopy);
  vmft_vm_set_movability (vm, "hostB", TRUE, VMFT_MODES_ALL, NULL, NOW);
  vmft_vm_set_movability (vm, "hostC", TRUE, vmft_mode_bit (VMFT_MODE_XBZRLE), NULL, NOW);
  after = vmft_policy_plan (&f->input);
  g_assert_cmpint (step_of (after, "vm")->mode, !=, VMFT_MODE_XBZRLE);
  g_assert_true (step_of (after, "vm")->allow_postcopy);
}

static void
test_destination_is_not_overbooked (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;
  VmftDestination *destination = f->destinations->pdata[0];

  destination->free_known = TRUE;
  destination->free_bytes = 1000 * MIB;
  destination->reserved_bytes = 200 * MIB;
  for (guint i = 0; i < 5; i++)
    add_vm (f, "vm", 300 * MIB, 0.0, MIB);
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpuint (plan->steps->len, ==, 2);
  g_assert_cmpuint (plan->refusals->len, ==, 3);
}

static void
test_network_faults_move_nothing (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;

  f->incident.fault_class = VMFT_CLASS_NETWORK;
  f->incident.locus = (VmftLocus){ VMFT_LOCUS_NET, "eth0" };
  add_vm (f, "vm", 300 * MIB, 0.0, MIB);
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_NOTHING);
  g_assert_cmpstr (plan->guard, ==, "network");
  g_assert_cmpuint (plan->steps->len, ==, 0);
}

static void
test_not_worth_it (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;

  vmft_lead_init_lognormal (&f->lead, 600.0, 0.5, 0.001);
  add_vm (f, "vm", 300 * MIB, 0.0, MIB);
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_NOT_WORTH);
}

static void
test_fallbacks (Fixture *f, gconstpointer data)
{
  static const VmftPlanVerdict expected[] = { VMFT_PLAN_GO, VMFT_PLAN_ALERT, VMFT_PLAN_SAVE };

  vmft_lead_init_lognormal (&f->lead, 20.0, 0.3, 1.0);
  add_vm (f, "vm", 8192 * MIB, 0.0, MIB); /* over a minute on the link */
  for (guint fallback = 0; fallback < 3; fallback++)
    {
      g_autoptr (VmftPlan) plan = NULL;

      f->input.config.fallback = (VmftFallback) fallback;
      plan = vmft_policy_plan (&f->input);
      g_assert_true (plan->fallback_used);
      g_assert_cmpint (plan->verdict, ==, expected[fallback]);
      g_assert_cmpuint (plan->steps->len, ==, fallback == VMFT_FALLBACK_ALERT ? 0 : 1);
      g_assert_cmpint (vmft_plan_is_actionable (plan), ==, fallback != VMFT_FALLBACK_ALERT);
      if (plan->steps->len > 0)
        g_assert_cmpint (step_of (plan, "vm")->save, ==, fallback == VMFT_FALLBACK_SAVE);
    }
}

static void
test_pressure_moves_no_more_than_needed (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;

  f->incident.fault_class = VMFT_CLASS_PRESSURE;
  f->incident.locus = (VmftLocus){ VMFT_LOCUS_HOST, "memory" };
  f->facts.pressure_deficit_bytes = 250 * MIB;
  add_vm (f, "small", 300 * MIB, 0.0, MIB);
  add_vm (f, "large", 2048 * MIB, 0.0, MIB);
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpuint (plan->steps->len, ==, 1);
  g_assert_nonnull (step_of (plan, "small"));
  g_assert_cmpint (step_of (plan, "small")->estimates[VMFT_MODE_XBZRLE].status, ==, VMFT_ESTIMATE_PRESSURE);
}

/* Whoever is on his way frees memory too. */
static void
test_pressure_counts_who_leaves (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;
  VmftPolicyVm *leaving;

  f->incident.fault_class = VMFT_CLASS_PRESSURE;
  f->incident.locus = (VmftLocus){ VMFT_LOCUS_HOST, "memory" };
  f->facts.pressure_deficit_bytes = 250 * MIB;
  leaving = add_vm (f, "leaving", 300 * MIB, 0.0, MIB);
  leaving->migrating = TRUE;
  leaving->remaining_s = 2.0;
  add_vm (f, "other", 2048 * MIB, 0.0, MIB);
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpuint (plan->steps->len, ==, 0);
  g_assert_false (refusal_of (plan, "other")->concerned);
  g_assert_nonnull (strstr (refusal_of (plan, "other")->reason, "not needed"));
}

/* Pressure has gone when the kernel is silent and, where it was memory's, enough is known to be there. */
static void
test_pressure_has_gone (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *resource;
    int silent_s;
    gboolean known;
    double deficit_mib;
    gboolean gone;
  } cases[] = {
    { "memory", 11, TRUE, 0.0, TRUE },   { "memory", 5, TRUE, 0.0, FALSE },
    { "memory", 11, FALSE, 0.0, FALSE }, { "memory", 11, TRUE, 1.0, FALSE },
    { "", 11, TRUE, 0.0, TRUE },         { "io", 11, FALSE, 0.0, TRUE },
    { "cpu", 5, TRUE, 0.0, FALSE },
  };

  f->incident.fault_class = VMFT_CLASS_PRESSURE;
  f->incident.locus.kind = VMFT_LOCUS_HOST;
  add_vm (f, "vm", 300 * MIB, 0.0, MIB);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (VmftPlan) plan = NULL;

      g_strlcpy (f->incident.locus.name, cases[i].resource, sizeof f->incident.locus.name);
      f->incident.last_us = NOW - cases[i].silent_s * G_USEC_PER_SEC;
      f->facts.memory_known = cases[i].known;
      f->facts.pressure_deficit_bytes = cases[i].deficit_mib * MIB;
      plan = vmft_policy_plan (&f->input);
      g_assert_cmpstr (plan->guard, ==, cases[i].gone ? VMFT_GUARD_RELIEVED : NULL);
      g_assert_cmpuint (plan->steps->len, ==, cases[i].gone ? 0 : 1);
    }
}

/* Nobody knows how much is missing: the largest first, as far as that is in time. */
static void
test_pressure_largest_first (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) relaxed = NULL;
  g_autoptr (VmftPlan) hurried = NULL;

  f->incident.fault_class = VMFT_CLASS_PRESSURE;
  f->incident.locus = (VmftLocus){ VMFT_LOCUS_HOST, "memory" };
  add_vm (f, "small", 300 * MIB, 0.0, MIB);
  add_vm (f, "large", 4096 * MIB, 0.0, MIB);
  add_vm (f, "middle", 1024 * MIB, 0.0, MIB);
  relaxed = vmft_policy_plan (&f->input);
  g_assert_cmpuint (relaxed->steps->len, ==, 3);
  g_assert_cmpstr (((VmftPlanStep *) relaxed->steps->pdata[0])->name, ==, "large");
  g_assert_cmpstr (((VmftPlanStep *) relaxed->steps->pdata[2])->name, ==, "small");
  vmft_lead_init_lognormal (&f->lead, 20.0, 0.2, 1.0);
  hurried = vmft_policy_plan (&f->input);
  g_assert_cmpstr (((VmftPlanStep *) hurried->steps->pdata[2])->name, ==, "large");
}

/* Two at a time share the link: as much gets through, each more slowly. */
static void
test_two_at_a_time (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) one = NULL;
  g_autoptr (VmftPlan) two = NULL;
  const VmftPlanStep *last_one, *last_two, *first_one, *first_two;

  for (guint i = 0; i < 6; i++)
    add_vm (f, "vm", 1024 * MIB, 0.0, MIB);
  one = vmft_policy_plan (&f->input);
  f->input.config.limit_out = 2;
  two = vmft_policy_plan (&f->input);
  first_one = one->steps->pdata[0];
  first_two = two->steps->pdata[0];
  last_one = one->steps->pdata[5];
  last_two = two->steps->pdata[5];
  g_assert_cmpfloat (first_two->finish_p50_s, >, 1.3 * first_one->finish_p50_s);
  g_assert_cmpfloat (last_two->finish_p50_s, <, 1.25 * last_one->finish_p50_s);
  g_assert_cmpfloat (last_two->finish_p50_s, >, 0.9 * last_one->finish_p50_s);
}

/* A full destination is waited for when there is no other. */
static void
test_full_destination (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) waiting = NULL;
  g_autoptr (VmftPlan) other = NULL;
  VmftDestination *full = f->destinations->pdata[0];

  full->limit_in = full->running_in = 1;
  add_vm (f, "vm", 300 * MIB, 0.0, MIB);
  waiting = vmft_policy_plan (&f->input);
  g_assert_cmpstr (step_of (waiting, "vm")->destination, ==, "hostB");
  g_ptr_array_add (f->destinations, vmft_destination_new ("hostC"));
  other = vmft_policy_plan (&f->input);
  g_assert_cmpstr (step_of (other, "vm")->destination, ==, "hostC");
}

/* More lead never worsens the probability of arrival, and a mode that is not allowed never appears. */
static void
test_properties (Fixture *f, gconstpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (42);

  for (guint trial = 0; trial < 200; trial++)
    {
      guint n = (guint) g_rand_int_range (rand, 1, 9);
      double last = -1.0;

      g_ptr_array_set_size (f->vms, 0);
      for (guint i = 0; i < n; i++)
        {
          double ram = g_rand_double_range (rand, 64.0, 8192.0) * MIB;
          VmftPolicyVm *pvm = add_vm (f, "vm", ram, g_rand_double_range (rand, 0.0, 250.0) * MIB,
                                      g_rand_double_range (rand, 0.01, 1.0) * ram);

          pvm->vm->policy.modes = (guint) g_rand_int_range (rand, 1, VMFT_MODES_ALL + 1);
          pvm->vm->policy.priority = (guint) g_rand_int_range (rand, 1, 11);
        }
      for (double lead_s = 10.0; lead_s < 3000.0; lead_s *= 2.5)
        {
          g_autoptr (VmftPlan) plan = NULL;
          double least = 1.0;

          vmft_lead_init_lognormal (&f->lead, lead_s, 0.5, 1.0);
          plan = vmft_policy_plan (&f->input);
          for (guint i = 0; i < plan->steps->len; i++)
            {
              const VmftPlanStep *step = plan->steps->pdata[i];
              const VmftPolicyVm *pvm = NULL;

              for (guint k = 0; k < f->vms->len && pvm == NULL; k++)
                if (g_str_equal (((VmftPolicyVm *) f->vms->pdata[k])->vm->uuid, step->uuid))
                  pvm = f->vms->pdata[k];
              g_assert_cmpuint (pvm->vm->policy.modes & vmft_mode_bit (step->mode), !=, 0);
              g_assert_false (isnan (step->p_arrive) || isnan (step->finish_p50_s));
              least = MIN (least, step->p_arrive);
            }
          /* what is saved grows with the lead until all fit; from there the plan may trade certainty for quiet,
           * but never below the confidence */
          if (plan->saved_weight < last - 1e-6)
            g_assert_cmpfloat (least, >=, f->input.config.confidence);
          last = plan->saved_weight;
        }
    }
}

static void
test_absurd_input (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) nothing = vmft_policy_plan (&f->input);
  VmftDirtySample absurd[] = {
    { NOW, 0.0, NAN, 0.0 }, { NOW, 1.0, -5.0, 0.0 }, { NOW, 1.0, 1e18, 1.0 }, { 0 }
  };

  g_assert_cmpint (nothing->verdict, ==, VMFT_PLAN_NOTHING);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (VmftPlan) plan = NULL;
      g_autoptr (VmftVm) vm = vmft_vm_new ("u", "vm");

      vm->running = TRUE;
      vm->memory_bytes = i == 0 ? 0 : (guint64) (512 * MIB);
      g_array_append_vals (vm->dirty_samples, absurd, G_N_ELEMENTS (absurd));
      g_ptr_array_set_size (f->vms, 0);
      g_ptr_array_add (f->vms, vmft_policy_vm_new (vm, i == 1 ? 0 : NOW + (gint64) 1e15));
      if (i == 2)
        g_ptr_array_set_size (f->destinations, 0);
      plan = vmft_policy_plan (&f->input);
      g_assert_nonnull (plan->reason);
      g_assert_cmpuint (plan->steps->len + plan->refusals->len, ==, 1);
      if (i != 1)
        g_assert_cmpuint (plan->refusals->len, ==, 1);
    }
}

static void
test_operator_evacuation_has_no_deadline (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftPlan) plan = NULL;

  f->input.incident = NULL;
  f->input.lead = NULL;
  f->input.config.operation = VMFT_OPERATION_ADVISE; /* binds vmft, not the operator */
  f->state.inhibit_until_us = NOW + G_USEC_PER_SEC;
  add_vm (f, "vm", 8192 * MIB, 20 * MIB, 500 * MIB);
  plan = vmft_policy_plan (&f->input);
  g_assert_cmpint (plan->verdict, ==, VMFT_PLAN_GO);
  g_assert_true (isinf (plan->lead_p50_s));
  g_assert_cmpint (step_of (plan, "vm")->mode, ==, VMFT_MODE_PRECOPY);
}

static void
test_switch (void)
{
  VmftLoad load = VMFT_LOAD_DEFAULT;
  VmftLink link = VMFT_LINK_DEFAULT;
  VmftLead lead;
  VmftSwitchInput input = { .lead = &lead,
                            .load = &load,
                            .link = &link,
                            .mode = VMFT_MODE_PRECOPY,
                            .remaining_bytes = 600 * MIB,
                            .throughput_bps = 100 * MIB,
                            .dirty_bps = 150 * MIB,
                            .boundary = TRUE,
                            .previous_bytes = 600 * MIB,
                            .confidence = 0.9,
                            .guard_s = 1.0 };
  g_autofree char *reason = NULL;

  load.memory_bytes = load.resident_bytes = 1024 * MIB;
  vmft_dirty_curve_init (&load.curve, 150 * MIB, 600 * MIB, 0.5);
  vmft_lead_init_lognormal (&lead, 60.0, 0.3, 1.0);
  g_assert_true (vmft_policy_choose_switch (&input, &reason));
  g_clear_pointer (&reason, g_free);

  /* inside an iteration, with time to spare, it waits for the minimum */
  input.boundary = FALSE;
  input.round_s = 1.0;
  g_assert_false (vmft_policy_choose_switch (&input, &reason));
  g_assert_nonnull (strstr (reason, "waiting"));
  g_clear_pointer (&reason, g_free);
  input.boundary = TRUE;

  /* pre-copy that fits with the confidence of the plan is left alone, however late its p90 is */
  input.remaining_bytes = 300 * MIB;
  input.dirty_bps = 20 * MIB;
  vmft_dirty_curve_init (&load.curve, 20 * MIB, 100 * MIB, 0.5);
  g_assert_false (vmft_policy_choose_switch (&input, &reason));
  g_clear_pointer (&reason, g_free);

  /* when all is lost either way, nothing is gained by a switch */
  vmft_lead_init_lognormal (&lead, 0.5, 0.1, 1.0);
  input.remaining_bytes = 600 * MIB;
  input.dirty_bps = 150 * MIB;
  g_assert_false (vmft_policy_choose_switch (&input, NULL));
  vmft_lead_init_lognormal (&lead, 60.0, 0.3, 1.0);

  /* a guest that calms down ends by itself */
  input.remaining_bytes = 20 * MIB;
  input.dirty_bps = MIB;
  vmft_dirty_curve_init (&load.curve, MIB, 4 * MIB, 0.5);
  g_assert_false (vmft_policy_choose_switch (&input, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/policy/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("modes", test_modes_follow_the_guests);
  ADD ("record", test_record);
  ADD ("guards", test_guards);
  ADD ("suspects", test_suspect_destinations);
  ADD ("concerned", test_who_is_concerned);
  ADD ("disk-nobody-can-place", test_disk_nobody_can_place);
  ADD ("same-storage", test_same_storage_does_not_help);
  ADD ("refusals", test_refusals_say_why);
  ADD ("obstacles", test_obstacles_are_named);
  ADD ("modes-of-destination", test_modes_are_a_destination_s);
  ADD ("overbooking", test_destination_is_not_overbooked);
  ADD ("network", test_network_faults_move_nothing);
  ADD ("worth", test_not_worth_it);
  ADD ("fallbacks", test_fallbacks);
  ADD ("pressure", test_pressure_moves_no_more_than_needed);
  ADD ("pressure-counts-who-leaves", test_pressure_counts_who_leaves);
  ADD ("pressure-has-gone", test_pressure_has_gone);
  ADD ("pressure-largest-first", test_pressure_largest_first);
  ADD ("two-at-a-time", test_two_at_a_time);
  ADD ("full-destination", test_full_destination);
  ADD ("properties", test_properties);
  ADD ("absurd", test_absurd_input);
  ADD ("operator", test_operator_evacuation_has_no_deadline);
  g_test_add_func ("/policy/switch", test_switch);
  return g_test_run ();
}
