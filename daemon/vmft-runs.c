/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others may see of what is recorded. */
#include "vmft-daemon-private.h"

static gboolean
is_recording (VmftDaemon *self, GError **error)
{
  if (self->recorder != NULL)
    return TRUE;
  g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_REFUSED,
                       "nothing is recorded on this host: [Record] enabled=true makes it so");
  return FALSE;
}

GVariant *
vmft_daemon_list_runs (VmftDaemon *self, GError **error)
{
  return is_recording (self, error) ? vmft_recorder_list (self->recorder) : NULL;
}

GBytes *
vmft_daemon_read_run (VmftDaemon *self, guint64 incident, const char *file, guint64 offset, GError **error)
{
  return is_recording (self, error) ? vmft_recorder_read (self->recorder, incident, file, offset, error)
                                    : NULL;
}
