/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-decisions.h"

#define FRUITLESS_MAX_S 60.0
#define EARLIER_PLANS   1000

/* What was decided last about one incident. */
typedef struct
{
  VmftDecisions *owner;
  guint64 incident_id;
  guint64 plan_id;
  char *digest;       /* (nullable): what the plan said */
  gint64 planned_us;  /* monotonic; 0 for never in this run */
  gint64 evidence_us; /* monotonic; of the line behind the plan, until the first migrate call */
  guint standing;     /* of the incident when the plan was made */
  guint again_id;     /* timer: something changed within the replan interval */
  gboolean acted;
  guint n_fruitless; /* plans carried out in a row that moved nothing */
  guint n_completed; /* VMs that had left when the last one was begun */
} Decision;

struct _VmftDecisions
{
  VmftPlannerParts parts;
  VmftStore *store;
  VmftDetector *detector;
  VmftPlanner *planner;
  VmftExecutor *executor;
  VmftDecisionsFunc func;
  gpointer user_data;
  VmftOperation operation;
  double replan_interval_s;
  GHashTable *decisions; /* incident id -> Decision */
  GHashTable *earlier;   /* incident id -> Decision of an earlier run, until it is taken up */
  guint64 last_plan_id;  /* given by this run, whether the store took it or not */
};

static void
decision_free (Decision *decision)
{
  vmft_clear_timer (decision->owner->parts.clock, &decision->again_id);
  g_free (decision->digest);
  g_free (decision);
}

/* --- what a plan says, apart from figures that change with every second --- */

