/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-fake-world.h"

#include "vmft-fake-private.h"

G_DEFINE_FINAL_TYPE (VmftFakeWorld, vmft_fake_world, G_TYPE_OBJECT)

static void
host_free (FakeHost *host)
{
  g_free (host->name);
  g_free (host->uri);
  g_free (host->refusal);
  g_free (host);
}

static void
guest_free (FakeGuest *guest)
{
  g_free (guest->uuid);
  g_free (guest->name);
  g_free ((char *) guest->spec.disk_device);
  g_array_unref (guest->samples);
  g_free (guest);
}

static void
run_free (VmftFakeRun *run)
{
  g_free (run->uuid);
  g_free (run->host);
  g_free (run);
}

static void
loss_free (VmftFakeLoss *loss)
{
  g_free (loss->uuid);
  g_free (loss->host);
  g_free (loss->why);
  g_free (loss);
}

FakeHost *
vmft_fake_find_host (VmftFakeWorld *self, const char *name)
{
  for (guint i = 0; i < self->hosts->len; i++)
    {
      FakeHost *host = g_ptr_array_index (self->hosts, i);

      if (g_strcmp0 (host->name, name) == 0)
        return host;
    }
  return NULL;
}

FakeHost *
vmft_fake_find_host_by_uri (VmftFakeWorld *self, const char *uri)
{
  const char *prefix = "fake://";

  if (uri == NULL || !g_str_has_prefix (uri, prefix))
    return NULL;
  return vmft_fake_find_host (self, uri + strlen (prefix));
}

FakeGuest *
vmft_fake_find_guest (VmftFakeWorld *self, const char *uuid)
{
  for (guint i = 0; i < self->guests->len; i++)
    {
      FakeGuest *guest = g_ptr_array_index (self->guests, i);

      if (g_strcmp0 (guest->uuid, uuid) == 0)
        return guest;
    }
  return NULL;
}

/* --- where guests run --- */

void
vmft_fake_run_on (FakeGuest *guest, FakeHost *host)
{
  VmftTime now_us = vmft_clock_real_us (guest->world->clock);

  if (guest->run != NULL && host != NULL && g_str_equal (guest->run->host, host->name))
    return;
  if (guest->run != NULL)
    guest->run->end_us = now_us;
  guest->run = NULL;
  if (host == NULL || !host->alive)
    return;
  guest->run = g_new0 (VmftFakeRun, 1);
  guest->run->uuid = g_strdup (guest->uuid);
  guest->run->host = g_strdup (host->name);
  guest->run->begin_us = now_us;
  guest->run->end_us = G_MAXINT64;
  g_ptr_array_add (guest->world->runs, guest->run);
}

void
vmft_fake_lose (FakeGuest *guest, const char *why)
{
  VmftFakeLoss *loss = NULL;

  if (guest->host == NULL)
    return;
  loss = g_new0 (VmftFakeLoss, 1);
  loss->uuid = g_strdup (guest->uuid);
  loss->host = g_strdup (guest->host->name);
  loss->at_us = vmft_clock_real_us (guest->world->clock);
  loss->migrating = guest->job != NULL;
  loss->postcopy = guest->job != NULL && vmft_fake_job_in_postcopy (guest->job);
  loss->why = g_strdup (why);
  g_ptr_array_add (guest->world->losses, loss);
  vmft_fake_run_on (guest, NULL);
  guest->host = NULL;
}

/* --- building --- */

VmftFakeWorld *
vmft_fake_world_new (VmftClock *clock, guint32 seed)
{
  VmftFakeWorld *self = g_object_new (VMFT_TYPE_FAKE_WORLD, NULL);

  self->clock = g_object_ref (clock);
  self->rand = g_rand_new_with_seed (seed);
  return self;
}

void
vmft_fake_world_add_host (VmftFakeWorld *self, const char *name, guint64 memory_bytes, double link_bps)
{
  FakeHost *host = g_new0 (FakeHost, 1);

  host->name = g_strdup (name);
  host->uri = g_strdup_printf ("fake://%s", name);
  host->memory_bytes = memory_bytes;
  host->link_bps = link_bps;
  host->alive = host->libvirtd = TRUE;
  g_ptr_array_add (self->hosts, host);
}

const char *
vmft_fake_world_add_vm (VmftFakeWorld *self, const char *host, const VmftFakeVm *vm)
{
  FakeGuest *guest = g_new0 (FakeGuest, 1);

  guest->world = self;
  guest->spec = *vm;
  guest->id = ++self->last_id;
  guest->uuid = g_strdup_printf ("00000000-0000-4000-8000-%012x", guest->id);
  guest->name = vm->name != NULL ? g_strdup (vm->name) : g_strdup_printf ("vm%d", guest->id);
  guest->spec.name = guest->name;
  guest->spec.disk_device = g_strdup (vm->disk_device);
  if (guest->spec.resident_bytes == 0)
    guest->spec.resident_bytes = vm->memory_bytes;
  guest->samples = g_array_new (FALSE, FALSE, sizeof (VmftDirtySample));
  guest->host = vmft_fake_find_host (self, host);
  g_ptr_array_add (self->guests, guest);
  vmft_fake_run_on (guest, guest->host);
  vmft_fake_tell_changed (self, guest->uuid);
  return guest->uuid;
}

