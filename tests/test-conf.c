/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-conf.h"

#include <glib/gstdio.h>

typedef struct
{
  char *dir;
  char *path;
  char *drop_in_dir;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("vmft-conf-XXXXXX", &error);
  g_assert_no_error (error);
  f->path = g_build_filename (f->dir, "vmftd.conf", NULL);
  f->drop_in_dir = g_strconcat (f->path, ".d", NULL);
}

static void
remove_all (const char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        remove_all (path);
      else
        g_unlink (path);
    }
  g_rmdir (directory);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  remove_all (f->dir);
  g_free (f->dir);
  g_free (f->path);
  g_free (f->drop_in_dir);
}

static void
write_file (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, &error));
  g_assert_no_error (error);
}

static void
write_drop_in (Fixture *f, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->drop_in_dir, name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (f->drop_in_dir, 0700), ==, 0);
  write_file (path, text);
}

static void
test_every_default_parses (void)
{
  g_autoptr (VmftConf) conf = vmft_conf_new ();
  g_autofree const char **sources = vmft_conf_list_named (conf, "Source");
  guint n_keys = 0;
  const VmftConfKey *keys = vmft_conf_keys (&n_keys);

  for (guint i = 0; i < n_keys; i++)
    {
      g_assert_cmpuint (strlen (keys[i].help), >, 8);
      if (keys[i].fallback != NULL && !g_str_has_suffix (keys[i].group, " *"))
        g_assert_cmpstr (vmft_conf_get_string (conf, keys[i].group, keys[i].key), ==,
                         *keys[i].fallback ? keys[i].fallback : NULL);
    }
  g_assert_cmpstr (vmft_conf_get_string (conf, "Daemon", "mode"), ==, "observe");
  g_assert_null (sources[0]);
}

static void
test_values_and_drop_ins (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftConf) conf = NULL;
  g_autofree const char **sources = NULL;
  g_auto (GStrv) paths = NULL;

  write_file (f->path, "# comment\n[Daemon]\nmode = act\n[Migration]\nbandwidth=100MiB\nmax-downtime=0.5\n"
                       "[Source kern]\ntype=file\npath=/a/*.log, /b;/c d\n");
  write_drop_in (f, "20-b.conf", "[Migration]\npeer-to-peer=no\n[Detector]\nquiet-time=2min\n");
  write_drop_in (f, "10-a.conf", "[Detector]\nquiet-time=5min\n[Source qemu]\ntype=file\npath=/q\n");
  write_drop_in (f, "30-not-one.txt", "[Nonsense]\n");
  conf = vmft_conf_load (f->path, &error);
  g_assert_no_error (error);

  g_assert_cmpstr (vmft_conf_get_string (conf, "Daemon", "mode"), ==, "act");
  g_assert_cmpuint (vmft_conf_get_uint (conf, "Migration", "bandwidth"), ==, 100 << 20);
  g_assert_cmpfloat (vmft_conf_get_double (conf, "Migration", "max-downtime"), ==, 0.5);
  g_assert_false (vmft_conf_get_boolean (conf, "Migration", "peer-to-peer"));
  g_assert_cmpfloat (vmft_conf_get_double (conf, "Detector", "quiet-time"), ==, 120.0);
  sources = vmft_conf_list_named (conf, "Source");
  g_assert_cmpstr (sources[0], ==, "kern");
  g_assert_cmpstr (sources[1], ==, "qemu");
  g_assert_null (sources[2]);
  paths = vmft_conf_get_list (conf, "Source kern", "path");
  g_assert_cmpuint (g_strv_length (paths), ==, 4);
  g_assert_cmpstr (paths[3], ==, "d");
  g_assert_cmpstr (vmft_conf_get_string (conf, "Source qemu", "trust"), ==, "claimed");
}

/* A list that is emptied is empty, whatever it is by default. */
static void
test_emptied (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftConf) conf = NULL;
  g_auto (GStrv) listen = NULL, events = NULL;

  write_file (f->path, "[HTTP]\nlisten=\n[Alerts]\nevents=\n");
  conf = vmft_conf_load (f->path, &error);
  g_assert_no_error (error);
  listen = vmft_conf_get_list (conf, "HTTP", "listen");
  events = vmft_conf_get_list (conf, "Alerts", "events");
  g_assert_null (listen[0]);
  g_assert_null (events[0]);
}

