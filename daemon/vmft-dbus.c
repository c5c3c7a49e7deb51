/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-dbus.h"

#include "vmft-auth.h"
#include "vmft-dbus-generated.h"
#include "vmft-dbus-methods.h"

#include <vmft-config.h>

#define RETRY_MS   5000
#define CONNECT_MS 10000 /* a bus that says nothing is none */
#define FLUSH_MS   1000
#define REFRESH_MS 2000

typedef struct _Attempt Attempt;

struct _VmftDbus
{
  VmftDaemon *daemon;
  VmftClock *clock;
  char *address; /* (nullable): the system bus */
  VmftDbusReloadFunc reload;
  gpointer reload_data;

  GCancellable *cancellable;
  Attempt *attempt;            /* (nullable): to connect, while it is out */
  GDBusConnection *connection; /* (nullable): while there is a bus */
  GDBusObjectManagerServer *objects;
  VmftDbusManager *manager;
  guint owner_id;
  gboolean owns_name;
  gboolean complained;
  guint retry_id;
  guint refresh_id;
};

/* --- every call passes here: authorisation, options, the table's function --- */

typedef struct
{
  VmftDbus *self;
  const VmftDbusMethod *method;
  GDBusMethodInvocation *invocation; /* (transfer full) */
} Call;

static void
run_call (VmftDbus *self, const VmftDbusMethod *method, GDBusMethodInvocation *invocation)
{
  GVariant *arguments = g_dbus_method_invocation_get_parameters (invocation);
  gsize n = g_variant_n_children (arguments);
  g_autoptr (GVariant) options = g_variant_get_child_value (arguments, n - 1);
  g_autoptr (GError) error = NULL;
  GVariant *result = NULL;
  VmftDbusContext context = {
    .daemon = self->daemon,
    .reload = self->reload,
    .reload_data = self->reload_data,
    .object_path = g_dbus_method_invocation_get_object_path (invocation),
  };

  if (!vmft_dbus_check_options (method, options, &error))
    {
      g_dbus_method_invocation_return_gerror (invocation, error);
      return;
    }
  if (method->start != NULL)
    {
      method->start (&context, arguments, options, invocation);
      return;
    }
  result = method->run (&context, arguments, options, &error);
  if (result != NULL)
    g_dbus_method_invocation_return_value (invocation, result);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
}

static void
on_authorised (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree Call *call = user_data;
  g_autoptr (GError) error = NULL;

  if (vmft_auth_check_finish (result, &error))
    run_call (call->self, call->method, call->invocation);
  else
    g_dbus_method_invocation_return_gerror (call->invocation, error);
}

