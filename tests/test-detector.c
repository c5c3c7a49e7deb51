/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole detector, line by line, with a fake clock and a store in memory. */
#include "vmft-detector.h"

#include <string.h>

#define START (G_GINT64_CONSTANT (1800000000) * G_USEC_PER_SEC)
#define DAY_S 86400.0

typedef struct
{
  VmftClock *clock;
  VmftStore *store;
  VmftDetector *detector;
  VmftDetectorConfig config;
  guint n_alarms;
  guint n_incidents;
  guint64 incident_id;
  VmftIncidentState state;
} Bench;

static void
on_alarm (VmftDetector *detector, const VmftAlarm *alarm, gpointer user_data)
{
  Bench *bench = user_data;

  g_assert_true (g_utf8_validate (alarm->line, -1, NULL));
  g_assert_cmpuint (alarm->id, !=, 0);
  g_assert_cmpuint (alarm->incident_id, !=, 0);
  bench->n_alarms++;
}

static void
on_incident (VmftDetector *detector, const VmftIncident *incident, gpointer user_data)
{
  Bench *bench = user_data;

  bench->n_incidents++;
  bench->incident_id = incident->id;
  bench->state = incident->state;
}

static void
start (Bench *bench)
{
  g_autoptr (GError) error = NULL;

  bench->detector = vmft_detector_new (bench->clock, bench->store, &bench->config, &error);
  g_assert_no_error (error);
  g_signal_connect (bench->detector, "alarm", G_CALLBACK (on_alarm), bench);
  g_signal_connect (bench->detector, "incident", G_CALLBACK (on_incident), bench);
}

static Bench *
bench_new (void)
{
  Bench *bench = g_new0 (Bench, 1);

  bench->clock = vmft_fake_clock_new (START);
  bench->store = vmft_memory_store_new ();
  bench->config = VMFT_DETECTOR_CONFIG_DEFAULT;
  bench->config.hostname = "host01";
  start (bench);
  return bench;
}

static void
bench_free (Bench *bench)
{
  g_clear_object (&bench->detector);
  g_clear_object (&bench->store);
  g_clear_object (&bench->clock);
  g_free (bench);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bench, bench_free)

static void
save (Bench *bench)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_store_begin (bench->store, &error));
  g_assert_true (vmft_detector_flush (bench->detector, &error));
  g_assert_true (vmft_store_commit (bench->store, &error));
  g_assert_no_error (error);
  vmft_detector_mark_saved (bench->detector);
}

typedef struct
{
  Bench *bench;
  GPtrArray *keys;
  GPtrArray *records;
  GArray *times;
} Rows;

static gboolean
collect_row (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  Rows *rows = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *json = vmft_json_from_variant (record, FALSE);
  GVariant *back = vmft_json_to_variant (json, &error);

  g_assert_no_error (error);
  g_ptr_array_add (rows->keys, g_strdup (key));
  g_ptr_array_add (rows->records, back);
  g_array_append_val (rows->times, time_us);
  return TRUE;
}

/* The daemon's store keeps JSON: integers and arrays come back as other types than they went. */
static void
age_rows (Bench *bench, const char *table)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (VmftTime));
  Rows rows = { bench, keys, records, times };

  g_assert_true (vmft_store_foreach (bench->store, table, VMFT_STORE_BY_KEY, 0, collect_row, &rows, NULL));
  for (guint i = 0; i < keys->len; i++)
    g_assert_true (vmft_store_put (bench->store, table, keys->pdata[i], g_array_index (times, VmftTime, i),
                                   records->pdata[i], NULL));
}

static void
restart (Bench *bench)
{
  save (bench);
  age_rows (bench, VMFT_STORE_TEMPLATES);
  age_rows (bench, VMFT_STORE_NORMAL);
  age_rows (bench, VMFT_STORE_INCIDENTS);
  age_rows (bench, VMFT_STORE_DETECTOR);
  g_clear_object (&bench->detector);
  start (bench);
}

