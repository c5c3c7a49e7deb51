/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-dbus.h"

G_BEGIN_DECLS

/** VmftDbusContext: what a method works on. @object_path: the object it was called on. */
typedef struct
{
  VmftDaemon *daemon;
  VmftDbusReloadFunc reload;
  gpointer reload_data;
  const char *object_path;
} VmftDbusContext;

/**
 * VmftDbusMethod: one line of the table of all methods.
 * @action: polkit action
 * @options: what the last argument may hold, "NAME:TYPE NAME:TYPE"
 * @run: Returns: (transfer floating): the tuple of out arguments, or NULL with @error
 * @start: (nullable): in place of @run where the answer takes its time: takes @invocation over
 */
typedef struct
{
  const char *interface;
  const char *name;
  const char *action;
  const char *options;
  GVariant *(*run) (const VmftDbusContext *context, GVariant *arguments, GVariant *options, GError **error);
  void (*start) (const VmftDbusContext *context,
                 GVariant *arguments,
                 GVariant *options,
                 GDBusMethodInvocation *invocation);
} VmftDbusMethod;

/** vmft_dbus_find_method: Returns: (nullable): the line of the table. */
const VmftDbusMethod *vmft_dbus_find_method (const char *interface, const char *name);

/** vmft_dbus_action_of: Returns: the action that a call of @method with @options needs. */
const char *vmft_dbus_action_of (const VmftDbusMethod *method, GVariant *options);

/** vmft_dbus_check_options: %VMFT_ERROR_INVALID for an option that @method does not know, or of another type. */
gboolean vmft_dbus_check_options (const VmftDbusMethod *method,
                                  GVariant *options,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
