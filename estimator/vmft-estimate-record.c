/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-estimate.h"

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
