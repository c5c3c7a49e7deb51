/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-libvirt-call.h"
#include "vmft-migration-outcome.h"
#include "vmft-leftover.h"
#include "vmft-migration-calls.h"
#include "vmft-migration-params.h"

#include <string.h>

#define COMMON_FLAGS (VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER)

static VmftMigrationSpec *
new_spec (VmftMode mode)
{
  VmftMigrationSpec *spec = vmft_migration_spec_new ("e707b101-e027-4fd1-9579-0a721007ff37", mode);

  spec->destination = g_strdup ("b");
  spec->destination_uri = g_strdup ("qemu+tcp://b/system");
  spec->migrate_uri = g_strdup ("tcp://10.0.0.2");
  return spec;
}

static const char *
get_string (const VmftTypedParams *params, const char *name)
{
  virTypedParameterPtr item = virTypedParamsGet (params->items, params->n_items, name);

  return item != NULL ? item->value.s : NULL;
}

static void
test_flags (void)
{
  const guint expected[VMFT_N_MODES] = {
    [VMFT_MODE_PRECOPY] = COMMON_FLAGS,
    [VMFT_MODE_XBZRLE] = COMMON_FLAGS | VIR_MIGRATE_COMPRESSED,
    [VMFT_MODE_AUTO_CONVERGE] = COMMON_FLAGS | VIR_MIGRATE_AUTO_CONVERGE,
    [VMFT_MODE_HYBRID] = COMMON_FLAGS | VIR_MIGRATE_POSTCOPY,
    [VMFT_MODE_POSTCOPY] = COMMON_FLAGS | VIR_MIGRATE_POSTCOPY,
  };

  for (VmftMode mode = 0; mode < VMFT_N_MODES; mode++)
    {
      g_autoptr (VmftMigrationSpec) spec = new_spec (mode);

      g_assert_cmphex (vmft_migration_flags (spec), ==, expected[mode]);
      spec->peer_to_peer = FALSE;
      g_assert_cmphex (vmft_migration_flags (spec), ==, expected[mode] & ~VIR_MIGRATE_PEER2PEER);
    }
}

static void
test_flags_options (void)
{
  g_autoptr (VmftMigrationSpec) spec = new_spec (VMFT_MODE_PRECOPY);

  spec->allow_postcopy = TRUE;
  g_assert_cmphex (vmft_migration_flags (spec), ==, COMMON_FLAGS | VIR_MIGRATE_POSTCOPY);
  spec->allow_postcopy = FALSE;
  spec->persistent = TRUE;
  g_assert_cmphex (vmft_migration_flags (spec), ==,
                   COMMON_FLAGS | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE);
  spec->persistent = FALSE;
  spec->tls = TRUE;
  spec->copy_disks = g_strsplit ("vda vdc", " ", -1);
  spec->unsafe = TRUE;
  spec->parallel_connections = 2;
  g_assert_cmphex (vmft_migration_flags (spec), ==,
                   COMMON_FLAGS | VIR_MIGRATE_TLS | VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_UNSAFE |
                       VIR_MIGRATE_PARALLEL);
}

static void
test_resume (void)
{
  g_autoptr (VmftMigrationSpec) spec = new_spec (VMFT_MODE_XBZRLE);
  g_auto (VmftTypedParams) params = { 0 };
  g_autoptr (GError) error = NULL;

  spec->resume = TRUE;
  g_assert_cmphex (vmft_migration_flags (spec), ==,
                   COMMON_FLAGS | VIR_MIGRATE_POSTCOPY | VIR_MIGRATE_POSTCOPY_RESUME);
  g_assert_true (vmft_migration_params (spec, &params, &error));
  g_assert_no_error (error);
  g_assert_cmpint (params.n_items, ==, 1);
  g_assert_cmpstr (get_string (&params, VIR_MIGRATE_PARAM_URI), ==, "tcp://10.0.0.2");
}

