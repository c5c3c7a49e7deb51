/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-exec.h"

#include "vmft-common.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#define KILL_AFTER_MS   5000
#define MESSAGE_MAX     512
#define OUTPUT_KEPT_MAX 4096

typedef struct
{
  VmftClock *clock;
  GSubprocess *process;
  GInputStream *output;
  char kept[OUTPUT_KEPT_MAX]; /* the end of what it printed */
  gsize n_kept;
  char chunk[1024];
  guint timer;
  gboolean timed_out;
  gboolean eof;
  gboolean exited;
  gboolean finished;
} Exec;

typedef struct
{
  VmftExecResult result;
  char *message;
} Ending;

static void
exec_free (Exec *self)
{
  vmft_clear_timer (self->clock, &self->timer);
  g_clear_object (&self->clock);
  g_clear_object (&self->process);
  g_free (self);
}

static void
ending_free (gpointer data)
{
  Ending *ending = data;

  g_free (ending->message);
  g_free (ending);
}

/* --- its output --- */

static void
keep (Exec *self, gsize n)
{
  gsize surplus = self->n_kept + n > OUTPUT_KEPT_MAX ? self->n_kept + n - OUTPUT_KEPT_MAX : 0;

  memmove (self->kept, self->kept + surplus, self->n_kept - surplus);
  self->n_kept -= surplus;
  memcpy (self->kept + self->n_kept, self->chunk, n);
  self->n_kept += n;
}

static char *
last_line (Exec *self)
{
  g_autofree char *text = g_strndup (self->kept, self->n_kept);
  const char *line = NULL;

  g_strchomp (text);
  line = strrchr (text, '\n');
  line = line != NULL ? line + 1 : text;
  return vmft_text_printable (line, (gssize) MIN (strlen (line), MESSAGE_MAX));
}

static void
finish (GTask *task)
{
  Exec *self = g_task_get_task_data (task);
  g_autofree char *line = last_line (self);
  gboolean exited = g_subprocess_get_if_exited (self->process);
  int status = exited ? g_subprocess_get_exit_status (self->process) : -1;
  Ending *ending = g_new0 (Ending, 1);

  self->finished = TRUE;
  vmft_clear_timer (self->clock, &self->timer);
  if (self->timed_out)
    ending->message = g_strdup ("the command took too long");
  else if (!exited)
    ending->message =
        g_strdup_printf ("the command died of signal %d", g_subprocess_get_term_sig (self->process));
  else if (line[0] != '\0')
    ending->message = g_strdup (line);
  else
    ending->message = g_strdup_printf ("the command ended with status %d", status);
  ending->result = VMFT_EXEC_FAILED;
  if (!self->timed_out && status == EX_OK)
    ending->result = VMFT_EXEC_DONE;
  else if (!self->timed_out && status == EX_TEMPFAIL)
    ending->result = VMFT_EXEC_AGAIN;
  g_task_return_pointer (task, ending, ending_free);
}

static void
finish_when_over (GTask *task)
{
  Exec *self = g_task_get_task_data (task);

  /* output that was waited for no longer may end later, or never */
  if (self->eof && self->exited && !self->finished)
    finish (task);
}

static void
on_output (GObject *stream, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exec *self = g_task_get_task_data (task);
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (stream), async, NULL);

  if (n > 0)
    {
      keep (self, (gsize) n);
      g_input_stream_read_async (self->output, self->chunk, sizeof self->chunk, G_PRIORITY_DEFAULT, NULL,
                                 on_output, g_object_ref (task));
      return;
    }
  self->eof = TRUE;
  finish_when_over (task);
}

static void
on_exited (GObject *object, GAsyncResult *async, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exec *self = g_task_get_task_data (task);

  self->exited = g_subprocess_wait_finish (self->process, async, NULL);
  finish_when_over (task);
}

/* --- its end by force --- */

static gboolean
on_kill (gpointer user_data)
{
  GTask *task = user_data;
  Exec *self = g_task_get_task_data (task);

  self->timer = 0;
  g_subprocess_force_exit (self->process);
  return G_SOURCE_REMOVE;
}

static gboolean
on_timeout (gpointer user_data)
{
  GTask *task = user_data;
  Exec *self = g_task_get_task_data (task);

  self->timer = 0;
  self->eof = TRUE;
  if (self->exited)
    {
      /* it is gone, but something that it left behind keeps its output open */
      finish (task);
      return G_SOURCE_REMOVE;
    }
  self->timed_out = TRUE;
  g_subprocess_send_signal (self->process, SIGTERM);
  self->timer = vmft_clock_add_timer (self->clock, KILL_AFTER_MS, on_kill, task, NULL);
  return G_SOURCE_REMOVE;
}

/* --- its beginning --- */

static void
new_session (gpointer user_data)
{
  setsid ();
}

/* a file in memory rather than a pipe: a command that does not read its input is within its rights */
static int
make_input (const char *text)
{
  int fd = memfd_create ("input", MFD_CLOEXEC);
  gsize length = strlen (text);

  if (fd >= 0 && (write (fd, text, length) != (gssize) length || lseek (fd, 0, SEEK_SET) != 0))
    g_warning ("the command does not get all of its input: %s", g_strerror (errno));
  return fd;
}

static GSubprocess *
spawn (const char *command, const char *input, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_auto (GStrv) argv = NULL;

  g_subprocess_launcher_set_child_setup (launcher, new_session, NULL, NULL);
  if (!g_shell_parse_argv (command, NULL, &argv, error))
    return NULL;
  g_subprocess_launcher_take_stdin_fd (launcher, make_input (input));
  return g_subprocess_launcher_spawnv (launcher, (const char *const *) argv, error);
}

void
vmft_exec_run_async (VmftClock *clock,
                     const char *command,
                     const char *input,
                     double timeout_s,
                     GCancellable *cancellable,
                     GAsyncReadyCallback callback,
                     gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  Exec *self = g_new0 (Exec, 1);

  self->clock = g_object_ref (clock);
  g_task_set_task_data (task, self, (GDestroyNotify) exec_free);
  self->process = spawn (command, input, &error);
  if (self->process == NULL)
    {
      g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_FAILED, "cannot start “%s”: %s", command,
                               error->message);
      return;
    }
  self->output = g_subprocess_get_stdout_pipe (self->process);
  self->timer = vmft_clock_add_timer (clock, (guint) (timeout_s * 1000.0), on_timeout, task, NULL);
  g_input_stream_read_async (self->output, self->chunk, sizeof self->chunk, G_PRIORITY_DEFAULT, NULL,
                             on_output, g_object_ref (task));
  g_subprocess_wait_async (self->process, NULL, on_exited, g_object_ref (task));
}

gboolean
vmft_exec_run_finish (GAsyncResult *async, VmftExecResult *result, char **message, GError **error)
{
  Ending *ending = g_task_propagate_pointer (G_TASK (async), error);

  if (ending == NULL)
    return FALSE;
  *result = ending->result;
  *message = g_steal_pointer (&ending->message);
  ending_free (ending);
  return TRUE;
}
