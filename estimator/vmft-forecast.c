/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-forecast.h"

#include <math.h>

VmftForecast *
vmft_forecast_new (const char *uuid, const char *destination, VmftMode mode)
{
  VmftForecast *forecast = g_new0 (VmftForecast, 1);

  forecast->uuid = g_strdup (uuid);
  forecast->destination = g_strdup (destination);
  forecast->mode = mode;
  forecast->sharing = 1;
  forecast->downtime_s = -1.0;
  return forecast;
}

void
vmft_forecast_free (VmftForecast *forecast)
{
  g_free (forecast->uuid);
  g_free (forecast->destination);
  g_free (forecast->verdict);
  g_free (forecast);
}

GVariant *
vmft_forecast_to_variant (const VmftForecast *forecast)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "t", forecast->id);
  g_variant_dict_insert (&dict, "made_us", "x", forecast->made_us);
  g_variant_dict_insert (&dict, "uuid", "s", forecast->uuid);
  g_variant_dict_insert (&dict, "destination", "s", forecast->destination);
  g_variant_dict_insert (&dict, "mode", "s", vmft_mode_to_string (forecast->mode));
  g_variant_dict_insert (&dict, "total_p50_s", "d", forecast->p50_s);
  g_variant_dict_insert (&dict, "total_p90_s", "d", forecast->p90_s);
  g_variant_dict_insert (&dict, "linear_s", "d", forecast->linear_s);
  g_variant_dict_insert (&dict, "memory_bytes", "d", forecast->memory_bytes);
  g_variant_dict_insert (&dict, "volume_bytes", "d", forecast->volume_bytes);
  g_variant_dict_insert (&dict, "bytes", "d", forecast->bytes);
  g_variant_dict_insert (&dict, "storage_s", "d", forecast->storage_s);
  g_variant_dict_insert (&dict, "link_bps", "d", forecast->link_bps);
  g_variant_dict_insert (&dict, "cap_bps", "d", forecast->cap_bps);
  g_variant_dict_insert (&dict, "sharing", "u", forecast->sharing);
  g_variant_dict_insert (&dict, "capped", "b", forecast->capped);
  g_variant_dict_insert (&dict, "ended", "b", forecast->ended);
  if (forecast->ended)
    {
      g_variant_dict_insert (&dict, "completed", "b", forecast->completed);
      g_variant_dict_insert (&dict, "verdict", "s", forecast->verdict != NULL ? forecast->verdict : "");
      g_variant_dict_insert (&dict, "total_s", "d", forecast->total_s);
      g_variant_dict_insert (&dict, "downtime_s", "d", forecast->downtime_s);
      g_variant_dict_insert (&dict, "actual_bytes", "d", forecast->actual_bytes);
      g_variant_dict_insert (&dict, "iterations", "u", forecast->iterations);
      g_variant_dict_insert (&dict, "xbzrle_factor", "d", forecast->xbzrle_factor);
    }
  return g_variant_dict_end (&dict);
}

static void
outcome_from_variant (VmftForecast *forecast, GVariant *record)
{
  forecast->ended = vmft_dict_boolean (record, "ended", FALSE);
  forecast->completed = vmft_dict_boolean (record, "completed", FALSE);
  forecast->verdict = g_strdup (vmft_dict_string (record, "verdict"));
  forecast->total_s = vmft_dict_double (record, "total_s", 0.0);
  forecast->downtime_s = vmft_dict_double (record, "downtime_s", -1.0);
  forecast->actual_bytes = vmft_dict_double (record, "actual_bytes", 0.0);
  forecast->iterations = (guint) vmft_dict_int64 (record, "iterations", 0);
  forecast->xbzrle_factor = vmft_dict_double (record, "xbzrle_factor", 0.0);
}

VmftForecast *
vmft_forecast_from_variant (GVariant *record)
{
  const char *uuid = vmft_dict_string (record, "uuid");
  const char *destination = vmft_dict_string (record, "destination");
  VmftForecast *forecast;
  VmftMode mode;

  if (uuid == NULL || destination == NULL ||
      !vmft_mode_from_string (vmft_dict_string (record, "mode"), &mode))
    return NULL;
  forecast = vmft_forecast_new (uuid, destination, mode);
  forecast->id = (guint64) vmft_dict_int64 (record, "id", 0);
  forecast->made_us = vmft_dict_int64 (record, "made_us", 0);
  forecast->p50_s = vmft_dict_double (record, "total_p50_s", INFINITY);
  forecast->p90_s = vmft_dict_double (record, "total_p90_s", INFINITY);
  forecast->linear_s = vmft_dict_double (record, "linear_s", NAN);
  forecast->memory_bytes = vmft_dict_double (record, "memory_bytes", 0.0);
  forecast->volume_bytes = vmft_dict_double (record, "volume_bytes", 0.0);
  forecast->bytes = vmft_dict_double (record, "bytes", 0.0);
  forecast->storage_s = vmft_dict_double (record, "storage_s", 0.0);
  forecast->link_bps = vmft_dict_double (record, "link_bps", 0.0);
  forecast->cap_bps = vmft_dict_double (record, "cap_bps", 0.0);
  forecast->sharing = (guint) CLAMP (vmft_dict_int64 (record, "sharing", 1), 1, 1000);
  forecast->capped = vmft_dict_boolean (record, "capped", FALSE);
  outcome_from_variant (forecast, record);
  return forecast;
}
