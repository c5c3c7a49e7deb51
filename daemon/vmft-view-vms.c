/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-view-vms.h"

#define REQUEST_BUDGET_US 20000 /* spent on a request, so that a small host is always shown as it is */
#define TURN_BUDGET_US    5000
#define TURN_MS           250
#define FRESH_US          (10 * (gint64) G_USEC_PER_SEC)
#define WATCHED_US        (60 * (gint64) G_USEC_PER_SEC)

typedef struct
{
  char *destination;
  const char *mode; /* interned */
  double p90_s;
} Move;

typedef struct
{
  VmftVm *vm;
  char *json;    /* (nullable): not described yet */
  GArray *moves; /* of Move */
  gint64 made_us;
} Entry;

struct _VmftViewVms
{
  VmftDaemon *daemon;
  VmftClock *clock;
  GHashTable *entries; /* UUID -> Entry */
  GPtrArray *order;    /* of Entry, borrowed */
  guint turn;          /* whose it is */
  guint timer;
  gint64 watched_us;
};

static void
clear_move (gpointer data)
{
  g_free (((Move *) data)->destination);
}

static Entry *
entry_new (VmftVm *vm)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->vm = vmft_vm_ref (vm);
  entry->moves = g_array_new (FALSE, FALSE, sizeof (Move));
  g_array_set_clear_func (entry->moves, clear_move);
  return entry;
}

static void
entry_free (Entry *entry)
{
  vmft_vm_unref (entry->vm);
  g_array_unref (entry->moves);
  g_free (entry->json);
  g_free (entry);
}

/* --- describing one --- */

static void
add_moves (Entry *entry, GVariant *way)
{
  g_autoptr (GVariant) estimates = g_variant_lookup_value (way, "estimates", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; estimates != NULL && i < g_variant_n_children (estimates); i++)
    {
      g_autoptr (GVariant) estimate = g_variant_get_child_value (estimates, i);
      Move move = { .p90_s = vmft_dict_double (estimate, "total_p90_s", 0.0) };

      if (!vmft_dict_boolean (estimate, "possible", FALSE))
        continue;
      move.destination = g_strdup (vmft_dict_string (way, "destination"));
      move.mode = g_intern_string (vmft_dict_string (estimate, "mode"));
      g_array_append_val (entry->moves, move);
    }
}

static void
describe (VmftViewVms *self, Entry *entry)
{
  GVariant *record = vmft_daemon_show_vm (self->daemon, entry->vm->uuid, NULL);
  g_autoptr (GVariant) held = record ? g_variant_ref_sink (record) : NULL;
  g_autoptr (GVariant) ways = NULL;

  entry->made_us = vmft_clock_monotonic_us (self->clock);
  if (held == NULL)
    return;
  g_free (entry->json);
  entry->json = vmft_json_from_variant (held, FALSE);
  g_array_set_size (entry->moves, 0);
  ways = g_variant_lookup_value (held, "destinations", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; ways != NULL && i < g_variant_n_children (ways); i++)
    {
      g_autoptr (GVariant) way = g_variant_get_child_value (ways, i);

      add_moves (entry, way);
    }
}

/* Describes those that need it, one after another from whose turn it is, for @budget_us of the machine's own time:
 * what counts is how long the main loop is held up, also where the clock is virtual. */
static void
describe_some (VmftViewVms *self, gint64 budget_us, gint64 fresh_us)
{
  gint64 end_us = g_get_monotonic_time () + budget_us;
  gint64 now_us = vmft_clock_monotonic_us (self->clock);

  for (guint i = 0; i < self->order->len; i++)
    {
      Entry *entry = g_ptr_array_index (self->order, self->turn % self->order->len);

      self->turn = (self->turn + 1) % self->order->len;
      if (entry->json != NULL && entry->made_us != 0 && now_us - entry->made_us < fresh_us)
        continue;
      describe (self, entry);
      if (g_get_monotonic_time () >= end_us)
        return;
    }
}

