/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The vmft-lad engine: the paper's detector over all lines of the host, with the kernel-message model as log
 * inference. Class and locus come from the fault-family table, as for the other engine.
 */
#include "vmft-engine.h"
#include "vmft-kernel-model.h"
#include "vmft-lad.h"
#include "vmft-locus.h"

#include <string.h>

#define FAULT_P     0.5
#define ROW_PREFIX  "lad/"
#define ROW_WINDOWS 500 /* windows to a row of the store */

typedef struct
{
  guint32 generation;
  gboolean faulty;
} Template;

/* The line that made the window faulty: the alarm is about it, even when the anomaly shows a line later. */
typedef struct
{
  guint32 id;
  guint32 generation;
  char *text;
  const VmftFamily *family;
  VmftLocus locus;
} Culprit;

typedef struct
{
  VmftEngine parent;
  VmftLad *lad;
  VmftLadPreset preset;
  VmftKernelModel *model;
  const VmftFamilies *families;
  GHashTable *templates; /* id -> Template */
  GHashTable *answers;   /* template text -> VmftAnswerKind */
  guint max_templates;
  Culprit culprit;
  guint n_saved;   /* windows in the store */
  guint n_flushed; /* written, not yet said to be durable */
} LadEngine;

static void
lad_free (VmftEngine *engine)
{
  LadEngine *self = (LadEngine *) engine;

  g_clear_pointer (&self->lad, vmft_lad_free);
  g_clear_pointer (&self->model, vmft_kernel_model_free);
  g_clear_pointer (&self->templates, g_hash_table_unref);
  g_clear_pointer (&self->answers, g_hash_table_unref);
  g_free (self->culprit.text);
  g_free (self);
}

/* The kernel-message model, and what a language model or the operator has said beside it. */
static gboolean
infer (LadEngine *self, const char *text, gsize length)
{
  double p = vmft_kernel_model_score (self->model, text, length);
  VmftAnswerKind kind = GPOINTER_TO_INT (g_hash_table_lookup (self->answers, text));
  const VmftFamily *family = vmft_families_match (self->families, NULL, text, length, NULL);

  if (family && family->benign)
    return FALSE;
  switch (vmft_answer_amend (kind, p, p >= FAULT_P, family != NULL))
    {
    case VMFT_AMENDMENT_RAISE:
      return TRUE;
    case VMFT_AMENDMENT_LOWER:
      return FALSE;
    case VMFT_AMENDMENT_NONE:
      break;
    }
  return p >= FAULT_P;
}

/* Log inference: asked once per template and generation, of the kernel's lines alone. */
static gboolean
is_faulty (LadEngine *self, const VmftEngineInput *input)
{
  gpointer key = GUINT_TO_POINTER (input->match->id);
  Template *template = g_hash_table_lookup (self->templates, key);
  VmftDrainTemplate info;

  if (!input->line->kernel)
    return FALSE;
  if (!template)
    {
      if (g_hash_table_size (self->templates) >= 2 * self->max_templates)
        g_hash_table_remove_all (self->templates);
      template = g_new0 (Template, 1);
      g_hash_table_insert (self->templates, key, template);
    }
  if (template->generation != input->match->generation)
    {
      template->generation = input->match->generation;
      template->faulty =
          vmft_drain_template (input->drain, input->match->id, &info) && infer (self, info.text, info.length);
    }
  return template->faulty;
}

static void
note_culprit (LadEngine *self, const VmftEngineInput *input, const char *template_text)
{
  const VmftSlice *text = &input->line->text;
  Culprit *culprit = &self->culprit;

  g_free (culprit->text);
  culprit->text = g_strdup (template_text);
  culprit->id = input->match->id;
  culprit->generation = input->match->generation;
  culprit->family = vmft_families_match (self->families, NULL, text->data, text->length, &culprit->locus);
  if (!culprit->family)
    vmft_locus_scan (text->data, text->length, &culprit->locus);
}

static void
accuse (LadEngine *self, VmftVerdict *verdict, const VmftFamily **family)
{
  const Culprit *culprit = &self->culprit;

  verdict->fault = TRUE;
  verdict->template_id = culprit->id;
  verdict->generation = culprit->generation;
  verdict->template_text = culprit->text;
  verdict->locus = culprit->locus;
  *family = culprit->family;
  if (culprit->family)
    {
      verdict->family = culprit->family->name;
      verdict->fault_class = culprit->family->fault_class;
    }
}

static void
lad_judge (VmftEngine *engine, const VmftEngineInput *input, VmftVerdict *verdict, const VmftFamily **family)
{
  LadEngine *self = (LadEngine *) engine;
  gboolean faulty = is_faulty (self, input);

  verdict->fault_class = VMFT_CLASS_OTHER;
  if (faulty)
    note_culprit (self, input, verdict->template_text);
  if (input->drill)
    {
      verdict->p = faulty ? 1.0 : 0.0;
      if (faulty)
        accuse (self, verdict, family);
      return;
    }
  verdict->p = vmft_lad_feed (self->lad, input->match->id, faulty, input->learning);
  if (verdict->p >= 1.0 && self->culprit.text)
    accuse (self, verdict, family);
}

