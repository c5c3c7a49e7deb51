/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a whole vmftd would have made of a log: the daemon itself, on a clock that runs as fast as the log is read. */
#pragma once

#include "vmft-fake-world.h"
#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftReplayVm: a guest that might have been on the host.
 * @resident_bytes: in use; 0 for all of @memory_bytes
 * @dirty_bps, @working_set_bytes: how it writes
 */
typedef struct
{
  char *name;
  guint64 memory_bytes;
  guint64 resident_bytes;
  double dirty_bps;
  double working_set_bytes;
} VmftReplayVm;

void vmft_replay_vm_free (VmftReplayVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftReplayVm, vmft_replay_vm_free)

/**
 * vmft_replay_parse_vm:
 * @text: NAME:MEMORY[:DIRTY-RATE[:WORKING-SET]], sizes as vmft_text_parse_bytes() takes them
 *
 * Returns: (transfer full): the guest; %VMFT_ERROR_INVALID.
 */
VmftReplayVm *vmft_replay_parse_vm (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_replay_read_vms:
 * @path: what `vmftctl list --json` printed
 *
 * Returns: (transfer container) (element-type VmftReplayVm): those that ran; %VMFT_ERROR_INVALID.
 */
GPtrArray *vmft_replay_read_vms (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * VmftReplayOptions:
 * @config_path: (nullable): vmftd's configuration; sources, libvirt and everything that would leave the process are
 *   not used, destinations exist on the virtual clock only
 * @operation: how far the daemon goes
 * @untrusted: the log is only claimed to be the kernel's
 * @link_bps: between the hosts
 * @vms: (element-type VmftReplayVm): guests of the host
 * @learn: (nullable): logs that came before and are normal
 */
typedef struct
{
  const char *config_path;
  VmftOperation operation;
  gboolean untrusted;
  double link_bps;
  const GPtrArray *vms;
  char **learn;
} VmftReplayOptions;

/**
 * vmft_replay:
 * @paths: logs as vmft_log_file_read() reads them, told in the order of their first lines
 *
 * Returns: (transfer floating): `a{sv}`: lines, templates, alarms, learning, from_us, to_us, vms, and incidents, each as
 * vmft_daemon_explain() tells it.
 */
GVariant *vmft_replay (const VmftReplayOptions *options,
                       char **paths,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
