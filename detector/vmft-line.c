/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-line.h"

#include "vmft-line-time.h"

#include <string.h>

#define FACILITY_KERN 0
#define PRI_MAX       191 /* local7.debug, RFC 5424 section 6.2.1 */

static inline gboolean
slice_is (VmftSlice slice, const char *text)
{
  return slice.length == strlen (text) && memcmp (slice.data, text, slice.length) == 0;
}

static inline VmftSlice
rest (const VmftCursor *cursor)
{
  return (VmftSlice){ cursor->p, (gsize) (cursor->end - cursor->p) };
}

/* The bytes up to the next space, which is skipped. */
static VmftSlice
word (VmftCursor *cursor)
{
  const char *start = cursor->p;
  const char *space = memchr (start, ' ', (gsize) (cursor->end - start));

  cursor->p = space != NULL ? space + 1 : cursor->end;
  return (VmftSlice){ start, (gsize) ((space != NULL ? space : cursor->end) - start) };
}

/* `[   42.132541] `, with CONFIG_PRINTK_CALLER also `[   42.132541][    T1] `. */
static gboolean
printk_stamp (VmftCursor *cursor, gint64 *uptime_us)
{
  VmftCursor c = *cursor;
  gint64 seconds, us;

  if (!vmft_cursor_skip (&c, '['))
    return FALSE;
  while (vmft_cursor_skip (&c, ' '))
    ;
  if (!vmft_cursor_number (&c, 1, 12, &seconds) || !vmft_cursor_skip (&c, '.') ||
      !vmft_cursor_number (&c, 6, 6, &us) || !vmft_cursor_skip (&c, ']'))
    return FALSE;
  if (vmft_cursor_skip (&c, '['))
    {
      VmftCursor caller = c;
      gint64 number;

      while (vmft_cursor_skip (&caller, ' '))
        ;
      if ((vmft_cursor_skip (&caller, 'T') || vmft_cursor_skip (&caller, 'C')) &&
          vmft_cursor_number (&caller, 1, 10, &number) && vmft_cursor_skip (&caller, ']'))
        c = caller;
      else
        c.p--;
    }
  vmft_cursor_skip (&c, ' ');
  *cursor = c;
  *uptime_us = seconds * G_USEC_PER_SEC + us;
  return TRUE;
}

/* The message behind the header: a kernel line loses its stamp. */
static void
take_text (VmftLine *line, VmftCursor *cursor)
{
  line->kernel = line->kernel || (slice_is (line->program, "kernel") && line->pid == 0);
  if (line->kernel)
    printk_stamp (cursor, &line->uptime_us);
  line->text = rest (cursor);
}

static gboolean
priority (VmftCursor *cursor, gint64 *pri)
{
  VmftCursor c = *cursor;

  if (!vmft_cursor_skip (&c, '<') || !vmft_cursor_number (&c, 1, 3, pri) || *pri > PRI_MAX ||
      !vmft_cursor_skip (&c, '>'))
    return FALSE;
  *cursor = c;
  return TRUE;
}

/* `program[pid]: `, `program: `; anything else is no tag and stays. */
static gboolean
tag (VmftLine *line, VmftCursor *cursor)
{
  VmftCursor c = *cursor;
  VmftSlice name = word (&c);
  gint64 pid = 0;

  if (name.length < 2 || name.data[name.length - 1] != ':')
    return FALSE;
  name.length--;
  if (name.data[name.length - 1] == ']')
    {
      const char *bracket = memchr (name.data, '[', name.length);
      VmftCursor number = { bracket != NULL ? bracket + 1 : cursor->end, cursor->end };

      if (!vmft_cursor_number (&number, 1, 9, &pid) || number.p != name.data + name.length - 1)
        return FALSE;
      name.length = (gsize) (bracket - name.data);
    }
  if (name.length == 0 || memchr (name.data, ':', name.length) != NULL)
    return FALSE;
  line->program = name;
  line->pid = (gint) pid;
  *cursor = c;
  return TRUE;
}

