/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ends a lead time: each way in which a host or a VM fails reaches the history, as the moment at which it did. */
#include "daemon-story.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define LEAD_S 30.0

static Story *
new_story (void)
{
  Story *s = story_new ("observe", VMFT_TRUST_KERNEL, NULL, 7);

  story_add_vm (s, "web", 512, 1, 10);
  story_add_vm (s, "db", 512, 1, 10);
  story_run_up (s);
  return s;
}

static const char *
uuid_of (Story *s, guint i)
{
  return g_ptr_array_index (s->uuids, i);
}

/* One record, of @fault_class: so long after the first line it failed. */
static void
expect_lead_of (Story *s, const char *fault_class, double lead_s)
{
  g_autoptr (GVariant) leads =
      g_variant_ref_sink (vmft_lead_model_export (vmft_daemon_get_leads (s->daemon)));
  g_autoptr (GVariant) lead = NULL;

  g_assert_cmpuint (g_variant_n_children (leads), ==, 1);
  lead = g_variant_get_child_value (leads, 0);
  g_assert_cmpstr (vmft_dict_string (lead, "class"), ==, fault_class);
  g_assert_false (vmft_dict_boolean (lead, "censored", TRUE));
  g_assert_cmpfloat_with_epsilon (vmft_dict_double (lead, "lead_s", 0.0), lead_s, 1.5);
}

static void
expect_lead (Story *s, const char *fault_class)
{
  expect_lead_of (s, fault_class, LEAD_S);
}

static void
expect_no_lead (Story *s)
{
  g_autoptr (GVariant) leads =
      g_variant_ref_sink (vmft_lead_model_export (vmft_daemon_get_leads (s->daemon)));

  g_assert_cmpuint (g_variant_n_children (leads), ==, 0);
}

static void
announce_disk (Story *s)
{
  story_say_fault (s, 0.1);
  story_advance (s, LEAD_S + 0.1);
  expect_no_lead (s);
}

static void
test_crashed (void)
{
  g_autoptr (Story) s = new_story ();

  announce_disk (s);
  vmft_fake_world_kill_qemu (s->world, "a", uuid_of (s, 0));
  expect_lead (s, "disk");
  /* what fails after it was announced by it no more */
  story_advance (s, 20.0);
  vmft_fake_world_kill_qemu (s->world, "a", uuid_of (s, 1));
  expect_lead (s, "disk");
}

static void
test_paused_on_io_error (void)
{
  g_autoptr (Story) s = new_story ();

  announce_disk (s);
  vmft_fake_world_fail_disk (s->world, uuid_of (s, 0));
  expect_lead (s, "disk");
}

static void
test_device_offlined (void)
{
  g_autoptr (Story) s = new_story ();

  announce_disk (s);
  story_say (s, 0.1, "sd 0:0:0:0: [sda] rejecting I/O to offline device");
  story_advance (s, 1.0);
  expect_lead (s, "disk");
}

static void
test_remounted_read_only (void)
{
  g_autoptr (Story) s = new_story ();

  announce_disk (s);
  story_say (s, 0.1, "EXT4-fs (sda1): Remounting filesystem read-only");
  story_advance (s, 1.0);
  expect_lead (s, "disk");
}

static void
make_link (Story *s, const char *path, const char *target)
{
  g_autofree char *link = g_build_filename (s->dir, path, NULL);
  g_autofree char *directory = g_path_get_dirname (link);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_cmpint (symlink (target, link), ==, 0);
}

