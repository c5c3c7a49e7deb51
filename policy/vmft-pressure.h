/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: which VMs leave a host that runs out of memory. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** VmftRelief: a VM that could leave: @bytes it frees here once it has gone, @seconds that takes. */
typedef struct
{
  double bytes;
  double seconds;
} VmftRelief;

/**
 * vmft_pressure_choose:
 * @items, @n: the VMs that can leave
 * @deficit_bytes: memory to free
 * @chosen: (out) (array length=n): which of them go
 *
 * The set that frees the deficit soonest: exact up to 16 VMs, by bytes per second above. When even all of them
 * do not free it, all go.
 *
 * Returns: how many were chosen.
 */
guint vmft_pressure_choose (const VmftRelief *items, guint n, double deficit_bytes, gboolean *chosen);

G_END_DECLS
