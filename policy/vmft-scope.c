/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-scope.h"

#include <math.h>
#include <string.h>

#define FULL_PENALTY    1e-6
#define FAILURES_FADE_S 3600.0 /* a link that was broken last week says nothing of today's */

/* Sets *@reason, if wanted, and returns FALSE: the form all refusals here take. */
G_GNUC_PRINTF (2, 3)
static gboolean
refuse (char **reason, const char *format, ...)
{
  va_list args;

  if (reason == NULL)
    return FALSE;
  va_start (args, format);
  *reason = g_strdup_vprintf (format, args);
  va_end (args);
  return FALSE;
}

static gboolean
names_one_of (char **names, const char *name)
{
  return names != NULL && name != NULL && g_strv_contains ((const char *const *) names, name);
}

static gboolean
lists_meet (char **a, char **b)
{
  for (guint i = 0; a != NULL && a[i] != NULL; i++)
    if (names_one_of (b, a[i]))
      return TRUE;
  return FALSE;
}

/* The device itself counts, whether or not its stack could be read. */
static gboolean
locus_covers (const VmftIncident *incident, const VmftHostFacts *facts, const char *device)
{
  return g_strcmp0 (device, incident->locus.name) == 0 ||
         names_one_of (facts ? facts->locus_devices : NULL, device);
}

/* A disk of this host that cannot be told where it lies may lie on the failing device. */
static gboolean
disk_concerned (const VmftVmDisk *disk, const VmftIncident *incident, const VmftHostFacts *facts)
{
  if (disk->device == NULL)
    return !disk->shared;
  return locus_covers (incident, facts, disk->device);
}

static gboolean
device_concerned (const VmftVm *vm, const VmftIncident *incident, const VmftHostFacts *facts, char **reason)
{
  const char *name = incident->locus.name;

  if (facts == NULL || !facts->locus_known)
    return TRUE;
  /* a PCI function that carries no block device can take the whole host with it */
  if (incident->locus.kind == VMFT_LOCUS_PCI &&
      (facts->locus_devices == NULL || facts->locus_devices[0] == NULL))
    return TRUE;
  if (names_one_of (facts->system_devices, name) || lists_meet (facts->locus_devices, facts->system_devices))
    return TRUE;
  for (guint i = 0; i < vm->disks->len; i++)
    if (disk_concerned (vm->disks->pdata[i], incident, facts))
      return TRUE;
  return refuse (reason, "the fault is in %s, which carries no disk of this VM and nothing the host needs",
                 name);
}

gboolean
vmft_policy_concerned (const VmftVm *vm,
                       const VmftIncident *incident,
                       const VmftHostFacts *facts,
                       char **reason)
{
  g_autofree char *pid = NULL;

  if (incident == NULL)
    return TRUE;
  switch (incident->locus.kind)
    {
    case VMFT_LOCUS_BLOCK:
    case VMFT_LOCUS_PCI:
      return device_concerned (vm, incident, facts, reason);
    case VMFT_LOCUS_VM_PID:
      pid = g_strdup_printf ("%d", vm->qemu_pid);
      if (vm->qemu_pid > 0 && g_str_equal (pid, incident->locus.name))
        return TRUE;
      return refuse (reason, "the fault is in another VM's QEMU (process %s)", incident->locus.name);
    case VMFT_LOCUS_VM_NAME:
      if (g_str_equal (vm->name, incident->locus.name))
        return TRUE;
      return refuse (reason, "the fault is in another VM (%s)", incident->locus.name);
    case VMFT_LOCUS_NET:
    case VMFT_LOCUS_HOST:
      break;
    }
  return TRUE;
}

gboolean
vmft_policy_movable (const VmftVm *vm, const VmftDestination *destination, char **reason)
{
  const char *barred =
      destination->barred != NULL ? g_hash_table_lookup (destination->barred, vm->name) : NULL;

  if (vm->blocker != NULL)
    return refuse (reason, "%s", vm->blocker);
  if (barred != NULL)
    return refuse (reason, "%s", barred);
  if (destination->suspect)
    return refuse (reason, "%s is itself suspect%s%s", destination->name,
                   destination->suspect_reason ? ": " : "",
                   destination->suspect_reason ? destination->suspect_reason : "");
  if (!destination->reachable)
    return refuse (reason, "%s could not be reached at the last check", destination->name);
  for (guint i = 0; i < vm->movability->len; i++)
    {
      const VmftMovability *known = vm->movability->pdata[i];

      if (g_str_equal (known->destination, destination->name) && !known->movable)
        return refuse (reason, "%s", known->reason ? known->reason : "libvirt refuses it without a reason");
    }
  return TRUE;
}

