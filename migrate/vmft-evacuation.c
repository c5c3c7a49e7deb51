/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-evacuation.h"

#include "vmft-migration-params.h"

/* libvirtd away: the VM waits in the queue */
#define RETRY_MS 2000
/* a broken post-copy job: both ends need a moment to see their sockets dead */
#define RESUME_MIN_MS 1000
#define RESUME_MAX_MS 10000

struct _VmftEvacuation
{
  GObject parent;

  VmftHypervisor *hypervisor;
  VmftClock *clock;
  VmftStore *store;
  VmftEvacuationConfig config;
  GPtrArray *targets; /* of VmftTarget */
  GPtrArray *steps;   /* of VmftEvacuationStep, in order */
  VmftNextTarget next_target;
  gpointer next_target_data;
  GCancellable *cancellable;
  GHashTable *aborting; /* ids of steps whose job is to end; "why" as value */
  guint64 last_id;
  guint timer;
  gboolean announced; /* `finished` was emitted for the steps there are */
};

G_DEFINE_FINAL_TYPE (VmftEvacuation, vmft_evacuation, G_TYPE_OBJECT)

enum
{
  STEP_CHANGED,
  PROGRESS,
  FINISHED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* what a pending call is about; keeps the evacuation alive */
typedef struct
{
  VmftEvacuation *self;
  guint64 id;
  guint delay_ms;      /* before the next attempt to resume */
  gboolean reattached; /* to a job of an earlier vmftd */
} Call;

static void pump (VmftEvacuation *self);
static void resume_later (VmftEvacuation *self, VmftEvacuationStep *step, guint delay_ms);

static void
target_free (VmftTarget *target)
{
  g_free (target->name);
  g_free (target->uri);
  g_free (target->migrate_uri);
  g_free (target);
}

static Call *
call_new (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  Call *call = g_new0 (Call, 1);

  call->self = g_object_ref (self);
  call->id = step->id;
  call->delay_ms = RESUME_MIN_MS;
  return call;
}

static void
call_free (Call *call)
{
  g_object_unref (call->self);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

static VmftEvacuationStep *
find_id (VmftEvacuation *self, guint64 id)
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

static const VmftTarget *
find_target (VmftEvacuation *self, const char *name)
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
static void
record (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  g_autoptr (GError) error = NULL;

  if (!vmft_store_put_id (self->store, VMFT_STORE_MIGRATIONS, step->id, step->planned_us,
                          vmft_evacuation_step_to_variant (step), &error))
    g_warning ("the migration of %s is not recorded: %s", step->name, error->message);
}

static void
enter (VmftEvacuation *self, VmftEvacuationStep *step, VmftStepState state, const char *message)
{
  if (vmft_step_state_is_over (step->state))
    return;
  step->state = state;
  if (message != step->message)
    {
      g_free (step->message);
      step->message = g_strdup (message);
    }
  if (vmft_step_state_is_over (state))
    step->ended_us = vmft_clock_real_us (self->clock);
  record (self, step);
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

/* --- where to --- */

static gboolean
was_tried (const VmftEvacuationStep *step, const char *name)
{
  return g_ptr_array_find_with_equal_func (step->tried, name, g_str_equal, NULL);
}

static char *
choose_next (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  if (self->next_target != NULL)
    return self->next_target (step, self->next_target_data);
  for (guint i = 0; i < self->targets->len; i++)
    {
      const VmftTarget *target = g_ptr_array_index (self->targets, i);

      if (!was_tried (step, target->name))
        return g_strdup (target->name);
    }
  return NULL;
}

static void
refused (VmftEvacuation *self, VmftEvacuationStep *step, const char *why)
{
  g_autofree char *next = NULL;
  g_autofree char *message = NULL;

  g_ptr_array_add (step->tried, g_strdup (step->destination));
  if (step->attempts < self->config.max_attempts)
    next = choose_next (self, step);
  if (next == NULL || find_target (self, next) == NULL || was_tried (step, next))
    {
      enter (self, step, VMFT_STEP_FAILED, why);
      return;
    }
  message = g_strdup_printf ("%s refused it (%s); %s is next", step->destination, why, next);
  g_free (step->destination);
  step->destination = g_steal_pointer (&next);
  step->has_outcome = FALSE;
  enter (self, step, VMFT_STEP_WAITING, message);
}

/* --- the end of a job --- */

static void
take_result (VmftEvacuationStep *step, const VmftResult *result)
{
  step->has_outcome = TRUE;
  step->outcome = result->outcome;
  step->total_s = result->total_s;
  step->downtime_s = result->downtime_s;
  step->transferred_bytes = result->transferred_bytes;
  step->iterations = result->iterations;
  step->postcopy |= result->postcopy;
}

static void
finish_job (VmftEvacuation *self,
            VmftEvacuationStep *step,
            const VmftResult *result,
            gboolean call_was_ours,
            guint delay_ms)
{
  const char *why = g_hash_table_lookup (self->aborting, &step->id);

  take_result (step, result);
  switch (result->outcome)
    {
    case VMFT_OUTCOME_COMPLETED:
      enter (self, step, VMFT_STEP_COMPLETED, NULL);
      break;
    case VMFT_OUTCOME_ABORTED:
      enter (self, step, VMFT_STEP_ABORTED, why != NULL ? why : result->message);
      break;
    case VMFT_OUTCOME_PAUSED:
      enter (self, step, VMFT_STEP_RECOVERING, result->message);
      resume_later (self, step, delay_ms);
      break;
    case VMFT_OUTCOME_FAILED:
      if (call_was_ours && result->refused && why == NULL)
        refused (self, step, result->message);
      else if (!call_was_ours && !step->peer_to_peer)
        enter (self, step, VMFT_STEP_ABORTED, "the job ended with the vmftd that had started it");
      else
        enter (self, step, VMFT_STEP_FAILED, result->message);
      break;
    case VMFT_OUTCOME_LOST:
    default:
      enter (self, step, VMFT_STEP_FAILED, result->message);
      break;
    }
}

/* no job came of it */
static void
not_started (VmftEvacuation *self, VmftEvacuationStep *step, const GError *error, guint delay_ms)
{
  if (step->state == VMFT_STEP_RECOVERING)
    resume_later (self, step, delay_ms);
  else if (g_error_matches (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE))
    enter (self, step, VMFT_STEP_WAITING, error->message);
  else
    enter (self, step, VMFT_STEP_FAILED, error->message);
}

static void
on_job_done (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  VmftEvacuation *self = call->self;
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftResult) result = vmft_hypervisor_migrate_finish (self->hypervisor, async, &error);
  VmftEvacuationStep *step = find_id (self, call->id);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || step == NULL)
    return;
  if (result != NULL)
    finish_job (self, step, result, !call->reattached, MIN (call->delay_ms * 2, RESUME_MAX_MS));
  else
    not_started (self, step, error, MIN (call->delay_ms * 2, RESUME_MAX_MS));
  pump (self);
}

/* --- the beginning of a job --- */

static double
working_set_bytes (VmftEvacuation *self, const VmftVm *vm)
{
  VmftDirtyCurve curve;

  if (vm == NULL || vm->dirty_samples->len == 0)
    return 0.0;
  vmft_dirty_curve_fit (&curve, (const VmftDirtySample *) (gpointer) vm->dirty_samples->data,
                        vm->dirty_samples->len, (double) vm->memory_bytes, vmft_clock_real_us (self->clock),
                        3600.0);
  return curve.working_set_bytes;
}

static VmftMigrationSpec *
make_spec (VmftEvacuation *self, const VmftEvacuationStep *step, const VmftVm *vm)
{
  const VmftEvacuationConfig *config = &self->config;
  VmftMigrationSpec *spec = vmft_migration_spec_new (step->uuid, step->mode);

  spec->destination = g_strdup (step->destination);
  spec->destination_uri = g_strdup (step->destination_uri);
  spec->migrate_uri = g_strdup (step->migrate_uri);
  spec->peer_to_peer = step->peer_to_peer;
  spec->allow_postcopy |= step->allow_postcopy;
  spec->bandwidth_bps = config->bandwidth_bps;
  spec->postcopy_bandwidth_bps = config->postcopy_bandwidth_bps;
  spec->auto_converge_initial = config->auto_converge_initial;
  spec->auto_converge_increment = config->auto_converge_increment;
  spec->copy_storage = config->copy_storage;
  spec->tls = config->tls;
  spec->max_downtime_ms = config->max_downtime_ms;
  /* QEMU takes multifd neither with post-copy nor with XBZRLE */
  if (!spec->allow_postcopy && step->mode != VMFT_MODE_XBZRLE)
    spec->parallel_connections = config->parallel_connections;
  if (vm == NULL)
    return spec;
  spec->persistent = config->persistent && vm->persistent;
  if (vm->policy.max_downtime_ms > 0)
    spec->max_downtime_ms = vm->policy.max_downtime_ms;
  if (step->mode == VMFT_MODE_XBZRLE)
    spec->xbzrle_cache_bytes =
        config->xbzrle_cache_bytes > 0
            ? config->xbzrle_cache_bytes
            : vmft_xbzrle_cache_bytes ((guint64) working_set_bytes (self, vm), vm->memory_bytes);
  return spec;
}

static VmftVm *
lookup_vm (VmftEvacuation *self, const char *uuid)
{
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (self->hypervisor);

  for (guint i = 0; i < vms->len; i++)
    {
      VmftVm *vm = g_ptr_array_index (vms, i);

      if (g_strcmp0 (vm->uuid, uuid) == 0)
        return vmft_vm_ref (vm);
    }
  return NULL;
}

static void
begin_job (VmftEvacuation *self, VmftEvacuationStep *step)
{
  const VmftTarget *target = find_target (self, step->destination);
  g_autoptr (VmftVm) vm = lookup_vm (self, step->uuid);
  g_autoptr (VmftMigrationSpec) spec = NULL;

  if (target == NULL)
    {
      enter (self, step, VMFT_STEP_FAILED, "no such destination");
      return;
    }
  if (vm == NULL || !vm->running)
    {
      enter (self, step, VMFT_STEP_ABORTED, "it no longer runs here");
      return;
    }
  g_free (step->destination_uri);
  g_free (step->migrate_uri);
  step->destination_uri = g_strdup (target->uri);
  step->migrate_uri = g_strdup (target->migrate_uri);
  step->peer_to_peer = self->config.peer_to_peer;
  step->started_us = vmft_clock_real_us (self->clock);
  step->attempts++;
  memset (&step->progress, 0, sizeof step->progress);
  enter (self, step, VMFT_STEP_RUNNING, step->message);
  spec = make_spec (self, step, vm);
  vmft_hypervisor_migrate_async (self->hypervisor, spec, self->cancellable, on_job_done,
                                 call_new (self, step));
}

static gboolean
on_resume_timer (gpointer user_data)
{
  Call *call = user_data;
  VmftEvacuation *self = call->self;
  VmftEvacuationStep *step = find_id (self, call->id);
  g_autoptr (VmftMigrationSpec) spec = NULL;
  Call *next = NULL;

  if (step == NULL || step->state != VMFT_STEP_RECOVERING || g_cancellable_is_cancelled (self->cancellable))
    return G_SOURCE_REMOVE;
  spec = make_spec (self, step, NULL);
  spec->resume = TRUE;
  step->attempts++;
  record (self, step);
  next = call_new (self, step);
  next->delay_ms = call->delay_ms;
  vmft_hypervisor_migrate_async (self->hypervisor, spec, self->cancellable, on_job_done, next);
  return G_SOURCE_REMOVE;
}

/* as long as both halves of the guest exist, they can be brought together again: there is no giving up */
static void
resume_later (VmftEvacuation *self, VmftEvacuationStep *step, guint delay_ms)
{
  Call *call = call_new (self, step);

  call->delay_ms = delay_ms;
  vmft_clock_add_timer (self->clock, delay_ms, on_resume_timer, call, (GDestroyNotify) call_free);
}

/* --- the queue --- */

static guint
count_jobs (VmftEvacuation *self, const char *destination)
{
  guint n = 0;

  for (guint i = 0; i < self->steps->len; i++)
    {
      const VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (vmft_step_state_has_job (step->state) &&
          (destination == NULL || g_strcmp0 (step->destination, destination) == 0))
        n++;
    }
  return n;
}

static gboolean
has_room (VmftEvacuation *self, const VmftEvacuationStep *step)
{
  const VmftTarget *target = find_target (self, step->destination);

  return target == NULL || target->limit_in == 0 || count_jobs (self, target->name) < target->limit_in;
}

static VmftEvacuationStep *
next_in_queue (VmftEvacuation *self)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (step->state == VMFT_STEP_WAITING && has_room (self, step))
        return step;
    }
  return NULL;
}

