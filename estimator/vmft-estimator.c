/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-estimator.h"

#include "vmft-accuracy.h"
#include "vmft-forecast.h"
#include "vmft-models.h"
#include "vmft-pair.h"

#include <math.h>

#define Z90        1.2815515655446004
#define NODE_Z     1.3556261799742659
#define MIN_SIGMA  0.02
#define TYPICAL    ""
#define MAX_VMS    10000
#define CAP_MARGIN 0.9

/* What a VM's own jobs have taught. */
typedef struct
{
  double ln_volume_ratio;
  double xbzrle_factor;
} VmMemory;

/* A forecast whose job runs: with the load, which is not stored, c can be solved for at its end. */
typedef struct
{
  VmftForecast *forecast;
  VmftLoad load;
} OpenJob;

struct _VmftEstimator
{
  GObject parent;

  VmftStore *store;
  GHashTable *pairs; /* destination -> VmftPair; TYPICAL pools all */
  GHashTable *vms;   /* uuid -> VmMemory */
  GHashTable *open;  /* id -> OpenJob */
  VmftAccuracyBook *book;
  guint64 last_id;
  guint n_skipped;
};

G_DEFINE_FINAL_TYPE (VmftEstimator, vmft_estimator, G_TYPE_OBJECT)

static void
open_job_free (OpenJob *job)
{
  vmft_forecast_free (job->forecast);
  g_free (job);
}

static VmftPair *
get_pair (VmftEstimator *self, const char *destination)
{
  VmftPair *pair = g_hash_table_lookup (self->pairs, destination);

  if (pair == NULL)
    {
      pair = vmft_pair_new ();
      g_hash_table_insert (self->pairs, g_strdup (destination), pair);
    }
  return pair;
}

static VmftPair *
lookup_pair (VmftEstimator *self, const char *destination)
{
  return g_hash_table_lookup (self->pairs, destination != NULL ? destination : TYPICAL);
}

static VmMemory *
get_vm_memory (VmftEstimator *self, const char *uuid)
{
  VmMemory *memory = g_hash_table_lookup (self->vms, uuid);

  if (memory == NULL)
    {
      if (g_hash_table_size (self->vms) >= MAX_VMS)
        g_hash_table_remove_all (self->vms);
      memory = g_new0 (VmMemory, 1);
      g_hash_table_insert (self->vms, g_strdup (uuid), memory);
    }
  return memory;
}

static void
learn_vm (VmftEstimator *self, const VmftForecast *forecast)
{
  /* only where hardly anything was sent twice do the bytes tell the volume */
  gboolean clean = forecast->mode == VMFT_MODE_POSTCOPY || forecast->bytes < 1.03 * forecast->volume_bytes;
  VmMemory *memory;

  if (forecast->actual_bytes <= 0.0 || forecast->volume_bytes <= 0.0)
    return;
  memory = get_vm_memory (self, forecast->uuid);
  if (forecast->completed && clean && forecast->iterations <= 4 && forecast->storage_s <= 0.0)
    {
      double error = log (forecast->actual_bytes / forecast->volume_bytes);

      /* the forecast had the ratio of the time in it: half of what is still wrong is taken over */
      memory->ln_volume_ratio = CLAMP (memory->ln_volume_ratio + 0.5 * error, -G_LN2, G_LN2);
    }
  if (forecast->xbzrle_factor > 0.0)
    memory->xbzrle_factor = memory->xbzrle_factor > 0.0
                                ? 0.5 * (memory->xbzrle_factor + forecast->xbzrle_factor)
                                : forecast->xbzrle_factor;
}

static void
learn (VmftEstimator *self, const VmftForecast *forecast)
{
  vmft_pair_learn (get_pair (self, forecast->destination), forecast);
  vmft_pair_learn (get_pair (self, TYPICAL), forecast);
  vmft_accuracy_book_add (self->book, forecast);
  learn_vm (self, forecast);
}

