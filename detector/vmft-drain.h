/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-mask-regex.h"

G_BEGIN_DECLS

/**
 * VmftDrain:
 *
 * The template miner: Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS
 * 2017) with the behaviour of Drain3 0.9.11. Same lines and same configuration give Drain3's clusters, line
 * by line. Not thread-safe; memory is bounded by @max_clusters. Wildcards are `<:*:>`.
 */
typedef struct _VmftDrain VmftDrain;

#define VMFT_DRAIN_WILDCARD "<:*:>"

/** Longer messages are cut here; sources cut (and count) well below. */
#define VMFT_DRAIN_MAX_LINE_BYTES 16384

/**
 * VmftDrainConfig:
 * @depth: of the tree; root and token count are the first two levels, so at least 3
 * @similarity: a line joins a cluster when this share of its tokens is equal (sim_th)
 * @max_children: of one tree node, wildcard child included
 * @max_clusters: the least recently used cluster makes room for a new one; 0 for no limit
 * @delimiters: (nullable): NULL-terminated strings replaced by a space before the line is split
 * @parametrize_numeric_tokens: tokens with a digit go under the wildcard in the tree
 * @mask: mask lines before they are split
 * @masks: (nullable): operator's masks; NULL for the default masks
 */
typedef struct
{
  guint depth;
  double similarity;
  guint max_children;
  guint max_clusters;
  const char *const *delimiters;
  gboolean parametrize_numeric_tokens;
  gboolean mask;
  VmftMaskRegex *masks;
} VmftDrainConfig;

/** vmft_drain_config_init: the paper's configuration: 4, 0.4, 100, no cluster limit, `_`, default masks. */
void vmft_drain_config_init (VmftDrainConfig *config);

/**
 * VmftDrainMatch:
 * @id: of the template, 1-based, as Drain3 numbers them; 0 for no match
 * @generation: of the template's text: 1 at first, one more whenever the text changes
 * @is_new: the line founded the cluster (which may be the return of an evicted one, with its old id)
 * @changed: the line changed the template's text
 * @words: hash of the masked line: the values masked out do not count, all other words do; the same in every
 * process
 */
typedef struct
{
  guint32 id;
  guint32 generation;
  gboolean is_new;
  gboolean changed;
  guint64 words;
} VmftDrainMatch;

/**
 * vmft_drain_new:
 * @config: copied, but for @masks, which must outlive the miner
 * @error: return location, %VMFT_ERROR_CONFIG
 *
 * Returns: (transfer full): an empty miner
 */
VmftDrain *vmft_drain_new (const VmftDrainConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_drain_free (VmftDrain *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftDrain, vmft_drain_free)

/**
 * vmft_drain_add:
 * @text: a message without header; need not be UTF-8
 * @length: its bytes
 * @match: (out): the cluster the line belongs to
 *
 * Learns from one line (Drain3's add_log_message()).
 */
void vmft_drain_add (VmftDrain *self, const char *text, gsize length, VmftDrainMatch *match);

/**
 * vmft_drain_match:
 * @text: a message without header
 * @length: its bytes
 * @match: (out): the cluster vmft_drain_add() would have chosen
 *
 * Finds without learning: neither template, size nor order of use changes.
 *
 * Returns: whether a cluster was found; otherwise @match has id 0 and @words
 */
gboolean vmft_drain_match (VmftDrain *self, const char *text, gsize length, VmftDrainMatch *match);

/**
 * vmft_drain_masked:
 * @length: (out): bytes
 *
 * Returns: (transfer none): the last line added or matched, after masking, before it is split into tokens;
 * NUL-terminated, valid until the next call
 */
const char *vmft_drain_masked (VmftDrain *self, gsize *length);

/** VmftDrainTemplate: a template: @text is NUL-terminated, tokens joined by single spaces. */
typedef struct
{
  guint32 id;
  guint32 generation;
  guint64 size; /* lines so far */
  const char *text;
  gsize length;
} VmftDrainTemplate;

/**
 * vmft_drain_template:
 * @id: from a match
 * @info: (out caller-allocates): @text is owned by the miner, valid until the next line
 *
 * Returns: whether @id is a live template (evicted ones are not)
 */
gboolean vmft_drain_template (VmftDrain *self, guint32 id, VmftDrainTemplate *info);

typedef void (*VmftDrainTemplateFunc) (const VmftDrainTemplate *info, gpointer user_data);

/** vmft_drain_foreach: calls @func for every live template, in order of first appearance. */
void vmft_drain_foreach (VmftDrain *self, VmftDrainTemplateFunc func, gpointer user_data);

/** vmft_drain_n_clusters: Returns: how many templates are live. */
guint vmft_drain_n_clusters (VmftDrain *self);

/** vmft_drain_memory_bytes: Returns: bytes the miner holds, near enough for a metric. */
gsize vmft_drain_memory_bytes (VmftDrain *self);

G_END_DECLS