static void
pass_time (Bench *bench, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (bench->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

static VmftLine
make_line (Bench *bench, const char *text)
{
  VmftLine line = { .arrival_us = vmft_clock_real_us (bench->clock),
                    .uptime_us = -1,
                    .host = { "host01", 6 },
                    .program = { "kernel", 6 },
                    .text = { text, strlen (text) },
                    .level = -1,
                    .kernel = TRUE,
                    .trust = VMFT_TRUST_CLAIMED };

  line.time_us = line.arrival_us;
  return line;
}

static VmftVerdict
feed_line (Bench *bench, const VmftLine *line, const char *source)
{
  VmftVerdict verdict;

  vmft_detector_feed (bench->detector, line, source, &verdict);
  return verdict;
}

static VmftVerdict
feed (Bench *bench, const char *text)
{
  VmftLine line = make_line (bench, text);

  pass_time (bench, 0.01);
  return feed_line (bench, &line, "file:kern.log");
}

/* Says @text at @uptime_s of a boot. */
static VmftVerdict
feed_at (Bench *bench, const char *text, double uptime_s)
{
  VmftLine line = make_line (bench, text);

  line.uptime_us = (gint64) (uptime_s * G_USEC_PER_SEC);
  return feed_line (bench, &line, "file:kern.log");
}

static void
boot (Bench *bench)
{
  pass_time (bench, 300);
  feed_at (bench, "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)", 0.0);
}

static void
acknowledge (Bench *bench, guint64 id)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_detector_acknowledge (bench->detector, id, TRUE, &error));
  g_assert_no_error (error);
}

/* DESIGN 3.3: Drain masks exactly the word that matters. Whatever is normal in the first form, learned or
 * acknowledged, the second is a fault. */
