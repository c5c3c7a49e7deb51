/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-conf.h"

#include <errno.h>
#include <math.h>

typedef struct
{
  const VmftConfKey *key;
  char *text;
  double number;
  guint64 whole;
} Value;

struct _VmftConf
{
  grefcount refs;
  GHashTable *groups; /* "Source kern" -> GHashTable of key -> Value */
};

static void
value_free (Value *value)
{
  g_free (value->text);
  g_free (value);
}

/* --- the table of keys --- */

static gboolean
is_named (const char *table_group)
{
  return g_str_has_suffix (table_group, " *");
}

/* "Source *" matches "Source kern", not "Source" nor "Sources x" */
static gboolean
group_matches (const char *table_group, const char *group)
{
  gsize stem = strlen (table_group) - 1;

  if (!is_named (table_group))
    return strcmp (table_group, group) == 0;
  return strncmp (table_group, group, stem) == 0 && group[stem] != '\0' && group[stem] != ' ';
}

static const VmftConfKey *
find_key (const char *group, const char *key)
{
  guint n_keys = 0;
  const VmftConfKey *keys = vmft_conf_keys (&n_keys);

  for (guint i = 0; i < n_keys; i++)
    if (group_matches (keys[i].group, group) && (key == NULL || strcmp (keys[i].key, key) == 0))
      return &keys[i];
  return NULL;
}

/* Levenshtein's distance, case ignored, for "did you mean". */
static guint
edit_distance (const char *a, const char *b)
{
  gsize length = strlen (b);
  g_autofree guint *row = g_new (guint, length + 1);

  for (gsize j = 0; j <= length; j++)
    row[j] = (guint) j;
  for (; *a != '\0'; a++)
    {
      guint diagonal = row[0]++;

      for (gsize j = 1; j <= length; j++)
        {
          guint change = diagonal + (g_ascii_tolower (*a) != g_ascii_tolower (b[j - 1]));

          diagonal = row[j];
          row[j] = MIN (change, MIN (row[j], row[j - 1]) + 1);
        }
    }
  return row[length];
}

static char *
join_allowed (GPtrArray *allowed, const char *given)
{
  g_autoptr (GString) text = g_string_new ("allowed: ");
  const char *nearest = NULL;
  guint best = MAX ((guint) strlen (given) / 3, 2) + 1;

  for (guint i = 0; i < allowed->len; i++)
    {
      const char *name = g_ptr_array_index (allowed, i);
      guint distance = edit_distance (given, name);

      g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", name);
      if (distance < best)
        {
          best = distance;
          nearest = name;
        }
    }
  if (nearest != NULL)
    g_string_append_printf (text, " (did you mean \"%s\"?)", nearest);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
set_unknown_group_error (const char *file, const char *group, GError **error)
{
  g_autoptr (GPtrArray) allowed = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *hint = NULL;
  const char *last = "";
  guint n_keys = 0;
  const VmftConfKey *keys = vmft_conf_keys (&n_keys);

  for (guint i = 0; i < n_keys; i++)
    {
      if (strcmp (last, keys[i].group) == 0)
        continue;
      last = keys[i].group;
      g_ptr_array_add (allowed, is_named (last) ? g_strdup_printf ("%.*sNAME", (int) strlen (last) - 1, last)
                                                : g_strdup (last));
    }
  hint = join_allowed (allowed, group);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s: [%s]: unknown group; %s", file, group, hint);
}

static void
set_unknown_key_error (const char *file, const char *group, const char *key, GError **error)
{
  g_autoptr (GPtrArray) allowed = g_ptr_array_new ();
  g_autofree char *hint = NULL;
  guint n_keys = 0;
  const VmftConfKey *keys = vmft_conf_keys (&n_keys);

  for (guint i = 0; i < n_keys; i++)
    if (group_matches (keys[i].group, group))
      g_ptr_array_add (allowed, (gpointer) keys[i].key);
  hint = join_allowed (allowed, key);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s: [%s] %s: unknown key; %s", file, group, key, hint);
}

/* --- values --- */

static gboolean
parse_choice (Value *value, GError **error)
{
  g_auto (GStrv) words = g_strsplit (value->key->allowed, "|", -1);
  g_autofree char *list = NULL;

  if (g_strv_contains ((const char *const *) words, value->text))
    return TRUE;
  list = g_strjoinv (", ", words);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "must be one of %s", list);
  return FALSE;
}

