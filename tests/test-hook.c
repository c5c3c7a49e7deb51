/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-arrivals.h"
#include "vmft-common.h"
#include "vmft-hook-protocol.h"
#include "vmft-hook-server.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

#define UUID  "e707b101-e027-4fd1-9579-0a721007ff37"
#define OTHER "e707b101-e027-4fd1-9579-0a721007ff38"
#define THIRD "e707b101-e027-4fd1-9579-0a721007ff39"
#define MIB   (G_GUINT64_CONSTANT (1) << 20)
#define XML                                                                                                  \
  "<domain type='kvm'>\n  <name>web1</name>\n  <uuid>" UUID "</uuid>\n"                                      \
  "  <memory unit='KiB'>1048576</memory>\n</domain>\n"

/* --- the socket's two ends, with the real program as client --- */

typedef struct
{
  char *directory;
  char *path;
  VmftHookServer *server;
  char *refusal; /* what the next call gets */
  GString *calls;
  GMainLoop *loop;
  int status;
  char *output;
  char *complaint;
} Fixture;

static char *
on_call (const VmftHookCall *call, gpointer user_data)
{
  Fixture *f = user_data;

  g_string_append_printf (f->calls, "%s/%s/%s/%s/%" G_GUINT64_FORMAT " ", call->operation,
                          call->sub_operation, call->name, call->uuid != NULL ? call->uuid : "none",
                          call->memory_bytes);
  return g_strdup (f->refusal);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("vmft-hook-XXXXXX", NULL);
  f->path = g_build_filename (f->directory, "hook", NULL);
  f->calls = g_string_new (NULL);
  f->loop = g_main_loop_new (NULL, FALSE);
  f->server = vmft_hook_server_new (f->path, on_call, f, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->server, vmft_hook_server_free);
  g_assert_false (g_file_test (f->path, G_FILE_TEST_EXISTS));
  g_rmdir (f->directory);
  g_free (f->directory);
  g_free (f->path);
  g_free (f->refusal);
  g_free (f->output);
  g_free (f->complaint);
  g_string_free (f->calls, TRUE);
  g_main_loop_unref (f->loop);
}

static void
on_hook_done (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GError) error = NULL;

  /* a hook that does not read its input may be gone before all of it is written, as libvirt knows */
  if (!g_subprocess_communicate_utf8_finish (G_SUBPROCESS (object), result, &f->output, &f->complaint,
                                             &error))
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
      g_assert_true (g_subprocess_wait (G_SUBPROCESS (object), NULL, NULL));
      f->output = g_strdup ("");
    }
  f->status = g_subprocess_get_exit_status (G_SUBPROCESS (object));
  g_main_loop_quit (f->loop);
}

/* Returns: how long it took, in ms */
static double
run_hook (Fixture *f, const char *operation, const char *xml)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GSubprocess) hook = NULL;
  g_autoptr (GError) error = NULL;
  gint64 start_us = g_get_monotonic_time ();

  g_clear_pointer (&f->output, g_free);
  g_clear_pointer (&f->complaint, g_free);
  g_subprocess_launcher_setenv (launcher, "VMFT_HOOK_SOCKET", f->path, TRUE);
  hook = g_subprocess_launcher_spawn (launcher, &error, VMFT_HOOK_PROGRAM, "web1", operation, "begin", "-",
                                      NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (hook, xml, NULL, on_hook_done, f);
  g_main_loop_run (f->loop);
  /* anything on stdout would be taken for a new domain XML */
  g_assert_cmpstr (f->output, ==, "");
  return (double) (g_get_monotonic_time () - start_us) / 1000.0;
}

static void
test_passes (Fixture *f, gconstpointer data)
{
  run_hook (f, "migrate", XML);
  g_assert_cmpint (f->status, ==, 0);
  g_assert_cmpstr (f->calls->str, ==, "migrate/begin/web1/" UUID "/1073741824 ");
}

static void
test_refuses (Fixture *f, gconstpointer data)
{
  g_autofree char *reason = NULL;

  f->refusal = g_strdup ("this host is suspect itself:\nincident 3");
  run_hook (f, "migrate", XML);
  g_assert_cmpint (f->status, ==, 1);
  reason = vmft_hook_refusal (f->complaint);
  g_assert_cmpstr (reason, ==, "this host is suspect itself: incident 3");
  /* news, not questions */
  run_hook (f, "stopped", XML);
  g_assert_cmpint (f->status, ==, 0);
}

