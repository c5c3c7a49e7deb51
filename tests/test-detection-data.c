/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmft-eval over the shared data: the paper's series and real kernel faults. Skipped where that data is absent. */
#include "vmft-common.h"

#include <gio/gio.h>
#include <string.h>

static char *
shared_file (const char *name)
{
  const char *folder = g_getenv ("VMFT_SHARED");

  return g_build_filename (folder && *folder ? folder : VMFT_SOURCE_ROOT "/../shared", "data", name, NULL);
}

/* Unpacks @name into a new folder. Returns: (transfer full) (nullable): it, or NULL after g_test_skip(). */
static char *
unpack (const char *name)
{
  g_autofree char *archive = shared_file (name);
  g_autofree char *folder = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) tar = NULL;

  if (!g_file_test (archive, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("no shared data (set VMFT_SHARED)");
      return NULL;
    }
  folder = g_dir_make_tmp ("vmft-data-XXXXXX", &error);
  g_assert_no_error (error);
  tar = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, "tar", "-xJf", archive, "-C", folder, NULL);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_wait_check (tar, NULL, &error));
  return g_steal_pointer (&folder);
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) rm =
      g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, "rm", "-rf", "--", folder, NULL);

  g_assert_true (rm && g_subprocess_wait_check (rm, NULL, &error));
}

static GVariant *
evaluate (GPtrArray *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) eval = NULL;
  g_autofree char *json = NULL;
  GVariant *results;

  g_ptr_array_insert (arguments, 0, (gpointer) VMFT_EVAL);
  g_ptr_array_add (arguments, (gpointer) "--json");
  g_ptr_array_add (arguments, NULL);
  eval = g_subprocess_newv ((const char *const *) arguments->pdata, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (eval, NULL, NULL, &json, NULL, &error));
  g_assert_true (g_subprocess_get_successful (eval));
  results = vmft_json_to_variant (json, &error);
  g_assert_no_error (error);
  return results;
}

static double
number_at (GVariant *results, const char *path)
{
  g_auto (GStrv) keys = g_strsplit (path, "/", -1);
  g_autoptr (GVariant) at = g_variant_ref (results);
  guint last = g_strv_length (keys) - 1;

  for (guint i = 0; i < last; i++)
    {
      GVariant *inner = g_variant_lookup_value (at, keys[i], G_VARIANT_TYPE_VARDICT);

      g_assert_nonnull (inner);
      g_variant_unref (at);
      at = inner;
    }
  return vmft_dict_double (at, keys[last], -1.0);
}

static GVariant *
evaluate_series (const char *folder, const char *const *options)
{
  g_autofree char *data = g_build_filename (folder, "dev", NULL);
  g_autofree char *templates = shared_file ("vmft-lad/templates.csv");
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  const char *const common[] = { "series", "--data", data, "--templates", templates };

  for (gsize i = 0; i < G_N_ELEMENTS (common); i++)
    g_ptr_array_add (arguments, (gpointer) common[i]);
  for (gsize i = 0; options[i]; i++)
    g_ptr_array_add (arguments, (gpointer) options[i]);
  return evaluate (arguments);
}

/* Over all files the paper's detector has 111 false positives, all of them in this half, and 96.28 % early. */
static void
test_published (void)
{
  g_autofree char *folder = unpack ("vmft-lad/dev.tar.xz");
  g_autofree char *answers = shared_file ("vmft-lad/llm-answers.csv");
  const char *const options[] = { "--engine", "vmft-lad", "--preset", "published", "--answers",
                                  answers,    "--column", "gpt35",    NULL };
  g_autoptr (GVariant) results = NULL;

  if (!folder)
    return;
  results = evaluate_series (folder, options);
  g_assert_cmpfloat (number_at (results, "false_positives"), ==, 111);
  g_assert_cmpfloat (number_at (results, "early"), ==, 263);
  g_assert_cmpfloat_with_epsilon (number_at (results, "nab/strict/standard/correct"), 94.05, 0.01);
  g_assert_cmpfloat_with_epsilon (number_at (results, "nab/strict/standard/published"), 90.20, 0.01);
  remove_folder (folder);
}

