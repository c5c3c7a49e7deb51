/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rule of DESIGN 4.3, from top to bottom: who is concerned, what each mode would take, the joint plan, whether
 * it is worth it, what holds it back. */
#include "vmft-policy.h"

#include "vmft-choose.h"
#include "vmft-fit.h"
#include "vmft-pressure.h"
#include "vmft-saves.h"
#include "vmft-scope.h"
#include "vmft-verdict.h"

#include <math.h>

/* While tasks stall, the kernel says so once a window of 2 s: so long a silence is no gap between two windows. */
#define RELIEVED_AFTER_S 10.0

/* --- one VM on its way into the plan --- */

typedef struct
{
  const VmftPolicyVm *pvm;
  const VmftDestination *destination;
  VmftLoad load;
  VmftEstimate estimates[VMFT_N_MODES];
} Mover;

static guint
sharing (const VmftPolicyInput *input, guint n_movers)
{
  return CLAMP (input->config.limit_out, 1, MAX (n_movers, 1));
}

static guint
allowed_modes (const Mover *mover, const VmftPolicyInput *input)
{
  const VmftVm *vm = mover->pvm->vm;

  return input->config.modes & vm->policy.modes & vmft_vm_modes_to (vm, mover->destination->name);
}

static void
estimate_modes (Mover *mover, const VmftPolicyInput *input, guint n_sharing)
{
  guint allowed = allowed_modes (mover, input);
  VmftLink link = input->link != NULL ? *input->link : VMFT_LINK_DEFAULT;

  link.cap_bps = input->config.bandwidth_bps;
  link.sharing = n_sharing;
  if (input->estimator != NULL)
    vmft_estimator_get_link (input->estimator, mover->destination->name, input->config.bandwidth_bps,
                             n_sharing, &link);

  for (guint mode = 0; mode < VMFT_N_MODES; mode++)
    {
      VmftEstimate *estimate = &mover->estimates[mode];

      if (input->estimator != NULL)
        vmft_estimator_estimate (input->estimator, mover->destination->name, &mover->load, &link,
                                 (VmftMode) mode, estimate);
      else
        vmft_estimate_mode (estimate, &mover->load, &link, (VmftMode) mode);
      if (!(allowed & vmft_mode_bit ((VmftMode) mode)))
        estimate->status = VMFT_ESTIMATE_NOT_ALLOWED;
    }
}

static gboolean
is_pressure (const VmftPolicyInput *input)
{
  return input->incident != NULL && input->incident->fault_class == VMFT_CLASS_PRESSURE;
}

/* Of a pressure incident's locus only the resource is said; lines of the kernel speak of memory. */
static gboolean
is_memory_pressure (const VmftPolicyInput *input)
{
  return is_pressure (input) && !g_str_equal (input->incident->locus.name, "io") &&
         !g_str_equal (input->incident->locus.name, "cpu");
}

static double
deficit_bytes (const VmftPolicyInput *input)
{
  return input->facts != NULL && is_memory_pressure (input) ? input->facts->pressure_deficit_bytes : 0.0;
}

/* Nothing stalls any more, and of memory, where it is that, enough is known to be there. */
static gboolean
is_relieved (const VmftPolicyInput *input)
{
  if (!is_pressure (input) || vmft_time_diff_s (input->now_us, input->incident->last_us) < RELIEVED_AFTER_S)
    return FALSE;
  return !is_memory_pressure (input) ||
         (input->facts != NULL && input->facts->memory_known && !(deficit_bytes (input) > 0.0));
}

static void
mover_init (Mover *mover,
            const VmftPolicyVm *pvm,
            const VmftDestination *destination,
            const VmftPolicyInput *input)
{
  mover->pvm = pvm;
  mover->destination = destination;
  mover->load = pvm->load;
  if (mover->load.max_downtime_s <= 0.0)
    mover->load.max_downtime_s = input->config.max_downtime_s;
  mover->load.xbzrle_cache_bytes = input->config.xbzrle_cache_bytes;
  mover->load.pressure = is_pressure (input);
  if (input->facts != NULL)
    mover->load.source_free_bytes = input->facts->free_bytes;
}

