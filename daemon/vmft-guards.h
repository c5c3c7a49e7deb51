/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-policy.h"

G_BEGIN_DECLS

/**
 * VmftGuards: what the policy's guards remember: which VM moved when, what failed, which template made the host
 * evacuate, and the operator's inhibition. Filled from the history when the daemon starts, so that a restart
 * forgets no cool-down.
 */
typedef struct _VmftGuards VmftGuards;

/** vmft_guards_new: reads %VMFT_STORE_MIGRATIONS, %VMFT_STORE_PLANS and %VMFT_STORE_SETTINGS. */
VmftGuards *vmft_guards_new (VmftStore *store);
void vmft_guards_free (VmftGuards *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftGuards, vmft_guards_free)

/** vmft_guards_note_move: a job of @uuid ended at @when_us, for @incident_id. */
void vmft_guards_note_move (VmftGuards *self,
                            guint64 incident_id,
                            const char *uuid,
                            VmftTime when_us,
                            gboolean completed);

/** vmft_guards_note_evacuation: a plan for an incident of @template_text begins to be carried out. */
void vmft_guards_note_evacuation (VmftGuards *self, const char *template_text, VmftTime when_us);

/** vmft_guards_last_moved: Returns: when @uuid last moved; 0 for never. */
VmftTime vmft_guards_last_moved (VmftGuards *self, const char *uuid);

/** vmft_guards_n_failures: Returns: failed moves of @uuid in @incident_id. */
guint vmft_guards_n_failures (VmftGuards *self, guint64 incident_id, const char *uuid);

/**
 * vmft_guards_inhibit:
 * @until_us: 0 ends the inhibition
 * @reason: the operator's
 */
gboolean vmft_guards_inhibit (VmftGuards *self,
                              VmftTime until_us,
                              const char *reason,
                              VmftTime now_us,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_guards_get_state: @state: (out): for #VmftPolicyInput, valid until @self changes. @template_text: (nullable) */
void vmft_guards_get_state (VmftGuards *self, const char *template_text, VmftPolicyState *state);

G_END_DECLS
