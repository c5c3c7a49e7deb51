/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon-story.h"

#include "daemon/vmft-sqlite-store.h"

#include <glib/gstdio.h>

#define HOST_BYTES ((guint64) (16 * 1024 * MIB))

static void
load_conf (Story *s, const char *mode, const char *extra)
{
  g_autofree char *path = g_build_filename (s->dir, "vmftd.conf", NULL);
  g_autofree char *text =
      g_strdup_printf ("[Daemon]\nmode=%s\nhostname=*\nsysfs=%s\nproc=%s\nstate-directory=%s\n"
                       "[Detector]\nlearning-lines=20\n"
                       "[Destination b]\nuri=fake://b\n"
                       "[Destination c]\nuri=fake://c\nweight=0.5\n%s",
                       mode, s->dir, s->dir, s->dir, extra ? extra : "");
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, &error));
  s->conf = vmft_conf_load (path, &error);
  g_assert_no_error (error);
}

Story *
story_new (const char *mode, VmftTrust trust, const char *extra, guint32 seed)
{
  static const char *const hosts[] = { "a", "b", "c" };
  Story *s = g_new0 (Story, 1);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  s->dir = g_dir_make_tmp ("vmft-story-XXXXXX", &error);
  g_assert_no_error (error);
  s->trust = trust;
  s->uuids = g_ptr_array_new_with_free_func (g_free);
  s->clock = vmft_fake_clock_new (STORY_START_US);
  s->world = vmft_fake_world_new (s->clock, seed);
  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    vmft_fake_world_add_host (s->world, hosts[i], HOST_BYTES, STORY_LINK_BPS);
  load_conf (s, mode, extra);
  path = g_build_filename (s->dir, "vmft.db", NULL);
  s->store = VMFT_STORE (vmft_sqlite_store_new (path, s->clock, &error));
  g_assert_no_error (error);
  return s;
}

void
story_set_store (Story *s, VmftStore *store)
{
  g_object_unref (s->store);
  s->store = store;
}

void
story_add_vm (Story *s, const char *name, double memory_mib, double dirty_mib_s, double working_set_mib)
{
  VmftFakeVm vm = VMFT_FAKE_VM_DEFAULT;

  vm.name = name;
  vm.memory_bytes = (guint64) (memory_mib * MIB);
  vm.dirty_bps = dirty_mib_s * MIB;
  vm.working_set_bytes = working_set_mib * MIB;
  vm.sweep = TRUE;
  g_ptr_array_add (s->uuids, g_strdup (vmft_fake_world_add_vm (s->world, "a", &vm)));
}

void
story_start_daemon (Story *s)
{
  g_autoptr (GError) error = NULL;

  s->hypervisor = vmft_fake_world_open (s->world, "a");
  s->source = vmft_script_source_new ("kern", s->trust, s->clock, s->store);
  s->daemon = vmft_daemon_new (s->conf, s->clock, s->store, s->hypervisor, &error);
  g_assert_no_error (error);
  vmft_daemon_add_source (s->daemon, s->source);
  vmft_daemon_start (s->daemon);
}

void
story_drop_daemon (Story *s)
{
  g_clear_object (&s->daemon);
  g_clear_object (&s->source);
  g_clear_object (&s->hypervisor);
}

void
story_kill_daemon (Story *s)
{
  vmft_fake_world_kill_client (s->world, s->hypervisor);
  story_drop_daemon (s);
}

void
story_free (Story *s)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;
  const char *name;

  g_assert_true (vmft_fake_world_check (s->world, &error));
  g_assert_no_error (error);
  story_drop_daemon (s);
  g_object_unref (s->world);
  g_object_unref (s->store);
  g_object_unref (s->clock);
  vmft_conf_unref (s->conf);
  dir = g_dir_open (s->dir, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (s->dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (s->dir);
  g_ptr_array_unref (s->uuids);
  g_free (s->dir);
  g_free (s);
}

void
story_advance (Story *s, double seconds)
{
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (s->clock), (gint64) (seconds * G_USEC_PER_SEC));
}

void
story_say (Story *s, double in_s, const char *text)
{
  VmftTime at_us = vmft_time_add_s (vmft_clock_real_us (s->clock), in_s);
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (at_us / G_USEC_PER_SEC);
  g_autofree char *stamp = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *line = g_strdup_printf ("%s.%06d+00:00 hosta kernel: [ 4000.000000] %s", stamp,
                                           (int) (at_us % G_USEC_PER_SEC), text);

  vmft_script_source_add (VMFT_SCRIPT_SOURCE (s->source), at_us, line);
}

void
story_run_up (Story *s)
{
  story_start_daemon (s);
  for (guint i = 0; i < 30; i++)
    {
      g_autofree char *text =
          g_strdup_printf ("EXT4-fs (vda%u): mounted filesystem with ordered data mode", i % 4);

      story_say (s, 0.1 * i, text);
    }
  story_advance (s, 90.0);
}

void
story_say_fault (Story *s, double in_s)
{
  story_say (s, in_s,
             "critical medium error, dev sda, sector 4000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
  story_say (s, in_s + 0.2,
             "I/O error, dev sda, sector 4008 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2");
}

guint
story_count_on (Story *s, const char *host)
{
  guint n = 0;

  for (guint i = 0; i < s->uuids->len; i++)
    n += g_strcmp0 (vmft_fake_world_where (s->world, g_ptr_array_index (s->uuids, i)), host) == 0 ? 1 : 0;
  return n;
}