static gboolean
on_retry_timer (gpointer user_data)
{
  VmftEvacuation *self = user_data;

  self->timer = 0;
  pump (self);
  return G_SOURCE_REMOVE;
}

static void
pump (VmftEvacuation *self)
{
  VmftEvacuationStep *step = NULL;

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  while (vmft_hypervisor_is_connected (self->hypervisor) &&
         count_jobs (self, NULL) < MAX (self->config.limit_out, 1) && (step = next_in_queue (self)) != NULL)
    begin_job (self, step);
  if (!vmft_hypervisor_is_connected (self->hypervisor) && self->timer == 0)
    self->timer = vmft_clock_add_timer (self->clock, RETRY_MS, on_retry_timer, self, NULL);
  if (self->announced || !vmft_evacuation_is_finished (self))
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
  g_ptr_array_add (self->steps, step);
  record (self, step);
}

static void
queue_planned (VmftEvacuation *self)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (step->state == VMFT_STEP_PLANNED)
        enter (self, step, VMFT_STEP_WAITING, NULL);
    }
}

void
vmft_evacuation_start (VmftEvacuation *self, const VmftPlan *plan)
{
  for (guint i = 0; i < plan->steps->len; i++)
    add_step (self, plan, g_ptr_array_index (plan->steps, i));
  self->announced = FALSE;
  queue_planned (self);
  pump (self);
}

