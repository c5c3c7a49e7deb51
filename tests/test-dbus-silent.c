/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus that takes connections and says nothing, as a stopped dbus-daemon does: the daemon's main loop goes on. */
#include "daemon/vmft-dbus.h"

#include "migrate/vmft-fake-world.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#define DEADLINE_US (10 * G_USEC_PER_SEC)
#define START_US    (G_GINT64_CONSTANT (1790000000) * G_USEC_PER_SEC)
#define MIB         (1024 * 1024)

typedef struct
{
  char *dir;
  char *path;
  char *address;
  GSocketListener *listener;
  GPtrArray *callers; /* of GSocketConnection */
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftDaemon *daemon;
  VmftDbus *dbus;
} Fixture;

static void
on_caller (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;
  GSocketConnection *caller =
      g_socket_listener_accept_finish (G_SOCKET_LISTENER (object), result, NULL, NULL);

  if (caller == NULL)
    return; /* the listener was closed */
  g_ptr_array_add (f->callers, caller);
  g_socket_listener_accept_async (f->listener, NULL, on_caller, f);
}

static void
start_silent_bus (Fixture *f)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (f->path);
  g_autoptr (GError) error = NULL;

  f->callers = g_ptr_array_new_with_free_func (g_object_unref);
  f->listener = g_socket_listener_new ();
  g_assert_true (g_socket_listener_add_address (f->listener, address, G_SOCKET_TYPE_STREAM,
                                                G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, &error));
  g_assert_no_error (error);
  g_socket_listener_accept_async (f->listener, NULL, on_caller, f);
}

static void
make_daemon (Fixture *f)
{
  g_autoptr (VmftConf) conf = vmft_conf_new ();
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  g_autoptr (VmftHypervisor) hypervisor = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_conf_set (conf, "Daemon", "sysfs", f->dir, &error));
  g_assert_true (vmft_conf_set (conf, "Daemon", "proc", f->dir, &error));
  f->clock = vmft_fake_clock_new (START_US);
  f->world = vmft_fake_world_new (f->clock, 1);
  vmft_fake_world_add_host (f->world, "a", (guint64) 1024 * MIB, 113.0 * MIB);
  hypervisor = vmft_fake_world_open (f->world, "a");
  f->daemon = vmft_daemon_new (conf, f->clock, store, hypervisor, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-dbus-silent-XXXXXX", &error);
  g_assert_no_error (error);
  f->path = g_build_filename (f->dir, "bus", NULL);
  f->address = g_strdup_printf ("unix:path=%s", f->path);
  start_silent_bus (f);
  make_daemon (f);
  f->dbus = vmft_dbus_new (f->daemon, f->address, NULL, NULL);
}

static void
wait_for_callers (Fixture *f, guint n)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  while (f->callers->len < n && g_get_monotonic_time () < deadline_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  g_assert_cmpuint (f->callers->len, ==, n);
}

/* Every caller still on the line hangs up, so that no attempt outlives its test. */
static void
wait_for_hang_up (Fixture *f)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;

  for (guint i = 0; i < f->callers->len; i++)
    {
      GSocket *socket = g_socket_connection_get_socket (f->callers->pdata[i]);

      while (g_socket_condition_check (socket, G_IO_HUP) == 0 && g_get_monotonic_time () < deadline_us)
        if (!g_main_context_iteration (NULL, FALSE))
          g_usleep (1000);
      g_assert_cmpint (g_socket_condition_check (socket, G_IO_HUP), !=, 0);
    }
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->dbus, vmft_dbus_free);
  wait_for_hang_up (f);
  g_socket_listener_close (f->listener);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_object_unref (f->listener);
  g_ptr_array_unref (f->callers);
  g_object_unref (f->daemon);
  g_object_unref (f->world);
  g_object_unref (f->clock);
  g_unlink (f->path);
  g_rmdir (f->dir);
  g_free (f->address);
  g_free (f->path);
  g_free (f->dir);
}

static gboolean
on_tick (gpointer user_data)
{
  ++*(guint *) user_data;
  return G_SOURCE_CONTINUE;
}

static void
test_main_loop_turns (Fixture *f, gconstpointer data)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  guint n_ticks = 0;
  guint timer;

  wait_for_callers (f, 1);
  timer = g_timeout_add (1, on_tick, &n_ticks);
  while (n_ticks < 20 && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
  g_assert_cmpuint (n_ticks, ==, 20);
  g_assert_false (vmft_dbus_owns_name (f->dbus));
}

static void
test_tries_again (Fixture *f, gconstpointer data)
{
  wait_for_callers (f, 1);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 10 * G_USEC_PER_SEC);
  wait_for_hang_up (f);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 5 * G_USEC_PER_SEC);
  wait_for_callers (f, 2);
}

/* A reload that wants no bus, or the end of vmftd, while the attempt is out; before the bus has even taken the call too. */
static void
test_freed_meanwhile (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->dbus, vmft_dbus_free);
  f->dbus = vmft_dbus_new (f->daemon, f->address, NULL, NULL);
  vmft_dbus_set_daemon (f->dbus, f->daemon);
}

#define ADD(path, func) g_test_add ("/dbus-silent/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* a bus that does not answer warns */
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  ADD ("main-loop-turns", test_main_loop_turns);
  ADD ("tries-again", test_tries_again);
  ADD ("freed-meanwhile", test_freed_meanwhile);
  return g_test_run ();
}