/* `host program[pid]: text`. What logs to /dev/log leaves the host out; a message may come without a tag. */
static void
host_and_tag (VmftLine *line, VmftCursor *cursor)
{
  if (!tag (line, cursor))
    {
      line->host = word (cursor);
      tag (line, cursor);
    }
  take_text (line, cursor);
}

static gboolean
split_iso (VmftLine *line, VmftCursor cursor)
{
  if (!vmft_cursor_iso_time (&cursor, &line->time_us) || !vmft_cursor_skip (&cursor, ' '))
    return FALSE;
  host_and_tag (line, &cursor);
  return TRUE;
}

static gboolean
split_rfc3164 (VmftLine *line, VmftCursor cursor)
{
  if (!vmft_cursor_bsd_time (&cursor, line->arrival_us, &line->time_us) || !vmft_cursor_skip (&cursor, ' '))
    return FALSE;
  host_and_tag (line, &cursor);
  return TRUE;
}

/* Structured data: `-`, or elements in brackets whose quoted values escape `"`, `\` and `]`. */
static gboolean
skip_structured_data (VmftCursor *cursor)
{
  gboolean quoted = FALSE;

  if (vmft_cursor_skip (cursor, '-'))
    return TRUE;
  if (cursor->p >= cursor->end || *cursor->p != '[')
    return FALSE;
  for (; cursor->p < cursor->end; cursor->p++)
    {
      if (quoted && *cursor->p == '\\' && cursor->end - cursor->p > 1)
        cursor->p++;
      else if (*cursor->p == '"')
        quoted = !quoted;
      else if (!quoted && *cursor->p == ']' && (cursor->end - cursor->p == 1 || cursor->p[1] != '['))
        {
          cursor->p++;
          return TRUE;
        }
    }
  return FALSE;
}

static VmftSlice
word_or_nil (VmftCursor *cursor)
{
  VmftSlice slice = word (cursor);

  if (slice_is (slice, "-"))
    slice.length = 0;
  return slice;
}

/* After `<PRI>`: `1 time host program procid msgid data text`. */
static gboolean
split_rfc5424 (VmftLine *line, VmftCursor cursor)
{
  VmftSlice procid;
  VmftCursor number;
  gint64 pid = 0;

  if (!vmft_cursor_skip (&cursor, '1') || !vmft_cursor_skip (&cursor, ' '))
    return FALSE;
  if (!vmft_cursor_skip (&cursor, '-') && !vmft_cursor_iso_time (&cursor, &line->time_us))
    return FALSE;
  if (!vmft_cursor_skip (&cursor, ' '))
    return FALSE;
  line->host = word_or_nil (&cursor);
  line->program = word_or_nil (&cursor);
  procid = word_or_nil (&cursor);
  word (&cursor);
  number = (VmftCursor){ procid.data, procid.data + procid.length };
  if (vmft_cursor_number (&number, 1, 9, &pid) && number.p == number.end)
    line->pid = (gint) pid;
  if (!skip_structured_data (&cursor) || (cursor.p < cursor.end && !vmft_cursor_skip (&cursor, ' ')))
    return FALSE;
  if (cursor.end - cursor.p >= 3 && memcmp (cursor.p, "\xef\xbb\xbf", 3) == 0)
    cursor.p += 3;
  take_text (line, &cursor);
  return TRUE;
}

