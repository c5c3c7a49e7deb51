/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the evacuation: shared by vmft-evacuation*.c alone. */
#pragma once

#include "vmft-evacuation.h"

G_BEGIN_DECLS

struct _VmftEvacuation
{
  GObject parent;

  VmftHypervisor *hypervisor;
  VmftClock *clock;
  VmftStore *store;
  VmftEvacuationConfig config;
  char *save_directory;
  char *exec_command;
  GPtrArray *targets; /* of VmftTarget */
  GPtrArray *steps;   /* of VmftEvacuationStep, in order */
  VmftNextTarget next_target;
  gpointer next_target_data;
  VmftIsBarred barred;
  gpointer barred_data;
  GCancellable *cancellable;
  GHashTable *aborting; /* ids of steps whose job is to end; "why" as value */
  guint64 last_id;
  guint timer;
  gboolean announced; /* `finished` was emitted for the steps there are */
};

/* what a pending call is about; keeps the evacuation alive */
typedef struct
{
  VmftEvacuation *self;
  guint64 id;
  guint delay_ms;      /* before the next attempt to resume */
  gboolean reattached; /* to a job of an earlier vmftd */
} VmftEvacuationCall;

VmftEvacuationCall *vmft_evacuation_call_new (VmftEvacuation *self, const VmftEvacuationStep *step);
void vmft_evacuation_call_free (VmftEvacuationCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftEvacuationCall, vmft_evacuation_call_free)

VmftEvacuationStep *vmft_evacuation_find_id (VmftEvacuation *self, guint64 id);
const VmftTarget *vmft_evacuation_find_target (VmftEvacuation *self, const char *name);

/* puts the step into the store as it is */
void vmft_evacuation_record (VmftEvacuation *self, const VmftEvacuationStep *step);

/* a new state: stored, then told; nothing leaves a state that is over */
void vmft_evacuation_enter (VmftEvacuation *self,
                            VmftEvacuationStep *step,
                            VmftStepState state,
                            const char *message);

/* begins what the limits allow, and says when all is over */
void vmft_evacuation_pump (VmftEvacuation *self);

/* vmft-evacuation-job.c: one step's job, from its call to its end */
void vmft_evacuation_begin_job (VmftEvacuation *self, VmftEvacuationStep *step);
void vmft_evacuation_watch_job (VmftEvacuation *self, VmftEvacuationStep *step);

/* vmft-evacuation-exec.c: the operator's command for all waiting steps of @plan */
void vmft_evacuation_run_command (VmftEvacuation *self, const VmftPlan *plan);

G_END_DECLS
