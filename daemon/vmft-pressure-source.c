/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-pressure-source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define WINDOW_US   (2 * G_USEC_PER_SEC)
#define WINDOW_MS   2000
#define N_RESOURCES 3
#define READING     1024 /* bytes; the files have two short lines */

/* One file of /proc/pressure. */
typedef struct
{
  VmftPressureSource *source;
  const char *name; /* "memory" */
  const char *kind; /* "some" or "full" */
  double share;
  char *path;
  int fd;
  guint watch_id; /* of a trigger; 0: polled */
  gboolean complained;
  gboolean has_total;
  guint64 total_us; /* stalled so far, at the last poll */
  gint64 polled_us;
  guint64 n_raised;
} Resource;

struct _VmftPressureSource
{
  GObject parent;

  char *name;
  VmftClock *clock;
  VmftPressureFunc func;
  gpointer user_data;
  Resource resources[N_RESOURCES];
  guint timer_id;
  gboolean polling;
};

static void vmft_pressure_source_iface_init (VmftSourceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftPressureSource,
                               vmft_pressure_source,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_SOURCE, vmft_pressure_source_iface_init))

/* --- readings --- */

/* Returns: (transfer full) (nullable): the line "some …" or "full …", without its newline. */
static char *
read_line (const Resource *resource)
{
  char text[READING];
  gssize n = pread (resource->fd, text, sizeof text - 1, 0);
  g_auto (GStrv) lines = NULL;

  if (n <= 0)
    return NULL;
  text[n] = '\0';
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], resource->kind) && lines[i][strlen (resource->kind)] == ' ')
      return g_strdup (lines[i]);
  return NULL;
}

/* "some avg10=1.53 avg60=0.87 avg300=0.73 total=99430" */
static gboolean
parse_total (const char *line, guint64 *total_us)
{
  const char *total = strstr (line, " total=");

  return total != NULL &&
         g_ascii_string_to_unsigned (total + strlen (" total="), 10, 0, G_MAXUINT64, total_us, NULL);
}

static void
report (Resource *resource, const char *reading)
{
  VmftPressureSource *self = resource->source;
  g_autofree char *line =
      g_strdup_printf ("%s pressure: %s", resource->name, reading ? reading : resource->kind);

  resource->n_raised++;
  self->func (resource->name, line, self->user_data);
}

/* The share of the time since the last poll; the kernel's own averages lag behind by their ten seconds. */
static void
poll_resource (Resource *resource)
{
  g_autofree char *line = read_line (resource);
  gint64 now_us = vmft_clock_monotonic_us (resource->source->clock);
  gint64 elapsed_us = now_us - resource->polled_us;
  guint64 total_us = 0;

  if (line == NULL || !parse_total (line, &total_us))
    return;
  if (resource->has_total && elapsed_us > 0 && total_us >= resource->total_us &&
      (double) (total_us - resource->total_us) >= resource->share * (double) elapsed_us)
    report (resource, line);
  resource->has_total = TRUE;
  resource->total_us = total_us;
  resource->polled_us = now_us;
}

/* --- triggers --- */

static void
close_file (Resource *resource)
{
  g_clear_handle_id (&resource->watch_id, g_source_remove);
  if (resource->fd >= 0)
    close (resource->fd);
  resource->fd = -1;
  resource->has_total = FALSE;
}

static gboolean
on_trigger (gint fd, GIOCondition condition, gpointer user_data)
{
  Resource *resource = user_data;
  g_autoptr (VmftPressureSource) self G_GNUC_UNUSED =
      g_object_ref (resource->source); /* outlives the report */
  g_autofree char *line = NULL;

  if ((condition & G_IO_ERR) != 0)
    {
      /* what the trigger was on is gone; the next poll opens it again */
      resource->watch_id = 0;
      close_file (resource);
      return G_SOURCE_REMOVE;
    }
  line = read_line (resource);
  report (resource, line);
  return G_SOURCE_CONTINUE;
}

/* Only the kernel's own files take triggers; any other would take the words as its new contents. */
static gboolean
is_kernel_file (int fd)
{
  struct statfs fs;

  return fstatfs (fd, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);
}

