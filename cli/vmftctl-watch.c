/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens, as it happens: a picture on a terminal, else a line for each event. */
#include "vmft-cli.h"

#include <glib-unix.h>
#include <string.h>

#define REFRESH_MS 1000

typedef struct
{
  VmftCli *cli;
  GMainLoop *loop;
  VmftCliScreen *screen; /* (nullable): on a terminal */
  GHashTable *states;    /* migration id -> state said last */
  guint draw_id;
  VmftExit exit;
} Watch;

/* --- telling --- */

static gboolean
on_draw (gpointer user_data)
{
  Watch *self = user_data;

  self->draw_id = 0;
  vmft_cli_screen_draw (self->screen);
  return G_SOURCE_REMOVE;
}

/* Events come in bunches: one picture for each of those. */
static void
draw_soon (Watch *self)
{
  if (self->draw_id == 0)
    self->draw_id = g_idle_add (on_draw, self);
}

static void
print_json_line (const char *event, GVariant *record)
{
  g_autofree char *text = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "event", "s", event);
  g_variant_dict_insert (&dict, "time_us", "x", g_get_real_time ());
  g_variant_dict_insert_value (&dict, "data", record);
  text = vmft_json_from_variant (g_variant_dict_end (&dict), FALSE);
  g_print ("%s\n", text);
}

static void
tell (Watch *self, const char *event, GVariant *record)
{
  g_autofree char *text = NULL;
  g_autofree char *now = NULL;

  if (self->cli->json)
    {
      print_json_line (event, record);
      return;
    }
  if (self->screen != NULL)
    draw_soon (self);
  if (strcmp (event, "migration") == 0 && !vmft_cli_is_news (self->states, record))
    return;
  text = vmft_cli_describe_event (event, record);
  now = vmft_text_time (g_get_real_time ());
  if (self->screen != NULL)
    vmft_cli_screen_add_event (self->screen, now, text);
  else
    g_print ("%s  %s\n", now, text);
}

/* --- the bus --- */

static void
on_signal (GDBusConnection *bus,
           const char *sender,
           const char *path,
           const char *interface,
           const char *signal,
           GVariant *parameters,
           gpointer user_data)
{
  static const struct
  {
    const char *signal;
    const char *event;
  } events[] = { { "AlarmRaised", "alarm" },
                 { "IncidentChanged", "incident" },
                 { "PlanMade", "plan" },
                 { "MigrationChanged", "migration" } };
  g_autoptr (GVariant) record = NULL;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(a{sv})")))
    return;
  record = g_variant_get_child_value (parameters, 0);
  for (guint i = 0; i < G_N_ELEMENTS (events); i++)
    if (strcmp (events[i].signal, signal) == 0)
      tell (user_data, events[i].event, record);
}

static void
on_owner (GDBusConnection *bus,
          const char *sender,
          const char *path,
          const char *interface,
          const char *signal,
          GVariant *parameters,
          gpointer user_data)
{
  g_autoptr (GVariant) record = NULL;
  const char *owner = NULL;
  GVariantDict dict;

  g_variant_get (parameters, "(&s&s&s)", NULL, NULL, &owner);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "running", "b", *owner != '\0');
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  tell (user_data, "daemon", record);
}

static void
on_closed (GDBusConnection *bus, gboolean remote, GError *error, gpointer user_data)
{
  Watch *self = user_data;

  self->exit = VMFT_EXIT_UNREACHABLE;
  g_main_loop_quit (self->loop);
}

static gboolean
on_end (gpointer user_data)
{
  g_main_loop_quit (((Watch *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_refresh (gpointer user_data)
{
  draw_soon (user_data);
  return G_SOURCE_CONTINUE;
}

static void
run (Watch *self)
{
  guint signals = g_dbus_connection_signal_subscribe (self->cli->bus, "org.vmft1", "org.vmft1.Manager", NULL,
                                                      "/org/vmft1", NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal,
                                                      self, NULL);
  guint owner = g_dbus_connection_signal_subscribe (
      self->cli->bus, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
      "/org/freedesktop/DBus", "org.vmft1", G_DBUS_SIGNAL_FLAGS_NONE, on_owner, self, NULL);
  gulong closed = g_signal_connect (self->cli->bus, "closed", G_CALLBACK (on_closed), self);
  const int endings[] = { SIGINT, SIGTERM, SIGHUP };
  guint sources[G_N_ELEMENTS (endings)];
  guint refresh = self->screen ? g_timeout_add (REFRESH_MS, on_refresh, self) : 0;

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    sources[i] = g_unix_signal_add (endings[i], on_end, self);
  g_main_loop_run (self->loop);
  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    g_source_remove (sources[i]);
  g_clear_handle_id (&refresh, g_source_remove);
  g_clear_handle_id (&self->draw_id, g_source_remove);
  g_signal_handler_disconnect (self->cli->bus, closed);
  g_dbus_connection_signal_unsubscribe (self->cli->bus, owner);
  g_dbus_connection_signal_unsubscribe (self->cli->bus, signals);
}

VmftExit
vmft_verb_watch (VmftCli *cli, int argc, char **argv)
{
  Watch self = { .cli = cli, .exit = VMFT_EXIT_OK };
  g_autoptr (GHashTable) states = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (VmftCliScreen) screen = NULL;
  g_autoptr (GVariant) status = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 0, 0, &exit))
    return exit;
  status = vmft_cli_call (cli, "GetStatus", NULL, NULL, &exit);
  if (status == NULL)
    return exit;
  g_dbus_connection_set_exit_on_close (cli->bus, FALSE);
  self.loop = loop;
  self.states = states;
  if (cli->json)
    print_json_line ("status", status);
  else if (vmft_cli_is_terminal ())
    self.screen = screen = vmft_cli_screen_new (cli);
  run (&self);
  g_clear_pointer (&screen, vmft_cli_screen_free);
  if (self.exit != VMFT_EXIT_OK)
    g_printerr ("vmftctl watch: the system bus is gone\n");
  return self.exit;
}
