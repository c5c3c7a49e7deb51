/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-evacuation-spec.h"

#include "vmft-migration-params.h"

#define SAMPLE_AGE_MAX_S 3600.0

static guint64
working_set_bytes (const VmftVm *vm, VmftTime now_us)
{
  VmftDirtyCurve curve;

  if (vm->dirty_samples->len == 0)
    return 0;
  vmft_dirty_curve_fit (&curve, (const VmftDirtySample *) (gpointer) vm->dirty_samples->data,
                        vm->dirty_samples->len, (double) vm->memory_bytes, now_us, SAMPLE_AGE_MAX_S);
  return (guint64) curve.working_set_bytes;
}

/* Returns: (transfer full) (nullable): never a shared one: it would be copied onto itself */
static char **
local_disks (const VmftVm *vm)
{
  g_autoptr (GPtrArray) targets = g_ptr_array_new ();

  for (guint i = 0; i < vm->disks->len; i++)
    {
      const VmftVmDisk *disk = g_ptr_array_index (vm->disks, i);

      if (!disk->shared && !disk->read_only)
        g_ptr_array_add (targets, g_strdup (disk->target));
    }
  if (targets->len == 0)
    return NULL;
  g_ptr_array_add (targets, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&targets), FALSE);
}

static void
apply_vm (VmftMigrationSpec *spec, const VmftEvacuationConfig *config, const VmftVm *vm, VmftTime now_us)
{
  spec->persistent = config->persistent && vm->persistent;
  if (vm->policy.max_downtime_ms > 0)
    spec->max_downtime_ms = vm->policy.max_downtime_ms;
  if (config->copy_storage)
    spec->copy_disks = local_disks (vm);
  if (spec->mode != VMFT_MODE_XBZRLE)
    return;
  if (config->xbzrle_cache_bytes > 0)
    spec->xbzrle_cache_bytes = config->xbzrle_cache_bytes;
  else
    spec->xbzrle_cache_bytes = vmft_xbzrle_cache_bytes (working_set_bytes (vm, now_us), vm->memory_bytes);
}

VmftMigrationSpec *
vmft_evacuation_make_spec (const VmftEvacuationConfig *config,
                           const VmftEvacuationStep *step,
                           const VmftVm *vm,
                           VmftTime now_us)
{
  VmftMigrationSpec *spec = vmft_migration_spec_new (step->uuid, step->mode);

  spec->destination = g_strdup (step->destination);
  spec->destination_uri = g_strdup (step->destination_uri);
  spec->migrate_uri = g_strdup (step->migrate_uri);
  spec->peer_to_peer = step->peer_to_peer;
  spec->allow_postcopy |= step->allow_postcopy;
  spec->bandwidth_bps = config->bandwidth_bps;
  spec->postcopy_bandwidth_bps = config->postcopy_bandwidth_bps;
  spec->auto_converge_initial = config->auto_converge_initial;
  spec->auto_converge_increment = config->auto_converge_increment;
  spec->tls = config->tls;
  spec->max_downtime_ms = config->max_downtime_ms;
  /* QEMU takes multifd neither with post-copy nor with XBZRLE */
  if (!spec->allow_postcopy && step->mode != VMFT_MODE_XBZRLE)
    spec->parallel_connections = config->parallel_connections;
  if (vm != NULL)
    apply_vm (spec, config, vm, now_us);
  return spec;
}