static void
test_seven_pairs (void)
{
  static const struct
  {
    const char *normal;
    const char *fault;
  } pairs[] = {
    { "I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
      "I/O error, dev sda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2" },
    { "Buffer I/O error on dev sr0, logical block 0, async page read",
      "Buffer I/O error on dev dm-0, logical block 0, async page read" },
    { "md/raid1:md0: active with 2 out of 2 mirrors", "md/raid1:md0: active with 1 out of 2 mirrors" },
    { "ata1: SATA link up (SStatus 133 SControl 300)", "ata1: SATA link down (SStatus 0 SControl 300)" },
    { "sd 0:0:0:0: [sda] Attached SCSI disk", "sd 0:0:0:0: [sda] Unhandled error code" },
    { "EXT4-fs (sda1): re-mounted filesystem read-write", "EXT4-fs (sda1): Remounting filesystem read-only" },
    { "Memory cgroup out of memory: Killed process 4711 (stress) total-vm:9kB",
      "Memory cgroup out of memory: Killed process 4712 (qemu-system-x86) total-vm:9kB" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (Bench) bench = bench_new ();
      VmftVerdict verdict;

      g_test_message ("%s", pairs[i].fault);
      for (guint k = 0; k < 3; k++)
        {
          boot (bench);
          if (feed_at (bench, pairs[i].normal, 3.0).fault)
            acknowledge (bench, bench->incident_id);
        }
      vmft_detector_end_learning (bench->detector);
      pass_time (bench, 3600);
      verdict = feed (bench, pairs[i].normal);
      g_test_message ("p %.3f family %s", verdict.p, verdict.family);
      g_assert_false (verdict.fault);
      restart (bench);
      g_assert_false (feed (bench, pairs[i].normal).fault);
      verdict = feed (bench, pairs[i].fault);
      g_assert_true (verdict.fault);
      g_assert_false (verdict.normal);
      g_assert_true (feed (bench, pairs[i].fault).fault);
    }
}

/* A healthy array says so in the words of a degraded one, numbers aside: no alarm, though nobody has learned it. */
static void
test_complete_array (void)
{
  g_autoptr (Bench) bench = bench_new ();

  boot (bench);
  vmft_detector_end_learning (bench->detector);
  pass_time (bench, 3600);
  g_assert_false (feed (bench, "md/raid1:md0: active with 2 out of 2 mirrors").fault);
  g_assert_true (feed (bench, "md/raid1:md0: active with 1 out of 2 mirrors").fault);
  g_assert_false (feed (bench, "md/raid1:md0: active with 2 out of 2 mirrors").fault);
  g_assert_true (feed (bench, "md/raid1:md0: active with 1 out of 12 mirrors").fault);
}

/* What a template says after it has been generalised by the very line that matters. */
static void
test_generalised (void)
{
  g_autoptr (Bench) bench = bench_new ();
  VmftVerdict first, second;

  boot (bench);
  vmft_detector_end_learning (bench->detector);
  pass_time (bench, 3600);
  first = feed (bench, "widget 0:0: [sda] Attached SCSI disk here");
  second = feed (bench, "widget 0:0: [sda] Unhandled error code here");
  g_assert_false (first.fault);
  g_assert_cmpuint (second.template_id, ==, first.template_id);
  g_assert_cmpuint (second.generation, >, first.generation);
  g_assert_true (second.fault);
}

static const char odd[] = "tsc: Unable to calibrate against PIT"; /* p in [0.5, 0.9), no family */

static void
test_learned_after_two_boots (void)
{
  g_autoptr (Bench) bench = bench_new ();

  boot (bench);
  g_assert_cmpfloat (feed_at (bench, odd, 0.5).p, >=, 0.5);
  g_assert_cmpuint (bench->n_alarms, ==, 0);
  vmft_detector_end_learning (bench->detector);
  pass_time (bench, 3600);
  g_assert_true (feed_at (bench, odd, 4000).fault);

  boot (bench);
  g_assert_false (feed_at (bench, odd, 0.5).fault);
  g_assert_true (feed_at (bench, odd, 0.6).normal);
  g_assert_true (feed_at (bench, odd, 4000).normal);
  restart (bench);
  g_assert_true (feed_at (bench, odd, 4001).normal);
}

static void
test_excess_and_expiry (void)
{
  g_autoptr (Bench) bench = bench_new ();
  guint n_faults = 0;

  for (guint i = 0; i < 2; i++)
    {
      boot (bench);
      feed_at (bench, odd, 0.5);
    }
  vmft_detector_end_learning (bench->detector);
  pass_time (bench, 7200);
  /* once for a flood, however long it lasts, and again for the next */
  for (guint i = 0; i < 400; i++)
    {
      n_faults += feed (bench, odd).fault;
      g_assert_cmpuint (n_faults, ==, i < 19 ? 0 : 1);
      if (i % 100 == 99)
        pass_time (bench, 1000);
    }
  pass_time (bench, 3600);
  for (guint i = 0; i < 40; i++)
    n_faults += feed (bench, odd).fault;
  g_assert_cmpuint (n_faults, ==, 2);
  pass_time (bench, 2 * DAY_S);
  g_assert_true (feed (bench, odd).normal);
  pass_time (bench, 31 * DAY_S);
  g_assert_true (feed (bench, odd).fault);
}

static void
test_family_is_never_learned (void)
{
  static const char text[] = "Buffer I/O error on dev sda, logical block 7, async page read";
  g_autoptr (Bench) bench = bench_new ();

  for (guint i = 0; i < 3; i++)
    {
      boot (bench);
      g_assert_true (feed_at (bench, text, 5.0).fault);
    }
}

static void
test_learning_ends (void)
{
  g_autoptr (Bench) bench = bench_new ();
  VmftLine old = make_line (bench, "loop: module loaded");

  old.time_us -= 10800 * (gint64) G_USEC_PER_SEC;
  feed_line (bench, &old, "file:kern.log");
  g_assert_true (vmft_detector_is_learning (bench->detector));
  feed (bench, "loop: module loaded");
  pass_time (bench, 3500);
  g_assert_true (vmft_detector_is_learning (bench->detector));
  restart (bench);
  g_assert_true (vmft_detector_is_learning (bench->detector));
  pass_time (bench, 200);
  g_assert_false (vmft_detector_is_learning (bench->detector));
  restart (bench);
  g_assert_false (vmft_detector_is_learning (bench->detector));
}

/* A line is the kernel's by its source, and this host's by its host name. */
static void
test_provenance (void)
{
  static const char text[] = "critical medium error, dev sda, sector 4000 op 0x0:(READ)";
  g_autoptr (Bench) bench = bench_new ();
  VmftLine line = make_line (bench, text);
  const VmftIncident *incident;

  line.kernel = FALSE;
  line.program = (VmftSlice){ "evil", 4 };
  g_assert_false (feed_line (bench, &line, "file:syslog").fault);
  line = make_line (bench, text);
  line.host = (VmftSlice){ "guest7", 6 };
  g_assert_false (feed_line (bench, &line, "syslog").fault);
  g_assert_cmpuint (bench->n_alarms, ==, 0);

  line = make_line (bench, text);
  line.host = (VmftSlice){ "HOST01.example.org", 18 };
  g_assert_true (feed_line (bench, &line, "file:syslog").fault);
  incident = vmft_detector_lookup_incident (bench->detector, bench->incident_id);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CONFIRMED);
  g_assert_false (incident->trusted);

  pass_time (bench, 2);
  line = make_line (bench, text);
  line.trust = VMFT_TRUST_KERNEL;
  g_assert_true (feed_line (bench, &line, "kmsg").fault);
  incident = vmft_detector_lookup_incident (bench->detector, bench->incident_id);
  g_assert_true (incident->trusted);
  g_assert_cmpuint (incident->n_alarms, ==, 1);
}