static char *
digest_plan (const VmftPlan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_printf (text, "%s|%s", vmft_plan_verdict_to_string (plan->verdict),
                          plan->guard ? plan->guard : "");
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = g_ptr_array_index (plan->steps, i);

      if (step->save)
        g_string_append_printf (text, "|%s:save", step->uuid);
      else
        g_string_append_printf (text, "|%s>%s:%s", step->uuid, step->destination,
                                vmft_mode_to_string (step->mode));
    }
  for (guint i = 0; i < plan->refusals->len; i++)
    {
      const VmftPlanRefusal *refusal = g_ptr_array_index (plan->refusals, i);

      g_string_append_printf (text, "|%s!%d", refusal->uuid, refusal->concerned);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static GVariant *
plan_record (VmftDecisions *self,
             const VmftPlan *plan,
             const VmftIncident *incident,
             const Decision *decision,
             gboolean executed,
             const char *digest)
{
  g_autoptr (GVariant) base = g_variant_ref_sink (vmft_plan_to_variant (plan));
  gint64 now_us = vmft_clock_monotonic_us (self->parts.clock);
  GVariantDict dict;

  g_variant_dict_init (&dict, base);
  if (incident != NULL)
    g_variant_dict_insert (&dict, "template", "s", incident->template_text ? incident->template_text : "");
  g_variant_dict_insert (&dict, "operation", "s", vmft_operation_to_string (self->operation));
  g_variant_dict_insert (&dict, "executed", "b", executed);
  g_variant_dict_insert (&dict, "digest", "s", digest);
  if (decision != NULL && decision->evidence_us != 0)
    g_variant_dict_insert (&dict, "evidence_to_plan_s", "d",
                           (double) (now_us - decision->evidence_us) / G_USEC_PER_SEC);
  return g_variant_dict_end (&dict);
}

static void
keep_plan (VmftDecisions *self, const VmftPlan *plan, GVariant *record)
{
  g_autoptr (GError) error = NULL;

  if (!vmft_store_put_id (self->store, VMFT_STORE_PLANS, plan->id, plan->now_us, record, &error))
    g_warning ("plan %" G_GUINT64_FORMAT " is not being kept: %s", plan->id, error->message);
}

static void
announce (VmftDecisions *self, const VmftPlan *plan, gboolean executed)
{
  g_autofree char *lead = vmft_text_duration (plan->lead_p50_s);

  g_message ("incident %" G_GUINT64_FORMAT ": plan %" G_GUINT64_FORMAT
             ": %s%s%s, %u to leave, lead %s (p50): %s%s",
             plan->incident_id, plan->id, vmft_plan_verdict_to_string (plan->verdict),
             plan->guard ? ", held back: " : "", plan->guard ? plan->guard : "", plan->steps->len, lead,
             plan->reason ? plan->reason : "", executed ? "" : "; nothing is done");
}

static guint64
next_plan_id (VmftDecisions *self)
{
  self->last_plan_id = MAX (self->last_plan_id, vmft_store_last_id (self->store, VMFT_STORE_PLANS)) + 1;
  return self->last_plan_id;
}

static gboolean
is_to_be_executed (VmftDecisions *self, const VmftPlan *plan)
{
  return self->operation == VMFT_OPERATION_ACT && self->executor != NULL && vmft_plan_is_actionable (plan);
}

/* Whoever says "stop" while VMs leave means those that have not begun, too. */
static gboolean
is_stopped (const VmftPlan *plan)
{
  return plan->guard != NULL && strcmp (plan->guard, VMFT_GUARD_ONCE_A_DAY) != 0 &&
         strcmp (plan->guard, VMFT_GUARD_FAILURES) != 0;
}

/* What has not begun is stopped where it is needed no more, or not wanted: all of it when the pressure has gone. */
static void
stop_what_need_not (VmftDecisions *self, const VmftPlan *plan)
{
  const char *choice = vmft_conf_get_string (self->parts.conf, "Policy", "when-cleared");

  if (g_strcmp0 (plan->guard, VMFT_GUARD_RELIEVED) == 0)
    vmft_executor_call_off (self->executor, plan->incident_id, strcmp (choice, "abort") == 0, plan->reason);
  else if (is_stopped (plan))
    vmft_executor_call_off (self->executor, plan->incident_id, FALSE, plan->reason);
  else
    vmft_executor_spare (self->executor, plan);
}

static void
count_fruitless (VmftDecisions *self, Decision *decision)
{
  guint n_completed = vmft_executor_count_completed (self->executor);

  decision->n_fruitless =
      decision->acted && n_completed == decision->n_completed ? decision->n_fruitless + 1 : 0;
  decision->acted = TRUE;
  decision->n_completed = n_completed;
}

/* Destinations that turn everybody away are asked again and again, but not ever faster. */
static double
interval_s (VmftDecisions *self, const Decision *decision)
{
  double stretched_s = self->replan_interval_s * (double) (1u << MIN (decision->n_fruitless, 16));

  return MAX (MIN (stretched_s, FRUITLESS_MAX_S), self->replan_interval_s);
}

static void
decide (VmftDecisions *self, Decision *decision, const VmftIncident *incident)
{
  gboolean busy = self->executor != NULL && vmft_executor_is_busy (self->executor, incident->id);
  g_autoptr (VmftPlan) plan = vmft_planner_plan (self->planner, incident, self->operation);
  g_autofree char *digest = digest_plan (plan);
  g_autoptr (GVariant) record = NULL;
  gboolean execute = is_to_be_executed (self, plan);

  decision->planned_us = vmft_clock_monotonic_us (self->parts.clock);
  if (busy)
    stop_what_need_not (self, plan);
  if (g_strcmp0 (digest, decision->digest) == 0 && !execute)
    return;
  if (busy && g_strcmp0 (plan->guard, VMFT_GUARD_RELIEVED) != 0 &&
      !(execute && vmft_executor_wants (self->executor, plan)))
    return; /* what is under way still suits */
  g_free (decision->digest);
  decision->digest = g_steal_pointer (&digest);
  decision->plan_id = plan->id = next_plan_id (self);
  record = g_variant_ref_sink (plan_record (self, plan, incident, decision, execute, decision->digest));
  keep_plan (self, plan, record);
  if (execute)
    {
      if (!busy)
        count_fruitless (self, decision);
      vmft_guards_note_evacuation (self->parts.guards, incident->template_text, plan->now_us);
      vmft_executor_run (self->executor, plan, incident);
    }
  announce (self, plan, execute);
  self->func (record, self->user_data);
}

GVariant *
vmft_decisions_carry_out (VmftDecisions *self, VmftPlan *plan)
{
  g_autofree char *digest = digest_plan (plan);
  GVariantDict dict;
  g_autoptr (GVariant) record = NULL;

  plan->id = next_plan_id (self);
  record = g_variant_ref_sink (plan_record (self, plan, NULL, NULL, TRUE, digest));
  keep_plan (self, plan, record);
  vmft_executor_run (self->executor, plan, NULL);
  announce (self, plan, TRUE);
  self->func (record, self->user_data);
  g_variant_dict_init (&dict, record);
  return g_variant_dict_end (&dict);
}

void
vmft_decisions_note_first_call (VmftDecisions *self, guint64 plan_id, gint64 call_us)
{
  g_autoptr (GVariant) record = vmft_store_get_id (self->store, VMFT_STORE_PLANS, plan_id, NULL);
  Decision *decision;
  guint64 incident_id;
  GVariantDict dict;
  double reaction_s;
  g_autoptr (GError) error = NULL;

  if (record == NULL)
    return;
  incident_id = (guint64) vmft_dict_int64 (record, "incident_id", 0);
  decision = g_hash_table_lookup (self->decisions, &incident_id);
  if (decision == NULL || decision->evidence_us == 0)
    return;
  reaction_s = (double) (call_us - decision->evidence_us) / G_USEC_PER_SEC;
  decision->evidence_us = 0;
  g_message ("incident %" G_GUINT64_FORMAT
             ": first migrate call %.1f ms after the line that completed the evidence",
             incident_id, reaction_s * 1000.0);
  g_variant_dict_init (&dict, record);
  g_variant_dict_insert (&dict, "evidence_to_call_s", "d", reaction_s);
  if (!vmft_store_put_id (self->store, VMFT_STORE_PLANS, plan_id, vmft_dict_int64 (record, "now_us", 0),
                          g_variant_dict_end (&dict), &error))
    g_warning ("plan %" G_GUINT64_FORMAT " is not being kept: %s", plan_id, error->message);
}

/* --- when to think again --- */

static gboolean
on_again (gpointer user_data)
{
  Decision *decision = user_data;

  decision->again_id = 0;
  vmft_decisions_consider (decision->owner, decision->incident_id, 0);
  return G_SOURCE_REMOVE;
}

static Decision *
new_decision (VmftDecisions *self, guint64 incident_id)
{
  Decision *decision = g_new0 (Decision, 1);

  decision->owner = self;
  decision->incident_id = incident_id;
  return decision;
}

/* Plans of an earlier run count: what they said need not be said again. Newest first, one for each incident. */
static gboolean
take_up_plan (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  VmftDecisions *self = user_data;
  guint64 incident_id = (guint64) vmft_dict_int64 (record, "incident_id", 0);
  Decision *decision;

  if (incident_id == 0 || g_hash_table_contains (self->earlier, &incident_id))
    return TRUE;
  decision = new_decision (self, incident_id);
  decision->plan_id = (guint64) vmft_dict_int64 (record, "id", 0);
  decision->digest = g_strdup (vmft_dict_string (record, "digest"));
  g_hash_table_insert (self->earlier, &decision->incident_id, decision);
  return TRUE;
}

static Decision *
get_decision (VmftDecisions *self, guint64 incident_id)
{
  Decision *decision = g_hash_table_lookup (self->decisions, &incident_id);

  if (decision != NULL)
    return decision;
  if (!g_hash_table_steal_extended (self->earlier, &incident_id, NULL, (gpointer *) &decision))
    decision = new_decision (self, incident_id);
  g_hash_table_insert (self->decisions, &decision->incident_id, decision);
  return decision;
}

/* What lifts or lowers a guard: when it changes, the plan does not wait for the interval. */
static guint
standing_of (const VmftIncident *incident)
{
  return (incident->trusted ? 1u : 0u) | (incident->backlog ? 2u : 0u) | (incident->acknowledged ? 4u : 0u) |
         (incident->benign ? 8u : 0u) | (incident->drill ? 16u : 0u) | (guint) incident->fault_class << 8;
}

/* While VMs wait for their turn, the lead may shrink and destinations may go: the plan is looked at again and again. */
static void
watch_lead (VmftDecisions *self, Decision *decision)
{
  if (decision->again_id == 0 && self->executor != NULL &&
      vmft_executor_is_busy (self->executor, decision->incident_id))
    decision->again_id = vmft_clock_add_timer (
        self->parts.clock, (guint) (self->replan_interval_s * 1000.0) + 1, on_again, decision, NULL);
}

void
vmft_decisions_consider (VmftDecisions *self, guint64 incident_id, gint64 evidence_us)
{
  const VmftIncident *incident = vmft_detector_lookup_incident (self->detector, incident_id);
  gint64 now_us = vmft_clock_monotonic_us (self->parts.clock);
  Decision *decision;
  double wait_s;

  if (incident == NULL || incident->state != VMFT_INCIDENT_CONFIRMED)
    {
      g_hash_table_remove (self->decisions, &incident_id);
      return;
    }
  /* whoever may write to a log could have said it: not a plan before a trusted source stands behind it */
  if (!incident->trusted && !incident->drill)
    return;
  decision = get_decision (self, incident_id);
  wait_s = interval_s (self, decision) - (double) (now_us - decision->planned_us) / G_USEC_PER_SEC;
  if (decision->planned_us == 0 || decision->standing != standing_of (incident) || wait_s <= 0.0)
    {
      decision->standing = standing_of (incident);
      decision->evidence_us = evidence_us;
      decide (self, decision, incident);
      watch_lead (self, decision);
    }
  else if (decision->again_id == 0)
    {
      decision->again_id =
          vmft_clock_add_timer (self->parts.clock, (guint) (wait_s * 1000.0) + 1, on_again, decision, NULL);
    }
}

void
vmft_decisions_consider_all (VmftDecisions *self)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);

  for (guint i = 0; i < incidents->len; i++)
    vmft_decisions_consider (self, ((const VmftIncident *) g_ptr_array_index (incidents, i))->id, 0);
}

