/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations by plain physics: bytes, bandwidth, and a guest that goes on writing. Written against QEMU's behaviour, not
 * against the estimator's formulas, which it is there to put to the test. */
#include "vmft-fake-private.h"

#include <math.h>

#define TICK_MS            100
#define TICK_S             (TICK_MS / 1000.0)
#define STARTUP_S          0.35
#define DOWNTIME_DEFAULT_S 0.3
#define DEVICE_STATE_S     0.003
#define LINK_TIMEOUT_S     3.0
#define PROGRESS_US        500000
#define PRECOPY_CAP        0.99

double
vmft_fake_unique_bytes (const VmftFakeVm *vm, double seconds, double rate_share)
{
  double wrote = vm->dirty_bps * rate_share * seconds;
  double set = vm->working_set_bytes;

  if (wrote <= 0.0 || set <= 0.0)
    return 0.0;
  return vm->sweep ? MIN (wrote, set) : set * (1.0 - exp (-wrote / set));
}

gboolean
vmft_fake_job_in_postcopy (const FakeJob *job)
{
  return job->phase == FAKE_JOB_POSTCOPY || job->phase == FAKE_JOB_BROKEN;
}

void
vmft_fake_job_free (FakeJob *job)
{
  vmft_migration_spec_free (job->spec);
  g_ptr_array_unref (job->tasks);
  g_free (job);
}

/* --- the end --- */

static VmftResult *
make_result (const FakeJob *job, VmftOutcome outcome, const char *message)
{
  VmftResult *result = g_new0 (VmftResult, 1);

  result->outcome = outcome;
  result->total_s = job->elapsed_s;
  result->downtime_s = outcome == VMFT_OUTCOME_COMPLETED ? job->downtime_s : -1.0;
  result->transferred_bytes = (guint64) job->sent_bytes;
  result->iterations = job->iteration;
  result->postcopy = vmft_fake_job_in_postcopy (job);
  result->refused = outcome == VMFT_OUTCOME_FAILED && job->phase == FAKE_JOB_STARTING;
  result->message = g_strdup (message);
  return result;
}

static void
answer (FakeJob *job, VmftOutcome outcome, const char *message)
{
  while (job->tasks->len > 0)
    {
      g_autoptr (GTask) task = g_object_ref (g_ptr_array_index (job->tasks, 0));

      g_ptr_array_remove_index (job->tasks, 0);
      g_task_return_pointer (task, make_result (job, outcome, message), (GDestroyNotify) vmft_result_free);
    }
}

void
vmft_fake_job_end (FakeJob *job, VmftOutcome outcome, const char *message)
{
  VmftFakeWorld *world = job->guest->world;
  FakeGuest *guest = job->guest;

  if (outcome == VMFT_OUTCOME_COMPLETED)
    {
      guest->host = job->destination;
      guest->id = ++world->last_id;
      g_array_set_size (guest->samples, 0);
      vmft_fake_run_on (guest, job->destination);
    }
  else if (outcome == VMFT_OUTCOME_LOST)
    vmft_fake_lose (guest, message);
  else
    vmft_fake_run_on (guest, job->source);
  answer (job, outcome, message);
  guest->job = NULL;
  vmft_fake_tell_changed (world, guest->uuid);
  g_ptr_array_remove (world->jobs, job);
}

/* both halves exist and neither is whole */
void
vmft_fake_job_break (FakeJob *job, const char *why)
{
  job->phase = FAKE_JOB_BROKEN;
  vmft_fake_run_on (job->guest, NULL);
  answer (job, VMFT_OUTCOME_PAUSED, why);
}

void
vmft_fake_job_switch (FakeJob *job)
{
  const VmftFakeVm *vm = &job->guest->spec;

  if (job->phase != FAKE_JOB_PRECOPY)
    return;
  /* what this round has left, and what was written over since it began */
  job->remaining_bytes += vmft_fake_unique_bytes (vm, job->round_s, 1.0 - job->throttle);
  job->remaining_bytes = MIN (job->remaining_bytes, (double) vm->resident_bytes);
  job->phase = FAKE_JOB_POSTCOPY;
  job->iteration++;
  job->downtime_s = DEVICE_STATE_S;
  vmft_fake_run_on (job->guest, NULL);
  vmft_fake_run_on (job->guest, job->destination);
}

/* --- a moment of it --- */

static guint
count_on_link (VmftFakeWorld *world, const FakeHost *host)
{
  guint n = 0;

  for (guint i = 0; i < world->jobs->len; i++)
    {
      const FakeJob *job = g_ptr_array_index (world->jobs, i);

      if ((job->source == host || job->destination == host) && job->phase != FAKE_JOB_STARTING &&
          job->phase != FAKE_JOB_BROKEN)
        n++;
    }
  return MAX (n, 1);
}

