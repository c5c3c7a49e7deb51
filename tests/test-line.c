/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-line.h"

#include <string.h>

#define UTC(s, us) ((VmftTime) (s) *G_USEC_PER_SEC + (us))

/* 2026-11-23T08:33:48Z */
#define SOME_S G_GINT64_CONSTANT (1795422828)

typedef struct
{
  VmftLineFormat format;
  const char *line;
  const char *host, *program, *text;
  VmftTime time_us;
  gint64 uptime_us;
  int pid, level;
  gboolean kernel;
} Case;

static void
assert_slice (VmftSlice slice, const char *expected)
{
  g_autofree char *text = g_strndup (slice.data, slice.length);

  g_assert_cmpstr (text, ==, expected);
}

static void
assert_case (const Case *c)
{
  VmftLine line;
  gboolean header = vmft_line_split (&line, c->format, c->line, strlen (c->line), UTC (SOME_S, 0));

  g_test_message ("%s", c->line);
  g_assert_cmpint (header, ==, c->time_us != 0 || c->level >= 0 || c->program[0] != '\0');
  assert_slice (line.host, c->host);
  assert_slice (line.program, c->program);
  assert_slice (line.text, c->text);
  g_assert_cmpint (line.time_us, ==, c->time_us);
  g_assert_cmpint (line.arrival_us, ==, UTC (SOME_S, 0));
  g_assert_cmpint (line.uptime_us, ==, c->uptime_us);
  g_assert_cmpint (line.pid, ==, c->pid);
  g_assert_cmpint (line.level, ==, c->level);
  g_assert_cmpint (line.kernel, ==, c->kernel);
}

