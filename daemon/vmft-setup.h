/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon out of a configuration file: the same for vmftd, its reload, and whoever only wants to check one. */
#pragma once

#include "vmft-daemon.h"

G_BEGIN_DECLS

/** What vmftd reads when no file is named. */
#define VMFT_SETUP_DEFAULT_CONF VMFT_SYSCONFDIR "/vmftd.conf"

/**
 * vmft_setup_conf:
 * @path: (nullable): %VMFT_SETUP_DEFAULT_CONF, which need not be there, when NULL
 * @state_directory: (nullable): wins over the configuration's
 * @error: %VMFT_ERROR_CONFIG, %VMFT_ERROR_NOT_FOUND, in one line
 *
 * Reads a configuration and tries it out: a daemon is made of it on a store of its own, and never started.
 *
 * Returns: (transfer full): one that vmft_setup_daemon() can use.
 */
VmftConf *vmft_setup_conf (const char *path,
                           const char *state_directory,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_setup_daemon:
 * @error: %VMFT_ERROR_CONFIG, %VMFT_ERROR_CORRUPT
 *
 * Returns: (transfer full): a daemon on libvirt and on the configured sources, not started.
 */
VmftDaemon *vmft_setup_daemon (VmftConf *conf, VmftClock *clock, VmftStore *store, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