/* The paper's detector knows windows, not templates at a place: there is nothing to teach it here. */
static void
lad_acknowledge (VmftEngine *engine, const VmftNormalKey *key, double per_minute, VmftTime now_us)
{
}

static void
lad_amend (VmftEngine *engine, const char *template_text, VmftAnswerKind kind)
{
  LadEngine *self = (LadEngine *) engine;

  if (kind == VMFT_ANSWER_UNSURE)
    g_hash_table_remove (self->answers, template_text);
  else
    g_hash_table_replace (self->answers, g_strdup (template_text), GINT_TO_POINTER (kind));
  g_hash_table_remove_all (self->templates);
}

static gboolean
lad_is_benign (VmftEngine *engine, const VmftDrainTemplate *info)
{
  return !infer ((LadEngine *) engine, info->text, info->length);
}

static void
lad_tick (VmftEngine *engine, VmftTime now_us)
{
}

static gboolean
put_windows (LadEngine *self, VmftStore *store, guint row, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *key = g_strdup_printf (ROW_PREFIX "%06u", row);
  g_autoptr (GString) text = g_string_new (NULL);
  guint last = MIN (vmft_lad_count (self->lad), (row + 1) * ROW_WINDOWS);

  for (guint i = row * ROW_WINDOWS; i < last; i++)
    for (guint k = 0; k < self->preset.window; k++)
      g_string_append_printf (text, "%u ", vmft_lad_get (self->lad, i)[k]);
  g_variant_dict_insert (&dict, "window", "x", (gint64) self->preset.window);
  g_variant_dict_insert (&dict, "keys", "s", text->str);
  return vmft_store_put (store, VMFT_STORE_DETECTOR, key, 0, g_variant_dict_end (&dict), error);
}

static gboolean
lad_flush (VmftEngine *engine, VmftStore *store, GError **error)
{
  LadEngine *self = (LadEngine *) engine;
  guint count = vmft_lad_count (self->lad);

  for (guint row = self->n_saved / ROW_WINDOWS; self->n_saved < count && row * ROW_WINDOWS < count; row++)
    if (!put_windows (self, store, row, error))
      return FALSE;
  self->n_flushed = count;
  return TRUE;
}

static void
lad_mark_saved (VmftEngine *engine)
{
  LadEngine *self = (LadEngine *) engine;

  self->n_saved = self->n_flushed;
}

static void
lad_describe (VmftEngine *engine, GVariantDict *dict)
{
  g_variant_dict_insert (dict, "windows", "x", (gint64) vmft_lad_count (((LadEngine *) engine)->lad));
}

static const VmftEngineClass lad_class = {
  .name = "vmft-lad",
  .kernel_only = FALSE,
  .judge = lad_judge,
  .acknowledge = lad_acknowledge,
  .amend = lad_amend,
  .is_benign = lad_is_benign,
  .tick = lad_tick,
  .flush = lad_flush,
  .mark_saved = lad_mark_saved,
  .describe = lad_describe,
  .free = lad_free,
};

static gboolean
load_windows (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  LadEngine *self = user_data;
  const char *text = vmft_dict_string (record, "keys");
  guint32 keys[16];
  guint n = 0;

  if (!g_str_has_prefix (key, ROW_PREFIX) || !text ||
      vmft_dict_int64 (record, "window", 0) != (gint64) self->preset.window)
    return TRUE;
  while (*text)
    {
      char *end = NULL;

      keys[n++] = (guint32) g_ascii_strtoull (text, &end, 10);
      if (end == text)
        return TRUE;
      text = *end == ' ' ? end + 1 : end;
      if (n == self->preset.window)
        {
          vmft_lad_add (self->lad, keys);
          n = 0;
        }
    }
  return TRUE;
}

VmftEngine *
vmft_engine_lad_new (const VmftDetectorConfig *config,
                     const VmftFamilies *families,
                     VmftStore *store,
                     GError **error)
{
  LadEngine *self = g_new0 (LadEngine, 1);
  g_autoptr (VmftEngine) engine = &self->parent;

  self->parent.class = &lad_class;
  self->families = families;
  self->max_templates = MAX (config->max_templates, 1000);
  self->templates = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!vmft_lad_preset (config->preset, &self->preset))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "preset \"%s\" is none of: published, paper",
                   config->preset ? config->preset : "");
      return NULL;
    }
  self->lad = vmft_lad_new (&self->preset);
  self->model = vmft_kernel_model_load (config->model_path, error);
  if (!self->model ||
      !vmft_store_foreach (store, VMFT_STORE_DETECTOR, VMFT_STORE_BY_KEY, 0, load_windows, self, error))
    return NULL;
  self->n_saved = vmft_lad_count (self->lad);
  return g_steal_pointer (&engine);
}
