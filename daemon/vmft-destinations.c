/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-destinations.h"

#include "vmft-http-auth.h"
#include "vmft-peer.h"

#define LOOK_MS 15000

typedef struct
{
  VmftDestinations *owner;
  VmftDestination *facts; /* owned by the list */
  char *uri;
  char *migrate_uri; /* (nullable) */
  char *problem;     /* (nullable): why it cannot be reached */
  VmftTime checked_us;
  gboolean asking;
  VmftPeer *peer;        /* (nullable): its status URL */
  char *peer_problem;    /* (nullable): why that says nothing */
  GHashTable *templates; /* what its incidents are about -> VmftTime * when it was last seen there */
} Host;

struct _VmftDestinations
{
  VmftClock *clock;
  VmftHypervisor *hypervisor;
  GCancellable *cancellable;
  GPtrArray *facts; /* of VmftDestination */
  GPtrArray *hosts; /* of Host, in step with @facts */
  guint timer_id;
  void (*changed) (gpointer user_data); /* (nullable) */
  gpointer user_data;
};

static void
host_free (Host *host)
{
  g_free (host->uri);
  g_free (host->migrate_uri);
  g_clear_pointer (&host->peer, vmft_peer_free);
  g_hash_table_unref (host->templates);
  g_free (host->problem);
  g_free (host->peer_problem);
  g_free (host);
}

/* --- what it says of itself --- */

static void
tell_changed (Host *host)
{
  if (host->owner->changed != NULL)
    host->owner->changed (host->owner->user_data);
}

static void
take_state (Host *host, const VmftPeerState *state)
{
  VmftDestination *facts = host->facts;
  VmftTime now_us = vmft_clock_real_us (host->owner->clock);
  gboolean changed = state->suspect != facts->suspect;
  GHashTableIter iter;
  gpointer text, age;

  if (state->suspect != facts->suspect)
    g_message ("destination %s: %s%s%s", facts->name, state->suspect ? "suspect itself" : "no longer suspect",
               state->suspicion ? ": " : "", state->suspicion ? state->suspicion : "");
  facts->suspect = state->suspect;
  g_free (facts->suspect_reason);
  facts->suspect_reason = g_strdup (state->suspicion);
  g_hash_table_remove_all (host->templates);
  g_hash_table_iter_init (&iter, state->templates);
  while (g_hash_table_iter_next (&iter, &text, &age))
    {
      VmftTime seen_us = vmft_time_add_s (now_us, -*(double *) age);

      g_hash_table_insert (host->templates, g_strdup (text), g_memdup2 (&seen_us, sizeof seen_us));
    }
  if (changed)
    tell_changed (host);
}

/* silence proves nothing either way: what was said last holds */
static void
on_peer (const VmftPeerState *state, const GError *error, gpointer user_data)
{
  Host *host = user_data;

  if (state != NULL)
    take_state (host, state);
  else if (g_strcmp0 (error->message, host->peer_problem) != 0)
    g_warning ("destination %s: %s", host->facts->name, error->message);
  g_free (host->peer_problem);
  host->peer_problem = state == NULL ? g_strdup (error->message) : NULL;
}

static gboolean
set_peer (Host *host, VmftConf *conf, const char *group, GError **error)
{
  const char *url = vmft_conf_get_string (conf, group, "status-url");
  const char *path = vmft_conf_get_string (conf, group, "status-token-file");
  g_autofree char *token = NULL;

  if (url == NULL || *url == '\0')
    return TRUE;
  if (path != NULL && *path != '\0')
    {
      token = vmft_http_load_secret (path, error);
      if (token == NULL)
        {
          g_prefix_error (error, "[%s] status-token-file: ", group);
          return FALSE;
        }
    }
  host->peer = vmft_peer_new (host->owner->clock, url, token, on_peer, host, error);
  if (host->peer == NULL)
    g_prefix_error (error, "[%s] ", group);
  return host->peer != NULL;
}

void
vmft_destinations_note_template (VmftDestinations *self, const char *template_text)
{
  for (guint i = 0; i < self->hosts->len; i++)
    {
      Host *host = g_ptr_array_index (self->hosts, i);
      const VmftTime *seen_us =
          template_text != NULL ? g_hash_table_lookup (host->templates, template_text) : NULL;

      host->facts->same_template_us = seen_us != NULL ? *seen_us : VMFT_TIME_UNKNOWN;
    }
}

