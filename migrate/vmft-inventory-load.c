/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-inventory-load.h"

#include "vmft-block-device.h"
#include "vmft-domain-xml.h"
#include "vmft-libvirt-call.h"
#include "vmft-migration-outcome.h"
#include "vmft-resident.h"
#include "vmft-storage-volume.h"

#include <string.h>

#define SYSFS "/sys"
#define PROC  "/proc"

static int
read_pid (const char *name)
{
  g_autofree char *file = g_strdup_printf ("%s/%s.pid", VMFT_LIBVIRT_RUN_DIR, name);
  g_autofree char *text = NULL;
  guint64 pid = 0;

  if (!g_file_get_contents (file, &text, NULL, NULL) ||
      !g_ascii_string_to_unsigned (g_strstrip (text), 10, 1, G_MAXINT, &pid, NULL))
    return 0;
  return (int) pid;
}

gboolean
vmft_path_is_below (const char *path, const char *const *directories)
{
  for (guint i = 0; directories != NULL && directories[i] != NULL; i++)
    {
      gsize length = strlen (directories[i]);

      while (length > 1 && directories[i][length - 1] == '/')
        length--;
      if (strncmp (path, directories[i], length) == 0 &&
          (length == 1 || path[length] == '/' || path[length] == '\0'))
        return TRUE;
    }
  return FALSE;
}

static void
look_at_disk (VmftVmDisk *disk, const char *const *shared_paths)
{
  if (disk->kind == VMFT_DISK_HOST)
    {
      /* the operator alone can know that its like stands on the other hosts, with the same contents */
      disk->shared = disk->source != NULL && vmft_path_is_below (disk->source, shared_paths);
      return;
    }
  if (disk->source == NULL)
    {
      disk->shared = TRUE;
      return;
    }
  disk->device = vmft_block_device_of_path (SYSFS, disk->source);
  if (disk->shared || vmft_path_is_below (disk->source, shared_paths) || vmft_path_is_shared (disk->source))
    disk->shared = TRUE;
  else if (disk->device != NULL && g_str_has_prefix (disk->source, "/dev/"))
    disk->shared = vmft_block_device_is_shared (SYSFS, disk->device);
}

/* what copying the disk would send; asks QEMU, hence only where it may have to be copied */
static guint64
allocation_bytes (virDomainPtr domain, const VmftVmDisk *disk)
{
  virDomainBlockInfo info = { 0 };

  if (virDomainGetBlockInfo (domain, disk->target, &info, 0) < 0)
    {
      virResetLastError ();
      return 0;
    }
  return info.allocation > 0 ? info.allocation : info.physical;
}

/* Returns: FALSE with @error where its place is unknown, so that it may be on this host alone. */
static gboolean
locate_volume (virDomainPtr domain, VmftVmDisk *disk, GError **error)
{
  g_autofree char *path = NULL;

  if (!vmft_storage_volume_locate (virDomainGetConnect (domain), disk->pool, disk->source, &path, error))
    {
      disk->shared = FALSE;
      return FALSE;
    }
  disk->kind = VMFT_DISK_PATH;
  g_clear_pointer (&disk->pool, g_free);
  g_free (disk->source);
  disk->source = g_steal_pointer (&path);
  return TRUE;
}

/*
 * A disk that must come along, or be left behind.
 * @lost: (nullable): why it is not known where it is
 */
static char *
blocker_of_local_disk (const VmftVmDisk *disk, const VmftDiskRules *rules, const GError *lost)
{
  const char *source = disk->source != NULL ? disk->source : "?";

  if (disk->kind == VMFT_DISK_HOST)
    return g_strdup_printf ("disk %s (%s) is served by this host, and shared-paths does not name it",
                            disk->target, source);
  if (rules->copy && !disk->read_only)
    return NULL;
  if (lost != NULL)
    return g_strdup_printf ("disk %s may be on this host alone: %s", disk->target, lost->message);
  return g_strdup_printf ("disk %s (%s) is on this host alone, and %s", disk->target, source,
                          rules->copy ? "libvirt copies none that is read-only" : "copy-storage is off");
}

static void
place_disk (virDomainPtr domain, VmftVm *vm, VmftVmDisk *disk, const VmftDiskRules *rules)
{
  g_autoptr (GError) lost = NULL;

  if (disk->kind != VMFT_DISK_VOLUME || locate_volume (domain, disk, &lost))
    look_at_disk (disk, (const char *const *) rules->shared_paths);
  if (disk->shared)
    return;
  if (!disk->read_only && disk->kind != VMFT_DISK_HOST)
    disk->allocation_bytes = allocation_bytes (domain, disk);
  if (vm->blocker == NULL)
    vm->blocker = blocker_of_local_disk (disk, rules, lost);
}

static void
look_at_disks (virDomainPtr domain, VmftVm *vm, const VmftDiskRules *rules)
{
  for (guint i = 0; i < vm->disks->len; i++)
    place_disk (domain, vm, g_ptr_array_index (vm->disks, i), rules);
}

/* libvirt refuses to migrate a domain that has any of these */
static void
look_for_blockers (virDomainPtr domain, VmftVm *vm)
{
  int n_snapshots = vm->blocker == NULL ? virDomainSnapshotNum (domain, 0) : 0;
  int n_checkpoints = vm->blocker == NULL ? virDomainListAllCheckpoints (domain, NULL, 0) : 0;

  if (n_snapshots > 0)
    vm->blocker = g_strdup_printf ("it has %d snapshot%s", n_snapshots, n_snapshots > 1 ? "s" : "");
  else if (n_checkpoints > 0)
    vm->blocker = g_strdup_printf ("it has %d checkpoint%s", n_checkpoints, n_checkpoints > 1 ? "s" : "");
  for (guint i = 0; vm->running && vm->blocker == NULL && i < vm->disks->len; i++)
    {
      VmftVmDisk *disk = g_ptr_array_index (vm->disks, i);
      virDomainBlockJobInfo info = { 0 };

      if (disk->source != NULL && virDomainGetBlockJobInfo (domain, disk->target, &info, 0) == 1)
        vm->blocker = g_strdup_printf ("disk %s has a block job", disk->target);
    }
  virResetLastError ();
}

