/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-fake-world.h"

#define MIB   1048576.0
#define GIB   (G_GUINT64_CONSTANT (1) << 30)
#define START G_GINT64_CONSTANT (1700000000000000)

typedef struct
{
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftHypervisor *hypervisor; /* on host a */
  VmftResult *result;
  GError *error;
  guint n_progress;
} Fixture;

static void
on_progress (VmftHypervisor *hypervisor, const VmftProgress *progress, Fixture *f)
{
  f->n_progress++;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->clock = vmft_fake_clock_new (START);
  f->world = vmft_fake_world_new (f->clock, 1);
  vmft_fake_world_add_host (f->world, "a", 64 * GIB, 100 * MIB);
  vmft_fake_world_add_host (f->world, "b", 64 * GIB, 100 * MIB);
  f->hypervisor = vmft_fake_world_open (f->world, "a");
  g_signal_connect (f->hypervisor, "progress", G_CALLBACK (on_progress), f);
  vmft_hypervisor_start (f->hypervisor);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), 100000);
  g_assert_true (vmft_hypervisor_is_connected (f->hypervisor));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_fake_world_check (f->world, &error));
  g_assert_no_error (error);
  g_clear_pointer (&f->result, vmft_result_free);
  g_clear_error (&f->error);
  g_assert_finalize_object (f->hypervisor);
  g_assert_finalize_object (f->world);
  g_assert_finalize_object (f->clock);
}

static void
advance (Fixture *f, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (f->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static void
on_migrated (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Fixture *f = user_data;

  g_clear_pointer (&f->result, vmft_result_free);
  g_clear_error (&f->error);
  f->result = vmft_hypervisor_migrate_finish (f->hypervisor, async, &f->error);
}

static VmftMigrationSpec *
new_spec (const char *uuid, VmftMode mode)
{
  VmftMigrationSpec *spec = vmft_migration_spec_new (uuid, mode);

  spec->destination = g_strdup ("b");
  spec->destination_uri = g_strdup ("fake://b");
  return spec;
}

static void
migrate (Fixture *f, const char *uuid, VmftMode mode)
{
  g_autoptr (VmftMigrationSpec) spec = new_spec (uuid, mode);

  spec->xbzrle_cache_bytes = GIB;
  vmft_hypervisor_migrate_async (f->hypervisor, spec, NULL, on_migrated, f);
}

static const char *
add_writer (Fixture *f, double dirty_mibps)
{
  VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;

  vm.working_set_bytes = 256 * MIB;
  vm.dirty_bps = dirty_mibps * MIB;
  return vmft_fake_world_add_vm (f->world, "a", &vm);
}

/* 1 GiB at 100 MiB/s: 10.24 s and the start-up */
static void
test_idle (Fixture *f, gconstpointer data)
{
  const char *uuid = add_writer (f, 0);

  migrate (f, uuid, VMFT_MODE_PRECOPY);
  advance (f, 10);
  g_assert_null (f->result);
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "a");
  advance (f, 2);
  g_assert_nonnull (f->result);
  g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_COMPLETED);
  g_assert_cmpfloat_with_epsilon (f->result->total_s, 10.7, 0.3);
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "b");
  g_assert_cmpuint (f->n_progress, >=, 10);
}

static void
test_modes_on_a_fast_writer (Fixture *f, gconstpointer data)
{
  const struct
  {
    VmftMode mode;
    gboolean arrives;
    gboolean postcopy;
  } cases[] = {
    { VMFT_MODE_PRECOPY, FALSE, FALSE },      { VMFT_MODE_XBZRLE, TRUE, FALSE },
    { VMFT_MODE_AUTO_CONVERGE, TRUE, FALSE }, { VMFT_MODE_HYBRID, TRUE, TRUE },
    { VMFT_MODE_POSTCOPY, TRUE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;
      const char *uuid;

      vm.working_set_bytes = 256 * MIB;
      vm.dirty_bps = 130 * MIB;
      vm.xbzrle_factor = 0.1;
      uuid = vmft_fake_world_add_vm (f->world, "a", &vm);
      g_clear_pointer (&f->result, vmft_result_free);
      migrate (f, uuid, cases[i].mode);
      advance (f, 120);
      g_assert_true ((f->result != NULL) == cases[i].arrives);
      if (f->result != NULL)
        {
          g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_COMPLETED);
          g_assert_true (f->result->postcopy == cases[i].postcopy);
        }
      else
        vmft_fake_world_stop_vm (f->world, uuid);
      advance (f, 1);
    }
}

