/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel engine: a line of the kernel is a fault when the kernel-message model gives its template, or its
 * own words, p >= 0.5, or when it belongs to a fault family, and when it is neither part of what this host has
 * shown to be normal nor what a disk says that was pulled out.
 *
 * Hot path: one look-up in a cache of word combinations. Only candidates go further.
 */
#include "vmft-engine.h"
#include "vmft-kernel-model.h"
#include "vmft-locus.h"
#include "vmft-unplugged.h"

#include <string.h>

#define FAULT_P      0.5 /* a fault from here on */
#define CERTAIN_P    0.9 /* normal only when the operator says so */

#define CACHE_SETS   4096
#define CACHE_WAYS   4
#define MAX_PAIRS    1024

#define STATE_PREFIX "template/"

/* What is known of one combination of words under one generation of a template. */
typedef struct
{
  guint64 words;
  guint32 id;
  guint32 generation;
  float p;       /* highest of the template's (ever) and of these words */
  float own_p;   /* of these words */
  gint16 family; /* index, or -1 */
  gboolean user : 1;
  gboolean by_values : 1; /* the family depends on values: look at every line */
  gboolean candidate : 1;
  gboolean fault : 1; /* unless it is normal here; without values that say otherwise */
  gboolean firm : 1;  /* no answer may change that */
} Words;

typedef struct
{
  guint32 generation;
  float p;
  gboolean kept; /* p comes from an earlier generation: the text alone would not give it */
  gboolean dirty;
} Template;

typedef struct
{
  VmftEngine parent;
  VmftKernelModel *model;
  const VmftFamilies *families;
  VmftNormalSet *normal;
  GHashTable *templates; /* id -> Template */
  GHashTable *answers;   /* template text -> VmftAnswerKind */
  GHashTable *pairs;     /* "0:0:0:0" -> "sda" */
  VmftUnplugged *unplugged;
  guint max_templates;
  guint32 last_id; /* newest template known */
  guint64 n_novel;
  gboolean dirty;  /* some template is */
  gboolean primed; /* last_id is known */
  guint8 next_way[CACHE_SETS];
  Words cache[CACHE_SETS][CACHE_WAYS];
} KernelEngine;

static void
kernel_free (VmftEngine *engine)
{
  KernelEngine *self = (KernelEngine *) engine;

  g_clear_pointer (&self->model, vmft_kernel_model_free);
  g_clear_pointer (&self->normal, vmft_normal_set_free);
  g_clear_pointer (&self->templates, g_hash_table_unref);
  g_clear_pointer (&self->pairs, g_hash_table_unref);
  g_clear_pointer (&self->unplugged, vmft_unplugged_free);
  g_clear_pointer (&self->answers, g_hash_table_unref);
  g_free (self);
}

/* Templates that the miner has let go need no memory here either. */
static void
drop_dead_templates (KernelEngine *self, VmftDrain *drain)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->templates);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      VmftDrainTemplate info;

      if (!vmft_drain_template (drain, GPOINTER_TO_UINT (key), &info))
        g_hash_table_iter_remove (&iter);
    }
}

/* A generalised template is scored again and keeps the higher p. */
static const Template *
score_template (KernelEngine *self, const VmftEngineInput *input)
{
  gpointer key = GUINT_TO_POINTER (input->match->id);
  Template *template = g_hash_table_lookup (self->templates, key);
  VmftDrainTemplate info;
  double p;

  if (template && template->generation == input->match->generation)
    return template;
  if (!template)
    {
      if (g_hash_table_size (self->templates) >= 2 * self->max_templates)
        drop_dead_templates (self, input->drain);
      template = g_new0 (Template, 1);
      g_hash_table_insert (self->templates, key, template);
    }
  p = vmft_drain_template (input->drain, input->match->id, &info)
          ? vmft_kernel_model_score (self->model, info.text, info.length)
          : 0.0;
  template->kept = template->p > p;
  template->dirty |= template->kept;
  self->dirty |= template->kept;
  template->p = MAX (template->p, (float) p);
  template->generation = input->match->generation;
  return template;
}

static void
note_scsi_pair (KernelEngine *self, const VmftSlice *text)
{
  VmftLocus address, disk;

  if (g_hash_table_size (self->pairs) < MAX_PAIRS &&
      vmft_locus_scsi_pair (text->data, text->length, &address, &disk))
    g_hash_table_replace (self->pairs, g_strdup (address.name), g_strdup (disk.name));
}

