/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-resident.h"

#include <stdio.h>
#include <string.h>

/* anonymous memory of a QEMU 7.2 with an idle guest beyond the guest's own pages, measured on the testbed */
#define QEMU_SHARE_KVM_BYTES (G_GUINT64_CONSTANT (16) << 20)
#define QEMU_SHARE_TCG_BYTES (G_GUINT64_CONSTANT (32) << 20)

/* The kernel walks the page tables for smaps. Up to here that is milliseconds; above, QEMU's share is under 1%. */
#define SMAPS_MAX_BYTES (G_GUINT64_CONSTANT (4) << 30)
/* QEMU's RAM block may be a little smaller than what libvirt rounds up to */
#define RAM_SLACK_BYTES (G_GUINT64_CONSTANT (2) << 20)

static guint64
field_bytes (const char *text, const char *name)
{
  const char *line = strstr (text, name);

  return line != NULL ? g_ascii_strtoull (line + strlen (name), NULL, 10) * 1024 : 0;
}

static char *
read_file (const char *proc, int pid, const char *name)
{
  g_autofree char *path = g_strdup_printf ("%s/%d/%s", proc, pid, name);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

/* "7f3d1bc00000-7f3d2bc02000 rw-p …" of a mapping that can be guest RAM: written to, never executed, large enough. */
static gboolean
is_ram (const char *line, guint64 memory_bytes)
{
  guint64 start = 0, end = 0;
  char flags[5] = "";

  return sscanf (line, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %4s", &start, &end, flags) == 3 &&
         end > start && g_str_has_prefix (flags, "rw-") && end - start + RAM_SLACK_BYTES >= memory_bytes;
}

static gboolean
is_header (const char *line)
{
  const char *dash = strchr (line, '-');

  return g_ascii_isxdigit (*line) && dash != NULL && dash < line + strcspn (line, " :");
}

static guint64
ram_bytes (const char *smaps, guint64 memory_bytes)
{
  static const char *const counted[] = { "Rss:", "Swap:", "Shared_Hugetlb:", "Private_Hugetlb:" };
  g_auto (GStrv) lines = g_strsplit (smaps, "\n", -1);
  gboolean ram = FALSE;
  guint64 bytes = 0;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (is_header (lines[i]))
        ram = is_ram (lines[i], memory_bytes);
      for (guint k = 0; ram && k < G_N_ELEMENTS (counted); k++)
        if (g_str_has_prefix (lines[i], counted[k]))
          bytes += field_bytes (lines[i], counted[k]);
    }
  return bytes;
}

guint64
vmft_resident_bytes (const char *proc, int pid, gboolean kvm, guint64 memory_bytes)
{
  g_autofree char *status = pid > 0 ? read_file (proc, pid, "status") : NULL;
  g_autofree char *smaps = NULL;
  guint64 share_bytes = kvm ? QEMU_SHARE_KVM_BYTES : QEMU_SHARE_TCG_BYTES;
  guint64 bytes, measured_bytes;

  if (status == NULL)
    return 0;
  /* file-backed pages are QEMU's code; guest RAM is anonymous, shared memory or huge pages */
  bytes = field_bytes (status, "\nRssAnon:") + field_bytes (status, "\nRssShmem:") +
          field_bytes (status, "\nVmSwap:") + field_bytes (status, "\nHugetlbPages:");
  if (bytes <= SMAPS_MAX_BYTES && memory_bytes > 0 && (smaps = read_file (proc, pid, "smaps")) != NULL &&
      (measured_bytes = ram_bytes (smaps, memory_bytes)) > 0)
    return measured_bytes;
  return bytes > share_bytes ? bytes - share_bytes : bytes;
}
