/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-replay.h"

#include "vmft-daemon.h"
#include "vmft-log-file.h"
#include "vmft-script-source.h"

#include <glib/gstdio.h>

#define HERE        "(here)"
#define ELSEWHERE   "another-host"
#define NO_FILES    "/nonexistent" /* of this machine's /sys and /proc the log knows nothing */
#define WARM_UP_US  (300 * (gint64) G_USEC_PER_SEC)
#define SETTLE_US   (10 * (gint64) G_USEC_PER_SEC)
#define PATIENCE_US (3600 * (gint64) G_USEC_PER_SEC)
#define IDLE_PACE   12
#define SPARE_BYTES (G_GUINT64_CONSTANT (1) << 36)

typedef struct
{
  const VmftReplayOptions *options;
  VmftConf *conf;
  VmftClock *clock;
  VmftFakeWorld *world;
  VmftStore *store;
  VmftHypervisor *hypervisor;
  VmftSource *source;
  VmftDaemon *daemon;

  VmftTime reference_us; /* gives stamps without a year theirs: when the file was written */
  VmftTime booted_us;    /* when the boot began that lines with an uptime alone belong to */
  gint64 uptime_us;      /* of the last of them */
  gboolean follow;       /* the next time told is where the clock is put, also back */
  VmftTime from_us;
  guint64 n_lines;
} Replay;

static void
replay_clear (Replay *self)
{
  g_clear_object (&self->daemon);
  g_clear_object (&self->source);
  g_clear_object (&self->hypervisor);
  g_clear_object (&self->world);
  g_clear_object (&self->store);
  g_clear_object (&self->clock);
  g_clear_pointer (&self->conf, vmft_conf_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Replay, replay_clear)

/* --- files --- */

typedef struct
{
  char *path;
  VmftTime reference_us;
  VmftTime first_us; /* %VMFT_TIME_UNKNOWN when no line tells */
  gboolean whole;    /* lines are counted, too */
  guint64 n_lines;
} Log;

static void
log_free (Log *log)
{
  g_free (log->path);
  g_free (log);
}

static gboolean
look_at_line (const char *data, gsize length, gpointer user_data)
{
  Log *log = user_data;
  VmftLine line;

  vmft_line_split (&line, VMFT_LINE_AUTO, data, length, log->reference_us);
  if (log->first_us == VMFT_TIME_UNKNOWN)
    log->first_us = line.time_us;
  log->n_lines++;
  return log->whole || log->first_us == VMFT_TIME_UNKNOWN;
}

static Log *
look_at (const char *path, gboolean whole, GError **error)
{
  Log *log = g_new0 (Log, 1);
  GStatBuf info;

  log->path = g_strdup (path);
  log->whole = whole;
  log->first_us = VMFT_TIME_UNKNOWN;
  log->reference_us = g_get_real_time ();
  if (g_str_equal (path, "-"))
    return log; /* can be read only once */
  if (g_stat (path, &info) == 0)
    log->reference_us = (VmftTime) info.st_mtime * G_USEC_PER_SEC;
  if (vmft_log_file_read (path, look_at_line, log, error))
    return log;
  log_free (log);
  return NULL;
}

static int
compare_logs (gconstpointer a, gconstpointer b)
{
  const Log *x = *(const Log *const *) a, *y = *(const Log *const *) b;

  return x->first_us < y->first_us ? -1 : x->first_us > y->first_us;
}

/* Returns: the logs by their first line: "kern.log*" names the newest first. */
static GPtrArray *
look_at_all (char **paths, gboolean whole, GError **error)
{
  g_autoptr (GPtrArray) logs = g_ptr_array_new_with_free_func ((GDestroyNotify) log_free);

  for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
    {
      Log *log = look_at (paths[i], whole, error);

      if (log == NULL)
        return NULL;
      g_ptr_array_add (logs, log);
    }
  g_ptr_array_sort (logs, compare_logs);
  return g_steal_pointer (&logs);
}

/* --- time --- */

/*
 * While something is open every second is lived through, up to a silence longer than anything that could be under way.
 * Else the daemon's own time is slow: what it samples of its VMs stays fresh, and a month is soon over.
 */
static void
pass_time (Replay *self, gint64 us)
{
  double quiet_s = vmft_conf_get_double (self->conf, "Detector", "quiet-time");
  gint64 lived_us = MIN (us, PATIENCE_US + (gint64) (2e6 * quiet_s));
  guint open = 0, running = 0;

  vmft_daemon_count (self->daemon, &open, &running);
  if (open == 0 && running == 0)
    lived_us /= IDLE_PACE;
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (self->clock), lived_us);
  vmft_fake_clock_suspend (VMFT_FAKE_CLOCK (self->clock), us - lived_us);
}