/* "g-authorize-method" is emitted for each method call before it is dispatched; FALSE means that we answer it. */
static gboolean
on_call (GDBusInterfaceSkeleton *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  VmftDbus *self = user_data;
  const VmftDbusMethod *method =
      vmft_dbus_find_method (g_dbus_method_invocation_get_interface_name (invocation),
                             g_dbus_method_invocation_get_method_name (invocation));
  GVariant *arguments = g_dbus_method_invocation_get_parameters (invocation);
  g_autoptr (GVariant) options = NULL;
  GDBusMessageFlags flags = g_dbus_message_get_flags (g_dbus_method_invocation_get_message (invocation));
  Call *call;

  if (method == NULL)
    return TRUE; /* GDBus answers that there is no such method */
  options = g_variant_get_child_value (arguments, g_variant_n_children (arguments) - 1);
  call = g_new0 (Call, 1);
  call->self = self;
  call->method = method;
  call->invocation = invocation;
  vmft_auth_check_async (g_dbus_method_invocation_get_connection (invocation),
                         g_dbus_method_invocation_get_sender (invocation),
                         vmft_dbus_action_of (method, options),
                         (flags & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0,
                         self->cancellable, on_authorised, call);
  return FALSE;
}

/* --- objects --- */

static void
refresh_manager (VmftDbus *self)
{
  guint open = 0, running = 0;

  if (self->manager == NULL)
    return;
  vmft_daemon_count (self->daemon, &open, &running);
  vmft_dbus_manager_set_operation (self->manager,
                                   vmft_operation_to_string (vmft_daemon_get_operation (self->daemon)));
  vmft_dbus_manager_set_learning (self->manager, vmft_daemon_is_learning (self->daemon));
  vmft_dbus_manager_set_hypervisor_connected (
      self->manager, vmft_hypervisor_is_connected (vmft_daemon_get_hypervisor (self->daemon)));
  vmft_dbus_manager_set_open_incidents (self->manager, open);
  vmft_dbus_manager_set_running_migrations (self->manager, running);
}

static char *
vm_path (const char *uuid)
{
  g_autofree char *name = g_strcanon (g_strdup (uuid), "0123456789abcdefABCDEF", '_');

  return g_strconcat (VMFT_DBUS_PATH "/vm/", name, NULL);
}

/* Returns: (transfer full): the object's interface skeleton, made with @make when it is not there yet. */
static gpointer
take_interface (VmftDbus *self, const char *path, const char *interface, gpointer (*make) (void))
{
  g_autoptr (GDBusObject) object =
      g_dbus_object_manager_get_object (G_DBUS_OBJECT_MANAGER (self->objects), path);
  g_autoptr (GDBusObjectSkeleton) skeleton = NULL;
  gpointer made;

  if (object != NULL)
    return g_dbus_object_get_interface (object, interface);
  skeleton = g_dbus_object_skeleton_new (path);
  made = make ();
  g_signal_connect (made, "g-authorize-method", G_CALLBACK (on_call), self);
  g_dbus_object_skeleton_add_interface (skeleton, made);
  g_dbus_object_manager_server_export (self->objects, skeleton);
  return made;
}

static gpointer
make_vm (void)
{
  return vmft_dbus_vm_skeleton_new ();
}

static gpointer
make_migration (void)
{
  return vmft_dbus_migration_skeleton_new ();
}

static void
on_vm_changed (VmftHypervisor *hypervisor, const char *uuid, gpointer user_data)
{
  VmftDbus *self = user_data;
  g_autofree char *path = vm_path (uuid);
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (hypervisor, uuid);
  g_autoptr (VmftDbusVM) object = NULL;

  if (self->objects == NULL)
    return;
  if (vm == NULL)
    {
      g_dbus_object_manager_server_unexport (self->objects, path);
      return;
    }
  object = take_interface (self, path, "org.vmft1.VM", make_vm);
  vmft_dbus_vm_set_name (object, vm->name);
  vmft_dbus_vm_set_uuid (object, vm->uuid);
  vmft_dbus_vm_set_running (object, vm->running);
  vmft_dbus_vm_set_memory_bytes (object, vm->memory_bytes);
  vmft_dbus_vm_set_blocker (object, vm->blocker ? vm->blocker : "");
}

static const char *
string_or_empty (GVariant *record, const char *key)
{
  const char *text = vmft_dict_string (record, key);

  return text ? text : "";
}

static void
on_migration (VmftDaemon *daemon, GVariant *record, gpointer user_data)
{
  VmftDbus *self = user_data;
  guint64 id = (guint64) vmft_dict_int64 (record, "id", 0);
  g_autofree char *path = g_strdup_printf (VMFT_DBUS_PATH "/migration/%" G_GUINT64_FORMAT, id);
  g_autoptr (VmftDbusMigration) object = NULL;

  if (self->objects == NULL)
    return;
  object = take_interface (self, path, "org.vmft1.Migration", make_migration);
  vmft_dbus_migration_set_id (object, id);
  vmft_dbus_migration_set_incident (object, (guint64) vmft_dict_int64 (record, "incident_id", 0));
  vmft_dbus_migration_set_vm (object, string_or_empty (record, "name"));
  vmft_dbus_migration_set_destination (object, string_or_empty (record, "destination"));
  vmft_dbus_migration_set_mode (object, string_or_empty (record, "mode"));
  vmft_dbus_migration_set_state (object, string_or_empty (record, "state"));
  vmft_dbus_migration_set_progress (object, vmft_dict_double (record, "progress", 0.0));
  vmft_dbus_migration_set_remaining_seconds (object, vmft_dict_double (record, "remaining_s", -1.0));
  vmft_dbus_manager_emit_migration_changed (self->manager, record);
  refresh_manager (self);
}

static void
on_alarm (VmftDaemon *daemon, GVariant *record, gpointer user_data)
{
  VmftDbus *self = user_data;

  if (self->manager != NULL)
    vmft_dbus_manager_emit_alarm_raised (self->manager, record);
}

static void
on_incident (VmftDaemon *daemon, GVariant *record, gpointer user_data)
{
  VmftDbus *self = user_data;

  if (self->manager != NULL)
    vmft_dbus_manager_emit_incident_changed (self->manager, record);
  refresh_manager (self);
}

static void
on_plan (VmftDaemon *daemon, GVariant *record, gpointer user_data)
{
  VmftDbus *self = user_data;

  if (self->manager != NULL)
    vmft_dbus_manager_emit_plan_made (self->manager, record);
}

static void
on_changed (VmftDaemon *daemon, gpointer user_data)
{
  refresh_manager (user_data);
}

static gboolean
on_refresh (gpointer user_data)
{
  refresh_manager (user_data);
  return G_SOURCE_CONTINUE;
}

/* --- the bus --- */

static void
retire_bus (VmftDbus *self)
{
  self->owns_name = FALSE;
  g_clear_handle_id (&self->owner_id, g_bus_unown_name);
  if (self->manager != NULL)
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->manager));
  g_clear_object (&self->manager);
  g_clear_object (&self->objects);
  if (self->connection != NULL)
    g_signal_handlers_disconnect_by_data (self->connection, self);
  g_clear_object (&self->connection);
}