static gboolean
parse_boolean (Value *value, GError **error)
{
  static const char *const yes[] = { "true", "yes", "on", "1", NULL };
  static const char *const no[] = { "false", "no", "off", "0", NULL };

  value->whole = g_strv_contains (yes, value->text);
  if (value->whole || g_strv_contains (no, value->text))
    return TRUE;
  g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "must be true or false");
  return FALSE;
}

static gboolean
parse_number (Value *value, GError **error)
{
  char *end = NULL;

  errno = 0;
  value->number = g_ascii_strtod (value->text, &end);
  if (end != value->text && *end == '\0' && errno == 0 && isfinite (value->number))
    return TRUE;
  g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "must be a number");
  return FALSE;
}

static gboolean
parse_integer (Value *value, GError **error)
{
  gint64 number = 0;

  if (!g_ascii_string_to_signed (value->text, 10, 0, G_MAXINT64, &number, NULL))
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "must be a whole number");
      return FALSE;
    }
  value->whole = (guint64) number;
  value->number = (double) number;
  return TRUE;
}

static gboolean
parse_path (Value *value, GError **error)
{
  if (g_path_is_absolute (value->text))
    return TRUE;
  g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "must be an absolute path");
  return FALSE;
}

static gboolean
check_range (Value *value, GError **error)
{
  const char *allowed = value->key->allowed;
  const char *dots = allowed ? strstr (allowed, "..") : NULL;
  double low, high;

  if (dots == NULL)
    return TRUE;
  low = g_ascii_strtod (allowed, NULL);
  high = dots[2] != '\0' ? g_ascii_strtod (dots + 2, NULL) : INFINITY;
  if (value->number >= low && value->number <= high)
    return TRUE;
  if (isfinite (high))
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "must lie between %g and %g", low, high);
  else
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "must be at least %g", low);
  return FALSE;
}

static gboolean
parse_value (Value *value, GError **error)
{
  gboolean required = value->key->fallback == NULL;

  /* a list that is emptied is empty, as with systemd; else nothing is what the default must be, too */
  if (*value->text == '\0' && !required &&
      (*value->key->fallback == '\0' || value->key->type == VMFT_CONF_LIST))
    return TRUE;
  switch (value->key->type)
    {
    case VMFT_CONF_STRING:
    case VMFT_CONF_LIST:
      if (*value->text != '\0')
        return TRUE;
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_INVALID, "must not be empty");
      return FALSE;
    case VMFT_CONF_PATH:
      return parse_path (value, error);
    case VMFT_CONF_CHOICE:
      return parse_choice (value, error);
    case VMFT_CONF_BOOLEAN:
      return parse_boolean (value, error);
    case VMFT_CONF_INTEGER:
      return parse_integer (value, error) && check_range (value, error);
    case VMFT_CONF_NUMBER:
      return parse_number (value, error) && check_range (value, error);
    case VMFT_CONF_BYTES:
      return vmft_text_parse_bytes (value->text, &value->whole, error);
    case VMFT_CONF_DURATION:
      return vmft_text_parse_duration (value->text, &value->number, error) && check_range (value, error);
    }
  g_return_val_if_reached (FALSE);
}

static Value *
value_new (const VmftConfKey *key, const char *text, GError **error)
{
  Value *value = g_new0 (Value, 1);

  value->key = key;
  value->text = g_strstrip (g_strdup (text));
  if (parse_value (value, error))
    return value;
  value_free (value);
  return NULL;
}

/* --- loading --- */

static GHashTable *
get_group (VmftConf *self, const char *group)
{
  GHashTable *values = g_hash_table_lookup (self->groups, group);

  if (values == NULL)
    {
      values = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) value_free);
      g_hash_table_insert (self->groups, g_strdup (group), values);
    }
  return values;
}

