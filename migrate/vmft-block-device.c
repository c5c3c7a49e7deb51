/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-block-device.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* deeper than any stack that works; guards against a loop in a broken sysfs */
#define MAX_STACK 32

/* Linux' statfs(2) and libvirt's virFileIsSharedFSType() */
static const guint32 shared_file_systems[] = {
  0x6969,     /* NFS */
  0x01161970, /* GFS2 */
  0x7461636f, /* OCFS2 */
  0xff534d42, /* CIFS */
  0xfe534d42, /* SMB2 */
  0x00c36400, /* Ceph */
  0x47504653, /* GPFS */
  0x01021997, /* 9p */
};

static char *
device_of_number (const char *sysfs, dev_t number)
{
  g_autofree char *link = g_strdup_printf ("%s/dev/block/%u:%u", sysfs, major (number), minor (number));
  g_autofree char *target = g_file_read_link (link, NULL);
  g_autofree char *partition = NULL;
  g_autofree char *parent = NULL;

  if (target == NULL)
    return NULL;
  partition = g_build_filename (link, "partition", NULL);
  if (!g_file_test (partition, G_FILE_TEST_EXISTS))
    return g_path_get_basename (target);
  parent = g_path_get_dirname (target);
  return g_path_get_basename (parent);
}

/* btrfs and overlayfs report a number without a device; the mount table names the device */
static char *
device_of_mount (const char *sysfs, dev_t number)
{
  g_autofree char *text = NULL;
  g_autofree char *wanted = g_strdup_printf ("%u:%u", major (number), minor (number));
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents ("/proc/self/mountinfo", &text, NULL, NULL))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], " ", -1);
      char *dash = strstr (lines[i], " - ");
      g_auto (GStrv) tail = g_strsplit (dash != NULL ? dash + 3 : "", " ", -1);
      struct stat status;

      if (g_strv_length (fields) < 3 || g_strv_length (tail) < 2 || !g_str_equal (fields[2], wanted))
        continue;
      if (g_str_has_prefix (tail[1], "/dev/") && stat (tail[1], &status) == 0 && S_ISBLK (status.st_mode))
        return device_of_number (sysfs, status.st_rdev);
    }
  return NULL;
}

char *
vmft_block_device_of_path (const char *sysfs, const char *path)
{
  struct stat status;
  char *device = NULL;

  if (path == NULL || stat (path, &status) != 0)
    return NULL;
  if (S_ISBLK (status.st_mode))
    return device_of_number (sysfs, status.st_rdev);
  device = device_of_number (sysfs, status.st_dev);
  return device != NULL ? device : device_of_mount (sysfs, status.st_dev);
}

static void
add_once (GPtrArray *stack, char *device)
{
  if (device == NULL || g_ptr_array_find_with_equal_func (stack, device, g_str_equal, NULL))
    {
      g_free (device);
      return;
    }
  g_ptr_array_add (stack, device);
}

/* "sda1" -> "sda": slaves/ names partitions as they are */
static char *
whole_device (const char *sysfs, const char *name)
{
  g_autofree char *number_path = g_build_filename (sysfs, "class", "block", name, "dev", NULL);
  g_autofree char *text = NULL;
  guint major_number = 0, minor_number = 0;
  char *device = NULL;

  if (g_file_get_contents (number_path, &text, NULL, NULL) &&
      sscanf (text, "%u:%u", &major_number, &minor_number) == 2)
    device = device_of_number (sysfs, makedev (major_number, minor_number));
  return device != NULL ? device : g_strdup (name);
}

static void
add_below (const char *sysfs, const char *device, GPtrArray *stack)
{
  g_autofree char *slaves = g_build_filename (sysfs, "block", device, "slaves", NULL);
  g_autofree char *backing = g_build_filename (sysfs, "block", device, "loop", "backing_file", NULL);
  g_autofree char *file = NULL;
  g_autoptr (GDir) dir = g_dir_open (slaves, 0, NULL);
  const char *name = NULL;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    add_once (stack, whole_device (sysfs, name));
  if (g_file_get_contents (backing, &file, NULL, NULL))
    add_once (stack, vmft_block_device_of_path (sysfs, g_strchomp (file)));
}

GStrv
vmft_block_device_stack (const char *sysfs, const char *device)
{
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();

  g_ptr_array_add (stack, g_strdup (device));
  for (guint i = 0; i < stack->len && stack->len < MAX_STACK; i++)
    add_below (sysfs, g_ptr_array_index (stack, i), stack);
  g_ptr_array_add (stack, NULL);
  return (GStrv) g_ptr_array_free (g_steal_pointer (&stack), FALSE);
}

gboolean
vmft_block_device_lives_on (const char *sysfs, const char *device, const char *failing)
{
  g_auto (GStrv) stack = vmft_block_device_stack (sysfs, device);

  return g_strv_contains ((const char *const *) stack, failing);
}

static gboolean
is_leaf_shared (const char *sysfs, const char *device)
{
  g_autofree char *path = g_build_filename (sysfs, "block", device, NULL);
  g_autofree char *target = g_file_read_link (path, NULL);

  if (g_str_has_prefix (device, "rbd") || g_str_has_prefix (device, "drbd"))
    return TRUE;
  /* .../session3/target... is iSCSI, .../rport-2:0-1/... Fibre Channel */
  return target != NULL && (strstr (target, "/session") != NULL || strstr (target, "/rport-") != NULL);
}

static gboolean
is_leaf (const char *sysfs, const char *device)
{
  g_auto (GStrv) stack = vmft_block_device_stack (sysfs, device);

  return g_strv_length (stack) == 1;
}

gboolean
vmft_block_device_is_shared (const char *sysfs, const char *device)
{
  g_auto (GStrv) stack = vmft_block_device_stack (sysfs, device);

  for (guint i = 0; stack[i] != NULL; i++)
    {
      if (is_leaf (sysfs, stack[i]) && !is_leaf_shared (sysfs, stack[i]))
        return FALSE;
    }
  return TRUE;
}

gboolean
vmft_path_is_shared (const char *path)
{
  struct statfs status;

  if (path == NULL || statfs (path, &status) != 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (shared_file_systems); i++)
    {
      if ((guint32) status.f_type == shared_file_systems[i])
        return TRUE;
    }
  return FALSE;
}
