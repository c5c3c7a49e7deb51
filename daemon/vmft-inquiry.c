/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-inquiry.h"

#include "vmft-inference-llm.h"

#include <string.h>

#define MAX_KEPT       256
#define MAX_SEEN       200000
#define MAX_KEPT_BYTES 2048 /* of a line's text */

/* The line that a question is about, should the answer be "faulty". */
typedef struct
{
  VmftLine line; /* its slices point into @bytes */
  char *bytes;
  char *source;
} Kept;

struct _VmftInquiry
{
  VmftClock *clock;
  VmftDetector *detector;
  VmftInference *inference;
  VmftInquiryFeed feed;
  gpointer user_data;
  char *provider; /* as configured */
  gboolean asks;
  gboolean asks_all; /* the kernel's templates, whatever their verdict */

  GHashTable *kept; /* template text -> Kept */
  GQueue order;     /* of those keys, oldest first */
  GHashTable *seen; /* template id -> generation, under @asks_all */
  guint64 n_raised, n_lowered;
};

/* --- lines that questions are about --- */

static void
kept_free (Kept *kept)
{
  g_free (kept->bytes);
  g_free (kept->source);
  g_free (kept);
}

static VmftSlice
copy_slice (char *bytes, gsize *used, const VmftSlice *slice)
{
  VmftSlice copy = { bytes + *used, MIN (slice->length, (gsize) MAX_KEPT_BYTES) };

  memcpy (bytes + *used, slice->data, copy.length);
  *used += copy.length;
  return copy;
}

static Kept *
kept_new (const VmftLine *line, const char *source)
{
  Kept *kept = g_new0 (Kept, 1);
  gsize used = 0;

  kept->bytes = g_malloc (3 * MAX_KEPT_BYTES);
  kept->source = g_strdup (source);
  kept->line = *line;
  kept->line.text = copy_slice (kept->bytes, &used, &line->text);
  kept->line.host = copy_slice (kept->bytes, &used, &line->host);
  kept->line.program = copy_slice (kept->bytes, &used, &line->program);
  kept->bytes = g_realloc (kept->bytes, MAX (used, 1));
  return kept;
}

/* g_realloc() may move the bytes. */
static void
rebase (Kept *kept)
{
  kept->line.text.data = kept->bytes;
  kept->line.host.data = kept->bytes + kept->line.text.length;
  kept->line.program.data = kept->line.host.data + kept->line.host.length;
}

static void
keep (VmftInquiry *self, const char *template_text, const VmftLine *line, const char *source)
{
  Kept *kept;
  char *key;

  if (g_hash_table_contains (self->kept, template_text))
    return;
  if (g_queue_get_length (&self->order) >= MAX_KEPT)
    g_hash_table_remove (self->kept, g_queue_pop_head (&self->order));
  kept = kept_new (line, source);
  rebase (kept);
  key = g_strdup (template_text);
  g_hash_table_insert (self->kept, key, kept);
  g_queue_push_tail (&self->order, key);
}

/* Returns: (transfer full) (nullable). */
static Kept *
take_kept (VmftInquiry *self, const char *template_text)
{
  gpointer key = NULL, kept = NULL;

  if (!g_hash_table_steal_extended (self->kept, template_text, &key, &kept))
    return NULL;
  g_queue_remove (&self->order, key);
  g_free (key);
  return kept;
}

/* --- asking --- */

static gboolean
is_first_sight (VmftInquiry *self, const VmftVerdict *verdict)
{
  gpointer id = GUINT_TO_POINTER (verdict->template_id), generation = GUINT_TO_POINTER (verdict->generation);

  if (g_hash_table_lookup (self->seen, id) == generation)
    return FALSE;
  if (g_hash_table_size (self->seen) >= MAX_SEEN)
    g_hash_table_remove_all (self->seen); /* the answers themselves are remembered elsewhere */
  g_hash_table_replace (self->seen, id, generation);
  return TRUE;
}

