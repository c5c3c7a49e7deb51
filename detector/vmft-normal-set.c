/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-normal-set.h"

#include <math.h>
#include <string.h>

#define WINDOW_US (60 * G_USEC_PER_SEC)
#define REFRESH_US                                                                                           \
  (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC) /* the store may lag behind so far on when an entry came last */

typedef struct
{
  char *key; /* locus, newline, family, newline, template text */
  char *template_text;
  VmftLocus locus;
  char *family;
  gboolean normal;
  gboolean acknowledged;
  guint n_boots;
  guint64 last_boot;
  double peak; /* most lines in a minute while it was learned */
  double max_p;
  VmftTime last_us;
  VmftTime window_us; /* start of the minute being counted */
  guint in_window;
  VmftTime excess_us; /* last line beyond the learned rate; 0 for none */
  guint n_words;
  gboolean overflow; /* more combinations than are kept */
  guint64 words[VMFT_NORMAL_MAX_WORDS];
  gboolean dirty;
} Entry;

struct _VmftNormalSet
{
  GHashTable *entries; /* key -> Entry */
  GPtrArray *removed;  /* keys to take out of the store */
  guint n_normal;
  guint64 n_excess; /* lines beyond a learned rate */
  gboolean dirty;   /* some entry is */
};

static void
entry_free (Entry *entry)
{
  g_free (entry->key);
  g_free (entry->template_text);
  g_free (entry->family);
  g_free (entry);
}

static char *
make_key (const VmftNormalKey *key)
{
  g_autofree char *locus = vmft_locus_to_string (key->locus);
  g_autofree char *text = vmft_text_printable (key->template_text, -1);

  return g_strdup_printf ("%s\n%s\n%s", locus, key->family ? key->family : "", text);
}

VmftNormalSet *
vmft_normal_set_new (void)
{
  VmftNormalSet *self = g_new0 (VmftNormalSet, 1);

  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) entry_free);
  self->removed = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
vmft_normal_set_free (VmftNormalSet *self)
{
  g_hash_table_unref (self->entries);
  g_ptr_array_unref (self->removed);
  g_free (self);
}

static Entry *
lookup (VmftNormalSet *self, const VmftNormalKey *key)
{
  g_autofree char *text = make_key (key);

  return g_hash_table_lookup (self->entries, text);
}

static void
forget (VmftNormalSet *self, Entry *entry)
{
  if (entry->normal)
    self->n_normal--;
  g_ptr_array_add (self->removed, g_strdup (entry->key));
  g_hash_table_remove (self->entries, entry->key);
}

static void
make_room (VmftNormalSet *self)
{
  GHashTableIter iter;
  gpointer value;
  Entry *oldest = NULL;

  if (g_hash_table_size (self->entries) < VMFT_NORMAL_MAX_COUNT)
    return;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;

      if (!oldest || entry->acknowledged < oldest->acknowledged ||
          (entry->acknowledged == oldest->acknowledged && entry->last_us < oldest->last_us))
        oldest = entry;
    }
  forget (self, oldest);
}

static Entry *
ensure (VmftNormalSet *self, const VmftNormalKey *key)
{
  Entry *entry = lookup (self, key);

  if (entry)
    return entry;
  make_room (self);
  entry = g_new0 (Entry, 1);
  entry->key = make_key (key);
  entry->template_text = vmft_text_printable (key->template_text, -1);
  entry->locus = *key->locus;
  entry->family = g_strdup (key->family);
  g_hash_table_insert (self->entries, entry->key, entry);
  return entry;
}

static gboolean
has_words (const Entry *entry, guint64 words)
{
  for (guint i = 0; i < entry->n_words; i++)
    if (entry->words[i] == words)
      return TRUE;
  return FALSE;
}

static void
add_words (Entry *entry, const VmftNormalKey *key)
{
  entry->max_p = MAX (entry->max_p, key->p);
  if (has_words (entry, key->words))
    return;
  if (entry->n_words < VMFT_NORMAL_MAX_WORDS)
    entry->words[entry->n_words++] = key->words;
  else
    entry->overflow = TRUE;
}

