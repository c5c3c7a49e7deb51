/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-clock.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VmftExecResult: how an operator's command ended.
 * @VMFT_EXEC_DONE: exit code 0: what it was asked for is done
 * @VMFT_EXEC_AGAIN: exit code 75 (EX_TEMPFAIL): not now; asked again later it may
 * @VMFT_EXEC_FAILED: any other exit code, a signal, or the time was up
 */
typedef enum
{
  VMFT_EXEC_DONE,
  VMFT_EXEC_AGAIN,
  VMFT_EXEC_FAILED,
} VmftExecResult;

/**
 * vmft_exec_run_async:
 * @command: as a shell would split it; no shell is involved
 * @input: text for its standard input
 * @timeout_s: after which it gets SIGTERM, and SIGKILL 5 s later
 *
 * Runs a command in a session of its own; its output is kept (the last line, bounded), the rest of it ignored.
 */
void vmft_exec_run_async (VmftClock *clock,
                          const char *command,
                          const char *input,
                          double timeout_s,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data);

/**
 * vmft_exec_run_finish:
 * @result: (out)
 * @message: (out) (transfer full): its last line of output, or why it failed
 * @error: return location, when it could not be started at all
 */
gboolean vmft_exec_run_finish (GAsyncResult *async, VmftExecResult *result, char **message, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
