/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-engine.h"

VmftEngine *
vmft_engine_new (const char *name,
                 const VmftDetectorConfig *config,
                 const VmftFamilies *families,
                 VmftStore *store,
                 GError **error)
{
  if (g_strcmp0 (name, "kernel") == 0)
    return vmft_engine_kernel_new (config, families, store, error);
  if (g_strcmp0 (name, "vmft-lad") == 0)
    return vmft_engine_lad_new (config, families, store, error);
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "engine \"%s\" is none of: kernel, vmft-lad",
               name ? name : "");
  return NULL;
}

void
vmft_engine_free (VmftEngine *self)
{
  self->class->free (self);
}
