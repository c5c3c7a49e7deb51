/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-evacuation-private.h"

/* libvirtd away: the VM waits in the queue */
#define RETRY_MS  2000

#define REPLACED  "a new plan took its place"
#define LEFT_HERE "the new plan leaves it here"

G_DEFINE_FINAL_TYPE (VmftEvacuation, vmft_evacuation, G_TYPE_OBJECT)

enum
{
  STEP_CHANGED,
  PROGRESS,
  FINISHED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void
target_free (VmftTarget *target)
{
  g_free (target->name);
  g_free (target->uri);
  g_free (target->migrate_uri);
  g_free (target);
}

VmftEvacuationCall *
vmft_evacuation_call_new (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  VmftEvacuationCall *call = g_new0 (VmftEvacuationCall, 1);

  call->self = g_object_ref (self);
  call->id = step->id;
  return call;
}

void
vmft_evacuation_call_free (VmftEvacuationCall *call)
{
  g_object_unref (call->self);
  g_free (call);
}

VmftEvacuationStep *
vmft_evacuation_find_id (VmftEvacuation *self, guint64 id)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (step->id == id)
        return step;
    }
  return NULL;
}

static VmftEvacuationStep *
find_uuid (VmftEvacuation *self, const char *uuid)
{
  for (guint i = self->steps->len; i > 0; i--)
    {
      VmftEvacuationStep *step = g_ptr_array_index (self->steps, i - 1);

      if (g_strcmp0 (step->uuid, uuid) == 0)
        return step;
    }
  return NULL;
}

const VmftTarget *
vmft_evacuation_find_target (VmftEvacuation *self, const char *name)
{
  for (guint i = 0; i < self->targets->len; i++)
    {
      const VmftTarget *target = g_ptr_array_index (self->targets, i);

      if (g_strcmp0 (target->name, name) == 0)
        return target;
    }
  return NULL;
}

/* --- states --- */

/* a history that cannot be written must not stop an evacuation */
void
vmft_evacuation_record (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  g_autoptr (GError) error = NULL;

  if (!vmft_store_put_id (self->store, VMFT_STORE_MIGRATIONS, step->id, step->planned_us,
                          vmft_evacuation_step_to_variant (step), &error))
    g_warning ("the migration of %s is not recorded: %s", step->name, error->message);
}

void
vmft_evacuation_enter (VmftEvacuation *self,
                       VmftEvacuationStep *step,
                       VmftStepState state,
                       const char *message)
{
  if (vmft_step_state_is_over (step->state))
    return;
  /* the end of a recovery is news to those who were told that all else is over */
  if (step->state == VMFT_STEP_RECOVERING && vmft_step_state_is_over (state))
    self->announced = FALSE;
  step->state = state;
  if (message != step->message)
    {
      g_free (step->message);
      step->message = g_strdup (message);
    }
  if (vmft_step_state_is_over (state))
    step->ended_us = vmft_clock_real_us (self->clock);
  vmft_evacuation_record (self, step);
  g_signal_emit (self, signals[STEP_CHANGED], 0, step);
}

gboolean
vmft_evacuation_is_finished (VmftEvacuation *self)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      const VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (!vmft_step_state_is_over (step->state))
        return FALSE;
    }
  return TRUE;
}

gboolean
vmft_evacuation_is_settled (VmftEvacuation *self)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      const VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (!vmft_step_state_is_over (step->state) && step->state != VMFT_STEP_RECOVERING)
        return FALSE;
    }
  return TRUE;
}

/* --- the queue --- */

/* a broken post-copy job may take for ever to come back, and sends nothing until then: it keeps nobody waiting */
static gboolean
takes_a_place (const VmftEvacuationStep *step)
{
  return vmft_step_state_has_job (step->state) && step->state != VMFT_STEP_RECOVERING;
}

