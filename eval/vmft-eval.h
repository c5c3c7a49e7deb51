/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of vmft-eval, one per file. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VmftEvalFunc:
 * @argc: with the verb's name in place of the program's
 * @argv: likewise; the verb parses its own options
 * @error: return location; %G_OPTION_ERROR for what the user got wrong
 *
 * Writes to standard output.
 */
typedef gboolean (*VmftEvalFunc) (int argc, char **argv, GError **error);

/** vmft_eval_templates: the parser alone: templates with their counts, or the template of every line. */
gboolean vmft_eval_templates (int argc, char **argv, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_eval_runs: recorded kernel-fault runs: first alarm, its delay and lead, false alarms. */
gboolean vmft_eval_runs (int argc, char **argv, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_eval_policy: the weight that plans bring away on simulated hosts, beside fixed rules and a clairvoyant. */
gboolean vmft_eval_policy (int argc, char **argv, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_eval_series: the paper's labelled series: NAB scores, rates, lead times, ROC. */
gboolean vmft_eval_series (int argc, char **argv, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
