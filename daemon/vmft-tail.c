/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-tail.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_SIZE                                                                                           \
  (16 * 1024)         /* bounds a batch, and with it how long an alarm waits for the lines after it */
#define HEAD_SIZE 256 /* the first bytes by which a file is known again */

struct _VmftTail
{
  int fd;
  ino_t inode;
  guint64 offset;    /* behind the last line handed over */
  guint64 read_upto; /* behind the last byte read; what lies between is in @buffer */
  gboolean skipping; /* inside a line that was cut, until its newline */
  gboolean at_end;   /* the last read found the end of the file */
  char head[HEAD_SIZE];
  gsize head_bytes;
  gsize start;  /* where the unfinished line begins in @buffer */
  gsize filled; /* where it ends so far */
  VmftTailStats stats;
  char buffer[VMFT_TAIL_MAX_LINE + CHUNK_SIZE];
};

VmftTail *
vmft_tail_open (const char *path, GError **error)
{
  g_autoptr (VmftTail) self = g_new0 (VmftTail, 1);
  struct stat st;

  /* O_NONBLOCK: a FIFO of that name must not stop the daemon */
  self->fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (self->fd < 0 || fstat (self->fd, &st) != 0)
    {
      int code = errno;

      g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (code), "%s: %s", path,
                   g_strerror (code));
      return NULL;
    }
  if (!S_ISREG (st.st_mode))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s is not a regular file", path);
      return NULL;
    }
  self->inode = st.st_ino;
  return g_steal_pointer (&self);
}

void
vmft_tail_free (VmftTail *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self);
}

const VmftTailStats *
vmft_tail_get_stats (VmftTail *self)
{
  return &self->stats;
}

gboolean
vmft_tail_is_file (VmftTail *self, const char *path)
{
  struct stat named, open_file;

  return stat (path, &named) == 0 && fstat (self->fd, &open_file) == 0 && named.st_ino == open_file.st_ino &&
         named.st_dev == open_file.st_dev;
}

/* --- knowing the file again --- */

static gsize
read_head (VmftTail *self, char head[HEAD_SIZE])
{
  gssize n = pread (self->fd, head, HEAD_SIZE, 0);

  return n > 0 ? (gsize) n : 0;
}

static void
rewind_to_start (VmftTail *self)
{
  self->offset = self->read_upto = 0;
  self->start = self->filled = 0;
  self->skipping = FALSE;
  self->head_bytes = read_head (self, self->head);
}

static void
check_truncation (VmftTail *self)
{
  char head[HEAD_SIZE];
  struct stat st;
  gsize n;

  if (fstat (self->fd, &st) != 0)
    return;
  n = read_head (self, head);
  if ((guint64) st.st_size < self->read_upto || n < self->head_bytes ||
      memcmp (head, self->head, self->head_bytes) != 0)
    {
      self->stats.truncations++;
      rewind_to_start (self);
    }
  else if (n > self->head_bytes)
    {
      memcpy (self->head, head, n);
      self->head_bytes = n;
    }
}

static char *
head_checksum (const char *head, gsize length)
{
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) head, length);
}

GVariant *
vmft_tail_get_cursor (VmftTail *self)
{
  g_autofree char *checksum = head_checksum (self->head, self->head_bytes);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "inode", "x", (gint64) self->inode);
  g_variant_dict_insert (&dict, "offset", "x", (gint64) self->offset);
  g_variant_dict_insert (&dict, "head_bytes", "x", (gint64) self->head_bytes);
  g_variant_dict_insert (&dict, "head", "s", checksum);
  return g_variant_dict_end (&dict);
}

gboolean
vmft_tail_resume (VmftTail *self, GVariant *cursor)
{
  gint64 head_bytes = vmft_dict_int64 (cursor, "head_bytes", 0);
  gint64 offset = vmft_dict_int64 (cursor, "offset", 0);
  g_autofree char *checksum = NULL;
  char head[HEAD_SIZE];
  gsize n = read_head (self, head);
  struct stat st;

  if (vmft_dict_int64 (cursor, "inode", -1) != (gint64) self->inode || head_bytes < 0 ||
      head_bytes > HEAD_SIZE || offset < 0 || fstat (self->fd, &st) != 0)
    return FALSE;
  checksum = head_checksum (head, MIN (n, (gsize) head_bytes));
  if (n < (gsize) head_bytes || st.st_size < offset ||
      g_strcmp0 (checksum, vmft_dict_string (cursor, "head")) != 0)
    offset = 0; /* the same file, truncated while nobody looked */
  rewind_to_start (self);
  self->offset = self->read_upto = (guint64) offset;
  return TRUE;
}

/* --- lines --- */

static void
add_line (VmftTail *self, GArray *lines, const char *data, gsize length)
{
  VmftSlice slice = { data, MIN (length, (gsize) VMFT_TAIL_MAX_LINE) };

  if (length > slice.length)
    {
      self->stats.cut_lines++;
      self->stats.cut_bytes += length - slice.length;
    }
  if (slice.length == 0)
    return;
  self->stats.lines++;
  g_array_append_val (lines, slice);
}

/* The lines handed over last time are gone; the unfinished one moves to the front and keeps what fits. */
static void
keep_unfinished (VmftTail *self)
{
  gsize length = MIN (self->filled - self->start, (gsize) VMFT_TAIL_MAX_LINE);
  gsize dropped = self->filled - self->start - length;

  if (dropped > 0)
    {
      self->stats.cut_lines += self->skipping ? 0 : 1;
      self->stats.cut_bytes += dropped;
      self->skipping = TRUE;
    }
  memmove (self->buffer, self->buffer + self->start, length);
  self->start = 0;
  self->filled = length;
}

/* Takes the complete lines out of the buffer, whose bytes from @fresh on were just read at file offset @base. */
static void
take_lines (VmftTail *self, gsize fresh, guint64 base, GArray *lines)
{
  gsize search = fresh; /* no newline before: all that is one unfinished line */
  const char *newline;

  while (search < self->filled &&
         (newline = memchr (self->buffer + search, '\n', self->filled - search)) != NULL)
    {
      gsize end = (gsize) (newline - self->buffer);

      if (self->skipping)
        self->stats.cut_bytes += end - fresh;
      add_line (self, lines, self->buffer + self->start, (self->skipping ? fresh : end) - self->start);
      self->skipping = FALSE;
      self->start = search = end + 1;
      self->offset = base + (self->start - fresh);
    }
}

VmftTailState
vmft_tail_read (VmftTail *self, GArray *lines)
{
  guint64 base;
  gsize fresh;
  gssize n;

  if (self->at_end)
    check_truncation (self);
  keep_unfinished (self);
  fresh = self->filled;
  base = self->read_upto;
  n = pread (self->fd, self->buffer + fresh, CHUNK_SIZE, (off_t) base);
  self->at_end = n < CHUNK_SIZE;
  if (n <= 0)
    return VMFT_TAIL_END;
  self->filled += (gsize) n;
  self->read_upto += (guint64) n;
  self->stats.bytes += (guint64) n;
  if (self->head_bytes < HEAD_SIZE)
    self->head_bytes = read_head (self, self->head);
  take_lines (self, fresh, base, lines);
  return self->at_end ? VMFT_TAIL_END : VMFT_TAIL_MORE;
}

void
vmft_tail_flush (VmftTail *self, GArray *lines)
{
  add_line (self, lines, self->buffer + self->start, self->filled - self->start);
  self->start = self->filled;
  self->offset = self->read_upto;
  self->skipping = FALSE;
}
