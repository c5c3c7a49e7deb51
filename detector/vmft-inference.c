/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-inference.h"

#include "vmft-inference-breaker.h"

#define MAX_FAILED 1024

/* One question under way. An attempt's callback holds a reference and may outlive the queue. */
typedef struct
{
  VmftInference *owner; /* NULL when the queue has gone or has let go of it */
  char *key;
  char *template_text;
  guint attempts;
  GCancellable *cancellable; /* of the attempt that runs */
  guint timer_id;            /* deadline while it runs, back-off while it waits */
  gboolean timed_out;
} Question;

struct _VmftInference
{
  GObject parent;

  VmftClock *clock;
  VmftStore *store;
  VmftInferenceProvider *provider;
  VmftInferenceConfig config;
  VmftBenignFunc benign;
  gpointer benign_data;
  GRand *random;
  VmftBreaker breaker;

  GHashTable *answers;   /* key -> VmftAnswer */
  GHashTable *questions; /* key -> Question */
  GHashTable *failed;    /* key -> monotonic time until which it is not asked again */
  GQueue ready;          /* of Question, borrowed from @questions */
  guint n_running;
  guint wake_id; /* when the breaker lets go */

  guint64 n_asked, n_answered, n_retried, n_failed, n_dropped, n_timed_out;
};

G_DEFINE_FINAL_TYPE (VmftInference, vmft_inference, G_TYPE_OBJECT)

static void
question_clear (Question *question)
{
  g_clear_object (&question->cancellable);
  g_free (question->key);
  g_free (question->template_text);
}

static void
question_unref (Question *question)
{
  g_rc_box_release_full (question, (GDestroyNotify) question_clear);
}

/* The queue lets go: nothing more comes of it. */
static void
question_drop (Question *question)
{
  vmft_clear_timer (question->owner->clock, &question->timer_id);
  question->owner = NULL;
  if (question->cancellable)
    g_cancellable_cancel (question->cancellable);
  question_unref (question);
}

/* --- answers --- */

static VmftAnswer *
answer_new (VmftInference *self,
            const char *template_text,
            VmftAnswerKind kind,
            const char *reason,
            const char *provider)
{
  VmftAnswer *answer = g_new0 (VmftAnswer, 1);

  answer->template_text = vmft_text_printable (template_text, -1);
  answer->key = vmft_answer_key (answer->template_text);
  answer->kind = kind;
  answer->reason = reason ? vmft_text_printable (reason, -1) : NULL;
  answer->provider = g_strdup (provider);
  answer->time_us = vmft_clock_real_us (self->clock);
  return answer;
}

static const VmftAnswer *
find_oldest (VmftInference *self)
{
  const VmftAnswer *oldest = NULL, *answer;
  GHashTableIter iter;

  g_hash_table_iter_init (&iter, self->answers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &answer))
    if (!answer->overruled && (oldest == NULL || answer->time_us < oldest->time_us))
      oldest = answer;
  return oldest;
}

static gboolean
make_room (VmftInference *self, GError **error)
{
  while (g_hash_table_size (self->answers) >= self->config.max_answers)
    {
      const VmftAnswer *oldest = find_oldest (self);

      if (oldest == NULL)
        return TRUE;
      if (!vmft_store_remove (self->store, VMFT_STORE_ANSWERS, oldest->key, error))
        return FALSE;
      g_hash_table_remove (self->answers, oldest->key);
    }
  return TRUE;
}

/* Durable before anyone hears of it: whoever acts on an answer finds it again after a restart. */
static gboolean
record_answer (VmftInference *self, VmftAnswer *taken, GError **error)
{
  g_autoptr (VmftAnswer) answer = taken;
  const VmftAnswer *kept = answer;

  if (!make_room (self, error) || !vmft_store_put (self->store, VMFT_STORE_ANSWERS, answer->key,
                                                   answer->time_us, vmft_answer_to_variant (answer), error))
    return FALSE;
  g_hash_table_replace (self->answers, answer->key, answer);
  answer = NULL;
  g_signal_emit_by_name (self, "answered", kept);
  return TRUE;
}

