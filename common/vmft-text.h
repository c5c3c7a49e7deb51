/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-time.h"

G_BEGIN_DECLS

/**
 * vmft_text_printable:
 * @text: (nullable): bytes from anywhere; NULL counts as empty
 * @length: how many, or -1 up to the first NUL
 *
 * Log lines are hostile: this makes them safe for a terminal, D-Bus and JSON.
 *
 * Returns: (transfer full): valid UTF-8 without control characters; what was not is '?' (one per byte).
 */
char *vmft_text_printable (const char *text, gssize length);

/** vmft_text_time: Returns: (transfer full): "2026-11-23 08:34:05.861" in UTC, or "-" for an unknown time. */
char *vmft_text_time (VmftTime time_us);

/** vmft_text_duration: Returns: (transfer full): "340 ms", "12.4 s", "17.7 min", "3.2 h"; "never" for
 * infinity. */
char *vmft_text_duration (double seconds);

/** vmft_text_bytes: Returns: (transfer full): "512 KiB", "1.5 GiB". */
char *vmft_text_bytes (double bytes);

/**
 * vmft_text_parse_bytes:
 * @text: a number with an optional suffix K, M, G, T (1024-based; "KiB" and "KB" alike)
 * @bytes: (out): the value
 * @error: return location, %VMFT_ERROR_INVALID
 */
gboolean vmft_text_parse_bytes (const char *text, guint64 *bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_text_parse_duration:
 * @text: a number with an optional unit us, ms, s, min, h, d (systemd's short forms; no unit means seconds)
 * @seconds: (out): the value, finite and not negative
 * @error: return location, %VMFT_ERROR_INVALID
 */
gboolean vmft_text_parse_duration (const char *text,
                                   double *seconds,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