static gboolean connect_bus (gpointer user_data);

static void
try_again (VmftDbus *self, const char *reason)
{
  if (!self->complained)
    g_warning ("no bus: %s; trying again", reason);
  self->complained = TRUE;
  retire_bus (self);
  if (self->retry_id == 0)
    self->retry_id = vmft_clock_add_timer (self->clock, RETRY_MS, connect_bus, self, NULL);
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  VmftDbus *self = user_data;

  self->owns_name = TRUE;
  self->complained = FALSE;
  g_message ("on the bus as %s", name);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  VmftDbus *self = user_data;

  if (connection != NULL && !g_dbus_connection_is_closed (connection))
    g_warning ("the name %s belongs to someone else, or may not be owned; is another vmftd running?", name);
  self->owns_name = FALSE;
}

static void
on_closed (GDBusConnection *connection, gboolean remote, GError *error, gpointer user_data)
{
  try_again (user_data, error ? error->message : "the connection was closed");
}

static void
export_all (VmftDbus *self)
{
  VmftHypervisor *hypervisor = vmft_daemon_get_hypervisor (self->daemon);
  g_autoptr (GPtrArray) vms = vmft_hypervisor_list_vms (hypervisor);

  for (guint i = 0; i < vms->len; i++)
    on_vm_changed (hypervisor, ((const VmftVm *) g_ptr_array_index (vms, i))->uuid, self);
  refresh_manager (self);
}

static void
serve (VmftDbus *self)
{
  g_autoptr (GError) error = NULL;

  g_signal_connect (self->connection, "closed", G_CALLBACK (on_closed), self);
  self->manager = vmft_dbus_manager_skeleton_new ();
  vmft_dbus_manager_set_version (self->manager, VMFT_VERSION);
  g_signal_connect (self->manager, "g-authorize-method", G_CALLBACK (on_call), self);
  self->objects = g_dbus_object_manager_server_new (VMFT_DBUS_PATH);
  export_all (self);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->manager), self->connection,
                                         VMFT_DBUS_PATH, &error))
    {
      try_again (self, error->message);
      return;
    }
  g_dbus_object_manager_server_set_connection (self->objects, self->connection);
  self->owner_id =
      g_bus_own_name_on_connection (self->connection, VMFT_DBUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE,
                                    on_name_acquired, on_name_lost, self, NULL);
}

/* --- connecting: never waited for, since a bus that hangs must not hold up the watch over the host --- */

struct _Attempt
{
  VmftDbus *self; /* (nullable): nobody waits for it any more */
  GCancellable *cancellable;
  guint timer;
};

/* It goes on until its callback, which may well be after @self is gone. */
static void
abandon_attempt (VmftDbus *self)
{
  Attempt *attempt = g_steal_pointer (&self->attempt);

  if (attempt == NULL)
    return;
  attempt->self = NULL;
  vmft_clear_timer (self->clock, &attempt->timer);
  g_cancellable_cancel (attempt->cancellable);
}

static gboolean
on_connect_timeout (gpointer user_data)
{
  VmftDbus *self = user_data;

  self->attempt->timer = 0;
  abandon_attempt (self);
  try_again (self, "it does not answer");
  return G_SOURCE_REMOVE;
}

static void
on_connected (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree Attempt *attempt = user_data;
  g_autoptr (GCancellable) cancellable = attempt->cancellable;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_for_address_finish (result, &error);
  VmftDbus *self = attempt->self;

  if (self == NULL)
    return;
  self->attempt = NULL;
  vmft_clear_timer (self->clock, &attempt->timer);
  if (connection == NULL)
    {
      try_again (self, error->message);
      return;
    }
  if (g_dbus_connection_is_closed (connection))
    {
      try_again (self, "the connection was closed"); /* and has said so already */
      return;
    }
  self->connection = g_steal_pointer (&connection);
  serve (self);
}

