/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose failure ends the lead time of which incident: a host with two disks, a VM on each. */
#include "vmft-common.h"
#include "vmft-history.h"

#include <glib/gstdio.h>
#include <string.h>

#define START      (G_GINT64_CONSTANT (1800000000) * G_USEC_PER_SEC)
#define DEADLINE_S 10

typedef struct
{
  char *root;
  VmftClock *clock;
  VmftStore *store;
  VmftDetector *detector;
  VmftDetectorConfig config;
  VmftLeadModel *leads;
  VmftFacts *facts;
  VmftHistory *history;
  VmftVm *on_sda;
  VmftVm *on_sdb;
} Host;

static VmftVm *
new_vm (const char *name, const char *device, int pid)
{
  VmftVm *vm = vmft_vm_new (name, name);

  vm->running = TRUE;
  vm->qemu_pid = pid;
  vmft_vm_add_disk (vm, "vda", "/srv/disk.img", device, TRUE, FALSE);
  return vm;
}

/* What carries the host is read in a thread; until then every device may. */
static void
wait_for_facts (Host *host)
{
  const VmftLocus sda = { .kind = VMFT_LOCUS_BLOCK, .name = "sda" };
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_S * G_USEC_PER_SEC;
  VmftHostFacts facts;

  for (vmft_facts_get (host->facts, &sda, &facts); !facts.locus_known;
       vmft_facts_get (host->facts, &sda, &facts))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
}

static void
set_up (Host *host, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  host->root = g_dir_make_tmp ("vmft-history-XXXXXX", NULL);
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *device = g_build_filename (host->root, "class", "block", i == 0 ? "sda" : "sdb", NULL);

      g_assert_cmpint (g_mkdir_with_parents (device, 0755), ==, 0);
    }
  host->clock = vmft_fake_clock_new (START);
  host->store = vmft_memory_store_new ();
  host->config = VMFT_DETECTOR_CONFIG_DEFAULT;
  host->config.hostname = "host01";
  host->detector = vmft_detector_new (host->clock, host->store, &host->config, &error);
  g_assert_no_error (error);
  host->leads = vmft_lead_model_new (host->store, NULL, &error);
  g_assert_no_error (error);
  host->facts = vmft_facts_new (host->clock, host->root, host->root, NULL);
  vmft_facts_start (host->facts);
  host->history = vmft_history_new (host->clock, host->store, host->detector, host->leads, host->facts);
  host->on_sda = new_vm ("a", "sda", 1001);
  host->on_sdb = new_vm ("b", "sdb", 1002);
  wait_for_facts (host);
}

static void
tear_down (Host *host, gconstpointer data)
{
  static const char *const made[] = { "class/block/sda", "class/block/sdb", "class/block", "class", "" };

  vmft_vm_unref (host->on_sda);
  vmft_vm_unref (host->on_sdb);
  vmft_history_free (host->history);
  vmft_facts_free (host->facts);
  g_object_unref (host->leads);
  g_object_unref (host->detector);
  g_object_unref (host->store);
  g_object_unref (host->clock);
  for (guint i = 0; i < G_N_ELEMENTS (made); i++)
    {
      g_autofree char *path = g_build_filename (host->root, made[i], NULL);

      g_assert_cmpint (g_rmdir (path), ==, 0);
    }
  g_free (host->root);
}

static void
say (Host *host, const char *text)
{
  VmftLine line = { .time_us = vmft_clock_real_us (host->clock),
                    .arrival_us = vmft_clock_real_us (host->clock),
                    .uptime_us = -1,
                    .host = { "host01", 6 },
                    .program = { "kernel", 6 },
                    .text = { text, strlen (text) },
                    .level = -1,
                    .kernel = TRUE,
                    .trust = VMFT_TRUST_KERNEL };
  VmftVerdict verdict;

  vmft_detector_feed (host->detector, &line, "kern", &verdict);
}

static void
pass (Host *host, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (host->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static void
fail (Host *host, const VmftVm *vm)
{
  vmft_history_note_vm_failed (host->history, vm, vmft_clock_real_us (host->clock));
}

static guint
count (Host *host)
{
  g_autoptr (GVariant) records = g_variant_ref_sink (vmft_lead_model_export (host->leads));

  return (guint) g_variant_n_children (records);
}

static void
confirm_medium_error (Host *host)
{
  g_autoptr (GPtrArray) incidents = NULL;
  const VmftIncident *incident;

  say (host, "critical medium error, dev sda, sector 4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
  incidents = vmft_detector_list_incidents (host->detector);
  g_assert_cmpuint (incidents->len, ==, 1);
  incident = g_ptr_array_index (incidents, 0);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CONFIRMED);
  g_assert_cmpstr (incident->locus.name, ==, "sda");
}

static void
test_other_disk (Host *host, gconstpointer data)
{
  confirm_medium_error (host);
  pass (host, 30.0);
  fail (host, host->on_sdb);
  g_assert_cmpuint (count (host), ==, 0);
}

static void
test_own_disk (Host *host, gconstpointer data)
{
  g_autoptr (GVariant) records = NULL;
  g_autoptr (GVariant) record = NULL;

  confirm_medium_error (host);
  pass (host, 30.0);
  fail (host, host->on_sda);
  pass (host, 30.0);
  fail (host, host->on_sda);
  records = g_variant_ref_sink (vmft_lead_model_export (host->leads));
  g_assert_cmpuint (g_variant_n_children (records), ==, 1);
  record = g_variant_get_child_value (records, 0);
  g_assert_false (vmft_dict_boolean (record, "censored", TRUE));
  g_assert_cmpfloat_with_epsilon (vmft_dict_double (record, "lead_s", 0.0), 30.0, 0.01);
}

/* Nothing is known of it any more: a fault in one disk may have been another VM's. */
static void
test_unknown_vm (Host *host, gconstpointer data)
{
  confirm_medium_error (host);
  pass (host, 30.0);
  fail (host, NULL);
  g_assert_cmpuint (count (host), ==, 0);
}

/* A fault of the whole host is every VM's. */
static void
test_host_fault (Host *host, gconstpointer data)
{
  say (host, "mce: [Hardware Error]: CPU 3: Machine Check Exception: 5 Bank 4: be00000000800400");
  pass (host, 30.0);
  fail (host, host->on_sdb);
  g_assert_cmpuint (count (host), ==, 1);
}

int
main (int argc, char **argv)
{
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/history/other-disk", Host, NULL, set_up, test_other_disk, tear_down);
  g_test_add ("/history/own-disk", Host, NULL, set_up, test_own_disk, tear_down);
  g_test_add ("/history/unknown-vm", Host, NULL, set_up, test_unknown_vm, tear_down);
  g_test_add ("/history/host-fault", Host, NULL, set_up, test_host_fault, tear_down);
  return g_test_run ();
}
