/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-canned.h"

static GVariant *
get (gpointer user_data, const char *name)
{
  VmftHttpCanned *self = user_data;

  return g_variant_lookup_value (self->records, name, NULL);
}

static GVariant *
get_status (gpointer user_data)
{
  return get (user_data, "status");
}

static GVariant *
get_incidents (guint limit, gpointer user_data)
{
  return get (user_data, "incidents");
}

static GVariant *
get_plans (guint limit, gpointer user_data)
{
  return get (user_data, "plans");
}

static GVariant *
get_migrations (guint limit, gpointer user_data)
{
  return get (user_data, "migrations");
}

static char *
get_vms (gpointer user_data)
{
  g_autoptr (GVariant) vms = get (user_data, "vms");

  return vmft_json_from_variant (vms, FALSE);
}

/* The only one that heeds the limit: enough to see that it arrives. */
static GVariant *
get_history (guint limit, gpointer user_data)
{
  g_autoptr (GVariant) all = get (user_data, "history");
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("av"));
  for (gsize i = 0; i < MIN (limit, g_variant_n_children (all)); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (all, i);

      g_variant_builder_add_value (&builder, child);
    }
  return g_variant_builder_end (&builder);
}

static void
add_metrics (VmftMetrics *metrics, gpointer user_data)
{
  vmft_metrics_gauge (metrics, "vmft_build_info", "Version of the daemon.");
  vmft_metrics_add (metrics, 1, "version", "0.1.0 \"quoted\\\"\nand broken", NULL);
  vmft_metrics_gauge (metrics, "vmft_nothing_ratio", "Never shown, having no sample.");
  vmft_metrics_gauge (metrics, "vmft_lead_seconds", "Remaining lead time.");
  vmft_metrics_add (metrics, 966.5, "incident", "7", "p", "50", NULL);
  vmft_metrics_add (metrics, 1.0 / 0.0, "incident", "8", "p", "50", NULL);
}

const VmftHttpView *
vmft_http_canned_view (void)
{
  static const VmftHttpView view = {
    .status = get_status,
    .incidents = get_incidents,
    .plans = get_plans,
    .migrations = get_migrations,
    .vms = get_vms,
    .history = get_history,
    .metrics = add_metrics,
  };

  return &view;
}

gboolean
vmft_http_canned_load (VmftHttpCanned *self, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  GVariant *records;

  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  records = vmft_json_to_variant (text, error);
  if (records == NULL)
    return FALSE;
  g_clear_pointer (&self->records, g_variant_unref);
  self->records = records;
  return TRUE;
}