/* --- which VMs it may have --- */

/* Returns: (nullable): the first of @wanted that is not among @tags */
static const char *
missing_tag (char **wanted, char **tags)
{
  for (guint i = 0; wanted[i] != NULL; i++)
    if (!g_strv_contains ((const char *const *) tags, wanted[i]))
      return wanted[i];
  return NULL;
}

static void
bar_vms (Host *host, VmftConf *conf, const char *group)
{
  g_autofree const char **names = vmft_conf_list_named (conf, "VM");
  g_auto (GStrv) tags = vmft_conf_get_list (conf, group, "tags");

  host->facts->barred = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *vm_group = g_strconcat ("VM ", names[i], NULL);
      g_auto (GStrv) wanted = vmft_conf_get_list (conf, vm_group, "tags");
      const char *missing = missing_tag (wanted, tags);

      if (missing != NULL)
        g_hash_table_insert (
            host->facts->barred, g_strdup (names[i]),
            g_strdup_printf ("%s has not the tag “%s” that it wants", host->facts->name, missing));
    }
}

static Host *
host_new (VmftDestinations *self, VmftConf *conf, const char *name)
{
  g_autofree char *group = g_strconcat ("Destination ", name, NULL);
  Host *host = g_new0 (Host, 1);

  host->owner = self;
  host->facts = vmft_destination_new (name);
  host->facts->weight = vmft_conf_get_double (conf, group, "weight");
  host->facts->limit_in = (guint) vmft_conf_get_uint (conf, group, "limit-in");
  g_strfreev (host->facts->same_storage);
  host->facts->same_storage = vmft_conf_get_list (conf, group, "same-storage");
  host->uri = g_strdup (vmft_conf_get_string (conf, group, "uri"));
  host->migrate_uri = g_strdup (vmft_conf_get_string (conf, group, "migrate-uri"));
  host->templates = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  bar_vms (host, conf, group);
  return host;
}

VmftDestinations *
vmft_destinations_new (VmftConf *conf, VmftClock *clock, VmftHypervisor *hypervisor, GError **error)
{
  g_autoptr (VmftDestinations) self = g_new0 (VmftDestinations, 1);
  g_autofree const char **names = vmft_conf_list_named (conf, "Destination");

  self->clock = g_object_ref (clock);
  self->hypervisor = g_object_ref (hypervisor);
  self->cancellable = g_cancellable_new ();
  self->facts = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_destination_free);
  self->hosts = g_ptr_array_new_with_free_func ((GDestroyNotify) host_free);
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *group = g_strconcat ("Destination ", names[i], NULL);
      Host *host = host_new (self, conf, names[i]);

      g_ptr_array_add (self->hosts, host);
      g_ptr_array_add (self->facts, host->facts);
      if (!set_peer (host, conf, group, error))
        return NULL;
    }
  return g_steal_pointer (&self);
}

void
vmft_destinations_free (VmftDestinations *self)
{
  g_cancellable_cancel (self->cancellable);
  vmft_clear_timer (self->clock, &self->timer_id);
  g_signal_handlers_disconnect_by_data (self->hypervisor, self);
  g_object_unref (self->cancellable);
  g_ptr_array_unref (self->hosts);
  g_ptr_array_unref (self->facts);
  g_object_unref (self->clock);
  g_object_unref (self->hypervisor);
  g_free (self);
}

static void
set_problem (Host *host, const char *problem)
{
  if (g_strcmp0 (problem, host->problem) == 0)
    return;
  if (problem != NULL)
    g_warning ("destination %s: %s", host->facts->name, problem);
  else
    g_message ("destination %s: reachable", host->facts->name);
  g_free (host->problem);
  host->problem = g_strdup (problem);
}

void
vmft_destinations_set_changed (VmftDestinations *self, void (*func) (gpointer), gpointer user_data)
{
  self->changed = func;
  self->user_data = user_data;
}