static double
bandwidth (FakeJob *job)
{
  VmftFakeWorld *world = job->guest->world;
  double share = MIN (job->source->link_bps / count_on_link (world, job->source),
                      job->destination->link_bps / count_on_link (world, job->destination));
  guint64 cap =
      vmft_fake_job_in_postcopy (job) ? job->spec->postcopy_bandwidth_bps : job->spec->bandwidth_bps;

  if (!job->source->alive || !job->destination->alive)
    return 0.0;
  return cap > 0 ? MIN (share, (double) cap) : share;
}

static double
downtime_limit_s (const FakeJob *job)
{
  return job->spec->max_downtime_ms > 0 ? job->spec->max_downtime_ms / 1000.0 : DOWNTIME_DEFAULT_S;
}

/* bytes on the wire for the pages of one resend */
static double
resend_cost (const FakeJob *job, double bytes)
{
  const VmftFakeVm *vm = &job->guest->spec;

  if (job->spec->mode != VMFT_MODE_XBZRLE || job->iteration < 2 ||
      (double) job->spec->xbzrle_cache_bytes < vm->working_set_bytes)
    return bytes;
  return bytes * vm->xbzrle_factor;
}

static void
next_round (FakeJob *job, double rate_bps)
{
  double dirty = vmft_fake_unique_bytes (&job->guest->spec, job->round_s, 1.0 - job->throttle);
  double cost = resend_cost (job, dirty);

  job->iteration++;
  if (job->spec->mode == VMFT_MODE_AUTO_CONVERGE && job->iteration > 2)
    {
      guint step =
          job->throttle > 0.0 ? job->spec->auto_converge_increment : job->spec->auto_converge_initial;

      job->throttle = MIN (job->throttle + MAX (step, 10) / 100.0, PRECOPY_CAP);
    }
  job->round_s = 0.0;
  job->remaining_bytes = cost;
  if (cost <= rate_bps * downtime_limit_s (job))
    {
      job->phase = FAKE_JOB_STOPPING;
      job->downtime_s = cost / rate_bps + DEVICE_STATE_S;
      vmft_fake_run_on (job->guest, NULL);
      return;
    }
  if (job->spec->mode == VMFT_MODE_HYBRID && job->iteration >= 2)
    vmft_fake_job_switch (job);
}

static void
begin (FakeJob *job)
{
  if (job->destination->refusal != NULL || !job->destination->alive || !job->destination->libvirtd ||
      job->destination->link_bps <= 0.0 || job->source->link_bps <= 0.0)
    {
      g_autofree char *why =
          g_strdup (job->destination->refusal != NULL ? job->destination->refusal : "unable to connect");

      vmft_fake_job_end (job, job->aborted ? VMFT_OUTCOME_ABORTED : VMFT_OUTCOME_FAILED, why);
      return;
    }
  if (job->aborted)
    {
      vmft_fake_job_end (job, VMFT_OUTCOME_ABORTED, "canceled by client");
      return;
    }
  job->phase = FAKE_JOB_PRECOPY;
  job->iteration = 1;
  job->remaining_bytes = (double) job->guest->spec.resident_bytes;
  if (job->spec->mode == VMFT_MODE_POSTCOPY)
    vmft_fake_job_switch (job);
}

/* Returns: whether the job still exists */
static gboolean
advance_without_link (FakeJob *job)
{
  job->silent_s += TICK_S;
  if (job->silent_s < LINK_TIMEOUT_S)
    return TRUE;
  if (job->phase == FAKE_JOB_POSTCOPY)
    {
      vmft_fake_job_break (job, "the link broke in post-copy");
      return TRUE;
    }
  vmft_fake_job_end (job, job->aborted ? VMFT_OUTCOME_ABORTED : VMFT_OUTCOME_FAILED,
                     "unable to write to socket");
  return FALSE;
}

static void
tell_progress (FakeJob *job)
{
  gint64 now_us = vmft_clock_monotonic_us (job->guest->world->clock);
  VmftProgress progress = { .uuid = job->guest->uuid,
                            .iteration = job->iteration,
                            .postcopy = vmft_fake_job_in_postcopy (job),
                            .elapsed_s = job->elapsed_s,
                            .total_bytes = job->guest->spec.resident_bytes,
                            .processed_bytes = (guint64) job->sent_bytes,
                            .remaining_bytes = (guint64) MAX (job->remaining_bytes, 0.0),
                            .throughput_bps = (guint64) job->throughput_bps,
                            .page_bytes = 4096 };

  if (now_us - job->progress_us < PROGRESS_US || job->phase == FAKE_JOB_STARTING || !job->source->libvirtd)
    return;
  if (job->round_s > 0.0)
    progress.dirty_bps =
        (guint64) (vmft_fake_unique_bytes (&job->guest->spec, job->round_s, 1.0 - job->throttle) /
                   job->round_s);
  job->progress_us = now_us;
  vmft_fake_tell_progress (job->guest->world, job->source, &progress);
}