/* XBZRLE's CPU time is the guest's too: whatever the downtimes say, pre-copy that fits is tried first. */
static void
keep_ladder (VmftCandidate *candidate)
{
  static const double step_s = 0.001;
  VmftOption *options = candidate->options;

  if (candidate->n_options > 1 && options[0].mode == VMFT_MODE_PRECOPY && options[1].mode == VMFT_MODE_XBZRLE)
    options[1].disturbance_s = MAX (options[1].disturbance_s, options[0].disturbance_s + step_s);
}

static void
candidate_from_mover (VmftCandidate *candidate, const Mover *mover, guint n_sharing)
{
  candidate->weight = vmft_scope_weight (mover->pvm->vm);
  candidate->n_options = 0;
  for (guint mode = 0; mode < VMFT_N_MODES; mode++)
    {
      const VmftEstimate *estimate = &mover->estimates[mode];
      VmftOption *option;

      if (!vmft_estimate_is_possible (estimate))
        continue;
      option = &candidate->options[candidate->n_options++];
      option->mode = (VmftMode) mode;
      option->disturbance_s = estimate->degraded_s;
      option->item.weight = candidate->weight;
      option->item.sigma = MAX (estimate->sigma, 0.0);
      /* post-copy always ends; pre-copy ends or does not */
      option->item.cap = mode == VMFT_MODE_POSTCOPY || mode == VMFT_MODE_HYBRID ? 1.0 : estimate->p_converge;
      for (guint k = 0; k < VMFT_N_NODES; k++)
        option->item.node_s[k] = estimate->node_s[k] / n_sharing;
    }
  keep_ladder (candidate);
  vmft_candidate_prune (candidate);
}

/* --- the plan --- */

static void
fill_header (VmftPlan *plan, const VmftPolicyInput *input)
{
  const VmftIncident *incident = input->incident;

  plan->confidence = input->config.confidence;
  plan->guard_s = input->config.guard_s;
  plan->lead_p5_s = plan->lead_p10_s = plan->lead_p50_s = plan->lead_p90_s = INFINITY;
  if (incident != NULL)
    {
      plan->incident_id = incident->id;
      plan->fault_class = incident->fault_class;
      plan->locus = incident->locus;
      plan->drill = incident->drill;
    }
  if (input->lead != NULL)
    {
      plan->elapsed_s = input->lead->elapsed_s;
      plan->lead_p5_s = vmft_lead_quantile (input->lead, 0.05);
      plan->lead_p10_s = vmft_lead_quantile (input->lead, 0.10);
      plan->lead_p50_s = vmft_lead_quantile (input->lead, 0.50);
      plan->lead_p90_s = vmft_lead_quantile (input->lead, 0.90);
      plan->p_fails = input->lead->p_fails;
      plan->lead_origin = g_strdup (input->lead->origin);
    }
}

static gint
compare_vms (gconstpointer a, gconstpointer b)
{
  return vmft_scope_compare (*(VmftPolicyVm *const *) a, *(VmftPolicyVm *const *) b);
}

/* Where the VM cannot go, whether or not it goes elsewhere: the operator may have other plans for it. */
static void
add_obstacles (VmftPlan *plan, const VmftVm *vm, const VmftPolicyInput *input)
{
  for (guint i = 0; input->destinations != NULL && i < input->destinations->len; i++)
    {
      const VmftDestination *destination = input->destinations->pdata[i];
      char *reason = NULL;

      if (!vmft_policy_movable (vm, destination, &reason))
        vmft_plan_add_obstacle (plan, vm->uuid, vm->name, destination->name, reason);
    }
}

/* A VM that could move, but for the destinations or the time: the fallback decides. @reason: (transfer full) */
static void
leave_behind (VmftPlan *plan,
              GPtrArray *savers,
              const VmftPolicyVm *pvm,
              char *reason,
              const VmftPolicyInput *input)
{
  if (input->config.fallback == VMFT_FALLBACK_SAVE)
    vmft_savers_add (savers, pvm, reason);
  else
    vmft_plan_add_refusal (plan, pvm->vm->uuid, pvm->vm->name, TRUE, reason);
}

/* Finds a destination for each VM that is concerned, heavy and large ones first; who finds none is left behind, and
 * who is not to move is refused. */