void
vmft_fake_world_stop_vm (VmftFakeWorld *self, const char *uuid)
{
  FakeGuest *guest = vmft_fake_find_guest (self, uuid);

  if (guest->job != NULL)
    vmft_fake_job_end (guest->job, VMFT_OUTCOME_FAILED, "the guest was shut down on the way");
  vmft_fake_run_on (guest, NULL);
  guest->host = NULL;
  vmft_fake_tell_changed (self, uuid);
}

VmftHypervisor *
vmft_fake_world_open (VmftFakeWorld *self, const char *host)
{
  return vmft_fake_hypervisor_new (self, vmft_fake_find_host (self, host));
}

void
vmft_fake_world_kill_client (VmftFakeWorld *self, VmftHypervisor *hypervisor)
{
  g_autoptr (GPtrArray) jobs = vmft_fake_list_jobs (self);

  for (guint i = 0; i < jobs->len; i++)
    vmft_fake_job_forget_client (g_ptr_array_index (jobs, i), hypervisor);
  vmft_fake_hypervisor_kill (hypervisor);
}

/* --- faults --- */

static void
for_each_job (VmftFakeWorld *self, FakeHost *host, void (*func) (FakeJob *job, FakeHost *host))
{
  g_autoptr (GPtrArray) jobs = vmft_fake_list_jobs (self);

  for (guint i = 0; i < jobs->len; i++)
    {
      FakeJob *job = g_ptr_array_index (jobs, i);

      if (g_ptr_array_find (self->jobs, job, NULL) && (job->source == host || job->destination == host))
        func (job, host);
    }
}

static void
job_loses_host (FakeJob *job, FakeHost *host)
{
  if (job->source == host || vmft_fake_job_in_postcopy (job))
    vmft_fake_job_end (job, VMFT_OUTCOME_LOST, "a host died that held part of it");
  else
    vmft_fake_job_end (job, VMFT_OUTCOME_FAILED, "the destination died");
}

void
vmft_fake_world_kill_host (VmftFakeWorld *self, const char *name)
{
  FakeHost *host = vmft_fake_find_host (self, name);

  if (!host->alive)
    return;
  host->alive = host->libvirtd = FALSE;
  for_each_job (self, host, job_loses_host);
  for (guint i = 0; i < self->guests->len; i++)
    {
      FakeGuest *guest = g_ptr_array_index (self->guests, i);

      if (guest->host == host)
        vmft_fake_lose (guest, "its host died");
    }
  vmft_fake_tell_connected (self, host, FALSE);
}

void
vmft_fake_world_set_link (VmftFakeWorld *self, const char *host, double link_bps)
{
  vmft_fake_find_host (self, host)->link_bps = link_bps;
}

void
vmft_fake_world_refuse (VmftFakeWorld *self, const char *name, const char *reason)
{
  FakeHost *host = vmft_fake_find_host (self, name);

  g_free (host->refusal);
  host->refusal = g_strdup (reason);
}

static void
job_loses_libvirtd (FakeJob *job, FakeHost *host)
{
  if (vmft_fake_job_in_postcopy (job))
    return;
  vmft_fake_job_end (job, VMFT_OUTCOME_FAILED,
                     job->source == host ? "libvirtd was restarted" : "the destination's libvirtd went away");
}

static gboolean
on_libvirtd_back (gpointer user_data)
{
  gpointer *pair = user_data;
  VmftFakeWorld *self = pair[0];
  FakeHost *host = pair[1];

  host->timer = 0;
  if (!host->alive)
    return G_SOURCE_REMOVE;
  host->libvirtd = TRUE;
  vmft_fake_tell_connected (self, host, TRUE);
  return G_SOURCE_REMOVE;
}

void
vmft_fake_world_restart_libvirtd (VmftFakeWorld *self, const char *name, double down_s)
{
  FakeHost *host = vmft_fake_find_host (self, name);
  gpointer *pair = NULL;

  if (!host->alive || !host->libvirtd)
    return;
  host->libvirtd = FALSE;
  vmft_fake_tell_connected (self, host, FALSE);
  for_each_job (self, host, job_loses_libvirtd);
  pair = g_new (gpointer, 2);
  pair[0] = self;
  pair[1] = host;
  host->timer = vmft_clock_add_timer (self->clock, (guint) (down_s * 1000.0), on_libvirtd_back, pair, g_free);
}

