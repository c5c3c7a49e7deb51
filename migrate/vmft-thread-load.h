/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the migrate room: how busy the busiest thread of a process is. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** vmft_thread_load_read: Returns: (transfer full): CPU time of each thread now, in ticks, by its id; empty when gone. */
GHashTable *vmft_thread_load_read (const char *proc, int pid);

/**
 * vmft_thread_load_busiest:
 * @before: of vmft_thread_load_read()
 * @seconds: between the two
 *
 * The thread that runs a guest's busiest vCPU, as a rule: auto-converge slows a guest down only by what it takes from
 * a CPU that is in use.
 *
 * Returns: its share of a CPU, 0 to 1
 */
double vmft_thread_load_busiest (GHashTable *before, GHashTable *after, double seconds);

G_END_DECLS