static void
advance (FakeJob *job)
{
  double rate_bps;
  double sent_bytes;

  job->elapsed_s += TICK_S;
  if (job->phase == FAKE_JOB_BROKEN)
    return;
  if (job->phase == FAKE_JOB_STARTING)
    {
      job->phase_s += TICK_S;
      if (job->phase_s >= STARTUP_S)
        begin (job);
      return;
    }
  if (job->aborted && !vmft_fake_job_in_postcopy (job))
    {
      vmft_fake_job_end (job, VMFT_OUTCOME_ABORTED, "canceled by client");
      return;
    }
  rate_bps = bandwidth (job);
  if (rate_bps <= 0.0)
    {
      advance_without_link (job);
      return;
    }
  job->silent_s = 0.0;
  sent_bytes = MIN (job->remaining_bytes, rate_bps * TICK_S);
  job->throughput_bps = rate_bps;
  job->round_s += TICK_S;
  job->sent_bytes += sent_bytes;
  job->remaining_bytes -= sent_bytes;
  if (job->remaining_bytes > 0.5)
    tell_progress (job);
  else if (job->phase == FAKE_JOB_PRECOPY)
    next_round (job, rate_bps);
  else
    vmft_fake_job_end (job, VMFT_OUTCOME_COMPLETED, NULL);
}

/* jobs come and go while they are visited: visit a list of one's own, and ask whether each still exists */
GPtrArray *
vmft_fake_list_jobs (VmftFakeWorld *world)
{
  GPtrArray *jobs = g_ptr_array_new ();

  g_ptr_array_extend (jobs, world->jobs, NULL, NULL);
  return jobs;
}

static gboolean
on_tick (gpointer user_data)
{
  VmftFakeWorld *world = user_data;
  g_autoptr (GPtrArray) jobs = vmft_fake_list_jobs (world);

  for (guint i = 0; i < jobs->len; i++)
    {
      FakeJob *job = g_ptr_array_index (jobs, i);

      /* a listener of one job may have ended another */
      if (g_ptr_array_find (world->jobs, job, NULL))
        advance (job);
    }
  if (world->jobs->len > 0)
    return G_SOURCE_CONTINUE;
  world->tick = 0;
  return G_SOURCE_REMOVE;
}

/* --- whoever waited for it --- */

void
vmft_fake_job_forget_client (FakeJob *job, gpointer client)
{
  for (guint i = job->tasks->len; i > 0; i--)
    {
      g_autoptr (GTask) task = g_object_ref (g_ptr_array_index (job->tasks, i - 1));

      if (g_task_get_source_object (task) != client)
        continue;
      g_ptr_array_remove_index (job->tasks, i - 1);
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the client was killed");
    }
  if (job->client == client && !vmft_fake_job_in_postcopy (job))
    vmft_fake_job_end (job, VMFT_OUTCOME_FAILED, "the client went away");
}

/* --- the beginning --- */

void
vmft_fake_job_start (FakeGuest *guest, const VmftMigrationSpec *spec, gpointer client, GTask *task)
{
  VmftFakeWorld *world = guest->world;
  FakeJob *job = g_new0 (FakeJob, 1);

  job->guest = guest;
  job->source = guest->host;
  job->destination = vmft_fake_find_host_by_uri (world, spec->destination_uri);
  job->spec = vmft_migration_spec_copy (spec);
  job->client = client;
  job->progress_us = vmft_clock_monotonic_us (world->clock);
  job->tasks = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (job->tasks, g_object_ref (task));
  guest->job = job;
  g_ptr_array_add (world->jobs, job);
  if (world->tick == 0)
    world->tick = vmft_clock_add_timer (world->clock, TICK_MS, on_tick, world, NULL);
}

void
vmft_fake_job_resume (FakeJob *job, GTask *task)
{
  g_ptr_array_add (job->tasks, g_object_ref (task));
  if (bandwidth (job) <= 0.0 || !job->destination->libvirtd)
    {
      answer (job, VMFT_OUTCOME_PAUSED, "unable to connect");
      return;
    }
  job->phase = FAKE_JOB_POSTCOPY;
  job->silent_s = 0.0;
  vmft_fake_run_on (job->guest, job->destination);
}
