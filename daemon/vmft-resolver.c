/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-resolver.h"

/* Returns: (transfer full) (nullable): the path of the first entry of @directory, by name, that begins with @prefix. */
static char *
first_entry (const char *directory, const char *prefix)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  g_autofree char *best = NULL;
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, prefix) && (best == NULL || strcmp (name, best) < 0))
      {
        g_free (best);
        best = g_strdup (name);
      }
  return best ? g_build_filename (directory, best, NULL) : NULL;
}

/* "block" below a SCSI device's directory holds one directory, named as the disk. */
static char *
disk_of_scsi_device (const char *directory)
{
  g_autofree char *block = g_build_filename (directory, "block", NULL);
  g_autofree char *disk = first_entry (block, "");

  return disk ? g_path_get_basename (disk) : NULL;
}

static char *
resolve_scsi (const char *sysfs, const char *address)
{
  g_autofree char *device = g_build_filename (sysfs, "class", "scsi_device", address, "device", NULL);

  return disk_of_scsi_device (device);
}

/* …/ataN/hostH/targetH:0:0/H:0:0:0/block/sdX */
static char *
resolve_ata (const char *sysfs, const char *port)
{
  g_autofree char *device = g_build_filename (sysfs, "class", "ata_port", port, "device", NULL);
  g_autofree char *host = first_entry (device, "host");
  g_autofree char *target = host ? first_entry (host, "target") : NULL;
  g_autofree char *address = target ? g_strdup (strrchr (target, '/') + strlen ("/target")) : NULL;
  g_autofree char *scsi = address ? first_entry (target, address) : NULL;

  return scsi ? disk_of_scsi_device (scsi) : NULL;
}

static char *
resolve_nvme (const char *sysfs, const char *controller)
{
  g_autofree char *directory = g_build_filename (sysfs, "class", "nvme", controller, NULL);
  g_autofree char *prefix = g_strconcat (controller, "n", NULL);
  g_autofree char *name_space = first_entry (directory, prefix);

  return name_space ? g_path_get_basename (name_space) : NULL;
}

void
vmft_resolver_resolve (const char *sysfs, VmftLocus *locus)
{
  const char *digits = "0123456789";
  g_autofree char *device = NULL;

  /* an address that leads out of the directory it is looked up in names nothing */
  if (locus->kind != VMFT_LOCUS_BLOCK || strchr (locus->name, '/') != NULL || locus->name[0] == '.')
    return;
  if (strchr (locus->name, ':') != NULL)
    device = resolve_scsi (sysfs, locus->name);
  else if (g_str_has_prefix (locus->name, "ata") &&
           strspn (locus->name + 3, digits) == strlen (locus->name + 3))
    device = resolve_ata (sysfs, locus->name);
  else if (g_str_has_prefix (locus->name, "nvme") &&
           strspn (locus->name + 4, digits) == strlen (locus->name + 4))
    device = resolve_nvme (sysfs, locus->name);
  if (device != NULL)
    g_strlcpy (locus->name, device, sizeof locus->name);
}
