/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-boot.h"

#include <string.h>

#define MAX_SOURCES 32
#define BACKWARD_US (5 * G_USEC_PER_SEC) /* stamps of two processors, or of records sent late */
#define SAME_BOOT_S 120                  /* early lines carry the time at which syslog came up */

#define STARTED     "Startup finished in "

typedef struct
{
  char *name;
  gint64 uptime_us; /* of the latest stamp */
  VmftTime time_us; /* when that was */
  guint64 boot;
  gboolean started;
} Source;

struct _VmftBootTracker
{
  gint64 boot_us;
  GArray *sources; /* Source */
};

static void
source_clear (gpointer data)
{
  g_free (((Source *) data)->name);
}

VmftBootTracker *
vmft_boot_tracker_new (double boot_s)
{
  VmftBootTracker *self = g_new0 (VmftBootTracker, 1);

  self->boot_us = (gint64) (boot_s * G_USEC_PER_SEC);
  self->sources = g_array_new (FALSE, TRUE, sizeof (Source));
  g_array_set_clear_func (self->sources, source_clear);
  return self;
}

void
vmft_boot_tracker_free (VmftBootTracker *self)
{
  g_array_unref (self->sources);
  g_free (self);
}

static Source *
find_source (VmftBootTracker *self, const char *name)
{
  for (guint i = 0; i < self->sources->len; i++)
    {
      Source *source = &g_array_index (self->sources, Source, i);

      if (strcmp (source->name, name) == 0)
        return source;
    }
  if (self->sources->len == MAX_SOURCES)
    g_array_remove_index (self->sources, 0);
  g_array_append_val (self->sources, ((Source){ .name = g_strdup (name), .uptime_us = G_MAXINT64 }));
  return &g_array_index (self->sources, Source, self->sources->len - 1);
}

static VmftTime
time_of (const VmftLine *line)
{
  return line->time_us ? line->time_us : line->arrival_us;
}

static guint64
start_of (const VmftLine *line)
{
  return (guint64) MAX (1, (time_of (line) - line->uptime_us) / G_USEC_PER_SEC);
}

/* Stamps go back a little within a boot, far only with the next one. */
static gboolean
is_another_boot (const Source *source, const VmftLine *line)
{
  if (source->boot == 0 || line->uptime_us + BACKWARD_US < source->uptime_us)
    return TRUE;
  return line->uptime_us < source->uptime_us && start_of (line) > source->boot + SAME_BOOT_S;
}

/* A source that restarts its stamps tells of another boot, perhaps one that another source told of before. */
static void
enter_boot (VmftBootTracker *self, Source *source, const VmftLine *line)
{
  guint64 start_s = start_of (line);

  for (guint i = 0; i < self->sources->len; i++)
    {
      const Source *other = &g_array_index (self->sources, Source, i);

      if (other != source && other->boot != 0 && other->boot != source->boot &&
          other->boot + SAME_BOOT_S > start_s && start_s + SAME_BOOT_S > other->boot)
        {
          source->boot = other->boot;
          source->started = other->started;
          return;
        }
    }
  source->boot = MAX (start_s, source->boot + 1);
  source->started = FALSE;
}

gboolean
vmft_boot_tracker_note (VmftBootTracker *self, const VmftLine *line, const char *source_name, guint64 *boot)
{
  Source *source = find_source (self, source_name);

  if (line->kernel && line->uptime_us >= 0)
    {
      if (is_another_boot (source, line))
        {
          enter_boot (self, source, line);
          source->uptime_us = line->uptime_us;
        }
      source->uptime_us = MAX (source->uptime_us, line->uptime_us);
      source->time_us = time_of (line);
    }
  else if (!line->kernel && line->text.length >= strlen (STARTED) && line->pid == 1 &&
           memcmp (line->text.data, STARTED, strlen (STARTED)) == 0)
    source->started = TRUE;
  *boot = source->boot;
  if (source->boot == 0 || source->started)
    return FALSE;
  return source->uptime_us + MAX (0, time_of (line) - source->time_us) <= self->boot_us;
}
