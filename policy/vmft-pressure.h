/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the policy room: which VMs leave a host that runs out of memory. */
#pragma once

#include "vmft-choose.h"

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

/**
 * vmft_pressure_put_largest_first:
 * @choice: its order, P(arrive) and sum are changed
 * @bytes: what each candidate frees
 * @offset_s: when the link is free
 *
 * Where nobody knows how much is missing, the largest VMs relieve most: they go first for as long as each of them
 * still reaches @confidence there; the others keep their order behind them.
 */
void vmft_pressure_put_largest_first (VmftChoice *choice,
                                      const VmftCandidate *candidates,
                                      const double *bytes,
                                      const VmftArrival *arrival,
                                      double confidence,
                                      double offset_s);

G_END_DECLS