static void
test_of_no_interest (Fixture *f, gconstpointer data)
{
  run_hook (f, "prepare", XML);
  g_assert_cmpint (f->status, ==, 0);
  g_assert_cmpstr (f->calls->str, ==, "");
}

static void
test_bad_xml (Fixture *f, gconstpointer data)
{
  g_autofree char *huge = g_strnfill (600000, 'x');

  run_hook (f, "migrate", "");
  run_hook (f, "migrate", "<uuid>");
  run_hook (f, "migrate", "<uuid>a b\nc</uuid>");
  run_hook (f, "migrate", huge);
  g_assert_cmpint (f->status, ==, 0);
  g_assert_cmpstr (f->calls->str, ==,
                   "migrate/begin/web1/none/0 migrate/begin/web1/none/0 migrate/begin/web1/a_b_c/0 "
                   "migrate/begin/web1/none/0 ");
}

static void
test_daemon_is_away (Fixture *f, gconstpointer data)
{
  double best_ms = G_MAXDOUBLE;

  g_clear_pointer (&f->server, vmft_hook_server_free);
  /* of several tries the best: a busy machine is slow to start any program */
  for (guint i = 0; i < 10 && best_ms >= 200.0; i++)
    {
      best_ms = MIN (best_ms, run_hook (f, "migrate", XML));
      g_assert_cmpint (f->status, ==, 0);
    }
  g_assert_cmpfloat (best_ms, <, 200.0);
}

/* somebody listens and never answers */
static void
test_daemon_hangs (Fixture *f, gconstpointer data)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;
  double ms;

  g_clear_pointer (&f->server, vmft_hook_server_free);
  address = g_unix_socket_address_new (f->path);
  g_assert_true (g_socket_listener_add_address (listener, address, G_SOCKET_TYPE_STREAM,
                                                G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, &error));
  ms = run_hook (f, "migrate", XML);
  g_assert_cmpint (f->status, ==, 0);
  g_assert_cmpfloat (ms, >, 100.0);
  /* its own limit is 160 ms; the rest is for a busy machine's sake */
  g_assert_cmpfloat (ms, <, 2000.0);
  g_socket_listener_close (listener);
  g_unlink (f->path);
}

static void
test_second_daemon (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftHookServer) second = vmft_hook_server_new (f->path, on_call, f, &error);

  g_assert_null (second);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_BUSY);
  g_assert_true (g_file_test (f->path, G_FILE_TEST_EXISTS));
}

/* --- lines --- */

static void
test_parse (void)
{
  const char *const bad[] = {
    "",
    "1",
    "2 migrate begin u 5 n",
    "1 migrate begin u 5",
    "1 migrate begin u five n",
    "1 migrate begin u -5 n",
    "1 migrate begin u 5 ",
  };
  g_autofree char *good = g_strdup ("1 migrate begin u 5 a name");
  VmftHookCall call = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_hook_parse (good, &call, &error));
  g_assert_cmpstr (call.name, ==, "a name");
  g_assert_cmpuint (call.memory_bytes, ==, 5);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *line = g_strdup (bad[i]);

      g_assert_false (vmft_hook_parse (line, &call, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
      g_clear_error (&error);
    }
  g_assert_null (vmft_hook_refusal (NULL));
  g_assert_null (vmft_hook_refusal ("Hook script execution failed"));
}

/* --- what is coming --- */

typedef struct
{
  VmftClock *clock;
  VmftArrivals *arrivals;
  GPtrArray *vms;
  VmftArrivalLimits limits;
} Host;

static void
set_up_host (Host *h, gconstpointer data)
{
  h->clock = vmft_fake_clock_new (0);
  h->arrivals = vmft_arrivals_new (h->clock);
  h->vms = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_vm_unref);
  h->limits.free_bytes = 1000 * MIB;
}

static void
tear_down_host (Host *h, gconstpointer data)
{
  vmft_arrivals_free (h->arrivals);
  g_ptr_array_unref (h->vms);
  g_object_unref (h->clock);
}

static gboolean
may_come (Host *h, const char *uuid, guint64 mib)
{
  g_autofree char *reason = vmft_arrivals_judge (h->arrivals, uuid, mib * MIB, h->vms, &h->limits);

  return reason == NULL;
}

