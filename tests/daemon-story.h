/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A story for the whole daemon on the virtual clock: host "a" that fails, "b" and "c" it can send to. */
#pragma once

#include "daemon/vmft-daemon.h"

#include "daemon/vmft-script-source.h"
#include "migrate/vmft-fake-world.h"

#define STORY_START_US (G_GINT64_CONSTANT (1790000000) * G_USEC_PER_SEC)
#define STORY_LINK_BPS (113.0 * 1024 * 1024)
#define MIB            (1024.0 * 1024)

typedef struct
{
  char *dir;
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftStore *store;
  VmftConf *conf;
  VmftTrust trust; /* of the log */
  GPtrArray *uuids;
  VmftHypervisor *hypervisor;
  VmftSource *source;
  VmftDaemon *daemon; /* NULL while it is dead */
} Story;

/** story_new: @extra: (nullable): more configuration. Returns: a story without VMs, on SQLite, its daemon not started. */
Story *story_new (const char *mode, VmftTrust trust, const char *extra, guint32 seed);
void story_free (Story *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Story, story_free)

/** story_set_store: @store: (transfer full): in place of SQLite; while the daemon is dead. */
void story_set_store (Story *s, VmftStore *store);

/** story_add_vm: a guest on "a" that sweeps its working set. */
void story_add_vm (Story *s, const char *name, double memory_mib, double dirty_mib_s, double working_set_mib);

void story_start_daemon (Story *s);

/** story_kill_daemon: as SIGKILL does it. */
void story_kill_daemon (Story *s);

/** story_drop_daemon: as SIGTERM does it. */
void story_drop_daemon (Story *s);

void story_advance (Story *s, double seconds);

/** story_say: the kernel of "a" says @text in @in_s seconds. */
void story_say (Story *s, double in_s, const char *text);

/** story_run_up: starts the daemon; what is normal is learnt and dirty rates are read. */
void story_run_up (Story *s);

/** story_say_fault: the first line is evidence enough. */
void story_say_fault (Story *s, double in_s);

/** story_count_on: Returns: VMs that run on @host. */
guint story_count_on (Story *s, const char *host);
