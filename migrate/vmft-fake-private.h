/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the fake world: shared by vmft-fake-*.c alone. */
#pragma once

#include "vmft-fake-world.h"

G_BEGIN_DECLS

typedef struct
{
  char *name;
  char *uri;
  guint64 memory_bytes;
  double link_bps;
  gboolean alive;
  gboolean libvirtd;
  char *refusal;
  guint timer; /* libvirtd comes back */
} FakeHost;

typedef struct _FakeJob FakeJob;

typedef struct
{
  VmftFakeWorld *world;
  VmftFakeVm spec; /* its strings belong to this guest */
  char *uuid;
  char *name;
  int id;
  FakeHost *host; /* whose libvirt calls it its own; NULL when lost or shut down */
  VmftFakeRun *run;
  FakeJob *job;
  GArray *samples; /* of VmftDirtySample */
} FakeGuest;

typedef enum
{
  FAKE_JOB_STARTING,
  FAKE_JOB_PRECOPY,
  FAKE_JOB_STOPPING, /* the guest stands still: the rest goes over */
  FAKE_JOB_POSTCOPY,
  FAKE_JOB_BROKEN, /* post-copy without a connection */
} FakeJobPhase;

struct _FakeJob
{
  FakeGuest *guest;
  FakeHost *source;
  FakeHost *destination;
  VmftMigrationSpec *spec;
  gpointer client; /* the hypervisor that a direct job dies with; never dereferenced */
  FakeJobPhase phase;
  guint iteration;
  double phase_s;
  double elapsed_s;
  double round_s;
  double remaining_bytes;
  double sent_bytes;
  double downtime_s;
  double throttle;
  double silent_s; /* time without a link */
  double throughput_bps;
  gint64 progress_us; /* monotonic: last time it was told */
  gboolean aborted;
  GPtrArray *tasks; /* of GTask: who waits for the end */
};

struct _VmftFakeWorld
{
  GObject parent;

  VmftClock *clock;
  GRand *rand;
  GPtrArray *hosts;  /* of FakeHost */
  GPtrArray *guests; /* of FakeGuest */
  GPtrArray *jobs;   /* of FakeJob */
  GPtrArray *runs;   /* of VmftFakeRun */
  GPtrArray *losses; /* of VmftFakeLoss */
  GPtrArray *views;  /* of VmftHypervisor, not referenced */
  guint tick;
  gboolean sampling;
  int last_id;
};

FakeHost *vmft_fake_find_host (VmftFakeWorld *self, const char *name);
FakeHost *vmft_fake_find_host_by_uri (VmftFakeWorld *self, const char *uri);
FakeGuest *vmft_fake_find_guest (VmftFakeWorld *self, const char *uuid);

/* the guest's CPUs start on @host, or stop with NULL */
void vmft_fake_run_on (FakeGuest *guest, FakeHost *host);
void vmft_fake_lose (FakeGuest *guest, const char *why);

/* what a view tells its listeners */
void vmft_fake_tell_changed (VmftFakeWorld *self, const char *uuid);
void vmft_fake_tell_failed (VmftFakeWorld *self, FakeHost *host, const char *uuid, const char *reason);
void vmft_fake_tell_connected (VmftFakeWorld *self, FakeHost *host, gboolean up);
void vmft_fake_tell_progress (VmftFakeWorld *self, FakeHost *host, const VmftProgress *progress);
void vmft_fake_hypervisor_kill (VmftHypervisor *hypervisor);
VmftHypervisor *vmft_fake_hypervisor_new (VmftFakeWorld *self, FakeHost *host);

/* jobs */
double vmft_fake_unique_bytes (const VmftFakeVm *vm, double seconds, double rate_share);
void vmft_fake_job_start (FakeGuest *guest, const VmftMigrationSpec *spec, gpointer client, GTask *task);
void vmft_fake_job_resume (FakeJob *job, GTask *task);
void vmft_fake_job_end (FakeJob *job, VmftOutcome outcome, const char *message);
void vmft_fake_job_break (FakeJob *job, const char *why);
void vmft_fake_job_switch (FakeJob *job);
GPtrArray *vmft_fake_list_jobs (VmftFakeWorld *world);
void vmft_fake_job_forget_client (FakeJob *job, gpointer client);
void vmft_fake_job_free (FakeJob *job);
gboolean vmft_fake_job_in_postcopy (const FakeJob *job);

G_END_DECLS
