/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One end of testbed/measure: reads orders from standard input, one a line ("DOMAIN MODE READINGS DEADLINE_S"), and
 * for each takes so many dirty readings with the daemon's sampler, stores the forecast, migrates the domain and
 * writes one JSON object with forecast and outcome. It knows what a daemon on this host would know, no more. */
#include "vmft-common.h"
#include "vmft-estimator.h"
#include "vmft-migrate.h"
#include "vmft-migration-params.h"
#include "vmft-policy.h"
#include "vmft-sampler.h"
#include "vmft-sqlite-store.h"

#include <gio/gunixinputstream.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define APPEAR_S       30.0
#define READINGS_S     90.0
#define SAMPLE_AGE_S   1800.0
#define SAMPLE_PAUSE_S 0.5
#define MIB            1048576.0

typedef struct
{
  VmftClock *clock;
  VmftStore *store;
  VmftHypervisor *hypervisor;
  VmftEstimator *estimator;
  VmftSampler *sampler;
  GHashTable *known; /* uuid -> Known */
  char *store_path;
  char *destination;
  char *destination_uri;
  char *migrate_uri;
  double bandwidth_bps;
  GString *passes; /* of the job that runs: what it said at each pass, for --csv */
} Measure;

/* What the sampler has read of a guest, across its visits to this host: it is another QEMU each time it comes back, but
 * here the same guest. */
typedef struct
{
  GArray *samples; /* of VmftDirtySample */
  double written_share;
  double rewrite_share;
} Known;

static void
known_free (Known *known)
{
  g_array_unref (known->samples);
  g_free (known);
}

typedef struct
{
  char *domain;
  VmftMode mode;
  guint n_readings;
  double deadline_s;
} Order;

/* --- waiting on the main loop --- */

static void
on_result (GObject *object, GAsyncResult *async, gpointer user_data)
{
  GAsyncResult **slot = user_data;

  *slot = g_object_ref (async);
}

