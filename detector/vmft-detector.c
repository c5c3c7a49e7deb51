/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-detector.h"

#include "vmft-boot.h"
#include "vmft-drain-state.h"
#include "vmft-engine.h"
#include "vmft-families.h"
#include "vmft-incident.h"
#include "vmft-locus.h"
#include "vmft-witness.h"

#include <string.h>

#define BACKLOG_US       (G_GINT64_CONSTANT (300) * G_USEC_PER_SEC) /* DESIGN 4.2: older lines are not news */
#define SKEW_US          (60 * G_USEC_PER_SEC) /* a line from further in the future lies about its time */
#define TICK_MS          30000
#define EXPIRE_TICKS     120 /* hourly */
#define ALARM_LINE_BYTES 2048

#define LEARNING_KEY     "learning"

#define MAX_UNSAVED      2000

/* An alarm's row, until it is known to be durable. */
typedef struct
{
  guint64 id;
  VmftTime time_us;
  GVariant *record;
  guint serial; /* of the flush before which it was written */
} UnsavedAlarm;

struct _VmftDetector
{
  GObject parent;
  VmftClock *clock;
  VmftStore *store;
  guint timer;
  guint n_ticks;

  VmftFamilies *families;
  VmftMaskRegex *masks; /* (nullable) */
  VmftDrain *drain;
  VmftEngine *engine;
  VmftEngine *shadow;
  VmftBootTracker *boots;
  VmftWitness *witness;
  VmftIncidentBook *book;
  VmftLocusResolver resolver;
  gpointer resolver_data;

  char *hostname;
  gint64 learning_us;
  guint learning_lines;
  VmftTime live_us; /* since when lines are news; 0 while the backlog is read */
  gboolean learning_over;
  gboolean learning_dirty;
  gboolean backlog_seen; /* since the last tick */
  GArray *unsaved;       /* UnsavedAlarm */
  guint serial;          /* of the next flush */

  guint64 n_lines, n_kernel, n_foreign, n_alarms, n_shadow, n_failures;
};

