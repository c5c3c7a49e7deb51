/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logs out of files, and what a whole daemon makes of them on a virtual clock. */
#include "vmft-common.h"
#include "vmft-log-file.h"
#include "vmft-replay.h"
#include "vmft-templates.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#define MIB (1024.0 * 1024)

typedef struct
{
  char *dir;
  GPtrArray *vms;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-replay-XXXXXX", &error);
  g_assert_no_error (error);
  f->vms = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_replay_vm_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->dir, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (f->dir);
  g_free (f->dir);
  g_ptr_array_unref (f->vms);
}

static char *
write_file (Fixture *f, const char *name, const char *text, gssize length)
{
  char *path = g_build_filename (f->dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, length, &error));
  g_assert_no_error (error);
  return path;
}

static void
add_vm (Fixture *f, const char *text)
{
  g_autoptr (GError) error = NULL;
  VmftReplayVm *vm = vmft_replay_parse_vm (text, &error);

  g_assert_no_error (error);
  g_ptr_array_add (f->vms, vm);
}

/* --- lines of a file --- */

static gboolean
keep_line (const char *data, gsize length, gpointer user_data)
{
  g_ptr_array_add (user_data, g_strndup (data, length));
  return ((GPtrArray *) user_data)->len < 5;
}

static GPtrArray *
read_lines (const char *path)
{
  GPtrArray *lines = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_log_file_read (path, keep_line, lines, &error));
  g_assert_no_error (error);
  return lines;
}

static void
test_lines (Fixture *f, gconstpointer data)
{
  g_autofree char *huge = g_strnfill (3 * VMFT_LOG_FILE_MAX_LINE_BYTES + 5, 'x');
  g_autofree char *text = g_strconcat ("one\n\n", huge, "\nlast", NULL);
  g_autofree char *path = write_file (f, "log", text, -1);
  g_autoptr (GPtrArray) lines = read_lines (path);

  g_assert_cmpuint (lines->len, ==, 4);
  g_assert_cmpstr (lines->pdata[0], ==, "one");
  g_assert_cmpstr (lines->pdata[1], ==, "");
  g_assert_cmpuint (strlen (lines->pdata[2]), ==, VMFT_LOG_FILE_MAX_LINE_BYTES);
  g_assert_cmpstr (lines->pdata[3], ==, "last");
}

static void
test_stops (Fixture *f, gconstpointer data)
{
  g_autofree char *path = write_file (f, "log", "1\n2\n3\n4\n5\n6\n7\n", -1);
  g_autoptr (GPtrArray) lines = read_lines (path);

  g_assert_cmpuint (lines->len, ==, 5);
}

static void
test_compressed (Fixture *f, gconstpointer data)
{
  g_autoptr (GConverter) zip = G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1));
  guchar packed[200];
  gsize n_read, n_written;
  g_autofree char *path = NULL;
  g_autoptr (GPtrArray) lines = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_converter_convert (zip, "a\nb\n", 4, packed, sizeof packed, G_CONVERTER_INPUT_AT_END,
                                        &n_read, &n_written, &error),
                   ==, G_CONVERTER_FINISHED);
  path = write_file (f, "log.2.gz", (const char *) packed, (gssize) n_written);
  lines = read_lines (path);
  g_assert_cmpuint (lines->len, ==, 2);
  g_assert_cmpstr (lines->pdata[1], ==, "b");
}