/* A forger completes what the kernel began: confirmed, but not trusted. */
static void
test_forged_evidence (void)
{
  g_autoptr (Bench) bench = bench_new ();
  VmftLine line = make_line (bench, "I/O error, dev sda, sector 8 op 0x0:(READ)");
  const VmftIncident *incident;

  line.trust = VMFT_TRUST_KERNEL;
  feed_line (bench, &line, "kmsg");
  pass_time (bench, 6);
  feed (bench, "I/O error, dev sda, sector 9 op 0x0:(READ)");
  feed (bench, "Buffer I/O error on dev sda, logical block 7, async page read");
  incident = vmft_detector_lookup_incident (bench->detector, bench->incident_id);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CONFIRMED);
  g_assert_false (incident->trusted);
  restart (bench);
  pass_time (bench, 6);
  line.arrival_us = line.time_us = vmft_clock_real_us (bench->clock);
  feed_line (bench, &line, "kmsg");
  incident = vmft_detector_lookup_incident (bench->detector, bench->incident_id);
  g_assert_true (incident->trusted);
}

/* The same record by two ways is one record of evidence. */
static void
test_copies_are_no_evidence (void)
{
  static const char text[] = "I/O error, dev sda, sector 8 op 0x0:(READ)";
  g_autoptr (Bench) bench = bench_new ();
  VmftLine line = make_line (bench, text);

  line.uptime_us = 500 * G_USEC_PER_SEC;
  feed_line (bench, &line, "file:kern.log");
  feed_line (bench, &line, "kmsg");
  feed_line (bench, &line, "journal");
  g_assert_cmpint (bench->state, ==, VMFT_INCIDENT_SUSPECTED);
  g_assert_cmpuint (bench->n_alarms, ==, 1);
  line.uptime_us += 10;
  feed_line (bench, &line, "kmsg");
  g_assert_cmpint (bench->state, ==, VMFT_INCIDENT_CONFIRMED);
  g_assert_cmpuint (bench->n_alarms, ==, 2);
  feed_line (bench, &line, "file:kern.log");
  g_assert_cmpuint (bench->n_alarms, ==, 2);
}

static void
test_flood (void)
{
  g_autoptr (Bench) bench = bench_new ();
  const VmftIncident *incident;
  guint rows = 0;

  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *text = g_strdup_printf ("I/O error, dev sda, sector %u op 0x0:(READ)", i);

      feed (bench, text);
    }
  incident = vmft_detector_lookup_incident (bench->detector, bench->incident_id);
  g_assert_cmpuint (incident->n_alarms, ==, 20000);
  g_assert_cmpuint (incident->n_templates, ==, 1);
  rows = (guint) vmft_store_last_id (bench->store, VMFT_STORE_ALARMS);
  /* eight, then the 16th, 32nd … 16384th */
  g_assert_cmpuint (rows, ==, 19);
  g_assert_cmpuint (bench->n_alarms, ==, 19);
  g_assert_cmpuint (bench->n_incidents, <, 1000);
}