static GArray *
collect_movers (VmftPlan *plan, GPtrArray *savers, const VmftPolicyInput *input, double *busy_s)
{
  GArray *movers = g_array_new (FALSE, TRUE, sizeof (Mover));
  g_autoptr (GArray) rooms = g_array_new (FALSE, TRUE, sizeof (VmftRoom));
  g_autoptr (GPtrArray) vms = g_ptr_array_new ();

  for (guint i = 0; input->destinations != NULL && i < input->destinations->len; i++)
    {
      VmftRoom room = { .destination = input->destinations->pdata[i] };

      g_array_append_val (rooms, room);
    }
  for (guint i = 0; input->vms != NULL && i < input->vms->len; i++)
    g_ptr_array_add (vms, input->vms->pdata[i]);
  g_ptr_array_sort (vms, compare_vms);

  for (guint i = 0; i < vms->len; i++)
    {
      const VmftPolicyVm *pvm = vms->pdata[i];
      gboolean concerned, may_move;
      char *reason = NULL;
      VmftRoom *room = NULL;

      if (pvm->migrating && isfinite (pvm->remaining_s))
        *busy_s += MAX (pvm->remaining_s, 0.0);
      concerned = vmft_policy_concerned (pvm->vm, input->incident, input->facts, &reason);
      if (concerned)
        reason = vmft_scope_refuse (pvm, input);
      may_move = concerned && reason == NULL;
      if (may_move)
        room = vmft_scope_place (rooms, pvm, input, &reason);
      if (concerned)
        plan->total_weight += vmft_scope_weight (pvm->vm);
      if (concerned && pvm->vm->blocker == NULL)
        add_obstacles (plan, pvm->vm, input);
      if (room != NULL)
        {
          Mover mover = { 0 };

          mover_init (&mover, pvm, room->destination, input);
          g_array_append_val (movers, mover);
        }
      else if (may_move)
        {
          leave_behind (plan, savers, pvm, reason, input);
        }
      else
        {
          vmft_plan_add_refusal (plan, pvm->vm->uuid, pvm->vm->name, concerned, reason);
        }
    }
  return movers;
}

/* Of all the modes that cannot be used, the first that was at least allowed says most. */
static char *
why_none (const Mover *mover)
{
  for (guint mode = 0; mode < VMFT_N_MODES; mode++)
    if (mover->estimates[mode].status != VMFT_ESTIMATE_NOT_ALLOWED)
      return vmft_estimate_reason (&mover->estimates[mode]);
  return vmft_estimate_reason (&mover->estimates[VMFT_MODE_PRECOPY]);
}

/* Estimates every mode; VMs with no mode left are left behind. */
static void
estimate_movers (VmftPlan *plan, GPtrArray *savers, GArray *movers, const VmftPolicyInput *input)
{
  guint n_sharing = sharing (input, movers->len);
  guint kept = 0;

  for (guint i = 0; i < movers->len; i++)
    {
      Mover *mover = &g_array_index (movers, Mover, i);
      gboolean possible = FALSE;

      estimate_modes (mover, input, n_sharing);
      for (guint mode = 0; mode < VMFT_N_MODES; mode++)
        possible = possible || vmft_estimate_is_possible (&mover->estimates[mode]);
      if (possible)
        {
          g_array_index (movers, Mover, kept++) = *mover;
        }
      else
        {
          g_autofree char *why = why_none (mover);

          leave_behind (plan, savers, mover->pvm, g_strdup_printf ("no mode is possible: %s", why), input);
        }
    }
  g_array_set_size (movers, kept);
}

static double
relief_s (const Mover *mover)
{
  double least = INFINITY;

  for (guint mode = 0; mode < VMFT_N_MODES; mode++)
    if (vmft_estimate_is_possible (&mover->estimates[mode]))
      least = MIN (least, mover->estimates[mode].total_p50_s);
  return least;
}

static void
largest_first (VmftChoice *choice,
               const VmftCandidate *candidates,
               const GArray *movers,
               const VmftArrival *arrival,
               const VmftPolicyInput *input,
               double offset_s)
{
  g_autofree double *bytes = g_new0 (double, movers->len);

  for (guint i = 0; i < movers->len; i++)
    bytes[i] = vmft_scope_freed_bytes (g_array_index (movers, Mover, i).pvm->vm);
  vmft_pressure_put_largest_first (choice, candidates, bytes, arrival, input->config.confidence, offset_s);
}