static void
test_no_file (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (vmft_log_file_read ("/nonexistent/log", keep_line, lines, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_true (g_str_has_prefix (error->message, "/nonexistent/log: "));
}

static void
test_templates (Fixture *f, gconstpointer data)
{
  g_autofree char *path =
      write_file (f, "log", "<6>[    1.0] usb 1-1: reset\n<6>[    2.0] usb 1-2: reset\n", -1);
  VmftDrainConfig config;
  g_autoptr (VmftDrain) drain = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) first = NULL;
  guint64 n_lines = 0;
  g_autoptr (GError) error = NULL;

  vmft_drain_config_init (&config);
  drain = vmft_drain_new (&config, &error);
  g_assert_true (vmft_templates_read (drain, path, FALSE, NULL, NULL, &n_lines, &error));
  g_assert_cmpuint (n_lines, ==, 2);
  list = g_variant_ref_sink (vmft_templates_to_variant (drain));
  g_assert_cmpuint (g_variant_n_children (list), ==, 1);
  first = g_variant_get_child_value (list, 0);
  g_assert_cmpint (vmft_dict_int64 (first, "count", 0), ==, 2);
}

/* --- guests --- */

static void
test_vm_text (Fixture *f, gconstpointer data)
{
  static const char *const wrong[] = {
    "", "web", ":1G", "web:lots", "web:0", "web:1G:1M:2G", "web:1G:1M:1M:1"
  };
  g_autoptr (VmftReplayVm) vm = vmft_replay_parse_vm ("web:2G:10M:200M", NULL);

  g_assert_cmpstr (vm->name, ==, "web");
  g_assert_cmpuint (vm->memory_bytes, ==, (guint64) (2048 * MIB));
  g_assert_cmpfloat (vm->dirty_bps, ==, 10 * MIB);
  g_assert_cmpfloat (vm->working_set_bytes, ==, 200 * MIB);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vmft_replay_parse_vm (wrong[i], &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
    }
}

static void
test_vm_list (Fixture *f, gconstpointer data)
{
  g_autofree char *good = write_file (f, "vms.json",
                                      "[{\"name\": \"web\", \"running\": true, \"memory_bytes\": 1048576, "
                                      "\"resident_bytes\": 4096, \"curve\": {\"rate_bps\": 5.0}}, "
                                      "{\"name\": \"off\", \"running\": false, \"memory_bytes\": 1}]",
                                      -1);
  g_autofree char *bad = write_file (f, "bad.json", "[{\"name\": \"web\"}]", -1);
  g_autofree char *other = write_file (f, "other.json", "{\"name\": \"web\"}", -1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) vms = vmft_replay_read_vms (good, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (vms->len, ==, 1);
  g_assert_cmpuint (((VmftReplayVm *) vms->pdata[0])->resident_bytes, ==, 4096);
  g_assert_null (vmft_replay_read_vms (bad, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (vmft_replay_read_vms (other, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
}

/* --- replays --- */

#define FAULT                                                                                                \
  "2026-11-23 10:40:00.000000+00:00 host1 kernel: [99000.000000] critical medium error, dev sda, sector 4 "  \
  "op "                                                                                                      \
  "0x0:(READ) flags 0x0 phys_seg 1 prio class 2\n"                                                           \
  "2026-11-23 10:40:01.000000+00:00 host1 kernel: [99001.000000] I/O error, dev sda, sector 8 op "           \
  "0x0:(READ) "                                                                                              \
  "flags 0x0 phys_seg 1 prio class 2\n"

static GVariant *
replay (Fixture *f, VmftOperation operation, gboolean untrusted, const char *first, const char *second)
{
  VmftReplayOptions options = {
    .operation = operation, .untrusted = untrusted, .link_bps = 113 * MIB, .vms = f->vms
  };
  char *paths[] = { (char *) first, (char *) second, NULL };
  g_autoptr (GError) error = NULL;
  GVariant *outcome = vmft_replay (&options, paths, &error);

  g_assert_no_error (error);
  return g_variant_ref_sink (outcome);
}

static GVariant *
only_story (GVariant *outcome)
{
  g_autoptr (GVariant) stories = g_variant_lookup_value (outcome, "incidents", G_VARIANT_TYPE ("aa{sv}"));

  g_assert_cmpuint (g_variant_n_children (stories), ==, 1);
  return g_variant_get_child_value (stories, 0);
}

static gsize
count (GVariant *story, const char *key)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (story, key, G_VARIANT_TYPE ("aa{sv}"));

  return g_variant_n_children (list);
}

/* A log of a day: both VMs leave on the virtual clock, and the log's times are the story's. */
static void
test_acts (Fixture *f, gconstpointer data)
{
  g_autofree char *path = write_file (f, "kern.log", FAULT, -1);
  g_autoptr (GVariant) outcome = NULL;
  g_autoptr (GVariant) story = NULL;
  g_autoptr (GVariant) incident = NULL;

  add_vm (f, "web:1G:10M:200M");
  add_vm (f, "mail:512M");
  outcome = replay (f, VMFT_OPERATION_ACT, FALSE, path, NULL);
  story = only_story (outcome);
  g_assert_cmpint (vmft_dict_int64 (outcome, "lines", 0), ==, 2);
  incident = g_variant_lookup_value (story, "incident", G_VARIANT_TYPE_VARDICT);
  g_assert_cmpstr (vmft_dict_string (incident, "class"), ==, "disk");
  /* 2026-11-23 10:40:00 UTC */
  g_assert_cmpint (vmft_dict_int64 (incident, "first_us", 0), ==, G_GINT64_CONSTANT (1795430400000000));
  g_assert_cmpuint (count (story, "migrations"), ==, 2);
}

static void
test_moves_nothing (Fixture *f, gconstpointer data)
{
  g_autofree char *path = write_file (f, "kern.log", FAULT, -1);

  add_vm (f, "web:1G:10M:200M");
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GVariant) outcome =
          replay (f, i == 0 ? VMFT_OPERATION_ADVISE : VMFT_OPERATION_ACT, i == 1, path, NULL);
      g_autoptr (GVariant) story = only_story (outcome);

      g_assert_true (i == 1 || count (story, "plans") > 0);
      g_assert_cmpuint (count (story, "migrations"), ==, 0);
    }
}

/* "kern.log*" names the newest first; weeks of silence are not lived through second by second. */
static void
test_order (Fixture *f, gconstpointer data)
{
  g_autofree char *new = write_file (f, "kern.log", FAULT, -1);
  g_autofree char *old =
      write_file (f, "kern.log.1",
                  "2026-01-02 00:00:00.000000+00:00 host1 kernel: [10.000000] EXT4-fs (vda1): mounted\n", -1);
  g_autoptr (GVariant) outcome = replay (f, VMFT_OPERATION_OBSERVE, FALSE, new, old);
  g_autoptr (GVariant) story = only_story (outcome);

  g_assert_cmpint (vmft_dict_int64 (outcome, "lines", 0), ==, 3);
  /* 2026-01-02 00:00:00 UTC */
  g_assert_cmpint (vmft_dict_int64 (outcome, "from_us", 0), ==, G_GINT64_CONSTANT (1767312000000000));
  g_assert_cmpint (vmft_dict_int64 (outcome, "to_us", 0), ==, G_GINT64_CONSTANT (1795430401000000));
}

static gboolean
count_up (gpointer user_data)
{
  (*(guint *) user_data)++;
  return G_SOURCE_CONTINUE;
}

static void
test_suspend (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (5 * G_USEC_PER_SEC);
  guint n = 0, id = vmft_clock_add_timer (clock, 1000, count_up, &n, NULL);

  vmft_fake_clock_suspend (VMFT_FAKE_CLOCK (clock), 3600 * (gint64) G_USEC_PER_SEC);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 999 * 1000);
  g_assert_cmpuint (n, ==, 0);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 1000);
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpint (vmft_clock_real_us (clock), ==, (5 + 3600 + 1) * (gint64) G_USEC_PER_SEC);
  vmft_clock_remove_timer (clock, id);
}

/* Neither times nor anything else that makes sense. */
static void
test_nonsense (Fixture *f, gconstpointer data)
{
  static const char text[] =
      "\0\xff\xfe\n[ 1.5] hello\n[ 0.2] again\n2099-01-01 00:00:00.0+00:00 x kernel: y\n\n";
  g_autofree char *path = write_file (f, "log", text, sizeof text - 1);
  g_autofree char *empty = write_file (f, "empty", "", 0);
  g_autoptr (GVariant) outcome = replay (f, VMFT_OPERATION_ACT, FALSE, path, empty);

  g_assert_cmpint (vmft_dict_int64 (outcome, "lines", 0), ==, 5);
}

static void
test_bad_configuration (Fixture *f, gconstpointer data)
{
  g_autofree char *log = write_file (f, "kern.log", FAULT, -1);
  g_autofree char *conf = write_file (f, "vmftd.conf", "[Daemon]\nmdoe=act\n", -1);
  VmftReplayOptions options = { .config_path = conf, .link_bps = 113 * MIB, .vms = f->vms };
  char *paths[] = { log, NULL };
  g_autoptr (GError) error = NULL;

  g_assert_null (vmft_replay (&options, paths, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*func) (Fixture *f, gconstpointer data);
  } tests[] = {
    { "/log-file/lines", test_lines },
    { "/log-file/stops", test_stops },
    { "/log-file/compressed", test_compressed },
    { "/log-file/missing", test_no_file },
    { "/templates/read", test_templates },
    { "/replay/suspend", test_suspend },
    { "/replay/vm-text", test_vm_text },
    { "/replay/vm-list", test_vm_list },
    { "/replay/acts", test_acts },
    { "/replay/moves-nothing", test_moves_nothing },
    { "/replay/order", test_order },
    { "/replay/nonsense", test_nonsense },
    { "/replay/bad-configuration", test_bad_configuration },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
