/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A configuration file of any content: it loads, or there is one line that says why not. */
#include "daemon/vmft-conf.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  int fd = memfd_create ("conf", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autoptr (VmftConf) conf = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (write (fd, data, size), ==, size);
  conf = vmft_conf_load (path, &error);
  close (fd);
  if (conf != NULL)
    {
      g_autoptr (GVariant) record = g_variant_ref_sink (vmft_conf_to_variant (conf));

      g_assert_true (g_variant_is_of_type (record, G_VARIANT_TYPE_VARDICT));
      return 0;
    }
  g_assert_nonnull (error);
  g_assert_cmpint (error->domain, ==, VMFT_ERROR);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  return 0;
}
