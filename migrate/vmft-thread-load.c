/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-thread-load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* utime and stime are the 14th and 15th field; the 2nd, a name in brackets, may hold anything */
static guint64
read_ticks (const char *path)
{
  g_autofree char *text = NULL;
  unsigned long user = 0, kernel = 0;
  const char *rest;

  if (!g_file_get_contents (path, &text, NULL, NULL) || (rest = strrchr (text, ')')) == NULL ||
      sscanf (rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
    return 0;
  return (guint64) user + kernel;
}

GHashTable *
vmft_thread_load_read (const char *proc, int pid)
{
  GHashTable *threads = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *directory = g_strdup_printf ("%s/%d/task", proc, pid);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *id;

  while (dir != NULL && (id = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, id, "stat", NULL);
      guint64 ticks = read_ticks (path);

      g_hash_table_insert (threads, g_strdup (id), g_memdup2 (&ticks, sizeof ticks));
    }
  return threads;
}

double
vmft_thread_load_busiest (GHashTable *before, GHashTable *after, double seconds)
{
  guint64 most = 0;
  GHashTableIter iter;
  gpointer id, ticks;

  g_hash_table_iter_init (&iter, after);
  while (g_hash_table_iter_next (&iter, &id, &ticks))
    {
      const guint64 *then = g_hash_table_lookup (before, id);
      guint64 now = *(const guint64 *) ticks;

      if (then != NULL && now > *then)
        most = MAX (most, now - *then);
    }
  return seconds > 0.0 ? MIN (1.0, (double) most / (double) sysconf (_SC_CLK_TCK) / seconds) : 0.0;
}
