/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-drain-state.h"

#include "vmft-drain-private.h"
#include "vmft-drain-load.h"
#include "vmft-error.h"
#include "vmft-utf8.h"

#include <string.h>

/* A snapshot: this line, the SHA-256 of the rest in binary, the rows as a GVariant, little-endian. */
#define MAGIC       "vmft-drain 1\n"
#define MAGIC_BYTES (sizeof MAGIC - 1)
#define SUM_BYTES   32
#define ROWS_TYPE   G_VARIANT_TYPE ("a(sa{sv})")

char *
vmft_drain_fingerprint (VmftDrain *self)
{
  g_autofree char *delimiters = g_strjoinv ("\x1f", self->delimiters);
  const VmftDrainConfig *config = &self->config;
  guint64 masks = config->masks != NULL ? vmft_mask_regex_fingerprint (config->masks)
                                        : vmft_mask_regex_default_fingerprint ();

  return g_strdup_printf ("%u/%.17g/%u/%d/%016" G_GINT64_MODIFIER "x/%s", config->depth, config->similarity,
                          config->max_children, config->parametrize_numeric_tokens, config->mask ? masks : 0,
                          delimiters);
}

char *
vmft_drain_escape (const char *bytes, gsize length)
{
  GString *text = g_string_sized_new (length + 1);

  for (gsize at = 0; at < length;)
    {
      gunichar c;
      gsize used = vmft_utf8_next (bytes + at, length - at, &c);

      if (c == VMFT_UTF8_OPAQUE || c == '\\' || c == '\0')
        g_string_append_printf (text, "\\x%02x", (guchar) bytes[at]);
      else
        g_string_append_len (text, bytes + at, (gssize) used);
      at += used;
    }
  return g_string_free (text, FALSE);
}

GBytes *
vmft_drain_unescape (const char *text)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (const char *p = text; *p != '\0'; p++)
    {
      guint8 byte = (guint8) *p;

      if (*p == '\\')
        {
          if (p[1] != 'x' || !g_ascii_isxdigit (p[2]) || !g_ascii_isxdigit (p[3]))
            return NULL;
          byte = (guint8) (g_ascii_xdigit_value (p[2]) * 16 + g_ascii_xdigit_value (p[3]));
          p += 3;
        }
      g_byte_array_append (bytes, &byte, 1);
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static void
insert_text (GVariantDict *dict, const char *key, const char *bytes, gsize length)
{
  g_autofree char *text = vmft_drain_escape (bytes, length);

  g_variant_dict_insert (dict, key, "s", text);
}

static void
emit_meta (VmftDrain *self, VmftDrainRowFunc func, gpointer user_data)
{
  g_autofree char *fingerprint = vmft_drain_fingerprint (self);
  g_autoptr (GVariant) record = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "serial", "u", self->serial);
  g_variant_dict_insert (&dict, "used", "t", self->used);
  insert_text (&dict, "fingerprint", fingerprint, strlen (fingerprint));
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  func ("meta", record, user_data);
}

static void
emit_node (VmftDrain *self, const VmftDrainNode *node, VmftDrainRowFunc func, gpointer user_data)
{
  g_autofree char *key = g_strdup_printf ("node/%u", node->number);
  g_autoptr (GVariant) record = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  if (node->parent != NULL)
    {
      gsize length;
      const char *token = vmft_tokens_text (self->tokens, node->key, &length);

      g_variant_dict_insert (&dict, "parent", "u", node->parent->number);
      insert_text (&dict, "token", token, length);
    }
  else
    {
      g_variant_dict_insert (&dict, "tokens", "u", node->n_tokens);
    }
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  func (key, record, user_data);
}

static void
emit_cluster (VmftDrain *self, VmftDrainCluster *cluster, VmftDrainRowFunc func, gpointer user_data)
{
  g_autofree char *key = g_strdup_printf ("cluster/%u", cluster->id);
  g_autoptr (GVariant) record = NULL;
  GVariantDict dict;
  gsize length;
  const char *text = vmft_drain_cluster_text (self, cluster, &length);

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "serial", "u", cluster->serial);
  g_variant_dict_insert (&dict, "generation", "u", cluster->generation);
  g_variant_dict_insert (&dict, "size", "t", cluster->size);
  g_variant_dict_insert (&dict, "used", "t", cluster->used);
  g_variant_dict_insert (&dict, "live", "b", cluster->live);
  g_variant_dict_insert (&dict, "node", "u", cluster->leaf->number);
  insert_text (&dict, "template", text, length);
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  func (key, record, user_data);
}