static gboolean
replay (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  VmftEstimator *self = user_data;
  g_autoptr (VmftForecast) forecast = vmft_forecast_from_variant (record);

  if (forecast == NULL || (forecast->ended && !(forecast->total_s > 0.0)))
    self->n_skipped++;
  else if (forecast->ended)
    learn (self, forecast);
  else
    {
      /* its job may still run; the daemon re-attaches to it and ends it here */
      OpenJob *job = g_new0 (OpenJob, 1);
      guint64 id = forecast->id;

      job->forecast = g_steal_pointer (&forecast);
      g_hash_table_insert (self->open, g_memdup2 (&id, sizeof id), job);
    }
  return TRUE;
}

VmftEstimator *
vmft_estimator_new (VmftStore *store, GError **error)
{
  g_autoptr (VmftEstimator) self = g_object_new (VMFT_TYPE_ESTIMATOR, NULL);

  self->store = g_object_ref (store);
  self->last_id = vmft_store_last_id (store, VMFT_STORE_FORECASTS);
  if (!vmft_store_foreach (store, VMFT_STORE_FORECASTS, VMFT_STORE_BY_KEY, 0, replay, self, error))
    return NULL;
  if (self->n_skipped > 0)
    g_message ("%u forecasts cannot be read and teach nothing", self->n_skipped);
  return g_steal_pointer (&self);
}

void
vmft_estimator_set_link (VmftEstimator *self, const char *destination, double bandwidth_bps)
{
  vmft_pair_set_bandwidth (get_pair (self, destination), bandwidth_bps);
}

void
vmft_estimator_get_link (VmftEstimator *self,
                         const char *destination,
                         double cap_bps,
                         guint sharing,
                         VmftLink *link)
{
  const VmftPair *pair = lookup_pair (self, destination);

  *link = VMFT_LINK_DEFAULT;
  if (pair == NULL || (pair->link.n_jobs == 0 && pair->configured_bps <= 0.0))
    {
      const VmftPair *typical = lookup_pair (self, NULL);

      /* the other links of this host say something, though not how this one differs */
      if (typical != NULL && typical->link.n_jobs > 0)
        {
          link->bandwidth_bps = typical->link.bandwidth_bps;
          link->startup_s = typical->link.startup_s;
        }
    }
  else
    *link = pair->link;
  link->cap_bps = isfinite (cap_bps) ? MAX (0.0, cap_bps) : 0.0;
  link->sharing = MAX (1u, sharing);
}

double
vmft_estimator_slowest_bps (VmftEstimator *self)
{
  double slowest = INFINITY;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->pairs);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const VmftPair *pair = value;

      if (pair->link.n_jobs > 0 || pair->configured_bps > 0.0)
        slowest = MIN (slowest, pair->link.bandwidth_bps);
    }
  return isfinite (slowest) ? slowest : VMFT_LINK_DEFAULT.bandwidth_bps;
}

static void
apply_vm_memory (VmftEstimator *self, VmftLoad *load)
{
  const VmMemory *memory = load->uuid != NULL ? g_hash_table_lookup (self->vms, load->uuid) : NULL;

  if (memory == NULL)
    return;
  if (!load->hugepages)
    load->resident_bytes = vmft_load_volume_bytes (load) * exp (memory->ln_volume_ratio);
  if (load->xbzrle_factor <= 0.0)
    load->xbzrle_factor = memory->xbzrle_factor;
}

/* p90 from the calibration; node times and own error follow, so that plans see the same spread. */
static void
calibrate (VmftEstimate *estimate, double score, guint n)
{
  double sigma, shared;

  score = MAX (0.0, score);
  if (estimate->p_converge >= 0.98)
    estimate->total_p90_s = estimate->total_p50_s * exp (score);
  else
    estimate->total_p90_s = MAX (estimate->total_p90_s, estimate->total_p50_s * exp (score));
  estimate->calibrated = n;
  sigma = MAX (MIN_SIGMA, log (estimate->total_p90_s / estimate->total_p50_s) / Z90);
  shared = log (estimate->node_s[3] / estimate->node_s[1]) / (2.0 * NODE_Z);
  if (shared > sigma)
    for (guint i = 0; i < VMFT_N_NODES; i++)
      estimate->node_s[i] =
          estimate->total_p50_s * pow (estimate->node_s[i] / estimate->total_p50_s, sigma / shared);
  shared = MIN (shared, sigma);
  estimate->sigma = CLAMP (sqrt (sigma * sigma - shared * shared), MIN_SIGMA, 0.5);
}

