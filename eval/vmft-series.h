/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labelled series of log keys, as the paper's data has them. */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/** The paper's learning period M, in rows: scores before it are 0, rates begin a row later. */
#define VMFT_SERIES_LEARNING_ROWS 150

/**
 * VmftSeries:
 * @keys, @times_us: of every row
 * @score: of every row, from vmft_series_score()
 * @alarm_level: of every row: it alarms at each threshold of a ROC curve that is below this (for vmft-lad the
 *   threshold is its theta)
 * @label, @failure: rows of fault injection and of failure; -1 in a benign file (NAB goes by them)
 * @rate_label, @rate_failure: the same from the raw metadata, off by one in places (the rate tables go by
 *   them); @rate_label is 0 or less in a file that counts as benign there
 */
typedef struct
{
  char *name;
  char *class_name;
  guint n_rows;
  guint32 *keys;
  VmftTime *times_us;
  double *score;
  double *alarm_level;
  int label, failure;
  int rate_label, rate_failure;
  VmftTime failure_us;
} VmftSeries;

/**
 * VmftSeriesTemplate:
 * @text: as decoded from the miner: underscores are spaces
 * @kernel: it starts with a printk stamp
 * @faulty: what log inference says
 * @p: the kernel-message model's probability; 0 for other lines
 */
typedef struct
{
  char *text;
  gboolean kernel;
  gboolean faulty;
  gboolean fault; /* the kernel engine: p or a fault family */
  gboolean one_record;
  double p;
} VmftSeriesTemplate;

typedef struct
{
  GPtrArray *series;             /* VmftSeries, in the order of labels.csv */
  VmftSeriesTemplate *templates; /* by key */
  guint n_templates;             /* the highest key + 1 */
} VmftSeriesSet;

/**
 * vmft_series_set_load:
 * @folder: holds labels.csv and a folder per class
 * @templates: a CSV file with columns key and template
 * @error: return location, %VMFT_ERROR_INVALID naming file and line
 *
 * Returns: (transfer full): the data
 */
VmftSeriesSet *vmft_series_set_load (const char *folder,
                                     const char *templates,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_series_set_free (VmftSeriesSet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftSeriesSet, vmft_series_set_free)

/** vmft_series_set_answers: sets @faulty from column @column of the CSV file @path. */
gboolean vmft_series_set_answers (VmftSeriesSet *self, const char *path, const char *column, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_series_set_judge:
 * @model_only: leave the fault-family table out
 *
 * Sets @p, @fault and @one_record from the shipped model and family table, and @faulty where no answers are
 * given (@answers).
 */
gboolean vmft_series_set_judge (VmftSeriesSet *self, gboolean model_only, gboolean answers, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_series_set_drop_fixed_offset:
 *
 * Drops the records of fault templates that look inserted afterwards: exactly 8, 9 … 12 ms after their
 * predecessor, and in cpu files with whole seconds any that have a fraction (EVALUATION.md).
 *
 * Returns: how many
 */
guint vmft_series_set_drop_fixed_offset (VmftSeriesSet *self, gboolean kernel_engine);

G_END_DECLS