static guint
count_jobs (VmftEvacuation *self, const char *destination)
{
  guint n = 0;

  for (guint i = 0; i < self->steps->len; i++)
    {
      const VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (takes_a_place (step) && (destination == NULL || g_strcmp0 (step->destination, destination) == 0))
        n++;
    }
  return n;
}

static gboolean
has_room (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  const VmftTarget *target = vmft_evacuation_find_target (self, step->destination);

  return target == NULL || target->limit_in == 0 || count_jobs (self, target->name) < target->limit_in;
}

static VmftEvacuationStep *
next_in_queue (VmftEvacuation *self)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (step->state == VMFT_STEP_WAITING && step->action != VMFT_ACTION_EXEC && has_room (self, step))
        return step;
    }
  return NULL;
}

static gboolean
on_retry_timer (gpointer user_data)
{
  VmftEvacuation *self = user_data;

  self->timer = 0;
  vmft_evacuation_pump (self);
  return G_SOURCE_REMOVE;
}

void
vmft_evacuation_pump (VmftEvacuation *self)
{
  VmftEvacuationStep *step = NULL;

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  while (vmft_hypervisor_is_connected (self->hypervisor) &&
         count_jobs (self, NULL) < MAX (self->config.limit_out, 1) && (step = next_in_queue (self)) != NULL)
    vmft_evacuation_begin_job (self, step);
  if (!vmft_hypervisor_is_connected (self->hypervisor) && self->timer == 0)
    self->timer = vmft_clock_add_timer (self->clock, RETRY_MS, on_retry_timer, self, NULL);
  if (self->announced || !vmft_evacuation_is_settled (self))
    return;
  self->announced = TRUE;
  g_signal_emit (self, signals[FINISHED], 0);
}

static void
add_step (VmftEvacuation *self, const VmftPlan *plan, const VmftPlanStep *plan_step)
{
  VmftEvacuationStep *step = vmft_evacuation_step_from_plan (plan, plan_step);

  /* the store's last one is not ours when the record before this could not be written */
  self->last_id = MAX (self->last_id, vmft_store_last_id (self->store, VMFT_STORE_MIGRATIONS)) + 1;
  step->id = self->last_id;
  step->planned_us = vmft_clock_real_us (self->clock);
  if (self->config.exec_command != NULL && step->action == VMFT_ACTION_MIGRATE)
    step->action = VMFT_ACTION_EXEC;
  g_ptr_array_add (self->steps, step);
  vmft_evacuation_record (self, step);
}

/* the operator's command takes all of them at once, and no place in the queue */
static void
queue_planned (VmftEvacuation *self, const VmftPlan *plan)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (step->state == VMFT_STEP_PLANNED)
        vmft_evacuation_enter (self, step, VMFT_STEP_WAITING, NULL);
    }
  if (self->config.exec_command != NULL)
    vmft_evacuation_run_command (self, plan);
}

static void
leave_queue (VmftEvacuation *self, VmftEvacuationStep *step, const char *why)
{
  if (step != NULL && (step->state == VMFT_STEP_WAITING || step->state == VMFT_STEP_PLANNED))
    vmft_evacuation_enter (self, step, VMFT_STEP_ABORTED, why);
}

/* VMs that wait get the newer plan's step, or stay when that says so; those of other incidents' plans wait on */
static void
give_way (VmftEvacuation *self, const VmftPlan *plan)
{
  for (guint i = 0; i < plan->steps->len; i++)
    leave_queue (self, find_uuid (self, ((VmftPlanStep *) g_ptr_array_index (plan->steps, i))->uuid),
                 REPLACED);
  for (guint i = 0; i < plan->refusals->len; i++)
    {
      const VmftPlanRefusal *refusal = g_ptr_array_index (plan->refusals, i);
      VmftEvacuationStep *step = find_uuid (self, refusal->uuid);

      if (step != NULL && step->incident_id == plan->incident_id)
        leave_queue (self, step, LEFT_HERE);
    }
}