static gboolean
could_change (VmftInquiry *self, const VmftLine *line, const VmftVerdict *verdict)
{
  if (!line->kernel || *verdict->template_text == '\0')
    return FALSE;
  if (verdict->fault)
    return !verdict->firm && verdict->family == NULL && verdict->p < VMFT_ANSWER_MAX_LOWERED_P;
  if (self->asks_all)
    return !vmft_detector_is_learning (self->detector) && is_first_sight (self, verdict);
  return verdict->novel;
}

void
vmft_inquiry_note (VmftInquiry *self, const VmftLine *line, const char *source, const VmftVerdict *verdict)
{
  if (!self->asks || !could_change (self, line, verdict))
    return;
  if (vmft_inference_ask (self->inference, verdict->template_text) && !verdict->fault)
    keep (self, verdict->template_text, line, source);
}

/* --- answers --- */

static void
raise_kept (VmftInquiry *self, Kept *kept)
{
  /* its own time stays: an answer that took minutes makes old news, which opens an incident but moves nothing */
  kept->line.arrival_us = vmft_clock_real_us (self->clock);
  self->n_raised++;
  self->feed (&kept->line, kept->source, self->user_data);
}

static gboolean
rests_on (const VmftIncident *incident, const char *template_text)
{
  return incident->state != VMFT_INCIDENT_CLEARED && incident->n_templates == 1 && !incident->drill &&
         !incident->firm && g_strcmp0 (incident->template_text, template_text) == 0 &&
         vmft_answer_amend (VMFT_ANSWER_NORMAL, incident->p, TRUE, incident->family != NULL) ==
             VMFT_AMENDMENT_LOWER;
}

static void
lower_incidents (VmftInquiry *self, const char *template_text)
{
  g_autoptr (GPtrArray) incidents = vmft_detector_list_incidents (self->detector);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint64));

  for (guint i = 0; i < incidents->len; i++)
    {
      const VmftIncident *incident = g_ptr_array_index (incidents, i);

      if (rests_on (incident, template_text))
        g_array_append_val (ids, incident->id);
    }
  for (guint i = 0; i < ids->len; i++)
    {
      guint64 id = g_array_index (ids, guint64, i);
      g_autoptr (GError) error = NULL;

      g_message ("incident %" G_GUINT64_FORMAT ": log inference calls its line normal", id);
      self->n_lowered++;
      if (!vmft_detector_clear (self->detector, id, &error))
        g_warning ("incident %" G_GUINT64_FORMAT " cannot be cleared: %s", id, error->message);
    }
}

static void
on_answered (VmftInference *inference, const VmftAnswer *answer, gpointer user_data)
{
  VmftInquiry *self = user_data;
  g_autofree char *template_text = g_strdup (answer->template_text);
  VmftAnswerKind kind = answer->kind;
  Kept *kept = take_kept (self, template_text);

  vmft_detector_amend (self->detector, template_text, kind);
  if (kind == VMFT_ANSWER_FAULTY && kept != NULL)
    raise_kept (self, kept);
  else if (kind == VMFT_ANSWER_NORMAL)
    lower_incidents (self, template_text);
  g_clear_pointer (&kept, kept_free);
}

/* --- what the operator says --- */

VmftInference *
vmft_inquiry_get_inference (VmftInquiry *self)
{
  return self->inference;
}

const VmftAnswer *
vmft_inquiry_find (VmftInquiry *self, const char *key)
{
  g_autoptr (GPtrArray) answers = vmft_inference_list (self->inference);

  for (guint i = 0; i < answers->len; i++)
    if (g_str_equal (((const VmftAnswer *) answers->pdata[i])->key, key))
      return answers->pdata[i];
  return NULL;
}

gboolean
vmft_inquiry_forget (VmftInquiry *self, const char *key, GError **error)
{
  const VmftAnswer *answer = vmft_inquiry_find (self, key);
  g_autofree char *template_text = answer ? g_strdup (answer->template_text) : NULL;

  if (!vmft_inference_forget (self->inference, key, error))
    return FALSE;
  vmft_detector_amend (self->detector, template_text, VMFT_ANSWER_UNSURE);
  return TRUE;
}