/* A key file may hold any bytes; D-Bus and JSON may not. @name and @text are NULL for the group alone. */
static gboolean
check_utf8 (const char *path, const char *group, const char *name, const char *text, GError **error)
{
  g_autofree char *where = NULL;
  g_autofree char *printable = NULL;

  if (g_utf8_validate (group, -1, NULL) &&
      (name == NULL || (g_utf8_validate (name, -1, NULL) && g_utf8_validate (text, -1, NULL))))
    return TRUE;
  where = name ? g_strdup_printf ("[%s] %s=%s", group, name, text) : g_strdup_printf ("[%s]", group);
  printable = vmft_text_printable (where, -1);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s: %s: must be valid UTF-8", path, printable);
  return FALSE;
}

static gboolean
put_value (VmftConf *self,
           const char *path,
           const char *group,
           const char *name,
           const char *text,
           GError **error)
{
  const VmftConfKey *key;
  g_autoptr (GError) local = NULL;
  Value *value;

  if (!check_utf8 (path, group, name, text, error))
    return FALSE;
  key = find_key (group, name);
  if (key == NULL)
    {
      set_unknown_key_error (path, group, name, error);
      return FALSE;
    }
  value = value_new (key, text, &local);
  if (value == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s: [%s] %s=%s: %s", path, group, name, text,
                   local->message);
      return FALSE;
    }
  g_hash_table_replace (get_group (self, group), (gpointer) key->key, value);
  return TRUE;
}

static gboolean
load_group (VmftConf *self, GKeyFile *file, const char *path, const char *group, GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (file, group, NULL, error);

  if (names == NULL || !check_utf8 (path, group, NULL, NULL, error))
    return FALSE;
  if (find_key (group, NULL) == NULL)
    {
      set_unknown_group_error (path, group, error);
      return FALSE;
    }
  get_group (self, group);
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *text = g_key_file_get_value (file, group, names[i], NULL);

      if (!put_value (self, path, group, names[i], text ? text : "", error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
load_file (VmftConf *self, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) local = NULL;
  g_auto (GStrv) groups = NULL;

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &local))
    {
      gboolean missing = g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT);
      g_autofree char *why = vmft_text_printable (local->message, -1); /* it may quote the file as it is */

      g_set_error (error, VMFT_ERROR, missing ? VMFT_ERROR_NOT_FOUND : VMFT_ERROR_CONFIG, "%s: %s", path,
                   why);
      return FALSE;
    }
  groups = g_key_file_get_groups (file, NULL);
  for (guint i = 0; groups[i] != NULL; i++)
    if (!load_group (self, file, path, groups[i], error))
      return FALSE;
  return TRUE;
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
load_drop_ins (VmftConf *self, const char *path, GError **error)
{
  g_autofree char *directory = g_strconcat (path, ".d", NULL);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".conf"))
      g_ptr_array_add (files, g_build_filename (directory, name, NULL));
  g_ptr_array_sort (files, compare_strings);
  for (guint i = 0; i < files->len; i++)
    if (!load_file (self, g_ptr_array_index (files, i), error))
      return FALSE;
  return TRUE;
}

/* Defaults for every key of every group there is; a key without one must have been given. */
static gboolean
complete (VmftConf *self, const char *path, GError **error)
{
  guint n_keys = 0;
  const VmftConfKey *keys = vmft_conf_keys (&n_keys);
  GHashTableIter iter;
  const char *group;
  GHashTable *values;

  for (guint i = 0; i < n_keys; i++)
    if (!is_named (keys[i].group))
      get_group (self, keys[i].group);
  g_hash_table_iter_init (&iter, self->groups);
  while (g_hash_table_iter_next (&iter, (gpointer *) &group, (gpointer *) &values))
    for (guint i = 0; i < n_keys; i++)
      {
        if (!group_matches (keys[i].group, group) || g_hash_table_contains (values, keys[i].key))
          continue;
        if (keys[i].fallback == NULL)
          {
            g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s: [%s] %s: is required: %s%s%s%s", path,
                         group, keys[i].key, keys[i].help, keys[i].allowed ? " (" : "",
                         keys[i].allowed ? keys[i].allowed : "", keys[i].allowed ? ")" : "");
            return FALSE;
          }
        g_hash_table_insert (values, (gpointer) keys[i].key, value_new (&keys[i], keys[i].fallback, NULL));
      }
  return TRUE;
}

gboolean
vmft_conf_set (VmftConf *self, const char *group, const char *key, const char *text, GError **error)
{
  return put_value (self, "command line", group, key, text, error) && complete (self, "command line", error);
}