static const VmftSlice *
program_of (const VmftLine *line)
{
  return line->kernel ? NULL : &line->program;
}

static gint16
family_index (const KernelEngine *self, const VmftFamily *family)
{
  for (guint i = 0; family && i < vmft_families_count (self->families); i++)
    if (vmft_families_get (self->families, i) == family)
      return (gint16) i;
  return -1;
}

/*
 * What log inference changes (DESIGN 3.4). It speaks of the template: words that score higher than the template's
 * text does are not what it was asked about, so that they are not lowered.
 */
static gboolean
apply_answer (KernelEngine *self,
              const VmftEngineInput *input,
              gboolean fault,
              double p,
              double own_p,
              gboolean family)
{
  VmftDrainTemplate info;
  VmftAnswerKind kind;

  if (g_hash_table_size (self->answers) == 0 || !vmft_drain_template (input->drain, input->match->id, &info))
    return fault;
  kind = GPOINTER_TO_INT (g_hash_table_lookup (self->answers, info.text));
  switch (vmft_answer_amend (kind, p, fault, family))
    {
    case VMFT_AMENDMENT_RAISE:
      return TRUE;
    case VMFT_AMENDMENT_LOWER:
      return own_p > vmft_kernel_model_score (self->model, info.text, info.length) && own_p >= FAULT_P;
    case VMFT_AMENDMENT_NONE:
      break;
    }
  return fault;
}

/* Whoever can put words beside a fault's must not be able to talk it down: no part of it may be certain. */
static gboolean
is_firm (const KernelEngine *self, double p, const char *masked, gsize length)
{
  return p >= VMFT_ANSWER_MAX_LOWERED_P ||
         vmft_kernel_model_score_worst_part (self->model, masked, length) >= VMFT_ANSWER_MAX_LOWERED_P;
}

/* The first line of a combination of words: scored on its own words, looked up in the family table. */
static void
study (KernelEngine *self, const VmftEngineInput *input, Words *words)
{
  const VmftLine *line = input->line;
  gsize length = 0;
  const char *masked = vmft_drain_masked (input->drain, &length);
  double own_p = line->kernel ? vmft_kernel_model_score (self->model, masked, length) : 0.0;
  double p = own_p;
  const VmftFamily *family =
      vmft_families_match (self->families, program_of (line), line->text.data, line->text.length, NULL);

  if (line->kernel && input->match->id != 0)
    p = MAX (p, score_template (self, input)->p);
  *words = (Words){ .words = input->match->words,
                    .id = input->match->id,
                    .generation = input->match->generation,
                    .user = !line->kernel,
                    .p = (float) p,
                    .own_p = (float) own_p,
                    .family = family_index (self, family),
                    .by_values = vmft_families_depends_on_values (self->families, line->text.data,
                                                                  line->text.length) };
  words->fault = family ? !family->benign && (family->alarms || p >= FAULT_P) : p >= FAULT_P;
  words->firm = words->fault && (family || is_firm (self, p, masked, length));
  if (line->kernel && !words->firm && !(family && family->benign))
    words->fault = apply_answer (self, input, words->fault, p, own_p, family != NULL);
  words->candidate = words->by_values || words->fault;
  if (line->kernel)
    note_scsi_pair (self, &line->text);
}

static const Words *
look_up (KernelEngine *self, const VmftEngineInput *input)
{
  const VmftDrainMatch *match = input->match;
  guint set = (guint) ((match->words ^ (match->words >> 29)) % CACHE_SETS);
  Words *words = self->cache[set];
  gboolean user = !input->line->kernel;

  for (guint i = 0; i < CACHE_WAYS; i++)
    if (words[i].words == match->words && words[i].id == match->id &&
        words[i].generation == match->generation && words[i].user == user)
      return &words[i];
  words += self->next_way[set]++ % CACHE_WAYS;
  study (self, input, words);
  return words;
}

/* A SCSI address stands for the disk that the kernel once named beside it. */
static void
settle_locus (KernelEngine *self, VmftLocus *locus)
{
  const char *disk = locus->kind == VMFT_LOCUS_BLOCK ? g_hash_table_lookup (self->pairs, locus->name) : NULL;

  if (disk)
    g_strlcpy (locus->name, disk, sizeof locus->name);
}

