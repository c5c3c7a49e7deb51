/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-dbus-methods.h"

#include "vmft-auth.h"

#define DEFAULT_LIMIT 100

static void
read_query (GVariant *options, VmftQuery *query)
{
  query->limit = (guint) vmft_dict_int64 (options, "limit", DEFAULT_LIMIT);
  query->incident = (guint64) vmft_dict_int64 (options, "incident", 0);
  query->open = vmft_dict_boolean (options, "open", FALSE);
}

/* One record or list as the only out argument. */
static GVariant *
tuple (GVariant *value)
{
  return value ? g_variant_new_tuple (&value, 1) : NULL;
}

static GVariant *
nothing (gboolean done)
{
  return done ? g_variant_new ("()") : NULL;
}

static GVariant *
get_status (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_daemon_describe (context->daemon));
}

static GVariant *
list_vms (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_daemon_list_vms (context->daemon));
}

static GVariant *
get_vm (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  const char *name = NULL;

  g_variant_get_child (arguments, 0, "&s", &name);
  return tuple (vmft_daemon_show_vm (context->daemon, name, error));
}

static GVariant *
list_alarms (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  VmftQuery query;

  read_query (options, &query);
  return tuple (vmft_daemon_list_alarms (context->daemon, &query, error));
}

static GVariant *
list_incidents (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  VmftQuery query;

  read_query (options, &query);
  return tuple (vmft_daemon_list_incidents (context->daemon, &query, error));
}

static GVariant *
list_plans (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  VmftQuery query;

  read_query (options, &query);
  return tuple (vmft_daemon_list_plans (context->daemon, &query, error));
}

static GVariant *
list_migrations (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  VmftQuery query;

  read_query (options, &query);
  return tuple (vmft_daemon_list_migrations (context->daemon, &query, error));
}

static GVariant *
explain (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  guint64 id = 0;

  g_variant_get_child (arguments, 0, "t", &id);
  return tuple (vmft_daemon_explain (context->daemon, id, error));
}

static GVariant *
get_accuracy (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_estimator_accuracy_to_variant (vmft_daemon_get_estimator (context->daemon)));
}

static GVariant *
describe_leads (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_lead_model_describe (vmft_daemon_get_leads (context->daemon)));
}

static GVariant *
export_leads (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_lead_model_export (vmft_daemon_get_leads (context->daemon)));
}

static GVariant *
import_leads (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  g_autoptr (GVariant) records = g_variant_get_child_value (arguments, 0);
  guint n_imported = 0;

  if (!vmft_lead_model_import (vmft_daemon_get_leads (context->daemon), records, &n_imported, error))
    return NULL;
  return g_variant_new ("(u)", n_imported);
}

static GVariant *
get_configuration (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_conf_to_variant (vmft_daemon_get_conf (context->daemon)));
}

static GVariant *
plan (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_daemon_suppose (context->daemon, vmft_dict_string (options, "host-fault"), error));
}

static GVariant *
evacuate (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_daemon_evacuate (context->daemon, vmft_dict_boolean (options, "dry-run", FALSE), error));
}

static GVariant *
migrate (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  const char *name = NULL;

  g_variant_get_child (arguments, 0, "&s", &name);
  return tuple (vmft_daemon_migrate (context->daemon, name, vmft_dict_string (options, "mode"),
                                     vmft_dict_string (options, "destination"), error));
}

static GVariant *
drill (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  const char *class_name = NULL;

  g_variant_get_child (arguments, 0, "&s", &class_name);
  return nothing (
      vmft_daemon_drill (context->daemon, class_name, vmft_dict_boolean (options, "move", FALSE), error));
}

static GVariant *
acknowledge (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  guint64 id = 0;

  g_variant_get_child (arguments, 0, "t", &id);
  return nothing (vmft_daemon_acknowledge (context->daemon, id, vmft_dict_boolean (options, "benign", FALSE),
                                           vmft_dict_boolean (options, "clear", FALSE), error));
}

