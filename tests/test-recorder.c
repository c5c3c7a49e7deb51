/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon records of an incident: a run that vmft-eval reads as it reads one of the testbed's. */
#include "daemon-story.h"

#include "daemon/vmft-recorder.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>

#define ORIGINAL    VMFT_SOURCE_ROOT "/testbed/recorded/buffer-io-1"
#define BEFORE_S    15.0
#define DEADLINE_US (10 * G_USEC_PER_SEC)

static void
write_file (const char *directory, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, &error));
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

/* Returns: (transfer full): what vmft-eval says of a run. */
static GVariant *
evaluate (const char *directory)
{
  const char *const argv[] = { g_getenv ("VMFT_EVAL"), "runs", "--json", directory, NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GVariant) result = NULL, runs = NULL, first = NULL;
  int status = 0;

  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, 0, NULL, NULL, &text, NULL, &status, &error));
  g_assert_cmpint (status, ==, 0);
  result = vmft_json_to_variant (text, &error);
  g_assert_no_error (error);
  runs = g_variant_lookup_value (result, "runs", NULL);
  first = g_variant_get_child_value (runs, 0);
  return g_variant_is_of_type (first, G_VARIANT_TYPE_VARIANT) ? g_variant_get_variant (first)
                                                              : g_steal_pointer (&first);
}

static VmftTime
parse_time (const char *text, gssize length)
{
  g_autofree char *copy = g_strndup (text, (gsize) length);
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (copy, NULL);

  return time ? g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time) : 0;
}

static VmftTime
read_inject_time (void)
{
  g_autofree char *text = NULL;
  g_autoptr (GVariant) labels = NULL;
  const char *inject;

  g_assert_true (g_file_get_contents (ORIGINAL "/labels.json", &text, NULL, NULL));
  labels = vmft_json_to_variant (text, NULL);
  inject = vmft_dict_string (labels, "inject_time");
  return parse_time (inject, (gssize) strlen (inject));
}

/* The original's lines from some time before the fault on, as if its kernel said them now. Returns: for how long. */
static double
say_original (Story *s)
{
  VmftTime inject_us = read_inject_time (), begin_us = vmft_time_add_s (inject_us, -BEFORE_S), last_us = 0;
  g_autofree char *log = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_true (g_file_get_contents (ORIGINAL "/log.txt", &log, NULL, NULL));
  lines = g_strsplit (log, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *rest = strchr (lines[i], ' ');
      VmftTime time_us = rest ? parse_time (lines[i], rest - lines[i]) : 0;
      VmftTime at_us = vmft_clock_real_us (s->clock) + time_us - begin_us;
      g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (at_us / G_USEC_PER_SEC);
      g_autofree char *stamp = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
      g_autofree char *line = NULL;

      if (time_us < begin_us)
        continue;
      line = g_strdup_printf ("%s.%06d+00:00%s", stamp, (int) (at_us % G_USEC_PER_SEC), rest);
      vmft_script_source_add (VMFT_SCRIPT_SOURCE (s->source), at_us, line);
      last_us = MAX (last_us, time_us);
    }
  return vmft_time_diff_s (last_us, begin_us);
}

static GVariant *
only_run (Story *s)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) runs = g_variant_ref_sink (vmft_daemon_list_runs (s->daemon, &error));

  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (runs), ==, 1);
  return g_variant_get_child_value (runs, 0);
}

/* The writer has a thread of its own, which no virtual clock moves. Labels of the last second or so come after the rest. */
static void
wait_for_labels (Story *s)
{
  g_autofree char *path = g_build_filename (s->dir, "runs", "incident-1", "labels.json", NULL);
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_US;
  double age_s = INFINITY;

  while (age_s >= 2.0)
    {
      g_autofree char *text = NULL;
      g_autoptr (GVariant) labels = NULL;
      const char *end = NULL;

      g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
      g_usleep (1000);
      if (g_file_get_contents (path, &text, NULL, NULL))
        labels = vmft_json_to_variant (text, NULL);
      if (labels != NULL)
        end = vmft_dict_string (labels, "end_time");
      if (end != NULL)
        age_s = vmft_time_diff_s (vmft_clock_real_us (s->clock), parse_time (end, (gssize) strlen (end)));
    }
}

static Story *
recording_story (const char *extra)
{
  g_autofree char *conf = g_strdup_printf ("[Record]\nenabled=true\n%s", extra);
  Story *s = story_new ("observe", VMFT_TRUST_KERNEL, conf, 1);

  write_file (s->dir, "sys/kernel/random/boot_id", "one\n");
  write_file (s->dir, "pressure/memory",
              "some avg10=1.25 avg60=0 avg300=0 total=77\nfull avg10=0 avg60=0 avg300=0 total=5\n");
  story_run_up (s);
  return s;
}

static void
finish (Story *s)
{
  story_drop_daemon (s);
  remove_tree (s->dir);
  g_mkdir (s->dir, 0700);
  story_free (s);
}

