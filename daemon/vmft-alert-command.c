/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-alert-queue.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct
{
  VmftClock *clock;
  char *path;
  guint timeout_ms;
} Command;

typedef struct
{
  VmftClock *clock;
  GSubprocess *process;
  guint timer;
  gboolean timed_out;
} Run;

static void
run_free (Run *run)
{
  vmft_clear_timer (run->clock, &run->timer);
  g_object_unref (run->clock);
  g_clear_object (&run->process);
  g_free (run);
}

static void
kill_group (Run *run)
{
  const char *pid = g_subprocess_get_identifier (run->process);

  if (pid != NULL)
    kill (-(pid_t) g_ascii_strtoll (pid, NULL, 10), SIGKILL);
}

static gboolean
on_timeout (gpointer data)
{
  Run *run = data;

  run->timer = 0;
  run->timed_out = TRUE;
  kill_group (run);
  return G_SOURCE_REMOVE;
}

static void
on_process_exit (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Run *run = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  vmft_clear_timer (run->clock, &run->timer);
  if (!g_subprocess_wait_finish (run->process, result, &error))
    {
      kill_group (run);
      g_task_return_error (task, g_steal_pointer (&error));
    }
  else if (run->timed_out)
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_TIMEOUT, "it did not end in time and was killed");
  else if (!g_subprocess_get_successful (run->process))
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_FAILED, "it ended with %s %d",
                             g_subprocess_get_if_exited (run->process) ? "status" : "signal",
                             g_subprocess_get_if_exited (run->process)
                                 ? g_subprocess_get_exit_status (run->process)
                                 : g_subprocess_get_term_sig (run->process));
  else
    g_task_return_boolean (task, TRUE);
}

/* After fork: so that killing it reaches what it started. */
static void
own_group (gpointer data)
{
  (void) !setpgid (0, 0);
}

/* A file in memory rather than a pipe: a command that does not read holds up nobody. */
static int
open_body (GBytes *body, GError **error)
{
  gsize size = 0, written = 0;
  const char *data = g_bytes_get_data (body, &size);
  int fd = memfd_create ("vmft-alert", MFD_CLOEXEC);

  while (fd >= 0 && written < size)
    {
      gssize n = write (fd, data + written, size - written);

      if (n < 0 && errno != EINTR)
        break;
      written += (gsize) MAX (n, 0);
    }
  if (fd >= 0 && written == size && lseek (fd, 0, SEEK_SET) == 0)
    return fd;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED, "memory file: %s", g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static GSubprocess *
spawn (Command *self, const VmftAlert *alert, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  int fd = open_body (alert->body, error);

  if (fd < 0)
    return NULL;
  g_subprocess_launcher_take_stdin_fd (launcher, fd);
  g_subprocess_launcher_set_child_setup (launcher, own_group, NULL, NULL);
  /* neither the notify socket nor the credentials of the daemon are the command's business */
  g_subprocess_launcher_unsetenv (launcher, "NOTIFY_SOCKET");
  g_subprocess_launcher_unsetenv (launcher, "CREDENTIALS_DIRECTORY");
  return g_subprocess_launcher_spawn (launcher, error, self->path, alert->event, NULL);
}

static void
command_deliver (gpointer data,
                 const VmftAlert *alert,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  Command *self = data;
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Run *run = g_new0 (Run, 1);
  g_autoptr (GError) error = NULL;

  run->clock = g_object_ref (self->clock);
  g_task_set_task_data (task, run, (GDestroyNotify) run_free);
  run->process = spawn (self, alert, &error);
  if (run->process == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  run->timer = vmft_clock_add_timer (self->clock, self->timeout_ms, on_timeout, run, NULL);
  g_subprocess_wait_async (run->process, cancellable, on_process_exit, g_steal_pointer (&task));
}

static void
command_free (gpointer data)
{
  Command *self = data;

  g_object_unref (self->clock);
  g_free (self->path);
  g_free (self);
}

void
vmft_alert_command_init (VmftAlertChannel *channel, VmftClock *clock, const char *path, double timeout_s)
{
  Command *self = g_new0 (Command, 1);

  self->clock = g_object_ref (clock);
  self->path = g_strdup (path);
  self->timeout_ms = (guint) (timeout_s * 1000);
  *channel = (VmftAlertChannel){ .deliver = command_deliver, .free = command_free, .data = self };
}
