/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A cursor over a line's header, and the ways in which headers write time. */
#pragma once

#include "vmft-time.h"

G_BEGIN_DECLS

typedef struct
{
  const char *p, *end;
} VmftCursor;

static inline gboolean
vmft_cursor_skip (VmftCursor *cursor, char c)
{
  if (cursor->p >= cursor->end || *cursor->p != c)
    return FALSE;
  cursor->p++;
  return TRUE;
}

/* Reads a number of @min to @max (at most 18) digits. On failure the cursor stays. */
gboolean vmft_cursor_number (VmftCursor *cursor, guint min, guint max, gint64 *value);

/* `2026-11-23T08:33:48.413755+00:00`: also with a space for the T, a comma for the point, `+0000`, `Z`, or no
 * offset, which means local time. Fails without moving the cursor. */
gboolean vmft_cursor_iso_time (VmftCursor *cursor, VmftTime *time_us);

/* `Nov 23 08:33:48` in local time and the year that brings it nearest to @arrival_us (unknown without one). */
gboolean vmft_cursor_bsd_time (VmftCursor *cursor, VmftTime arrival_us, VmftTime *time_us);

/* `Mon Nov 23 08:33:48 2026` in local time: `dmesg -T`. */
gboolean vmft_cursor_ctime (VmftCursor *cursor, VmftTime *time_us);

G_END_DECLS
