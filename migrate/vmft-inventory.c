/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-inventory.h"

#include "vmft-inventory-load.h"

#define RELOAD_INTERVAL_MS 30000
/* events come in flocks: a starting VM sends four */
#define RELOAD_DELAY_MS 50

struct _VmftInventory
{
  GObject parent;

  VmftConnection *connection;
  VmftClock *clock;
  GHashTable *vms;     /* uuid -> VmftVm */
  GHashTable *touched; /* uuids named by events since the load began */
  VmftDiskRules rules;
  guint timer;
  gboolean loading;
  gboolean again;
  gboolean loaded;
};

G_DEFINE_FINAL_TYPE (VmftInventory, vmft_inventory, G_TYPE_OBJECT)

enum
{
  VM_CHANGED,
  VM_FAILED,
  LOADED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void start_loading (VmftInventory *self);

static gboolean
on_timer (gpointer user_data)
{
  VmftInventory *self = user_data;

  self->timer = 0;
  start_loading (self);
  return G_SOURCE_REMOVE;
}

static void
load_after (VmftInventory *self, guint delay_ms)
{
  vmft_clear_timer (self->clock, &self->timer);
  self->timer = vmft_clock_add_timer (self->clock, delay_ms, on_timer, self, NULL);
}

/* --- loading --- */

static void
load_in_thread (GTask *task, virConnectPtr connection, gpointer task_data)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *vms = vmft_inventory_load (connection, task_data, &error);

  if (vms != NULL)
    g_task_return_pointer (task, vms, (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/* what a listener would act on; resident memory moves all the time */
static gboolean
is_same (const VmftVm *a, const VmftVm *b)
{
  return a->id == b->id && a->running == b->running && a->memory_bytes == b->memory_bytes &&
         g_strcmp0 (a->name, b->name) == 0 && g_strcmp0 (a->blocker, b->blocker) == 0 &&
         a->disks->len == b->disks->len && vmft_vm_policy_equal (&a->policy, &b->policy);
}

/* what libvirt's description does not hold moves from the old snapshot to the new one */
static void
carry_over (VmftVm *vm, const VmftVm *old)
{
  /* another QEMU process: another guest, as far as its writing goes */
  if (old->id == vm->id && old->dirty_samples->len > 0)
    {
      g_array_append_vals (vm->dirty_samples, old->dirty_samples->data, old->dirty_samples->len);
      vm->written_share = old->written_share;
      vm->rewrite_share = old->rewrite_share;
    }
  for (guint i = 0; i < old->movability->len; i++)
    {
      VmftMovability *way = g_ptr_array_index (old->movability, i);

      vmft_vm_set_movability (vm, way->destination, way->movable, way->modes, way->reason, way->checked_us);
    }
}

static void
take (VmftInventory *self, GPtrArray *vms)
{
  g_autoptr (GHashTable) old = g_steal_pointer (&self->vms);
  g_autoptr (GHashTable) touched = g_steal_pointer (&self->touched);
  g_autoptr (GPtrArray) changed = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer uuid = NULL;

  self->vms = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vmft_vm_unref);
  self->touched = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < vms->len; i++)
    {
      VmftVm *vm = g_ptr_array_index (vms, i);
      VmftVm *before = g_hash_table_lookup (old, vm->uuid);

      if (before != NULL)
        carry_over (vm, before);
      if (before == NULL || !is_same (before, vm) || g_hash_table_contains (touched, vm->uuid))
        g_ptr_array_add (changed, g_strdup (vm->uuid));
      g_hash_table_insert (self->vms, g_strdup (vm->uuid), vmft_vm_ref (vm));
    }
  g_hash_table_iter_init (&iter, old);
  while (g_hash_table_iter_next (&iter, &uuid, NULL))
    {
      if (!g_hash_table_contains (self->vms, uuid))
        g_ptr_array_add (changed, g_strdup (uuid));
    }
  for (guint i = 0; i < changed->len; i++)
    g_signal_emit (self, signals[VM_CHANGED], 0, g_ptr_array_index (changed, i));
}

static void
on_loaded (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VmftInventory) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) vms = g_task_propagate_pointer (G_TASK (result), &error);

  self->loading = FALSE;
  if (vms == NULL)
    {
      if (vmft_connection_is_open (self->connection))
        g_warning ("%s", error->message);
      load_after (self, RELOAD_INTERVAL_MS);
      return;
    }
  self->loaded = TRUE;
  take (self, vms);
  g_signal_emit (self, signals[LOADED], 0);
  load_after (self, self->again ? RELOAD_DELAY_MS : RELOAD_INTERVAL_MS);
  self->again = FALSE;
}