static const VmftFamily *
find_family (KernelEngine *self, const VmftEngineInput *input, const Words *words, VmftLocus *locus)
{
  const VmftSlice *text = &input->line->text;
  const VmftFamily *family = NULL;

  if (words->by_values)
    family = vmft_families_match (self->families, program_of (input->line), text->data, text->length, locus);
  else if (words->family >= 0)
    {
      family = vmft_families_get (self->families, (guint) words->family);
      vmft_families_locate (self->families, family, text->data, text->length, locus);
    }
  if (!family)
    vmft_locus_scan (text->data, text->length, locus);
  settle_locus (self, locus);
  return family;
}

/* DESIGN 3.3: what may become normal while the host starts or is being learned. */
static gboolean
may_learn (const VmftEngineInput *input, const VmftFamily *family, double p)
{
  if (family)
    return family->learnable && input->booting;
  return p < CERTAIN_P && (input->booting || input->learning);
}

static void
judge_candidate (KernelEngine *self,
                 const VmftEngineInput *input,
                 const Words *words,
                 VmftVerdict *verdict,
                 const VmftFamily **family)
{
  VmftNormalKey key = { .template_text = verdict->template_text,
                        .locus = &verdict->locus,
                        .words = words->words,
                        .p = words->own_p };

  *family = find_family (self, input, words, &verdict->locus);
  if (*family)
    {
      verdict->family = (*family)->name;
      verdict->fault_class = (*family)->fault_class;
      key.family = (*family)->name;
    }
  if (*family ? (*family)->benign || (!words->fault && !(*family)->alarms) : !words->fault)
    return;
  if (input->drill)
    verdict->fault = TRUE;
  else if (vmft_unplugged_explains (self->unplugged, input->line, &verdict->locus, input->now_us))
    return;
  else if (vmft_normal_set_covers (self->normal, &key, input->now_us))
    {
      verdict->normal = TRUE;
      if (input->booting || input->learning)
        vmft_normal_set_learn (self->normal, &key, input->now_us, input->boot, *family != NULL);
    }
  else if (may_learn (input, *family, words->p))
    vmft_normal_set_learn (self->normal, &key, input->now_us, input->boot, *family != NULL);
  else
    verdict->fault = TRUE;
}

static void
find_last_id (const VmftDrainTemplate *info, gpointer user_data)
{
  KernelEngine *self = user_data;

  self->last_id = MAX (self->last_id, info->id);
}

/* Returns whether it is new to this host (not an evicted one that returns) and worth a remark. */
static gboolean
note_new_template (KernelEngine *self, const VmftEngineInput *input)
{
  gboolean novel;

  if (!self->primed)
    {
      vmft_drain_foreach (input->drain, find_last_id, self);
      self->last_id = MIN (self->last_id, input->match->id - 1);
      self->primed = TRUE;
    }
  novel = input->match->id > self->last_id && input->line->kernel && !input->learning && !input->booting;
  self->last_id = MAX (self->last_id, input->match->id);
  self->n_novel += novel;
  return novel;
}

static void
kernel_judge (VmftEngine *engine,
              const VmftEngineInput *input,
              VmftVerdict *verdict,
              const VmftFamily **family)
{
  KernelEngine *self = (KernelEngine *) engine;
  const Words *words;

  if (input->match->is_new && !input->drill)
    verdict->novel = note_new_template (self, input);
  if (input->line->kernel && !input->drill)
    vmft_unplugged_note (self->unplugged, input->line, input->now_us);
  words = look_up (self, input);
  verdict->p = words->p;
  verdict->firm = words->firm;
  verdict->fault_class = VMFT_CLASS_OTHER;
  if (words->candidate)
    judge_candidate (self, input, words, verdict, family);
}

static void
kernel_acknowledge (VmftEngine *engine, const VmftNormalKey *key, double per_minute, VmftTime now_us)
{
  vmft_normal_set_acknowledge (((KernelEngine *) engine)->normal, key, per_minute, now_us);
}

static void
kernel_amend (VmftEngine *engine, const char *template_text, VmftAnswerKind kind)
{
  KernelEngine *self = (KernelEngine *) engine;

  if (kind == VMFT_ANSWER_UNSURE)
    g_hash_table_remove (self->answers, template_text);
  else
    g_hash_table_replace (self->answers, g_strdup (template_text), GINT_TO_POINTER (kind));
  memset (self->cache, 0, sizeof self->cache); /* answers are few: all words are studied again */
}

