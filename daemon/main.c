/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmftd: the daemon as a program: options, state directory, signals, systemd. */
#include "vmft-daemon.h"
#include "vmft-dbus.h"
#include "vmft-gate.h"
#include "vmft-outside.h"
#include "vmft-setup.h"
#include "vmft-sqlite-store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/file.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <vmft-config.h>

#define EXIT_CONFIG   2
#define TRIM_MS       (3600 * 1000)
#define CHECKPOINT_MS 30000

typedef struct
{
  char *config_path; /* (nullable): the default one, if it is there */
  char *state_directory;
  gboolean foreground;
  gboolean check_config;
  gboolean version;
} Options;

typedef struct
{
  Options options;
  GMainLoop *loop;
  VmftConf *conf;
  VmftClock *clock;
  VmftSqliteStore *store;
  VmftDaemon *daemon;
  VmftDbus *dbus;
  VmftOutside *outside;
  VmftGate *gate;
  VmftConf *next_conf; /* (nullable): read and found good, to be put in force */
  guint swap_id;
  int lock_fd;
} Service;

/* --- the running service --- */

static gboolean reload (gpointer user_data, GError **error);

static void
put_in_force (Service *service, VmftConf *conf, VmftDaemon *daemon)
{
  gboolean bus = strcmp (vmft_conf_get_string (conf, "Daemon", "bus"), "none") != 0;
  g_autoptr (VmftAlerts) alerts = NULL;
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&service->gate, vmft_gate_free);
  if (service->outside != NULL)
    alerts = vmft_outside_free_to_alerts (g_steal_pointer (&service->outside));
  if (!bus)
    g_clear_pointer (&service->dbus, vmft_dbus_free);
  else if (service->dbus != NULL)
    vmft_dbus_set_daemon (service->dbus, daemon); /* whoever calls meanwhile finds the name */
  g_clear_object (&service->daemon);              /* before the new one starts */
  g_clear_pointer (&service->conf, vmft_conf_unref);
  service->conf = vmft_conf_ref (conf);
  service->daemon = g_object_ref (daemon);
  vmft_daemon_start (daemon);
  if (bus && service->dbus == NULL)
    service->dbus = vmft_dbus_new (daemon, NULL, reload, service);
  service->outside = vmft_outside_new (daemon, &error);
  if (service->outside == NULL)
    g_warning ("neither HTTP nor heartbeats nor alerts: %s", error->message);
  else if (alerts != NULL)
    vmft_outside_take_over (service->outside, g_steal_pointer (&alerts));
  g_clear_error (&error);
  service->gate = vmft_gate_new (daemon, &error);
  if (service->gate == NULL)
    g_warning ("arriving VMs are not looked at: %s", error->message);
}

/* All state is in the store, so a new configuration is a new daemon on it; not while jobs run that the old one knows. */
static gboolean
swap (gpointer user_data)
{
  Service *service = user_data;
  g_autoptr (VmftDaemon) daemon = NULL;
  g_autoptr (VmftConf) conf = NULL;
  g_autoptr (GError) error = NULL;
  guint open = 0, running = 0;

  vmft_daemon_count (service->daemon, &open, &running);
  if (running > 0)
    return G_SOURCE_CONTINUE;
  service->swap_id = 0;
  conf = g_steal_pointer (&service->next_conf);
  daemon = vmft_setup_daemon (conf, service->clock, VMFT_STORE (service->store), &error);
  if (daemon != NULL)
    {
      put_in_force (service, conf, daemon);
      g_message ("configuration reloaded");
    }
  else
    {
      g_warning ("the old configuration stays: %s", error->message);
    }
  sd_notify (0, "READY=1");
  return G_SOURCE_REMOVE;
}

