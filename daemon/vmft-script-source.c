/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-script-source.h"

typedef struct
{
  VmftTime at_us;
  char *text;
} Entry;

struct _VmftScriptSource
{
  GObject parent;

  char *name;
  VmftTrust trust;
  VmftClock *clock;
  VmftStore *store;
  GPtrArray *entries;
  guint next;
  guint timer_id;
  gboolean started;
};

static void vmft_script_source_iface_init (VmftSourceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftScriptSource,
                               vmft_script_source,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_SOURCE, vmft_script_source_iface_init))

static void
entry_free (Entry *entry)
{
  g_free (entry->text);
  g_free (entry);
}

void
vmft_script_source_say (VmftScriptSource *self, const VmftLine *line)
{
  g_autoptr (GVariant) cursor = NULL;
  GVariantDict dict;
  VmftLine trusted = *line;
  VmftBatch batch = { .source = self->name, .lines = &trusted, .n_lines = 1, .cursor_key = self->name };

  trusted.trust = self->trust;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "next", "x", (gint64) self->next);
  cursor = g_variant_ref_sink (g_variant_dict_end (&dict));
  batch.cursor = cursor;
  vmft_source_emit_batch (VMFT_SOURCE (self), &batch);
}

static void
emit (VmftScriptSource *self, const Entry *entry)
{
  VmftLine line;

  vmft_line_split (&line, VMFT_LINE_AUTO, entry->text, strlen (entry->text),
                   vmft_clock_real_us (self->clock));
  vmft_script_source_say (self, &line);
}

static void schedule (VmftScriptSource *self);

static gboolean
on_timer (gpointer user_data)
{
  g_autoptr (VmftScriptSource) self = g_object_ref (user_data);

  self->timer_id = 0;
  emit (self, g_ptr_array_index (self->entries, self->next++));
  schedule (self);
  return G_SOURCE_REMOVE;
}

static void
schedule (VmftScriptSource *self)
{
  const Entry *entry;
  gint64 wait_us;

  if (!self->started || self->timer_id != 0 || self->next >= self->entries->len)
    return;
  entry = g_ptr_array_index (self->entries, self->next);
  wait_us = MAX (entry->at_us - vmft_clock_real_us (self->clock), 0);
  self->timer_id = vmft_clock_add_timer (self->clock, (guint) (wait_us / 1000), on_timer, self, NULL);
}

void
vmft_script_source_add (VmftScriptSource *self, VmftTime at_us, const char *text)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->at_us = at_us;
  entry->text = g_strdup (text);
  g_ptr_array_add (self->entries, entry);
  schedule (self);
}

static void
vmft_script_source_start (VmftSource *source)
{
  VmftScriptSource *self = VMFT_SCRIPT_SOURCE (source);
  g_autoptr (GVariant) cursor = vmft_store_get (self->store, VMFT_STORE_CURSORS, self->name, NULL);

  self->next = cursor ? (guint) vmft_dict_int64 (cursor, "next", 0) : 0;
  self->started = TRUE;
  schedule (self);
}

static GVariant *
vmft_script_source_describe (VmftSource *source)
{
  VmftScriptSource *self = VMFT_SCRIPT_SOURCE (source);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", self->name);
  g_variant_dict_insert (&dict, "type", "s", "script");
  g_variant_dict_insert (&dict, "trusted", "b", self->trust == VMFT_TRUST_KERNEL);
  g_variant_dict_insert (&dict, "lines", "t", (guint64) self->next);
  return g_variant_dict_end (&dict);
}

static void
vmft_script_source_iface_init (VmftSourceInterface *iface)
{
  iface->start = vmft_script_source_start;
  iface->describe = vmft_script_source_describe;
}

static void
vmft_script_source_finalize (GObject *object)
{
  VmftScriptSource *self = VMFT_SCRIPT_SOURCE (object);

  vmft_clear_timer (self->clock, &self->timer_id);
  g_ptr_array_unref (self->entries);
  g_object_unref (self->clock);
  g_object_unref (self->store);
  g_free (self->name);
  G_OBJECT_CLASS (vmft_script_source_parent_class)->finalize (object);
}

static void
vmft_script_source_class_init (VmftScriptSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_script_source_finalize;
}

static void
vmft_script_source_init (VmftScriptSource *self)
{
  self->entries = g_ptr_array_new_with_free_func ((GDestroyNotify) entry_free);
}

VmftSource *
vmft_script_source_new (const char *name, VmftTrust trust, VmftClock *clock, VmftStore *store)
{
  VmftScriptSource *self = g_object_new (VMFT_TYPE_SCRIPT_SOURCE, NULL);

  self->name = g_strdup (name);
  self->trust = trust;
  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  return VMFT_SOURCE (self);
}
