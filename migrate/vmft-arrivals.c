/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-arrivals.h"

/* a VM that was let in and never seen again: its source died before it sent anything */
#define FORGET_AFTER_US (G_GINT64_CONSTANT (120) * G_USEC_PER_SEC)

typedef struct
{
  guint64 memory_bytes;
  gint64 since_us; /* monotonic */
} Arrival;

struct _VmftArrivals
{
  VmftClock *clock;
  GHashTable *coming; /* uuid -> Arrival */
};

VmftArrivals *
vmft_arrivals_new (VmftClock *clock)
{
  VmftArrivals *self = g_new0 (VmftArrivals, 1);

  self->clock = g_object_ref (clock);
  self->coming = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
vmft_arrivals_free (VmftArrivals *self)
{
  g_object_unref (self->clock);
  g_hash_table_unref (self->coming);
  g_free (self);
}

static const VmftVm *
find_vm (const GPtrArray *vms, const char *uuid)
{
  for (guint i = 0; i < vms->len; i++)
    {
      const VmftVm *vm = g_ptr_array_index (vms, i);

      if (g_strcmp0 (vm->uuid, uuid) == 0)
        return vm;
    }
  return NULL;
}

/* Returns: bytes still to be taken by what is coming; what has arrived, or never came, is dropped */
static guint64
count_pending (VmftArrivals *self, const GPtrArray *vms)
{
  gint64 now_us = vmft_clock_monotonic_us (self->clock);
  GHashTableIter iter;
  gpointer uuid = NULL, value = NULL;
  guint64 pending_bytes = 0;

  g_hash_table_iter_init (&iter, self->coming);
  while (g_hash_table_iter_next (&iter, &uuid, &value))
    {
      const Arrival *arrival = value;
      const VmftVm *vm = find_vm (vms, uuid);
      gboolean arrived = vm != NULL && vm->running && vm->blocker == NULL;

      if (arrived || (vm == NULL && now_us - arrival->since_us > FORGET_AFTER_US))
        g_hash_table_iter_remove (&iter);
      else if (vm == NULL)
        pending_bytes += arrival->memory_bytes;
      else if (arrival->memory_bytes > vm->resident_bytes)
        pending_bytes += arrival->memory_bytes - vm->resident_bytes;
    }
  return pending_bytes;
}

char *
vmft_arrivals_judge (VmftArrivals *self,
                     const char *uuid,
                     guint64 memory_bytes,
                     const GPtrArray *vms,
                     const VmftArrivalLimits *limits)
{
  guint64 taken_bytes = limits->reserve_bytes;
  g_autofree char *need = vmft_text_bytes ((double) memory_bytes);
  g_autofree char *have = NULL;
  Arrival *arrival = NULL;

  /* a second attempt takes the place of the first */
  g_hash_table_remove (self->coming, uuid);
  taken_bytes += count_pending (self, vms);
  if (limits->suspect != NULL)
    return g_strdup_printf ("this host is suspect itself: %s", limits->suspect);
  if (limits->limit_in > 0 && g_hash_table_size (self->coming) >= limits->limit_in)
    return g_strdup_printf ("%u VMs are coming already", g_hash_table_size (self->coming));
  if (limits->free_bytes < taken_bytes || limits->free_bytes - taken_bytes < memory_bytes)
    {
      have = vmft_text_bytes (limits->free_bytes > taken_bytes ? (double) (limits->free_bytes - taken_bytes)
                                                               : 0.0);
      return g_strdup_printf ("it needs %s and %s is left beside what is coming", need, have);
    }
  arrival = g_new0 (Arrival, 1);
  arrival->memory_bytes = memory_bytes;
  arrival->since_us = vmft_clock_monotonic_us (self->clock);
  g_hash_table_insert (self->coming, g_strdup (uuid), arrival);
  return NULL;
}

void
vmft_arrivals_forget (VmftArrivals *self, const char *uuid)
{
  g_hash_table_remove (self->coming, uuid);
}