static void
mark_dirty (VmftNormalSet *self, Entry *entry)
{
  entry->dirty = TRUE;
  self->dirty = TRUE;
}

/* Returns how many lines came in the current minute, this one included. */
static guint
count_line (VmftNormalSet *self, Entry *entry, VmftTime now_us)
{
  if (now_us < entry->window_us || now_us - entry->window_us >= WINDOW_US)
    {
      entry->window_us = now_us;
      entry->in_window = 0;
    }
  if (now_us > entry->last_us)
    {
      if (now_us - entry->last_us > REFRESH_US)
        mark_dirty (self, entry);
      entry->last_us = now_us;
    }
  return ++entry->in_window;
}

static gboolean
is_expired (const Entry *entry, VmftTime now_us)
{
  return vmft_time_diff_s (now_us, entry->last_us) > VMFT_NORMAL_EXPIRY_S;
}

/* Returns whether this line is the first beyond the learned rate for a while: the rest of a flood is counted only. */
static gboolean
breaches_rate (VmftNormalSet *self, Entry *entry, VmftTime now_us)
{
  gboolean first;

  if (count_line (self, entry, now_us) < VMFT_NORMAL_EXCESS * MAX (entry->peak, 1.0))
    return FALSE;
  first = entry->excess_us == 0 || vmft_time_diff_s (now_us, entry->excess_us) > VMFT_NORMAL_QUIET_S;
  entry->excess_us = MAX (entry->excess_us, now_us);
  self->n_excess++;
  return first;
}

gboolean
vmft_normal_set_covers (VmftNormalSet *self, const VmftNormalKey *key, VmftTime now_us)
{
  Entry *entry = lookup (self, key);

  if (!entry || !entry->normal)
    return FALSE;
  if (is_expired (entry, now_us))
    {
      forget (self, entry);
      return FALSE;
    }
  if (!has_words (entry, key->words) && !(entry->overflow && key->p <= entry->max_p))
    return FALSE;
  return !breaches_rate (self, entry, now_us);
}

static void
set_normal (VmftNormalSet *self, Entry *entry)
{
  if (!entry->normal)
    self->n_normal++;
  entry->normal = TRUE;
}

void
vmft_normal_set_learn (VmftNormalSet *self,
                       const VmftNormalKey *key,
                       VmftTime now_us,
                       guint64 boot,
                       gboolean at_once)
{
  Entry *entry = ensure (self, key);
  guint count;

  if (entry->n_boots == 0 || entry->last_boot != boot)
    entry->n_boots++;
  entry->last_boot = boot;
  add_words (entry, key);
  count = count_line (self, entry, now_us);
  entry->peak = MAX (entry->peak, count);
  mark_dirty (self, entry);
  if (at_once || entry->n_boots >= VMFT_NORMAL_BOOTS)
    set_normal (self, entry);
}

void
vmft_normal_set_acknowledge (VmftNormalSet *self,
                             const VmftNormalKey *key,
                             double per_minute,
                             VmftTime now_us)
{
  Entry *entry = ensure (self, key);

  entry->acknowledged = TRUE;
  add_words (entry, key);
  entry->peak = MAX (entry->peak, MAX (per_minute, 1.0));
  entry->last_us = MAX (entry->last_us, now_us);
  mark_dirty (self, entry);
  set_normal (self, entry);
}

void
vmft_normal_set_expire (VmftNormalSet *self, VmftTime now_us)
{
  GHashTableIter iter;
  gpointer value;
  g_autoptr (GPtrArray) old = g_ptr_array_new ();

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (is_expired (value, now_us))
      g_ptr_array_add (old, value);
  for (guint i = 0; i < old->len; i++)
    forget (self, old->pdata[i]);
}

