/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "vmft-families.h"

#include "vmft-locus.h"

#include <pcre2.h>
#include <string.h>

#define PREFIX      "Family "
#define MATCH_BYTES 4096
#define MATCH_LIMIT 100000
#define MAX_GROUPS  16

/* What a named group of a pattern says about the locus. */
static const struct
{
  const char *group;
  VmftLocusKind kind;
} locus_groups[] = {
  { "block", VMFT_LOCUS_BLOCK }, { "pci", VMFT_LOCUS_PCI },    { "net", VMFT_LOCUS_NET },
  { "pid", VMFT_LOCUS_VM_PID },  { "vm", VMFT_LOCUS_VM_NAME },
};

typedef struct
{
  VmftFamily public; /* first: a VmftFamily of ours is an Entry */
  char *name;
  char *program;
  pcre2_code *pattern;
  pcre2_code *when;
  int locus_index[G_N_ELEMENTS (locus_groups)]; /* group number, or 0 */
  gboolean host;                                /* the host as a whole, whatever the message names */
} Entry;

struct _VmftFamilies
{
  GPtrArray *entries;  /* Entry */
  GPtrArray *programs; /* distinct, of the entries that have one */
  pcre2_match_data *match_data;
  pcre2_match_context *context;
};

static void
entry_free (Entry *entry)
{
  g_clear_pointer (&entry->pattern, pcre2_code_free);
  g_clear_pointer (&entry->when, pcre2_code_free);
  g_free (entry->name);
  g_free (entry->program);
  g_free (entry);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Entry, entry_free)

/* Where an error is: "file: [group] key". */
typedef struct
{
  const char *file;
  const char *group;
  GKeyFile *keys;
} Place;

G_GNUC_PRINTF (4, 5)
static gboolean
refuse (const Place *place, const char *key, GError **error, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s: [%s] %s: %s", place->file, place->group, key, text);
  return FALSE;
}

static gboolean
read_choice (const Place *place, const char *key, const char *const *choices, guint *choice, GError **error)
{
  g_autofree char *value = g_key_file_get_value (place->keys, place->group, key, NULL);
  g_autofree char *allowed = NULL;

  if (!value)
    return TRUE;
  for (guint i = 0; choices[i]; i++)
    if (strcmp (value, choices[i]) == 0)
      {
        *choice = i;
        return TRUE;
      }
  allowed = g_strjoinv (", ", (char **) choices);
  return refuse (place, key, error, "\"%s\" is none of: %s", value, allowed);
}

static gboolean
read_pattern (const Place *place, const char *key, pcre2_code **code, GError **error)
{
  g_autofree char *value = g_key_file_get_value (place->keys, place->group, key, NULL);
  int number = 0;
  PCRE2_SIZE offset = 0;
  PCRE2_UCHAR message[160] = "";

  if (!value)
    return TRUE;
  if (value[0] == '\0')
    return refuse (place, key, error, "an empty pattern matches every message");
  *code =
      pcre2_compile ((PCRE2_SPTR) value, PCRE2_ZERO_TERMINATED, PCRE2_NO_UTF_CHECK, &number, &offset, NULL);
  if (!*code)
    {
      pcre2_get_error_message (number, message, sizeof message);
      return refuse (place, key, error, "not a PCRE2 pattern: %s at character %u", (char *) message,
                     (guint) offset);
    }
  pcre2_jit_compile (*code, PCRE2_JIT_COMPLETE); /* without JIT it is slower, no more */
  return TRUE;
}

static gboolean
check_keys (const Place *place, GError **error)
{
  static const char *const allowed[] = { "Class", "Pattern", "When",    "Evidence", "Terminal", "Learn",
                                         "Proof", "Locus",   "Program", "Alarm",    NULL };
  g_auto (GStrv) keys = g_key_file_get_keys (place->keys, place->group, NULL, NULL);

  for (guint i = 0; keys && keys[i]; i++)
    if (!g_strv_contains (allowed, keys[i]))
      {
        g_autofree char *list = g_strjoinv (", ", (char **) allowed);

        return refuse (place, keys[i], error, "unknown key; allowed: %s", list);
      }
  return TRUE;
}