/* What those who are on their way will leave behind is missing no more. */
static double
leaving_bytes (const VmftPolicyInput *input)
{
  double bytes = 0.0;

  for (guint i = 0; input->vms != NULL && i < input->vms->len; i++)
    {
      const VmftPolicyVm *pvm = input->vms->pdata[i];

      if (pvm->migrating)
        bytes += vmft_scope_freed_bytes (pvm->vm);
    }
  return bytes;
}

static void
spare (VmftPlan *plan, const VmftVm *vm)
{
  /* with the others gone it is in no danger: nothing of it is at stake */
  plan->total_weight -= vmft_scope_weight (vm);
  vmft_plan_add_refusal (plan, vm->uuid, vm->name, FALSE,
                         g_strdup ("not needed: the VMs that leave free the memory that is missing"));
}

/* Of those that cannot leave only as many are saved as free what those that leave do not. */
static void
spare_savers (VmftPlan *plan, GPtrArray *savers, double missing)
{
  for (guint i = 0; i < savers->len;)
    {
      const VmftVm *vm = ((const VmftSaver *) savers->pdata[i])->pvm->vm;

      if (missing > 0.0)
        {
          missing -= vmft_scope_freed_bytes (vm);
          i++;
          continue;
        }
      spare (plan, vm);
      g_ptr_array_remove_index (savers, i);
    }
}

/* Memory pressure: who leaves. Those who need not are refused. */
static void
relieve_pressure (VmftPlan *plan, GPtrArray *savers, GArray *movers, const VmftPolicyInput *input)
{
  double missing = deficit_bytes (input) - leaving_bytes (input);
  g_autofree VmftRelief *items = g_new0 (VmftRelief, movers->len);
  g_autofree gboolean *chosen = g_new0 (gboolean, movers->len);
  guint kept = 0;

  if (!(deficit_bytes (input) > 0.0))
    return;
  for (guint i = 0; i < movers->len; i++)
    {
      const Mover *mover = &g_array_index (movers, Mover, i);

      items[i].bytes = vmft_scope_freed_bytes (mover->pvm->vm);
      items[i].seconds = relief_s (mover);
    }
  if (missing > 0.0 && movers->len > 0)
    vmft_pressure_choose (items, movers->len, missing, chosen);
  for (guint i = 0; i < movers->len; i++)
    {
      Mover *mover = &g_array_index (movers, Mover, i);

      if (!chosen[i])
        {
          spare (plan, mover->pvm->vm);
          continue;
        }
      missing -= items[i].bytes;
      g_array_index (movers, Mover, kept++) = *mover;
    }
  g_array_set_size (movers, kept);
  spare_savers (plan, savers, missing);
}

/* --- saying why --- */

/* What speaks against the modes less disturbing than the chosen one: the reason an operator wants to hear. */
static char *
why_not_gentler (const Mover *mover, VmftMode chosen, gboolean fits)
{
  GString *text = g_string_new (NULL);

  for (guint mode = 0; mode < chosen; mode++)
    {
      const VmftEstimate *estimate = &mover->estimates[mode];
      g_autofree char *why = NULL;

      if (estimate->status == VMFT_ESTIMATE_NOT_ALLOWED)
        continue;
      if (vmft_estimate_is_possible (estimate))
        {
          g_autofree char *time = vmft_text_duration (estimate->total_p50_s);

          why = estimate->p_converge < 0.9
                    ? g_strdup_printf ("ends by itself with only %.0f%%", 100.0 * estimate->p_converge)
                    : g_strdup_printf ("takes %s", time);
        }
      else
        {
          why = vmft_estimate_reason (estimate);
        }
      g_string_append_printf (text, "%s%s %s", text->len ? ", " : "", vmft_mode_to_string ((VmftMode) mode),
                              why);
    }
  if (text->len == 0)
    g_string_append (text, fits ? "the least disturbing mode, and it fits" : "the mode that saves most");
  return g_string_free (text, FALSE);
}

