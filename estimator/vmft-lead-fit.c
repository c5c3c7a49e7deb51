/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A class has a prior from the paper; a host may have records of its own, of one origin. Two populations are
 * possible, and a Bayes factor says which one the records come from:
 *
 * - *like the prior*: the records are shrunk to it with weight 8. Done in the prior's own normal scores, so that its
 *   shape (the two halves of the paper's quantiles differ) survives: z' = mu + s z.
 * - *a population of its own*: log-normal about the records' mean, the prior saying next to nothing about where (0.03
 *   of an observation, a factor of 20 either way) and little about the spread (1 observation).
 *
 * Plain shrinkage with weight 8 would put eight runs of 15 s and a prior of 18 min at their geometric mean, two
 * minutes: true of neither. With the Bayes factor such a conflict is settled by the first few records, while
 * records that agree with the prior leave the weight with it.
 *
 * The two mistakes do not cost the same: a lead believed too long loses VMs. So until there are eight events of its
 * own, own history may shorten the lead (survival = the least of both populations') but not lengthen it beyond what
 * the shrinkage of weight 8 gives.
 *
 * Right-censored records (evacuated, repaired, cleared) enter by EM: each counts as a failure still to come with
 * the probability P(fails | class, e) of DESIGN 4.2, at the mean of what remains beyond e.
 */
#include "vmft-lead-fit.h"

#include <math.h>

#define OWN_KAPPA    0.03
#define OWN_NU       1.0
#define N_ITERATIONS 25
#define NEGLIGIBLE   1e-9
#define PI_WEIGHT    8.0
#define MINUTE_S     60.0
#define LN_SQRT_2PI  0.91893853320467274

/* Minutes from first kernel-model alarm to failure, p5/p10/p50/p90 (DESIGN 4.2; cpu in the more cautious of two
 * readings; pressure is bounded by the host's own headroom besides). The paper injected every failure, so it says nothing about pi: 0.8 is a judgement. */
static const VmftLeadPrior priors[] = {
  { "disk", { 6.9, 8.0, 17.7, 34.5 }, 0.8 },
  { "pressure", { 4.1, 4.3, 5.0, 8.6 }, 0.8 },
  { "io", { 5.7, 6.4, 12.7, 19.0 }, 0.8 },
  { "cpu", { 8.3, 8.4, 11.6, 12.4 }, 0.8 },
};

const VmftLeadPrior *
vmft_lead_prior_lookup (const char *fault_class, const char **stand_in)
{
  const VmftLeadPrior *shortest = &priors[0];

  *stand_in = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (priors); i++)
    {
      if (g_strcmp0 (priors[i].fault_class, fault_class) == 0)
        return &priors[i];
      if (priors[i].minutes[0] < shortest->minutes[0])
        shortest = &priors[i];
    }
  *stand_in = shortest->fault_class;
  return shortest;
}

void
vmft_lead_prior_curve (const VmftLeadPrior *prior, VmftLeadCurve *curve)
{
  static const double z[VMFT_LEAD_N_KNOTS] = { VMFT_LEAD_KNOTS };

  curve->weight = 1.0;
  for (guint i = 0; i < VMFT_LEAD_N_KNOTS; i++)
    {
      curve->z[i] = z[i];
      curve->ln_s[i] = log (prior->minutes[i] * MINUTE_S);
    }
}

/* Sufficient statistics of normal data, some of it imputed. */
typedef struct
{
  double n;
  double sum;
  double squares;
} Moments;

/* Mean and second moment of N(mean, sd) beyond @bound. */
static void
moments_beyond (double mean, double sd, double bound, double *first, double *second)
{
  double a = (bound - mean) / sd;
  double log_density = -0.5 * a * a - LN_SQRT_2PI;
  double log_tail = a > 30.0 ? log_density - log (a) : log (0.5 * erfc (a / G_SQRT2));
  double mills = exp (log_density - log_tail);

  *first = mean + sd * mills;
  *second = mean * mean + sd * sd + sd * mills * (mean + bound);
}

/* x(t): where a datum lies in the scale in which its population is normal. */
typedef double (*Score) (const VmftLeadCurve *prior, double seconds);

static double
score_of_prior (const VmftLeadCurve *prior, double seconds)
{
  return vmft_lead_curve_z (prior, log (seconds));
}

static double
score_logarithm (const VmftLeadCurve *prior, double seconds)
{
  return log (seconds);
}

typedef struct
{
  double mean;
  double sd;
  double n;
  double pi;
} Normal;

static Moments
expect (const VmftLeadCurve *prior,
        const VmftLeadDatum *data,
        guint n,
        Score score,
        const Normal *now,
        double *n_failing)
{
  Moments moments = { 0 };

  *n_failing = 0.0;
  for (guint i = 0; i < n; i++)
    {
      double x = score (prior, data[i].seconds);
      double weight = 1.0, square = x * x;

      if (data[i].censored)
        {
          double survival = 0.5 * erfc ((x - now->mean) / (now->sd * G_SQRT2));

          weight = now->pi * survival / MAX (1e-300, now->pi * survival + 1.0 - now->pi);
          moments_beyond (now->mean, now->sd, x, &x, &square);
        }
      *n_failing += weight;
      moments.n += weight;
      moments.sum += weight * x;
      moments.squares += weight * square;
    }
  return moments;
}