/* Each pair: what the file says, and what the one line of error must contain. */
static void
test_errors (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *text;
    const char *parts[4];
  } cases[] = {
    { "[Daemon]\nmdoe=act\n", { "[Daemon] mdoe: unknown key", "state-directory", "did you mean \"mode\"?" } },
    { "[Daemon]\nmode=acts\n", { "[Daemon] mode=acts", "observe, advise, act" } },
    { "[Demon]\nmode=act\n", { "[Demon]: unknown group", "Source NAME", "did you mean \"Daemon\"?" } },
    { "[Source]\ntype=file\n", { "[Source]: unknown group" } },
    { "[Source a]\ntype=pigeon\n", { "[Source a] type=pigeon", "one of file" } },
    { "[Source a]\ntrust=kernel\n", { "[Source a] type: is required" } },
    { "[Destination b]\nweight=2\n", { "[Destination b] uri: is required" } },
    { "[Destination b]\nuri=\n", { "[Destination b] uri=", "must not be empty" } },
    { "[Destination b]\nuri=x\nweight=-1\n", { "weight=-1", "between 0.001 and 1000" } },
    { "[Migration]\nbandwidth=fast\n", { "[Migration] bandwidth=fast", "size" } },
    { "[Migration]\nmax-parallel=0\n", { "between 1 and 64" } },
    { "[Migration]\nmax-parallel=1e9\n", { "whole number" } },
    { "[Migration]\ntls=maybe\n", { "true or false" } },
    { "[Detector]\nquiet-time=5 weeks\n", { "quiet-time=5 weeks", "duration" } },
    { "[Detector]\nquiet-time=0\n", { "at least 1" } },
    { "[Detector]\nmodel=weights.bin\n", { "absolute path" } },
    { "[Libvirt]\nuri=h\xfcgo\n", { "[Libvirt] uri=h?go: must be valid UTF-8" } },
    { "[Source b\xfc]\ntype=file\n", { "[Source b?]: must be valid UTF-8" } },
    { "[Do[\xfcn]\n", { "Invalid group name: Do[?n" } },
    { "[Source b\xfc]\n", { "[Source b?]: must be valid UTF-8" } },
    { "mode=act\n", { "vmftd.conf" } },
    { "[Daemon\n", { "vmftd.conf" } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      write_file (f->path, cases[i].text);
      g_assert_null (vmft_conf_load (f->path, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
      g_test_message ("%s", error->message);
      g_assert_true (g_str_has_prefix (error->message, f->path));
      g_assert_null (strchr (error->message, '\n'));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      for (guint j = 0; cases[i].parts[j] != NULL; j++)
        g_assert_nonnull (strstr (error->message, cases[i].parts[j]));
    }
}

static void
test_error_in_drop_in_and_missing_file (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vmft_conf_load (f->path, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND);
  g_clear_error (&error);

  write_file (f->path, "");
  write_drop_in (f, "10-a.conf", "[Libvirt]\nurl=qemu:///system\n");
  g_assert_null (vmft_conf_load (f->path, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "vmftd.conf.d/10-a.conf: [Libvirt] url"));
  g_assert_nonnull (strstr (error->message, "did you mean \"uri\"?"));
}

static void
test_command_line (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftConf) conf = vmft_conf_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_conf_set (conf, "Libvirt", "uri", "h\xc3\xbcgo", &error));
  g_assert_no_error (error);
  g_assert_false (vmft_conf_set (conf, "Source b\xfc", "type", "file", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, "command line: [Source b?] type=file: must be valid UTF-8");
}

static void
test_variant (Fixture *f, gconstpointer data)
{
  g_autoptr (VmftConf) conf = vmft_conf_new ();
  g_autofree char *json = vmft_json_from_variant (vmft_conf_to_variant (conf), FALSE);

  g_assert_nonnull (strstr (json, "\"Libvirt\":{\"uri\":\"qemu:///system\","));
}

#define ADD(path, func) g_test_add ("/conf/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/conf/every-default-parses", test_every_default_parses);
  ADD ("values-and-drop-ins", test_values_and_drop_ins);
  ADD ("emptied", test_emptied);
  ADD ("errors", test_errors);
  ADD ("error-in-drop-in", test_error_in_drop_in_and_missing_file);
  ADD ("command-line", test_command_line);
  ADD ("variant", test_variant);
  return g_test_run ();
}