/* --- which there are --- */

static void
take_stock (VmftViewVms *self)
{
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (vmft_daemon_get_hypervisor (self->daemon));
  g_autoptr (GHashTable) old = g_steal_pointer (&self->entries);

  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) entry_free);
  g_ptr_array_set_size (self->order, 0);
  for (guint i = 0; i < vms->len; i++)
    {
      VmftVm *vm = g_ptr_array_index (vms, i);
      gpointer key = NULL, value = NULL;
      Entry *entry;

      if (g_hash_table_steal_extended (old, vm->uuid, &key, &value))
        g_free (key);
      entry = value ? value : entry_new (vm);
      if (entry->vm != vm) /* a new snapshot: something changed */
        {
          vmft_vm_unref (entry->vm);
          entry->vm = vmft_vm_ref (vm);
          entry->made_us = 0;
        }
      g_hash_table_insert (self->entries, g_strdup (vm->uuid), entry);
      g_ptr_array_add (self->order, entry);
    }
}

static gboolean
on_turn (gpointer data)
{
  VmftViewVms *self = data;

  if (vmft_clock_monotonic_us (self->clock) - self->watched_us > WATCHED_US)
    {
      self->timer = 0;
      return G_SOURCE_REMOVE;
    }
  take_stock (self);
  describe_some (self, TURN_BUDGET_US, FRESH_US);
  return G_SOURCE_CONTINUE;
}

static void
look (VmftViewVms *self)
{
  self->watched_us = vmft_clock_monotonic_us (self->clock);
  take_stock (self);
  describe_some (self, REQUEST_BUDGET_US, FRESH_US / 10);
  if (self->timer == 0)
    self->timer = vmft_clock_add_timer (self->clock, TURN_MS, on_turn, self, NULL);
}

/* --- showing --- */

char *
vmft_view_vms_to_json (VmftViewVms *self)
{
  g_autoptr (GString) text = g_string_new ("[");

  look (self);
  for (guint i = 0; i < self->order->len; i++)
    {
      const Entry *entry = g_ptr_array_index (self->order, i);
      g_autofree char *bare =
          entry->json ? NULL : vmft_json_from_variant (vmft_vm_to_variant (entry->vm), FALSE);

      if (i > 0)
        g_string_append_c (text, ',');
      g_string_append (text, entry->json ? entry->json : bare);
    }
  g_string_append_c (text, ']');
  return g_string_free (g_steal_pointer (&text), FALSE);
}

void
vmft_view_vms_add_metrics (VmftViewVms *self, VmftMetrics *metrics)
{
  look (self);
  vmft_metrics_gauge (metrics, "vmft_vm_move_seconds",
                      "Time to move a VM alone, estimated, at its 90th percentile.");
  for (guint i = 0; i < self->order->len; i++)
    {
      const Entry *entry = g_ptr_array_index (self->order, i);

      for (guint j = 0; j < entry->moves->len; j++)
        {
          const Move *move = &g_array_index (entry->moves, Move, j);

          vmft_metrics_add (metrics, move->p90_s, "vm", entry->vm->name, "destination", move->destination,
                            "mode", move->mode, NULL);
        }
    }
}

/* --- life --- */

VmftViewVms *
vmft_view_vms_new (VmftDaemon *daemon)
{
  VmftViewVms *self = g_new0 (VmftViewVms, 1);

  self->daemon = daemon;
  self->clock = g_object_ref (vmft_daemon_get_clock (daemon));
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) entry_free);
  self->order = g_ptr_array_new ();
  return self;
}

void
vmft_view_vms_free (VmftViewVms *self)
{
  vmft_clear_timer (self->clock, &self->timer);
  g_ptr_array_unref (self->order);
  g_hash_table_unref (self->entries);
  g_object_unref (self->clock);
  g_free (self);
}