/* `6,1234,5678901,-;text`, Documentation/ABI/testing/dev-kmsg. */
static gboolean
split_kmsg (VmftLine *line, VmftCursor cursor, gboolean trusted)
{
  const char *newline = memchr (cursor.p, '\n', (gsize) (cursor.end - cursor.p));
  gint64 prefix, sequence, uptime_us;
  const char *semicolon;

  if (!vmft_cursor_number (&cursor, 1, 9, &prefix) || !vmft_cursor_skip (&cursor, ',') ||
      !vmft_cursor_number (&cursor, 1, 18, &sequence) || !vmft_cursor_skip (&cursor, ',') ||
      !vmft_cursor_number (&cursor, 1, 18, &uptime_us) || !vmft_cursor_skip (&cursor, ','))
    return FALSE;
  if (newline != NULL)
    cursor.end = newline;
  if (cursor.p > cursor.end || (semicolon = memchr (cursor.p, ';', (gsize) (cursor.end - cursor.p))) == NULL)
    return FALSE;
  cursor.p = semicolon + 1;
  line->level = (gint) (prefix & 7);
  line->uptime_us = uptime_us;
  line->kernel = prefix >> 3 == FACILITY_KERN;
  if (line->kernel)
    {
      line->program = (VmftSlice){ "kernel", strlen ("kernel") };
      line->trust = trusted ? VMFT_TRUST_KERNEL : line->trust;
    }
  else
    {
      tag (line, &cursor);
    }
  line->text = rest (&cursor);
  return TRUE;
}

/* The kernel's ring buffer as dmesg prints it; only a record of its own says whose a line is. */
static gboolean
split_dmesg (VmftLine *line, VmftCursor cursor)
{
  VmftCursor c = cursor;

  if (printk_stamp (&c, &line->uptime_us))
    {
      cursor = c;
    }
  else if (vmft_cursor_skip (&c, '[') && vmft_cursor_ctime (&c, &line->time_us) && vmft_cursor_skip (&c, ']'))
    {
      vmft_cursor_skip (&c, ' ');
      cursor = c;
    }
  else
    {
      if (!vmft_cursor_iso_time (&cursor, &line->time_us) || !vmft_cursor_skip (&cursor, ' '))
        return FALSE;
    }
  line->kernel = TRUE;
  line->program = (VmftSlice){ "kernel", strlen ("kernel") };
  line->text = rest (&cursor);
  return TRUE;
}

/* `error : function:123 : ` before the message, as libvirt's virLogFormatString() writes it. */
static void
libvirt_level (VmftLine *line, VmftCursor *cursor)
{
  static const struct
  {
    const char *name;
    int level;
  } levels[] = { { "debug : ", 7 }, { "info : ", 6 }, { "warning : ", 4 }, { "error : ", 3 } };
  VmftSlice text = rest (cursor);
  const char *colon;

  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++)
    {
      gsize length = strlen (levels[i].name);

      if (text.length < length || memcmp (text.data, levels[i].name, length) != 0)
        continue;
      line->level = levels[i].level;
      cursor->p += length;
      text = rest (cursor);
      colon = g_strstr_len (text.data, (gssize) MIN (text.length, 160), " : ");
      if (colon != NULL && memchr (text.data, ' ', (gsize) (colon - text.data)) == NULL)
        cursor->p = colon + 3;
      return;
    }
}

static gboolean
split_libvirt (VmftLine *line, VmftCursor cursor)
{
  VmftCursor c;
  gint64 thread;

  if (!vmft_cursor_iso_time (&cursor, &line->time_us) || !vmft_cursor_skip (&cursor, ':') ||
      !vmft_cursor_skip (&cursor, ' '))
    return FALSE;
  line->program = (VmftSlice){ "libvirt", strlen ("libvirt") };
  c = cursor;
  if (vmft_cursor_number (&c, 1, 9, &thread) && vmft_cursor_skip (&c, ':') && vmft_cursor_skip (&c, ' '))
    {
      cursor = c;
      line->pid = (gint) thread;
      libvirt_level (line, &cursor);
    }
  line->text = rest (&cursor);
  return TRUE;
}

/* Each kind of header begins in a way of its own. */
static gboolean
split_auto (VmftLine *line, VmftCursor cursor, gboolean has_priority)
{
  char first = cursor.p < cursor.end ? *cursor.p : '\0';

  if (first == '[')
    return split_dmesg (line, cursor);
  if (g_ascii_isdigit (first))
    return (has_priority && split_rfc5424 (line, cursor)) || split_iso (line, cursor) ||
           split_libvirt (line, cursor) || split_kmsg (line, cursor, FALSE);
  return g_ascii_isupper (first) && split_rfc3164 (line, cursor);
}