static gboolean
load_answer (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  VmftInference *self = user_data;
  VmftAnswer *answer = vmft_answer_from_variant (record);

  if (answer == NULL)
    g_warning ("log inference: stored answer %s makes no sense and is passed over", key);
  else
    g_hash_table_replace (self->answers, answer->key, answer);
  return TRUE;
}

/* --- failures --- */

static gboolean
has_passed (gpointer key, gpointer value, gpointer user_data)
{
  return *(const gint64 *) value <= *(const gint64 *) user_data;
}

static void
remember_failure (VmftInference *self, const char *key)
{
  gint64 now_us = vmft_clock_monotonic_us (self->clock);
  gint64 until_us = now_us + (gint64) (self->config.forget_failure_s * G_USEC_PER_SEC);

  if (g_hash_table_size (self->failed) >= MAX_FAILED)
    g_hash_table_foreach_remove (self->failed, has_passed, &now_us);
  if (g_hash_table_size (self->failed) >= MAX_FAILED)
    g_hash_table_remove_all (self->failed);
  g_hash_table_replace (self->failed, g_strdup (key), g_memdup2 (&until_us, sizeof until_us));
}

static gboolean
failed_lately (VmftInference *self, const char *key)
{
  const gint64 *until_us = g_hash_table_lookup (self->failed, key);

  return until_us != NULL && vmft_clock_monotonic_us (self->clock) < *until_us;
}

/* --- the queue --- */

static void pump (VmftInference *self);

static void
finish_question (VmftInference *self, Question *question)
{
  g_hash_table_remove (self->questions, question->key);
}

static gboolean
on_deadline (gpointer user_data)
{
  Question *question = user_data;

  question->timer_id = 0;
  question->timed_out = TRUE;
  g_cancellable_cancel (question->cancellable);
  return G_SOURCE_REMOVE;
}

static gboolean
on_backoff_over (gpointer user_data)
{
  Question *question = user_data;

  question->timer_id = 0;
  g_queue_push_tail (&question->owner->ready, question);
  pump (question->owner);
  return G_SOURCE_REMOVE;
}

static guint
backoff_ms (VmftInference *self, const Question *question)
{
  double delay_s = self->config.backoff_s;

  for (guint i = 1; i < question->attempts && delay_s < self->config.backoff_max_s; i++)
    delay_s *= 2;
  delay_s = MIN (delay_s, self->config.backoff_max_s);
  /* a fleet whose hosts saw the same line must not come back in step */
  delay_s *= 1 + 0.25 * g_rand_double (self->random);
  return (guint) (delay_s * 1000);
}

static void
take_reply (VmftInference *self, Question *question, const VmftReply *reply)
{
  g_autoptr (GError) error = NULL;
  VmftAnswer *answer = answer_new (self, question->template_text, reply->kind, reply->reason,
                                   vmft_inference_provider_get_name (self->provider));

  if (vmft_breaker_succeed (&self->breaker))
    g_message ("log inference: %s answers again", vmft_inference_provider_get_name (self->provider));
  if (record_answer (self, answer, &error))
    {
      self->n_answered++;
    }
  else
    {
      g_warning ("log inference: cannot keep an answer: %s", error->message);
      self->n_failed++;
      remember_failure (self, question->key);
    }
}

static gboolean
may_retry (VmftInference *self, const Question *question, const GError *error)
{
  return question->attempts < self->config.max_attempts &&
         !g_error_matches (error, VMFT_ERROR, VMFT_ERROR_REFUSED);
}

