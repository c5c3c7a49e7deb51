/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-source.h"

G_DEFINE_INTERFACE (VmftSource, vmft_source, G_TYPE_OBJECT)

static void
vmft_source_default_init (VmftSourceInterface *iface)
{
  g_signal_new ("batch", VMFT_TYPE_SOURCE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                G_TYPE_POINTER);
}

void
vmft_source_start (VmftSource *self)
{
  VMFT_SOURCE_GET_IFACE (self)->start (self);
}

GVariant *
vmft_source_describe (VmftSource *self)
{
  return VMFT_SOURCE_GET_IFACE (self)->describe (self);
}

void
vmft_source_emit_batch (VmftSource *self, const VmftBatch *batch)
{
  g_signal_emit_by_name (self, "batch", batch);
}
