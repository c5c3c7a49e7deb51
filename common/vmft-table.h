/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** VmftTable: virsh's table: a heading, a rule, rows; columns as wide as their widest cell. */
typedef struct _VmftTable VmftTable;

/** vmft_table_new: @headings: NULL-terminated column headings. Returns: (transfer full): an empty table. */
VmftTable *vmft_table_new (const char *const *headings);

/** vmft_table_add: @cells: as many as there are headings; copied. Control characters are replaced by '?'. */
void vmft_table_add (VmftTable *self, const char *const *cells);

/** vmft_table_add_printf: one cell a call, row-wise; a full row starts the next one. */
void vmft_table_add_printf (VmftTable *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

/** vmft_table_paint: @sgr: (nullable): the cell added last is shown in this rendition ("1;31"); static text. */
void vmft_table_paint (VmftTable *self, const char *sgr);

/** vmft_table_to_string: Returns: (transfer full): the table, each line with its newline. */
char *vmft_table_to_string (VmftTable *self);

void vmft_table_free (VmftTable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftTable, vmft_table_free)

G_END_DECLS