enum
{
  SIGNAL_ALARM,
  SIGNAL_INCIDENT,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (VmftDetector, vmft_detector, G_TYPE_OBJECT)

static void
vmft_detector_finalize (GObject *object)
{
  VmftDetector *self = VMFT_DETECTOR (object);

  if (self->clock)
    vmft_clear_timer (self->clock, &self->timer);
  g_clear_pointer (&self->engine, vmft_engine_free);
  g_clear_pointer (&self->shadow, vmft_engine_free);
  g_clear_pointer (&self->drain, vmft_drain_free);
  g_clear_pointer (&self->masks, vmft_mask_regex_free);
  g_clear_pointer (&self->families, vmft_families_free);
  g_clear_pointer (&self->boots, vmft_boot_tracker_free);
  g_clear_pointer (&self->witness, vmft_witness_free);
  g_clear_pointer (&self->book, vmft_incident_book_free);
  g_clear_pointer (&self->unsaved, g_array_unref);
  g_clear_pointer (&self->hostname, g_free);
  g_clear_object (&self->store);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (vmft_detector_parent_class)->finalize (object);
}

static void
vmft_detector_class_init (VmftDetectorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_detector_finalize;
  signals[SIGNAL_ALARM] = g_signal_new ("alarm", VMFT_TYPE_DETECTOR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[SIGNAL_INCIDENT] = g_signal_new ("incident", VMFT_TYPE_DETECTOR, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                           NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
unsaved_clear (gpointer data)
{
  g_variant_unref (((UnsavedAlarm *) data)->record);
}

static void
vmft_detector_init (VmftDetector *self)
{
  self->witness = vmft_witness_new ();
  self->unsaved = g_array_new (FALSE, FALSE, sizeof (UnsavedAlarm));
  g_array_set_clear_func (self->unsaved, unsaved_clear);
}

static void
on_incident (const VmftIncident *incident, gpointer user_data)
{
  g_signal_emit (user_data, signals[SIGNAL_INCIDENT], 0, incident);
}

/* -- learning ------------------------------------------------------------------------------------------------ */

static gboolean
is_learning_at (VmftDetector *self, VmftTime now_us)
{
  if (self->learning_over)
    return FALSE;
  if (self->learning_lines > 0)
    self->learning_over = self->n_lines > self->learning_lines;
  else
    self->learning_over = self->live_us != 0 && now_us >= self->live_us + self->learning_us;
  self->learning_dirty |= self->learning_over;
  return !self->learning_over;
}

static void
set_live (VmftDetector *self, VmftTime now_us)
{
  self->live_us = now_us;
  self->learning_dirty = TRUE;
}

static gboolean
on_tick (gpointer user_data)
{
  VmftDetector *self = user_data;
  VmftTime now_us = vmft_clock_real_us (self->clock);

  if (self->live_us == 0 && !self->backlog_seen)
    set_live (self, now_us);
  self->backlog_seen = FALSE;
  vmft_incident_book_tick (self->book, now_us);
  if (++self->n_ticks % EXPIRE_TICKS == 0)
    {
      self->engine->class->tick (self->engine, now_us);
      if (self->shadow)
        self->shadow->class->tick (self->shadow, now_us);
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
load_learning (VmftDetector *self, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GVariant) record = vmft_store_get (self->store, VMFT_STORE_DETECTOR, LEARNING_KEY, &local);

  if (g_error_matches (local, VMFT_ERROR, VMFT_ERROR_CORRUPT))
    g_warning ("%s: learning begins anew", local->message);
  else if (local)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (record)
    {
      self->live_us = vmft_dict_int64 (record, "live_us", 0);
      self->learning_over = vmft_dict_boolean (record, "over", FALSE);
    }
  return TRUE;
}

static gboolean
save_learning (VmftDetector *self, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "live_us", "x", self->live_us);
  g_variant_dict_insert (&dict, "over", "b", self->learning_over);
  return vmft_store_put (self->store, VMFT_STORE_DETECTOR, LEARNING_KEY, self->live_us,
                         g_variant_dict_end (&dict), error);
}

/* -- making one -------------------------------------------------------------------------------------------- */

static gboolean
load_templates (VmftDetector *self, const VmftDetectorConfig *config, GError **error)
{
  VmftDrainConfig drain;

  if (config->masks_path && *config->masks_path)
    {
      self->masks = vmft_mask_regex_load (config->masks_path, error);
      if (!self->masks)
        return FALSE;
    }
  vmft_drain_config_init (&drain);
  drain.max_clusters = config->max_templates;
  drain.masks = self->masks;
  self->drain = vmft_drain_store_load (&drain, self->store, error);
  if (!self->drain)
    return FALSE;
  if (vmft_drain_given_up (self->drain))
    g_warning ("%s: learning them anew", vmft_drain_given_up (self->drain));
  return TRUE;
}

static gboolean
set_up (VmftDetector *self, const VmftDetectorConfig *config, GError **error)
{
  self->families = vmft_families_load (config->families_path, error);
  if (!self->families)
    return FALSE;
  if (!load_templates (self, config, error))
    return FALSE;
  self->engine = vmft_engine_new (config->engine, config, self->families, self->store, error);
  if (!self->engine)
    return FALSE;
  if (config->shadow_engine && g_strcmp0 (config->shadow_engine, config->engine) != 0)
    {
      self->shadow = vmft_engine_new (config->shadow_engine, config, self->families, self->store, error);
      if (!self->shadow)
        return FALSE;
    }
  self->book = vmft_incident_book_new (self->store, config->quiet_s, on_incident, self, error);
  return self->book && load_learning (self, error);
}

VmftDetector *
vmft_detector_new (VmftClock *clock, VmftStore *store, const VmftDetectorConfig *config, GError **error)
{
  g_autoptr (VmftDetector) self = g_object_new (VMFT_TYPE_DETECTOR, NULL);

  self->clock = g_object_ref (clock);
  self->store = g_object_ref (store);
  self->hostname = config->hostname && *config->hostname ? g_strdup (config->hostname) : NULL;
  self->learning_us = (gint64) (config->learning_s * G_USEC_PER_SEC);
  self->learning_lines = config->learning_lines;
  self->boots = vmft_boot_tracker_new (config->boot_s);
  if (!set_up (self, config, error))
    return NULL;
  self->timer = vmft_clock_add_timer (clock, TICK_MS, on_tick, self, NULL);
  return g_steal_pointer (&self);
}

void
vmft_detector_set_resolver (VmftDetector *self, VmftLocusResolver resolver, gpointer user_data)
{
  self->resolver = resolver;
  self->resolver_data = user_data;
}

/* -- alarms ------------------------------------------------------------------------------------------------- */

static void
write_alarm (VmftDetector *self, const VmftAlarm *alarm)
{
  UnsavedAlarm row = { .id = alarm->id, .time_us = alarm->time_us, .serial = self->serial };
  g_autoptr (GError) error = NULL;

  row.record = g_variant_ref_sink (vmft_alarm_to_variant (alarm));
  if (self->unsaved->len == MAX_UNSAVED)
    g_array_remove_index (self->unsaved, 0);
  g_array_append_val (self->unsaved, row);
  if (vmft_store_put_id (self->store, VMFT_STORE_ALARMS, row.id, row.time_us, row.record, &error))
    return;
  g_array_index (self->unsaved, UnsavedAlarm, self->unsaved->len - 1).serial--;
  if (self->n_failures++ % 1000 == 0)
    g_warning ("alarm %" G_GUINT64_FORMAT " could not be written: %s", alarm->id, error->message);
}

/* Rows whose transaction was rolled back, or that the store refused, go again. */
static gboolean
rewrite_alarms (VmftDetector *self, GError **error)
{
  for (guint i = 0; i < self->unsaved->len; i++)
    {
      const UnsavedAlarm *row = &g_array_index (self->unsaved, UnsavedAlarm, i);

      if (row->serial != self->serial &&
          !vmft_store_put_id (self->store, VMFT_STORE_ALARMS, row->id, row->time_us, row->record, error))
        return FALSE;
    }
  return TRUE;
}

/* The row first, then the incident that it may complete: who hears of the incident finds its alarms. */
static void
raise_alarm (VmftDetector *self, VmftAlarm *alarm, VmftIncidentRecord *record)
{
  self->n_alarms += !record->repeated;
  if (!vmft_incident_book_add (self->book, alarm, record))
    return;
  write_alarm (self, alarm);
  g_signal_emit (self, signals[SIGNAL_ALARM], 0, alarm);
  vmft_incident_book_announce (self->book, alarm->incident_id, record->now_us);
}

static VmftTime
plausible_time (const VmftLine *line)
{
  return line->time_us > 0 && line->time_us <= line->arrival_us + SKEW_US ? line->time_us : line->arrival_us;
}

static void
alarm_from_line (VmftDetector *self,
                 const VmftLine *line,
                 const char *source,
                 const VmftEngineInput *input,
                 const VmftVerdict *verdict,
                 const VmftFamily *family)
{
  g_autoptr (VmftAlarm) alarm = g_new0 (VmftAlarm, 1);
  VmftIncidentRecord record = {
    .family = family, .words = input->match->words, .p = verdict->p, .now_us = line->arrival_us
  };

  if (!input->drill)
    record.repeated = vmft_witness_see (self->witness, line, source, &record.trusted);
  alarm->time_us = plausible_time (line);
  alarm->arrival_us = line->arrival_us;
  alarm->source = g_strdup (source);
  alarm->line = vmft_text_printable (line->text.data, (gssize) MIN (line->text.length, ALARM_LINE_BYTES));
  alarm->template_text = vmft_text_printable (verdict->template_text, -1);
  alarm->template_id = verdict->template_id;
  alarm->p = verdict->p;
  alarm->family = g_strdup (verdict->family);
  alarm->fault_class = verdict->fault_class;
  alarm->locus = verdict->locus;
  alarm->trust = record.trusted ? VMFT_TRUST_KERNEL : line->trust;
  alarm->backlog = alarm->arrival_us - alarm->time_us > BACKLOG_US;
  alarm->drill = input->drill;
  alarm->firm = verdict->firm;
  raise_alarm (self, alarm, &record);
}

void
vmft_detector_raise_pressure (VmftDetector *self, const char *resource, const char *line)
{
  VmftTime now_us = vmft_clock_real_us (self->clock);
  g_autoptr (VmftAlarm) alarm = g_new0 (VmftAlarm, 1);
  VmftIncidentRecord record = { .p = 1.0, .trusted = TRUE, .now_us = now_us };

  alarm->time_us = now_us;
  alarm->arrival_us = now_us;
  alarm->source = g_strdup ("pressure");
  alarm->line = vmft_text_printable (line, -1);
  alarm->template_text = g_strdup_printf ("pressure: %s", resource);
  alarm->p = 1.0;
  alarm->family = g_strdup_printf ("psi-%s", resource);
  alarm->fault_class = VMFT_CLASS_PRESSURE;
  g_strlcpy (alarm->locus.name, resource, sizeof alarm->locus.name);
  alarm->trust = VMFT_TRUST_KERNEL;
  raise_alarm (self, alarm, &record);
}

/* -- lines --------------------------------------------------------------------------------------------------- */

/* "kvm7" and "kvm7.example.org" are one host. */
static gboolean
is_other_host (const char *ours, const VmftSlice *theirs)
{
  gsize our_length = strcspn (ours, ".");
  const char *dot = memchr (theirs->data, '.', theirs->length);
  gsize their_length = dot ? (gsize) (dot - theirs->data) : theirs->length;

  return theirs->length > 0 &&
         (our_length != their_length || g_ascii_strncasecmp (ours, theirs->data, our_length) != 0);
}

/* Which lines reach the engines: under a kernel-only engine, no other lines cost more than this. */
static gboolean
is_of_interest (VmftDetector *self, const VmftLine *line)
{
  if (line->kernel)
    {
      self->n_kernel++;
      if (self->hostname && is_other_host (self->hostname, &line->host))
        {
          self->n_foreign++;
          return FALSE;
        }
      return TRUE;
    }
  return !self->engine->class->kernel_only || (self->shadow && !self->shadow->class->kernel_only) ||
         vmft_families_wants (self->families, line->program.data, line->program.length);
}

static void
fill_template (VmftDetector *self, const VmftDrainMatch *match, VmftVerdict *verdict)
{
  VmftDrainTemplate info;

  verdict->template_id = match->id;
  verdict->generation = match->generation;
  verdict->template_text = vmft_drain_template (self->drain, match->id, &info) ? info.text : "";
}

static gboolean
engine_takes (const VmftEngine *engine, VmftDetector *self, const VmftLine *line)
{
  return line->kernel || !engine->class->kernel_only ||
         vmft_families_wants (self->families, line->program.data, line->program.length);
}

/* What QEMU says about its guest concerns that VM: in the VMs' own logs the name stands where a host's would. */
static void
locate_vm (VmftDetector *self, const VmftLine *line, const VmftFamily *family, VmftLocus *locus)
{
  if (!family || !family->program || !g_str_has_prefix (family->program, "qemu") || line->kernel ||
      line->host.length == 0 || (self->hostname && !is_other_host (self->hostname, &line->host)))
    return;
  locus->kind = VMFT_LOCUS_VM_NAME;
  g_snprintf (locus->name, sizeof locus->name, "%.*s", (int) MIN (line->host.length, sizeof locus->name),
              line->host.data);
}

static void
judge (VmftDetector *self, const VmftEngineInput *input, const char *source, VmftVerdict *verdict)
{
  const VmftFamily *family = NULL;

  fill_template (self, input->match, verdict);
  if (engine_takes (self->engine, self, input->line))
    self->engine->class->judge (self->engine, input, verdict, &family);
  if (self->shadow && !input->drill && engine_takes (self->shadow, self, input->line))
    {
      VmftVerdict second = { .template_text = verdict->template_text };
      const VmftFamily *ignored = NULL;

      self->shadow->class->judge (self->shadow, input, &second, &ignored);
      self->n_shadow += second.fault;
    }
  if (!verdict->fault)
    return;
  locate_vm (self, input->line, family, &verdict->locus);
  if (self->resolver && vmft_locus_is_vague (&verdict->locus))
    self->resolver (&verdict->locus, self->resolver_data);
  alarm_from_line (self, input->line, source, input, verdict, family);
}

static void
note_age (VmftDetector *self, const VmftLine *line)
{
  if (line->arrival_us - plausible_time (line) > BACKLOG_US)
    self->backlog_seen = TRUE;
  else if (self->live_us == 0)
    set_live (self, line->arrival_us);
}

void
vmft_detector_feed (VmftDetector *self, const VmftLine *line, const char *source, VmftVerdict *verdict)
{
  VmftVerdict local;
  VmftDrainMatch match;
  VmftEngineInput input = { .line = line, .match = &match, .drain = self->drain, .now_us = line->arrival_us };

  if (!verdict)
    verdict = &local;
  memset (verdict, 0, sizeof *verdict);
  verdict->fault_class = VMFT_CLASS_OTHER;
  verdict->template_text = "";
  self->n_lines++;
  note_age (self, line);
  input.learning = is_learning_at (self, line->arrival_us);
  if (line->kernel || line->pid == 1)
    input.booting = vmft_boot_tracker_note (self->boots, line, source, &input.boot);
  if (!is_of_interest (self, line))
    return;
  vmft_drain_add (self->drain, line->text.data, line->text.length, &match);
  judge (self, &input, source, verdict);
}

void
vmft_detector_feed_drill (VmftDetector *self, const VmftLine *line, VmftVerdict *verdict)
{
  VmftVerdict local;
  VmftDrainMatch match;
  VmftEngineInput input = {
    .line = line, .match = &match, .drain = self->drain, .now_us = line->arrival_us, .drill = TRUE
  };

  if (!verdict)
    verdict = &local;
  memset (verdict, 0, sizeof *verdict);
  verdict->fault_class = VMFT_CLASS_OTHER;
  if (!vmft_drain_match (self->drain, line->text.data, line->text.length, &match))
    match = (VmftDrainMatch){ .words = match.words };
  judge (self, &input, "drill", verdict);
}

/* -- what the operator and the daemon ask for ----------------------------------------------------------------- */

static gboolean
flush_all (VmftDetector *self, GError **error)
{
  return vmft_drain_store_save (self->drain, self->store, error) &&
         self->engine->class->flush (self->engine, self->store, error) &&
         (!self->shadow || self->shadow->class->flush (self->shadow, self->store, error)) &&
         rewrite_alarms (self, error) && vmft_incident_book_flush (self->book, error) &&
         (!self->learning_dirty || save_learning (self, error));
}

gboolean
vmft_detector_flush (VmftDetector *self, GError **error)
{
  gboolean ok = flush_all (self, error);

  self->serial++;
  return ok;
}

void
vmft_detector_mark_saved (VmftDetector *self)
{
  g_array_set_size (self->unsaved, 0);
  vmft_drain_mark_saved (self->drain);
  self->engine->class->mark_saved (self->engine);
  if (self->shadow)
    self->shadow->class->mark_saved (self->shadow);
  vmft_incident_book_mark_saved (self->book);
  self->learning_dirty = FALSE;
}

gboolean
vmft_detector_clear (VmftDetector *self, guint64 incident_id, GError **error)
{
  return vmft_incident_book_clear (self->book, incident_id, vmft_clock_real_us (self->clock), error);
}

typedef struct
{
  VmftDetector *self;
  double per_minute;
} Teaching;

static void
teach (const VmftNormalKey *key, gpointer user_data)
{
  Teaching *teaching = user_data;
  VmftEngine *engine = teaching->self->engine;

  engine->class->acknowledge (engine, key, teaching->per_minute, vmft_clock_real_us (teaching->self->clock));
}

gboolean
vmft_detector_acknowledge (VmftDetector *self, guint64 incident_id, gboolean benign, GError **error)
{
  const VmftIncident *incident = vmft_incident_book_lookup (self->book, incident_id);
  Teaching teaching = { .self = self };

  if (incident && benign && !incident->drill)
    {
      double minutes = vmft_time_diff_s (incident->last_us, incident->first_us) / 60.0;

      teaching.per_minute = incident->n_alarms / MAX (minutes, 1.0);
      vmft_incident_book_foreach_template (self->book, incident_id, teach, &teaching);
    }
  return vmft_incident_book_acknowledge (self->book, incident_id, benign, vmft_clock_real_us (self->clock),
                                         error);
}

void
vmft_detector_amend (VmftDetector *self, const char *template_text, VmftAnswerKind kind)
{
  self->engine->class->amend (self->engine, template_text, kind);
  if (self->shadow)
    self->shadow->class->amend (self->shadow, template_text, kind);
}

typedef struct
{
  VmftEngine *engine;
  GRand *random;
  GPtrArray *sample;
  guint n_seen, n_wanted;
} Sampling;

/* Reservoir sampling: each normal template has the same chance. */
static void
sample_template (const VmftDrainTemplate *info, gpointer user_data)
{
  Sampling *sampling = user_data;
  guint place;

  if (!sampling->engine->class->is_benign (sampling->engine, info))
    return;
  sampling->n_seen++;
  if (sampling->sample->len < sampling->n_wanted)
    {
      g_ptr_array_add (sampling->sample, vmft_text_printable (info->text, (gssize) info->length));
      return;
    }
  place = (guint) g_rand_int_range (sampling->random, 0, (gint32) sampling->n_seen);
  if (place < sampling->n_wanted)
    {
      g_free (sampling->sample->pdata[place]);
      sampling->sample->pdata[place] = vmft_text_printable (info->text, (gssize) info->length);
    }
}

char **
vmft_detector_sample_benign (VmftDetector *self, GRand *random, guint n)
{
  g_autoptr (GPtrArray) sample = g_ptr_array_new_with_free_func (g_free);
  Sampling sampling = { .engine = self->engine, .random = random, .sample = sample, .n_wanted = n };

  vmft_drain_foreach (self->drain, sample_template, &sampling);
  g_ptr_array_add (sample, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&sample), FALSE);
}

GPtrArray *
vmft_detector_list_incidents (VmftDetector *self)
{
  return vmft_incident_book_list (self->book);
}

const VmftIncident *
vmft_detector_lookup_incident (VmftDetector *self, guint64 id)
{
  return vmft_incident_book_lookup (self->book, id);
}

gboolean
vmft_detector_is_learning (VmftDetector *self)
{
  return is_learning_at (self, vmft_clock_real_us (self->clock));
}

void
vmft_detector_end_learning (VmftDetector *self)
{
  self->learning_over = TRUE;
  self->learning_dirty = TRUE;
}

GVariant *
vmft_detector_describe (VmftDetector *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "engine", "s", self->engine->class->name);
  g_variant_dict_insert (&dict, "lines", "x", (gint64) self->n_lines);
  g_variant_dict_insert (&dict, "kernel_lines", "x", (gint64) self->n_kernel);
  g_variant_dict_insert (&dict, "foreign_lines", "x", (gint64) self->n_foreign);
  g_variant_dict_insert (&dict, "templates", "x", (gint64) vmft_drain_n_clusters (self->drain));
  g_variant_dict_insert (&dict, "learning", "b", vmft_detector_is_learning (self));
  g_variant_dict_insert (&dict, "alarms", "x", (gint64) self->n_alarms);
  g_variant_dict_insert (&dict, "store_failures", "x",
                         (gint64) (self->n_failures + vmft_incident_book_failures (self->book)));
  if (self->shadow)
    {
      g_variant_dict_insert (&dict, "shadow_engine", "s", self->shadow->class->name);
      g_variant_dict_insert (&dict, "shadow_faults", "x", (gint64) self->n_shadow);
    }
  self->engine->class->describe (self->engine, &dict);
  return g_variant_dict_end (&dict);
}
