/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-source.h"

G_BEGIN_DECLS

#define VMFT_PRESSURE_DIRECTORY "/proc/pressure"

/**
 * VmftPressureConfig: which stalls count.
 * @directory: %VMFT_PRESSURE_DIRECTORY
 * @memory, @io, @cpu: share of a window of 2 s, in (0, 1); 0 leaves the resource unwatched. For memory and cpu it is
 *   the time in which some task waited, for io that in which all did: a disk that keeps one task waiting is at
 *   work, one that keeps all waiting is not.
 */
typedef struct
{
  const char *directory;
  double memory;
  double io;
  double cpu;
} VmftPressureConfig;

#define VMFT_PRESSURE_CONFIG_DEFAULT                                                                         \
  ((VmftPressureConfig){ .directory = VMFT_PRESSURE_DIRECTORY, .memory = 0.15, .io = 0.9, .cpu = 0.95 })

/**
 * VmftPressureSource: what no log line announces: an out-of-memory kill comes without one, but not without tasks
 * that stall. The kernel's PSI triggers (Documentation/accounting/psi.rst) wake us, at most once a window; windows
 * shorter than 2 s need CAP_SYS_RESOURCE. Where the kernel takes no trigger, the same share is worked out from the
 * files' totals every 2 s. There are no lines: it calls vmft_detector_raise_pressure().
 */
#define VMFT_TYPE_PRESSURE_SOURCE vmft_pressure_source_get_type ()
G_DECLARE_FINAL_TYPE (VmftPressureSource, vmft_pressure_source, VMFT, PRESSURE_SOURCE, GObject)

/** VmftPressureFunc: @resource: "memory", "io" or "cpu"; @line: the reading, for the operator. */
typedef void (*VmftPressureFunc) (const char *resource, const char *line, gpointer user_data);

/**
 * vmft_pressure_source_new:
 * @config: copied
 * @func: told of each window in which a share was reached
 *
 * Returns: (transfer full): the source, not started. Files that are not there are looked for once a window.
 */
VmftSource *vmft_pressure_source_new (const char *name,
                                      const VmftPressureConfig *config,
                                      VmftClock *clock,
                                      VmftPressureFunc func,
                                      gpointer user_data);

/** vmft_pressure_source_set_polling: no triggers even where the kernel would take them; before the start. */
void vmft_pressure_source_set_polling (VmftPressureSource *self, gboolean polling);

G_END_DECLS
