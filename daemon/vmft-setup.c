/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-setup.h"

#include "vmft-migrate.h"
#include "vmft-outside.h"

#include <vmft-config.h>

static VmftHypervisor *
make_hypervisor (VmftConf *conf, VmftClock *clock)
{
  VmftHypervisor *hypervisor =
      vmft_libvirt_hypervisor_new (vmft_conf_get_string (conf, "Libvirt", "uri"), clock);
  g_auto (GStrv) shared = vmft_conf_get_list (conf, "Libvirt", "shared-paths");

  vmft_libvirt_hypervisor_set_read_memory (VMFT_LIBVIRT_HYPERVISOR (hypervisor),
                                           vmft_conf_get_boolean (conf, "Estimator", "read-memory"));
  vmft_libvirt_hypervisor_set_shared_paths (VMFT_LIBVIRT_HYPERVISOR (hypervisor),
                                            (const char *const *) shared);
  vmft_libvirt_hypervisor_allow_copies (VMFT_LIBVIRT_HYPERVISOR (hypervisor),
                                        vmft_conf_get_boolean (conf, "Migration", "copy-storage"));
  return hypervisor;
}

VmftDaemon *
vmft_setup_daemon (VmftConf *conf, VmftClock *clock, VmftStore *store, GError **error)
{
  g_autoptr (VmftHypervisor) hypervisor = make_hypervisor (conf, clock);
  g_autoptr (VmftDaemon) daemon = vmft_daemon_new (conf, clock, store, hypervisor, error);

  if (daemon == NULL || !vmft_daemon_add_configured_sources (daemon, error))
    return NULL;
  return g_steal_pointer (&daemon);
}

/* What the table of keys cannot tell: whether a daemon can be made of it. */
static gboolean
try_conf (VmftConf *conf, GError **error)
{
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  g_autoptr (VmftDaemon) daemon = vmft_setup_daemon (conf, clock, store, error);

  return daemon != NULL;
}

VmftConf *
vmft_setup_conf (const char *path, const char *state_directory, GError **error)
{
  const char *file = path ? path : VMFT_SETUP_DEFAULT_CONF;
  g_autoptr (GError) local = NULL;
  g_autoptr (VmftConf) conf = vmft_conf_load (file, &local);

  if (conf == NULL && path == NULL && g_error_matches (local, VMFT_ERROR, VMFT_ERROR_NOT_FOUND))
    {
      g_clear_error (&local);
      conf = vmft_conf_new ();
    }
  if (conf == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  if (state_directory != NULL && !vmft_conf_set (conf, "Daemon", "state-directory", state_directory, error))
    return NULL;
  if (!vmft_outside_check (conf, error) || !try_conf (conf, error))
    {
      g_prefix_error (error, "%s: ", file);
      return NULL;
    }
  return g_steal_pointer (&conf);
}
