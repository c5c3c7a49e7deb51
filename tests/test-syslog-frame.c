/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/vmft-syslog-frame.h"

#include <string.h>

/* Feeds @text in pieces of @piece bytes; what comes out, joined by '|'. */
static char *
cut (const char *text, gsize length, gsize piece, VmftSyslogFrameStats *stats)
{
  g_autoptr (VmftSyslogFramer) framer = vmft_syslog_framer_new (stats);
  g_autoptr (GArray) frames = g_array_new (FALSE, FALSE, sizeof (VmftSlice));
  g_autoptr (GString) out = g_string_new (NULL);

  for (gsize i = 0; i <= length; i += piece)
    {
      gsize space = 0, n = MIN (piece, length - i);
      char *buffer = vmft_syslog_framer_reserve (framer, &space);

      g_assert_cmpuint (space, >=, 64 * 1024);
      g_array_set_size (frames, 0);
      memcpy (buffer, text + i, n);
      vmft_syslog_framer_commit (framer, n, frames);
      if (i + piece > length)
        vmft_syslog_framer_finish (framer, frames);
      for (guint j = 0; j < frames->len; j++)
        {
          const VmftSlice *slice = &g_array_index (frames, VmftSlice, j);

          g_string_append_len (out, slice->data, (gssize) slice->length);
          g_string_append_c (out, '|');
        }
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static void
test_frames (void)
{
  static const char *const pairs[][2] = {
    { "<3>one\n<4>two\n", "<3>one|<4>two|" },
    { "6 <3>one6 <4>two", "<3>one|<4>two|" },
    { "7 <3>one\n<4>two\n6 <5>tri\n\n", "<3>one|<4>two|<5>tri|" },
    { "<3>crlf\r\n\r\n<4>unfinished", "<3>crlf|<4>unfinished|" },
    { "15 <3>two\nlines in<4>x\n", "<3>two\nlines in|<4>x|" },
    { "2026-11-23T08:33:48Z host kernel: text\n", "2026-11-23T08:33:48Z host kernel: text|" },
    { "42 is a number\n007 <3>no count\n", "42 is a number|007 <3>no count|" },
    { "123456789 <3>digits without end\n", "123456789 <3>digits without end|" },
    { "99 <3>shorter than it says", "<3>shorter than it says|" },
    { "12", "12|" },
    { "", "" },
    { "\n\n\n", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    for (gsize piece = 1; piece < 40; piece++)
      {
        VmftSyslogFrameStats stats = { 0 };
        g_autofree char *out = cut (pairs[i][0], strlen (pairs[i][0]), piece, &stats);

        g_assert_cmpstr (out, ==, pairs[i][1]);
        g_assert_cmpuint (stats.bytes, ==, strlen (pairs[i][0]));
        g_assert_cmpuint (stats.cut_frames, ==, 0);
      }
}

static void
test_nul (void)
{
  static const char text[] = "<3>old sender\0\n\0<4>in\0side\n";
  VmftSyslogFrameStats stats = { 0 };
  g_autofree char *out = cut (text, sizeof text - 1, 5, &stats);

  g_assert_cmpmem (out, 22, "<3>old sender|<4>in\0si", 22);
  g_assert_cmpuint (stats.frames, ==, 2);
}

static void
test_long (void)
{
  static const gsize lengths[] = { VMFT_SYSLOG_MAX_FRAME, VMFT_SYSLOG_MAX_FRAME + 1, 200000, 5000000 };
  static const gsize pieces[] = { 1000, 65536 };

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    for (guint counted = 0; counted < 2; counted++)
      for (guint j = 0; j < G_N_ELEMENTS (pieces); j++)
        {
          VmftSyslogFrameStats stats = { 0 };
          g_autofree char *body = g_strnfill (lengths[i], 'x');
          g_autofree char *text =
              counted ? g_strdup_printf ("%" G_GSIZE_FORMAT " <%s<4>next\n", lengths[i], body + 1)
                      : g_strdup_printf ("<%s\n<4>next\n", body + 1);
          g_autofree char *out = cut (text, strlen (text), pieces[j], &stats);

          g_assert_cmpuint (stats.frames, ==, 2);
          g_assert_cmpuint (stats.cut_frames, ==, lengths[i] > VMFT_SYSLOG_MAX_FRAME);
          g_assert_cmpuint (stats.cut_bytes, ==, lengths[i] - MIN (lengths[i], VMFT_SYSLOG_MAX_FRAME));
          g_assert_true (g_str_has_suffix (out, "|<4>next|"));
          g_assert_cmpuint (strlen (out), ==, MIN (lengths[i], VMFT_SYSLOG_MAX_FRAME) + 9);
        }
}

/* A byte at a time costs no more than all at once: 64 KiB searched again for each byte would be 2 GiB. */
static void
test_drip_is_linear (void)
{
  g_autofree char *text = g_strnfill (VMFT_SYSLOG_MAX_FRAME * 4, 'x');
  VmftSyslogFrameStats stats = { 0 };
  gint64 begun_us = g_get_monotonic_time ();
  g_autofree char *out = cut (text, strlen (text), 7, &stats);

  g_assert_cmpuint (strlen (out), ==, VMFT_SYSLOG_MAX_FRAME + 1);
  g_assert_cmpint (g_get_monotonic_time () - begun_us, <, 2 * G_USEC_PER_SEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/syslog-frame/frames", test_frames);
  g_test_add_func ("/syslog-frame/nul", test_nul);
  g_test_add_func ("/syslog-frame/long", test_long);
  g_test_add_func ("/syslog-frame/drip", test_drip_is_linear);
  return g_test_run ();
}
