/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evidence, joining, clearing, recurrence, survival. */
#include "vmft-incident.h"

#include <string.h>

#define START   (G_GINT64_CONSTANT (1800000000) * G_USEC_PER_SEC)
#define QUIET_S 1800.0

typedef struct
{
  VmftStore *store;
  VmftIncidentBook *book;
  VmftTime now_us;
  guint n_changes;
} Bench;

static void
on_change (const VmftIncident *incident, gpointer user_data)
{
  ((Bench *) user_data)->n_changes++;
}

static void
open_book (Bench *bench)
{
  g_autoptr (GError) error = NULL;

  bench->book = vmft_incident_book_new (bench->store, QUIET_S, on_change, bench, &error);
  g_assert_no_error (error);
}

static Bench *
bench_new (void)
{
  Bench *bench = g_new0 (Bench, 1);

  bench->store = vmft_memory_store_new ();
  bench->now_us = START;
  open_book (bench);
  return bench;
}

static void
bench_free (Bench *bench)
{
  vmft_incident_book_free (bench->book);
  g_object_unref (bench->store);
  g_free (bench);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bench, bench_free)

static void
reopen_book (Bench *bench)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_incident_book_flush (bench->book, &error));
  vmft_incident_book_mark_saved (bench->book);
  vmft_incident_book_free (bench->book);
  open_book (bench);
}

static void
pass_time (Bench *bench, double seconds)
{
  bench->now_us = vmft_time_add_s (bench->now_us, seconds);
  vmft_incident_book_tick (bench->book, bench->now_us);
}

typedef struct
{
  const char *template_text;
  const char *locus;
  VmftFaultClass fault_class;
  guint evidence;
  gboolean terminal;
  VmftProof proof;
  gboolean drill;
} What;

static const VmftIncident *
raise_alarm (Bench *bench, What what)
{
  VmftFamily family = { .name = "family",
                        .alarms = TRUE,
                        .evidence = what.evidence,
                        .terminal = what.terminal,
                        .proof = what.proof,
                        .fault_class = what.fault_class };
  VmftIncidentRecord record = { .family = &family,
                                .words = g_str_hash (what.template_text),
                                .p = 0.7,
                                .trusted = TRUE,
                                .now_us = bench->now_us };
  g_autoptr (VmftAlarm) alarm = g_new0 (VmftAlarm, 1);

  alarm->time_us = alarm->arrival_us = bench->now_us;
  alarm->template_text = g_strdup (what.template_text);
  alarm->family = g_strdup ("family");
  alarm->fault_class = what.fault_class;
  alarm->drill = what.drill;
  g_assert_true (vmft_locus_from_string (what.locus, &alarm->locus));
  if (vmft_incident_book_add (bench->book, alarm, &record))
    vmft_incident_book_announce (bench->book, alarm->incident_id, bench->now_us);
  return vmft_incident_book_lookup (bench->book, alarm->incident_id);
}

#define SDA(text)                                                                                            \
  ((What){ .template_text = text, .locus = "block sda", .fault_class = VMFT_CLASS_DISK, .evidence = 2 })

static void
test_evidence (void)
{
  g_autoptr (Bench) bench = bench_new ();
  What one = SDA ("one"), two = SDA ("two"), tail = SDA ("tail"), certain = SDA ("certain");
  const VmftIncident *incident = raise_alarm (bench, one);

  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_SUSPECTED);
  pass_time (bench, 61);
  g_assert_cmpint (raise_alarm (bench, one)->state, ==,
                   VMFT_INCIDENT_SUSPECTED); /* too late to go with the first */
  tail.evidence = 0;
  g_assert_cmpint (raise_alarm (bench, tail)->state, ==,
                   VMFT_INCIDENT_SUSPECTED); /* belongs to a record, is none */
  pass_time (bench, 59);
  g_assert_cmpint (raise_alarm (bench, one)->state, ==, VMFT_INCIDENT_CONFIRMED);
  g_assert_cmpint (incident->confirmed_us, ==, bench->now_us);
  g_assert_cmpint (incident->first_us, ==, START);
  g_assert_cmpuint (incident->n_alarms, ==, 4);

  one.locus = two.locus = "block sdb";
  g_assert_cmpint (raise_alarm (bench, one)->state, ==, VMFT_INCIDENT_SUSPECTED);
  pass_time (bench, 600);
  g_assert_cmpint (raise_alarm (bench, two)->state, ==, VMFT_INCIDENT_CONFIRMED); /* two templates */
  certain.locus = "block sdc";
  certain.evidence = 1;
  g_assert_cmpint (raise_alarm (bench, certain)->state, ==, VMFT_INCIDENT_CONFIRMED);
}

