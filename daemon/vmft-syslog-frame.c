/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-syslog-frame.h"

#include <string.h>

#define MAX_DIGITS 7 /* of a count; more is no count */
#define CHUNK      (64 * 1024)
#define CAPACITY   (VMFT_SYSLOG_MAX_FRAME + MAX_DIGITS + 2 + CHUNK)

struct _VmftSyslogFramer
{
  VmftSyslogFrameStats *stats;
  gsize start;   /* of the unfinished message */
  gsize scanned; /* no newline before this */
  gsize filled;
  gsize skip_bytes; /* of an octet-counted message that was cut */
  gboolean skip_line;
  char buffer[CAPACITY];
};

VmftSyslogFramer *
vmft_syslog_framer_new (VmftSyslogFrameStats *stats)
{
  VmftSyslogFramer *self = g_new (VmftSyslogFramer, 1);

  self->stats = stats;
  self->start = self->scanned = self->filled = self->skip_bytes = 0;
  self->skip_line = FALSE;
  return self;
}

void
vmft_syslog_framer_free (VmftSyslogFramer *self)
{
  g_free (self);
}

static void
add_frame (VmftSyslogFramer *self, gsize length, GArray *frames)
{
  VmftSlice slice = { self->buffer + self->start, MIN (length, (gsize) VMFT_SYSLOG_MAX_FRAME) };

  if (length > slice.length)
    self->stats->cut_bytes += length - slice.length;
  while (slice.length > 0 && strchr ("\r\n", slice.data[slice.length - 1]) != NULL)
    slice.length--; /* NUL too, which strchr finds at the end of the set */
  if (slice.length == 0)
    return;
  self->stats->frames++;
  g_array_append_val (frames, slice);
}

static void
advance (VmftSyslogFramer *self, gsize bytes)
{
  self->start += bytes;
  self->scanned = MAX (self->scanned, self->start);
}

/* Returns: whether a new message begins at @start. */
static gboolean
skip_rest (VmftSyslogFramer *self)
{
  gsize left = self->filled - self->start;

  if (self->skip_bytes > 0)
    {
      gsize n = MIN (left, self->skip_bytes);

      self->skip_bytes -= n;
      self->stats->cut_bytes += n;
      advance (self, n);
    }
  else if (self->skip_line)
    {
      const char *newline = memchr (self->buffer + self->start, '\n', left);
      gsize n = newline ? (gsize) (newline - self->buffer) - self->start : left;

      self->stats->cut_bytes += n;
      self->skip_line = newline == NULL;
      advance (self, n);
    }
  return self->skip_bytes == 0 && !self->skip_line;
}

/* What stands between messages: newlines after octet-counted ones, NULs of old senders. */
static void
skip_blank (VmftSyslogFramer *self)
{
  while (self->start < self->filled && strchr ("\r\n", self->buffer[self->start]) != NULL)
    advance (self, 1);
}

typedef enum
{
  COUNT_NONE,
  COUNT_INCOMPLETE,
  COUNT_FOUND,
} CountState;

/* A count is digits, a space and the '<' of the priority: text that happens to begin with digits is none. */
static CountState
find_count (VmftSyslogFramer *self, gsize *header, gsize *count)
{
  const char *text = self->buffer + self->start;
  gsize left = self->filled - self->start, n = 0;

  *count = 0;
  if (*text == '0')
    return COUNT_NONE;
  while (n < left && n < MAX_DIGITS && g_ascii_isdigit (text[n]))
    *count = *count * 10 + (gsize) (text[n++] - '0');
  if (n > 0 && n == left)
    return COUNT_INCOMPLETE;
  if (n == 0 || text[n] != ' ')
    return COUNT_NONE;
  if (n + 1 == left)
    return COUNT_INCOMPLETE;
  *header = n + 1;
  return text[n + 1] == '<' ? COUNT_FOUND : COUNT_NONE;
}

/* Both below return whether a message was taken. */
static gboolean
take_counted (VmftSyslogFramer *self, gsize header, gsize count, GArray *frames)
{
  gsize wanted = MIN (count, (gsize) VMFT_SYSLOG_MAX_FRAME);

  if (self->filled - self->start < header + wanted)
    return FALSE;
  advance (self, header);
  add_frame (self, wanted, frames);
  advance (self, wanted);
  self->skip_bytes = count - wanted;
  self->stats->cut_frames += count > wanted;
  return TRUE;
}

static gboolean
take_line (VmftSyslogFramer *self, GArray *frames)
{
  const char *newline = memchr (self->buffer + self->scanned, '\n', self->filled - self->scanned);
  gsize end = newline ? (gsize) (newline - self->buffer) : self->filled;
  gsize length = end - self->start;

  self->scanned = end;
  if (newline == NULL && length <= VMFT_SYSLOG_MAX_FRAME)
    return FALSE;
  self->stats->cut_frames += length > VMFT_SYSLOG_MAX_FRAME;
  self->skip_line = newline == NULL;
  add_frame (self, length, frames);
  advance (self, length + (newline ? 1 : 0));
  return TRUE;
}

static gboolean
take_frame (VmftSyslogFramer *self, GArray *frames)
{
  gsize header = 0, count = 0;

  if (!skip_rest (self))
    return FALSE;
  skip_blank (self);
  if (self->start == self->filled)
    return FALSE;
  switch (find_count (self, &header, &count))
    {
    case COUNT_FOUND:
      return take_counted (self, header, count, frames);
    case COUNT_NONE:
      return take_line (self, frames);
    case COUNT_INCOMPLETE:
      break;
    }
  return FALSE;
}

char *
vmft_syslog_framer_reserve (VmftSyslogFramer *self, gsize *space)
{
  /* moved only when there is no room, or a stream of single bytes would move it all for each */
  if (CAPACITY - self->filled < CHUNK)
    {
      memmove (self->buffer, self->buffer + self->start, self->filled - self->start);
      self->filled -= self->start;
      self->scanned -= self->start;
      self->start = 0;
    }
  *space = CAPACITY - self->filled;
  return self->buffer + self->filled;
}

void
vmft_syslog_framer_commit (VmftSyslogFramer *self, gsize length, GArray *frames)
{
  self->filled += length;
  self->stats->bytes += length;
  while (take_frame (self, frames))
    continue;
}

void
vmft_syslog_framer_finish (VmftSyslogFramer *self, GArray *frames)
{
  gsize header = 0, count = 0;

  if (skip_rest (self) && self->start < self->filled)
    {
      if (find_count (self, &header, &count) == COUNT_FOUND)
        advance (self, header);
      add_frame (self, self->filled - self->start, frames);
    }
  self->start = self->scanned = self->filled;
}
