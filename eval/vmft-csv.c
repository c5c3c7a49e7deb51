/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-csv.h"

#include "vmft-error.h"

#include <string.h>

static char **
split (const char *line)
{
  g_autoptr (GPtrArray) fields = g_ptr_array_new ();
  g_autoptr (GString) field = g_string_new (NULL);
  gboolean quoted = FALSE;

  for (const char *at = line;; at++)
    {
      if (*at == '"' && quoted && at[1] == '"')
        g_string_append_c (field, *at++);
      else if (*at == '"')
        quoted = !quoted;
      else if (*at == '\0' || (*at == ',' && !quoted))
        {
          g_ptr_array_add (fields, g_strdup (field->str));
          g_string_truncate (field, 0);
          if (*at == '\0')
            break;
        }
      else if (*at != '\r')
        g_string_append_c (field, *at);
    }
  g_ptr_array_add (fields, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&fields), FALSE);
}

static gboolean
find_columns (const char *path, char **heading, const char *const *columns, GArray *places, GError **error)
{
  for (guint i = 0; columns[i]; i++)
    {
      guint place = 0;

      while (heading[place] && strcmp (heading[place], columns[i]) != 0)
        place++;
      if (!heading[place])
        {
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s: has no column \"%s\"", path, columns[i]);
          return FALSE;
        }
      g_array_append_val (places, place);
    }
  return TRUE;
}

static gboolean
take_record (const char *path,
             char **fields,
             GArray *places,
             guint line,
             VmftCsvFunc func,
             gpointer user_data,
             GError **error)
{
  g_autofree char **chosen = g_new0 (char *, places->len + 1);
  guint n_fields = g_strv_length (fields);

  for (guint i = 0; i < places->len; i++)
    {
      guint place = g_array_index (places, guint, i);

      if (place >= n_fields)
        {
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "%s:%u: too few fields", path, line);
          return FALSE;
        }
      chosen[i] = fields[place];
    }
  if (func (chosen, line, user_data, error))
    return TRUE;
  g_prefix_error (error, "%s:%u: ", path, line);
  return FALSE;
}

gboolean
vmft_csv_read (const char *path,
               const char *const *columns,
               VmftCsvFunc func,
               gpointer user_data,
               GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (guint));
  char *at;

  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  at = text;
  for (guint line = 1; *at; line++)
    {
      char *end = strchrnul (at, '\n');
      g_auto (GStrv) fields = NULL;
      gboolean last = *end == '\0';

      *end = '\0';
      fields = split (at);
      if (line == 1)
        {
          if (!find_columns (path, fields, columns, places, error))
            return FALSE;
        }
      else if (*at && !take_record (path, fields, places, line, func, user_data, error))
        return FALSE;
      at = last ? end : end + 1;
    }
  return TRUE;
}