static void
test_joining (void)
{
  g_autoptr (Bench) bench = bench_new ();
  What disk = SDA ("disk"), io = SDA ("io"), host = SDA ("host"), drill = SDA ("drill");
  const VmftIncident *incident = raise_alarm (bench, disk);

  io.fault_class = VMFT_CLASS_IO;
  g_assert_true (raise_alarm (bench, io) == incident); /* one device, one fault */
  g_assert_cmpint (incident->fault_class, ==, VMFT_CLASS_DISK);
  drill.drill = TRUE;
  g_assert_true (raise_alarm (bench, drill) != incident);

  host.locus = "host";
  host.fault_class = VMFT_CLASS_MEMORY;
  incident = raise_alarm (bench, host);
  host.fault_class = VMFT_CLASS_CPU;
  g_assert_true (raise_alarm (bench, host) != incident);

  disk.locus = "block nvme0";
  incident = raise_alarm (bench, disk);
  disk.locus = "block nvme0n1";
  g_assert_true (raise_alarm (bench, disk) == incident);
  g_assert_cmpstr (incident->locus.name, ==, "nvme0n1"); /* the disk says more than its controller */
  disk.locus = "block nvme01n1";
  g_assert_true (raise_alarm (bench, disk) != incident);
}

static void
test_quiet_and_recurrence (void)
{
  g_autoptr (Bench) bench = bench_new ();
  const VmftIncident *incident;
  guint64 id;

  raise_alarm (bench, SDA ("one"));
  incident = raise_alarm (bench, SDA ("one"));
  id = incident->id;
  pass_time (bench, QUIET_S - 1);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CONFIRMED);
  pass_time (bench, 2);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CLEARED);
  g_assert_cmpint (incident->cleared_us, ==, bench->now_us);

  pass_time (bench, 23 * 3600);
  incident = raise_alarm (bench, SDA ("one"));
  g_assert_cmpuint (incident->id, ==, id);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_SUSPECTED); /* evidence starts anew */
  g_assert_cmpint (incident->first_us, ==, START);
  g_assert_cmpuint (incident->n_recurrences, ==, 1);
  pass_time (bench, QUIET_S + 1);
  pass_time (bench, 25 * 3600);
  g_assert_null (vmft_incident_book_lookup (bench->book, id));
  g_assert_cmpuint (raise_alarm (bench, SDA ("one"))->id, !=, id);
}

static void
test_terminal (void)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autoptr (GError) error = NULL;
  What what = SDA ("offline");
  const VmftIncident *incident;

  what.evidence = 1;
  what.terminal = TRUE;
  what.proof = VMFT_PROOF_DEVICE;
  incident = raise_alarm (bench, what);
  pass_time (bench, 30 * 24 * 3600.0);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CONFIRMED);
  reopen_book (bench);
  incident = vmft_incident_book_lookup (bench->book, 1);
  g_assert_nonnull (incident);
  g_assert_true (incident->terminal);
  g_assert_cmpint (incident->proof, ==, VMFT_PROOF_DEVICE);
  g_assert_cmpint (incident->first_us, ==, START);
  g_assert_true (vmft_incident_book_clear (bench->book, 1, bench->now_us, &error));
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CLEARED);
  g_assert_false (vmft_incident_book_clear (bench->book, 4711, bench->now_us, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND);
}

static void
count_kind (const VmftNormalKey *key, gpointer user_data)
{
  g_assert_cmpstr (key->family, ==, "family");
  g_assert_cmpstr (key->locus->name, ==, "sda");
  if (g_str_equal (key->template_text, "one")) /* a tab does not survive as it was */
    g_assert_cmpuint (key->words, ==, g_str_hash (key->template_text));
  (*(guint *) user_data)++;
}