/* Returns: when @line was said; now, when it does not tell. */
static VmftTime
moment_of (Replay *self, const VmftLine *line)
{
  VmftTime now_us = vmft_clock_real_us (self->clock);

  if (line->time_us != VMFT_TIME_UNKNOWN)
    return line->time_us;
  if (line->uptime_us < 0)
    return now_us;
  if (self->booted_us == VMFT_TIME_UNKNOWN || line->uptime_us < self->uptime_us)
    self->booted_us = now_us - line->uptime_us;
  self->uptime_us = line->uptime_us;
  return self->booted_us + line->uptime_us;
}

static gboolean
take_line (const char *data, gsize length, gpointer user_data)
{
  Replay *self = user_data;
  VmftTime now_us = vmft_clock_real_us (self->clock);
  VmftTime at_us;
  VmftLine line;

  vmft_line_split (&line, VMFT_LINE_AUTO, data, length, self->reference_us);
  at_us = moment_of (self, &line);
  if (self->follow && line.time_us != VMFT_TIME_UNKNOWN)
    {
      vmft_fake_clock_jump (VMFT_FAKE_CLOCK (self->clock), at_us - now_us);
      self->follow = FALSE;
    }
  else if (at_us > now_us)
    {
      pass_time (self, at_us - now_us);
    }
  line.arrival_us = vmft_clock_real_us (self->clock);
  if (self->from_us == VMFT_TIME_UNKNOWN)
    self->from_us = line.arrival_us;
  self->n_lines++;
  vmft_script_source_say (VMFT_SCRIPT_SOURCE (self->source), &line);
  return TRUE;
}

static gboolean
tell (Replay *self, const GPtrArray *logs, GError **error)
{
  for (guint i = 0; i < logs->len; i++)
    {
      const Log *log = g_ptr_array_index (logs, i);

      self->reference_us = log->reference_us;
      if (!vmft_log_file_read (log->path, take_line, self, error))
        return FALSE;
    }
  return TRUE;
}

/* --- the daemon and its world --- */

/* The operator's configuration, without what would reach beyond this process. */
static gboolean
make_conf (Replay *self, guint64 n_lessons, GError **error)
{
  g_autofree char *lessons = g_strdup_printf ("%" G_GUINT64_FORMAT, n_lessons);
  g_autofree const char **destinations = NULL;

  self->conf =
      self->options->config_path ? vmft_conf_load (self->options->config_path, error) : vmft_conf_new ();
  if (self->conf == NULL)
    return FALSE;
  destinations = vmft_conf_list_named (self->conf, "Destination");
  for (guint i = 0; destinations[i] != NULL; i++)
    {
      g_autofree char *group = g_strconcat ("Destination ", destinations[i], NULL);
      g_autofree char *uri = g_strconcat ("fake://", destinations[i], NULL);

      if (!vmft_conf_set (self->conf, group, "uri", uri, error) ||
          !vmft_conf_set (self->conf, group, "status-url", "", error))
        return FALSE;
    }
  return (destinations[0] != NULL ||
          vmft_conf_set (self->conf, "Destination " ELSEWHERE, "uri", "fake://" ELSEWHERE, error)) &&
         (n_lessons == 0 || vmft_conf_set (self->conf, "Detector", "learning-lines", lessons, error)) &&
         vmft_conf_set (self->conf, "Daemon", "mode", vmft_operation_to_string (self->options->operation),
                        error) &&
         vmft_conf_set (self->conf, "Daemon", "hostname", "*", error) &&
         vmft_conf_set (self->conf, "Daemon", "sysfs", NO_FILES, error) &&
         vmft_conf_set (self->conf, "Daemon", "proc", NO_FILES, error) &&
         vmft_conf_set (self->conf, "Migration", "command", "", error) &&
         vmft_conf_set (self->conf, "Record", "enabled", "false", error) &&
         vmft_conf_set (self->conf, "Inference", "provider", "kernel-model", error);
}

static void
make_world (Replay *self)
{
  g_autofree const char **destinations = vmft_conf_list_named (self->conf, "Destination");
  guint64 memory_bytes = SPARE_BYTES;

  self->world = vmft_fake_world_new (self->clock, 1);
  for (guint i = 0; i < self->options->vms->len; i++)
    memory_bytes += 2 * ((const VmftReplayVm *) g_ptr_array_index (self->options->vms, i))->memory_bytes;
  vmft_fake_world_add_host (self->world, HERE, memory_bytes, self->options->link_bps);
  for (guint i = 0; destinations[i] != NULL; i++)
    vmft_fake_world_add_host (self->world, destinations[i], memory_bytes, self->options->link_bps);
  for (guint i = 0; i < self->options->vms->len; i++)
    {
      const VmftReplayVm *vm = g_ptr_array_index (self->options->vms, i);
      VmftFakeVm guest = VMFT_FAKE_VM_DEFAULT;

      guest.name = vm->name;
      guest.memory_bytes = vm->memory_bytes;
      guest.resident_bytes = vm->resident_bytes;
      guest.dirty_bps = vm->dirty_bps;
      guest.working_set_bytes = vm->working_set_bytes;
      vmft_fake_world_add_vm (self->world, HERE, &guest);
    }
}