static GVariant *
list_answers (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  VmftQuery query;

  read_query (options, &query);
  return tuple (vmft_daemon_list_answers (context->daemon, &query, error));
}

static GVariant *
forget_answer (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  const char *key = NULL;

  g_variant_get_child (arguments, 0, "&s", &key);
  return nothing (vmft_daemon_forget_answer (context->daemon, key, error));
}

static GVariant *
overrule_answer (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  const char *template_text = NULL, *answer = NULL;

  g_variant_get_child (arguments, 0, "&s", &template_text);
  g_variant_get_child (arguments, 1, "&s", &answer);
  return nothing (vmft_daemon_overrule_answer (context->daemon, template_text, answer,
                                               vmft_dict_string (options, "reason"), error));
}

static GVariant *
list_runs (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_daemon_list_runs (context->daemon, error));
}

static GVariant *
read_run (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  const char *file = NULL;
  guint64 incident = 0, offset = 0;
  g_autoptr (GBytes) data = NULL;

  g_variant_get (arguments, "(t&st@a{sv})", &incident, &file, &offset, NULL);
  data = vmft_daemon_read_run (context->daemon, incident, file, offset, error);
  return data ? tuple (g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, data, TRUE)) : NULL;
}

static GVariant *
set_operation (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  const char *text = NULL;
  VmftOperation operation;

  g_variant_get_child (arguments, 0, "&s", &text);
  if (!vmft_operation_from_string (text, &operation))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "“%s” is not a mode of operation (observe, advise, act)", text);
      return NULL;
    }
  return nothing (vmft_daemon_set_operation (context->daemon, operation, error));
}

static void
on_policy_set (GObject *object, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;
  GVariant *record = vmft_daemon_set_vm_policy_finish (VMFT_DAEMON (object), result, &error);

  if (record != NULL)
    g_dbus_method_invocation_return_value (invocation, tuple (record));
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
}

static void
set_policy (const VmftDbusContext *context,
            GVariant *arguments,
            GVariant *options,
            GDBusMethodInvocation *invocation)
{
  const char *name = NULL;

  g_variant_get_child (arguments, 0, "&s", &name);
  vmft_daemon_set_vm_policy_async (context->daemon, name, options, on_policy_set, invocation);
}

static GVariant *
inhibit (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  const char *why = NULL;
  gint64 until_us = 0;

  g_variant_get_child (arguments, 0, "x", &until_us);
  g_variant_get_child (arguments, 1, "&s", &why);
  return nothing (vmft_daemon_inhibit (context->daemon, until_us, why, error));
}

static GVariant *
reload (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return nothing (context->reload == NULL || context->reload (context->reload_data, error));
}

/* /org/vmft1/vm/7d1f…_… -> UUID */
static GVariant *
describe_vm (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  g_autofree char *uuid = g_strdelimit (g_path_get_basename (context->object_path), "_", '-');

  return tuple (vmft_daemon_show_vm (context->daemon, uuid, error));
}

static guint64
migration_id (const VmftDbusContext *context)
{
  g_autofree char *id = g_path_get_basename (context->object_path);

  return g_ascii_strtoull (id, NULL, 10);
}

static GVariant *
describe_migration (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return tuple (vmft_daemon_show_migration (context->daemon, migration_id (context), error));
}

static GVariant *
abort_migration (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error)
{
  return nothing (vmft_daemon_abort (context->daemon, migration_id (context), error));
}

#define MANAGER   "org.vmft1.Manager"
#define VM        "org.vmft1.VM"
#define MIGRATION "org.vmft1.Migration"