static GAsyncResult *
await (GAsyncResult **slot)
{
  while (*slot == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *slot;
}

typedef gboolean (*Condition) (Measure *self, gconstpointer data);

static gboolean
on_wake (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

static gboolean
wait_until (Measure *self, double seconds, Condition condition, gconstpointer data)
{
  gint64 deadline_us = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  guint wake_id = g_timeout_add (50, on_wake, NULL);
  gboolean met;

  while (!(met = condition (self, data)) && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (wake_id);
  return met;
}

/* --- one order --- */

static gboolean
is_here (Measure *self, gconstpointer domain)
{
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (self->hypervisor, domain);

  return vm != NULL && vm->running && vm->blocker == NULL && vm->qemu_pid > 0;
}

static gboolean
has_readings (Measure *self, gconstpointer data)
{
  const Order *order = data;
  g_autoptr (VmftVm) vm = vmft_hypervisor_lookup (self->hypervisor, order->domain);

  return vm == NULL || vm->dirty_samples->len >= order->n_readings;
}

static gboolean
take_readings (Measure *self, const Order *order)
{
  gboolean had;

  vmft_sampler_hold (self->sampler, FALSE);
  had = wait_until (self, READINGS_S, has_readings, order);
  vmft_sampler_hold (self->sampler, TRUE);
  return had;
}

static VmftVm *
look_up (Measure *self, const char *domain)
{
  g_autoptr (VmftVm) seen = vmft_hypervisor_lookup (self->hypervisor, domain);
  Known *known;
  VmftVm *vm;

  if (seen == NULL)
    return NULL;
  known = g_hash_table_lookup (self->known, seen->uuid);
  if (known == NULL)
    {
      known = g_new0 (Known, 1);
      known->samples = g_array_new (FALSE, FALSE, sizeof (VmftDirtySample));
      g_hash_table_insert (self->known, g_strdup (seen->uuid), known);
    }
  if (seen->dirty_samples->len > 0)
    {
      g_array_append_vals (known->samples, seen->dirty_samples->data, seen->dirty_samples->len);
      known->written_share = seen->written_share;
      known->rewrite_share = seen->rewrite_share;
    }
  vm = vmft_vm_copy (seen);
  g_array_set_size (vm->dirty_samples, 0);
  if (known->samples->len > 0)
    g_array_append_vals (vm->dirty_samples, known->samples->data, known->samples->len);
  vm->written_share = known->written_share;
  vm->rewrite_share = known->rewrite_share;
  return vm;
}

static VmftMigrationSpec *
make_spec (Measure *self, const Order *order, const VmftVm *vm, const VmftLoad *load)
{
  VmftMigrationSpec *spec = vmft_migration_spec_new (vm->uuid, order->mode);

  spec->destination = g_strdup (self->destination);
  spec->destination_uri = g_strdup (self->destination_uri);
  spec->migrate_uri = g_strdup (self->migrate_uri);
  spec->peer_to_peer = TRUE;
  spec->xbzrle_cache_bytes = (guint64) load->xbzrle_cache_bytes;
  return spec;
}

static void
on_progress (VmftHypervisor *hypervisor, const VmftProgress *progress, Measure *self)
{
  g_string_append_printf (self->passes, "%u:%.2f:%.1f:%.1f:%.1f:%.1f ", progress->iteration,
                          progress->elapsed_s, progress->processed_bytes / MIB,
                          progress->remaining_bytes / MIB, progress->dirty_bps / MIB,
                          progress->throughput_bps / MIB);
}

typedef struct
{
  Measure *self;
  const char *uuid;
} Deadline;

static gboolean
on_deadline (gpointer user_data)
{
  const Deadline *deadline = user_data;

  vmft_hypervisor_abort_async (deadline->self->hypervisor, deadline->uuid, NULL, NULL, NULL);
  return G_SOURCE_CONTINUE; /* again after as long, should it come too late for one try */
}

static VmftResult *
migrate (Measure *self, const VmftMigrationSpec *spec, double deadline_s, GError **error)
{
  g_autoptr (GAsyncResult) async = NULL;
  Deadline deadline = { self, spec->uuid };
  guint deadline_id;

  vmft_hypervisor_migrate_async (self->hypervisor, spec, NULL, on_result, &async);
  deadline_id = g_timeout_add ((guint) (deadline_s * 1e3), on_deadline, &deadline);
  await (&async);
  g_source_remove (deadline_id);
  return vmft_hypervisor_migrate_finish (self->hypervisor, async, error);
}

/* JSON has no infinity */
static void
add_number (GVariantDict *dict, const char *key, double value)
{
  if (isfinite (value))
    g_variant_dict_insert (dict, key, "d", value);
}

/* What is written down before the job: the forecast, and what the two simple models say with the same knowledge. */
static void
add_forecast (Measure *self,
              GVariantDict *dict,
              const VmftLoad *load,
              const VmftLink *link,
              const VmftEstimate *estimate)
{
  double ratio = load->curve.rate_bps / MAX (1.0, link->bandwidth_bps);
  double pass_s = link->startup_s + vmft_load_volume_bytes (load) / MAX (1.0, link->bandwidth_bps);
  double a, b;

  (void) vmft_estimator_get_linear (self->estimator, self->destination, estimate->mode, &a, &b);
  add_number (dict, "linear_s", a * load->memory_bytes + b);
  if (ratio < 1.0)
    add_number (dict, "ratio_s", pass_s / (1.0 - ratio));
  g_variant_dict_insert (dict, "possible", "b", vmft_estimate_is_possible (estimate));
  add_number (dict, "p50_s", estimate->total_p50_s);
  add_number (dict, "p90_s", estimate->total_p90_s);
  add_number (dict, "downtime_p50_s", estimate->downtime_p50_s);
  add_number (dict, "p_converge", estimate->p_converge);
  add_number (dict, "volume_bytes", estimate->volume_bytes);
  add_number (dict, "forecast_bytes", estimate->bytes);
  add_number (dict, "link_bps", link->bandwidth_bps);
  g_variant_dict_insert (dict, "link_jobs", "u", link->n_jobs);
  g_variant_dict_insert (dict, "calibrated", "u", estimate->calibrated);
  add_number (dict, "memory_bytes", load->memory_bytes);
  add_number (dict, "resident_bytes", load->resident_bytes);
  add_number (dict, "rate_bps", load->curve.rate_bps);
  add_number (dict, "working_set_bytes", load->curve.working_set_bytes);
  add_number (dict, "sweep", load->curve.sweep);
  g_variant_dict_insert (dict, "readings", "u", load->curve.n_samples);
  add_number (dict, "startup_s", link->startup_s);
  add_number (dict, "rewrite_share", load->rewrite_share);
}

static void
add_result (GVariantDict *dict, const VmftResult *result)
{
  g_variant_dict_insert (dict, "outcome", "s", vmft_outcome_to_string (result->outcome));
  add_number (dict, "total_s", result->total_s);
  add_number (dict, "downtime_s", result->downtime_s);
  g_variant_dict_insert (dict, "bytes", "t", result->transferred_bytes);
  g_variant_dict_insert (dict, "iterations", "u", result->iterations);
  if (result->message != NULL)
    g_variant_dict_insert (dict, "message", "s", result->message);
}

static gboolean
learn (Measure *self, guint64 id, const VmftResult *result, GError **error)
{
  VmftJobOutcome outcome = {
    .completed = result->outcome == VMFT_OUTCOME_COMPLETED,
    .total_s = result->total_s,
    .downtime_s = result->downtime_s,
    .bytes = (double) result->transferred_bytes,
    .iterations = result->iterations,
    .verdict = vmft_outcome_to_string (result->outcome),
  };

  return vmft_estimator_end_job (self->estimator, vmft_clock_real_us (self->clock), id, &outcome, error);
}

static gboolean
run_order (Measure *self, const Order *order, GVariantDict *dict, GError **error)
{
  g_autoptr (VmftVm) vm = NULL;
  g_autoptr (VmftPolicyVm) fitted = NULL;
  g_autoptr (VmftMigrationSpec) spec = NULL;
  g_autoptr (VmftResult) result = NULL;
  VmftEstimate estimate;
  VmftLink link;
  guint64 id;

  if (!wait_until (self, APPEAR_S, is_here, order->domain) || !take_readings (self, order) ||
      (vm = look_up (self, order->domain)) == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_TIMEOUT, "%s is not here, or cannot be sampled",
                   order->domain);
      return FALSE;
    }
  fitted = vmft_policy_vm_new (vm, vmft_clock_real_us (self->clock));
  fitted->load.xbzrle_cache_bytes = (double) vmft_xbzrle_cache_bytes (
      (guint64) fitted->load.curve.working_set_high_bytes, vm->memory_bytes);
  vmft_estimator_get_link (self->estimator, self->destination, 0.0, 1, &link);
  vmft_estimator_estimate (self->estimator, self->destination, &fitted->load, &link, order->mode, &estimate);
  add_forecast (self, dict, &fitted->load, &link, &estimate);
  if (!vmft_estimator_begin_job (self->estimator, vmft_clock_real_us (self->clock), vm->uuid,
                                 self->destination, &fitted->load, &link, &estimate, &id, error))
    return FALSE;
  spec = make_spec (self, order, vm, &fitted->load);
  g_string_truncate (self->passes, 0);
  result = migrate (self, spec, order->deadline_s, error);
  if (result == NULL)
    return FALSE;
  add_result (dict, result);
  g_variant_dict_insert (dict, "passes", "s", self->passes->str);
  return learn (self, id, result, error);
}

/* --- orders --- */

static gboolean
parse_order (char *line, Order *order)
{
  g_auto (GStrv) words = g_strsplit (g_strstrip (line), " ", -1);

  if (g_strv_length (words) != 4 || !vmft_mode_from_string (words[1], &order->mode))
    return FALSE;
  order->domain = g_strdup (words[0]);
  order->n_readings = (guint) g_ascii_strtoull (words[2], NULL, 10);
  order->deadline_s = g_ascii_strtod (words[3], NULL);
  return order->deadline_s > 0.0;
}

static void
obey (Measure *self, char *line)
{
  Order order = { 0 };
  GVariantDict dict;
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *json = NULL;

  g_variant_dict_init (&dict, NULL);
  if (!parse_order (line, &order))
    g_variant_dict_insert (&dict, "error", "s", "not an order");
  else if (!run_order (self, &order, &dict, &error))
    g_variant_dict_insert (&dict, "error", "s", error->message);
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  json = vmft_json_from_variant (record, FALSE);
  g_print ("%s\n", json);
  g_free (order.domain);
}

static int
serve (Measure *self)
{
  g_autoptr (GInputStream) input = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  g_autoptr (GDataInputStream) lines = g_data_input_stream_new (input);

  for (;;)
    {
      g_autoptr (GAsyncResult) async = NULL;
      g_autofree char *line = NULL;

      g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, on_result, &async);
      line = g_data_input_stream_read_line_finish_utf8 (lines, await (&async), NULL, NULL);
      if (line == NULL)
        return 0;
      obey (self, line);
    }
}

static gboolean
is_connected (Measure *self, gconstpointer data)
{
  return vmft_hypervisor_is_connected (self->hypervisor);
}

static gboolean
begin (Measure *self, const char *uri, GError **error)
{
  self->clock = vmft_real_clock_new ();
  self->passes = g_string_new (NULL);
  self->hypervisor = vmft_libvirt_hypervisor_new (uri, self->clock);
  self->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) known_free);
  self->store = self->store_path != NULL
                    ? VMFT_STORE (vmft_sqlite_store_new (self->store_path, self->clock, error))
                    : vmft_memory_store_new ();
  if (self->store == NULL)
    return FALSE;
  self->estimator = vmft_estimator_new (self->store, error);
  if (self->estimator == NULL)
    return FALSE;
  self->sampler =
      vmft_sampler_new (self->clock, self->hypervisor, self->estimator, SAMPLE_AGE_S, SAMPLE_PAUSE_S);
  if (self->bandwidth_bps > 0.0)
    vmft_estimator_set_link (self->estimator, self->destination, self->bandwidth_bps);
  vmft_sampler_hold (self->sampler, TRUE);
  vmft_sampler_start (self->sampler);
  g_signal_connect (self->hypervisor, "progress", G_CALLBACK (on_progress), self);
  vmft_hypervisor_start (self->hypervisor);
  if (wait_until (self, APPEAR_S, is_connected, NULL))
    return TRUE;
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "no libvirt at %s", uri);
  return FALSE;
}

