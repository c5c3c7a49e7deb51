/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-facts.h"

#include "vmft-block-device.h"

#include <gio/gio.h>
#include <math.h>

#define LOOK_MS     60000
#define DEVICES_MS  5000
#define MAX_SEEN    65536
#define MEMORY_MS   1000
#define SMOOTHING_S 10.0

/* Pressure is gone when so much of the memory is available, and what the trend takes in the time that the history of
 * such hosts gives (DESIGN 4.2: 5 minutes at the median) is there as well. */
#define RESERVE_SHARE 0.1
#define TREND_S       300.0

struct _VmftFacts
{
  VmftClock *clock;
  char *sysfs;
  char *proc;
  char *state_directory;
  GCancellable *cancellable;
  guint look_id;
  guint devices_id;
  guint memory_id;
  gboolean reading;
  guint names;          /* hash of the names of all block devices, as last looked at */
  GHashTable *seen;     /* device -> GStrv: itself and what was built upon it when it was last there */
  GStrv system_devices; /* (nullable): until they have been read once */
  GStrv locus_devices;  /* (nullable): of the last vmft_facts_get() */
  double total_bytes;
  double available_bytes;
  double free_bytes;
  double decline_bps;
  gint64 memory_us;
};

/* --- the devices that carry the host, and what each device carries: worker thread --- */

typedef struct
{
  GStrv system_devices;
  GHashTable *upon; /* device -> GPtrArray of names */
} Devices;

static void
devices_free (Devices *devices)
{
  g_strfreev (devices->system_devices);
  g_hash_table_unref (devices->upon);
  g_free (devices);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Devices, devices_free)

typedef struct
{
  char *sysfs;
  char *proc;
  char *state_directory;
} Paths;

static void
paths_free (Paths *paths)
{
  g_free (paths->sysfs);
  g_free (paths->proc);
  g_free (paths->state_directory);
  g_free (paths);
}

static void
add_stack (GPtrArray *devices, const char *sysfs, const char *device)
{
  g_auto (GStrv) stack = vmft_block_device_stack (sysfs, device);

  for (guint i = 0; stack != NULL && stack[i] != NULL; i++)
    if (!g_ptr_array_find_with_equal_func (devices, stack[i], g_str_equal, NULL))
      g_ptr_array_add (devices, g_strdup (stack[i]));
}

static void
add_path (GPtrArray *devices, const char *sysfs, const char *path)
{
  g_autofree char *device = path ? vmft_block_device_of_path (sysfs, path) : NULL;

  if (device != NULL)
    add_stack (devices, sysfs, device);
}

static void
add_swap (GPtrArray *devices, const Paths *paths)
{
  g_autofree char *file = g_build_filename (paths->proc, "swaps", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (file, &text, NULL, NULL))
    return;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 1; lines[0] != NULL && lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = g_strsplit_set (lines[i], " \t", 2);

      if (words[0] != NULL && *words[0] == '/')
        add_path (devices, paths->sysfs, words[0]);
    }
}

static GStrv
read_system_devices (const Paths *paths)
{
  /* QEMU, whatever the architecture, is in one of the first three */
  static const char *const carried[] = {
    "/", "/usr/bin", "/usr/libexec", "/var/lib/libvirt", "/run/libvirt", "/etc/libvirt"
  };
  g_autoptr (GPtrArray) devices = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (carried); i++)
    add_path (devices, paths->sysfs, carried[i]);
  add_path (devices, paths->sysfs, paths->state_directory);
  add_swap (devices, paths);
  g_ptr_array_add (devices, NULL);
  return (GStrv) g_ptr_array_free (g_steal_pointer (&devices), FALSE);
}

static GHashTable *
read_upon (const char *sysfs)
{
  g_autofree char *directory = g_build_filename (sysfs, "class", "block", NULL);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  GHashTable *upon =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_auto (GStrv) stack = vmft_block_device_stack (sysfs, name);

      for (guint i = 0; stack != NULL && stack[i] != NULL; i++)
        {
          GPtrArray *names = g_hash_table_lookup (upon, stack[i]);

          if (names == NULL)
            {
              names = g_ptr_array_new_with_free_func (g_free);
              g_hash_table_insert (upon, g_strdup (stack[i]), names);
            }
          g_ptr_array_add (names, g_strdup (name));
        }
    }
  return upon;
}