/* --- a new plan --- */

static const VmftPlanStep *
find_in_plan (const VmftPlan *plan, const char *uuid)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *step = g_ptr_array_index (plan->steps, i);

      if (g_strcmp0 (step->uuid, uuid) == 0)
        return step;
    }
  return NULL;
}

static void
empty_queue (VmftEvacuation *self, const VmftPlan *plan)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (self->steps, i);

      if (step->state == VMFT_STEP_WAITING || step->state == VMFT_STEP_PLANNED)
        enter (self, step, VMFT_STEP_ABORTED,
               find_in_plan (plan, step->uuid) != NULL ? "a new plan took its place"
                                                       : "the new plan leaves it here");
    }
}

void
vmft_evacuation_replan (VmftEvacuation *self, const VmftPlan *plan)
{
  empty_queue (self, plan);
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const VmftPlanStep *plan_step = g_ptr_array_index (plan->steps, i);
      const VmftEvacuationStep *before = find_uuid (self, plan_step->uuid);

      if (before == NULL || before->state == VMFT_STEP_FAILED || before->state == VMFT_STEP_ABORTED)
        add_step (self, plan, plan_step);
    }
  self->announced = FALSE;
  queue_planned (self);
  pump (self);
}

/* --- steering --- */

static void
on_switched (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  VmftEvacuationStep *step = find_id (call->self, call->id);

  if (vmft_hypervisor_bool_finish (call->self->hypervisor, async, &error) || step == NULL ||
      step->state != VMFT_STEP_SWITCHING)
    return;
  /* it goes on as it was; the next look at its progress may ask again */
  enter (call->self, step, VMFT_STEP_RUNNING, error->message);
}

