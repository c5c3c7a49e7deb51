/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TCP stream that claims to be syslog, cut at places of the fuzzer's choice. */
#include "daemon/vmft-syslog-frame.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_frames (GArray *frames)
{
  for (guint i = 0; i < frames->len; i++)
    {
      const VmftSlice *slice = &g_array_index (frames, VmftSlice, i);
      guint8 sum = 0;

      g_assert_cmpuint (slice->length, >, 0);
      g_assert_cmpuint (slice->length, <=, VMFT_SYSLOG_MAX_FRAME);
      for (gsize j = 0; j < slice->length; j++)
        sum = (guint8) (sum + (guint8) slice->data[j]); /* every byte of it can be read */
      g_assert_cmpint (sum, <=, 255);
    }
  g_array_set_size (frames, 0);
}

/* The first byte says how long pieces are, the second how often the input is repeated. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  VmftSyslogFrameStats stats = { 0 };
  g_autoptr (VmftSyslogFramer) framer = vmft_syslog_framer_new (&stats);
  g_autoptr (GArray) frames = g_array_new (FALSE, FALSE, sizeof (VmftSlice));
  guint64 fed = 0;

  if (size < 3)
    return 0;
  for (guint round = 0; round <= data[1] % 64; round++)
    for (gsize i = 2; i < size;)
      {
        gsize space = 0, n = MIN (size - i, (gsize) data[0] * 16 + 1);
        char *buffer = vmft_syslog_framer_reserve (framer, &space);

        g_assert_cmpuint (space, >=, 64 * 1024);
        n = MIN (n, space);
        memcpy (buffer, data + i, n);
        vmft_syslog_framer_commit (framer, n, frames);
        check_frames (frames);
        i += n;
        fed += n;
      }
  vmft_syslog_framer_finish (framer, frames);
  check_frames (frames);
  g_assert_cmpuint (stats.bytes, ==, fed);
  return 0;
}
