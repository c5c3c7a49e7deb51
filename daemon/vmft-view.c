/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-view.h"

#define LINES_KEPT   8
#define STORIES_KEPT 256
#define ALARMS_READ  500
#define PLANS_READ   200
#define JOBS_READ    1000

/* What belongs to one incident, newest first. */
typedef struct
{
  guint64 id;
  GQueue lines; /* of GVariant */
  GVariant *plan;
} Story;

struct _VmftView
{
  VmftDaemon *daemon;
  GHashTable *stories; /* id -> Story */
  GQueue order;        /* of Story, oldest first; borrowed */
};

static void
story_free (Story *story)
{
  g_queue_clear_full (&story->lines, (GDestroyNotify) g_variant_unref);
  g_clear_pointer (&story->plan, g_variant_unref);
  g_free (story);
}

static Story *
get_story (VmftView *self, guint64 id)
{
  Story *story = g_hash_table_lookup (self->stories, &id);

  if (story != NULL)
    return story;
  if (self->order.length >= STORIES_KEPT)
    g_hash_table_remove (self->stories, &((Story *) g_queue_pop_head (&self->order))->id);
  story = g_new0 (Story, 1);
  story->id = id;
  g_queue_init (&story->lines);
  g_hash_table_insert (self->stories, &story->id, story);
  g_queue_push_tail (&self->order, story);
  return story;
}

static guint64
incident_of (GVariant *record)
{
  gint64 id = vmft_dict_int64 (record, "incident_id", 0);

  return (guint64) (id != 0 ? id : vmft_dict_int64 (record, "incident", 0));
}

static void
on_alarm (VmftDaemon *daemon, GVariant *record, VmftView *self)
{
  Story *story = get_story (self, incident_of (record));

  g_queue_push_head (&story->lines, g_variant_ref (record));
  if (story->lines.length > LINES_KEPT)
    g_variant_unref (g_queue_pop_tail (&story->lines));
}

static GVariant *
copy_members (GVariant *record, const char *const *members)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  for (; *members != NULL; members++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (record, *members, NULL);

      if (value != NULL)
        g_variant_dict_insert_value (&dict, *members, value);
    }
  return g_variant_dict_end (&dict);
}

/* A plan for hundreds of VMs with every mode's estimate is megabytes; beside an incident the choices are enough. */
static GVariant *
shorten_plan (GVariant *plan)
{
  static const char *const members[] = { "id", "now_us", "verdict", "guard", "reason", "refusals", NULL };
  static const char *const step_members[] = {
    "uuid", "name", "destination", "mode", "finish_p50_s", "finish_p90_s", "p_arrive", "fits", "save", NULL
  };
  g_autoptr (GVariant) steps = g_variant_lookup_value (plan, "steps", G_VARIANT_TYPE_ARRAY);
  g_autoptr (GVariant) head = g_variant_ref_sink (copy_members (plan, members));
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (head);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; steps != NULL && i < g_variant_n_children (steps); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (steps, i);
      /* a plan that comes from the store has its records in boxes, as JSON has no types */
      g_autoptr (GVariant) step = g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT)
                                      ? g_variant_get_variant (child)
                                      : g_variant_ref (child);

      if (g_variant_is_of_type (step, G_VARIANT_TYPE_VARDICT))
        g_variant_builder_add_value (&builder, copy_members (step, step_members));
    }
  g_variant_dict_insert_value (&dict, "steps", g_variant_builder_end (&builder));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
on_plan (VmftDaemon *daemon, GVariant *record, VmftView *self)
{
  Story *story = get_story (self, incident_of (record));

  g_clear_pointer (&story->plan, g_variant_unref);
  story->plan = shorten_plan (record);
}

/* --- what was before this run --- */

typedef void (*RecordFunc) (VmftDaemon *daemon, GVariant *record, VmftView *self);