void
vmft_estimator_estimate (VmftEstimator *self,
                         const char *destination,
                         const VmftLoad *load,
                         const VmftLink *link,
                         VmftMode mode,
                         VmftEstimate *estimate)
{
  const VmftPair *pair = lookup_pair (self, destination);
  VmftLoad learnt = *load;
  double score;

  apply_vm_memory (self, &learnt);
  vmft_estimate_mode (estimate, &learnt, link, mode);
  if (pair == NULL || !vmft_estimate_is_possible (estimate))
    return;
  if (vmft_calibration_quantile (pair->calibration[mode], 0.9, &score))
    calibrate (estimate, score, vmft_calibration_get_n (pair->calibration[mode]));
  else if (vmft_calibration_quantile (pair->pooled, 0.9, &score))
    calibrate (estimate, score, vmft_calibration_get_n (pair->pooled));
}

static VmftForecast *
make_forecast (VmftEstimator *self,
               const char *uuid,
               const char *destination,
               const VmftLoad *load,
               const VmftLink *link,
               const VmftEstimate *estimate)
{
  VmftForecast *forecast = vmft_forecast_new (uuid, destination, estimate->mode);
  double a, b;

  (void) vmft_estimator_get_linear (self, destination, estimate->mode, &a, &b);
  forecast->p50_s = estimate->total_p50_s;
  forecast->p90_s = estimate->total_p90_s;
  forecast->linear_s = a * load->memory_bytes + b;
  forecast->memory_bytes = load->memory_bytes;
  forecast->volume_bytes = estimate->volume_bytes;
  forecast->bytes = estimate->bytes - MAX (0.0, load->storage_bytes);
  forecast->storage_s = vmft_load_storage_s (load, MAX (1.0, estimate->bandwidth_bps));
  forecast->link_bps = link->bandwidth_bps;
  forecast->cap_bps = link->cap_bps;
  forecast->sharing = MAX (1u, link->sharing);
  forecast->capped =
      link->cap_bps > 0.0 && link->cap_bps < CAP_MARGIN * link->bandwidth_bps / forecast->sharing;
  return forecast;
}

gboolean
vmft_estimator_begin_job (VmftEstimator *self,
                          VmftTime now_us,
                          const char *uuid,
                          const char *destination,
                          const VmftLoad *load,
                          const VmftLink *link,
                          const VmftEstimate *estimate,
                          guint64 *id,
                          GError **error)
{
  OpenJob *job = g_new0 (OpenJob, 1);

  job->forecast = make_forecast (self, uuid, destination, load, link, estimate);
  job->forecast->id = self->last_id + 1;
  job->forecast->made_us = now_us;
  job->load = *load;
  job->load.uuid = job->forecast->uuid;
  if (!vmft_store_put_id (self->store, VMFT_STORE_FORECASTS, job->forecast->id, now_us,
                          vmft_forecast_to_variant (job->forecast), error))
    {
      open_job_free (job);
      return FALSE;
    }
  self->last_id++;
  g_hash_table_insert (self->open, g_memdup2 (&self->last_id, sizeof self->last_id), job);
  if (id != NULL)
    *id = self->last_id;
  return TRUE;
}

/* A job that was stopped after so many passes of its memory would have ended, had the pages shrunk enough. */
#define STOPPED_PASSES 3.0

/* c that makes the model send what was sent, by bisection; 0 when the job says nothing about it. For a job that was
 * stopped while it did not end: between the least c that does not and no gain at all. */