static void
make_device (Story *s, const char *name, const char *number)
{
  g_autofree char *directory = g_build_filename (s->dir, "devices", name, "slaves", NULL);
  g_autofree char *dev = g_build_filename (s->dir, "devices", name, "dev", NULL);
  g_autofree char *class = g_strconcat ("class/block/", name, NULL);
  g_autofree char *block = g_strconcat ("block/", name, NULL);
  g_autofree char *by_number = g_strconcat ("dev/block/", number, NULL);
  g_autofree char *deep = g_strconcat ("../../devices/", name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_true (g_file_set_contents (dev, number, -1, NULL));
  make_link (s, class, deep);
  make_link (s, by_number, deep);
  make_link (s, block, deep + strlen ("../"));
}

/* What carries the host is read in a thread: once it is known, a fault in sda concerns no VM here. */
static void
wait_for_facts (Story *s)
{
  gint64 deadline_us = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  const VmftQuery query = { .limit = 1 };

  while (g_get_monotonic_time () < deadline_us)
    {
      g_autoptr (GVariant) plans = g_variant_ref_sink (vmft_daemon_list_plans (s->daemon, &query, NULL));
      g_autoptr (GVariant) plan = g_variant_get_child_value (plans, 0);

      if (g_strcmp0 (vmft_dict_string (plan, "verdict"), "nothing") == 0)
        return;
      g_main_context_iteration (NULL, FALSE);
      g_usleep (5000); /* or the story runs away from the thread, to where its incident is over */
      story_advance (s, 1.0);
    }
  g_assert_not_reached ();
}

/* The file system is on a volume, the errors were the disk's below it. */
static void
test_remounted_above (void)
{
  g_autoptr (Story) s = new_story ();
  g_autofree char *command =
      g_strdup_printf ("rm -r %s/devices %s/class %s/block %s/dev", s->dir, s->dir, s->dir, s->dir);
  VmftTime first_us;

  make_device (s, "sda", "248:1");
  make_device (s, "sdb", "248:2");
  make_device (s, "dm-0", "249:0");
  make_link (s, "devices/dm-0/slaves/sda", "..");
  first_us = vmft_time_add_s (vmft_clock_real_us (s->clock), 0.1);
  story_say_fault (s, 0.1);
  story_advance (s, 5.0);
  wait_for_facts (s);
  story_say (s, 0.1, "EXT4-fs (sdb): Remounting filesystem read-only"); /* another disk */
  story_advance (s, 1.0);
  expect_no_lead (s);
  story_say (s, 0.0, "EXT4-fs (dm-0): Remounting filesystem read-only");
  story_advance (s, 1.0);
  expect_lead_of (s, "disk", vmft_time_diff_s (vmft_clock_real_us (s->clock), first_us));
  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
}

/* The kernel's line is enough: libvirt may be late, or away. */
static void
test_killed_says_the_kernel (void)
{
  g_autoptr (Story) s = new_story ();

  story_say (s, 0.1, "kworker/0:1: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)");
  story_say (s, 0.3, "kworker/0:1: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)");
  story_advance (s, LEAD_S + 0.1);
  story_say (s, 0.1, "Out of memory: Killed process 1001 (qemu-system-x86) total-vm:1000kB, anon-rss:900kB");
  story_advance (s, 1.0);
  expect_lead (s, "pressure");
}

/* The kernel's line names the process; libvirt sees the VM go. */
static void
test_killed_for_memory (void)
{
  g_autoptr (Story) s = new_story ();

  story_say (s, 0.1, "kworker/0:1: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)");
  story_say (s, 0.3, "kworker/0:1: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)");
  story_advance (s, LEAD_S + 0.1);
  expect_no_lead (s);
  story_say (s, 0.1, "Out of memory: Killed process 1001 (qemu-system-x86) total-vm:1000kB, anon-rss:900kB");
  vmft_fake_world_kill_qemu (s->world, "a", uuid_of (s, 0));
  story_advance (s, 1.0);
  expect_lead (s, "pressure");
}

/* A VM that fails with nothing wrong at the host teaches nothing; neither does one that is shut down. */
static void
test_nothing_announced (void)
{
  g_autoptr (Story) s = new_story ();

  vmft_fake_world_kill_qemu (s->world, "a", uuid_of (s, 0));
  vmft_fake_world_stop_vm (s->world, uuid_of (s, 1));
  story_advance (s, 5.0);
  expect_no_lead (s);
}

int
main (int argc, char **argv)
{
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  g_test_add_func ("/failure-moments/crashed", test_crashed);
  g_test_add_func ("/failure-moments/paused-on-io-error", test_paused_on_io_error);
  g_test_add_func ("/failure-moments/device-offlined", test_device_offlined);
  g_test_add_func ("/failure-moments/remounted-read-only", test_remounted_read_only);
  g_test_add_func ("/failure-moments/remounted-above", test_remounted_above);
  g_test_add_func ("/failure-moments/killed-says-the-kernel", test_killed_says_the_kernel);
  g_test_add_func ("/failure-moments/killed-for-memory", test_killed_for_memory);
  g_test_add_func ("/failure-moments/nothing-announced", test_nothing_announced);
  return g_test_run ();
}