static void
start_loading (VmftInventory *self)
{
  g_autoptr (GTask) task = NULL;

  if (!vmft_connection_is_open (self->connection))
    return;
  if (self->loading)
    {
      self->again = TRUE;
      return;
    }
  self->loading = TRUE;
  task = g_task_new (NULL, NULL, on_loaded, g_object_ref (self));
  g_task_set_task_data (task, vmft_disk_rules_copy (&self->rules), (GDestroyNotify) vmft_disk_rules_free);
  vmft_connection_call (self->connection, task, load_in_thread);
}

void
vmft_inventory_reload (VmftInventory *self)
{
  if (self->loading)
    self->again = TRUE;
  else
    load_after (self, RELOAD_DELAY_MS);
}

/* --- events --- */

static void
touch (VmftInventory *self, virDomainPtr domain)
{
  char uuid[VIR_UUID_STRING_BUFLEN] = "";

  if (virDomainGetUUIDString (domain, uuid) == 0)
    g_hash_table_add (self->touched, g_strdup (uuid));
  vmft_inventory_reload (self);
}

static void
fail (VmftInventory *self, virDomainPtr domain, const char *reason)
{
  char uuid[VIR_UUID_STRING_BUFLEN] = "";

  if (virDomainGetUUIDString (domain, uuid) == 0)
    g_signal_emit (self, signals[VM_FAILED], 0, uuid, reason);
}

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *opaque)
{
  g_autoptr (VmftInventory) self = vmft_connection_event_target (opaque);

  if (self == NULL)
    return 0;
  touch (self, domain);
  if ((event == VIR_DOMAIN_EVENT_STOPPED &&
       (detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED || detail == VIR_DOMAIN_EVENT_STOPPED_FAILED)) ||
      event == VIR_DOMAIN_EVENT_CRASHED)
    fail (self, domain, "it crashed");
  return 0;
}

static void
on_io_error (virConnectPtr connection,
             virDomainPtr domain,
             const char *path,
             const char *alias,
             int action,
             const char *reason,
             void *opaque)
{
  g_autoptr (VmftInventory) self = vmft_connection_event_target (opaque);
  g_autofree char *text = NULL;

  if (self == NULL)
    return;
  touch (self, domain);
  text = g_strdup_printf ("I/O error on %s%s%s%s", path != NULL && path[0] != '\0' ? path : alias,
                          reason != NULL && reason[0] != '\0' ? " (" : "", reason != NULL ? reason : "",
                          reason != NULL && reason[0] != '\0' ? ")" : "");
  if (action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
    fail (self, domain, text);
}

static void
on_device (virConnectPtr connection, virDomainPtr domain, const char *alias, void *opaque)
{
  g_autoptr (VmftInventory) self = vmft_connection_event_target (opaque);

  if (self != NULL)
    touch (self, domain);
}

static void
on_metadata (virConnectPtr connection, virDomainPtr domain, int type, const char *uri, void *opaque)
{
  g_autoptr (VmftInventory) self = vmft_connection_event_target (opaque);

  if (self != NULL)
    touch (self, domain);
}

static void
on_block_job (virConnectPtr connection,
              virDomainPtr domain,
              const char *disk,
              int type,
              int status,
              void *opaque)
{
  g_autoptr (VmftInventory) self = vmft_connection_event_target (opaque);

  if (self != NULL)
    touch (self, domain);
}

static void
on_opened (VmftConnection *connection, VmftInventory *self)
{
  start_loading (self);
}

static void
on_closed (VmftConnection *connection, const char *reason, VmftInventory *self)
{
  self->loaded = FALSE;
  vmft_clear_timer (self->clock, &self->timer);
}

/* --- the object --- */

VmftInventory *
vmft_inventory_new (VmftConnection *connection, VmftClock *clock)
{
  VmftInventory *self = g_object_new (VMFT_TYPE_INVENTORY, NULL);
  GObject *target = G_OBJECT (self);

  self->connection = g_object_ref (connection);
  self->clock = g_object_ref (clock);
  vmft_connection_watch (connection, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle),
                         target);
  vmft_connection_watch (connection, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                         VIR_DOMAIN_EVENT_CALLBACK (on_io_error), target);
  vmft_connection_watch (connection, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK (on_device),
                         target);
  vmft_connection_watch (connection, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                         VIR_DOMAIN_EVENT_CALLBACK (on_device), target);
  vmft_connection_watch (connection, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                         VIR_DOMAIN_EVENT_CALLBACK (on_metadata), target);
  vmft_connection_watch (connection, VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
                         VIR_DOMAIN_EVENT_CALLBACK (on_block_job), target);
  g_signal_connect_object (connection, "opened", G_CALLBACK (on_opened), self, 0);
  g_signal_connect_object (connection, "closed", G_CALLBACK (on_closed), self, 0);
  return self;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  const VmftVm *const *x = a, *const *y = b;

  return g_strcmp0 ((*x)->name, (*y)->name);
}