static double
solve_xbzrle_factor (const OpenJob *job, const VmftJobOutcome *outcome)
{
  double low = 0.0, high = 1.0;
  VmftRunInput input = { .load = &job->load,
                         .mode = VMFT_MODE_XBZRLE,
                         .bandwidth_bps = job->forecast->volume_bytes / MAX (0.1, job->forecast->p50_s),
                         .rate_scale = 1.0,
                         .first_bytes = job->forecast->volume_bytes };

  if (job->forecast->mode != VMFT_MODE_XBZRLE || job->load.memory_bytes <= 0.0 || outcome->bytes <= 0.0 ||
      outcome->iterations < 4)
    return 0.0;
  if (!outcome->completed && outcome->bytes < STOPPED_PASSES * job->forecast->volume_bytes)
    return 0.0;
  input.bandwidth_bps = outcome->bytes / MAX (0.1, outcome->total_s - VMFT_LINK_DEFAULT.startup_s);
  for (guint i = 0; i < 12; i++)
    {
      VmftRun run;

      input.xbzrle_factor = 0.5 * (low + high);
      vmft_run_simulate (&run, &input);
      if (run.converged && (run.bytes < outcome->bytes || !outcome->completed))
        low = input.xbzrle_factor;
      else
        high = input.xbzrle_factor;
    }
  if (!outcome->completed)
    low = 1.0;
  return CLAMP (0.5 * (low + high), 0.02, 1.0);
}

gboolean
vmft_estimator_end_job (VmftEstimator *self,
                        VmftTime now_us,
                        guint64 id,
                        const VmftJobOutcome *outcome,
                        GError **error)
{
  OpenJob *job = g_hash_table_lookup (self->open, &id);
  VmftForecast *forecast;

  if (job == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "no open forecast %" G_GUINT64_FORMAT, id);
      return FALSE;
    }
  if (!isfinite (outcome->total_s) || outcome->total_s <= 0.0 || !isfinite (outcome->bytes))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "job %" G_GUINT64_FORMAT ": a total time of %g s",
                   id, outcome->total_s);
      return FALSE;
    }
  forecast = job->forecast;
  forecast->ended = TRUE;
  forecast->completed = outcome->completed;
  forecast->verdict = g_strdup (outcome->verdict);
  forecast->total_s = outcome->total_s;
  forecast->downtime_s = outcome->downtime_s;
  forecast->actual_bytes = MAX (0.0, outcome->bytes);
  forecast->iterations = outcome->iterations;
  forecast->xbzrle_factor = solve_xbzrle_factor (job, outcome);
  learn (self, forecast);
  if (!vmft_store_put_id (self->store, VMFT_STORE_FORECASTS, id, forecast->made_us,
                          vmft_forecast_to_variant (forecast), error))
    {
      g_hash_table_remove (self->open, &id);
      return FALSE;
    }
  g_hash_table_remove (self->open, &id);
  return TRUE;
}

void
vmft_estimator_drop_job (VmftEstimator *self, guint64 id)
{
  g_autoptr (GError) error = NULL;

  if (g_hash_table_remove (self->open, &id) &&
      !vmft_store_remove_id (self->store, VMFT_STORE_FORECASTS, id, &error))
    g_warning ("forecast %" G_GUINT64_FORMAT " stays: %s", id, error->message);
}

void
vmft_estimator_accuracy (VmftEstimator *self, VmftAccuracy rows[VMFT_N_MODES])
{
  for (guint i = 0; i < VMFT_N_MODES; i++)
    vmft_accuracy_book_get (self->book, (VmftMode) i, &rows[i]);
}

guint
vmft_estimator_get_linear (VmftEstimator *self,
                           const char *destination,
                           VmftMode mode,
                           double *a_s_per_byte,
                           double *b_s)
{
  const VmftPair *pair = lookup_pair (self, destination);
  static const VmftLinear none = { 0 };
  const VmftLinear *linear = pair != NULL ? &pair->linear[mode] : &none;

  vmft_linear_get (linear, a_s_per_byte, b_s);
  return linear->n;
}

static void
vmft_estimator_finalize (GObject *object)
{
  VmftEstimator *self = VMFT_ESTIMATOR (object);

  g_clear_object (&self->store);
  g_hash_table_unref (self->pairs);
  g_hash_table_unref (self->vms);
  g_hash_table_unref (self->open);
  vmft_accuracy_book_free (self->book);
  G_OBJECT_CLASS (vmft_estimator_parent_class)->finalize (object);
}

static void
vmft_estimator_class_init (VmftEstimatorClass *class)
{
  G_OBJECT_CLASS (class)->finalize = vmft_estimator_finalize;
}

static void
vmft_estimator_init (VmftEstimator *self)
{
  self->pairs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vmft_pair_free);
  self->vms = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->open = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) open_job_free);
  self->book = vmft_accuracy_book_new ();
}