static void
test_link_is_shared (Fixture *f, gconstpointer data)
{
  migrate (f, add_writer (f, 0), VMFT_MODE_PRECOPY);
  migrate (f, add_writer (f, 0), VMFT_MODE_PRECOPY);
  advance (f, 15);
  g_assert_null (f->result);
  advance (f, 7);
  g_assert_nonnull (f->result);
  g_assert_cmpfloat_with_epsilon (f->result->total_s, 20.9, 0.5);
}

/* --- faults --- */

static void
test_refused (Fixture *f, gconstpointer data)
{
  const char *uuid = add_writer (f, 0);

  vmft_fake_world_refuse (f->world, "b", "no room");
  migrate (f, uuid, VMFT_MODE_PRECOPY);
  advance (f, 1);
  g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_FAILED);
  g_assert_true (f->result->refused);
  g_assert_cmpstr (f->result->message, ==, "no room");
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "a");
}

static void
test_cut_in_precopy (Fixture *f, gconstpointer data)
{
  const char *uuid = add_writer (f, 0);

  migrate (f, uuid, VMFT_MODE_PRECOPY);
  advance (f, 3);
  vmft_fake_world_set_link (f->world, "b", 0);
  advance (f, 2);
  g_assert_null (f->result);
  advance (f, 2);
  g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_FAILED);
  g_assert_false (f->result->refused);
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "a");
}

static void
test_cut_in_postcopy_and_resumed (Fixture *f, gconstpointer data)
{
  const char *uuid = add_writer (f, 0);
  g_autoptr (VmftMigrationSpec) spec = new_spec (uuid, VMFT_MODE_POSTCOPY);

  migrate (f, uuid, VMFT_MODE_POSTCOPY);
  advance (f, 3);
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "b");
  vmft_fake_world_set_link (f->world, "b", 0);
  advance (f, 4);
  g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_PAUSED);
  g_assert_null (vmft_fake_world_where (f->world, uuid));
  spec->resume = TRUE;
  vmft_hypervisor_migrate_async (f->hypervisor, spec, NULL, on_migrated, f);
  advance (f, 1);
  g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_PAUSED);
  vmft_fake_world_set_link (f->world, "b", 100 * MIB);
  vmft_hypervisor_migrate_async (f->hypervisor, spec, NULL, on_migrated, f);
  advance (f, 20);
  g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_COMPLETED);
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "b");
  g_assert_cmpuint (vmft_fake_world_get_losses (f->world)->len, ==, 0);
}

static void
test_source_dies (Fixture *f, gconstpointer data)
{
  const char *first = add_writer (f, 0), *second = add_writer (f, 0);
  const GPtrArray *losses = vmft_fake_world_get_losses (f->world);
  const VmftFakeLoss *loss = NULL;

  migrate (f, first, VMFT_MODE_PRECOPY);
  advance (f, 12);
  migrate (f, second, VMFT_MODE_POSTCOPY);
  advance (f, 3);
  vmft_fake_world_kill_host (f->world, "a");
  advance (f, 1);
  g_assert_cmpuint (losses->len, ==, 1);
  loss = g_ptr_array_index (losses, 0);
  g_assert_cmpstr (loss->uuid, ==, second);
  g_assert_true (loss->postcopy);
  g_assert_cmpstr (vmft_fake_world_where (f->world, first), ==, "b");
}

static void
test_destination_dies (Fixture *f, gconstpointer data)
{
  const char *uuid = add_writer (f, 0);

  migrate (f, uuid, VMFT_MODE_PRECOPY);
  advance (f, 3);
  vmft_fake_world_kill_host (f->world, "b");
  advance (f, 1);
  g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_FAILED);
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "a");
}

static void
test_libvirtd_restarts (Fixture *f, gconstpointer data)
{
  const char *uuid = add_writer (f, 0);

  migrate (f, uuid, VMFT_MODE_PRECOPY);
  advance (f, 3);
  vmft_fake_world_restart_libvirtd (f->world, "a", 2.0);
  g_assert_false (vmft_hypervisor_is_connected (f->hypervisor));
  advance (f, 1);
  g_assert_cmpint (f->result->outcome, ==, VMFT_OUTCOME_FAILED);
  advance (f, 2);
  g_assert_true (vmft_hypervisor_is_connected (f->hypervisor));
  g_assert_cmpstr (vmft_fake_world_where (f->world, uuid), ==, "a");
}

