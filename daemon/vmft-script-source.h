/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-source.h"

G_BEGIN_DECLS

/**
 * VmftScriptSource: the fake log source: lines that arrive at moments of a (virtual) clock, each a batch of its
 * own. Like the real ones it starts after the line that the store's cursor names.
 */
#define VMFT_TYPE_SCRIPT_SOURCE vmft_script_source_get_type ()
G_DECLARE_FINAL_TYPE (VmftScriptSource, vmft_script_source, VMFT, SCRIPT_SOURCE, GObject)

/** vmft_script_source_new: Returns: (transfer full): a source without lines. */
VmftSource *vmft_script_source_new (const char *name, VmftTrust trust, VmftClock *clock, VmftStore *store);

/**
 * vmft_script_source_add:
 * @at_us: wall-clock time of arrival; a moment that has passed means at once, in order of adding
 * @text: one line, split as %VMFT_LINE_AUTO
 */
void vmft_script_source_add (VmftScriptSource *self, VmftTime at_us, const char *text);

/** vmft_script_source_say: @line arrives now, a batch of its own; nothing of it is kept. */
void vmft_script_source_say (VmftScriptSource *self, const VmftLine *line);

G_END_DECLS