void
vmft_evacuation_switch (VmftEvacuation *self, const char *uuid)
{
  VmftEvacuationStep *step = find_uuid (self, uuid);

  if (step == NULL || step->state != VMFT_STEP_RUNNING ||
      !(step->allow_postcopy || step->mode == VMFT_MODE_HYBRID || step->mode == VMFT_MODE_POSTCOPY))
    return;
  enter (self, step, VMFT_STEP_SWITCHING, "post-copy is the way that still arrives");
  vmft_hypervisor_switch_async (self->hypervisor, uuid, self->cancellable, on_switched,
                                call_new (self, step));
}

static void
on_aborted (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
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
      enter (self, step, VMFT_STEP_ABORTED, reason);
      return TRUE;
    case VMFT_STEP_RUNNING:
    case VMFT_STEP_SWITCHING:
      g_hash_table_replace (self->aborting, g_memdup2 (&step->id, sizeof step->id), g_strdup (reason));
      vmft_hypervisor_abort_async (self->hypervisor, step->uuid, self->cancellable, on_aborted,
                                   call_new (self, step));
      return TRUE;
    default:
      /* in post-copy there is only one way left */
      return FALSE;
    }
}

void
vmft_evacuation_cancel (VmftEvacuation *self, const char *reason)
{
  for (guint i = 0; i < self->steps->len; i++)
    cancel_step (self, g_ptr_array_index (self->steps, i), reason);
  pump (self);
}