GPtrArray *
vmft_inventory_list (VmftInventory *self)
{
  GPtrArray *vms = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_vm_unref);
  GHashTableIter iter;
  gpointer vm = NULL;

  g_hash_table_iter_init (&iter, self->vms);
  while (g_hash_table_iter_next (&iter, NULL, &vm))
    g_ptr_array_add (vms, vmft_vm_ref (vm));
  g_ptr_array_sort (vms, compare_names);
  return vms;
}

VmftVm *
vmft_inventory_get (VmftInventory *self, const char *uuid)
{
  return g_hash_table_lookup (self->vms, uuid);
}

void
vmft_inventory_put (VmftInventory *self, VmftVm *vm)
{
  if (g_hash_table_contains (self->vms, vm->uuid))
    g_hash_table_replace (self->vms, g_strdup (vm->uuid), vm);
  else
    vmft_vm_unref (vm);
}

gboolean
vmft_inventory_is_loaded (VmftInventory *self)
{
  return self->loaded;
}

void
vmft_inventory_set_shared_paths (VmftInventory *self, const char *const *paths)
{
  g_strfreev (self->rules.shared_paths);
  self->rules.shared_paths = g_strdupv ((char **) paths);
  if (self->loaded)
    vmft_inventory_reload (self);
}

void
vmft_inventory_allow_copies (VmftInventory *self, gboolean allow)
{
  self->rules.copy = allow;
}

gboolean
vmft_inventory_has_declared_disk (VmftInventory *self, const VmftVm *vm)
{
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const VmftVmDisk *disk = g_ptr_array_index (vm->disks, i);

      if (disk->source != NULL && !disk->read_only &&
          vmft_path_is_below (disk->source, (const char *const *) self->rules.shared_paths))
        return TRUE;
    }
  return FALSE;
}

VmftVm *
vmft_vm_with_reading (const VmftVm *vm, const VmftReading *reading)
{
  VmftVm *copy = vmft_vm_copy (vm);
  GArray *samples = copy->dirty_samples;
  VmftTime oldest_us =
      vmft_time_add_s (reading->samples[reading->n_samples - 1].at_us, -VMFT_SAMPLE_AGE_MAX_S);

  g_array_append_vals (samples, reading->samples, reading->n_samples);
  while (samples->len > VMFT_SAMPLES_MAX ||
         (samples->len > 0 && g_array_index (samples, VmftDirtySample, 0).at_us < oldest_us))
    g_array_remove_index (samples, 0);
  if (reading->written_share > 0.0)
    copy->written_share =
        vm->written_share > 0.0 ? 0.5 * (vm->written_share + reading->written_share) : reading->written_share;
  if (reading->rewrite_share > 0.0)
    copy->rewrite_share = reading->rewrite_share;
  return copy;
}

static void
vmft_inventory_finalize (GObject *object)
{
  VmftInventory *self = VMFT_INVENTORY (object);

  vmft_clear_timer (self->clock, &self->timer);
  g_clear_object (&self->connection);
  g_clear_object (&self->clock);
  g_hash_table_unref (self->vms);
  g_hash_table_unref (self->touched);
  g_strfreev (self->rules.shared_paths);
  G_OBJECT_CLASS (vmft_inventory_parent_class)->finalize (object);
}

static void
vmft_inventory_class_init (VmftInventoryClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_inventory_finalize;
  signals[VM_CHANGED] = g_signal_new ("vm-changed", VMFT_TYPE_INVENTORY, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                      NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[VM_FAILED] = g_signal_new ("vm-failed", VMFT_TYPE_INVENTORY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                     G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
  signals[LOADED] =
      g_signal_new ("loaded", VMFT_TYPE_INVENTORY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
vmft_inventory_init (VmftInventory *self)
{
  self->vms = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vmft_vm_unref);
  self->touched = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}
