/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two engines, one interface (DESIGN 3.2): what the detector asks of whatever judges a line. */
#pragma once

#include "vmft-detector.h"
#include "vmft-drain.h"
#include "vmft-families.h"
#include "vmft-normal-set.h"

G_BEGIN_DECLS

typedef struct _VmftEngine VmftEngine;

/**
 * VmftEngineInput: one line, parsed.
 * @match: its template; an engine with @kernel_only gets the lines of the kernel and of the families' programs
 * @drain: for the template's text and the masked line
 * @now_us: when the line came
 * @boot: serial number of the boot it belongs to
 * @booting: it was said while the host started
 * @learning: what is said now is what this host says when it is healthy
 * @drill: a rehearsal's line: judged, never learned from
 */
typedef struct
{
  const VmftLine *line;
  const VmftDrainMatch *match;
  VmftDrain *drain;
  VmftTime now_us;
  guint64 boot;
  gboolean booting;
  gboolean learning;
  gboolean drill;
} VmftEngineInput;

/**
 * VmftEngineClass:
 * @kernel_only: looks at no lines but the kernel's and those of programs with a fault family
 * @judge: @verdict comes zeroed but for the template's id, generation and text; @family is set to the fault
 *   family, if any
 * @acknowledge: the operator says that these lines are harmless; @per_minute: how often they came
 * @amend: log inference says something about a template's text
 * @is_benign: whether a template counts as no fault
 * @tick: every hour: forget what is old
 * @flush: put what changed into the store; @mark_saved says that it is durable
 */
typedef struct
{
  const char *name;
  gboolean kernel_only;
  void (*judge) (VmftEngine *self,
                 const VmftEngineInput *input,
                 VmftVerdict *verdict,
                 const VmftFamily **family);
  void (*acknowledge) (VmftEngine *self, const VmftNormalKey *key, double per_minute, VmftTime now_us);
  void (*amend) (VmftEngine *self, const char *template_text, VmftAnswerKind kind);
  gboolean (*is_benign) (VmftEngine *self, const VmftDrainTemplate *info);
  void (*tick) (VmftEngine *self, VmftTime now_us);
  gboolean (*flush) (VmftEngine *self, VmftStore *store, GError **error);
  void (*mark_saved) (VmftEngine *self);
  void (*describe) (VmftEngine *self, GVariantDict *dict);
  void (*free) (VmftEngine *self);
} VmftEngineClass;

struct _VmftEngine
{
  const VmftEngineClass *class;
};

/**
 * vmft_engine_new:
 * @name: "kernel" or "vmft-lad"
 * @families: must outlive the engine
 * @error: return location: %VMFT_ERROR_CONFIG, %VMFT_ERROR_NOT_FOUND, %VMFT_ERROR_CORRUPT
 *
 * Returns: (transfer full): the engine, with its state from @store
 */
VmftEngine *vmft_engine_new (const char *name,
                             const VmftDetectorConfig *config,
                             const VmftFamilies *families,
                             VmftStore *store,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vmft_engine_free (VmftEngine *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftEngine, vmft_engine_free)

VmftEngine *vmft_engine_kernel_new (const VmftDetectorConfig *config,
                                    const VmftFamilies *families,
                                    VmftStore *store,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
VmftEngine *vmft_engine_lad_new (const VmftDetectorConfig *config,
                                 const VmftFamilies *families,
                                 VmftStore *store,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