static void
read_devices (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
  const Paths *paths = task_data;
  Devices *devices = g_new0 (Devices, 1);

  devices->upon = read_upon (paths->sysfs);
  devices->system_devices = read_system_devices (paths);
  g_task_return_pointer (task, devices, (GDestroyNotify) devices_free);
}

/* A stick that is pulled leaves its last lines behind, when sysfs no longer tells that it carried nothing. */
static void
remember (VmftFacts *self, GHashTable *upon)
{
  GHashTableIter iter;
  gpointer device = NULL, names = NULL;

  if (g_hash_table_size (self->seen) > MAX_SEEN)
    g_hash_table_remove_all (self->seen);
  g_hash_table_iter_init (&iter, upon);
  while (g_hash_table_iter_next (&iter, &device, &names))
    {
      g_ptr_array_add (names, NULL);
      g_hash_table_replace (self->seen, g_strdup (device), g_strdupv ((GStrv) ((GPtrArray *) names)->pdata));
    }
}

/* What carried the host and has gone did not stop to carry it: its disk has failed. */
static void
keep_gone (Devices *devices, char *const *before)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  GStrv now = devices->system_devices;

  g_strv_builder_addv (builder, (const char **) now);
  for (guint i = 0; before != NULL && before[i] != NULL; i++)
    if (!g_hash_table_contains (devices->upon, before[i]) &&
        !g_strv_contains ((const char *const *) now, before[i]))
      g_strv_builder_add (builder, before[i]);
  devices->system_devices = g_strv_builder_end (builder);
  g_strfreev (now);
}

static void
on_devices (GObject *object, GAsyncResult *result, gpointer user_data)
{
  VmftFacts *self = user_data;
  g_autoptr (Devices) devices = g_task_propagate_pointer (G_TASK (result), NULL);

  if (devices == NULL)
    return; /* cancelled: @self is gone */
  keep_gone (devices, self->system_devices);
  g_strfreev (self->system_devices);
  self->system_devices = g_steal_pointer (&devices->system_devices);
  remember (self, devices->upon);
  self->reading = FALSE;
}

static gboolean
look (gpointer user_data)
{
  VmftFacts *self = user_data;
  g_autoptr (GTask) task = NULL;
  Paths *paths;

  if (self->reading)
    return G_SOURCE_CONTINUE;
  self->reading = TRUE;
  paths = g_new0 (Paths, 1);
  paths->sysfs = g_strdup (self->sysfs);
  paths->proc = g_strdup (self->proc);
  paths->state_directory = g_strdup (self->state_directory);
  task = g_task_new (NULL, self->cancellable, on_devices, self);
  g_task_set_task_data (task, paths, (GDestroyNotify) paths_free);
  g_task_run_in_thread (task, read_devices);
  return G_SOURCE_CONTINUE;
}

/* The whole look is taken when a device has come or gone; to see that takes one directory. */
static gboolean
look_for_devices (gpointer user_data)
{
  VmftFacts *self = user_data;
  g_autofree char *directory = g_build_filename (self->sysfs, "class", "block", NULL);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;
  guint names = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    names += g_str_hash (name); /* in whatever order */
  if (names == self->names || self->reading)
    return G_SOURCE_CONTINUE;
  look (self);
  self->names = names;
  return G_SOURCE_CONTINUE;
}

/* --- memory --- */

static double
meminfo_bytes (const char *text, const char *name)
{
  const char *found = strstr (text, name);

  return found ? g_ascii_strtod (found + strlen (name), NULL) * 1024.0 : 0.0;
}

static gboolean
read_memory (gpointer user_data)
{
  VmftFacts *self = user_data;
  g_autofree char *file = g_build_filename (self->proc, "meminfo", NULL);
  g_autofree char *text = NULL;
  gint64 now_us = vmft_clock_monotonic_us (self->clock);
  double free_bytes, passed_s, weight;

  if (!g_file_get_contents (file, &text, NULL, NULL))
    return G_SOURCE_CONTINUE;
  self->total_bytes = meminfo_bytes (text, "MemTotal:");
  self->available_bytes = meminfo_bytes (text, "MemAvailable:");
  free_bytes = self->available_bytes + meminfo_bytes (text, "SwapFree:");
  passed_s = (double) (now_us - self->memory_us) / G_USEC_PER_SEC;
  if (self->memory_us != 0 && passed_s > 0.0)
    {
      weight = 1.0 - exp (-passed_s / SMOOTHING_S);
      self->decline_bps += weight * ((self->free_bytes - free_bytes) / passed_s - self->decline_bps);
    }
  self->memory_us = now_us;
  self->free_bytes = free_bytes;
  return G_SOURCE_CONTINUE;
}