static void
test_formats (void)
{
  static const Case cases[] = {
    { VMFT_LINE_ISO, "2026-11-23T08:33:48.413755+00:00 host01 kernel: [   42.132541] device eth0 entered",
      "host01", "kernel", "device eth0 entered", UTC (SOME_S, 413755), 42132541, 0, -1, TRUE },
    { VMFT_LINE_ISO, "2026-11-23T10:33:48+02:00 host01 sshd[811]: [  1.000000] no stamp\r\n", "host01",
      "sshd", "[  1.000000] no stamp", UTC (SOME_S, 0), -1, 811, -1, FALSE },
    { VMFT_LINE_ISO, "2026-11-23T08:33:48Z host01 kernel: [    0.000000] \tindented", "host01", "kernel",
      "\tindented", UTC (SOME_S, 0), 0, 0, -1, TRUE },
    { VMFT_LINE_ISO, "2026-11-23T08:33:48Z host01 kernel[5]: not it", "host01", "kernel", "not it",
      UTC (SOME_S, 0), -1, 5, -1, FALSE },
    { VMFT_LINE_ISO, "2026-11-23T08:33:48Z host01 no tag: here", "host01", "", "no tag: here",
      UTC (SOME_S, 0), -1, 0, -1, FALSE },
    { VMFT_LINE_RFC3164, "<4>Nov 23 08:33:48 host01 kernel: [ 7.000001][    T1] x", "host01", "kernel", "x",
      UTC (SOME_S, 0), 7000001, 0, 4, TRUE },
    { VMFT_LINE_RFC3164, "<30>Nov  3 08:33:48 systemd[1]: Started.", "", "systemd", "Started.",
      UTC (SOME_S - 20 * 86400, 0), -1, 1, 6, FALSE },
    { VMFT_LINE_RFC3164, "Jan  2 00:00:00 h a/b.c: d", "h", "a/b.c", "d", UTC (1798848000, 0), -1, 0, -1,
      FALSE },
    { VMFT_LINE_RFC5424,
      "<11>1 2026-11-23T08:33:48.413755Z host01 qemu 77 ID1 [a b=\"c]\\\"\"][d] \xef\xbb\xbfhi", "host01",
      "qemu", "hi", UTC (SOME_S, 413755), -1, 77, 3, FALSE },
    { VMFT_LINE_RFC5424, "<6>1 2026-11-23T08:33:48Z host01 kernel - - - [   42.132541] up", "host01",
      "kernel", "up", UTC (SOME_S, 0), 42132541, 0, 6, TRUE },
    { VMFT_LINE_RFC5424, "<14>1 - - - - - -", "", "", "", 0, -1, 0, 6, FALSE },
    { VMFT_LINE_KMSG, "6,1234,5678901,-;link up\n SUBSYSTEM=pci\n", "", "kernel", "link up", 0, 5678901, 0, 6,
      TRUE },
    { VMFT_LINE_KMSG, "30,1,2,-,caller=T1;systemd[1]: hello", "", "systemd", "hello", 0, 2, 1, 6, FALSE },
    { VMFT_LINE_DMESG, "[   42.132541] link up", "", "kernel", "link up", 0, 42132541, 0, -1, TRUE },
    { VMFT_LINE_DMESG, "<3>[   42.132541] link down", "", "kernel", "link down", 0, 42132541, 0, 3, TRUE },
    { VMFT_LINE_DMESG, "[Mon Nov 23 08:33:48 2026] link up", "", "kernel", "link up", UTC (SOME_S, 0), -1, 0,
      -1, TRUE },
    { VMFT_LINE_DMESG, "2026-11-23T08:33:48,413755+00:00 link up", "", "kernel", "link up",
      UTC (SOME_S, 413755), -1, 0, -1, TRUE },
    { VMFT_LINE_QEMU, "2026-11-23T08:33:48.718141Z vm1 qemu-system-x86_64: terminating on signal 15", "vm1",
      "qemu-system-x86_64", "terminating on signal 15", UTC (SOME_S, 718141), -1, 0, -1, FALSE },
    { VMFT_LINE_QEMU, "2026-11-23T08:33:48.718141Z qemu-system-x86_64: warning: x", "", "qemu-system-x86_64",
      "warning: x", UTC (SOME_S, 718141), -1, 0, -1, FALSE },
    { VMFT_LINE_LIBVIRT, "2026-11-23 08:33:48.100+0000: 1234: error : virFunc:123 : no domain : x", "",
      "libvirt", "no domain : x", UTC (SOME_S, 100000), -1, 1234, 3, FALSE },
    { VMFT_LINE_LIBVIRT, "2026-11-23 08:33:48.100+0000: shutting down, reason=crashed", "", "libvirt",
      "shutting down, reason=crashed", UTC (SOME_S, 100000), -1, 0, -1, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Case c = cases[i];

      assert_case (&c);
      /* The line alone tells as much, but for dmesg's ISO form, which looks like syslog's. */
      c.format = VMFT_LINE_AUTO;
      if (strstr (c.line, "48,413755") == NULL)
        assert_case (&c);
    }
}

static void
test_not_headers (void)
{
  static const char *const lines[] = {
    "",
    "-",
    "<",
    "<999>x",
    "<>",
    "<1",
    "just words: here",
    "2026-11-23",
    "2026-13-23T08:33:48Z host x: y",
    "2026-11-23T08:33:48.413755+99:00 host01 kernel: z",
    "6,1234,abc,-;text",
    "6,1234,5678901,-",
    "Nov 23",
    "Nov 99 08:33:48 host x: y",
    "[Mon Nov 23 08:33:48 2026",
    "[not a stamp] x",
    "[   42.13] x",
    "\xff\xfe\xfd",
    "99999999999999999999999999",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      VmftLine line;

      g_assert_false (vmft_line_split (&line, VMFT_LINE_AUTO, lines[i], strlen (lines[i]), 0));
      assert_slice (line.text, lines[i]);
      assert_slice (line.host, "");
      assert_slice (line.program, "");
      g_assert_cmpint (line.time_us, ==, 0);
      g_assert_false (line.kernel);
    }
}

static void
test_bare (void)
{
  VmftLine line;

  g_assert_false (vmft_line_split (&line, VMFT_LINE_BARE, "[    1.500000] up", 17, 5));
  assert_slice (line.text, "up");
  g_assert_cmpint (line.uptime_us, ==, 1500000);
  g_assert_false (vmft_line_split (&line, VMFT_LINE_BARE, "<3>x", 4, 5));
  assert_slice (line.text, "<3>x");
  g_assert_false (vmft_line_split (&line, VMFT_LINE_AUTO, NULL, 0, 5));
  g_assert_nonnull (line.text.data);
}

/* A kernel line is a matter of where it comes from. */
static void
test_trust (void)
{
  static const char record[] = "2,1,1,-;fault";
  VmftLine line;

  vmft_line_split (&line, VMFT_LINE_KMSG, record, strlen (record), 0);
  g_assert_cmpint (line.trust, ==, VMFT_TRUST_KERNEL);
  vmft_line_split (&line, VMFT_LINE_AUTO, record, strlen (record), 0);
  g_assert_true (line.kernel);
  g_assert_cmpint (line.trust, ==, VMFT_TRUST_CLAIMED);
  vmft_line_split (&line, VMFT_LINE_KMSG, "10,1,1,-;kernel: fault", 22, 0);
  g_assert_cmpint (line.trust, ==, VMFT_TRUST_CLAIMED);
  g_assert_false (line.kernel);
  vmft_line_split (&line, VMFT_LINE_AUTO, "2026-11-23T08:33:48Z h kernel: fault", 36, 0);
  g_assert_true (line.kernel);
  g_assert_cmpint (line.trust, ==, VMFT_TRUST_CLAIMED);
}

/* Without a year: the one that brings the line nearest to its arrival, over New Year both ways. */
static void
test_years (void)
{
  static const char december[] = "Dec 31 23:59:59 h a: b", january[] = "Jan  1 00:00:01 h a: b",
                    leap[] = "Feb 29 12:00:00 h a: b";
  const VmftTime new_year = UTC (1798761600, 0); /* 2027 */
  VmftLine line;

  vmft_line_split (&line, VMFT_LINE_AUTO, december, strlen (december), new_year + UTC (5, 0));
  g_assert_cmpint (line.time_us, ==, new_year - UTC (1, 0));
  vmft_line_split (&line, VMFT_LINE_AUTO, january, strlen (january), new_year - UTC (5, 0));
  g_assert_cmpint (line.time_us, ==, new_year + UTC (1, 0));
  vmft_line_split (&line, VMFT_LINE_AUTO, january, strlen (january), 0);
  g_assert_cmpint (line.time_us, ==, 0);
  vmft_line_split (&line, VMFT_LINE_AUTO, leap, strlen (leap), new_year);
  g_assert_cmpint (line.time_us, ==, 0); /* neither year has that day */
  assert_slice (line.text, "b");
}

static VmftSlice
slice (const char *text)
{
  return (VmftSlice){ text, strlen (text) };
}

static void
test_journal (void)
{
  VmftJournalFields fields = { .realtime_us = 77 };
  VmftLine line;

  vmft_line_from_journal (&line, &fields, 99);
  assert_slice (line.text, "");
  g_assert_cmpint (line.time_us, ==, 77);
  g_assert_cmpint (line.arrival_us, ==, 99);
  g_assert_false (line.kernel);

  fields.message = slice ("link down");
  fields.transport = slice ("kernel");
  fields.hostname = slice ("host01");
  fields.identifier = slice ("kernel");
  fields.priority = slice ("3");
  fields.source_monotonic_timestamp = slice ("1234567");
  vmft_line_from_journal (&line, &fields, 99);
  assert_slice (line.text, "link down");
  assert_slice (line.host, "host01");
  g_assert_cmpint (line.level, ==, 3);
  g_assert_cmpint (line.uptime_us, ==, 1234567);
  g_assert_true (line.kernel);
  g_assert_cmpint (line.trust, ==, VMFT_TRUST_KERNEL);

  /* Who calls himself kernel over syslog is not. */
  fields.transport = slice ("syslog");
  fields.pid = slice ("4711");
  fields.priority = slice ("junk");
  fields.source_realtime_timestamp = slice ("88");
  vmft_line_from_journal (&line, &fields, 99);
  g_assert_false (line.kernel);
  g_assert_cmpint (line.trust, ==, VMFT_TRUST_CLAIMED);
  g_assert_cmpint (line.pid, ==, 4711);
  g_assert_cmpint (line.level, ==, -1);
  g_assert_cmpint (line.time_us, ==, 88);
}

/* Every prefix, and every byte struck out, of every kind of line: no byte outside is touched. */
static void
test_cut_and_struck (void)
{
  static const char *const lines[] = {
    "<11>1 2026-11-23T08:33:48.413755Z host01 qemu 77 ID1 [a b=\"c]\\\"\"][d] hi",
    "2026-11-23T08:33:48.413755+00:00 host01 kernel: [   42.132541][    T1] x",
    "<4>Nov 23 08:33:48 host01 kernel: [ 7.000001] x",
    "6,1234,5678901,-,caller=T1;link up\n A=B\n",
    "[Mon Nov 23 08:33:48 2026] link up",
    "2026-11-23 08:33:48.100+0000: 1234: error : virFunc:123 : no domain",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      gsize length = strlen (lines[i]);

      for (gsize at = 0; at <= length; at++)
        {
          g_autofree char *cut = g_memdup2 (lines[i], at);
          g_autofree char *struck = g_memdup2 (lines[i], length);
          VmftLine line;

          vmft_line_split (&line, VMFT_LINE_AUTO, cut, at, 1);
          g_assert_true (line.text.data >= cut || at == 0);
          if (at < length)
            struck[at] = '\xff';
          for (int format = VMFT_LINE_AUTO; format <= VMFT_LINE_LIBVIRT; format++)
            vmft_line_split (&line, format, struck, length, 1);
        }
    }
}

int
main (int argc, char **argv)
{
  g_setenv ("TZ", "UTC", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/line/formats", test_formats);
  g_test_add_func ("/line/not-headers", test_not_headers);
  g_test_add_func ("/line/bare", test_bare);
  g_test_add_func ("/line/trust", test_trust);
  g_test_add_func ("/line/years", test_years);
  g_test_add_func ("/line/journal", test_journal);
  g_test_add_func ("/line/cut-and-struck", test_cut_and_struck);
  return g_test_run ();
}