static void
test_client_dies (Fixture *f, gconstpointer data)
{
  const char *p2p = add_writer (f, 0), *direct = add_writer (f, 0);
  g_autoptr (VmftMigrationSpec) spec = new_spec (direct, VMFT_MODE_PRECOPY);

  migrate (f, p2p, VMFT_MODE_PRECOPY);
  spec->peer_to_peer = FALSE;
  vmft_hypervisor_migrate_async (f->hypervisor, spec, NULL, on_migrated, f);
  advance (f, 3);
  g_assert_cmpuint (vmft_fake_world_count_jobs (f->world, "a"), ==, 2);
  vmft_fake_world_kill_client (f->world, f->hypervisor);
  g_assert_cmpuint (vmft_fake_world_count_jobs (f->world, "a"), ==, 1);
  advance (f, 20);
  g_assert_cmpstr (vmft_fake_world_where (f->world, p2p), ==, "b");
  g_assert_cmpstr (vmft_fake_world_where (f->world, direct), ==, "a");
}

/* --- sampling --- */

static void
on_sampled (GObject *object, GAsyncResult *async, gpointer user_data)
{
  VmftDirtySample *sample = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_hypervisor_sample_dirty_finish (VMFT_HYPERVISOR (object), async, sample, &error));
  g_assert_no_error (error);
}

static double
mean_reading (Fixture *f, const char *uuid, guint period_s)
{
  double sum = 0.0;

  for (guint i = 0; i < 40; i++)
    {
      VmftDirtySample sample = { 0 };

      vmft_hypervisor_sample_dirty_async (f->hypervisor, uuid, period_s, NULL, on_sampled, &sample);
      advance (f, period_s + 0.2);
      sum += sample.unique_bytes;
    }
  return sum / 40.0;
}

/* one second shows the rate, many seconds show the working set: readings saturate */
static void
test_sampling_saturates (Fixture *f, gconstpointer data)
{
  const char *uuid = add_writer (f, 100);

  g_assert_cmpfloat_with_epsilon (mean_reading (f, uuid, 1), 82.8 * MIB, 8 * MIB);
  g_assert_cmpfloat_with_epsilon (mean_reading (f, uuid, 10), 251 * MIB, 15 * MIB);
}

static void
on_busy (GObject *object, GAsyncResult *async, gpointer user_data)
{
  GError **error = user_data;

  g_assert_false (vmft_hypervisor_sample_dirty_finish (VMFT_HYPERVISOR (object), async, NULL, error));
}

static void
test_sampling_refused_while_migrating (Fixture *f, gconstpointer data)
{
  const char *uuid = add_writer (f, 10);
  g_autoptr (GError) error = NULL;

  migrate (f, uuid, VMFT_MODE_PRECOPY);
  vmft_hypervisor_sample_dirty_async (f->hypervisor, uuid, 1, NULL, on_busy, &error);
  advance (f, 0.1);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_BUSY);
  advance (f, 30);
}

static void
add (const char *path, void (*func) (Fixture *, gconstpointer))
{
  g_test_add (path, Fixture, NULL, set_up, func, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/fake-hypervisor/idle", test_idle);
  add ("/fake-hypervisor/modes-on-a-fast-writer", test_modes_on_a_fast_writer);
  add ("/fake-hypervisor/link-is-shared", test_link_is_shared);
  add ("/fake-hypervisor/refused", test_refused);
  add ("/fake-hypervisor/cut-in-precopy", test_cut_in_precopy);
  add ("/fake-hypervisor/cut-in-postcopy-and-resumed", test_cut_in_postcopy_and_resumed);
  add ("/fake-hypervisor/source-dies", test_source_dies);
  add ("/fake-hypervisor/destination-dies", test_destination_dies);
  add ("/fake-hypervisor/libvirtd-restarts", test_libvirtd_restarts);
  add ("/fake-hypervisor/client-dies", test_client_dies);
  add ("/fake-hypervisor/sampling-saturates", test_sampling_saturates);
  add ("/fake-hypervisor/sampling-refused-while-migrating", test_sampling_refused_while_migrating);
  return g_test_run ();
}
