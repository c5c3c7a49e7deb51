/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that claim to be a log line: split as every kind of line there is. */
#include "vmft-line.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* A slice lies within the input, or is one of the few names that the splitter gives itself. */
static void
check_slice (VmftSlice slice, const char *data, gsize size)
{
  guint8 sum = 0;

  g_assert_nonnull (slice.data);
  for (gsize i = 0; i < slice.length; i++)
    sum ^= (guint8) slice.data[i]; /* every byte of it can be read */
  g_assert_cmpint (sum, <=, 255);
  if (slice.data >= data && slice.data <= data + size)
    g_assert_cmpuint (slice.length, <=, (gsize) (data + size - slice.data));
  else
    g_assert_cmpuint (slice.length, <=, sizeof "libvirt");
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const VmftTime arrival_us = G_GINT64_CONSTANT (1795422828000000);
  g_autofree char *copy = g_memdup2 (data, size);
  const char *text = copy != NULL ? copy : "";

  for (int format = VMFT_LINE_AUTO; format <= VMFT_LINE_LIBVIRT; format++)
    {
      VmftLine line;
      gboolean header = vmft_line_split (&line, (VmftLineFormat) format, text, size, arrival_us);

      check_slice (line.host, text, size);
      check_slice (line.program, text, size);
      check_slice (line.text, text, size);
      g_assert_true (line.level >= -1 && line.level <= 7);
      g_assert_true (line.pid >= 0 && line.uptime_us >= -1 && line.time_us >= 0);
      g_assert_true (header || !line.kernel);
      g_assert_true (line.trust == VMFT_TRUST_CLAIMED || (format == VMFT_LINE_KMSG && line.kernel));
    }
  return 0;
}
