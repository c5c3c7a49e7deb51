/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VmftTime:
 *
 * The one time type: microseconds since the epoch, UTC. 0 stands for "unknown". Durations inside models are
 * `double` seconds with the suffix `_s`; intervals given to timers are integer milliseconds with `_ms`.
 * Throughput carries `_bps` and always means bytes (never bits) per second.
 */
typedef gint64 VmftTime;

#define VMFT_TIME_UNKNOWN G_GINT64_CONSTANT (0)
#define VMFT_TIME_FORMAT  G_GINT64_FORMAT

/** vmft_time_diff_s: Returns: @later - @earlier in seconds. */
static inline double
vmft_time_diff_s (VmftTime later, VmftTime earlier)
{
  return (double) (later - earlier) / G_USEC_PER_SEC;
}

/** vmft_time_add_s: Returns: @time moved by @seconds. */
static inline VmftTime
vmft_time_add_s (VmftTime time, double seconds)
{
  return time + (VmftTime) (seconds * G_USEC_PER_SEC);
}

G_END_DECLS