static gboolean
read_class (const Place *place, Entry *entry, GError **error)
{
  g_autofree char *value = g_key_file_get_value (place->keys, place->group, "Class", NULL);

  if (!value)
    return refuse (place, "Class", error, "missing");
  if (!vmft_fault_class_from_string (value, &entry->public.fault_class))
    return refuse (place, "Class", error,
                   "\"%s\" is none of: disk, io, memory, pressure, cpu, pcie, network, other", value);
  return TRUE;
}

static gboolean
read_entry (const Place *place, Entry *entry, GError **error)
{
  static const char *const evidence[] = { "none", "one", "two", NULL };
  static const char *const alarm[] = { "model", "yes", "no", NULL };
  static const char *const yes_no[] = { "no", "yes", NULL };
  static const char *const proofs[] = { "none", "mount", "device", "md", NULL };
  static const char *const loci[] = { "auto", "host", NULL };
  guint n_records = 2, alarms = 1, terminal = 0, learn = 0, proof = 0, host = 0;

  if (!check_keys (place, error) || !read_class (place, entry, error) ||
      !read_pattern (place, "Pattern", &entry->pattern, error) ||
      !read_pattern (place, "When", &entry->when, error) ||
      !read_choice (place, "Evidence", evidence, &n_records, error) ||
      !read_choice (place, "Alarm", alarm, &alarms, error) ||
      !read_choice (place, "Terminal", yes_no, &terminal, error) ||
      !read_choice (place, "Learn", yes_no, &learn, error) ||
      !read_choice (place, "Proof", proofs, &proof, error) ||
      !read_choice (place, "Locus", loci, &host, error))
    return FALSE;
  if (!entry->pattern)
    return refuse (place, "Pattern", error, "missing");
  if (proof && !terminal)
    return refuse (place, "Proof", error, "only a family with Terminal=yes has one");

  entry->program = g_key_file_get_value (place->keys, place->group, "Program", NULL);
  entry->host = host == 1;
  entry->public.program = entry->program;
  entry->public.evidence = n_records;
  entry->public.alarms = alarms == 1;
  entry->public.benign = alarms == 2;
  entry->public.terminal = terminal == 1;
  entry->public.learnable = learn == 1;
  entry->public.proof = (VmftProof) proof;
  entry->public.depends_on_values = entry->when != NULL;
  for (guint i = 0; i < G_N_ELEMENTS (locus_groups); i++)
    entry->locus_index[i] =
        MAX (0, pcre2_substring_number_from_name (entry->pattern, (PCRE2_SPTR) locus_groups[i].group));
  return TRUE;
}

static gboolean
read_groups (VmftFamilies *self, const char *name, GKeyFile *keys, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (keys, NULL);

  for (guint i = 0; groups[i]; i++)
    {
      Place place = { name, groups[i], keys };
      g_autoptr (Entry) entry = g_new0 (Entry, 1);

      if (!g_str_has_prefix (groups[i], PREFIX) || groups[i][strlen (PREFIX)] == '\0')
        {
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                       "%s: [%s]: unknown group; allowed: [Family NAME]", name, groups[i]);
          return FALSE;
        }
      entry->name = g_strdup (groups[i] + strlen (PREFIX));
      entry->public.name = entry->name;
      if (!read_entry (&place, entry, error))
        return FALSE;
      if (entry->program &&
          !g_ptr_array_find_with_equal_func (self->programs, entry->program, g_str_equal, NULL))
        g_ptr_array_add (self->programs, entry->program);
      g_ptr_array_add (self->entries, g_steal_pointer (&entry));
    }
  return TRUE;
}

VmftFamilies *
vmft_families_parse (const char *name, const char *data, gsize length, GError **error)
{
  g_autoptr (GKeyFile) keys = g_key_file_new ();
  g_autoptr (GError) local = NULL;
  g_autoptr (VmftFamilies) self = NULL;

  if (!g_key_file_load_from_data (keys, data, length, G_KEY_FILE_NONE, &local))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s: %s", name, local->message);
      return NULL;
    }
  self = g_new0 (VmftFamilies, 1);
  self->entries = g_ptr_array_new_with_free_func ((GDestroyNotify) entry_free);
  self->programs = g_ptr_array_new ();
  self->match_data = pcre2_match_data_create (MAX_GROUPS, NULL);
  self->context = pcre2_match_context_create (NULL);
  pcre2_set_match_limit (self->context, MATCH_LIMIT);
  if (!read_groups (self, name, keys, error))
    return NULL;
  return g_steal_pointer (&self);
}

