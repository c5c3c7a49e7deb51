/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-table.h"

#include "vmft-text.h"

#include <string.h>

struct _VmftTable
{
  guint n_columns;
  GPtrArray *cells;  /* of char *, headings first, row by row */
  GHashTable *paint; /* cell's index -> rendition, static */
};

VmftTable *
vmft_table_new (const char *const *headings)
{
  VmftTable *self = g_new0 (VmftTable, 1);

  self->n_columns = g_strv_length ((char **) headings);
  self->cells = g_ptr_array_new_with_free_func (g_free);
  self->paint = g_hash_table_new (NULL, NULL);
  vmft_table_add (self, headings);
  return self;
}

void
vmft_table_add (VmftTable *self, const char *const *cells)
{
  for (guint i = 0; i < self->n_columns; i++)
    g_ptr_array_add (self->cells, vmft_text_printable (cells[i], -1));
}

void
vmft_table_add_printf (VmftTable *self, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_ptr_array_add (self->cells, vmft_text_printable (text, -1));
}

void
vmft_table_paint (VmftTable *self, const char *sgr)
{
  if (sgr != NULL)
    g_hash_table_insert (self->paint, GUINT_TO_POINTER (self->cells->len - 1), (gpointer) sgr);
}

static void
append_cell (GString *out, const char *text, const char *sgr, gsize width)
{
  gsize length = (gsize) g_utf8_strlen (text, -1);

  g_string_append_c (out, ' ');
  if (sgr != NULL)
    g_string_append_printf (out, "\033[%sm%s\033[0m", sgr, text);
  else
    g_string_append (out, text);
  for (gsize i = length; i < width + 2; i++)
    g_string_append_c (out, ' ');
}

static void
trim_and_end_line (GString *out)
{
  while (out->len > 0 && out->str[out->len - 1] == ' ')
    g_string_truncate (out, out->len - 1);
  g_string_append_c (out, '\n');
}

char *
vmft_table_to_string (VmftTable *self)
{
  g_autofree gsize *widths = g_new0 (gsize, self->n_columns + 1);
  GString *out = g_string_new (NULL);
  gsize total = 0;

  for (guint i = 0; i < self->cells->len; i++)
    {
      gsize length = (gsize) g_utf8_strlen (g_ptr_array_index (self->cells, i), -1);

      widths[i % self->n_columns] = MAX (widths[i % self->n_columns], length);
    }
  for (guint i = 0; i < self->n_columns; i++)
    total += widths[i] + 3;

  for (guint i = 0; i < self->cells->len; i++)
    {
      append_cell (out, g_ptr_array_index (self->cells, i),
                   g_hash_table_lookup (self->paint, GUINT_TO_POINTER (i)), widths[i % self->n_columns]);
      if ((i + 1) % self->n_columns != 0)
        continue;
      trim_and_end_line (out);
      if (i + 1 == self->n_columns)
        {
          for (gsize k = 0; k < total; k++)
            g_string_append_c (out, '-');
          g_string_append_c (out, '\n');
        }
    }
  return g_string_free (out, FALSE);
}

void
vmft_table_free (VmftTable *self)
{
  g_ptr_array_unref (self->cells);
  g_hash_table_unref (self->paint);
  g_free (self);
}