gboolean
vmft_evacuation_cancel_step (VmftEvacuation *self, guint64 id, const char *reason, GError **error)
{
  VmftEvacuationStep *step = find_id (self, id);

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
  pump (self);
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
      enter (self, step, VMFT_STEP_POSTCOPY, step->message);
    }
  g_signal_emit (self, signals[PROGRESS], 0, step);
}

static void
on_connected (VmftHypervisor *hypervisor, gboolean up, VmftEvacuation *self)
{
  if (up)
    pump (self);
}

/* --- after a restart --- */

static gboolean
collect_unfinished (const char *key, VmftTime time_us, GVariant *stored, gpointer user_data)
{
  GPtrArray *steps = user_data;
  g_autoptr (GError) error = NULL;
  VmftEvacuationStep *step = vmft_evacuation_step_from_variant (stored, &error);

  if (step == NULL)
    g_warning ("migration %s: %s", key, error->message);
  else if (vmft_step_state_is_over (step->state))
    vmft_evacuation_step_free (step);
  else
    g_ptr_array_add (steps, step);
  return TRUE;
}

static void
watch (VmftEvacuation *self, VmftEvacuationStep *step)
{
  Call *call = call_new (self, step);

  call->reattached = TRUE;
  vmft_hypervisor_watch_job_async (self->hypervisor, step->uuid, step->destination_uri, self->cancellable,
                                   on_job_done, call);
}

guint
vmft_evacuation_reattach (VmftEvacuation *self)
{
  g_autoptr (GPtrArray) steps = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  guint n = 0;

  if (!vmft_store_foreach (self->store, VMFT_STORE_MIGRATIONS, VMFT_STORE_BY_KEY, 0, collect_unfinished,
                           steps, &error))
    g_warning ("unfinished migrations are unknown: %s", error->message);
  for (guint i = 0; i < steps->len; i++)
    {
      VmftEvacuationStep *step = g_ptr_array_index (steps, i);

      g_ptr_array_add (self->steps, step);
      self->announced = FALSE;
      if (!vmft_step_state_has_job (step->state))
        {
          enter (self, step, VMFT_STEP_ABORTED, "vmftd was restarted before it began");
          continue;
        }
      /* a direct job ends with its client: if it runs nowhere else, the watch finds the VM where it was */
      watch (self, step);
      n++;
    }
  pump (self);
  return n;
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