void
vmft_drain_foreach_unsaved (VmftDrain *self, VmftDrainRowFunc func, gpointer user_data)
{
  if (self->unsaved->len == 0 && self->forgotten->len == 0 && self->saved_nodes == self->nodes->len)
    return;
  for (guint i = 0; i < self->forgotten->len; i++)
    func (g_ptr_array_index (self->forgotten, i), NULL, user_data);
  emit_meta (self, func, user_data);
  for (guint i = self->saved_nodes; i < self->nodes->len; i++)
    emit_node (self, g_ptr_array_index (self->nodes, i), func, user_data);
  for (guint i = 0; i < self->unsaved->len; i++)
    {
      gpointer id = GUINT_TO_POINTER (g_array_index (self->unsaved, guint32, i));
      VmftDrainCluster *cluster = g_hash_table_lookup (self->by_id, id);

      if (cluster != NULL && cluster->unsaved)
        emit_cluster (self, cluster, func, user_data);
    }
}

void
vmft_drain_mark_saved (VmftDrain *self)
{
  for (guint i = 0; i < self->unsaved->len; i++)
    {
      gpointer id = GUINT_TO_POINTER (g_array_index (self->unsaved, guint32, i));
      VmftDrainCluster *cluster = g_hash_table_lookup (self->by_id, id);

      if (cluster != NULL)
        cluster->unsaved = FALSE;
    }
  g_array_set_size (self->unsaved, 0);
  g_ptr_array_set_size (self->forgotten, 0);
  self->saved_nodes = self->nodes->len;
}

static void
add_to_builder (const char *key, GVariant *record, gpointer user_data)
{
  g_variant_builder_add (user_data, "(s@a{sv})", key, record);
}

static GVariant *
in_file_order (GVariant *value)
{
  return G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap (value) : g_variant_ref (value);
}

static void
sum_of (const guint8 *data, gsize length, guint8 *sum)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize sum_bytes = SUM_BYTES;

  g_checksum_update (checksum, data, (gssize) length);
  g_checksum_get_digest (checksum, sum, &sum_bytes);
}

GBytes *
vmft_drain_save (VmftDrain *self)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (ROWS_TYPE);
  g_autoptr (GVariant) rows = NULL;
  g_autoptr (GVariant) stored = NULL;
  GByteArray *bytes = g_byte_array_new ();
  guint8 sum[SUM_BYTES];

  emit_meta (self, add_to_builder, &builder);
  for (guint i = 0; i < self->nodes->len; i++)
    emit_node (self, g_ptr_array_index (self->nodes, i), add_to_builder, &builder);
  for (VmftDrainCluster *c = self->evicted.oldest; c != NULL; c = c->newer)
    emit_cluster (self, c, add_to_builder, &builder);
  for (VmftDrainCluster *c = self->live.oldest; c != NULL; c = c->newer)
    emit_cluster (self, c, add_to_builder, &builder);
  rows = g_variant_ref_sink (g_variant_builder_end (&builder));
  stored = in_file_order (rows);
  sum_of (g_variant_get_data (stored), g_variant_get_size (stored), sum);
  g_byte_array_append (bytes, (const guint8 *) MAGIC, MAGIC_BYTES);
  g_byte_array_append (bytes, sum, SUM_BYTES);
  g_byte_array_append (bytes, g_variant_get_data (stored), (guint) g_variant_get_size (stored));
  return g_byte_array_free_to_bytes (bytes);
}