static gboolean
set_trigger (Resource *resource)
{
  g_autofree char *words = g_strdup_printf ("%s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, resource->kind,
                                            (gint64) (resource->share * WINDOW_US), (gint64) WINDOW_US);
  int fd = open (resource->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

  /* the terminating NUL belongs to it */
  if (fd < 0 || !is_kernel_file (fd) || write (fd, words, strlen (words) + 1) < 0)
    {
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  resource->fd = fd;
  resource->watch_id = g_unix_fd_add (fd, G_IO_PRI, on_trigger, resource);
  return TRUE;
}

static void
open_file (Resource *resource)
{
  VmftPressureSource *self = resource->source;

  if (!self->polling && set_trigger (resource))
    {
      resource->complained = FALSE;
      return;
    }
  resource->fd = open (resource->path, O_RDONLY | O_CLOEXEC);
  if (resource->fd < 0 && !resource->complained)
    g_warning ("source %s: %s: %s; trying on", self->name, resource->path, g_strerror (errno));
  else if (resource->fd >= 0 && !self->polling)
    g_message ("source %s: %s takes no trigger; looking every %d s", self->name, resource->path,
               WINDOW_MS / 1000);
  resource->complained = resource->fd < 0;
}

static void
look (VmftPressureSource *self)
{
  for (guint i = 0; i < N_RESOURCES; i++)
    {
      Resource *resource = &self->resources[i];

      if (resource->share <= 0)
        continue;
      if (resource->fd < 0)
        open_file (resource);
      if (resource->fd >= 0 && resource->watch_id == 0)
        poll_resource (resource);
    }
}

static gboolean
on_timer (gpointer user_data)
{
  g_autoptr (VmftPressureSource) self = g_object_ref (user_data);

  look (self);
  return G_SOURCE_CONTINUE;
}

/* --- VmftSource --- */

static void
vmft_pressure_source_start (VmftSource *source)
{
  VmftPressureSource *self = VMFT_PRESSURE_SOURCE (source);

  g_return_if_fail (self->timer_id == 0);
  self->timer_id = vmft_clock_add_timer (self->clock, WINDOW_MS, on_timer, self, NULL);
  look (self);
}

static GVariant *
describe_resource (const Resource *resource)
{
  g_autofree char *reading = resource->fd >= 0 ? read_line (resource) : NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "share", "d", resource->share);
  g_variant_dict_insert (&dict, "way", "s",
                         resource->watch_id != 0 ? "trigger"
                         : resource->fd >= 0     ? "polling"
                                                 : "missing");
  g_variant_dict_insert (&dict, "reading", "s", reading ? reading : "");
  g_variant_dict_insert (&dict, "raised", "t", resource->n_raised);
  return g_variant_dict_end (&dict);
}

static GVariant *
vmft_pressure_source_describe (VmftSource *source)
{
  VmftPressureSource *self = VMFT_PRESSURE_SOURCE (source);
  guint64 n_raised = 0;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", self->name);
  g_variant_dict_insert (&dict, "type", "s", "pressure");
  g_variant_dict_insert (&dict, "trusted", "b", TRUE);
  for (guint i = 0; i < N_RESOURCES; i++)
    {
      n_raised += self->resources[i].n_raised;
      if (self->resources[i].share > 0)
        g_variant_dict_insert_value (&dict, self->resources[i].name, describe_resource (&self->resources[i]));
    }
  g_variant_dict_insert (&dict, "lines", "t", n_raised);
  return g_variant_dict_end (&dict);
}

static void
vmft_pressure_source_iface_init (VmftSourceInterface *iface)
{
  iface->start = vmft_pressure_source_start;
  iface->describe = vmft_pressure_source_describe;
}

static void
vmft_pressure_source_finalize (GObject *object)
{
  VmftPressureSource *self = VMFT_PRESSURE_SOURCE (object);

  vmft_clear_timer (self->clock, &self->timer_id);
  for (guint i = 0; i < N_RESOURCES; i++)
    {
      close_file (&self->resources[i]);
      g_free (self->resources[i].path);
    }
  g_object_unref (self->clock);
  g_free (self->name);
  G_OBJECT_CLASS (vmft_pressure_source_parent_class)->finalize (object);
}

static void
vmft_pressure_source_class_init (VmftPressureSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_pressure_source_finalize;
}

static void
vmft_pressure_source_init (VmftPressureSource *self)
{
}

static void
init_resource (VmftPressureSource *self,
               guint index,
               const char *directory,
               const char *name,
               const char *kind,
               double share)
{
  self->resources[index] = (Resource){ .source = self,
                                       .name = name,
                                       .kind = kind,
                                       .share = share,
                                       .path = g_build_filename (directory, name, NULL),
                                       .fd = -1 };
}

VmftSource *
vmft_pressure_source_new (const char *name,
                          const VmftPressureConfig *config,
                          VmftClock *clock,
                          VmftPressureFunc func,
                          gpointer user_data)
{
  VmftPressureSource *self = g_object_new (VMFT_TYPE_PRESSURE_SOURCE, NULL);

  self->name = g_strdup (name);
  self->clock = g_object_ref (clock);
  self->func = func;
  self->user_data = user_data;
  init_resource (self, 0, config->directory, "memory", "some", config->memory);
  init_resource (self, 1, config->directory, "io", "full", config->io);
  init_resource (self, 2, config->directory, "cpu", "some", config->cpu);
  return VMFT_SOURCE (self);
}

void
vmft_pressure_source_set_polling (VmftPressureSource *self, gboolean polling)
{
  self->polling = polling;
}
