/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-sampler.h"

#include <math.h>

#define TICK_MS       1000
#define ENOUGH        4  /* readings of a VM that is new: two periods, each twice */
#define SHORT_S       1  /* a period that shows the initial slope */
#define FIRST_S       10 /* at most, for the first reading of a VM */
#define MAX_AGE_S     1800.0
#define RETRY_AFTER_S 30.0

typedef struct
{
  double wait_until_s; /* monotonic seconds: after a failure */
  gboolean complained;
} Trouble;

struct _VmftSampler
{
  VmftClock *clock;
  VmftHypervisor *hypervisor;
  VmftEstimator *estimator;
  GCancellable *cancellable;
  double interval_s;
  double pause_s;
  GHashTable *troubles; /* uuid -> Trouble */
  char *sampling;       /* (nullable): uuid being read */
  gint64 begun_us;
  gint64 ended_us;
  gboolean hold;
  guint timer_id;
  gint64 started_us;
  guint64 n_readings;
  guint64 n_failures;
  double busy_s;
};

VmftSampler *
vmft_sampler_new (VmftClock *clock,
                  VmftHypervisor *hypervisor,
                  VmftEstimator *estimator,
                  double interval_s,
                  double pause_s)
{
  VmftSampler *self = g_new0 (VmftSampler, 1);

  self->clock = g_object_ref (clock);
  self->hypervisor = g_object_ref (hypervisor);
  self->estimator = g_object_ref (estimator);
  self->cancellable = g_cancellable_new ();
  self->interval_s = interval_s;
  self->pause_s = pause_s;
  self->troubles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
vmft_sampler_free (VmftSampler *self)
{
  g_cancellable_cancel (self->cancellable);
  vmft_clear_timer (self->clock, &self->timer_id);
  g_object_unref (self->cancellable);
  g_object_unref (self->clock);
  g_object_unref (self->estimator);
  g_object_unref (self->hypervisor);
  g_hash_table_unref (self->troubles);
  g_free (self->sampling);
  g_free (self);
}

static double
now_s (VmftSampler *self)
{
  return (double) vmft_clock_monotonic_us (self->clock) / G_USEC_PER_SEC;
}

static void
on_sampled (GObject *object, GAsyncResult *result, gpointer user_data)
{
  VmftSampler *self = user_data;
  g_autoptr (GError) error = NULL;
  VmftDirtySample sample;
  Trouble *trouble;

  if (vmft_hypervisor_sample_dirty_finish (VMFT_HYPERVISOR (object), result, &sample, &error))
    {
      self->n_readings++;
      g_hash_table_remove (self->troubles, self->sampling);
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      return; /* @self is gone */
    }
  else
    {
      self->n_failures++;
      trouble = g_hash_table_lookup (self->troubles, self->sampling);
      if (trouble == NULL)
        {
          g_message ("no dirty rate of %s: %s; trying again later", self->sampling, error->message);
          trouble = g_new0 (Trouble, 1);
          g_hash_table_insert (self->troubles, g_strdup (self->sampling), trouble);
        }
      trouble->wait_until_s = now_s (self) + RETRY_AFTER_S;
    }
  self->ended_us = vmft_clock_monotonic_us (self->clock);
  self->busy_s += (double) (self->ended_us - self->begun_us) / G_USEC_PER_SEC;
  g_clear_pointer (&self->sampling, g_free);
}

/* How much a VM wants to be read: seconds overdue, a new VM before all others. Negative: not yet. */
static double
urgency (VmftSampler *self, const VmftVm *vm)
{
  const Trouble *trouble = g_hash_table_lookup (self->troubles, vm->uuid);
  guint n = vm->dirty_samples->len;
  const VmftDirtySample *last;
  double age_s;

  if (!vm->running || (trouble != NULL && now_s (self) < trouble->wait_until_s))
    return -1.0;
  if (n < ENOUGH)
    return 1e9 - n;
  last = &g_array_index (vm->dirty_samples, VmftDirtySample, n - 1);
  age_s = vmft_time_diff_s (vmft_clock_real_us (self->clock), last->at_us);
  return ABS (age_s) - self->interval_s; /* a clock set back must not stop the readings */
}

static gboolean
has_short_sample (const VmftVm *vm)
{
  for (guint i = 0; i < vm->dirty_samples->len; i++)
    if (g_array_index (vm->dirty_samples, VmftDirtySample, i).period_s < 1.5 * SHORT_S)
      return TRUE;
  return FALSE;
}

/* u(t) matters up to one pass over the VM's memory. Where our own looks are permitted one long reading holds the short
 * ones; where they are not, the short one is asked for next. */
static guint
choose_period_s (VmftSampler *self, const VmftVm *vm)
{
  double memory = vm->resident_bytes > 0 ? (double) vm->resident_bytes : (double) vm->memory_bytes;
  double pass_s = memory / MAX (vmft_estimator_slowest_bps (self->estimator), 1.0);
  VmftDirtyCurve curve;

  if (vm->dirty_samples->len == 0)
    return (guint) CLAMP (ceil (pass_s), SHORT_S + 1, FIRST_S);
  if (!has_short_sample (vm))
    return SHORT_S;
  vmft_dirty_curve_fit (&curve, (const VmftDirtySample *) (gpointer) vm->dirty_samples->data,
                        vm->dirty_samples->len, (double) vm->memory_bytes, vmft_clock_real_us (self->clock),
                        MAX_AGE_S);
  return CLAMP (vmft_dirty_curve_next_period_s (&curve, pass_s), SHORT_S, 60);
}

static gboolean
on_tick (gpointer user_data)
{
  VmftSampler *self = user_data;
  g_autoptr (GPtrArray) vms = NULL;
  const VmftVm *best = NULL;
  double most = 0.0;

  if (self->sampling != NULL || self->hold || !vmft_hypervisor_is_connected (self->hypervisor) ||
      (self->n_readings > 0 &&
       (double) (vmft_clock_monotonic_us (self->clock) - self->ended_us) < self->pause_s * G_USEC_PER_SEC))
    return G_SOURCE_CONTINUE;
  vms = vmft_hypervisor_list_vms (self->hypervisor);
  for (guint i = 0; i < vms->len; i++)
    {
      const VmftVm *vm = g_ptr_array_index (vms, i);
      double wanted = urgency (self, vm);

      if (wanted <= most)
        continue;
      best = vm;
      most = wanted;
    }
  if (best == NULL)
    return G_SOURCE_CONTINUE;
  self->sampling = g_strdup (best->uuid);
  self->begun_us = vmft_clock_monotonic_us (self->clock);
  vmft_hypervisor_sample_dirty_async (self->hypervisor, best->uuid, choose_period_s (self, best),
                                      self->cancellable, on_sampled, self);
  return G_SOURCE_CONTINUE;
}

void
vmft_sampler_start (VmftSampler *self)
{
  self->started_us = vmft_clock_monotonic_us (self->clock);
  self->timer_id = vmft_clock_add_timer (self->clock, TICK_MS, on_tick, self, NULL);
}

void
vmft_sampler_hold (VmftSampler *self, gboolean hold)
{
  self->hold = hold;
}

GVariant *
vmft_sampler_to_variant (VmftSampler *self)
{
  double up_s = now_s (self) - (double) self->started_us / G_USEC_PER_SEC;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "readings", "t", self->n_readings);
  g_variant_dict_insert (&dict, "failures", "t", self->n_failures);
  g_variant_dict_insert (&dict, "busy_s", "d", self->busy_s);
  g_variant_dict_insert (&dict, "busy_share", "d", up_s > 0.0 ? self->busy_s / up_s : 0.0);
  if (self->sampling != NULL)
    g_variant_dict_insert (&dict, "sampling", "s", self->sampling);
  return g_variant_dict_end (&dict);
}