/* whether just @n are coming: so many may, and one more may not */
static gboolean
are_coming (Host *h, guint n)
{
  VmftArrivalLimits full = { .free_bytes = G_MAXUINT64, .limit_in = n };
  g_autofree char *said = g_strdup_printf ("%u VMs are coming already", n);
  g_autofree char *reason = vmft_arrivals_judge (h->arrivals, THIRD, 0, h->vms, &full);

  return g_strcmp0 (reason, said) == 0;
}

/* two sources that both see 1000 MiB free */
static void
test_no_overfill (Host *h, gconstpointer data)
{
  g_assert_true (may_come (h, UUID, 600));
  g_assert_false (may_come (h, OTHER, 600));
  g_assert_true (may_come (h, OTHER, 400));
  g_assert_true (are_coming (h, 2));
}

static void
test_same_vm_again (Host *h, gconstpointer data)
{
  g_assert_true (may_come (h, UUID, 600));
  g_assert_true (may_come (h, UUID, 600));
  g_assert_true (are_coming (h, 1));
}

static void
test_failed_ones_make_room (Host *h, gconstpointer data)
{
  g_assert_true (may_come (h, UUID, 600));
  vmft_arrivals_forget (h->arrivals, UUID);
  g_assert_true (may_come (h, OTHER, 600));
  /* its source died before it sent a byte */
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (h->clock), 121 * G_USEC_PER_SEC);
  g_assert_true (may_come (h, UUID, 600));
}

/* half of it is here: that half is gone from the free memory already */
static void
test_half_arrived (Host *h, gconstpointer data)
{
  VmftVm *vm = vmft_vm_new (UUID, "web1");

  g_assert_true (may_come (h, UUID, 600));
  vm->memory_bytes = 600 * MIB;
  vm->resident_bytes = 300 * MIB;
  vm->blocker = g_strdup ("it is still arriving from another host");
  g_ptr_array_add (h->vms, vm);
  h->limits.free_bytes = 700 * MIB;
  g_assert_false (may_come (h, OTHER, 500));
  g_assert_true (may_come (h, OTHER, 400));
}

static void
test_arrived (Host *h, gconstpointer data)
{
  VmftVm *vm = vmft_vm_new (UUID, "web1");

  h->limits.limit_in = 1;
  g_assert_true (may_come (h, UUID, 100));
  g_assert_false (may_come (h, OTHER, 100));
  vm->running = TRUE;
  g_ptr_array_add (h->vms, vm);
  g_assert_true (may_come (h, OTHER, 100));
}

static void
test_suspect_and_reserve (Host *h, gconstpointer data)
{
  h->limits.suspect = "incident 3 (disk) is open";
  g_assert_false (may_come (h, UUID, 1));
  h->limits.suspect = NULL;
  h->limits.reserve_bytes = 950 * MIB;
  g_assert_false (may_come (h, UUID, 51));
  g_assert_true (may_come (h, UUID, 50));
  h->limits.reserve_bytes = 2000 * MIB;
  g_assert_false (may_come (h, UUID, 1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/hook/passes", Fixture, NULL, set_up, test_passes, tear_down);
  g_test_add ("/hook/refuses", Fixture, NULL, set_up, test_refuses, tear_down);
  g_test_add ("/hook/of-no-interest", Fixture, NULL, set_up, test_of_no_interest, tear_down);
  g_test_add ("/hook/bad-xml", Fixture, NULL, set_up, test_bad_xml, tear_down);
  g_test_add ("/hook/daemon-is-away", Fixture, NULL, set_up, test_daemon_is_away, tear_down);
  g_test_add ("/hook/daemon-hangs", Fixture, NULL, set_up, test_daemon_hangs, tear_down);
  g_test_add ("/hook/second-daemon", Fixture, NULL, set_up, test_second_daemon, tear_down);
  g_test_add_func ("/hook/parse", test_parse);
  g_test_add ("/arrivals/no-overfill", Host, NULL, set_up_host, test_no_overfill, tear_down_host);
  g_test_add ("/arrivals/same-vm-again", Host, NULL, set_up_host, test_same_vm_again, tear_down_host);
  g_test_add ("/arrivals/failed-ones-make-room", Host, NULL, set_up_host, test_failed_ones_make_room,
              tear_down_host);
  g_test_add ("/arrivals/half-arrived", Host, NULL, set_up_host, test_half_arrived, tear_down_host);
  g_test_add ("/arrivals/arrived", Host, NULL, set_up_host, test_arrived, tear_down_host);
  g_test_add ("/arrivals/suspect-and-reserve", Host, NULL, set_up_host, test_suspect_and_reserve,
              tear_down_host);
  return g_test_run ();
}