static void
test_kernel_engine (void)
{
  static const char *const options[] = { NULL };
  static const char *const product[] = { "--product", NULL };
  g_autofree char *folder = unpack ("vmft-lad/dev.tar.xz");
  g_autoptr (GVariant) results = NULL, with_evidence = NULL;

  if (!folder)
    return;
  results = evaluate_series (folder, options);
  g_assert_cmpfloat (number_at (results, "nab/strict/standard/correct"), >=, 99.2);
  g_assert_cmpfloat (number_at (results, "early_detection_rate"), ==, 1.0);
  /* 20 real buffer I/O errors of two files before their label, 13 fault lines of two files whose label is row 0 */
  g_assert_cmpfloat (number_at (results, "false_positives"), <=, 33);
  /* two records within a minute, or two templates: lone warnings minutes apart confirm nothing */
  with_evidence = evaluate_series (folder, product);
  g_assert_cmpfloat (number_at (with_evidence, "false_positives"), <=, 32);
  g_assert_cmpfloat (number_at (with_evidence, "early_detection_rate"), >=, 0.90);
  remove_folder (folder);
}

static void
check_run (GVariant *run)
{
  const char *name = vmft_dict_string (run, "name"), *scenario = vmft_dict_string (run, "scenario");
  static const struct
  {
    const char *scenario, *fault_class, *locus;
  } expected[] = {
    { "hdd", "disk", "block sda" }, { "buffer-io", "io", "block dm-0" }, { "cpu", "cpu", "host" },
    { "mce", "memory", "host" },    { "nvme", "disk", "block nvme0n1" }, { "sata", "disk", "block ata2" },
  };

  g_test_message ("%s", name);
  g_assert_cmpint (vmft_dict_int64 (run, "false_alarms", -1), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    if (g_str_equal (scenario, expected[i].scenario))
      {
        g_assert_cmpfloat (vmft_dict_double (run, "lead_s", -1.0), >, 0.0);
        g_assert_cmpstr (vmft_dict_string (run, "class"), ==, expected[i].fault_class);
        g_assert_cmpstr (vmft_dict_string (run, "locus"), ==, expected[i].locus);
      }
}

/* Every predictable fault is announced before it fails; benign runs stay silent, learned from or not. */
static void
check_runs (const char *folder, gboolean learn)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GVariant) results = NULL, runs = NULL;
  const char *name;

  g_ptr_array_add (arguments, (gpointer) "runs");
  while ((name = g_dir_read_name (dir)))
    {
      char *path = g_build_filename (folder, name, NULL);

      g_ptr_array_add (paths, path);
      if (learn && g_str_has_prefix (name, "benign"))
        g_ptr_array_add (arguments, (gpointer) "--learn");
      g_ptr_array_add (arguments, path);
    }
  results = evaluate (arguments);
  runs = g_variant_lookup_value (results, "runs", G_VARIANT_TYPE ("av"));
  g_assert_nonnull (runs);
  g_assert_cmpuint (g_variant_n_children (runs), >=, 11);
  for (gsize i = 0; i < g_variant_n_children (runs); i++)
    {
      g_autoptr (GVariant) boxed = g_variant_get_child_value (runs, i);
      g_autoptr (GVariant) run = g_variant_get_variant (boxed);

      check_run (run);
    }
}

static void
test_kernel_faults (void)
{
  g_autofree char *folder = unpack ("kernel-faults/dev.tar.xz");

  if (!folder)
    return;
  check_runs (folder, FALSE);
  check_runs (folder, TRUE);
  remove_folder (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_add_func ("/detection-data/published", test_published);
  g_test_add_func ("/detection-data/kernel-engine", test_kernel_engine);
  g_test_add_func ("/detection-data/kernel-faults", test_kernel_faults);
  return g_test_run ();
}