static gboolean
split_as (VmftLine *line, VmftLineFormat format, VmftCursor cursor, gboolean has_priority)
{
  switch (format)
    {
    case VMFT_LINE_AUTO:
      return split_auto (line, cursor, has_priority);
    case VMFT_LINE_RFC3164:
      return split_rfc3164 (line, cursor);
    case VMFT_LINE_RFC5424:
      return split_rfc5424 (line, cursor);
    case VMFT_LINE_ISO:
    case VMFT_LINE_QEMU:
      return split_iso (line, cursor);
    case VMFT_LINE_KMSG:
      return split_kmsg (line, cursor, TRUE);
    case VMFT_LINE_DMESG:
      return split_dmesg (line, cursor);
    case VMFT_LINE_LIBVIRT:
      return split_libvirt (line, cursor);
    case VMFT_LINE_BARE:
    default:
      return FALSE;
    }
}

static void
init (VmftLine *line, const char *data, gsize length, VmftTime arrival_us)
{
  const VmftSlice empty = { data, 0 };

  *line = (VmftLine){
    .arrival_us = arrival_us,
    .uptime_us = -1,
    .host = empty,
    .program = empty,
    .text = { data, length },
    .level = -1,
    .trust = VMFT_TRUST_CLAIMED,
  };
}

gboolean
vmft_line_split (VmftLine *line, VmftLineFormat format, const char *data, gsize length, VmftTime arrival_us)
{
  VmftCursor cursor;
  gint64 pri = 0;
  gboolean has_priority;

  if (data == NULL)
    data = "";
  while (length > 0 && (data[length - 1] == '\n' || data[length - 1] == '\r' || data[length - 1] == '\0'))
    length--;
  init (line, data, length, arrival_us);
  cursor = (VmftCursor){ data, data + length };
  has_priority = format != VMFT_LINE_BARE && priority (&cursor, &pri);
  if (has_priority)
    line->level = (gint) (pri & 7);
  if (split_as (line, format, cursor, has_priority))
    return TRUE;

  init (line, data, length, arrival_us);
  if (has_priority)
    {
      /* `<PRI>` and no more: what is left may still have a tag. */
      line->level = (gint) (pri & 7);
      tag (line, &cursor);
      take_text (line, &cursor);
      return TRUE;
    }
  if (printk_stamp (&cursor, &line->uptime_us))
    line->text = rest (&cursor);
  return FALSE;
}

static gint64
slice_number (VmftSlice slice, gint64 fallback)
{
  VmftCursor cursor = { slice.data, slice.data };
  gint64 value;

  if (slice.length == 0)
    return fallback;
  cursor.end += slice.length;
  return vmft_cursor_number (&cursor, 1, 18, &value) && cursor.p == cursor.end ? value : fallback;
}

static VmftSlice
slice_or_empty (VmftSlice slice)
{
  return slice.data != NULL ? slice : (VmftSlice){ "", 0 };
}

void
vmft_line_from_journal (VmftLine *line, const VmftJournalFields *fields, VmftTime arrival_us)
{
  VmftSlice message = slice_or_empty (fields->message);
  gint64 level = slice_number (fields->priority, -1), pid = slice_number (fields->pid, 0);
  VmftCursor cursor = { message.data, message.data + message.length };

  init (line, message.data, message.length, arrival_us);
  line->time_us = slice_number (fields->source_realtime_timestamp, fields->realtime_us);
  line->host = slice_or_empty (fields->hostname);
  line->program = slice_or_empty (fields->identifier.length > 0 ? fields->identifier : fields->comm);
  line->pid = pid <= G_MAXINT ? (gint) pid : 0;
  line->level = level <= 7 ? (gint) level : -1;
  if (!slice_is (slice_or_empty (fields->transport), "kernel"))
    return;
  line->kernel = TRUE;
  line->trust = VMFT_TRUST_KERNEL;
  line->pid = 0;
  line->uptime_us = slice_number (fields->source_monotonic_timestamp, -1);
  printk_stamp (&cursor, &line->uptime_us);
  line->text = rest (&cursor);
}