/* Posterior mode of mean and spread under a normal / inverse-gamma prior with @kappa and @nu observations' weight. */
static Normal
fit_normal (const VmftLeadCurve *prior,
            const VmftLeadDatum *data,
            guint n,
            Score score,
            double mean,
            double sd,
            double kappa,
            double nu,
            double pi)
{
  Normal fit = { mean, sd, 0.0, pi };

  for (guint i = 0; n > 0 && i < N_ITERATIONS; i++)
    {
      double n_failing, about;
      Moments moments = expect (prior, data, n, score, &fit, &n_failing);

      fit.n = moments.n;
      fit.mean = (kappa * mean + moments.sum) / (kappa + moments.n);
      about = moments.squares - 2.0 * fit.mean * moments.sum + moments.n * fit.mean * fit.mean;
      about += kappa * (fit.mean - mean) * (fit.mean - mean);
      fit.sd = sqrt ((nu * sd * sd + MAX (0.0, about)) / (nu + moments.n));
      fit.pi = (PI_WEIGHT * pi + n_failing) / (PI_WEIGHT + n);
    }
  return fit;
}

static double
log_marginal (const Moments *moments, double mean, double sd, double kappa, double nu)
{
  double n = moments->n, average = moments->sum / n;
  double scale = nu * sd * sd;
  double about = MAX (0.0, moments->squares - n * average * average);
  double posterior = scale + about + kappa * n / (kappa + n) * (average - mean) * (average - mean);

  return lgamma (0.5 * (nu + n)) - lgamma (0.5 * nu) + 0.5 * log (kappa / (kappa + n)) +
         0.5 * nu * log (scale) - 0.5 * (nu + n) * log (posterior) - 0.5 * n * log (G_PI);
}

/* P(a population of its own | events); even odds beforehand. Censored records are too weak to decide on. */
static double
probability_of_own (const VmftLeadDatum *data, guint n, double mean, double sd)
{
  Moments events = { 0 };
  double like, own;

  for (guint i = 0; i < n; i++)
    if (!data[i].censored)
      {
        double x = log (data[i].seconds);

        events.n += 1.0;
        events.sum += x;
        events.squares += x * x;
      }
  if (events.n == 0.0)
    return 0.0;
  /* the same loose prior on the spread for both: where the records lie is the question, not how close together */
  like = log_marginal (&events, mean, sd, VMFT_LEAD_PRIOR_WEIGHT, OWN_NU);
  own = log_marginal (&events, mean, sd, OWN_KAPPA, OWN_NU);
  return 1.0 / (1.0 + exp (CLAMP (like - own, -700.0, 700.0)));
}

static void
curve_like_prior (VmftLeadCurve *curve, const VmftLeadCurve *prior, const Normal *scores)
{
  for (guint i = 0; i < VMFT_LEAD_N_KNOTS; i++)
    {
      curve->z[i] = prior->z[i];
      curve->ln_s[i] = vmft_lead_curve_ln_s (prior, scores->mean + scores->sd * prior->z[i]);
    }
}

/* What a few records leave open widens the curve: the predictive is Student's t, by Cornish and Fisher. */
static void
curve_of_own (VmftLeadCurve *curve, const VmftLeadCurve *prior, const Normal *own)
{
  double dof = OWN_NU + own->n;
  double spread = own->sd * sqrt (1.0 + 1.0 / (OWN_KAPPA + own->n));

  for (guint i = 0; i < VMFT_LEAD_N_KNOTS; i++)
    {
      double z = prior->z[i];

      curve->z[i] = z;
      curve->ln_s[i] = own->mean + spread * z * (1.0 + (z * z + 1.0) / (4.0 * dof));
    }
}

void
vmft_lead_fit (VmftLead *lead, const VmftLeadPrior *prior, double pi, const VmftLeadDatum *data, guint n)
{
  VmftLeadCurve base;
  Normal like, own;
  double mean, sd;

  vmft_lead_prior_curve (prior, &base);
  mean = base.ln_s[2];
  sd = (base.ln_s[3] - base.ln_s[1]) / (base.z[3] - base.z[1]);
  for (guint i = 0; i < n; i++)
    {
      lead->n_censored += data[i].censored;
      lead->n_events += !data[i].censored;
    }
  like = fit_normal (&base, data, n, score_of_prior, 0.0, 1.0, VMFT_LEAD_PRIOR_WEIGHT, VMFT_LEAD_PRIOR_WEIGHT,
                     pi);
  lead->p_own = probability_of_own (data, n, mean, sd);
  lead->n_curves = 1;
  lead->pi = like.pi;
  curve_like_prior (&lead->curves[0], &base, &like);
  lead->curves[0].weight = 1.0 - lead->p_own;
  if (lead->p_own < NEGLIGIBLE)
    return;

  own = fit_normal (&base, data, n, score_logarithm, mean, sd, OWN_KAPPA, OWN_NU, pi);
  curve_of_own (&lead->curves[1], &base, &own);
  lead->curves[1].weight = lead->p_own;
  lead->n_curves = 2;
  lead->pi = (1.0 - lead->p_own) * like.pi + lead->p_own * own.pi;
  lead->pessimistic = lead->n_events < VMFT_LEAD_PRIOR_WEIGHT && lead->p_own > 0.05;
}
