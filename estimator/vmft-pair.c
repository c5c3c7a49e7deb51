/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-pair.h"

#include <math.h>

#define MAX_JOBS        64
#define PRIOR_SIGMA     0.35
#define OPERATOR_SIGMA  0.2
#define TOLD_SIGMA      0.1  /* against one job; every further job adds a third */
#define STARTUP_SIGMA_S 0.6  /* a busy host takes a second or two to start the other end's QEMU */
#define JOB_SIGMA       0.05 /* scatter of jobs over one link; what a first few jobs are judged by */
#define START_SCATTER_S                                                                                      \
  0.25 /* and of their starts, which is what makes short jobs poor witnesses of bandwidth */
#define JOB_PRIOR 4.0
#define HUBER     2.5

/* One job's bytes over the whole link: a job that shared it counts for its sharers too. */
typedef struct
{
  double bytes;
  double seconds;
} Job;

void
vmft_linear_add (VmftLinear *self, double s_bytes, double t_s)
{
  self->n++;
  self->sum_s += s_bytes;
  self->sum_t += t_s;
  self->sum_ss += s_bytes * s_bytes;
  self->sum_st += s_bytes * t_s;
}

void
vmft_linear_get (const VmftLinear *self, double *a_s_per_byte, double *b_s)
{
  double determinant = self->n * self->sum_ss - self->sum_s * self->sum_s;

  *a_s_per_byte = VMFT_LINEAR_LAB_A;
  *b_s = VMFT_LINEAR_LAB_B;
  if (self->n < 2)
    return;
  if (determinant > 1e-6 * self->n * self->sum_ss)
    *a_s_per_byte = (self->n * self->sum_st - self->sum_s * self->sum_t) / determinant;
  *b_s = (self->sum_t - *a_s_per_byte * self->sum_s) / self->n;
}

VmftPair *
vmft_pair_new (void)
{
  VmftPair *pair = g_new0 (VmftPair, 1);

  pair->jobs = g_array_new (FALSE, FALSE, sizeof (Job));
  pair->link = VMFT_LINK_DEFAULT;
  for (guint i = 0; i < VMFT_N_MODES; i++)
    pair->calibration[i] = vmft_calibration_new ();
  pair->pooled = vmft_calibration_new ();
  return pair;
}

void
vmft_pair_free (VmftPair *pair)
{
  g_array_unref (pair->jobs);
  for (guint i = 0; i < VMFT_N_MODES; i++)
    vmft_calibration_free (pair->calibration[i]);
  vmft_calibration_free (pair->pooled);
  g_free (pair);
}

static double
job_error_s (const Job *job)
{
  return hypot (JOB_SIGMA * job->seconds, START_SCATTER_S);
}

/*
 * seconds = t_s + bytes/B by least squares on relative errors, with the priors of both as two more observations; a
 * job that misses by more than HUBER standard deviations counts for less (the lab had one such in 50).
 */
static void
solve (const GArray *jobs, double prior_bps, double prior_sigma, VmftLink *link)
{
  double slowness = 1.0 / prior_bps, startup = VMFT_LINK_DEFAULT.startup_s;

  for (guint pass = 0; pass < 4; pass++)
    {
      double p_k = 1.0 / pow (prior_sigma / prior_bps, 2), p_t = 1.0 / (STARTUP_SIGMA_S * STARTUP_SIGMA_S);
      double kk = p_k, tt = p_t, kt = 0.0;
      double k = p_k / prior_bps, t = p_t * VMFT_LINK_DEFAULT.startup_s;

      for (guint i = 0; i < jobs->len; i++)
        {
          const Job *job = &g_array_index (jobs, Job, i);
          double expected = startup + slowness * job->bytes;
          double miss = fabs (job->seconds - expected) / job_error_s (job);
          double weight = pow (0.97, jobs->len - 1 - i) / pow (job_error_s (job), 2);

          if (pass > 0 && miss > HUBER)
            weight *= HUBER / miss;
          kk += weight * job->bytes * job->bytes;
          kt += weight * job->bytes;
          tt += weight;
          k += weight * job->bytes * job->seconds;
          t += weight * job->seconds;
        }
      slowness = (k * tt - t * kt) / (kk * tt - kt * kt);
      startup = (t - kt * slowness) / tt;
      startup = CLAMP (startup, 0.0, 10.0);
      slowness = MAX (slowness, 1e-13);
    }
  link->bandwidth_bps = 1.0 / slowness;
  link->startup_s = startup;
}

static double
scatter (const GArray *jobs, const VmftLink *link)
{
  double sum = JOB_PRIOR * JOB_SIGMA * JOB_SIGMA;

  for (guint i = 0; i < jobs->len; i++)
    {
      const Job *job = &g_array_index (jobs, Job, i);
      double miss = log (job->seconds / (link->startup_s + job->bytes / link->bandwidth_bps));

      /* a freak job tells of freaks, not of the link */
      miss = CLAMP (miss, -0.25, 0.25);
      sum += miss * miss;
    }
  return sqrt (sum / (JOB_PRIOR + jobs->len));
}

static void
update_link (VmftPair *pair)
{
  gboolean told = pair->configured_bps > 0.0;
  double prior_bps = told ? pair->configured_bps : VMFT_LINK_DEFAULT.bandwidth_bps;

  pair->link = VMFT_LINK_DEFAULT;
  pair->link.n_jobs = pair->jobs->len;
  pair->link.bandwidth_bps = prior_bps;
  pair->link.sigma = told ? OPERATOR_SIGMA : PRIOR_SIGMA;
  if (pair->jobs->len == 0)
    return;
  /* jobs are far better evidence than either prior; but whether one slow job was slow to start or slow on the way
   * nobody can tell, and there the operator's word counts */
  solve (pair->jobs, prior_bps, told ? MIN (1.0, TOLD_SIGMA * pow (4.0 / 3.0, pair->jobs->len - 1.0)) : 3.0,
         &pair->link);
  pair->link.sigma = scatter (pair->jobs, &pair->link);
}

void
vmft_pair_set_bandwidth (VmftPair *pair, double bandwidth_bps)
{
  pair->configured_bps = isfinite (bandwidth_bps) && bandwidth_bps > 0.0 ? bandwidth_bps : 0.0;
  update_link (pair);
}

static void
learn_link (VmftPair *pair, const VmftForecast *forecast)
{
  Job job = { forecast->actual_bytes * forecast->sharing, forecast->total_s - forecast->storage_s };

  /* a stopped job's bytes went over the link like any other's, if it ran long enough to tell */
  if (forecast->actual_bytes <= 0.0 || job.seconds <= 0.0 || forecast->capped)
    return;
  if (!forecast->completed && job.seconds < 2.0)
    return;
  if (pair->jobs->len == MAX_JOBS)
    g_array_remove_index (pair->jobs, 0);
  g_array_append_val (pair->jobs, job);
  update_link (pair);
}

void
vmft_pair_learn (VmftPair *pair, const VmftForecast *forecast)
{
  double score = log (forecast->total_s / forecast->p50_s);

  learn_link (pair, forecast);
  if (forecast->completed)
    vmft_linear_add (&pair->linear[forecast->mode], forecast->memory_bytes, forecast->total_s);
  vmft_calibration_add (pair->calibration[forecast->mode], score, !forecast->completed);
  vmft_calibration_add (pair->pooled, score, !forecast->completed);
}
