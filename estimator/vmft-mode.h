/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VmftMode:
 *
 * How a VM moves, from the least disturbing to the most. @VMFT_MODE_HYBRID is one pre-copy pass, then
 * post-copy; @VMFT_MODE_POSTCOPY switches at once.
 */
typedef enum
{
  VMFT_MODE_PRECOPY,
  VMFT_MODE_XBZRLE,
  VMFT_MODE_AUTO_CONVERGE,
  VMFT_MODE_HYBRID,
  VMFT_MODE_POSTCOPY,
} VmftMode;

#define VMFT_N_MODES   5
#define VMFT_MODES_ALL ((1u << VMFT_N_MODES) - 1u)

/** vmft_mode_bit: Returns: the bit of @mode in a set of modes. */
static inline guint
vmft_mode_bit (VmftMode mode)
{
  return 1u << mode;
}

/** vmft_mode_to_string: Returns: "pre-copy", "xbzrle", "auto-converge", "hybrid" or "post-copy". */
const char *vmft_mode_to_string (VmftMode mode);

/** vmft_mode_from_string: also takes the spellings without the hyphen. Returns: whether @text names a mode. */
gboolean vmft_mode_from_string (const char *text, VmftMode *mode) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_modes_to_string: Returns: (transfer full): the names in @modes, joined by ", "; "none" for no mode. */
char *vmft_modes_to_string (guint modes);

/** vmft_modes_from_string: @text: names separated by commas or white space, or "all". %VMFT_ERROR_INVALID. */
gboolean vmft_modes_from_string (const char *text, guint *modes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
