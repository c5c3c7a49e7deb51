/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-file-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

typedef enum
{
  JOB_APPEND,
  JOB_REPLACE,
  JOB_REMOVE,
} JobKind;

typedef struct
{
  JobKind kind;
  char *path;
  GString *text;
} Job;

struct _VmftFileWriter
{
  GThreadPool *pool; /* of one thread, so that the order stays */
  gsize max_pending_bytes;
  gsize pending_bytes; /* with the lock held, as the next one */
  gboolean failing;
  GMutex lock;
};

static gboolean
append (const Job *job)
{
  g_autofree char *directory = g_path_get_dirname (job->path);
  gsize written = 0;
  int fd;

  if (g_mkdir_with_parents (directory, 0700) < 0)
    return FALSE;
  fd = open (job->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return FALSE;
  while (written < job->text->len)
    {
      gssize n = write (fd, job->text->str + written, job->text->len - written);

      if (n < 0 && errno != EINTR)
        break;
      written += n > 0 ? (gsize) n : 0;
    }
  return close (fd) == 0 && written == job->text->len;
}

static gboolean
replace (const Job *job)
{
  g_autofree char *directory = g_path_get_dirname (job->path);

  return g_mkdir_with_parents (directory, 0700) == 0 &&
         g_file_set_contents_full (job->path, job->text->str, (gssize) job->text->len,
                                   G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL);
}

static gboolean
remove_directory (const Job *job)
{
  g_autoptr (GDir) dir = g_dir_open (job->path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (job->path, name, NULL);

      g_unlink (path);
    }
  return g_rmdir (job->path) == 0;
}

/* Said once, until it works again. */
static void
note_result (VmftFileWriter *self, const Job *job, gboolean done, int code)
{
  if (!done && !self->failing)
    g_warning ("%s is not being kept: %s", job->path, g_strerror (code));
  self->failing = !done;
  self->pending_bytes -= job->text->len;
}

static void
run (gpointer data, gpointer user_data)
{
  static gboolean (*const functions[]) (const Job *) = { append, replace, remove_directory };
  VmftFileWriter *self = user_data;
  Job *job = data;
  gboolean done = functions[job->kind](job);
  int code = errno;

  g_mutex_lock (&self->lock);
  note_result (self, job, done, code);
  g_mutex_unlock (&self->lock);
  g_string_free (job->text, TRUE);
  g_free (job->path);
  g_free (job);
}

static gboolean
push (VmftFileWriter *self, JobKind kind, const char *path, GString *text)
{
  /* what replaces a file is small and says what became of it: it has room where nothing more is appended */
  gsize max_bytes = kind == JOB_APPEND ? self->max_pending_bytes : 2 * self->max_pending_bytes;
  gboolean fits;
  Job *job;

  g_mutex_lock (&self->lock);
  fits = self->pending_bytes + text->len <= max_bytes;
  if (fits)
    self->pending_bytes += text->len;
  g_mutex_unlock (&self->lock);
  if (!fits)
    {
      g_string_free (text, TRUE);
      return FALSE;
    }
  job = g_new0 (Job, 1);
  *job = (Job){ .kind = kind, .path = g_strdup (path), .text = text };
  g_thread_pool_push (self->pool, job, NULL);
  return TRUE;
}

gboolean
vmft_file_writer_append (VmftFileWriter *self, const char *path, GString *text)
{
  return push (self, JOB_APPEND, path, text);
}

void
vmft_file_writer_replace (VmftFileWriter *self, const char *path, char *text)
{
  g_autofree char *held = text;

  push (self, JOB_REPLACE, path, g_string_new (held));
}

void
vmft_file_writer_remove (VmftFileWriter *self, const char *directory)
{
  push (self, JOB_REMOVE, directory, g_string_new (NULL));
}

VmftFileWriter *
vmft_file_writer_new (gsize max_pending_bytes)
{
  VmftFileWriter *self = g_new0 (VmftFileWriter, 1);

  self->max_pending_bytes = max_pending_bytes;
  g_mutex_init (&self->lock);
  self->pool = g_thread_pool_new (run, self, 1, FALSE, NULL);
  return self;
}

void
vmft_file_writer_free (VmftFileWriter *self)
{
  g_thread_pool_free (self->pool, FALSE, TRUE);
  g_mutex_clear (&self->lock);
  g_free (self);
}
