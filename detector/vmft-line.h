/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-time.h"

G_BEGIN_DECLS

/**
 * VmftTrust:
 * @VMFT_TRUST_NONE: anyone on the network could have written it (UDP).
 * @VMFT_TRUST_CLAIMED: files and syslog sockets: any local user can forge a "kernel" line there.
 * @VMFT_TRUST_KERNEL: kmsg records of facility 0, journal entries with `_TRANSPORT=kernel`, or a source that
 * the operator marked trust=kernel.
 *
 * Whether a line that says it is the kernel's may be believed: a property of the source, never of the text.
 */
typedef enum
{
  VMFT_TRUST_NONE,
  VMFT_TRUST_CLAIMED,
  VMFT_TRUST_KERNEL,
} VmftTrust;

/** VmftSlice: borrowed bytes, not NUL-terminated; @data is never NULL in a split line. */
typedef struct
{
  const char *data;
  gsize length;
} VmftSlice;

/**
 * VmftLine:
 * @time_us: the line's own time; 0 when it has none (without a year: the year nearest to arrival)
 * @arrival_us: when it came to us
 * @uptime_us: from kmsg or the printk stamp "[   42.132541]"; -1 when none
 * @host: the host it names; in a QEMU log line the guest's name; may be empty
 * @program: the tag, without pid and colon; may be empty
 * @text: the message, printk stamp removed
 * @pid: 0 when unknown
 * @level: syslog severity 0..7; -1 when unknown
 * @kernel: the line says it is the kernel's; whether to believe it is @trust
 * @trust: see vmft_line_split() and vmft_line_from_journal()
 *
 * One log line, taken apart. The slices point into the caller's bytes, but for a program that the format
 * implies ("kernel", "libvirt"), which is a constant.
 */
typedef struct
{
  VmftTime time_us;
  VmftTime arrival_us;
  gint64 uptime_us;
  VmftSlice host, program, text;
  gint pid;
  gint level;
  gboolean kernel;
  VmftTrust trust;
} VmftLine;

/**
 * VmftLineFormat:
 * @VMFT_LINE_AUTO: look at the line (never taken for @VMFT_LINE_KMSG's trust, whatever it looks like)
 * @VMFT_LINE_BARE: a message without a header; a printk stamp is still taken off
 * @VMFT_LINE_RFC3164: `[<PRI>]Nov 23 08:33:48 host program[pid]: text`
 * @VMFT_LINE_RFC5424: `<PRI>1 2026-11-23T08:33:48.4Z host program pid msgid [data] text`
 * @VMFT_LINE_ISO: rsyslog's file format, `2026-11-23T08:33:48.413755+00:00 host program[pid]: text`
 * @VMFT_LINE_KMSG: a record of /dev/kmsg, `6,1234,5678901,-;text`, continuation lines ignored
 * @VMFT_LINE_DMESG: `[   12.345678] text`, also `<6>[…]`, `dmesg -T` and `dmesg --time-format=iso`
 * @VMFT_LINE_QEMU: `2026-11-23T08:36:36.718141Z vm1 qemu-system-x86_64: text` (guest name optional)
 * @VMFT_LINE_LIBVIRT: `2024-02-05 10:00:00.123+0000: 1234: error : function:123 : text`
 */
typedef enum
{
  VMFT_LINE_AUTO,
  VMFT_LINE_BARE,
  VMFT_LINE_RFC3164,
  VMFT_LINE_RFC5424,
  VMFT_LINE_ISO,
  VMFT_LINE_KMSG,
  VMFT_LINE_DMESG,
  VMFT_LINE_QEMU,
  VMFT_LINE_LIBVIRT,
} VmftLineFormat;

/**
 * vmft_line_split:
 * @line: (out caller-allocates): filled whatever the bytes are; borrows from @data
 * @format: what the source delivers, or %VMFT_LINE_AUTO
 * @data: bytes of one line; need not be UTF-8; a newline at the end is dropped
 * @length: how many
 * @arrival_us: when the line arrived; it gives RFC 3164 times their year
 *
 * Splits the header off a log line: linear, no allocation, no failure. What does not parse as @format is bare
 * text. @trust is %VMFT_TRUST_KERNEL only for %VMFT_LINE_KMSG asked for by name and facility 0 (the kernel
 * does not let user space write that, Documentation/ABI/testing/dev-kmsg), otherwise %VMFT_TRUST_CLAIMED; the
 * source lowers it (UDP) or raises it (trust=kernel).
 *
 * Returns: whether there was a header; %FALSE means that all of @data is @text.
 */
gboolean
vmft_line_split (VmftLine *line, VmftLineFormat format, const char *data, gsize length, VmftTime arrival_us);

/**
 * VmftJournalFields:
 *
 * The fields of a journal entry that matter here, values only (no "NAME="), empty when absent;
 * systemd.journal-fields(7). @realtime_us is sd_journal_get_realtime_usec().
 */
typedef struct
{
  VmftTime realtime_us;
  VmftSlice message;                    /* MESSAGE */
  VmftSlice transport;                  /* _TRANSPORT */
  VmftSlice hostname;                   /* _HOSTNAME */
  VmftSlice identifier;                 /* SYSLOG_IDENTIFIER */
  VmftSlice comm;                       /* _COMM */
  VmftSlice pid;                        /* _PID, else SYSLOG_PID */
  VmftSlice priority;                   /* PRIORITY */
  VmftSlice source_realtime_timestamp;  /* _SOURCE_REALTIME_TIMESTAMP */
  VmftSlice source_monotonic_timestamp; /* _SOURCE_MONOTONIC_TIMESTAMP */
} VmftJournalFields;

/**
 * vmft_line_from_journal:
 * @line: (out caller-allocates): borrows from @fields
 * @fields: values of one entry
 * @arrival_us: when it arrived
 *
 * @kernel and %VMFT_TRUST_KERNEL come from `_TRANSPORT=kernel`, which journald sets itself: fields with a
 * leading underscore cannot be forged by clients.
 */
void vmft_line_from_journal (VmftLine *line, const VmftJournalFields *fields, VmftTime arrival_us);

G_END_DECLS
