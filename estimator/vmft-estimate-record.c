/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-estimate.h"

#include <math.h>

static const char *const status_names[] = {
  [VMFT_ESTIMATE_OK] = "ok",
  [VMFT_ESTIMATE_NO_BANDWIDTH] = "no-bandwidth",
  [VMFT_ESTIMATE_NO_MEMORY] = "no-memory",
  [VMFT_ESTIMATE_NOT_CONVERGING] = "not-converging",
  [VMFT_ESTIMATE_PRESSURE] = "pressure",
  [VMFT_ESTIMATE_NO_CACHE] = "no-cache",
  [VMFT_ESTIMATE_NOT_ALLOWED] = "not-allowed",
};

static char *
reason_when_possible (const VmftEstimate *estimate)
{
  g_autofree char *p50 = vmft_text_duration (estimate->total_p50_s);
  g_autofree char *p90 = vmft_text_duration (estimate->total_p90_s);
  g_autofree char *bytes = vmft_text_bytes (estimate->bytes);
  g_autofree char *bandwidth = vmft_text_bytes (estimate->bandwidth_bps);

  if (estimate->p_converge < 0.95)
    return g_strdup_printf ("%s (p90 %s) for %s at %s/s, if it converges: %.0f%%", p50, p90, bytes, bandwidth,
                            100.0 * estimate->p_converge);
  return g_strdup_printf ("%s (p90 %s) for %s at %s/s", p50, p90, bytes, bandwidth);
}

static char *
reason_when_not_converging (const VmftEstimate *estimate)
{
  g_autofree char *dirty = vmft_text_bytes (estimate->dirty_bps);
  g_autofree char *bandwidth = vmft_text_bytes (estimate->bandwidth_bps);

  return g_strdup_printf ("does not converge: the guest writes %s/s, the link takes %s/s", dirty, bandwidth);
}

char *
vmft_estimate_reason (const VmftEstimate *estimate)
{
  switch (estimate->status)
    {
    case VMFT_ESTIMATE_OK:
      return reason_when_possible (estimate);
    case VMFT_ESTIMATE_NO_BANDWIDTH:
      return g_strdup ("the bandwidth to the destination is unknown or zero");
    case VMFT_ESTIMATE_NO_MEMORY:
      return g_strdup ("the guest's memory is unknown or zero");
    case VMFT_ESTIMATE_NOT_CONVERGING:
      return reason_when_not_converging (estimate);
    case VMFT_ESTIMATE_PRESSURE:
      return g_strdup ("its cache would cost memory on a host that runs short of it");
    case VMFT_ESTIMATE_NO_CACHE:
      return g_strdup ("this host has no memory for its cache");
    case VMFT_ESTIMATE_NOT_ALLOWED:
      return g_strdup (
          "not allowed by the VM's policy or the configuration, or not possible between the hosts");
    default:
      g_return_val_if_reached (g_strdup ("unknown"));
    }
}

GVariant *
vmft_estimate_to_variant (const VmftEstimate *estimate)
{
  g_autofree char *reason = vmft_estimate_reason (estimate);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "mode", "s", vmft_mode_to_string (estimate->mode));
  g_variant_dict_insert (&dict, "possible", "b", vmft_estimate_is_possible (estimate));
  g_variant_dict_insert (&dict, "status", "s", status_names[estimate->status]);
  g_variant_dict_insert (&dict, "reason", "s", reason);
  g_variant_dict_insert (&dict, "total_p50_s", "d", estimate->total_p50_s);
  g_variant_dict_insert (&dict, "total_p90_s", "d", estimate->total_p90_s);
  g_variant_dict_insert (&dict, "downtime_p50_s", "d", estimate->downtime_p50_s);
  g_variant_dict_insert (&dict, "downtime_p90_s", "d", estimate->downtime_p90_s);
  g_variant_dict_insert (&dict, "bytes", "d", estimate->bytes);
  g_variant_dict_insert (&dict, "volume_bytes", "d", estimate->volume_bytes);
  g_variant_dict_insert (&dict, "bandwidth_bps", "d", estimate->bandwidth_bps);
  g_variant_dict_insert (&dict, "dirty_bps", "d", estimate->dirty_bps);
  g_variant_dict_insert (&dict, "p_converge", "d", estimate->p_converge);
  g_variant_dict_insert (&dict, "rounds", "d", estimate->rounds);
  g_variant_dict_insert (&dict, "sigma", "d", estimate->sigma);
  g_variant_dict_insert (&dict, "degraded_s", "d", estimate->degraded_s);
  g_variant_dict_insert (&dict, "calibrated", "u", estimate->calibrated);
  g_variant_dict_insert_value (
      &dict, "node_s",
      g_variant_new_fixed_array (G_VARIANT_TYPE_DOUBLE, estimate->node_s, VMFT_N_NODES, sizeof (double)));
  return g_variant_dict_end (&dict);
}