static gboolean
kernel_is_benign (VmftEngine *engine, const VmftDrainTemplate *info)
{
  KernelEngine *self = (KernelEngine *) engine;
  const Template *template = g_hash_table_lookup (self->templates, GUINT_TO_POINTER (info->id));

  return template && template->p < FAULT_P &&
         !vmft_families_match (self->families, NULL, info->text, info->length, NULL);
}

static void
kernel_tick (VmftEngine *engine, VmftTime now_us)
{
  vmft_normal_set_expire (((KernelEngine *) engine)->normal, now_us);
}

static gboolean
put_template (VmftStore *store, guint32 id, const Template *template, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *key = g_strdup_printf (STATE_PREFIX "%u", id);

  g_variant_dict_insert (&dict, "generation", "x", (gint64) template->generation);
  g_variant_dict_insert (&dict, "p", "d", (double) template->p);
  return vmft_store_put (store, VMFT_STORE_DETECTOR, key, 0, g_variant_dict_end (&dict), error);
}

static gboolean
kernel_flush (VmftEngine *engine, VmftStore *store, GError **error)
{
  KernelEngine *self = (KernelEngine *) engine;
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, self->templates);
  while (self->dirty && g_hash_table_iter_next (&iter, &key, &value))
    {
      Template *template = value;

      if (template->dirty && !put_template (store, GPOINTER_TO_UINT (key), template, error))
        return FALSE;
    }
  return vmft_normal_set_flush (self->normal, store, error);
}

static void
kernel_mark_saved (VmftEngine *engine)
{
  KernelEngine *self = (KernelEngine *) engine;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->templates);
  while (self->dirty && g_hash_table_iter_next (&iter, NULL, &value))
    ((Template *) value)->dirty = FALSE;
  self->dirty = FALSE;
  vmft_normal_set_mark_saved (self->normal);
}

static void
kernel_describe (VmftEngine *engine, GVariantDict *dict)
{
  KernelEngine *self = (KernelEngine *) engine;

  g_variant_dict_insert (dict, "normal", "x", (gint64) vmft_normal_set_count (self->normal));
  g_variant_dict_insert (dict, "normal_excess", "x", (gint64) vmft_normal_set_excess (self->normal));
  g_variant_dict_insert (dict, "novel", "x", (gint64) self->n_novel);
}

static const VmftEngineClass kernel_class = {
  .name = "kernel",
  .kernel_only = TRUE,
  .judge = kernel_judge,
  .acknowledge = kernel_acknowledge,
  .amend = kernel_amend,
  .is_benign = kernel_is_benign,
  .tick = kernel_tick,
  .flush = kernel_flush,
  .mark_saved = kernel_mark_saved,
  .describe = kernel_describe,
  .free = kernel_free,
};

/* Rows of templates whose p comes from an earlier generation, and of the newest template known. */
static gboolean
load_template (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  KernelEngine *self = user_data;
  guint64 id;
  Template *template;

  if (!g_str_has_prefix (key, STATE_PREFIX) ||
      !g_ascii_string_to_unsigned (key + strlen (STATE_PREFIX), 10, 1, G_MAXUINT32, &id, NULL))
    return TRUE;
  template = g_new0 (Template, 1);
  template->generation = (guint32) vmft_dict_int64 (record, "generation", 0);
  template->p = (float) CLAMP (vmft_dict_double (record, "p", 0.0), 0.0, 1.0);
  template->kept = TRUE;
  g_hash_table_insert (self->templates, GUINT_TO_POINTER ((guint) id), template);
  return TRUE;
}

VmftEngine *
vmft_engine_kernel_new (const VmftDetectorConfig *config,
                        const VmftFamilies *families,
                        VmftStore *store,
                        GError **error)
{
  KernelEngine *self = g_new0 (KernelEngine, 1);
  g_autoptr (VmftEngine) engine = &self->parent;

  self->parent.class = &kernel_class;
  self->families = families;
  self->max_templates = MAX (config->max_templates, 1000);
  self->normal = vmft_normal_set_new ();
  self->templates = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->pairs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->unplugged = vmft_unplugged_new ();
  self->model = vmft_kernel_model_load (config->model_path, error);
  if (!self->model || !vmft_normal_set_load (self->normal, store, error) ||
      !vmft_store_foreach (store, VMFT_STORE_DETECTOR, VMFT_STORE_BY_KEY, 0, load_template, self, error))
    return NULL;
  return g_steal_pointer (&engine);
}
