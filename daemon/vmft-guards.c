/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-guards.h"

#define HISTORY_LIMIT 2000 /* records looked at: cool-downs are minutes, a template's day is a day */
#define INHIBIT_KEY   "inhibit"

struct _VmftGuards
{
  VmftStore *store;
  GHashTable *moved;     /* uuid -> VmftTime * */
  GHashTable *failures;  /* "incident/uuid" -> count */
  GHashTable *templates; /* template text -> VmftTime * */
  guint n_failed_in_row;
  VmftTime last_failed_us;
  gboolean row_ended; /* while loading, newest first */
  VmftTime inhibit_until_us;
  char *inhibit_reason;
};

static void
keep_latest (GHashTable *table, const char *key, VmftTime when_us)
{
  VmftTime *known = g_hash_table_lookup (table, key);

  if (known == NULL)
    {
      known = g_new0 (VmftTime, 1);
      g_hash_table_insert (table, g_strdup (key), known);
    }
  *known = MAX (*known, when_us);
}

static VmftTime
look_up_time (GHashTable *table, const char *key)
{
  const VmftTime *known = key ? g_hash_table_lookup (table, key) : NULL;

  return known ? *known : VMFT_TIME_UNKNOWN;
}

static char *
failure_key (guint64 incident_id, const char *uuid)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT "/%s", incident_id, uuid);
}

static void
count_failure (VmftGuards *self, guint64 incident_id, const char *uuid)
{
  char *key = failure_key (incident_id, uuid);
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (self->failures, key));

  g_hash_table_replace (self->failures, key, GUINT_TO_POINTER (n + 1));
}

static gboolean
load_migration (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  VmftGuards *self = user_data;
  const char *uuid = vmft_dict_string (record, "uuid");
  const char *state = vmft_dict_string (record, "state");
  gboolean completed = g_strcmp0 (state, "completed") == 0;

  if (uuid == NULL || (!completed && g_strcmp0 (state, "failed") != 0) ||
      vmft_dict_boolean (record, "refused", FALSE))
    return TRUE;
  if (completed)
    keep_latest (self->moved, uuid, vmft_dict_int64 (record, "ended_us", time_us));
  else
    {
      count_failure (self, (guint64) vmft_dict_int64 (record, "incident_id", 0), uuid);
      self->last_failed_us = MAX (self->last_failed_us, vmft_dict_int64 (record, "ended_us", time_us));
    }
  self->row_ended |= completed;
  if (!self->row_ended)
    self->n_failed_in_row++;
  return TRUE;
}

static gboolean
load_plan (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  VmftGuards *self = user_data;
  const char *template_text = vmft_dict_string (record, "template");

  if (template_text != NULL && vmft_dict_boolean (record, "executed", FALSE))
    keep_latest (self->templates, template_text, time_us);
  return TRUE;
}

VmftGuards *
vmft_guards_new (VmftStore *store)
{
  VmftGuards *self = g_new0 (VmftGuards, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) inhibit = NULL;

  self->store = g_object_ref (store);
  self->moved = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->failures = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->templates = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!vmft_store_foreach (store, VMFT_STORE_MIGRATIONS, VMFT_STORE_NEWEST_FIRST, HISTORY_LIMIT,
                           load_migration, self, &error) ||
      !vmft_store_foreach (store, VMFT_STORE_PLANS, VMFT_STORE_NEWEST_FIRST, HISTORY_LIMIT, load_plan, self,
                           &error))
    g_warning ("guards start without history: %s", error->message);
  inhibit = vmft_store_get (store, VMFT_STORE_SETTINGS, INHIBIT_KEY, NULL);
  if (inhibit != NULL)
    {
      self->inhibit_until_us = vmft_dict_int64 (inhibit, "until_us", 0);
      self->inhibit_reason = g_strdup (vmft_dict_string (inhibit, "reason"));
    }
  return self;
}

void
vmft_guards_free (VmftGuards *self)
{
  g_hash_table_unref (self->moved);
  g_hash_table_unref (self->failures);
  g_hash_table_unref (self->templates);
  g_object_unref (self->store);
  g_free (self->inhibit_reason);
  g_free (self);
}

void
vmft_guards_note_move (VmftGuards *self,
                       guint64 incident_id,
                       const char *uuid,
                       VmftTime when_us,
                       gboolean completed)
{
  self->n_failed_in_row = completed ? 0 : self->n_failed_in_row + 1;
  if (completed)
    keep_latest (self->moved, uuid, when_us);
  else
    {
      count_failure (self, incident_id, uuid);
      self->last_failed_us = when_us;
    }
}

void
vmft_guards_note_evacuation (VmftGuards *self, const char *template_text, VmftTime when_us)
{
  if (template_text != NULL)
    keep_latest (self->templates, template_text, when_us);
}

VmftTime
vmft_guards_last_moved (VmftGuards *self, const char *uuid)
{
  return look_up_time (self->moved, uuid);
}

guint
vmft_guards_n_failures (VmftGuards *self, guint64 incident_id, const char *uuid)
{
  g_autofree char *key = failure_key (incident_id, uuid);

  return GPOINTER_TO_UINT (g_hash_table_lookup (self->failures, key));
}

gboolean
vmft_guards_inhibit (VmftGuards *self, VmftTime until_us, const char *reason, VmftTime now_us, GError **error)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "until_us", "x", until_us);
  g_variant_dict_insert (&dict, "reason", "s", reason);
  if (!vmft_store_put (self->store, VMFT_STORE_SETTINGS, INHIBIT_KEY, now_us, g_variant_dict_end (&dict),
                       error))
    return FALSE;
  self->inhibit_until_us = until_us;
  g_free (self->inhibit_reason);
  self->inhibit_reason = g_strdup (reason);
  return TRUE;
}

void
vmft_guards_get_state (VmftGuards *self, const char *template_text, VmftPolicyState *state)
{
  *state = (VmftPolicyState){
    .inhibit_until_us = self->inhibit_until_us,
    .inhibit_reason = self->inhibit_reason,
    .template_evacuated_us = look_up_time (self->templates, template_text),
    .n_failed_in_row = self->n_failed_in_row,
    .last_failed_us = self->last_failed_us,
  };
}
