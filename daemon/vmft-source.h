/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"
#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * VmftBatch: lines that a source hands over at once, and where it stands after them. Valid during the signal only.
 * @source: what the record calls their origin: "file:/var/log/kern.log"
 * @lines: split, with the trust that the source deserves
 * @cursor_key: key in table %VMFT_STORE_CURSORS
 * @cursor: `a{sv}` from which the source goes on after a restart, as if exactly @lines and all before them had
 *   been seen: to be committed together with what comes of them
 */
typedef struct
{
  const char *source;
  const VmftLine *lines;
  gsize n_lines;
  const char *cursor_key;
  GVariant *cursor;
} VmftBatch;

/**
 * VmftSource:
 *
 * Where log lines come from: the second of the daemon's three seams. A source reads its cursors from the store
 * it was made with; it never writes them, because they must be committed with what its lines caused. It hands
 * over a bounded batch at a time and lets the main loop run in between: that is the back-pressure.
 *
 * Signals:
 * - `batch` (const VmftBatch *): lines, in order
 */
#define VMFT_TYPE_SOURCE vmft_source_get_type ()
G_DECLARE_INTERFACE (VmftSource, vmft_source, VMFT, SOURCE, GObject)

struct _VmftSourceInterface
{
  GTypeInterface parent;

  void (*start) (VmftSource *self);
  GVariant *(*describe) (VmftSource *self);
};

/** vmft_source_start: begins to emit `batch`, until the object goes. */
void vmft_source_start (VmftSource *self);

/** vmft_source_describe: Returns: (transfer floating): `a{sv}`: name, type, state, lines, bytes, cut. */
GVariant *vmft_source_describe (VmftSource *self);

/** vmft_source_emit_batch: for implementations. */
void vmft_source_emit_batch (VmftSource *self, const VmftBatch *batch);

G_END_DECLS
