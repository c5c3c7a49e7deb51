/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-gate.h"

#include "vmft-migrate.h"

#include <string.h>

struct _VmftGate
{
  VmftDaemon *daemon; /* not owned: it outlives the gate */
  VmftHookServer *server;
  VmftArrivals *arrivals;
};

static guint64
available_bytes (VmftGate *self)
{
  const char *proc = vmft_conf_get_string (vmft_daemon_get_conf (self->daemon), "Daemon", "proc");
  g_autofree char *file = g_build_filename (proc, "meminfo", NULL);
  g_autofree char *text = NULL;
  const char *name = "MemAvailable:";
  const char *found = NULL;

  if (g_file_get_contents (file, &text, NULL, NULL))
    found = strstr (text, name);
  return found != NULL ? g_ascii_strtoull (found + strlen (name), NULL, 10) * 1024 : G_MAXUINT64;
}

static char *
judge (VmftGate *self, const VmftHookCall *call)
{
  VmftConf *conf = vmft_daemon_get_conf (self->daemon);
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (vmft_daemon_get_hypervisor (self->daemon));
  g_autofree char *suspicion = vmft_daemon_get_suspicion (self->daemon);
  const VmftArrivalLimits limits = {
    .free_bytes = available_bytes (self),
    .reserve_bytes = vmft_conf_get_uint (conf, "Arrivals", "reserve-memory"),
    .limit_in = (guint) vmft_conf_get_uint (conf, "Arrivals", "limit"),
    .suspect = suspicion,
  };

  return vmft_arrivals_judge (self->arrivals, call->uuid, call->memory_bytes, vms, &limits);
}

static char *
on_call (const VmftHookCall *call, gpointer user_data)
{
  VmftGate *self = user_data;

  g_debug ("hook: %s %s %s", call->name, call->operation, call->sub_operation);
  if (call->uuid == NULL)
    return NULL;
  if (strcmp (call->operation, "migrate") == 0 && strcmp (call->sub_operation, "begin") == 0)
    return judge (self, call);
  if (strcmp (call->operation, "stopped") == 0 || strcmp (call->operation, "release") == 0)
    vmft_arrivals_forget (self->arrivals, call->uuid);
  return NULL;
}

VmftGate *
vmft_gate_new (VmftDaemon *daemon, GError **error)
{
  g_autoptr (VmftGate) self = g_new0 (VmftGate, 1);
  const char *path = vmft_conf_get_string (vmft_daemon_get_conf (daemon), "Arrivals", "socket");

  self->daemon = daemon;
  self->arrivals = vmft_arrivals_new (vmft_daemon_get_clock (daemon));
  self->server = vmft_hook_server_new (path, on_call, self, error);
  return self->server != NULL ? g_steal_pointer (&self) : NULL;
}

void
vmft_gate_free (VmftGate *self)
{
  g_clear_pointer (&self->server, vmft_hook_server_free);
  g_clear_pointer (&self->arrivals, vmft_arrivals_free);
  g_free (self);
}