static GVariant *
entry_to_variant (const Entry *entry)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *locus = vmft_locus_to_string (&entry->locus);
  g_autoptr (GString) words = g_string_new (NULL);

  g_variant_dict_insert (&dict, "template", "s", entry->template_text);
  g_variant_dict_insert (&dict, "locus", "s", locus);
  g_variant_dict_insert (&dict, "family", "s", entry->family ? entry->family : "");
  g_variant_dict_insert (&dict, "normal", "b", entry->normal);
  g_variant_dict_insert (&dict, "acknowledged", "b", entry->acknowledged);
  g_variant_dict_insert (&dict, "boots", "x", (gint64) entry->n_boots);
  g_variant_dict_insert (&dict, "last_boot", "x", (gint64) entry->last_boot);
  g_variant_dict_insert (&dict, "peak_per_minute", "d", entry->peak);
  g_variant_dict_insert (&dict, "max_p", "d", entry->max_p);
  g_variant_dict_insert (&dict, "overflow", "b", entry->overflow);
  for (guint i = 0; i < entry->n_words; i++)
    g_string_append_printf (words, "%s%016" G_GINT64_MODIFIER "x", i ? " " : "", entry->words[i]);
  g_variant_dict_insert (&dict, "words", "s", words->str);
  return g_variant_dict_end (&dict);
}

static gboolean
load_row (const char *row_key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  VmftNormalSet *self = user_data;
  const char *text = vmft_dict_string (record, "template");
  const char *locus_text = vmft_dict_string (record, "locus");
  const char *family = vmft_dict_string (record, "family");
  const char *words = vmft_dict_string (record, "words");
  g_auto (GStrv) hashes = g_strsplit (words ? words : "", " ", VMFT_NORMAL_MAX_WORDS + 1);
  VmftLocus locus;
  VmftNormalKey key = { .template_text = text, .locus = &locus, .family = family && *family ? family : NULL };
  Entry *entry;

  if (!text || !locus_text || !vmft_locus_from_string (locus_text, &locus))
    return TRUE;
  entry = ensure (self, &key);
  entry->acknowledged = vmft_dict_boolean (record, "acknowledged", FALSE);
  entry->n_boots = (guint) vmft_dict_int64 (record, "boots", 0);
  entry->last_boot = (guint64) vmft_dict_int64 (record, "last_boot", 0);
  entry->peak = vmft_dict_double (record, "peak_per_minute", 1.0);
  entry->max_p = vmft_dict_double (record, "max_p", 0.0);
  entry->overflow = vmft_dict_boolean (record, "overflow", FALSE);
  entry->last_us = time_us;
  for (guint i = 0; hashes[i] && hashes[i][0] && i < VMFT_NORMAL_MAX_WORDS; i++)
    entry->words[entry->n_words++] = g_ascii_strtoull (hashes[i], NULL, 16);
  if (vmft_dict_boolean (record, "normal", FALSE))
    set_normal (self, entry);
  return TRUE;
}

gboolean
vmft_normal_set_load (VmftNormalSet *self, VmftStore *store, GError **error)
{
  return vmft_store_foreach (store, VMFT_STORE_NORMAL, VMFT_STORE_BY_KEY, 0, load_row, self, error);
}

/* Rows are kept under a digest: a template is too long and too odd for a key. */
static char *
row_key (const char *key)
{
  return g_compute_checksum_for_string (G_CHECKSUM_SHA1, key, -1);
}

gboolean
vmft_normal_set_flush (VmftNormalSet *self, VmftStore *store, GError **error)
{
  GHashTableIter iter;
  gpointer value;

  for (guint i = 0; i < self->removed->len; i++)
    {
      g_autofree char *row = row_key (self->removed->pdata[i]);

      if (!vmft_store_remove (store, VMFT_STORE_NORMAL, row, error))
        return FALSE;
    }
  if (!self->dirty)
    return TRUE;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;
      g_autofree char *row = entry->dirty ? row_key (entry->key) : NULL;

      if (row &&
          !vmft_store_put (store, VMFT_STORE_NORMAL, row, entry->last_us, entry_to_variant (entry), error))
        return FALSE;
    }
  return TRUE;
}

void
vmft_normal_set_mark_saved (VmftNormalSet *self)
{
  GHashTableIter iter;
  gpointer value;

  g_ptr_array_set_size (self->removed, 0);
  if (!self->dirty)
    return;
  self->dirty = FALSE;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    ((Entry *) value)->dirty = FALSE;
}

guint64
vmft_normal_set_excess (const VmftNormalSet *self)
{
  return self->n_excess;
}

guint
vmft_normal_set_count (const VmftNormalSet *self)
{
  return self->n_normal;
}