/* Returns: whether the question is over. */
static gboolean
take_failure (VmftInference *self, Question *question, double retry_after_s, const GError *error)
{
  if (vmft_breaker_fail (&self->breaker, vmft_clock_monotonic_us (self->clock), retry_after_s))
    g_warning ("log inference: %s fails time after time (%s); leaving it alone for %.0f s",
               vmft_inference_provider_get_name (self->provider), error->message, self->config.breaker_s);
  if (may_retry (self, question, error))
    {
      self->n_retried++;
      question->timer_id =
          vmft_clock_add_timer (self->clock, backoff_ms (self, question), on_backoff_over, question, NULL);
      return FALSE;
    }
  g_info ("log inference: no answer about a template: %s", error->message);
  self->n_failed++;
  remember_failure (self, question->key);
  return TRUE;
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *question = user_data;
  g_autoptr (VmftInference) self = question->owner ? g_object_ref (question->owner) : NULL;
  g_autoptr (GError) error = NULL;
  double retry_after_s = 0;
  g_autoptr (VmftReply) reply =
      vmft_inference_provider_ask_finish (VMFT_INFERENCE_PROVIDER (source), result, &retry_after_s, &error);
  gboolean over = TRUE;

  if (self != NULL)
    {
      vmft_clear_timer (self->clock, &question->timer_id);
      g_clear_object (&question->cancellable);
      self->n_running--;
      if (question->timed_out)
        {
          self->n_timed_out++;
          g_clear_error (&error);
          g_clear_pointer (&reply, vmft_reply_free);
          g_set_error (&error, VMFT_ERROR, VMFT_ERROR_TIMEOUT, "no answer within %.0f s",
                       self->config.deadline_s);
        }
      if (reply != NULL)
        take_reply (self, question, reply);
      else
        over = take_failure (self, question, retry_after_s, error);
      if (over)
        finish_question (self, question);
      pump (self);
    }
  question_unref (question);
}

static void
start_attempt (VmftInference *self, Question *question)
{
  g_auto (GStrv) benign =
      self->benign ? self->benign (self->random, self->config.n_benign, self->benign_data) : NULL;
  const char *const none[] = { NULL };
  VmftQuestion asked = { .template_text = question->template_text,
                         .benign = benign ? (const char *const *) benign : none };

  question->attempts++;
  question->timed_out = FALSE;
  question->cancellable = g_cancellable_new ();
  question->timer_id = vmft_clock_add_timer (self->clock, (guint) (self->config.deadline_s * 1000),
                                             on_deadline, question, NULL);
  self->n_running++;
  self->n_asked++;
  vmft_breaker_begin (&self->breaker);
  vmft_inference_provider_ask (self->provider, &asked, question->cancellable, on_reply,
                               g_rc_box_acquire (question));
}

static gboolean
on_wake (gpointer user_data)
{
  VmftInference *self = user_data;

  self->wake_id = 0;
  pump (self);
  return G_SOURCE_REMOVE;
}

static void
pump (VmftInference *self)
{
  gint64 now_us = vmft_clock_monotonic_us (self->clock);

  while (self->n_running < self->config.max_running && !g_queue_is_empty (&self->ready) &&
         vmft_breaker_allows (&self->breaker, now_us))
    start_attempt (self, g_queue_pop_head (&self->ready));
  if (g_queue_is_empty (&self->ready) || self->breaker.blocked_us <= now_us || self->wake_id != 0)
    return;
  /* a millisecond more, so that rounding never wakes it too early */
  self->wake_id = vmft_clock_add_timer (self->clock, (guint) ((self->breaker.blocked_us - now_us) / 1000 + 1),
                                        on_wake, self, NULL);
}

gboolean
vmft_inference_ask (VmftInference *self, const char *template_text)
{
  g_autofree char *printable = vmft_text_printable (template_text, -1);
  g_autofree char *key = vmft_answer_key (printable);
  Question *question;

  if (g_hash_table_contains (self->answers, key) || g_hash_table_contains (self->questions, key) ||
      failed_lately (self, key))
    return FALSE;
  if (g_hash_table_size (self->questions) >= self->config.max_queued)
    {
      self->n_dropped++;
      return FALSE;
    }
  question = g_rc_box_new0 (Question);
  question->owner = self;
  question->key = g_steal_pointer (&key);
  question->template_text = g_steal_pointer (&printable);
  g_hash_table_replace (self->questions, question->key, question);
  g_queue_push_tail (&self->ready, question);
  pump (self);
  return TRUE;
}

/* --- what the operator sees and says --- */

static gint
newest_first (gconstpointer a, gconstpointer b)
{
  const VmftAnswer *x = *(VmftAnswer *const *) a, *y = *(VmftAnswer *const *) b;

  if (x->time_us != y->time_us)
    return x->time_us > y->time_us ? -1 : 1;
  return strcmp (x->key, y->key);
}

GPtrArray *
vmft_inference_list (VmftInference *self)
{
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer answer;

  g_hash_table_iter_init (&iter, self->answers);
  while (g_hash_table_iter_next (&iter, NULL, &answer))
    g_ptr_array_add (list, answer);
  g_ptr_array_sort (list, newest_first);
  return list;
}

