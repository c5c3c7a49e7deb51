/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** VmftMetrics: a page in Prometheus' text format, version 0.0.4, written from top to bottom. */
typedef struct _VmftMetrics VmftMetrics;

VmftMetrics *vmft_metrics_new (void);

/**
 * vmft_metrics_gauge: begins a metric that goes up and down.
 * @name: with its base unit: seconds, bytes, ratio
 * @help: one line
 */
void vmft_metrics_gauge (VmftMetrics *self, const char *name, const char *help);

/** vmft_metrics_counter: begins a metric that only grows. @name: ends in "_total". */
void vmft_metrics_counter (VmftMetrics *self, const char *name, const char *help);

/**
 * vmft_metrics_add:
 * @value: any double
 * @...: label names and values in turn, ended by NULL; values may be hostile
 *
 * One sample of the metric begun last.
 */
void vmft_metrics_add (VmftMetrics *self, double value, ...) G_GNUC_NULL_TERMINATED;

/** vmft_metrics_to_string: Returns: (transfer full): the page. */
char *vmft_metrics_to_string (VmftMetrics *self);

void vmft_metrics_free (VmftMetrics *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftMetrics, vmft_metrics_free)

G_END_DECLS