static void
apply_stats (VmftVm *vm, const virDomainStatsRecord *record)
{
  VmftTypedParams params = { .items = record->params, .n_items = record->nparams };
  guint64 state = vmft_typed_params_ullong (&params, "state.state", VIR_DOMAIN_NOSTATE);
  guint64 balloon_kib = vmft_typed_params_ullong (&params, "balloon.current", 0);

  vm->running = state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED || state == VIR_DOMAIN_PAUSED ||
                state == VIR_DOMAIN_PMSUSPENDED;
  if (balloon_kib > 0)
    vm->memory_bytes = balloon_kib * 1024;
}

/* a domain that is still coming in belongs to its source */
static void
look_for_arrival (virDomainPtr domain, const virDomainStatsRecord *record, VmftVm *vm)
{
  VmftTypedParams params = { .items = record->params, .n_items = record->nparams };
  int state = (int) vmft_typed_params_ullong (&params, "state.state", VIR_DOMAIN_NOSTATE);
  int reason = (int) vmft_typed_params_ullong (&params, "state.reason", 0);
  g_auto (VmftTypedParams) job = { 0 };
  int type = VIR_DOMAIN_JOB_NONE;
  VmftEnd end = vmft_end_from_state (state, reason);

  if (end != VMFT_END_MIGRATING && end != VMFT_END_POSTCOPY && end != VMFT_END_POSTCOPY_FAILED)
    return;
  if (virDomainGetJobStats (domain, &type, &job.items, &job.n_items, 0) < 0)
    virResetLastError ();
  if (state == VIR_DOMAIN_PAUSED &&
      vmft_typed_params_ullong (&job, VIR_DOMAIN_JOB_OPERATION, 0) == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)
    {
      /* what is left here is stale and must never run again; only that very job can be resumed */
      if (end == VMFT_END_POSTCOPY_FAILED && vm->blocker == NULL)
        vm->blocker = g_strdup ("its post-copy broke half-way");
      return;
    }
  vm->running = state == VIR_DOMAIN_RUNNING;
  if (vm->blocker == NULL)
    vm->blocker = g_strdup ("it is still arriving from another host");
}

static void
look_at_process (VmftVm *vm)
{
  vm->qemu_pid = vm->running ? read_pid (vm->name) : 0;
  vm->resident_bytes = vmft_resident_bytes (PROC, vm->qemu_pid, vm->kvm, vm->memory_bytes);
  if (vm->resident_bytes > vm->memory_bytes)
    vm->resident_bytes = vm->memory_bytes;
}

static VmftVm *
load_domain (const virDomainStatsRecord *record, const VmftDiskRules *rules, GError **error)
{
  virDomainPtr domain = record->dom;
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  char *description = NULL;
  g_autofree char *xml = NULL;
  g_autoptr (VmftVm) vm = NULL;

  if (virDomainGetUUIDString (domain, uuid) < 0 || (description = virDomainGetXMLDesc (domain, 0)) == NULL)
    {
      vmft_libvirt_set_error (error, domain, "cannot read the domain");
      return NULL;
    }
  xml = g_strdup (description);
  free (description);
  vm = vmft_vm_new (uuid, virDomainGetName (domain));
  if (!vmft_domain_xml_parse (xml, vm, error))
    return NULL;
  apply_stats (vm, record);
  vm->id = vm->running ? (int) virDomainGetID (domain) : -1;
  vm->persistent = virDomainIsPersistent (domain) == 1;
  look_at_disks (domain, vm, rules);
  look_for_blockers (domain, vm);
  look_for_arrival (domain, record, vm);
  look_at_process (vm);
  return g_steal_pointer (&vm);
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  const VmftVm *const *x = a, *const *y = b;

  return g_strcmp0 ((*x)->name, (*y)->name);
}

VmftDiskRules *
vmft_disk_rules_copy (const VmftDiskRules *rules)
{
  VmftDiskRules *copy = g_memdup2 (rules, sizeof *rules);

  copy->shared_paths = g_strdupv (rules->shared_paths);
  return copy;
}

void
vmft_disk_rules_free (VmftDiskRules *rules)
{
  g_strfreev (rules->shared_paths);
  g_free (rules);
}

GPtrArray *
vmft_inventory_load (virConnectPtr connection, const VmftDiskRules *rules, GError **error)
{
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_vm_unref);
  virDomainStatsRecordPtr *records = NULL;
  /* NOWAIT: a domain whose monitor is busy still counts, with what is known of it */
  int n = virConnectGetAllDomainStats (connection, VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BALLOON,
                                       &records, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);

  if (n < 0)
    {
      vmft_libvirt_set_error (error, NULL, "cannot list the domains");
      return NULL;
    }
  for (int i = 0; i < n; i++)
    {
      g_autoptr (GError) problem = NULL;
      VmftVm *vm = load_domain (records[i], rules, &problem);

      /* one that went in between, or one broken description, must not hide the others */
      if (vm != NULL)
        g_ptr_array_add (vms, vm);
      else
        g_info ("%s", problem->message);
    }
  virDomainStatsRecordListFree (records);
  g_ptr_array_sort (vms, compare_names);
  return g_steal_pointer (&vms);
}
