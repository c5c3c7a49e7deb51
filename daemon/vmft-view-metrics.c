/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-view.h"

#define INCIDENTS_SHOWN 100

/** One number of a record, under a name of its own. */
typedef struct
{
  const char *key;
  const char *name;
  gboolean counter;
  const char *help;
} Number;

static void
begin (VmftMetrics *metrics, const Number *number)
{
  if (number->counter)
    vmft_metrics_counter (metrics, number->name, number->help);
  else
    vmft_metrics_gauge (metrics, number->name, number->help);
}

static double
get_number (GVariant *record, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (record, key, NULL);

  if (value == NULL)
    return -1.0;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_variant_get_boolean (value);
  return vmft_dict_double (record, key, -1.0);
}

static void
add_numbers (VmftMetrics *metrics, GVariant *record, const Number *numbers, gsize n_numbers)
{
  for (gsize i = 0; record != NULL && i < n_numbers; i++)
    {
      double value = get_number (record, numbers[i].key);

      begin (metrics, &numbers[i]);
      if (value >= 0.0)
        vmft_metrics_add (metrics, value, NULL);
    }
}

static void
add_status (VmftMetrics *metrics, GVariant *status)
{
  static const Number numbers[] = {
    { "libvirt_connected", "vmft_libvirt_connected", FALSE, "1 while libvirtd answers." },
    { "vms", "vmft_vms", FALSE, "Virtual machines of this host." },
    { "open_incidents", "vmft_open_incidents", FALSE, "Incidents that are not cleared." },
    { "running_migrations", "vmft_running_migrations", FALSE, "Migration jobs under way." },
  };
  static const char *const operations[] = { "observe", "advise", "act" };
  const char *operation = vmft_dict_string (status, "operation");

  vmft_metrics_gauge (metrics, "vmft_build_info", "Always 1; the version is a label.");
  vmft_metrics_add (metrics, 1, "version", vmft_dict_string (status, "version"), NULL);
  vmft_metrics_gauge (metrics, "vmft_start_time_seconds", "When the daemon started, since the epoch.");
  vmft_metrics_add (metrics, (double) vmft_dict_int64 (status, "started_us", 0) / G_USEC_PER_SEC, NULL);
  vmft_metrics_gauge (metrics, "vmft_operation", "1 for the mode of operation in force.");
  for (gsize i = 0; i < G_N_ELEMENTS (operations); i++)
    vmft_metrics_add (metrics, g_strcmp0 (operation, operations[i]) == 0, "mode", operations[i], NULL);
  vmft_metrics_gauge (metrics, "vmft_inhibited", "1 while an operator holds all moves back.");
  vmft_metrics_add (metrics, vmft_dict_int64 (status, "inhibited_until_us", 0) > 0, NULL);
  add_numbers (metrics, status, numbers, G_N_ELEMENTS (numbers));
}

static void
add_detector (VmftMetrics *metrics, GVariant *detector)
{
  static const Number numbers[] = {
    { "learning", "vmft_learning", FALSE, "1 while what is said becomes normal." },
    { "kernel_lines", "vmft_kernel_lines_total", TRUE, "Lines of this host's kernel judged." },
    { "foreign_lines", "vmft_foreign_lines_total", TRUE, "Lines that name another host." },
    { "alarms", "vmft_alarms_total", TRUE, "Lines that counted as evidence." },
    { "templates", "vmft_templates", FALSE, "Templates known." },
    { "store_failures", "vmft_store_failures_total", TRUE, "Records of the detector not written." },
  };

  add_numbers (metrics, detector, numbers, G_N_ELEMENTS (numbers));
}

static void
add_sampler (VmftMetrics *metrics, GVariant *sampler)
{
  static const Number numbers[] = {
    { "readings", "vmft_dirty_readings_total", TRUE, "Dirty-rate readings of VMs." },
    { "failures", "vmft_dirty_reading_failures_total", TRUE, "Dirty-rate readings that failed." },
    { "busy_s", "vmft_dirty_reading_seconds_total", TRUE, "Time during which a reading was under way." },
  };

  add_numbers (metrics, sampler, numbers, G_N_ELEMENTS (numbers));
}