static void
test_bandwidth (void)
{
  const struct
  {
    guint64 bps;
    guint64 mibps;
  } cases[] = {
    { 0, VMFT_BANDWIDTH_MAX_MIBPS },
    { 1, 1 },
    { 1 << 20, 1 },
    { 100 << 20, 100 },
    { (100 << 20) + 5, 100 },
    { G_MAXUINT64, VMFT_BANDWIDTH_MAX_MIBPS },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (VmftMigrationSpec) spec = new_spec (VMFT_MODE_HYBRID);
      g_auto (VmftTypedParams) params = { 0 };
      g_autoptr (GError) error = NULL;

      spec->bandwidth_bps = cases[i].bps;
      spec->postcopy_bandwidth_bps = cases[i].bps;
      g_assert_true (vmft_migration_params (spec, &params, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (vmft_typed_params_ullong (&params, VIR_MIGRATE_PARAM_BANDWIDTH, 7), ==,
                        cases[i].mibps);
      /* post-copy's is unlimited when it is not named */
      g_assert_cmpuint (vmft_typed_params_ullong (&params, VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY, 7), ==,
                        cases[i].bps == 0 ? 7 : cases[i].mibps);
    }
}

static void
test_mode_params (void)
{
  g_autoptr (VmftMigrationSpec) xbzrle = new_spec (VMFT_MODE_XBZRLE);
  g_autoptr (VmftMigrationSpec) throttled = new_spec (VMFT_MODE_AUTO_CONVERGE);
  g_auto (VmftTypedParams) a = { 0 };
  g_auto (VmftTypedParams) b = { 0 };
  g_autoptr (GError) error = NULL;

  xbzrle->xbzrle_cache_bytes = 128 << 20;
  g_assert_true (vmft_migration_params (xbzrle, &a, &error));
  g_assert_cmpstr (get_string (&a, VIR_MIGRATE_PARAM_COMPRESSION), ==, "xbzrle");
  g_assert_cmpuint (vmft_typed_params_ullong (&a, VIR_MIGRATE_PARAM_COMPRESSION_XBZRLE_CACHE, 0), ==,
                    128 << 20);
  throttled->auto_converge_initial = 40;
  throttled->auto_converge_increment = 15;
  g_assert_true (vmft_migration_params (throttled, &b, &error));
  g_assert_cmpuint (vmft_typed_params_ullong (&b, VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL, 0), ==, 40);
  g_assert_cmpuint (vmft_typed_params_ullong (&b, VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT, 0), ==, 15);
}

static void
assert_invalid (const VmftMigrationSpec *spec, const char *word)
{
  g_auto (VmftTypedParams) params = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (vmft_migration_params (spec, &params, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, word));
}

static void
test_contradictions (void)
{
  g_autoptr (VmftMigrationSpec) cache = new_spec (VMFT_MODE_XBZRLE);
  g_autoptr (VmftMigrationSpec) nowhere = vmft_migration_spec_new ("u", VMFT_MODE_PRECOPY);
  g_autoptr (VmftMigrationSpec) parallel = new_spec (VMFT_MODE_POSTCOPY);
  g_autoptr (VmftMigrationSpec) throttle = new_spec (VMFT_MODE_AUTO_CONVERGE);

  cache->xbzrle_cache_bytes = 100 << 20;
  assert_invalid (cache, "power of two");
  assert_invalid (nowhere, "no destination");
  parallel->parallel_connections = 2;
  assert_invalid (parallel, "parallel");
  throttle->auto_converge_initial = 100;
  assert_invalid (throttle, "auto-converge");
}

static void
test_cache_size (void)
{
  const guint64 mib = 1 << 20;

  g_assert_cmpuint (vmft_xbzrle_cache_bytes (16 * mib, 512 * mib), ==, 64 * mib);
  g_assert_cmpuint (vmft_xbzrle_cache_bytes (65 * mib, 512 * mib), ==, 128 * mib);
  g_assert_cmpuint (vmft_xbzrle_cache_bytes (128 * mib, 512 * mib), ==, 128 * mib);
  g_assert_cmpuint (vmft_xbzrle_cache_bytes (0, 1024 * mib), ==, 256 * mib);
  /* a working set cannot exceed the RAM, whatever a sample says */
  g_assert_cmpuint (vmft_xbzrle_cache_bytes (9000 * mib, 512 * mib), ==, 512 * mib);
}

/* --- the judge --- */

static void
test_judge_table (void)
{
  const struct
  {
    VmftEnds ends;
    VmftJudgement judgement;
    VmftOutcome outcome;
  } cases[] = {
    /* the guest's home decides */
    { { VMFT_END_RUNNING, VMFT_END_UNKNOWN }, VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_FAILED },
    { { VMFT_END_RUNNING, VMFT_END_MIGRATING, .job = TRUE }, VMFT_JUDGEMENT_WAIT, 0 },
    { { VMFT_END_ABSENT, VMFT_END_RUNNING }, VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_COMPLETED },
    { { VMFT_END_UNKNOWN, VMFT_END_RUNNING }, VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_COMPLETED },
    /* silence is no proof of death */
    { { VMFT_END_UNKNOWN, VMFT_END_ABSENT }, VMFT_JUDGEMENT_WAIT, 0 },
    { { VMFT_END_UNKNOWN, VMFT_END_UNKNOWN }, VMFT_JUDGEMENT_WAIT, 0 },
    { { VMFT_END_ABSENT, VMFT_END_UNKNOWN }, VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_LOST },
    { { VMFT_END_ABSENT, VMFT_END_UNKNOWN, .migrated = TRUE },
      VMFT_JUDGEMENT_DECIDED,
      VMFT_OUTCOME_COMPLETED },
    { { VMFT_END_ABSENT, VMFT_END_ABSENT, .shut_down = TRUE }, VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_FAILED },
    /* post-copy: between two chairs */
    { { VMFT_END_POSTCOPY_FAILED, VMFT_END_POSTCOPY_FAILED, .job = TRUE },
      VMFT_JUDGEMENT_DECIDED,
      VMFT_OUTCOME_PAUSED },
    { { VMFT_END_POSTCOPY_FAILED, VMFT_END_POSTCOPY }, VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_PAUSED },
    { { VMFT_END_POSTCOPY_FAILED, VMFT_END_UNKNOWN }, VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_PAUSED },
    { { VMFT_END_POSTCOPY_FAILED, VMFT_END_ABSENT }, VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_LOST },
    { { VMFT_END_ABSENT, VMFT_END_POSTCOPY_FAILED }, VMFT_JUDGEMENT_DECIDED, VMFT_OUTCOME_LOST },
    { { VMFT_END_POSTCOPY, VMFT_END_POSTCOPY, .job = TRUE }, VMFT_JUDGEMENT_WAIT, 0 },
    /* left over by a libvirtd that died in the middle */
    { { VMFT_END_MIGRATING, VMFT_END_ABSENT }, VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_FAILED },
    { { VMFT_END_MIGRATING, VMFT_END_RUNNING }, VMFT_JUDGEMENT_PRESUMED, VMFT_OUTCOME_COMPLETED },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      VmftOutcome outcome = cases[i].outcome;
      const char *why = NULL;

      g_test_message ("case %u", i);
      g_assert_cmpint (vmft_migration_judge (&cases[i].ends, &outcome, &why), ==, cases[i].judgement);
      g_assert_cmpint (outcome, ==, cases[i].outcome);
      g_assert_true ((why != NULL) == (cases[i].judgement != VMFT_JUDGEMENT_WAIT));
    }
}

/* no pair of states may make a VM lost while either end has it running */
static void
test_judge_never_loses_a_running_vm (void)
{
  for (VmftEnd source = VMFT_END_UNKNOWN; source <= VMFT_END_POSTCOPY_FAILED; source++)
    {
      for (VmftEnd destination = VMFT_END_UNKNOWN; destination <= VMFT_END_POSTCOPY_FAILED; destination++)
        {
          VmftEnds ends = { source, destination };
          VmftOutcome outcome = VMFT_OUTCOME_FAILED;
          const char *why = NULL;
          VmftJudgement judgement = vmft_migration_judge (&ends, &outcome, &why);

          if (source == VMFT_END_RUNNING || destination == VMFT_END_RUNNING)
            g_assert_false (judgement != VMFT_JUDGEMENT_WAIT && outcome == VMFT_OUTCOME_LOST);
          if (judgement != VMFT_JUDGEMENT_WAIT && outcome == VMFT_OUTCOME_COMPLETED)
            g_assert_true (destination == VMFT_END_RUNNING || ends.migrated);
        }
    }
}

/* only what can never run again is taken away, and only while the VM runs here */
static void
test_leftovers (void)
{
  const struct
  {
    VmftEnd source;
    gboolean job;
    int state, reason;
    VmftLeftover what;
  } cases[] = {
    { VMFT_END_RUNNING, FALSE, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_UNKNOWN, VMFT_LEFTOVER_DEFINITION },
    { VMFT_END_RUNNING, FALSE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, VMFT_LEFTOVER_HALF },
    { VMFT_END_RUNNING, FALSE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY, VMFT_LEFTOVER_HALF },
    { VMFT_END_RUNNING, FALSE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION, VMFT_LEFTOVER_HALF },
    { VMFT_END_RUNNING, FALSE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, VMFT_LEFTOVER_NONE },
    { VMFT_END_RUNNING, FALSE, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_MIGRATED, VMFT_LEFTOVER_NONE },
    { VMFT_END_RUNNING, FALSE, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY_FAILED, VMFT_LEFTOVER_NONE },
    { VMFT_END_RUNNING, TRUE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION, VMFT_LEFTOVER_NONE },
    { VMFT_END_POSTCOPY_FAILED, FALSE, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_UNKNOWN, VMFT_LEFTOVER_NONE },
    { VMFT_END_UNKNOWN, FALSE, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_UNKNOWN, VMFT_LEFTOVER_NONE },
    { VMFT_END_ABSENT, FALSE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION, VMFT_LEFTOVER_NONE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("case %u", i);
      g_assert_cmpint (
          vmft_leftover_classify (cases[i].source, cases[i].job, cases[i].state, cases[i].reason), ==,
          cases[i].what);
    }
  g_assert_true (vmft_leftover_is_clash ("operation failed: domain 'g' already exists with uuid 1"));
  g_assert_false (vmft_leftover_is_clash ("unable to connect to server at 'b:49152'"));
}

/* Names are unique on one host only, and hosts save to the same directory. */
static void
test_save_path (void)
{
  const char *here = "e707b101-e027-4fd1-9579-0a721007ff37", *there = "f0000000-e027-4fd1-9579-0a721007ff37";
  g_autofree char *mine = vmft_save_path ("/shared", "web", here);
  g_autofree char *theirs = vmft_save_path ("/shared", "web", there);
  g_autofree char *outside = vmft_save_path ("/shared", "../../etc/web", here);
  g_autofree char *name = g_strnfill (300, 'n');
  g_autofree char *of_long = vmft_save_path ("/shared", name, here);

  g_assert_cmpstr (mine, ==, "/shared/web-e707b101-e027-4fd1-9579-0a721007ff37.save");
  g_assert_cmpstr (theirs, !=, mine);
  g_assert_cmpstr (outside, ==, "/shared/.._.._etc_web-e707b101-e027-4fd1-9579-0a721007ff37.save");
  g_assert_cmpuint (strlen (of_long), <=, strlen ("/shared/") + 255);
  g_assert_true (g_str_has_suffix (of_long, "-e707b101-e027-4fd1-9579-0a721007ff37.save"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  vmft_libvirt_init ();
  g_test_add_func ("/leftover/classify", test_leftovers);
  g_test_add_func ("/migration-params/flags", test_flags);
  g_test_add_func ("/migration-params/flags-options", test_flags_options);
  g_test_add_func ("/migration-params/resume", test_resume);
  g_test_add_func ("/migration-params/bandwidth", test_bandwidth);
  g_test_add_func ("/migration-params/mode-params", test_mode_params);
  g_test_add_func ("/migration-params/contradictions", test_contradictions);
  g_test_add_func ("/migration-params/cache-size", test_cache_size);
  g_test_add_func ("/save/path", test_save_path);
  g_test_add_func ("/migration-outcome/table", test_judge_table);
  g_test_add_func ("/migration-outcome/never-loses-a-running-vm", test_judge_never_loses_a_running_vm);
  return g_test_run ();
}