static char *
step_reason (const Mover *mover, const VmftPlanStep *step, const VmftPlan *plan)
{
  g_autofree char *finish = vmft_text_duration (step->finish_p50_s);
  g_autofree char *late = vmft_text_duration (step->finish_p90_s);
  g_autofree char *lead = vmft_text_duration (plan->lead_p50_s);
  g_autofree char *why = why_not_gentler (mover, step->mode, step->fits);

  if (!isfinite (plan->lead_p50_s))
    return g_strdup_printf ("%s, done after %s (p90 %s), no deadline: %s", vmft_mode_to_string (step->mode),
                            finish, late, why);
  return g_strdup_printf ("%s, done after %s (p90 %s) of %s left, in time with %.0f%%: %s",
                          vmft_mode_to_string (step->mode), finish, late, lead, 100.0 * step->p_arrive, why);
}

static void
add_step (VmftPlan *plan,
          const Mover *mover,
          const VmftOption *option,
          double p_arrive,
          VmftCompletion *done,
          double lag,
          const VmftPolicyInput *input)
{
  const VmftVm *vm = mover->pvm->vm;
  VmftPlanStep *step = vmft_plan_add_step (plan, vm->uuid, vm->name);
  guint allowed = allowed_modes (mover, input);
  VmftCompletion finished;

  step->weight = vmft_scope_weight (vm);
  step->destination = g_strdup (mover->destination->name);
  step->mode = option->mode;
  step->allow_postcopy = (allowed & vmft_mode_bit (VMFT_MODE_POSTCOPY)) != 0;
  vmft_completion_quantiles (done, &step->start_p50_s, &step->start_p90_s);
  vmft_completion_add (done, &option->item);
  finished = *done;
  vmft_completion_add_lag (&finished, &option->item, lag);
  vmft_completion_quantiles (&finished, &step->finish_p50_s, &step->finish_p90_s);
  step->downtime_p50_s = mover->estimates[option->mode].downtime_p50_s;
  step->p_arrive = p_arrive;
  step->fits = p_arrive >= input->config.confidence;
  step->bandwidth_bps = input->config.bandwidth_bps;
  for (guint mode = 0; mode < VMFT_N_MODES; mode++)
    step->estimates[mode] = mover->estimates[mode];
  step->reason = step_reason (mover, step, plan);
}

static void
add_moves (VmftPlan *plan,
           const GArray *movers,
           const VmftCandidate *candidates,
           const VmftChoice *choice,
           const VmftArrival *arrival,
           double busy_s,
           const VmftPolicyInput *input)
{
  VmftCompletion done;

  plan->exact = choice->exact;
  plan->saved_weight = choice->saved;
  vmft_completion_init (&done, busy_s);
  for (guint k = 0; k < choice->n; k++)
    {
      guint i = choice->order[k];

      add_step (plan, &g_array_index (movers, Mover, i), &candidates[i].options[choice->option[i]],
                choice->p_arrive[i], &done, arrival->lag, input);
    }
}

/* --- the joint choice --- */

static VmftChoice *
choose (const GArray *movers,
        VmftCandidate *candidates,
        VmftArrival *arrival,
        double busy_s,
        const VmftPolicyInput *input)
{
  guint n_sharing = sharing (input, movers->len);
  VmftChoice *choice;

  for (guint i = 0; i < movers->len; i++)
    candidate_from_mover (&candidates[i], &g_array_index (movers, Mover, i), n_sharing);
  arrival->lag = (n_sharing - 1) / 2.0;
  choice = vmft_choose_modes (candidates, movers->len, arrival, input->config.confidence, busy_s);
  if (is_memory_pressure (input) && !(deficit_bytes (input) > 0.0))
    largest_first (choice, candidates, movers, arrival, input, busy_s);
  return choice;
}

static guint
count_misfits (const VmftChoice *choice, double confidence)
{
  guint n = 0;

  for (guint i = 0; i < choice->n; i++)
    n += choice->p_arrive[i] < confidence ? 1 : 0;
  return n;
}

static char *
why_late (const VmftFit *fit, const VmftPolicyInput *input)
{
  gboolean fits_alone = fit->p_alone >= input->config.confidence;
  const char *after = input->config.fallback == VMFT_FALLBACK_ALERT ? ", fallback “alert”" : "";

  return g_strdup_printf ("no mode arrives in time%s (best %.0f%%)%s", fits_alone ? " behind the others" : "",
                          100.0 * (fits_alone ? fit->p_arrive : fit->p_alone), after);
}