static void
add_sources (VmftMetrics *metrics, GVariant *input)
{
  static const Number numbers[] = {
    { "lines", "vmft_source_lines_total", TRUE, "Lines read." },
    { "bytes", "vmft_source_bytes_total", TRUE, "Bytes read." },
    { "cut_lines", "vmft_source_cut_lines_total", TRUE, "Lines too long, and cut." },
    { "dropped", "vmft_source_dropped_total", TRUE, "Lines dropped in a flood." },
    { "over_limit", "vmft_source_over_limit_total", TRUE,
      "TCP connections closed at once: more than max-connections." },
    { "refused", "vmft_source_refused_total", TRUE, "Connections refused." },
  };
  g_autoptr (GVariant) sources =
      input ? g_variant_lookup_value (input, "sources", G_VARIANT_TYPE ("aa{sv}")) : NULL;

  for (gsize i = 0; sources != NULL && i < G_N_ELEMENTS (numbers); i++)
    {
      begin (metrics, &numbers[i]);
      for (gsize j = 0; j < g_variant_n_children (sources); j++)
        {
          g_autoptr (GVariant) source = g_variant_get_child_value (sources, j);
          double value = get_number (source, numbers[i].key);

          if (value >= 0.0)
            vmft_metrics_add (metrics, value, "source", vmft_dict_string (source, "name"), NULL);
        }
    }
}

/* --- incidents --- */

static void
add_incident_metric (VmftMetrics *metrics,
                     VmftDaemon *daemon,
                     GVariant *incidents,
                     const char *key,
                     const char *p)
{
  for (gsize i = 0; i < g_variant_n_children (incidents); i++)
    {
      g_autoptr (GVariant) incident = g_variant_get_child_value (incidents, i);
      GVariant *found = vmft_daemon_describe_lead (daemon, (guint64) vmft_dict_int64 (incident, "id", 0));
      g_autoptr (GVariant) lead = found ? g_variant_ref_sink (found) : NULL;
      g_autofree char *id = g_strdup_printf ("%" G_GINT64_FORMAT, vmft_dict_int64 (incident, "id", 0));
      const char *class = vmft_dict_string (incident, "class");
      const char *locus = vmft_dict_string (incident, "locus");

      if (lead == NULL)
        continue;
      if (p != NULL)
        vmft_metrics_add (metrics, vmft_dict_double (lead, key, 0.0), "incident", id, "class", class, "locus",
                          locus, "p", p, NULL);
      else
        vmft_metrics_add (metrics, vmft_dict_double (lead, key, 0.0), "incident", id, "class", class, "locus",
                          locus, NULL);
    }
}

static void
add_incidents (VmftMetrics *metrics, VmftDaemon *daemon, GVariant *incidents)
{
  vmft_metrics_gauge (metrics, "vmft_incident_lead_seconds",
                      "Lead time left of an open incident, at the percentile p.");
  add_incident_metric (metrics, daemon, incidents, "p10_s", "10");
  add_incident_metric (metrics, daemon, incidents, "p50_s", "50");
  add_incident_metric (metrics, daemon, incidents, "p90_s", "90");
  vmft_metrics_gauge (metrics, "vmft_incident_failure_probability_ratio",
                      "Probability that the failure an open incident announces comes.");
  add_incident_metric (metrics, daemon, incidents, "p_fails", NULL);
}

void
vmft_view_add_metrics (VmftView *self, VmftMetrics *metrics)
{
  const VmftQuery query = { .limit = INCIDENTS_SHOWN, .open = TRUE };
  VmftDaemon *daemon = vmft_view_get_daemon (self);
  g_autoptr (GVariant) status = g_variant_ref_sink (vmft_daemon_describe (daemon));
  g_autoptr (GVariant) detector = g_variant_lookup_value (status, "detector", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) input = g_variant_lookup_value (status, "input", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) sampler = g_variant_lookup_value (status, "sampler", G_VARIANT_TYPE_VARDICT);
  GVariant *open = vmft_daemon_list_incidents (daemon, &query, NULL);
  g_autoptr (GVariant) incidents = open ? g_variant_ref_sink (open) : NULL;

  add_status (metrics, status);
  add_detector (metrics, detector);
  add_sampler (metrics, sampler);
  add_sources (metrics, input);
  if (incidents != NULL)
    add_incidents (metrics, daemon, incidents);
}