static const VmftDbusMethod methods[] = {
  { MANAGER, "GetStatus", VMFT_ACTION_READ, "", get_status },
  { MANAGER, "ListVMs", VMFT_ACTION_READ, "", list_vms },
  { MANAGER, "GetVM", VMFT_ACTION_READ, "", get_vm },
  { MANAGER, "ListAlarms", VMFT_ACTION_READ, "limit:u incident:t", list_alarms },
  { MANAGER, "ListIncidents", VMFT_ACTION_READ, "limit:u open:b", list_incidents },
  { MANAGER, "ListPlans", VMFT_ACTION_READ, "limit:u incident:t", list_plans },
  { MANAGER, "ListMigrations", VMFT_ACTION_READ, "limit:u incident:t", list_migrations },
  { MANAGER, "Explain", VMFT_ACTION_READ, "", explain },
  { MANAGER, "GetAccuracy", VMFT_ACTION_READ, "", get_accuracy },
  { MANAGER, "DescribeLeads", VMFT_ACTION_READ, "", describe_leads },
  { MANAGER, "ExportLeads", VMFT_ACTION_READ, "", export_leads },
  { MANAGER, "ImportLeads", VMFT_ACTION_CONFIGURE, "", import_leads },
  { MANAGER, "GetConfiguration", VMFT_ACTION_READ, "", get_configuration },
  { MANAGER, "Plan", VMFT_ACTION_PLAN, "host-fault:s", plan },
  { MANAGER, "Evacuate", VMFT_ACTION_MIGRATE, "dry-run:b", evacuate },
  { MANAGER, "Migrate", VMFT_ACTION_MIGRATE, "mode:s destination:s", migrate },
  { MANAGER, "Drill", VMFT_ACTION_PLAN, "move:b", drill },
  { MANAGER, "Acknowledge", VMFT_ACTION_CONFIGURE, "benign:b clear:b", acknowledge },
  { MANAGER, "ListAnswers", VMFT_ACTION_READ, "limit:u", list_answers },
  { MANAGER, "ForgetAnswer", VMFT_ACTION_CONFIGURE, "", forget_answer },
  { MANAGER, "OverruleAnswer", VMFT_ACTION_CONFIGURE, "reason:s", overrule_answer },
  { MANAGER, "SetPolicy", VMFT_ACTION_CONFIGURE, VMFT_VM_POLICY_CHANGES, NULL, set_policy },
  { MANAGER, "ListRuns", VMFT_ACTION_READ, "", list_runs },
  { MANAGER, "ReadRun", VMFT_ACTION_CONFIGURE, "", read_run },
  { MANAGER, "SetOperation", VMFT_ACTION_CONFIGURE, "", set_operation },
  { MANAGER, "Inhibit", VMFT_ACTION_CONFIGURE, "", inhibit },
  { MANAGER, "Reload", VMFT_ACTION_CONFIGURE, "", reload },
  { VM, "Describe", VMFT_ACTION_READ, "", describe_vm },
  { MIGRATION, "Describe", VMFT_ACTION_READ, "", describe_migration },
  { MIGRATION, "Abort", VMFT_ACTION_MIGRATE, "", abort_migration },
};

const VmftDbusMethod *
vmft_dbus_find_method (const char *interface, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    if (strcmp (methods[i].interface, interface) == 0 && strcmp (methods[i].name, name) == 0)
      return &methods[i];
  return NULL;
}

const char *
vmft_dbus_action_of (const VmftDbusMethod *method, GVariant *options)
{
  /* a rehearsal that is told to move VMs is more than a plan */
  return method->run == drill && vmft_dict_boolean (options, "move", FALSE) ? VMFT_ACTION_MIGRATE
                                                                            : method->action;
}

gboolean
vmft_dbus_check_options (const VmftDbusMethod *method, GVariant *options, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) held = value;
      g_autofree char *given = g_strdup_printf ("%s:%s", key, g_variant_get_type_string (held));
      g_auto (GStrv) known = g_strsplit (method->options, " ", -1);

      if (*method->options != '\0' && g_strv_contains ((const char *const *) known, given))
        continue;
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s does not take the option %s; it takes: %s",
                   method->name, given, *method->options != '\0' ? method->options : "none");
      return FALSE;
    }
  return TRUE;
}
