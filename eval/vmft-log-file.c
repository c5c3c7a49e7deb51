/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-log-file.h"

#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (4 * VMFT_LOG_FILE_MAX_LINE_BYTES)

typedef struct
{
  VmftLogFileFunc func;
  gpointer user_data;
  char *buffer;
  gsize used;
  gboolean skipping; /* the rest of a line that was cut */
} Reader;

static GInputStream *
open_log (const char *path, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (path);
  g_autoptr (GInputStream) raw = NULL;
  g_autoptr (GConverter) unzip = NULL;

  if (g_str_equal (path, "-"))
    return g_unix_input_stream_new (STDIN_FILENO, FALSE);
  raw = G_INPUT_STREAM (g_file_read (file, NULL, error));
  if (raw == NULL || !g_str_has_suffix (path, ".gz"))
    return g_steal_pointer (&raw);
  unzip = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  return g_converter_input_stream_new (raw, unzip);
}

static gboolean
deliver (Reader *self, const char *data, gsize length)
{
  return self->skipping || self->func (data, MIN (length, VMFT_LOG_FILE_MAX_LINE_BYTES), self->user_data);
}

/* Hands over what is complete in the buffer and keeps the beginning of the next line. Returns: whether to go on. */
static gboolean
deliver_lines (Reader *self)
{
  const char *at = self->buffer, *end = self->buffer + self->used;
  const char *newline;

  while ((newline = memchr (at, '\n', (gsize) (end - at))) != NULL)
    {
      if (!deliver (self, at, (gsize) (newline - at)))
        return FALSE;
      self->skipping = FALSE;
      at = newline + 1;
    }
  self->used = (gsize) (end - at);
  if (self->used >= VMFT_LOG_FILE_MAX_LINE_BYTES)
    {
      if (!deliver (self, at, self->used))
        return FALSE;
      self->skipping = TRUE;
      self->used = 0;
    }
  memmove (self->buffer, at, self->used);
  return TRUE;
}

gboolean
vmft_log_file_read (const char *path, VmftLogFileFunc func, gpointer user_data, GError **error)
{
  g_autoptr (GInputStream) stream = open_log (path, error);
  g_autofree char *buffer = g_malloc (BUFFER_BYTES);
  Reader self = { .func = func, .user_data = user_data, .buffer = buffer };
  gssize n = 0;

  while (stream != NULL &&
         (n = g_input_stream_read (stream, buffer + self.used, BUFFER_BYTES - self.used, NULL, error)) > 0)
    {
      self.used += (gsize) n;
      if (!deliver_lines (&self))
        return TRUE;
    }
  if (stream == NULL || n < 0)
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  if (self.used > 0)
    deliver (&self, buffer, self.used);
  return TRUE;
}