/* A forger who names ever new devices does not fill the memory. */
static void
test_many_loci (void)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autoptr (GPtrArray) list = NULL;

  for (guint i = 0; i < 5000; i++)
    {
      g_autofree char *text = g_strdup_printf ("I/O error, dev dm-%u, sector 1 op 0x0:(READ)", i);

      feed (bench, text);
    }
  list = vmft_detector_list_incidents (bench->detector);
  g_assert_cmpuint (list->len, <=, 300);
}

static void
test_hostile_lines (void)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autofree char *huge = g_malloc (10 << 20);
  static const char nul[] = "critical medium error, dev s\0da, sector\xff\xfe 1";
  VmftLine line = make_line (bench, nul);

  line.text.length = sizeof nul - 1;
  feed_line (bench, &line, "file:kern.log");
  memset (huge, 'x', 10 << 20);
  for (gsize i = 0; i < 10 << 20; i += 7)
    huge[i] = ' ';
  memcpy (huge, "I/O error, dev sda,", 19);
  line = make_line (bench, "");
  g_assert_false (feed_line (bench, &line, "file:kern.log").fault);
  line.text = (VmftSlice){ huge, 10 << 20 };
  g_assert_true (feed_line (bench, &line, "file:kern.log").fault);
  line.text = (VmftSlice){ "\xff\0\x80 [ <:*:> <:NUM:", 18 };
  feed_line (bench, &line, "file:kern.log");
  save (bench);
}

static void
test_store_failure (void)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autoptr (GError) error = NULL;

  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* it warns, and goes on */
  vmft_memory_store_fail_after (VMFT_MEMORY_STORE (bench->store), 0);
  g_assert_true (feed (bench, "critical medium error, dev sda, sector 4000 op 0x0:(READ)").fault);
  g_assert_cmpint (bench->state, ==, VMFT_INCIDENT_CONFIRMED);
  g_assert_false (vmft_detector_flush (bench->detector, &error));
  g_clear_error (&error);
  vmft_memory_store_fail_after (VMFT_MEMORY_STORE (bench->store), G_MAXUINT);
  restart (bench);
  g_assert_nonnull (vmft_detector_lookup_incident (bench->detector, bench->incident_id));
}

static void
test_backlog (void)
{
  g_autoptr (Bench) bench = bench_new ();
  VmftLine line = make_line (bench, "critical medium error, dev sda, sector 4000 op 0x0:(READ)");
  const VmftIncident *incident;

  line.time_us -= 600 * G_USEC_PER_SEC;
  feed_line (bench, &line, "file:kern.log");
  incident = vmft_detector_lookup_incident (bench->detector, bench->incident_id);
  g_assert_cmpint (incident->state, ==, VMFT_INCIDENT_CONFIRMED);
  g_assert_true (incident->backlog);
  g_assert_cmpint (incident->first_us, ==, line.time_us);
  feed (bench, "critical medium error, dev sda, sector 4001 op 0x0:(READ)");
  g_assert_false (incident->backlog);
}

static void
test_drill (void)
{
  static const char text[] = "critical medium error, dev sda, sector 4000 op 0x0:(READ)";
  g_autoptr (Bench) bench = bench_new ();
  VmftLine line = make_line (bench, text);
  VmftVerdict verdict;
  guint64 drill_id;

  vmft_detector_feed_drill (bench->detector, &line, &verdict);
  g_assert_true (verdict.fault);
  drill_id = bench->incident_id;
  g_assert_true (vmft_detector_lookup_incident (bench->detector, drill_id)->drill);
  acknowledge (bench, drill_id);
  g_assert_true (feed (bench, text).fault);
  g_assert_cmpuint (bench->incident_id, !=, drill_id);
  g_assert_false (vmft_detector_lookup_incident (bench->detector, bench->incident_id)->drill);
}