static gboolean
connect_bus (gpointer user_data)
{
  VmftDbus *self = user_data;
  g_autofree char *address = g_strdup (self->address);
  g_autoptr (GError) error = NULL;

  vmft_clear_timer (self->clock, &self->retry_id);
  if (address == NULL)
    address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  if (address == NULL)
    {
      try_again (self, error->message);
      return G_SOURCE_REMOVE;
    }
  self->attempt = g_new0 (Attempt, 1);
  self->attempt->self = self;
  self->attempt->cancellable = g_cancellable_new ();
  self->attempt->timer = vmft_clock_add_timer (self->clock, CONNECT_MS, on_connect_timeout, self, NULL);
  g_dbus_connection_new_for_address (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, self->attempt->cancellable, on_connected, self->attempt);
  return G_SOURCE_REMOVE;
}

/* --- leaving --- */

static void
hang_up (GDBusConnection *connection)
{
  GIOStream *stream = g_dbus_connection_get_stream (connection);

  if (G_IS_SOCKET_CONNECTION (stream))
    g_socket_shutdown (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)), TRUE, TRUE, NULL);
}

static gboolean
on_flush_timeout (gpointer user_data)
{
  hang_up (user_data); /* ends the flush with an error */
  return G_SOURCE_REMOVE;
}

static void
on_flushed (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (object), result, NULL);
  *(gboolean *) user_data = TRUE;
}

/* Answers get out, but nobody waits for a bus that does not read; in a context of its own nothing else runs meanwhile. */
static void
flush (GDBusConnection *connection)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GSource) timer = g_timeout_source_new (FLUSH_MS);
  gboolean done = FALSE;

  g_source_set_callback (timer, on_flush_timeout, connection, NULL);
  g_source_attach (timer, context);
  g_main_context_push_thread_default (context);
  g_dbus_connection_flush (connection, NULL, on_flushed, &done);
  while (!done)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  g_source_destroy (timer);
}

/* Hung up, since giving a name back otherwise waits for the bus to confirm it. */
static void
leave_bus (VmftDbus *self)
{
  if (self->connection == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->connection, self);
  flush (self->connection);
  hang_up (self->connection);
}

/* --- the daemon behind it --- */

static void
listen_to (VmftDbus *self, VmftDaemon *daemon)
{
  self->daemon = g_object_ref (daemon);
  g_signal_connect (daemon, "alarm", G_CALLBACK (on_alarm), self);
  g_signal_connect (daemon, "incident", G_CALLBACK (on_incident), self);
  g_signal_connect (daemon, "plan", G_CALLBACK (on_plan), self);
  g_signal_connect (daemon, "migration", G_CALLBACK (on_migration), self);
  g_signal_connect (daemon, "changed", G_CALLBACK (on_changed), self);
  g_signal_connect (vmft_daemon_get_hypervisor (daemon), "vm-changed", G_CALLBACK (on_vm_changed), self);
}

static void
stop_listening (VmftDbus *self)
{
  g_signal_handlers_disconnect_by_data (self->daemon, self);
  g_signal_handlers_disconnect_by_data (vmft_daemon_get_hypervisor (self->daemon), self);
  g_clear_object (&self->daemon);
}

static void
unexport_objects (VmftDbus *self)
{
  GList *objects = g_dbus_object_manager_get_objects (G_DBUS_OBJECT_MANAGER (self->objects));

  for (GList *l = objects; l != NULL; l = l->next)
    g_dbus_object_manager_server_unexport (self->objects, g_dbus_object_get_object_path (l->data));
  g_list_free_full (objects, g_object_unref);
}

void
vmft_dbus_set_daemon (VmftDbus *self, VmftDaemon *daemon)
{
  stop_listening (self);
  listen_to (self, daemon);
  if (self->objects == NULL)
    return;
  unexport_objects (self);
  export_all (self);
}

VmftDbus *
vmft_dbus_new (VmftDaemon *daemon, const char *address, VmftDbusReloadFunc reload, gpointer user_data)
{
  VmftDbus *self = g_new0 (VmftDbus, 1);

  self->clock = g_object_ref (vmft_daemon_get_clock (daemon));
  self->address = g_strdup (address);
  self->reload = reload;
  self->reload_data = user_data;
  self->cancellable = g_cancellable_new ();
  listen_to (self, daemon);
  self->refresh_id = vmft_clock_add_timer (self->clock, REFRESH_MS, on_refresh, self, NULL);
  connect_bus (self);
  return self;
}

void
vmft_dbus_free (VmftDbus *self)
{
  g_cancellable_cancel (self->cancellable);
  vmft_clear_timer (self->clock, &self->retry_id);
  vmft_clear_timer (self->clock, &self->refresh_id);
  abandon_attempt (self);
  leave_bus (self);
  retire_bus (self);
  g_object_unref (self->cancellable);
  g_object_unref (self->clock);
  stop_listening (self);
  g_free (self->address);
  g_free (self);
}

gboolean
vmft_dbus_owns_name (VmftDbus *self)
{
  return self->owns_name;
}
