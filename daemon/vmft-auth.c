/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-auth.h"

#include <string.h>

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define ALLOW_USER       1u
#define ANSWER_MS        120000 /* a person may have to type a password */
#define BUS_ANSWER_MS    5000

typedef struct
{
  GDBusConnection *connection;
  char *sender;
  char *action;
  gboolean interactive;
  guint32 uid;
} Check;

static void
check_free (Check *check)
{
  g_object_unref (check->connection);
  g_free (check->sender);
  g_free (check->action);
  g_free (check);
}

static void
deny (GTask *task, const char *why)
{
  const Check *check = g_task_get_task_data (task);

  g_task_return_new_error (task, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "%s is not allowed to uid %u: %s",
                           check->action, check->uid, why);
}

/* Nobody of that name: another thing than a polkit that does not answer, or does not know the action. */
static gboolean
is_absence (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

static void
on_polkit (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &error);
  gboolean authorized = FALSE;

  if (reply == NULL && !is_absence (error))
    {
      g_autofree char *why = NULL;

      g_dbus_error_strip_remote_error (error);
      why = g_strdup_printf ("polkit cannot tell: %s", error->message);
      deny (task, why);
      return;
    }
  if (reply == NULL)
    {
      if (strcmp (((const Check *) g_task_get_task_data (task))->action, VMFT_ACTION_READ) == 0)
        g_task_return_boolean (task, TRUE);
      else
        deny (task, "there is no polkit on this bus, so only root may");
      return;
    }
  g_variant_get (reply, "((bba{ss}))", &authorized, NULL, NULL);
  if (authorized)
    g_task_return_boolean (task, TRUE);
  else
    deny (task, "polkit says no");
}

static void
ask_polkit (GTask *task)
{
  const Check *check = g_task_get_task_data (task);
  GVariantBuilder subject;

  g_variant_builder_init (&subject, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&subject, "{sv}", "name", g_variant_new_string (check->sender));
  g_dbus_connection_call (check->connection, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization",
                          g_variant_new ("((sa{sv})sa{ss}us)", "system-bus-name", &subject, check->action,
                                         NULL, check->interactive ? ALLOW_USER : 0u, ""),
                          G_VARIANT_TYPE ("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, ANSWER_MS,
                          g_task_get_cancellable (task), on_polkit, g_object_ref (task));
}

static void
on_uid (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Check *check = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &error);

  check->uid = G_MAXUINT32;
  if (reply != NULL)
    g_variant_get (reply, "(u)", &check->uid);
  if (reply == NULL)
    deny (task, error->message);
  else if (check->uid == 0)
    g_task_return_boolean (task, TRUE);
  else
    ask_polkit (task);
}

void
vmft_auth_check_async (GDBusConnection *connection,
                       const char *sender,
                       const char *action,
                       gboolean interactive,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Check *check = g_new0 (Check, 1);

  check->connection = g_object_ref (connection);
  check->sender = g_strdup (sender);
  check->action = g_strdup (action);
  check->interactive = interactive;
  g_task_set_task_data (task, check, (GDestroyNotify) check_free);
  g_dbus_connection_call (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "GetConnectionUnixUser", g_variant_new ("(s)", sender), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, BUS_ANSWER_MS, cancellable, on_uid, g_object_ref (task));
}

gboolean
vmft_auth_check_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