static void
test_pressure (void)
{
  g_autoptr (Bench) bench = bench_new ();
  const VmftIncident *incident;

  vmft_detector_raise_pressure (bench->detector, "memory",
                                "some avg10=42.00 avg60=11.00 avg300=3.00 total=1");
  g_assert_cmpint (bench->state, ==, VMFT_INCIDENT_SUSPECTED);
  pass_time (bench, 2);
  vmft_detector_raise_pressure (bench->detector, "memory",
                                "some avg10=52.00 avg60=11.00 avg300=3.00 total=2");
  g_assert_cmpint (bench->state, ==, VMFT_INCIDENT_CONFIRMED);
  incident = vmft_detector_lookup_incident (bench->detector, bench->incident_id);
  g_assert_cmpint (incident->fault_class, ==, VMFT_CLASS_PRESSURE);
  g_assert_cmpstr (incident->locus.name, ==, "memory");
  g_assert_true (incident->trusted);
}

static void
test_novel (void)
{
  g_autoptr (Bench) bench = bench_new ();

  g_assert_false (feed (bench, "loop: module loaded").novel);
  vmft_detector_end_learning (bench->detector);
  g_assert_true (feed (bench, "zzz something entirely unheard of came along today").novel);
  g_assert_false (feed (bench, "zzz something entirely unheard of came along today").novel);
  restart (bench);
  g_assert_false (feed (bench, "zzz something entirely unheard of came along today").novel);
  g_assert_true (feed (bench, "yyy another thing that was never said before at all").novel);
}

/* A transaction that is rolled back takes rows along: they are written with the next flush. */
static void
test_rollback (void)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) row = NULL;

  g_assert_true (vmft_store_begin (bench->store, &error));
  feed (bench, "critical medium error, dev sda, sector 4000 op 0x0:(READ)");
  g_assert_true (vmft_detector_flush (bench->detector, &error));
  vmft_store_rollback (bench->store);
  g_assert_cmpuint (vmft_store_last_id (bench->store, VMFT_STORE_ALARMS), ==, 0);
  save (bench);
  g_assert_cmpuint (vmft_store_last_id (bench->store, VMFT_STORE_ALARMS), ==, 1);
  row = vmft_store_get_id (bench->store, VMFT_STORE_INCIDENTS, bench->incident_id, &error);
  g_assert_nonnull (row);
}

/* Log inference amends, but lowers nothing that has a family or p >= 0.9. */
static void
test_amendments (void)
{
  static const char quiet[] = "loop: module loaded", certain[] = "usb usb1: error failed unable invalid";
  static const char family[] = "critical medium error, dev sda, sector";
  g_autoptr (Bench) bench = bench_new ();
  g_auto (GStrv) benign = NULL;
  g_autoptr (GRand) random = g_rand_new_with_seed (1);

  vmft_detector_end_learning (bench->detector);
  g_assert_false (feed (bench, quiet).fault);
  benign = vmft_detector_sample_benign (bench->detector, random, 5);
  g_assert_cmpuint (g_strv_length (benign), ==, 1);
  g_assert_cmpstr (benign[0], ==, quiet);
  vmft_detector_amend (bench->detector, quiet, VMFT_ANSWER_FAULTY);
  g_assert_true (feed (bench, quiet).fault);
  vmft_detector_amend (bench->detector, quiet, VMFT_ANSWER_UNSURE);
  g_assert_false (feed (bench, quiet).fault);

  g_assert_true (feed (bench, odd).fault);
  vmft_detector_amend (bench->detector, odd, VMFT_ANSWER_NORMAL);
  g_assert_false (feed (bench, odd).fault);

  g_assert_cmpfloat (feed (bench, certain).p, >=, 0.9);
  vmft_detector_amend (bench->detector, "usb usb1: error failed unable invalid", VMFT_ANSWER_NORMAL);
  g_assert_true (feed (bench, certain).fault);
  g_assert_true (feed (bench, family).fault);
  vmft_detector_amend (bench->detector, family, VMFT_ANSWER_NORMAL);
  g_assert_true (feed (bench, family).fault);
}