static void
end (Measure *self)
{
  g_clear_pointer (&self->sampler, vmft_sampler_free);
  g_clear_object (&self->estimator);
  g_clear_object (&self->hypervisor);
  g_clear_object (&self->store);
  g_clear_object (&self->clock);
  g_hash_table_unref (self->known);
  g_string_free (self->passes, TRUE);
  g_free (self->store_path);
  g_free (self->destination);
  g_free (self->destination_uri);
  g_free (self->migrate_uri);
}

int
main (int argc, char **argv)
{
  Measure self = { 0 };
  g_autofree char *uri = g_strdup ("qemu:///system");
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  const GOptionEntry entries[] = {
    { "name", 0, 0, G_OPTION_ARG_STRING, &self.destination, "what the other host is called", "NAME" },
    { "destination", 0, 0, G_OPTION_ARG_STRING, &self.destination_uri, "libvirt of the other host", "URI" },
    { "migrate-uri", 0, 0, G_OPTION_ARG_STRING, &self.migrate_uri, "tcp://HOST", "URI" },
    { "store", 0, 0, G_OPTION_ARG_FILENAME, &self.store_path, "where what was learnt is kept", "FILE" },
    { "bandwidth", 0, 0, G_OPTION_ARG_DOUBLE, &self.bandwidth_bps, "what [Destination] bandwidth= says",
      "BYTES" },
    { NULL },
  };
  int status = 1;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_printerr ("hosts-measure: %s\n", error->message);
  else if (self.destination == NULL || self.destination_uri == NULL)
    g_printerr ("hosts-measure: --name and --destination are wanted\n");
  else if (!begin (&self, uri, &error))
    g_printerr ("hosts-measure: %s\n", error->message);
  else
    status = serve (&self);
  if (self.clock != NULL)
    end (&self);
  return status;
}