static gboolean
status_from_string (const char *text, VmftEstimateStatus *status)
{
  for (guint i = 0; text != NULL && i < G_N_ELEMENTS (status_names); i++)
    if (g_str_equal (text, status_names[i]))
      {
        *status = (VmftEstimateStatus) i;
        return TRUE;
      }
  return FALSE;
}

static double
node_from_variant (GVariant *nodes, gsize i)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (nodes, i);
  g_autoptr (GVariant) inner = g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT)
                                   ? g_variant_get_variant (child)
                                   : g_variant_ref (child);

  if (g_variant_is_of_type (inner, G_VARIANT_TYPE_DOUBLE))
    return g_variant_get_double (inner);
  return g_variant_is_of_type (inner, G_VARIANT_TYPE_INT64) ? (double) g_variant_get_int64 (inner) : INFINITY;
}

/* "ad" from the history, "av" from JSON, where infinity has become null. */
static void
nodes_from_variant (GVariant *record, VmftEstimate *estimate)
{
  g_autoptr (GVariant) nodes = g_variant_lookup_value (record, "node_s", NULL);
  gboolean complete = nodes != NULL && g_variant_is_container (nodes) &&
                      !g_variant_is_of_type (nodes, G_VARIANT_TYPE_DICTIONARY) &&
                      g_variant_n_children (nodes) == VMFT_N_NODES;

  for (guint i = 0; i < VMFT_N_NODES; i++)
    estimate->node_s[i] = complete ? node_from_variant (nodes, i) : estimate->total_p50_s;
}

gboolean
vmft_estimate_from_variant (GVariant *record, VmftEstimate *estimate, GError **error)
{
  *estimate = (VmftEstimate){ 0 };
  if (!vmft_mode_from_string (vmft_dict_string (record, "mode"), &estimate->mode) ||
      !status_from_string (vmft_dict_string (record, "status"), &estimate->status))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "an estimate without mode or status");
      return FALSE;
    }
  /* JSON has no infinity: what never ends comes back as nothing */
  estimate->total_p50_s = vmft_dict_double (record, "total_p50_s", INFINITY);
  estimate->total_p90_s = vmft_dict_double (record, "total_p90_s", INFINITY);
  estimate->downtime_p50_s = vmft_dict_double (record, "downtime_p50_s", INFINITY);
  estimate->downtime_p90_s = vmft_dict_double (record, "downtime_p90_s", INFINITY);
  estimate->bytes = vmft_dict_double (record, "bytes", 0.0);
  estimate->volume_bytes = vmft_dict_double (record, "volume_bytes", 0.0);
  estimate->bandwidth_bps = vmft_dict_double (record, "bandwidth_bps", 0.0);
  estimate->dirty_bps = vmft_dict_double (record, "dirty_bps", 0.0);
  estimate->p_converge = vmft_dict_double (record, "p_converge", 0.0);
  estimate->rounds = vmft_dict_double (record, "rounds", 0.0);
  estimate->sigma = vmft_dict_double (record, "sigma", 0.0);
  estimate->degraded_s = vmft_dict_double (record, "degraded_s", INFINITY);
  estimate->calibrated = (guint) vmft_dict_int64 (record, "calibrated", 0);
  nodes_from_variant (record, estimate);
  return TRUE;
}
