/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-migration-params.h"

#define MIB (G_GUINT64_CONSTANT (1) << 20)

static guint
mode_flags (VmftMode mode)
{
  switch (mode)
    {
    case VMFT_MODE_XBZRLE:
      return VIR_MIGRATE_COMPRESSED;
    case VMFT_MODE_AUTO_CONVERGE:
      return VIR_MIGRATE_AUTO_CONVERGE;
    case VMFT_MODE_HYBRID:
    case VMFT_MODE_POSTCOPY:
      return VIR_MIGRATE_POSTCOPY;
    case VMFT_MODE_PRECOPY:
    default:
      return 0;
    }
}

guint
vmft_migration_flags (const VmftMigrationSpec *spec)
{
  guint flags = VIR_MIGRATE_LIVE;

  if (spec->peer_to_peer)
    flags |= VIR_MIGRATE_PEER2PEER;
  if (spec->tls)
    flags |= VIR_MIGRATE_TLS;
  if (spec->persistent)
    flags |= VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE;
  if (spec->unsafe)
    flags |= VIR_MIGRATE_UNSAFE;
  /* the job that is resumed keeps what it was started with; libvirt refuses to hear it again */
  if (spec->resume)
    return flags | VIR_MIGRATE_POSTCOPY | VIR_MIGRATE_POSTCOPY_RESUME;
  flags |= mode_flags (spec->mode);
  if (spec->allow_postcopy)
    flags |= VIR_MIGRATE_POSTCOPY;
  if (spec->parallel_connections > 0)
    flags |= VIR_MIGRATE_PARALLEL;
  if (spec->copy_disks != NULL)
    flags |= VIR_MIGRATE_NON_SHARED_DISK;
  return flags;
}

static gboolean
check_spec (const VmftMigrationSpec *spec, GError **error)
{
  const char *why = NULL;

  if (spec->destination_uri == NULL)
    why = "no destination";
  else if (spec->parallel_connections > 0 && vmft_migration_flags (spec) & VIR_MIGRATE_POSTCOPY)
    why = "QEMU cannot use parallel connections in a job that may go to post-copy";
  else if (spec->parallel_connections > 0 && spec->mode == VMFT_MODE_XBZRLE)
    why = "QEMU cannot use parallel connections together with XBZRLE";
  else if (spec->copy_disks != NULL && vmft_migration_flags (spec) & VIR_MIGRATE_POSTCOPY)
    why = "disks cannot be copied along in a job that may go to post-copy";
  else if (spec->xbzrle_cache_bytes & (spec->xbzrle_cache_bytes - 1))
    why = "the XBZRLE cache must be a power of two";
  else if (spec->mode == VMFT_MODE_AUTO_CONVERGE &&
           (spec->auto_converge_initial > 99 || spec->auto_converge_increment > 99))
    why = "auto-converge cannot take 100 percent of a CPU or more";
  if (why == NULL)
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "migration of %s: %s", spec->uuid, why);
  return FALSE;
}

static guint64
to_mibps (guint64 bps)
{
  return bps == 0 ? VMFT_BANDWIDTH_MAX_MIBPS : CLAMP (bps / MIB, 1, VMFT_BANDWIDTH_MAX_MIBPS);
}

static gboolean
add_ullong (VmftTypedParams *params, const char *name, guint64 value)
{
  return virTypedParamsAddULLong (&params->items, &params->n_items, &params->n_allocated, name, value) == 0;
}

static gboolean
add_int (VmftTypedParams *params, const char *name, guint value)
{
  return virTypedParamsAddInt (&params->items, &params->n_items, &params->n_allocated, name, (int) value) ==
         0;
}

static gboolean
add_string (VmftTypedParams *params, const char *name, const char *value)
{
  return virTypedParamsAddString (&params->items, &params->n_items, &params->n_allocated, name, value) == 0;
}

static gboolean
add_mode_params (const VmftMigrationSpec *spec, VmftTypedParams *params)
{
  guint64 cache_bytes =
      spec->xbzrle_cache_bytes > 0 ? spec->xbzrle_cache_bytes : VMFT_XBZRLE_CACHE_DEFAULT_BYTES;

  if (spec->mode == VMFT_MODE_XBZRLE)
    return add_string (params, VIR_MIGRATE_PARAM_COMPRESSION, "xbzrle") &&
           add_ullong (params, VIR_MIGRATE_PARAM_COMPRESSION_XBZRLE_CACHE, cache_bytes);
  if (spec->mode == VMFT_MODE_AUTO_CONVERGE)
    return (spec->auto_converge_initial == 0 ||
            add_int (params, VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL, spec->auto_converge_initial)) &&
           (spec->auto_converge_increment == 0 ||
            add_int (params, VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT, spec->auto_converge_increment));
  return TRUE;
}

gboolean
vmft_migration_params (const VmftMigrationSpec *spec, VmftTypedParams *params, GError **error)
{
  gboolean postcopy = (vmft_migration_flags (spec) & VIR_MIGRATE_POSTCOPY) != 0;
  gboolean ok;

  if (!check_spec (spec, error))
    return FALSE;
  ok = spec->migrate_uri == NULL || add_string (params, VIR_MIGRATE_PARAM_URI, spec->migrate_uri);
  if (ok && !spec->resume)
    ok = add_ullong (params, VIR_MIGRATE_PARAM_BANDWIDTH, to_mibps (spec->bandwidth_bps));
  /* unlike the other one, QEMU's post-copy bandwidth is unlimited by itself */
  if (ok && postcopy && spec->postcopy_bandwidth_bps > 0)
    ok = add_ullong (params, VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY, to_mibps (spec->postcopy_bandwidth_bps));
  if (ok && !spec->resume)
    ok = add_mode_params (spec, params);
  if (ok && !spec->resume && spec->parallel_connections > 0)
    ok = add_int (params, VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, spec->parallel_connections);
  if (ok && !spec->resume && spec->copy_disks != NULL)
    ok = virTypedParamsAddStringList (&params->items, &params->n_items, &params->n_allocated,
                                      VIR_MIGRATE_PARAM_MIGRATE_DISKS, (const char **) spec->copy_disks) == 0;
  if (!ok)
    g_set_error (error, VMFT_ERROR, VMFT_ERROR_FAILED, "migration of %s: cannot build its parameters",
                 spec->uuid);
  return ok;
}

guint64
vmft_xbzrle_cache_bytes (guint64 working_set_bytes, guint64 memory_bytes)
{
  guint64 wanted = working_set_bytes > 0 ? MIN (working_set_bytes, memory_bytes) : memory_bytes / 4;
  guint64 cache_bytes = VMFT_XBZRLE_CACHE_DEFAULT_BYTES;

  while (cache_bytes < wanted)
    cache_bytes <<= 1;
  return cache_bytes;
}
