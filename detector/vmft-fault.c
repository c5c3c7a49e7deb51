/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Classes and loci as text. */
#include "vmft-detector.h"

#include "vmft-config.h"

#include <string.h>

static const char *const class_names[VMFT_N_CLASSES] = {
  [VMFT_CLASS_DISK] = "disk",         [VMFT_CLASS_IO] = "io",       [VMFT_CLASS_MEMORY] = "memory",
  [VMFT_CLASS_PRESSURE] = "pressure", [VMFT_CLASS_CPU] = "cpu",     [VMFT_CLASS_PCIE] = "pcie",
  [VMFT_CLASS_NETWORK] = "network",   [VMFT_CLASS_OTHER] = "other",
};

static const char *const locus_prefixes[] = {
  [VMFT_LOCUS_HOST] = "host", [VMFT_LOCUS_BLOCK] = "block", [VMFT_LOCUS_PCI] = "pci",
  [VMFT_LOCUS_NET] = "net",   [VMFT_LOCUS_VM_PID] = "pid",  [VMFT_LOCUS_VM_NAME] = "vm",
};

const char *
vmft_fault_class_to_string (VmftFaultClass fault_class)
{
  g_return_val_if_fail ((guint) fault_class < VMFT_N_CLASSES, "other");
  return class_names[fault_class];
}

gboolean
vmft_fault_class_from_string (const char *text, VmftFaultClass *fault_class)
{
  for (guint i = 0; i < VMFT_N_CLASSES; i++)
    if (g_strcmp0 (text, class_names[i]) == 0)
      {
        *fault_class = i;
        return TRUE;
      }
  return FALSE;
}

char *
vmft_locus_to_string (const VmftLocus *locus)
{
  if (locus->name[0] == '\0')
    return g_strdup (locus_prefixes[locus->kind]);
  return g_strdup_printf ("%s %s", locus_prefixes[locus->kind], locus->name);
}

gboolean
vmft_locus_from_string (const char *text, VmftLocus *locus)
{
  const char *space = strchr (text, ' ');
  gsize length = space ? (gsize) (space - text) : strlen (text);
  const char *name = space ? space + 1 : "";

  for (guint i = 0; i < G_N_ELEMENTS (locus_prefixes); i++)
    {
      if (strlen (locus_prefixes[i]) != length || memcmp (text, locus_prefixes[i], length) != 0)
        continue;
      if (strlen (name) >= sizeof locus->name || (name[0] == '\0' && i != VMFT_LOCUS_HOST))
        return FALSE;
      *locus = (VmftLocus){ .kind = i };
      g_strlcpy (locus->name, name, sizeof locus->name);
      return TRUE;
    }
  return FALSE;
}

gboolean
vmft_locus_equal (const VmftLocus *a, const VmftLocus *b)
{
  return a->kind == b->kind && strcmp (a->name, b->name) == 0;
}

char *
vmft_detector_data_path (const char *name)
{
  const char *folder = g_getenv ("VMFT_DATA_DIR");
  g_autofree char *installed = g_build_filename (VMFT_DATADIR, name, NULL);
  g_autofree char *program = NULL;
  g_autofree char *beside = NULL;

  if (folder && folder[0] != '\0')
    return g_build_filename (folder, name, NULL);
  if (g_file_test (installed, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&installed);

  program = g_file_read_link ("/proc/self/exe", NULL);
  if (program)
    {
      g_autofree char *bin = g_path_get_dirname (program);
      g_autofree char *build = g_path_get_dirname (bin);

      beside = g_build_filename (build, "data", name, NULL);
      if (g_file_test (beside, G_FILE_TEST_EXISTS))
        return g_steal_pointer (&beside);
    }
  return g_steal_pointer (&installed);
}