guint
vmft_scope_weight (const VmftVm *vm)
{
  return CLAMP (vm->policy.priority, 1, 10);
}

double
vmft_scope_freed_bytes (const VmftVm *vm)
{
  return (double) (vm->resident_bytes > 0 ? vm->resident_bytes : vm->memory_bytes);
}

gint
vmft_scope_compare (const VmftPolicyVm *a, const VmftPolicyVm *b)
{
  guint weight_a = vmft_scope_weight (a->vm), weight_b = vmft_scope_weight (b->vm);

  if (weight_a != weight_b)
    return weight_a > weight_b ? -1 : 1;
  if (a->vm->memory_bytes != b->vm->memory_bytes)
    return a->vm->memory_bytes > b->vm->memory_bytes ? -1 : 1;
  return g_strcmp0 (a->vm->uuid, b->vm->uuid);
}

char *
vmft_scope_refuse (const VmftPolicyVm *pvm, const VmftPolicyInput *input)
{
  const VmftVm *vm = pvm->vm;
  double since_s = vmft_time_diff_s (input->now_us, pvm->last_moved_us);

  if (vm->policy.off)
    return g_strdup ("its policy is “off”");
  if (!vm->running)
    return g_strdup ("it is not running");
  if (pvm->migrating)
    return g_strdup ("it is being migrated already");
  if (vm->blocker != NULL)
    return g_strdup (vm->blocker);
  if (pvm->n_failures >= MAX (input->config.max_failures, 1))
    return g_strdup_printf ("%u migrations of it failed in this incident", pvm->n_failures);
  if (pvm->last_moved_us != VMFT_TIME_UNKNOWN && since_s >= 0.0 && since_s < input->config.cooldown_s)
    {
      g_autofree char *since = vmft_text_duration (since_s);
      g_autofree char *cooldown = vmft_text_duration (input->config.cooldown_s);

      return g_strdup_printf ("it moved %s ago, less than the cool-down of %s", since, cooldown);
    }
  return NULL;
}