/* Lock and database are opened once: half a daemon would stay behind in the old directory. */
static gboolean
keeps_state (Service *service, VmftConf *conf, GError **error)
{
  const char *now = vmft_conf_get_string (service->conf, "Daemon", "state-directory");
  const char *next = vmft_conf_get_string (conf, "Daemon", "state-directory");

  if (strcmp (now, next) == 0)
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
               "[Daemon] state-directory=%s: needs a restart; what runs keeps its state in %s", next, now);
  return FALSE;
}

static gboolean
reload (gpointer user_data, GError **error)
{
  Service *service = user_data;
  g_autoptr (VmftConf) conf =
      vmft_setup_conf (service->options.config_path, service->options.state_directory, error);

  if (conf == NULL || !keeps_state (service, conf, error))
    return FALSE;
  g_clear_pointer (&service->next_conf, vmft_conf_unref);
  service->next_conf = g_steal_pointer (&conf);
  sd_notifyf (0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time ());
  if (service->swap_id == 0)
    service->swap_id = g_timeout_add (50, swap, service);
  return TRUE;
}

static gboolean
on_hangup (gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!reload (user_data, &error))
    g_warning ("the old configuration stays: %s", error->message);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_terminate (gpointer user_data)
{
  Service *service = user_data;

  sd_notify (0, "STOPPING=1");
  g_main_loop_quit (service->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_watchdog (gpointer user_data)
{
  sd_notify (0, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

static gboolean
on_checkpoint (gpointer user_data)
{
  vmft_sqlite_store_checkpoint (((Service *) user_data)->store);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_trim (gpointer user_data)
{
  static const char *const histories[] = { VMFT_STORE_ALARMS, VMFT_STORE_INCIDENTS, VMFT_STORE_PLANS,
                                           VMFT_STORE_MIGRATIONS };
  Service *service = user_data;
  VmftTime oldest_us = vmft_time_add_s (vmft_clock_real_us (service->clock),
                                        -vmft_conf_get_double (service->conf, "Daemon", "retention"));
  guint max_records = (guint) vmft_conf_get_uint (service->conf, "Daemon", "max-records");

  for (guint i = 0; i < G_N_ELEMENTS (histories); i++)
    {
      g_autoptr (GError) error = NULL;

      if (!vmft_sqlite_store_trim (service->store, histories[i], max_records, oldest_us, &error))
        g_warning ("%s", error->message);
    }
  return G_SOURCE_CONTINUE;
}

/* --- state directory --- */

/* Two daemons on one state would decide twice. */
static gboolean
lock_state (Service *service, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, "vmftd.lock", NULL);

  if (g_mkdir_with_parents (directory, 0700) != 0)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED, "%s: %s", directory, g_strerror (errno));
      return FALSE;
    }
  service->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (service->lock_fd < 0)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED, "%s: %s", path, g_strerror (errno));
      return FALSE;
    }
  if (flock (service->lock_fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_BUSY, "another vmftd uses the state directory %s", directory);
  return FALSE;
}

static gboolean
open_state (Service *service, VmftConf *conf, GError **error)
{
  const char *directory = vmft_conf_get_string (conf, "Daemon", "state-directory");
  g_autofree char *path = g_build_filename (directory, "vmft.db", NULL);

  if (!lock_state (service, directory, error))
    return FALSE;
  service->store = vmft_sqlite_store_new (path, service->clock, error);
  return service->store != NULL;
}

static void
service_clear (Service *service)
{
  g_clear_handle_id (&service->swap_id, g_source_remove);
  g_clear_pointer (&service->gate, vmft_gate_free);
  g_clear_pointer (&service->outside, vmft_outside_free);
  g_clear_pointer (&service->dbus, vmft_dbus_free);
  g_clear_object (&service->daemon);
  g_clear_object (&service->store);
  g_clear_object (&service->clock);
  g_clear_pointer (&service->conf, vmft_conf_unref);
  g_clear_pointer (&service->next_conf, vmft_conf_unref);
  g_clear_pointer (&service->loop, g_main_loop_unref);
  if (service->lock_fd >= 0)
    close (service->lock_fd);
  g_free (service->options.config_path);
  g_free (service->options.state_directory);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Service, service_clear)

/* --- main --- */

static gboolean
parse_options (Options *options, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config_path,
      "Configuration file (default " VMFT_SETUP_DEFAULT_CONF ")", "FILE" },
    { "state-directory", 's', 0, G_OPTION_ARG_FILENAME, &options->state_directory,
      "Where the database lives; wins over the configuration", "DIR" },
    { "check-config", 0, 0, G_OPTION_ARG_NONE, &options->check_config, "Check the configuration and exit",
      NULL },
    { "foreground", 'f', 0, G_OPTION_ARG_NONE, &options->foreground, "Write messages to the terminal", NULL },
    { "version", 'V', 0, G_OPTION_ARG_NONE, &options->version, "Show the version and exit", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, "Moves virtual machines off this host before it fails.");
  g_option_context_set_description (
      context, "Exit status: 0 ended on request, 1 failure, 2 configuration or usage error.\n"
               "SIGHUP reads the configuration again; see vmftd(8) and vmftd.conf(5).\n");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "unexpected argument “%s”", (*argv)[1]);
      return FALSE;
    }
  return TRUE;
}