/* What the kernel says of programs is no fault of the host. */
static void
test_program_faults (void)
{
  g_autoptr (Bench) bench = bench_new ();

  vmft_detector_end_learning (bench->detector);
  for (guint i = 0; i < 30; i++)
    {
      g_autofree char *text = g_strdup_printf (
          "prog%c[%u]: segfault at 0 ip 00000000004%05x sp 00007ffc%08x error 4 in bad%x[401000+9d000]",
          'a' + i % 26, i, i * 977, i * 7919, i);

      g_assert_false (feed (bench, text).fault);
    }
  g_assert_true (
      feed (bench, "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [proga[1]: segfault at:1]").fault);
}

static void
test_scsi_addresses (void)
{
  g_autoptr (Bench) bench = bench_new ();

  feed (bench, "sd 3:0:0:0: [sdc] Attached SCSI disk");
  g_assert_cmpstr (feed (bench, "sd 3:0:0:0: Device offlined - not ready after error recovery").locus.name,
                   ==, "sdc");
  g_assert_cmpstr (feed (bench, "sd 4:0:0:0: Device offlined - not ready after error recovery").locus.name,
                   ==, "4:0:0:0");
}

/* The same words are an alarm of the disk beside it. */
static void
test_pulled_out (void)
{
  g_autoptr (Bench) bench = bench_new ();

  vmft_detector_end_learning (bench->detector);
  feed (bench, "scsi host6: usb-storage 2-1:1.0");
  feed (bench, "sd 6:0:0:0: [sdb] Attached SCSI disk");
  feed (bench, "usb 2-1: USB disconnect, device number 2");
  g_assert_false (feed (bench, "Buffer I/O error on dev sdb, logical block 0, async page read").fault);
  g_assert_true (feed (bench, "Buffer I/O error on dev sda, logical block 0, async page read").fault);
  feed (bench, "scsi host6: usb-storage 2-1:1.0");
  g_assert_true (feed (bench, "Buffer I/O error on dev sdb, logical block 0, async page read").fault);
}

static void
test_bad_configuration (void)
{
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (START);
  g_autoptr (VmftStore) store = vmft_memory_store_new ();
  g_autoptr (GError) error = NULL;
  VmftDetectorConfig config = VMFT_DETECTOR_CONFIG_DEFAULT;

  config.engine = "oracle";
  g_assert_null (vmft_detector_new (clock, store, &config, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  g_clear_error (&error);
  config = VMFT_DETECTOR_CONFIG_DEFAULT;
  config.families_path = "/nonexistent/families";
  g_assert_null (vmft_detector_new (clock, store, &config, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_add_func ("/detector/seven-pairs", test_seven_pairs);
  g_test_add_func ("/detector/complete-array", test_complete_array);
  g_test_add_func ("/detector/generalised", test_generalised);
  g_test_add_func ("/detector/learned-after-two-boots", test_learned_after_two_boots);
  g_test_add_func ("/detector/excess-and-expiry", test_excess_and_expiry);
  g_test_add_func ("/detector/family-is-never-learned", test_family_is_never_learned);
  g_test_add_func ("/detector/learning-ends", test_learning_ends);
  g_test_add_func ("/detector/provenance", test_provenance);
  g_test_add_func ("/detector/copies-are-no-evidence", test_copies_are_no_evidence);
  g_test_add_func ("/detector/forged-evidence", test_forged_evidence);
  g_test_add_func ("/detector/flood", test_flood);
  g_test_add_func ("/detector/many-loci", test_many_loci);
  g_test_add_func ("/detector/hostile-lines", test_hostile_lines);
  g_test_add_func ("/detector/store-failure", test_store_failure);
  g_test_add_func ("/detector/backlog", test_backlog);
  g_test_add_func ("/detector/drill", test_drill);
  g_test_add_func ("/detector/pressure", test_pressure);
  g_test_add_func ("/detector/novel", test_novel);
  g_test_add_func ("/detector/program-faults", test_program_faults);
  g_test_add_func ("/detector/rollback", test_rollback);
  g_test_add_func ("/detector/amendments", test_amendments);
  g_test_add_func ("/detector/scsi-addresses", test_scsi_addresses);
  g_test_add_func ("/detector/pulled-out", test_pulled_out);
  g_test_add_func ("/detector/bad-configuration", test_bad_configuration);
  return g_test_run ();
}
