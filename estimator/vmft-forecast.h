/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the estimator room: one forecast and what came of it, as stored. */
#pragma once

#include "vmft-common.h"
#include "vmft-estimator.h"

G_BEGIN_DECLS

/**
 * VmftForecast:
 * @linear_s: what t = a*s + b said at the time, for comparison
 * @link_bps: median bandwidth believed, before cap and share
 * @capped: the job's parameter, not the link, was the limit
 * @ended: the outcome is known
 * @xbzrle_factor: c as the outcome shows it, 0 when it does not
 */
typedef struct
{
  guint64 id;
  VmftTime made_us;
  char *uuid;
  char *destination;
  VmftMode mode;
  double p50_s;
  double p90_s;
  double linear_s;
  double memory_bytes;
  double volume_bytes;
  double bytes;
  double storage_s;
  double link_bps;
  double cap_bps;
  guint sharing;
  gboolean capped;
  gboolean ended;
  gboolean completed;
  char *verdict;
  double total_s;
  double downtime_s;
  double actual_bytes;
  guint iterations;
  double xbzrle_factor;
} VmftForecast;

VmftForecast *vmft_forecast_new (const char *uuid, const char *destination, VmftMode mode);
void vmft_forecast_free (VmftForecast *forecast);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftForecast, vmft_forecast_free)

/** vmft_forecast_to_variant: Returns: (transfer floating): the record `a{sv}`. */
GVariant *vmft_forecast_to_variant (const VmftForecast *forecast);

/** vmft_forecast_from_variant: Returns: (transfer full) (nullable): NULL when @record is none. */
VmftForecast *vmft_forecast_from_variant (GVariant *record);

G_END_DECLS
