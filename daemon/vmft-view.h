/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-daemon.h"
#include "vmft-http.h"

G_BEGIN_DECLS

/**
 * VmftView: the daemon as the outside sees it: its records, with incidents completed by their latest lines, the lead
 * time left and the latest plan. Lines and plans are kept as they come, so that looking costs no walk through the
 * history.
 */
typedef struct _VmftView VmftView;

/** vmft_view_new: @daemon: outlives the view. Returns: (transfer full). */
VmftView *vmft_view_new (VmftDaemon *daemon);
void vmft_view_free (VmftView *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftView, vmft_view_free)

/** vmft_view_get_daemon: Returns: (transfer none): what it is a view of. */
VmftDaemon *vmft_view_get_daemon (VmftView *self);

/** vmft_view_complete_incident: Returns: (transfer floating): @record with "lines", "lead" and "plan". */
GVariant *vmft_view_complete_incident (VmftView *self, GVariant *record);

/** vmft_view_list_incidents: as #VmftHttpView has them, and so on. */
GVariant *vmft_view_list_incidents (VmftView *self, guint limit);
GVariant *vmft_view_list_plans (VmftView *self, guint limit);

/** vmft_view_list_migrations: @running: those under way, else those that ended. */
GVariant *vmft_view_list_migrations (VmftView *self, guint limit, gboolean running);

/** vmft_view_add_metrics: writes what the daemon knows, for Prometheus. */
void vmft_view_add_metrics (VmftView *self, VmftMetrics *metrics);

/** vmft_view_is_running: Returns: whether the migration @record describes has not ended. */
gboolean vmft_view_is_running (GVariant *record);

G_END_DECLS
