/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-lad.h"

#include "vmft-subsequence-store.h"

#include <string.h>

struct _VmftLad
{
  VmftLadPreset preset;
  VmftSubsequenceStore *store;
  guint32 keys[VMFT_SUBSEQUENCE_MAX_LENGTH]; /* the latest rows, oldest first */
  gboolean faulty[VMFT_SUBSEQUENCE_MAX_LENGTH];
  guint n_rows; /* of them, up to the window's length */
  double faulty_distance;
};

gboolean
vmft_lad_preset (const char *name, VmftLadPreset *preset)
{
  if (g_strcmp0 (name, "published") == 0)
    *preset = (VmftLadPreset){ .window = 4, .theta = 0.15, .eta = 0.05, .feedback = TRUE };
  else if (g_strcmp0 (name, "paper") == 0)
    *preset = (VmftLadPreset){ .window = 5,
                               .theta = 0.15,
                               .eta = 0.05,
                               .inclusive = TRUE,
                               .learn_false_positives = TRUE,
                               .feedback = TRUE };
  else
    return FALSE;
  return TRUE;
}

VmftLad *
vmft_lad_new (const VmftLadPreset *preset)
{
  VmftLad *self = g_new0 (VmftLad, 1);

  self->preset = *preset;
  self->store = vmft_subsequence_store_new (preset->window);
  return self;
}

void
vmft_lad_free (VmftLad *self)
{
  vmft_subsequence_store_free (self->store);
  g_free (self);
}

static void
push_row (VmftLad *self, guint32 key, gboolean faulty)
{
  guint m = self->preset.window;

  if (self->n_rows == m)
    {
      memmove (self->keys, self->keys + 1, (m - 1) * sizeof *self->keys);
      memmove (self->faulty, self->faulty + 1, (m - 1) * sizeof *self->faulty);
      self->n_rows--;
    }
  self->keys[self->n_rows] = key;
  self->faulty[self->n_rows++] = faulty;
}

static gboolean
has_faulty_key (const VmftLad *self)
{
  for (guint i = 0; i < self->n_rows; i++)
    if (self->faulty[i])
      return TRUE;
  return FALSE;
}

/* Algorithm 2: compare with the store; Algorithm 3: what log inference makes of an anomaly. */
static double
score_window (VmftLad *self)
{
  const VmftLadPreset *preset = &self->preset;
  guint nearest = 0;
  double distance = vmft_subsequence_store_nearest (self->store, self->keys, &nearest);
  gboolean anomaly = preset->inclusive ? distance >= preset->theta : distance > preset->theta;

  self->faulty_distance = has_faulty_key (self) || !preset->feedback ? distance : 0.0;
  if (!anomaly)
    {
      if (distance < preset->eta && vmft_subsequence_store_count (self->store) > 0)
        vmft_subsequence_store_hit (self->store, nearest);
      return distance;
    }
  if (!preset->feedback)
    return distance;
  if (has_faulty_key (self))
    return 1.0;
  if (preset->learn_false_positives)
    vmft_subsequence_store_add (self->store, self->keys);
  return 0.0;
}

double
vmft_lad_feed (VmftLad *self, guint32 key, gboolean faulty, gboolean learning)
{
  self->faulty_distance = 0.0;
  push_row (self, key, faulty);
  if (self->n_rows < self->preset.window)
    return 0.0;
  if (!learning)
    return score_window (self);
  vmft_subsequence_store_add (self->store, self->keys); /* Algorithm 1 */
  return 0.0;
}

double
vmft_lad_faulty_distance (const VmftLad *self)
{
  return self->faulty_distance;
}

guint
vmft_lad_count (const VmftLad *self)
{
  return vmft_subsequence_store_count (self->store);
}

const guint32 *
vmft_lad_get (const VmftLad *self, guint index)
{
  return vmft_subsequence_store_get (self->store, index);
}

void
vmft_lad_add (VmftLad *self, const guint32 *keys)
{
  vmft_subsequence_store_add (self->store, keys);
}