GVariant *
vmft_inquiry_to_variant (VmftInquiry *self)
{
  g_autoptr (GVariant) inference = g_variant_ref_sink (vmft_inference_describe (self->inference));
  GVariantDict dict;

  g_variant_dict_init (&dict, inference);
  g_variant_dict_insert (&dict, "provider", "s", self->provider);
  g_variant_dict_insert (&dict, "raised", "t", self->n_raised);
  g_variant_dict_insert (&dict, "lowered", "t", self->n_lowered);
  return g_variant_dict_end (&dict);
}

/* --- making one --- */

static VmftInferenceProvider *
make_provider (VmftInquiry *self, VmftConf *conf, GError **error)
{
  VmftLlmConfig config = VMFT_LLM_CONFIG_DEFAULT;
  VmftInferenceProvider *provider;

  /* the kernel-message model is the engines' own and has answered before anyone could ask */
  if (!self->asks)
    return vmft_inference_none_new ();
  config.url = vmft_conf_get_string (conf, "Inference", "url");
  config.model = vmft_conf_get_string (conf, "Inference", "model");
  config.key_file = vmft_conf_get_string (conf, "Inference", "key-file");
  config.credential = vmft_conf_get_string (conf, "Inference", "credential");
  if (strcmp (vmft_conf_get_string (conf, "Inference", "prompt"), "zero-shot") == 0)
    config.style = VMFT_PROMPT_ZERO_SHOT;
  provider = vmft_inference_llm_new (&config, error);
  if (provider == NULL)
    g_prefix_error (error, "[Inference] ");
  return provider;
}

static char **
sample_benign (GRand *random, guint n, gpointer user_data)
{
  return vmft_detector_sample_benign (user_data, random, n);
}

static gboolean
start_inference (VmftInquiry *self, VmftConf *conf, VmftStore *store, GError **error)
{
  VmftInferenceConfig config = VMFT_INFERENCE_CONFIG_DEFAULT;
  g_autoptr (VmftInferenceProvider) provider = make_provider (self, conf, error);
  g_autoptr (GPtrArray) answers = NULL;

  if (provider == NULL)
    return FALSE;
  config.deadline_s = vmft_conf_get_double (conf, "Inference", "deadline");
  config.max_queued = (guint) vmft_conf_get_uint (conf, "Inference", "max-queued");
  self->inference = vmft_inference_new (self->clock, store, provider, &config, error);
  if (self->inference == NULL)
    return FALSE;
  vmft_inference_set_benign (self->inference, sample_benign, self->detector);
  g_signal_connect (self->inference, "answered", G_CALLBACK (on_answered), self);
  answers = vmft_inference_list (self->inference);
  for (guint i = 0; i < answers->len; i++)
    {
      const VmftAnswer *answer = g_ptr_array_index (answers, i);

      vmft_detector_amend (self->detector, answer->template_text, answer->kind);
    }
  return TRUE;
}

VmftInquiry *
vmft_inquiry_new (VmftConf *conf,
                  VmftClock *clock,
                  VmftStore *store,
                  VmftDetector *detector,
                  VmftInquiryFeed feed,
                  gpointer user_data,
                  GError **error)
{
  g_autoptr (VmftInquiry) self = g_new0 (VmftInquiry, 1);

  self->clock = g_object_ref (clock);
  self->detector = g_object_ref (detector);
  self->feed = feed;
  self->user_data = user_data;
  self->provider = g_strdup (vmft_conf_get_string (conf, "Inference", "provider"));
  self->asks = strcmp (self->provider, "llm") == 0;
  self->asks_all = strcmp (vmft_conf_get_string (conf, "Detector", "engine"), "vmft-lad") == 0;
  self->kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) kept_free);
  self->seen = g_hash_table_new (NULL, NULL);
  g_queue_init (&self->order);
  if (!start_inference (self, conf, store, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
vmft_inquiry_free (VmftInquiry *self)
{
  if (self->inference != NULL)
    g_signal_handlers_disconnect_by_data (self->inference, self);
  g_clear_object (&self->inference);
  g_queue_clear (&self->order);
  g_hash_table_unref (self->kept);
  g_hash_table_unref (self->seen);
  g_object_unref (self->detector);
  g_object_unref (self->clock);
  g_free (self->provider);
  g_free (self);
}
