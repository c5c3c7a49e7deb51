/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-page-reading.h"

#include "vmft-common.h"

#include <math.h>

typedef struct
{
  VmftPageSample *sample;
  VmftClock *clock;
  double memory_bytes;
  guint period_s;
  guint look_s; /* when the next one is due, after the first */
  gint64 begun_us;
  VmftReading *reading;
  GTask *task; /* the caller's */
} Looks;

static void
looks_free (Looks *looks)
{
  vmft_page_sample_free (looks->sample);
  g_clear_object (&looks->clock);
  g_clear_object (&looks->task);
  g_free (looks->reading);
  g_free (looks);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Looks, looks_free)

static void look_later (Looks *looks);

static void
look_in_thread (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
  VmftPageSample *sample = task_data;
  g_autofree VmftPageLook *look = g_new0 (VmftPageLook, 1);
  GError *error = NULL;

  if (vmft_page_sample_look (sample, look, &error))
    g_task_return_pointer (task, g_steal_pointer (&look), g_free);
  else
    g_task_return_error (task, error);
}

static void
add_look (Looks *looks, const VmftPageLook *look)
{
  VmftReading *reading = looks->reading;
  VmftDirtySample *sample = &reading->samples[reading->n_samples++];
  double ram_bytes = (double) look->ram_bytes;
  /* no more than the guest has, which a sample may miss by a little */
  double changed_bytes = MIN (ram_bytes * look->changed / look->pages, looks->memory_bytes);
  double written_bytes = ram_bytes * MAX (1.0, look->written) / look->pages;

  vmft_dirty_sample_init_page_sampling (sample, vmft_clock_real_us (looks->clock), look->seconds,
                                        changed_bytes / look->seconds, ram_bytes,
                                        (guint) (look->pages / (ram_bytes / (1 << 30))));
  /* of all pages, not of the resident ones: the kernel's one page of zeros, which stands for untouched memory that has
   * been read, looks resident but is in nobody's RSS */
  reading->written_share = MIN (1.0, written_bytes / looks->memory_bytes);
  if (look->rewrite_share > 0.0)
    reading->rewrite_share = look->rewrite_share;
}

static void
on_looked (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Looks) looks = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree VmftPageLook *look = g_task_propagate_pointer (G_TASK (result), &error);

  if (look == NULL)
    {
      g_task_return_error (looks->task, g_steal_pointer (&error));
      return;
    }
  add_look (looks, look);
  if (looks->look_s >= looks->period_s || looks->reading->n_samples == VMFT_READING_SAMPLES_MAX)
    {
      g_task_return_pointer (looks->task, g_steal_pointer (&looks->reading), g_free);
      return;
    }
  looks->look_s = MIN (2 * looks->look_s, looks->period_s);
  look_later (g_steal_pointer (&looks));
}

static gboolean
on_timer (gpointer user_data)
{
  Looks *looks = user_data;
  g_autoptr (GTask) call = g_task_new (NULL, NULL, on_looked, looks);

  g_task_set_task_data (call, looks->sample, NULL);
  g_task_run_in_thread (call, look_in_thread);
  return G_SOURCE_REMOVE;
}

static void
look_later (Looks *looks)
{
  gint64 passed_ms = (vmft_clock_monotonic_us (looks->clock) - looks->begun_us) / 1000;

  vmft_clock_add_timer (looks->clock, (guint) MAX (1, (gint64) looks->look_s * 1000 - passed_ms), on_timer,
                        looks, NULL);
}

void
vmft_page_reading_start (VmftPageSample *sample,
                         VmftClock *clock,
                         const VmftVm *vm,
                         guint period_s,
                         GTask *task)
{
  Looks *looks = g_new0 (Looks, 1);

  looks->sample = sample;
  looks->clock = g_object_ref (clock);
  looks->memory_bytes = (double) vm->memory_bytes;
  looks->period_s = period_s;
  looks->look_s = 1;
  looks->begun_us = vmft_clock_monotonic_us (clock);
  looks->reading = g_new0 (VmftReading, 1);
  looks->task = g_object_ref (task);
  look_later (looks);
}