static void
on_probed (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Host *host = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftProbe) probe = vmft_hypervisor_probe_finish (VMFT_HYPERVISOR (object), result, &error);
  gboolean changed;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* @host is gone */
  changed = host->facts->reachable != (probe != NULL);
  host->asking = FALSE;
  host->checked_us = vmft_clock_real_us (host->owner->clock);
  host->facts->reachable = probe != NULL;
  host->facts->free_known = probe != NULL;
  host->facts->free_bytes = probe != NULL ? (double) probe->free_bytes : 0.0;
  set_problem (host, probe != NULL ? NULL : error->message);
  if (changed)
    tell_changed (host);
}

static gboolean
look (gpointer user_data)
{
  VmftDestinations *self = user_data;

  for (guint i = 0; i < self->hosts->len; i++)
    {
      Host *host = g_ptr_array_index (self->hosts, i);

      if (host->peer != NULL)
        vmft_peer_ask (host->peer);
      if (host->asking)
        continue;
      host->asking = TRUE;
      vmft_hypervisor_probe_async (self->hypervisor, host->facts->name, host->uri, self->cancellable,
                                   on_probed, host);
    }
  return G_SOURCE_CONTINUE;
}

/* what a VM needs of a destination is known once the local libvirtd answers */
static void
on_connected (VmftHypervisor *hypervisor, gboolean up, VmftDestinations *self)
{
  if (up)
    look (self);
}

void
vmft_destinations_start (VmftDestinations *self)
{
  g_signal_connect (self->hypervisor, "connected", G_CALLBACK (on_connected), self);
  self->timer_id = vmft_clock_add_timer (self->clock, LOOK_MS, look, self, NULL);
  look (self);
}

const GPtrArray *
vmft_destinations_list (VmftDestinations *self)
{
  return self->facts;
}

static Host *
find_host (VmftDestinations *self, const char *name)
{
  for (guint i = 0; i < self->hosts->len; i++)
    {
      Host *host = g_ptr_array_index (self->hosts, i);

      if (g_strcmp0 (host->facts->name, name) == 0)
        return host;
    }
  return NULL;
}

const char *
vmft_destinations_get_uri (VmftDestinations *self, const char *name)
{
  Host *host = find_host (self, name);

  return host ? host->uri : NULL;
}

const char *
vmft_destinations_get_migrate_uri (VmftDestinations *self, const char *name)
{
  Host *host = find_host (self, name);

  return host ? host->migrate_uri : NULL;
}

void
vmft_destinations_reserve (VmftDestinations *self, const char *name, double bytes)
{
  Host *host = find_host (self, name);

  if (host == NULL)
    return;
  host->facts->reserved_bytes = MAX (host->facts->reserved_bytes + bytes, 0.0);
  host->facts->running_in += bytes >= 0 ? 1 : -1;
}

static GVariant *
host_to_variant (const Host *host)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", host->facts->name);
  g_variant_dict_insert (&dict, "uri", "s", host->uri);
  g_variant_dict_insert (&dict, "reachable", "b", host->facts->reachable);
  if (host->problem != NULL)
    g_variant_dict_insert (&dict, "problem", "s", host->problem);
  if (host->facts->free_known)
    g_variant_dict_insert (&dict, "free_bytes", "d", host->facts->free_bytes);
  g_variant_dict_insert (&dict, "reserved_bytes", "d", host->facts->reserved_bytes);
  g_variant_dict_insert (&dict, "weight", "d", host->facts->weight);
  g_variant_dict_insert (&dict, "suspect", "b", host->facts->suspect);
  if (host->facts->suspect_reason != NULL)
    g_variant_dict_insert (&dict, "suspect_reason", "s", host->facts->suspect_reason);
  if (host->peer_problem != NULL)
    g_variant_dict_insert (&dict, "status_problem", "s", host->peer_problem);
  g_variant_dict_insert (&dict, "checked_us", "x", host->checked_us);
  return g_variant_dict_end (&dict);
}

GVariant *
vmft_destinations_to_variant (VmftDestinations *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < self->hosts->len; i++)
    g_variant_builder_add_value (&builder, host_to_variant (g_ptr_array_index (self->hosts, i)));
  return g_variant_builder_end (&builder);
}