static VmftConf *
conf_new_empty (void)
{
  VmftConf *self = g_new0 (VmftConf, 1);

  g_ref_count_init (&self->refs);
  self->groups = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
  return self;
}

VmftConf *
vmft_conf_new (void)
{
  VmftConf *self = conf_new_empty ();

  if (!complete (self, "built-in defaults", NULL))
    g_return_val_if_reached (self);
  return self;
}

VmftConf *
vmft_conf_load (const char *path, GError **error)
{
  g_autoptr (VmftConf) self = conf_new_empty ();

  if (!load_file (self, path, error) || !load_drop_ins (self, path, error) || !complete (self, path, error))
    return NULL;
  return g_steal_pointer (&self);
}

VmftConf *
vmft_conf_ref (VmftConf *self)
{
  g_ref_count_inc (&self->refs);
  return self;
}

void
vmft_conf_unref (VmftConf *self)
{
  if (!g_ref_count_dec (&self->refs))
    return;
  g_hash_table_unref (self->groups);
  g_free (self);
}

/* --- reading --- */

static const Value *
get_value (VmftConf *self, const char *group, const char *key)
{
  GHashTable *values = g_hash_table_lookup (self->groups, group);
  const Value *value = values ? g_hash_table_lookup (values, key) : NULL;

  if (value == NULL)
    g_critical ("configuration: nothing declares [%s] %s", group, key);
  return value;
}

const char **
vmft_conf_list_named (VmftConf *self, const char *kind)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autofree char *table_group = g_strconcat (kind, " *", NULL);
  GHashTableIter iter;
  const char *group;

  g_hash_table_iter_init (&iter, self->groups);
  while (g_hash_table_iter_next (&iter, (gpointer *) &group, NULL))
    if (group_matches (table_group, group))
      g_ptr_array_add (names, (gpointer) (group + strlen (kind) + 1));
  g_ptr_array_sort (names, compare_strings);
  g_ptr_array_add (names, NULL);
  return (const char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

const char *
vmft_conf_get_string (VmftConf *self, const char *group, const char *key)
{
  const Value *value = get_value (self, group, key);

  return value && *value->text != '\0' ? value->text : NULL;
}

char **
vmft_conf_get_list (VmftConf *self, const char *group, const char *key)
{
  const char *text = vmft_conf_get_string (self, group, key);
  g_autoptr (GPtrArray) list = g_ptr_array_new ();
  g_auto (GStrv) words = g_strsplit_set (text ? text : "", " \t,;", -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (*words[i] != '\0')
      g_ptr_array_add (list, g_strdup (words[i]));
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&list), FALSE);
}

gboolean
vmft_conf_get_boolean (VmftConf *self, const char *group, const char *key)
{
  const Value *value = get_value (self, group, key);

  return value && value->whole != 0;
}

guint64
vmft_conf_get_uint (VmftConf *self, const char *group, const char *key)
{
  const Value *value = get_value (self, group, key);

  return value ? value->whole : 0;
}

double
vmft_conf_get_double (VmftConf *self, const char *group, const char *key)
{
  const Value *value = get_value (self, group, key);

  return value ? value->number : 0.0;
}

GVariant *
vmft_conf_to_variant (VmftConf *self)
{
  g_autofree const char **groups = (const char **) g_hash_table_get_keys_as_array (self->groups, NULL);
  guint n_groups = g_hash_table_size (self->groups);
  GVariantBuilder all;

  qsort (groups, n_groups, sizeof *groups, compare_strings);
  g_variant_builder_init (&all, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < n_groups; i++)
    {
      GHashTable *values = g_hash_table_lookup (self->groups, groups[i]);
      guint n_keys = 0;
      const VmftConfKey *keys = vmft_conf_keys (&n_keys);
      GVariantBuilder group;

      g_variant_builder_init (&group, G_VARIANT_TYPE ("a{ss}"));
      for (guint j = 0; j < n_keys; j++)
        if (group_matches (keys[j].group, groups[i]))
          {
            const Value *value = g_hash_table_lookup (values, keys[j].key);

            g_variant_builder_add (&group, "{ss}", keys[j].key, value->text);
          }
      g_variant_builder_add (&all, "{sv}", groups[i], g_variant_builder_end (&group));
    }
  return g_variant_builder_end (&all);
}
