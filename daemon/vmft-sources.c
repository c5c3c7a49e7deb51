/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the groups "[Source NAME]" to the sources themselves. */
#include "vmft-daemon-private.h"

#include "vmft-file-source.h"

static VmftLineFormat
parse_format (const char *text)
{
  static const char *const names[] = { "auto", "bare",  "rfc3164", "rfc5424", "iso",
                                       "kmsg", "dmesg", "qemu",    "libvirt", NULL };

  for (guint i = 0; names[i] != NULL; i++)
    if (strcmp (text, names[i]) == 0)
      return (VmftLineFormat) i;
  g_return_val_if_reached (VMFT_LINE_AUTO);
}

static VmftSource *
make_file_source (VmftDaemon *self, const char *name, const char *group, GError **error)
{
  g_auto (GStrv) paths = vmft_conf_get_list (self->conf, group, "path");
  gboolean trusted = strcmp (vmft_conf_get_string (self->conf, group, "trust"), "kernel") == 0;

  if (paths[0] == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[%s] path: is required for type=file", group);
      return NULL;
    }
  for (guint i = 0; paths[i] != NULL; i++)
    if (!g_path_is_absolute (paths[i]))
      {
        g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[%s] path=%s: must be an absolute path", group,
                     paths[i]);
        return NULL;
      }
  return vmft_file_source_new (name, (const char *const *) paths,
                               parse_format (vmft_conf_get_string (self->conf, group, "format")),
                               trusted ? VMFT_TRUST_KERNEL : VMFT_TRUST_CLAIMED, self->clock, self->store);
}

gboolean
vmft_daemon_add_configured_sources (VmftDaemon *self, GError **error)
{
  g_autofree const char **names = vmft_conf_list_named (self->conf, "Source");

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *group = g_strconcat ("Source ", names[i], NULL);
      g_autoptr (VmftSource) source = make_file_source (self, names[i], group, error);

      if (source == NULL)
        return FALSE;
      vmft_daemon_add_source (self, source);
    }
  if (names[0] == NULL)
    g_warning ("no log source is configured: nothing will be seen");
  return TRUE;
}