gboolean
vmft_inference_forget (VmftInference *self, const char *key, GError **error)
{
  if (!g_hash_table_contains (self->answers, key))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "there is no answer %s", key);
      return FALSE;
    }
  if (!vmft_store_remove (self->store, VMFT_STORE_ANSWERS, key, error))
    return FALSE;
  g_hash_table_remove (self->answers, key);
  return TRUE;
}

gboolean
vmft_inference_overrule (VmftInference *self,
                         const char *template_text,
                         VmftAnswerKind kind,
                         const char *reason,
                         GError **error)
{
  VmftAnswer *answer = answer_new (self, template_text, kind, reason, "operator");
  Question *question = g_hash_table_lookup (self->questions, answer->key);

  answer->overruled = TRUE;
  if (question != NULL)
    {
      g_queue_remove (&self->ready, question);
      if (question->cancellable != NULL)
        {
          self->n_running--;
          vmft_breaker_abandon (&self->breaker);
        }
      finish_question (self, question);
      pump (self);
    }
  return record_answer (self, answer, error);
}

GVariant *
vmft_inference_describe (VmftInference *self)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "provider", "s", vmft_inference_provider_get_name (self->provider));
  g_variant_dict_insert (&dict, "breaker", "s", self->breaker.open ? "open" : "closed");
  g_variant_dict_insert (&dict, "breaker_opened", "t", self->breaker.n_opened);
  g_variant_dict_insert (&dict, "answers", "u", g_hash_table_size (self->answers));
  g_variant_dict_insert (&dict, "queued", "u", g_hash_table_size (self->questions));
  g_variant_dict_insert (&dict, "running", "u", self->n_running);
  g_variant_dict_insert (&dict, "attempts", "t", self->n_asked);
  g_variant_dict_insert (&dict, "answered", "t", self->n_answered);
  g_variant_dict_insert (&dict, "retried", "t", self->n_retried);
  g_variant_dict_insert (&dict, "timed_out", "t", self->n_timed_out);
  g_variant_dict_insert (&dict, "failed", "t", self->n_failed);
  g_variant_dict_insert (&dict, "dropped", "t", self->n_dropped);
  return g_variant_dict_end (&dict);
}

/* --- GObject --- */

static void
vmft_inference_finalize (GObject *object)
{
  VmftInference *self = VMFT_INFERENCE (object);

  vmft_clear_timer (self->clock, &self->wake_id);
  g_queue_clear (&self->ready);
  g_hash_table_unref (self->questions);
  g_hash_table_unref (self->answers);
  g_hash_table_unref (self->failed);
  g_rand_free (self->random);
  g_object_unref (self->provider);
  g_object_unref (self->store);
  g_object_unref (self->clock);
  G_OBJECT_CLASS (vmft_inference_parent_class)->finalize (object);
}

static void
vmft_inference_class_init (VmftInferenceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_inference_finalize;
  g_signal_new ("answered", VMFT_TYPE_INFERENCE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                G_TYPE_POINTER);
}

static void
vmft_inference_init (VmftInference *self)
{
  self->answers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vmft_answer_free);
  self->questions = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) question_drop);
  self->failed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_queue_init (&self->ready);
}

void
vmft_inference_set_benign (VmftInference *self, VmftBenignFunc func, gpointer user_data)
{
  self->benign = func;
  self->benign_data = user_data;
}

VmftInference *
vmft_inference_new (VmftClock *clock,
                    VmftStore *store,
                    VmftInferenceProvider *provider,
                    const VmftInferenceConfig *config,
                    GError **error)
{
  g_autoptr (VmftInference) self = g_object_new (VMFT_TYPE_INFERENCE, NULL);

  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  self->provider = g_object_ref (provider);
  self->config = *config;
  self->random = config->seed != 0 ? g_rand_new_with_seed (config->seed) : g_rand_new ();
  vmft_breaker_init (&self->breaker, config->breaker_failures, config->breaker_s);
  if (!vmft_store_foreach (store, VMFT_STORE_ANSWERS, VMFT_STORE_BY_KEY, 0, load_answer, self, error))
    return NULL;
  return g_steal_pointer (&self);
}