/* As g_log_writer_default(), but to the terminal even when standard error is the journal's. */
static GLogWriterOutput
write_to_terminal (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (g_log_writer_default_would_drop (level, G_LOG_DOMAIN))
    return G_LOG_WRITER_HANDLED;
  return g_log_writer_standard_streams (level, fields, n_fields, user_data);
}

static int
complain (const GError *error, int status)
{
  fprintf (stderr, "vmftd: %s\n", error->message);
  return status;
}

static int
run (Service *service, VmftConf *conf)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftDaemon) daemon = NULL;
  guint64 watchdog_us = 0;

  service->clock = vmft_real_clock_new ();
  if (!open_state (service, conf, &error))
    return complain (error, EXIT_FAILURE);
  daemon = vmft_setup_daemon (conf, service->clock, VMFT_STORE (service->store), &error);
  if (daemon == NULL)
    return complain (error,
                     g_error_matches (error, VMFT_ERROR, VMFT_ERROR_CONFIG) ? EXIT_CONFIG : EXIT_FAILURE);
  service->loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, on_terminate, service);
  g_unix_signal_add (SIGINT, on_terminate, service);
  g_unix_signal_add (SIGHUP, on_hangup, service);
  if (sd_watchdog_enabled (0, &watchdog_us) > 0)
    g_timeout_add ((guint) (watchdog_us / 2000), on_watchdog, service);
  g_timeout_add (TRIM_MS, on_trim, service);
  g_timeout_add (CHECKPOINT_MS, on_checkpoint, service);
  put_in_force (service, conf, daemon);
  g_clear_object (&daemon);
  g_message ("vmftd " VMFT_VERSION " watches this host, mode of operation: %s",
             vmft_operation_to_string (vmft_daemon_get_operation (service->daemon)));
  sd_notify (0, "READY=1");
  g_main_loop_run (service->loop);
  return EXIT_SUCCESS;
}

int
main (int argc, char **argv)
{
  g_auto (Service) service = { .lock_fd = -1 };
  g_autoptr (VmftConf) conf = NULL;
  g_autoptr (GError) error = NULL;

  if (!parse_options (&service.options, &argc, &argv, &error))
    return complain (error, EXIT_CONFIG);
  if (service.options.version)
    {
      puts ("vmftd " VMFT_VERSION);
      return EXIT_SUCCESS;
    }
  g_log_writer_default_set_use_stderr (TRUE);
  if (service.options.foreground)
    g_log_set_writer_func (write_to_terminal, NULL, NULL);
  conf = vmft_setup_conf (service.options.config_path, service.options.state_directory, &error);
  if (conf == NULL)
    return complain (error, EXIT_CONFIG);
  if (service.options.check_config)
    return EXIT_SUCCESS;
  return run (&service, conf);
}