static gboolean
start_daemon (Replay *self, VmftTime first_us, GError **error)
{
  VmftTrust trust = self->options->untrusted ? VMFT_TRUST_CLAIMED : VMFT_TRUST_KERNEL;

  self->clock =
      vmft_fake_clock_new ((first_us != VMFT_TIME_UNKNOWN ? first_us : g_get_real_time ()) - WARM_UP_US);
  self->store = vmft_memory_store_new ();
  make_world (self);
  self->hypervisor = vmft_fake_world_open (self->world, HERE);
  self->source = vmft_script_source_new ("log", trust, self->clock, self->store);
  self->daemon = vmft_daemon_new (self->conf, self->clock, self->store, self->hypervisor, error);
  if (self->daemon == NULL)
    return FALSE;
  vmft_daemon_add_source (self->daemon, self->source);
  vmft_daemon_start (self->daemon);
  /* as on a host that has been up for a while: dirty rates are known before the first line comes */
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (self->clock), WARM_UP_US);
  return TRUE;
}

/* Jobs that the last lines started go on after them. */
static void
settle (Replay *self)
{
  guint open = 0, running = 1;

  for (gint64 waited_us = 0; running > 0 && waited_us < PATIENCE_US; waited_us += SETTLE_US)
    {
      vmft_fake_clock_advance (VMFT_FAKE_CLOCK (self->clock), SETTLE_US);
      vmft_daemon_count (self->daemon, &open, &running);
    }
}

/* --- what came of it --- */

static gboolean
add_incidents (Replay *self, GVariantDict *dict, GError **error)
{
  const VmftQuery all = { 0 };
  g_autoptr (GVariant) list = vmft_daemon_list_incidents (self->daemon, &all, error);
  g_auto (GVariantBuilder) stories = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  if (list == NULL)
    return FALSE;
  g_variant_ref_sink (list);
  for (gsize i = g_variant_n_children (list); i-- > 0;)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (list, i);
      GVariant *story =
          vmft_daemon_explain (self->daemon, (guint64) vmft_dict_int64 (record, "id", 0), error);

      if (story == NULL)
        return FALSE;
      g_variant_builder_add_value (&stories, story);
    }
  g_variant_dict_insert_value (dict, "incidents", g_variant_builder_end (&stories));
  return TRUE;
}

static GVariant *
conclude (Replay *self, VmftTime to_us, GError **error)
{
  g_autoptr (GVariant) status = g_variant_ref_sink (vmft_daemon_describe (self->daemon));
  g_autoptr (GVariant) detector = g_variant_lookup_value (status, "detector", G_VARIANT_TYPE_VARDICT);
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "lines", "t", self->n_lines);
  g_variant_dict_insert (&dict, "templates", "x", vmft_dict_int64 (detector, "templates", 0));
  g_variant_dict_insert (&dict, "alarms", "x", vmft_dict_int64 (detector, "alarms", 0));
  g_variant_dict_insert (&dict, "learning", "b", vmft_dict_boolean (detector, "learning", FALSE));
  g_variant_dict_insert (&dict, "operation", "s", vmft_operation_to_string (self->options->operation));
  g_variant_dict_insert (&dict, "vms", "u", self->options->vms->len);
  g_variant_dict_insert (&dict, "from_us", "x", self->from_us);
  g_variant_dict_insert (&dict, "to_us", "x", to_us);
  return add_incidents (self, &dict, error) ? g_variant_dict_end (&dict) : NULL;
}

static guint64
count_lines (const GPtrArray *logs)
{
  guint64 n = 0;

  for (guint i = 0; i < logs->len; i++)
    n += ((const Log *) g_ptr_array_index (logs, i))->n_lines;
  return n;
}

static VmftTime
first_time (const GPtrArray *lessons, const GPtrArray *logs)
{
  const GPtrArray *first = lessons->len > 0 ? lessons : logs;

  return first->len > 0 ? ((const Log *) g_ptr_array_index (first, 0))->first_us : VMFT_TIME_UNKNOWN;
}

GVariant *
vmft_replay (const VmftReplayOptions *options, char **paths, GError **error)
{
  g_auto (Replay) self = { .options = options, .booted_us = VMFT_TIME_UNKNOWN };
  g_autoptr (GPtrArray) lessons = look_at_all (options->learn, TRUE, error);
  g_autoptr (GPtrArray) logs = lessons ? look_at_all (paths, FALSE, error) : NULL;
  VmftTime to_us;

  if (logs == NULL || !make_conf (&self, count_lines (lessons), error) ||
      !start_daemon (&self, first_time (lessons, logs), error) || !tell (&self, lessons, error))
    return NULL;
  self.follow = TRUE; /* lessons may be of another time */
  self.from_us = VMFT_TIME_UNKNOWN;
  self.n_lines = 0;
  if (!tell (&self, logs, error))
    return NULL;
  to_us = vmft_clock_real_us (self.clock);
  settle (&self);
  return conclude (&self, to_us, error);
}