/* --- life --- */

VmftDecisions *
vmft_decisions_new (const VmftPlannerParts *parts,
                    VmftStore *store,
                    VmftDetector *detector,
                    VmftPlanner *planner,
                    VmftDecisionsFunc func,
                    gpointer user_data)
{
  VmftDecisions *self = g_new0 (VmftDecisions, 1);
  g_autoptr (GError) error = NULL;

  self->parts = *parts;
  self->store = store;
  self->detector = detector;
  self->planner = planner;
  self->func = func;
  self->user_data = user_data;
  self->replan_interval_s = vmft_conf_get_double (parts->conf, "Policy", "replan-interval");
  self->decisions = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify) decision_free);
  self->earlier = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify) decision_free);
  /* now, not when an incident is confirmed: reading them takes longer than deciding */
  if (!vmft_store_foreach (store, VMFT_STORE_PLANS, VMFT_STORE_NEWEST_FIRST, EARLIER_PLANS, take_up_plan,
                           self, &error))
    g_warning ("earlier plans cannot be read: %s", error->message);
  return self;
}

void
vmft_decisions_free (VmftDecisions *self)
{
  g_hash_table_unref (self->decisions);
  g_hash_table_unref (self->earlier);
  g_free (self);
}

void
vmft_decisions_set_executor (VmftDecisions *self, VmftExecutor *executor)
{
  self->executor = executor;
}

void
vmft_decisions_set_operation (VmftDecisions *self, VmftOperation operation)
{
  self->operation = operation;
}