/* Those who do not arrive in time stay or are saved, and take no time from the others. */
static void
leave_misfits (VmftPlan *plan,
               GPtrArray *savers,
               GArray *movers,
               const VmftCandidate *candidates,
               const VmftChoice *choice,
               const VmftArrival *arrival,
               double busy_s,
               const VmftPolicyInput *input)
{
  g_autofree VmftFit *fits = g_new0 (VmftFit, choice->n);
  guint kept = 0;

  vmft_fit_in_order (candidates, choice, arrival, input->config.confidence, busy_s, fits);
  for (guint i = 0; i < choice->n; i++)
    {
      const Mover *mover = &g_array_index (movers, Mover, i);

      if (fits[i].fits)
        g_array_index (movers, Mover, kept++) = *mover;
      else
        leave_behind (plan, savers, mover->pvm, why_late (&fits[i], input), input);
    }
  g_array_set_size (movers, kept);
  plan->fallback_used = TRUE;
  if (kept < input->config.limit_out) /* fewer share the link */
    estimate_movers (plan, savers, movers, input);
}

/* Network faults are reported, never a reason to migrate over that network. */
static gboolean
is_network (const VmftPolicyInput *input)
{
  return input->incident != NULL && (input->incident->fault_class == VMFT_CLASS_NETWORK ||
                                     input->incident->locus.kind == VMFT_LOCUS_NET);
}

static void
refuse_all (VmftPlan *plan, const VmftPolicyInput *input, const char *reason)
{
  for (guint i = 0; input->vms != NULL && i < input->vms->len; i++)
    {
      const VmftPolicyVm *pvm = input->vms->pdata[i];

      vmft_plan_add_refusal (plan, pvm->vm->uuid, pvm->vm->name, FALSE, g_strdup (reason));
    }
}

/* Returns: whether the incident is none to move VMs for: then the plan says so and is complete. */
static gboolean
moves_nobody (VmftPlan *plan, const VmftPolicyInput *input)
{
  if (is_network (input))
    {
      refuse_all (plan, input, "a network fault is no reason to migrate over that network");
      plan->guard = g_strdup ("network");
      plan->reason = g_strdup ("network faults are reported, nothing is moved");
    }
  else if (is_relieved (input))
    {
      refuse_all (plan, input, "not needed: the pressure has gone");
      plan->guard = g_strdup (VMFT_GUARD_RELIEVED);
      plan->reason = g_strdup ("the pressure has gone, whoever has not left stays");
    }
  else
    return FALSE;
  plan->verdict = VMFT_PLAN_NOTHING;
  return TRUE;
}

VmftPlan *
vmft_policy_plan (const VmftPolicyInput *input)
{
  g_autoptr (VmftPlan) plan = vmft_plan_new (input->now_us);
  g_autoptr (GArray) movers = NULL;
  g_autofree VmftCandidate *candidates = NULL;
  g_autoptr (VmftChoice) choice = NULL;
  g_autoptr (GPtrArray) savers = vmft_savers_new ();
  VmftArrival arrival;
  double busy_s = 0.0;

  fill_header (plan, input);
  if (moves_nobody (plan, input))
    return g_steal_pointer (&plan);

  movers = collect_movers (plan, savers, input, &busy_s);
  estimate_movers (plan, savers, movers, input);
  if (is_pressure (input))
    relieve_pressure (plan, savers, movers, input);

  candidates = g_new0 (VmftCandidate, movers->len);
  vmft_arrival_init (&arrival, input->lead, input->config.guard_s);
  choice = choose (movers, candidates, &arrival, busy_s, input);
  while (input->config.fallback != VMFT_FALLBACK_FASTEST &&
         count_misfits (choice, input->config.confidence) > 0)
    {
      leave_misfits (plan, savers, movers, candidates, choice, &arrival, busy_s, input);
      g_clear_pointer (&choice, vmft_choice_free);
      choice = choose (movers, candidates, &arrival, busy_s, input);
    }

  add_moves (plan, movers, candidates, choice, &arrival, busy_s, input);
  vmft_savers_finish (savers, plan, busy_s, input);
  vmft_verdict_decide (plan, choice->disturbance, input);
  return g_steal_pointer (&plan);
}