/* Returns: (nullable) (transfer full): the rows, in normal form. */
static GVariant *
open_snapshot (GBytes *bytes, GError **error)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (bytes, &length);
  g_autoptr (GBytes) rest = NULL;
  g_autoptr (GVariant) stored = NULL;
  guint8 sum[SUM_BYTES];

  if (length < MAGIC_BYTES + SUM_BYTES || memcmp (data, MAGIC, MAGIC_BYTES) != 0)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "template snapshot: does not begin as one");
      return NULL;
    }
  sum_of (data + MAGIC_BYTES + SUM_BYTES, length - MAGIC_BYTES - SUM_BYTES, sum);
  if (memcmp (data + MAGIC_BYTES, sum, SUM_BYTES) != 0)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "template snapshot: checksum does not fit");
      return NULL;
    }
  rest = g_bytes_new_from_bytes (bytes, MAGIC_BYTES + SUM_BYTES, length - MAGIC_BYTES - SUM_BYTES);
  stored = g_variant_ref_sink (g_variant_new_from_bytes (ROWS_TYPE, rest, FALSE));
  if (!g_variant_is_normal_form (stored))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "template snapshot: not in normal form");
      return NULL;
    }
  return in_file_order (stored);
}

VmftDrain *
vmft_drain_load (const VmftDrainConfig *config, GBytes *bytes, GError **error)
{
  g_autoptr (VmftDrainLoad) load = vmft_drain_load_begin (config, error);
  g_autoptr (GVariant) rows = NULL;
  GVariantIter iter;
  const char *key;
  GVariant *record;

  if (load == NULL)
    return NULL;
  rows = open_snapshot (bytes, error);
  if (rows == NULL)
    return NULL;
  g_variant_iter_init (&iter, rows);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &key, &record))
    vmft_drain_load_row (load, key, record);
  return vmft_drain_load_end (load, error);
}

typedef struct
{
  VmftStore *store;
  GError *error;
} StoreSave;

static void
put_row (const char *key, GVariant *record, gpointer user_data)
{
  StoreSave *save = user_data;

  if (save->error != NULL)
    return;
  if (record == NULL)
    (void) !vmft_store_remove (save->store, VMFT_STORE_TEMPLATES, key, &save->error);
  else
    (void) !vmft_store_put (save->store, VMFT_STORE_TEMPLATES, key, VMFT_TIME_UNKNOWN, record, &save->error);
}

gboolean
vmft_drain_store_save (VmftDrain *self, VmftStore *store, GError **error)
{
  StoreSave save = { .store = store };

  vmft_drain_foreach_unsaved (self, put_row, &save);
  if (save.error == NULL)
    return TRUE;
  g_propagate_error (error, save.error);
  return FALSE;
}

typedef struct
{
  VmftDrainLoad *load;
  GPtrArray *keys;
  guint64 last_id;
} StoreLoad;

static gboolean
take_row (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  StoreLoad *self = user_data;
  guint64 id;

  vmft_drain_load_row (self->load, key, record);
  g_ptr_array_add (self->keys, g_strdup (key));
  if (g_str_has_prefix (key, "cluster/") &&
      g_ascii_string_to_unsigned (key + strlen ("cluster/"), 10, 1, VMFT_DRAIN_LAST_SERIAL, &id, NULL))
    self->last_id = MAX (self->last_id, id);
  return TRUE;
}

/* An empty miner whose ids go on after those of the rows, and that removes the rows when it is saved. */
static VmftDrain *
start_over (const VmftDrainConfig *config, StoreLoad *rows, const GError *why, GError **error)
{
  VmftDrain *drain = vmft_drain_new (config, error);

  if (drain == NULL)
    return NULL;
  drain->serial = (guint32) rows->last_id;
  drain->given_up = g_strdup (why->message);
  g_ptr_array_extend_and_steal (drain->forgotten, g_steal_pointer (&rows->keys));
  return drain;
}

VmftDrain *
vmft_drain_store_load (const VmftDrainConfig *config, VmftStore *store, GError **error)
{
  g_autoptr (VmftDrainLoad) load = vmft_drain_load_begin (config, error);
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) local = NULL;
  StoreLoad rows = { .load = load, .keys = keys };
  VmftDrain *drain;

  if (load == NULL)
    return NULL;
  if (!vmft_store_foreach (store, VMFT_STORE_TEMPLATES, VMFT_STORE_BY_KEY, 0, take_row, &rows, error))
    return NULL;
  drain = vmft_drain_load_end (load, &local);
  if (drain != NULL)
    return drain;
  g_steal_pointer (&keys);
  return start_over (config, &rows, local, error);
}

const char *
vmft_drain_given_up (VmftDrain *self)
{
  return self->given_up;
}