static void
test_survival (void)
{
  g_autoptr (Bench) bench = bench_new ();
  guint n_kinds = 0;
  const VmftIncident *incident;

  raise_alarm (bench, SDA ("one"));
  reopen_book (bench);
  incident = raise_alarm (bench, SDA ("one"));
  g_assert_cmpuint (incident->id, ==, 1);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CONFIRMED); /* the restart does not cost the evidence */
  raise_alarm (bench, SDA ("two\twith a tab"));
  reopen_book (bench);
  vmft_incident_book_foreach_template (bench->book, 1, count_kind, &n_kinds);
  g_assert_cmpuint (n_kinds, ==, 2);
  g_assert_cmpuint (vmft_incident_book_lookup (bench->book, 1)->n_alarms, ==, 3);
}

static void
test_proofs (void)
{
  VmftIncident incident = { .terminal = TRUE,
                            .proof = VMFT_PROOF_DEVICE,
                            .locus = { .kind = VMFT_LOCUS_BLOCK, .name = "sda" } };
  g_autofree char *device = vmft_incident_proof_path (&incident);

  g_assert_cmpstr (device, ==, "/sys/block/sda/device/state");
  g_assert_true (vmft_incident_is_disproved (&incident, "running\n"));
  g_assert_false (vmft_incident_is_disproved (&incident, "offline\n"));
  g_assert_false (vmft_incident_is_disproved (&incident, NULL));

  incident.proof = VMFT_PROOF_MD;
  strcpy (incident.locus.name, "md0");
  g_assert_true (vmft_incident_is_disproved (&incident, "0\n"));
  g_assert_false (vmft_incident_is_disproved (&incident, "1\n"));
  g_assert_false (vmft_incident_is_disproved (&incident, ""));

  incident.proof = VMFT_PROOF_MOUNT;
  strcpy (incident.locus.name, "sda");
  g_assert_true (vmft_incident_is_disproved (&incident, "/dev/sda1 / ext4 rw,relatime 0 0\n"));
  g_assert_false (vmft_incident_is_disproved (&incident, "/dev/sda1 / ext4 ro,relatime 0 0\n"));
  g_assert_false (
      vmft_incident_is_disproved (&incident, "/dev/sda1 / ext4 rw 0 0\n/dev/sda2 /vm ext4 ro 0 0\n"));
  g_assert_false (vmft_incident_is_disproved (&incident, "/dev/sdab1 / ext4 rw 0 0\n"));

  strcpy (incident.locus.name, "../../etc/passwd");
  g_assert_null (vmft_incident_proof_path (&incident));
  incident.terminal = FALSE;
  strcpy (incident.locus.name, "sda");
  g_assert_null (vmft_incident_proof_path (&incident));
}

static gboolean
put_row (VmftStore *store, guint64 id, const char *json)
{
  GVariant *record = vmft_json_to_variant (json, NULL);
  gboolean ok = vmft_store_put_id (store, VMFT_STORE_INCIDENTS, id, START, record, NULL);

  g_variant_unref (record);
  return ok;
}

/* Rows that make no sense are passed over, not believed and not fatal. */
static void
test_odd_rows (void)
{
  g_autoptr (Bench) bench = bench_new ();

  g_assert_true (put_row (bench->store, 1, "{}"));
  g_assert_true (
      put_row (bench->store, 2, "{\"id\":2,\"state\":\"weird\",\"class\":\"disk\",\"locus\":\"host\"}"));
  g_assert_true (
      put_row (bench->store, 3, "{\"id\":3,\"state\":\"confirmed\",\"class\":\"disk\",\"locus\":\"block\"}"));
  g_assert_true (put_row (
      bench->store, 4,
      "{\"id\":4,\"state\":\"confirmed\",\"class\":\"disk\",\"locus\":\"block sda\",\"kinds\":\"x\\ty\"}"));
  vmft_incident_book_free (bench->book);
  open_book (bench);
  g_assert_null (vmft_incident_book_lookup (bench->book, 2));
  g_assert_nonnull (vmft_incident_book_lookup (bench->book, 4));
  g_assert_cmpuint (
      raise_alarm (bench, (What){ .template_text = "t", .locus = "block sdz", .evidence = 2 })->id, ==, 5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/incident/evidence", test_evidence);
  g_test_add_func ("/incident/joining", test_joining);
  g_test_add_func ("/incident/quiet-and-recurrence", test_quiet_and_recurrence);
  g_test_add_func ("/incident/terminal", test_terminal);
  g_test_add_func ("/incident/survival", test_survival);
  g_test_add_func ("/incident/proofs", test_proofs);
  g_test_add_func ("/incident/odd-rows", test_odd_rows);
  return g_test_run ();
}