void
vmft_evacuation_start (VmftEvacuation *self, const VmftPlan *plan)
{
  give_way (self, plan);
  for (guint i = 0; i < plan->steps->len; i++)
    add_step (self, plan, g_ptr_array_index (plan->steps, i));
  self->announced = FALSE;
  queue_planned (self, plan);
  vmft_evacuation_pump (self);
}

/* --- steering --- */

static void
on_switched (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (VmftEvacuationCall) call = user_data;
  g_autoptr (GError) error = NULL;
  VmftEvacuationStep *step = vmft_evacuation_find_id (call->self, call->id);

  if (vmft_hypervisor_bool_finish (call->self->hypervisor, async, &error) || step == NULL ||
      step->state != VMFT_STEP_SWITCHING)
    return;
  /* it goes on as it was; the next look at its progress may ask again */
  vmft_evacuation_enter (call->self, step, VMFT_STEP_RUNNING, error->message);
}

void
vmft_evacuation_switch (VmftEvacuation *self, const char *uuid)
{
  VmftEvacuationStep *step = find_uuid (self, uuid);

  if (step == NULL || step->state != VMFT_STEP_RUNNING ||
      !(step->allow_postcopy || step->mode == VMFT_MODE_HYBRID || step->mode == VMFT_MODE_POSTCOPY))
    return;
  vmft_evacuation_enter (self, step, VMFT_STEP_SWITCHING, "post-copy is the way that still arrives");
  vmft_hypervisor_switch_async (self->hypervisor, uuid, self->cancellable, on_switched,
                                vmft_evacuation_call_new (self, step));
}

static void
on_aborted (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (VmftEvacuationCall) call = user_data;
  g_autoptr (GError) error = NULL;

  if (!vmft_hypervisor_bool_finish (call->self->hypervisor, async, &error))
    g_message ("%s", error->message);
}

static gboolean
cancel_step (VmftEvacuation *self, VmftEvacuationStep *step, const char *reason)
{
  switch (step->state)
    {
    case VMFT_STEP_PLANNED:
    case VMFT_STEP_WAITING:
      vmft_evacuation_enter (self, step, VMFT_STEP_ABORTED, reason);
      return TRUE;
    case VMFT_STEP_RUNNING:
    case VMFT_STEP_SWITCHING:
      if (step->action != VMFT_ACTION_MIGRATE)
        return FALSE;
      g_hash_table_replace (self->aborting, g_memdup2 (&step->id, sizeof step->id), g_strdup (reason));
      vmft_hypervisor_abort_async (self->hypervisor, step->uuid, self->cancellable, on_aborted,
                                   vmft_evacuation_call_new (self, step));
      return TRUE;
    default:
      /* in post-copy there is only one way left */
      return FALSE;
    }
}

gboolean
vmft_evacuation_cancel_step (VmftEvacuation *self, guint64 id, const char *reason, GError **error)
{
  VmftEvacuationStep *step = vmft_evacuation_find_id (self, id);

  if (step == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "no migration %" G_GUINT64_FORMAT, id);
      return FALSE;
    }
  if (!cancel_step (self, step, reason))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED, "the migration of %s is %s: it cannot be aborted",
                   step->name, vmft_step_state_to_string (step->state));
      return FALSE;
    }
  vmft_evacuation_pump (self);
  return TRUE;
}

static void
on_progress (VmftHypervisor *hypervisor, const VmftProgress *progress, VmftEvacuation *self)
{
  VmftEvacuationStep *step = find_uuid (self, progress->uuid);

  if (step == NULL || !vmft_step_state_has_job (step->state))
    return;
  step->progress = *progress;
  step->progress.uuid = step->uuid;
  if (progress->postcopy && step->state != VMFT_STEP_POSTCOPY && step->state != VMFT_STEP_RECOVERING)
    {
      step->postcopy = TRUE;
      vmft_evacuation_enter (self, step, VMFT_STEP_POSTCOPY, step->message);
    }
  g_signal_emit (self, signals[PROGRESS], 0, step);
}