double
vmft_facts_get_decline_bps (VmftFacts *self, double *free_bytes)
{
  *free_bytes = self->free_bytes;
  return MAX (self->decline_bps, 0.0);
}

/* What must go before memory suffices; 0 when there is enough, or nobody knows. */
static double
deficit_bytes (VmftFacts *self)
{
  double wanted = RESERVE_SHARE * self->total_bytes + TREND_S * MAX (self->decline_bps, 0.0);

  return self->total_bytes > 0.0 ? MAX (wanted - self->available_bytes, 0.0) : 0.0;
}

/* --- life --- */

VmftFacts *
vmft_facts_new (VmftClock *clock, const char *sysfs, const char *proc, const char *state_directory)
{
  VmftFacts *self = g_new0 (VmftFacts, 1);

  self->clock = g_object_ref (clock);
  self->sysfs = g_strdup (sysfs);
  self->proc = g_strdup (proc);
  self->state_directory = g_strdup (state_directory);
  self->cancellable = g_cancellable_new ();
  self->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_strfreev);
  return self;
}

void
vmft_facts_free (VmftFacts *self)
{
  g_cancellable_cancel (self->cancellable);
  vmft_clear_timer (self->clock, &self->look_id);
  vmft_clear_timer (self->clock, &self->devices_id);
  vmft_clear_timer (self->clock, &self->memory_id);
  g_object_unref (self->cancellable);
  g_object_unref (self->clock);
  g_hash_table_unref (self->seen);
  g_strfreev (self->system_devices);
  g_strfreev (self->locus_devices);
  g_free (self->sysfs);
  g_free (self->proc);
  g_free (self->state_directory);
  g_free (self);
}

void
vmft_facts_start (VmftFacts *self)
{
  self->look_id = vmft_clock_add_timer (self->clock, LOOK_MS, look, self, NULL);
  self->devices_id = vmft_clock_add_timer (self->clock, DEVICES_MS, look_for_devices, self, NULL);
  self->memory_id = vmft_clock_add_timer (self->clock, MEMORY_MS, read_memory, self, NULL);
  look (self);
  read_memory (self);
}

/* Every block device that is @device or built upon it. */
static GStrv
devices_upon (VmftFacts *self, const char *device, gboolean *known)
{
  g_autofree char *directory = g_build_filename (self->sysfs, "class", "block", NULL);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  g_autoptr (GPtrArray) devices = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  *known = FALSE;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      *known |= strcmp (name, device) == 0;
      if (vmft_block_device_lives_on (self->sysfs, name, device))
        g_ptr_array_add (devices, g_strdup (name));
    }
  g_ptr_array_add (devices, NULL);
  return (GStrv) g_ptr_array_free (g_steal_pointer (&devices), FALSE);
}

void
vmft_facts_get (VmftFacts *self, const VmftLocus *locus, VmftHostFacts *facts)
{
  *facts = (VmftHostFacts){ .system_devices = self->system_devices,
                            .free_bytes = self->free_bytes,
                            .memory_known = self->total_bytes > 0.0,
                            .pressure_deficit_bytes = deficit_bytes (self) };
  g_clear_pointer (&self->locus_devices, g_strfreev);
  if (locus->kind != VMFT_LOCUS_BLOCK)
    {
      facts->locus_known = locus->kind != VMFT_LOCUS_PCI;
      return;
    }
  self->locus_devices = devices_upon (self, locus->name, &facts->locus_known);
  if (!facts->locus_known && g_hash_table_contains (self->seen, locus->name))
    {
      g_strfreev (self->locus_devices);
      self->locus_devices = g_strdupv (g_hash_table_lookup (self->seen, locus->name));
      facts->locus_known = TRUE;
    }
  /* until it is known what carries the host, any device may */
  facts->locus_known = facts->locus_known && self->system_devices != NULL;
  facts->locus_devices = facts->locus_known ? self->locus_devices : NULL;
}