VmftFamilies *
vmft_families_load (const char *path, GError **error)
{
  g_autofree char *found = path ? g_strdup (path) : vmft_detector_data_path ("fault-families.conf");
  g_autofree char *data = NULL;
  g_autoptr (GError) local = NULL;
  gsize length = 0;

  if (!g_file_get_contents (found, &data, &length, &local))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "fault families: %s", local->message);
      return NULL;
    }
  return vmft_families_parse (found, data, length, error);
}

void
vmft_families_free (VmftFamilies *self)
{
  g_clear_pointer (&self->programs, g_ptr_array_unref);
  g_clear_pointer (&self->entries, g_ptr_array_unref);
  g_clear_pointer (&self->match_data, pcre2_match_data_free);
  g_clear_pointer (&self->context, pcre2_match_context_free);
  g_free (self);
}

guint
vmft_families_count (const VmftFamilies *self)
{
  return self->entries->len;
}

const VmftFamily *
vmft_families_get (const VmftFamilies *self, guint index)
{
  g_return_val_if_fail (index < self->entries->len, NULL);
  return &((Entry *) self->entries->pdata[index])->public;
}

static gboolean
matches (const VmftFamilies *self, const pcre2_code *code, const char *text, gsize length)
{
  return pcre2_match (code, (PCRE2_SPTR) text, MIN (length, MATCH_BYTES), 0, 0, self->match_data,
                      self->context) >= 0;
}

static gboolean
is_from (const Entry *entry, const VmftSlice *program)
{
  gsize length;

  if (!program || !entry->program)
    return !program && !entry->program;
  length = strlen (entry->program);
  return program->length >= length && memcmp (program->data, entry->program, length) == 0;
}

gboolean
vmft_families_wants (const VmftFamilies *self, const char *name, gsize length)
{
  for (guint i = 0; i < self->programs->len; i++)
    if (length >= strlen (self->programs->pdata[i]) &&
        memcmp (name, self->programs->pdata[i], strlen (self->programs->pdata[i])) == 0)
      return TRUE;
  return FALSE;
}

void
vmft_families_locate (const VmftFamilies *self,
                      const VmftFamily *family,
                      const char *text,
                      gsize length,
                      VmftLocus *locus)
{
  const Entry *entry = (const Entry *) family;
  const PCRE2_SIZE *at;

  *locus = (VmftLocus){ .kind = VMFT_LOCUS_HOST };
  if (entry->host)
    return;
  if (matches (self, entry->pattern, text, length))
    {
      at = pcre2_get_ovector_pointer (self->match_data);
      for (guint i = 0; i < G_N_ELEMENTS (locus_groups); i++)
        {
          int group = entry->locus_index[i];

          if (group > 0 && group < MAX_GROUPS && at[2 * group] != PCRE2_UNSET &&
              vmft_locus_set_device (locus, locus_groups[i].kind, text + at[2 * group],
                                     at[2 * group + 1] - at[2 * group]))
            return;
        }
    }
  vmft_locus_scan (text, length, locus);
}

const VmftFamily *
vmft_families_match (const VmftFamilies *self,
                     const VmftSlice *program,
                     const char *text,
                     gsize length,
                     VmftLocus *locus)
{
  for (guint i = 0; i < self->entries->len; i++)
    {
      const Entry *entry = self->entries->pdata[i];

      if (!is_from (entry, program) || !matches (self, entry->pattern, text, length) ||
          (entry->when && !matches (self, entry->when, text, length)))
        continue;
      if (locus)
        vmft_families_locate (self, &entry->public, text, length, locus);
      return &entry->public;
    }
  return NULL;
}

gboolean
vmft_families_depends_on_values (const VmftFamilies *self, const char *text, gsize length)
{
  for (guint i = 0; i < self->entries->len; i++)
    {
      const Entry *entry = self->entries->pdata[i];

      if (entry->when && matches (self, entry->pattern, text, length))
        return TRUE;
    }
  return FALSE;
}