/* Migration does not help where the destination reads the same failing storage. */
gboolean
vmft_policy_shares_failing_storage (const VmftVm *vm,
                                    const VmftDestination *destination,
                                    const VmftIncident *incident,
                                    const VmftHostFacts *facts)
{
  if (incident == NULL || incident->locus.kind != VMFT_LOCUS_BLOCK || destination->same_storage == NULL)
    return FALSE;
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const VmftVmDisk *disk = vm->disks->pdata[i];

      if (disk->device != NULL && names_one_of (destination->same_storage, disk->device) &&
          locus_covers (incident, facts, disk->device))
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_room (const VmftRoom *room, const VmftVm *vm, double *left_bytes, char **reason)
{
  const VmftDestination *destination = room->destination;

  *left_bytes = destination->free_known
                    ? destination->free_bytes - destination->reserved_bytes - room->promised_bytes
                    : 64.0 * vm->memory_bytes;
  if (*left_bytes < (double) vm->memory_bytes)
    {
      g_autofree char *left = vmft_text_bytes (MAX (*left_bytes, 0.0));
      g_autofree char *need = vmft_text_bytes ((double) vm->memory_bytes);

      return refuse (reason, "%s has %s left, the VM needs %s", destination->name, left, need);
    }
  return TRUE;
}

VmftRoom *
vmft_scope_place (GArray *rooms, const VmftPolicyVm *pvm, const VmftPolicyInput *input, char **reason)
{
  g_autoptr (GString) refusals = g_string_new (NULL);
  VmftRoom *best = NULL;
  double best_value = -1.0;

  for (guint i = 0; i < rooms->len; i++)
    {
      VmftRoom *room = &g_array_index (rooms, VmftRoom, i);
      const VmftDestination *destination = room->destination;
      g_autofree char *why = NULL;
      double left_bytes = 0.0, value;

      if (!vmft_policy_movable (pvm->vm, destination, &why) || !has_room (room, pvm->vm, &left_bytes, &why))
        {
          g_string_append_printf (refusals, "%s%s", refusals->len ? "; " : "", why);
          continue;
        }
      if (vmft_policy_shares_failing_storage (pvm->vm, destination, input->incident, input->facts))
        {
          g_string_append_printf (refusals, "%s%s uses the same failing storage: moving does not help",
                                  refusals->len ? "; " : "", destination->name);
          continue;
        }
      value = left_bytes * (destination->weight > 0.0 ? destination->weight : 1.0);
      /* a full one is waited for only when there is no other */
      if (destination->limit_in > 0 && destination->running_in >= destination->limit_in)
        value *= FULL_PENALTY;
      if (value > best_value)
        {
          best_value = value;
          best = room;
        }
    }
  if (best != NULL)
    best->promised_bytes += pvm->vm->memory_bytes;
  else
    *reason = refusals->len ? g_strdup (refusals->str) : g_strdup ("there is no destination");
  return best;
}

/* --- guards --- */

/* Sets *@reason and returns @guard: the form all guards take. */
G_GNUC_PRINTF (3, 4)
static const char *
hold (const char *guard, char **reason, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  *reason = g_strdup_vprintf (format, args);
  va_end (args);
  return guard;
}

static const char *
guard_destinations (const VmftPolicyInput *input, char **reason)
{
  const GPtrArray *destinations = input->destinations;
  guint n = destinations ? destinations->len : 0, n_suspect = 0;

  for (guint i = 0; i < n; i++)
    {
      const VmftDestination *destination = destinations->pdata[i];
      double ago_s = vmft_time_diff_s (input->now_us, destination->same_template_us);

      n_suspect += destination->suspect;
      if (destination->same_template_us != VMFT_TIME_UNKNOWN && ago_s < input->config.same_template_s)
        return hold ("same-template", reason,
                     "%s shows the same message: it may be a new kernel's, not a fault", destination->name);
    }
  if (n > 0 && (double) n_suspect > input->config.suspect_share * n)
    return hold ("suspects", reason, "%u of %u destinations are suspect themselves", n_suspect, n);
  return NULL;
}

/* A line of no known family and moderate p may be a new kernel's: one evacuation a day is enough to find out. */
static gboolean
evacuated_for_it_today (const VmftIncident *incident, const VmftPolicyInput *input)
{
  static const double day_s = 24.0 * 3600.0;
  VmftTime last_us = input->state ? input->state->template_evacuated_us : VMFT_TIME_UNKNOWN;

  return incident->family == NULL && incident->p < 0.9 && !incident->acknowledged &&
         last_us != VMFT_TIME_UNKNOWN && vmft_time_diff_s (input->now_us, last_us) < day_s;
}

static const char *
guard_incident (const VmftPolicyInput *input, char **reason)
{
  const VmftIncident *incident = input->incident;

  if (incident == NULL)
    return NULL;
  if (incident->drill)
    return hold ("drill", reason, "this is a drill");
  if (incident->benign)
    return hold ("benign", reason, "the incident was acknowledged as benign");
  if (incident->backlog)
    return hold ("backlog", reason, "only old lines so far: waiting for a live one to confirm them");
  if (!incident->trusted && input->config.operation == VMFT_OPERATION_ACT)
    return hold ("untrusted", reason, "no trusted source stands behind the incident");
  if (evacuated_for_it_today (incident, input))
    return hold (VMFT_GUARD_ONCE_A_DAY, reason,
                 "this message of no known family made the host evacuate within the last day");
  return NULL;
}

const char *
vmft_guard (const VmftPolicyInput *input, char **reason)
{
  const VmftPolicyState *state = input->state;
  const char *guard = guard_incident (input, reason);

  /* an evacuation the operator asks for is his decision: only suspect destinations stay closed to it */
  if (input->incident == NULL)
    return NULL;
  if (guard == NULL && state != NULL && state->inhibit_until_us > input->now_us)
    {
      g_autofree char *until = vmft_text_time (state->inhibit_until_us);

      return hold ("inhibit", reason, "inhibited until %s: %s", until,
                   state->inhibit_reason ? state->inhibit_reason : "no reason given");
    }
  if (guard == NULL && state != NULL && state->n_failed_in_row >= MAX (input->config.max_failures, 1) &&
      vmft_time_diff_s (input->now_us, state->last_failed_us) < FAILURES_FADE_S)
    return hold (VMFT_GUARD_FAILURES, reason, "the last %u moves failed, less than an hour ago",
                 state->n_failed_in_row);
  if (guard == NULL)
    guard = guard_destinations (input, reason);
  /* the mode of operation comes last, so that observe and advise show what else would have held the plan back */
  if (guard == NULL && input->config.operation == VMFT_OPERATION_OBSERVE)
    return hold ("observe", reason, "vmftd only observes");
  if (guard == NULL && input->config.operation == VMFT_OPERATION_ADVISE)
    return hold ("advise", reason, "vmftd only advises");
  return guard;
}