void
vmft_fake_world_kill_qemu (VmftFakeWorld *self, const char *name, const char *uuid)
{
  FakeHost *host = vmft_fake_find_host (self, name);
  FakeGuest *guest = vmft_fake_find_guest (self, uuid);

  if (guest->job != NULL && (guest->job->source == host || guest->job->destination == host))
    job_loses_host (guest->job, host);
  else if (guest->host == host)
    {
      /* libvirt's event comes before anyone has listed the domains again */
      vmft_fake_tell_failed (self, host, uuid, "it crashed");
      vmft_fake_lose (guest, "its QEMU died");
      vmft_fake_tell_changed (self, uuid);
    }
}

void
vmft_fake_world_fail_disk (VmftFakeWorld *self, const char *uuid)
{
  FakeGuest *guest = vmft_fake_find_guest (self, uuid);

  vmft_fake_tell_failed (self, guest->host, uuid, "I/O error on vda (eio)");
}

void
vmft_fake_world_lose_job (VmftFakeWorld *self, const char *uuid)
{
  FakeGuest *guest = vmft_fake_find_guest (self, uuid);

  if (guest->job == NULL || guest->job->phase == FAKE_JOB_BROKEN)
    return;
  if (guest->job->phase == FAKE_JOB_POSTCOPY)
    vmft_fake_job_break (guest->job, "the job was lost");
  else
    vmft_fake_job_end (guest->job, VMFT_OUTCOME_FAILED, "the job was lost");
}

void
vmft_fake_world_set_sampling (VmftFakeWorld *self, gboolean works)
{
  self->sampling = works;
}

/* --- the truth --- */

const GPtrArray *
vmft_fake_world_get_runs (VmftFakeWorld *self)
{
  return self->runs;
}

const GPtrArray *
vmft_fake_world_get_losses (VmftFakeWorld *self)
{
  return self->losses;
}

const char *
vmft_fake_world_where (VmftFakeWorld *self, const char *uuid)
{
  FakeGuest *guest = vmft_fake_find_guest (self, uuid);

  return guest != NULL && guest->run != NULL ? guest->run->host : NULL;
}

guint
vmft_fake_world_count_jobs (VmftFakeWorld *self, const char *host)
{
  guint n = 0;

  for (guint i = 0; i < self->jobs->len; i++)
    {
      const FakeJob *job = g_ptr_array_index (self->jobs, i);

      n += host == NULL || g_str_equal (job->source->name, host);
    }
  return n;
}

static gboolean
overlap (const VmftFakeRun *a, const VmftFakeRun *b)
{
  return g_str_equal (a->uuid, b->uuid) && a->begin_us < b->end_us && b->begin_us < a->end_us;
}

gboolean
vmft_fake_world_check (VmftFakeWorld *self, GError **error)
{
  for (guint i = 0; i < self->runs->len; i++)
    {
      for (guint j = i + 1; j < self->runs->len; j++)
        {
          const VmftFakeRun *a = g_ptr_array_index (self->runs, i), *b = g_ptr_array_index (self->runs, j);

          if (!overlap (a, b))
            continue;
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "%s ran on %s and %s at once", a->uuid, a->host,
                       b->host);
          return FALSE;
        }
    }
  return TRUE;
}

static void
vmft_fake_world_finalize (GObject *object)
{
  VmftFakeWorld *self = VMFT_FAKE_WORLD (object);

  vmft_clear_timer (self->clock, &self->tick);
  for (guint i = 0; i < self->hosts->len; i++)
    vmft_clear_timer (self->clock, &((FakeHost *) g_ptr_array_index (self->hosts, i))->timer);
  g_ptr_array_unref (self->jobs);
  g_ptr_array_unref (self->guests);
  g_ptr_array_unref (self->hosts);
  g_ptr_array_unref (self->runs);
  g_ptr_array_unref (self->losses);
  g_ptr_array_unref (self->views);
  g_rand_free (self->rand);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (vmft_fake_world_parent_class)->finalize (object);
}

static void
vmft_fake_world_class_init (VmftFakeWorldClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_fake_world_finalize;
}

static void
vmft_fake_world_init (VmftFakeWorld *self)
{
  self->hosts = g_ptr_array_new_with_free_func ((GDestroyNotify) host_free);
  self->guests = g_ptr_array_new_with_free_func ((GDestroyNotify) guest_free);
  self->jobs = g_ptr_array_new_with_free_func ((GDestroyNotify) vmft_fake_job_free);
  self->runs = g_ptr_array_new_with_free_func ((GDestroyNotify) run_free);
  self->losses = g_ptr_array_new_with_free_func ((GDestroyNotify) loss_free);
  self->views = g_ptr_array_new ();
  self->sampling = TRUE;
}