static void
test_as_the_original (void)
{
  Story *s = recording_story ("");
  g_autoptr (GVariant) run = NULL, original = NULL, recorded = NULL;
  g_autofree char *name = NULL, *directory = NULL, *pressure = NULL, *samples = NULL;
  double length_s = say_original (s);

  story_advance (s, length_s + 1.0);
  run = only_run (s);
  g_assert_cmpstr (vmft_dict_string (run, "state"), ==, "failed");
  g_assert_cmpstr (vmft_dict_string (run, "class"), ==, "io");
  name = g_strdup_printf ("runs/incident-%" G_GINT64_FORMAT, vmft_dict_int64 (run, "incident", 0));
  directory = g_build_filename (s->dir, name, NULL);
  story_drop_daemon (s);

  original = evaluate (ORIGINAL);
  recorded = evaluate (directory);
  g_assert_cmpstr (vmft_dict_string (recorded, "line"), ==, vmft_dict_string (original, "line"));
  g_assert_cmpstr (vmft_dict_string (recorded, "family"), ==, vmft_dict_string (original, "family"));
  g_assert_cmpfloat_with_epsilon (vmft_dict_double (recorded, "lead_s", 0.0),
                                  vmft_dict_double (original, "lead_s", -1.0), 0.5);
  g_assert_cmpint (vmft_dict_int64 (recorded, "false_alarms", -1), ==, 0);
  pressure = g_build_filename (directory, "pressure.jsonl", NULL);
  g_assert_true (g_file_get_contents (pressure, &samples, NULL, NULL));
  g_assert_nonnull (strstr (samples, "\"memory\":{"));
  g_assert_nonnull (strstr (samples, "\"total\":77"));
  finish (s);
}

static void
test_cleared (void)
{
  Story *s = recording_story ("context=10s\n");
  g_autoptr (GVariant) open = NULL, closed = NULL;

  story_say_fault (s, 0.0);
  story_advance (s, 5.0);
  open = only_run (s);
  g_assert_cmpstr (vmft_dict_string (open, "state"), ==, "open");
  g_assert_true (vmft_daemon_acknowledge (s->daemon, (guint64) vmft_dict_int64 (open, "incident", 0), FALSE,
                                          TRUE, NULL));
  story_advance (s, 5.0);
  closed = only_run (s);
  g_assert_cmpstr (vmft_dict_string (closed, "state"), ==, "cleared");
  g_assert_true (vmft_dict_boolean (closed, "recovering", FALSE));
  g_assert_null (vmft_dict_string (closed, "failure_time"));
  finish (s);
}

static VmftDetector *
make_detector (Story *s, const char *proc, VmftRecorder **recorder)
{
  VmftRecorderConfig config = { .context_s = 60.0, .max_bytes = 1 << 20, .max_runs = 3, .proc = proc };
  VmftDetectorConfig detector_config = VMFT_DETECTOR_CONFIG_DEFAULT;
  g_autofree char *directory = g_build_filename (s->dir, "runs", NULL);

  config.directory = directory;
  *recorder = vmft_recorder_new (s->clock, &config);
  return vmft_detector_new (s->clock, s->store, &detector_config, NULL);
}

/* Nobody stopped us, and the next time it is another boot: the host went down. */
static void
test_host_went_down (void)
{
  Story *s = recording_story ("");
  g_autofree char *proc = g_build_filename (s->dir, "after", NULL);
  g_autoptr (VmftRecorder) next = NULL;
  g_autoptr (VmftDetector) detector = make_detector (s, proc, &next);
  g_autoptr (GVariant) runs = NULL, run = NULL;
  const char *failure;

  write_file (proc, "sys/kernel/random/boot_id", "two\n");
  story_say_fault (s, 0.0);
  story_advance (s, 7.0);
  g_variant_unref (only_run (s));
  wait_for_labels (s);
  vmft_recorder_start (next, detector);
  runs = g_variant_ref_sink (vmft_recorder_list (next));
  run = g_variant_get_child_value (runs, 0);
  g_assert_cmpstr (vmft_dict_string (run, "state"), ==, "failed");
  failure = vmft_dict_string (run, "failure_time");
  g_assert_nonnull (failure);
  g_assert_cmpfloat (fabs (vmft_time_diff_s (vmft_clock_real_us (s->clock),
                                             parse_time (failure, (gssize) strlen (failure)))),
                     <, 2.0);
  g_clear_pointer (&next, vmft_recorder_free);
  g_clear_object (&detector);
  finish (s);
}

static void
test_reading (void)
{
  Story *s = recording_story ("max-size=4K\n");
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) run = NULL;
  g_autoptr (GBytes) log = NULL, end = NULL;
  guint64 incident;

  story_say_fault (s, 0.0);
  for (guint i = 0; i < 200; i++)
    story_say (s, 1.0 + 0.01 * i, "EXT4-fs (vda1): mounted filesystem with ordered data mode");
  story_advance (s, 10.0);
  run = only_run (s);
  incident = (guint64) vmft_dict_int64 (run, "incident", 0);
  g_assert_cmpint (vmft_dict_int64 (run, "dropped", 0), >, 100);
  wait_for_labels (s);
  log = vmft_daemon_read_run (s->daemon, incident, "log.txt", 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (log), >, 100);
  g_assert_cmpuint (g_bytes_get_size (log), <=, 4096);
  end = vmft_daemon_read_run (s->daemon, incident, "log.txt", G_MAXUINT64, &error);
  g_assert_cmpuint (g_bytes_get_size (end), ==, 0);
  g_assert_null (vmft_daemon_read_run (s->daemon, incident, "../../vmft.db", 0, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (vmft_daemon_read_run (s->daemon, incident + 1, "log.txt", 0, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND);
  finish (s);
}

static void
test_off (void)
{
  Story *s = story_new ("observe", VMFT_TRUST_KERNEL, NULL, 1);
  g_autoptr (GError) error = NULL;

  story_run_up (s);
  story_say_fault (s, 0.0);
  story_advance (s, 5.0);
  g_assert_null (vmft_daemon_list_runs (s->daemon, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_REFUSED);
  finish (s);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/recorder/as-the-original", test_as_the_original);
  g_test_add_func ("/recorder/cleared", test_cleared);
  g_test_add_func ("/recorder/host-went-down", test_host_went_down);
  g_test_add_func ("/recorder/reading", test_reading);
  g_test_add_func ("/recorder/off", test_off);
  return g_test_run ();
}