static void
on_connected (VmftHypervisor *hypervisor, gboolean up, VmftEvacuation *self)
{
  if (up)
    vmft_evacuation_pump (self);
}

/* --- the object --- */

VmftEvacuation *
vmft_evacuation_new (VmftHypervisor *hypervisor,
                     VmftClock *clock,
                     VmftStore *store,
                     const VmftEvacuationConfig *config)
{
  VmftEvacuation *self = g_object_new (VMFT_TYPE_EVACUATION, NULL);

  self->hypervisor = g_object_ref (hypervisor);
  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  self->config = *config;
  /* the strings are copied: a configuration may be replaced while its evacuation runs */
  self->config.save_directory = self->save_directory = g_strdup (config->save_directory);
  self->config.exec_command = self->exec_command = g_strdup (config->exec_command);
  g_signal_connect_object (hypervisor, "progress", G_CALLBACK (on_progress), self, 0);
  g_signal_connect_object (hypervisor, "connected", G_CALLBACK (on_connected), self, 0);
  return self;
}

void
vmft_evacuation_add_target (VmftEvacuation *self,
                            const char *name,
                            const char *uri,
                            const char *migrate_uri,
                            guint limit_in)
{
  VmftTarget *target = g_new0 (VmftTarget, 1);

  for (guint i = 0; i < self->targets->len; i++)
    {
      if (g_strcmp0 (((VmftTarget *) g_ptr_array_index (self->targets, i))->name, name) == 0)
        g_ptr_array_remove_index (self->targets, i--);
    }
  target->name = g_strdup (name);
  target->uri = g_strdup (uri);
  target->migrate_uri = migrate_uri != NULL && migrate_uri[0] != '\0' ? g_strdup (migrate_uri) : NULL;
  target->limit_in = limit_in;
  g_ptr_array_add (self->targets, target);
}

void
vmft_evacuation_set_barred (VmftEvacuation *self, VmftIsBarred func, gpointer user_data)
{
  self->barred = func;
  self->barred_data = user_data;
}

void
vmft_evacuation_set_next_target (VmftEvacuation *self, VmftNextTarget func, gpointer user_data)
{
  self->next_target = func;
  self->next_target_data = user_data;
}

const GPtrArray *
vmft_evacuation_get_steps (VmftEvacuation *self)
{
  return self->steps;
}

const VmftEvacuationStep *
vmft_evacuation_find (VmftEvacuation *self, const char *uuid)
{
  return find_uuid (self, uuid);
}

void
vmft_evacuation_abandon (VmftEvacuation *self)
{
  g_cancellable_cancel (self->cancellable);
  vmft_clear_timer (self->clock, &self->timer);
}

static void
vmft_evacuation_finalize (GObject *object)
{
  VmftEvacuation *self = VMFT_EVACUATION (object);

  vmft_clear_timer (self->clock, &self->timer);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->hypervisor);
  g_clear_object (&self->clock);
  g_clear_object (&self->store);
  g_free (self->save_directory);
  g_free (self->exec_command);
  g_ptr_array_unref (self->targets);
  g_ptr_array_unref (self->steps);
  g_hash_table_unref (self->aborting);
  G_OBJECT_CLASS (vmft_evacuation_parent_class)->finalize (object);
}

static void
vmft_evacuation_class_init (VmftEvacuationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_evacuation_finalize;
  signals[STEP_CHANGED] = g_signal_new ("step-changed", VMFT_TYPE_EVACUATION, G_SIGNAL_RUN_LAST, 0, NULL,
                                        NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[PROGRESS] = g_signal_new ("progress", VMFT_TYPE_EVACUATION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[FINISHED] =
      g_signal_new ("finished", VMFT_TYPE_EVACUATION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
vmft_evacuation_init (VmftEvacuation *self)
{
  self->targets = g_ptr_array_new_with_free_func ((GDestroyNotify) target_free);
  self->steps = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_evacuation_step_free);
  self->aborting = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  self->cancellable = g_cancellable_new ();
}