/* Records come newest first; they are taken up in the order in which they were made. */
static void
take_up (VmftView *self, GVariant *list, RecordFunc func)
{
  g_autoptr (GVariant) held = list ? g_variant_ref_sink (list) : NULL;

  for (gsize i = held ? g_variant_n_children (held) : 0; i-- > 0;)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (held, i);

      func (self->daemon, record, self);
    }
}

VmftView *
vmft_view_new (VmftDaemon *daemon)
{
  const VmftQuery alarms = { .limit = ALARMS_READ };
  const VmftQuery plans = { .limit = PLANS_READ };
  VmftView *self = g_new0 (VmftView, 1);

  self->daemon = daemon;
  self->stories = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify) story_free);
  g_queue_init (&self->order);
  take_up (self, vmft_daemon_list_alarms (daemon, &alarms, NULL), on_alarm);
  take_up (self, vmft_daemon_list_plans (daemon, &plans, NULL), on_plan);
  g_signal_connect (daemon, "alarm", G_CALLBACK (on_alarm), self);
  g_signal_connect (daemon, "plan", G_CALLBACK (on_plan), self);
  return self;
}

void
vmft_view_free (VmftView *self)
{
  g_signal_handlers_disconnect_by_data (self->daemon, self);
  g_queue_clear (&self->order);
  g_hash_table_unref (self->stories);
  g_free (self);
}

VmftDaemon *
vmft_view_get_daemon (VmftView *self)
{
  return self->daemon;
}

/* --- incidents --- */

static GVariant *
lines_of (const Story *story)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (GList *l = story ? story->lines.head : NULL; l != NULL; l = l->next)
    g_variant_builder_add_value (&builder, l->data);
  return g_variant_builder_end (&builder);
}

GVariant *
vmft_view_complete_incident (VmftView *self, GVariant *record)
{
  guint64 id = (guint64) vmft_dict_int64 (record, "id", 0);
  const Story *story = g_hash_table_lookup (self->stories, &id);
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (record);
  GVariant *lead = vmft_daemon_describe_lead (self->daemon, id);

  g_variant_dict_insert_value (&dict, "lines", lines_of (story));
  if (lead != NULL)
    g_variant_dict_insert_value (&dict, "lead", lead);
  if (story != NULL && story->plan != NULL)
    g_variant_dict_insert_value (&dict, "plan", story->plan);
  return g_variant_dict_end (&dict);
}

static GVariant *
empty_list (void)
{
  return g_variant_new_array (G_VARIANT_TYPE_VARDICT, NULL, 0);
}

GVariant *
vmft_view_list_incidents (VmftView *self, guint limit)
{
  const VmftQuery query = { .limit = limit };
  g_autoptr (GVariant) list = vmft_daemon_list_incidents (self->daemon, &query, NULL);
  GVariantBuilder builder;

  if (list == NULL)
    return empty_list ();
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (list, i);

      g_variant_builder_add_value (&builder, vmft_view_complete_incident (self, record));
    }
  return g_variant_builder_end (&builder);
}

GVariant *
vmft_view_list_plans (VmftView *self, guint limit)
{
  const VmftQuery query = { .limit = limit };
  GVariant *list = vmft_daemon_list_plans (self->daemon, &query, NULL);

  return list ? list : empty_list ();
}

/* --- migrations --- */

gboolean
vmft_view_is_running (GVariant *record)
{
  static const char *const ended[] = { "completed", "failed", "aborted", NULL };
  const char *state = vmft_dict_string (record, "state");

  return state != NULL && !g_strv_contains (ended, state);
}

GVariant *
vmft_view_list_migrations (VmftView *self, guint limit, gboolean running)
{
  const VmftQuery query = { .limit = JOBS_READ };
  g_autoptr (GVariant) list = vmft_daemon_list_migrations (self->daemon, &query, NULL);
  GVariantBuilder builder;
  guint n = 0;

  if (list == NULL)
    return empty_list ();
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; i < g_variant_n_children (list) && n < limit; i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (list, i);

      if (vmft_view_is_running (record) != running)
        continue;
      g_variant_builder_add_value (&builder, record);
      n++;
    }
  return g_variant_builder_end (&builder);
}
