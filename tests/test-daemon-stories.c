/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random stories: a host fails or does not, and meanwhile whatever can goes wrong, vmftd's own death included. A seed
 * is a story. VMFT_STORIES=N and VMFT_SEED=S tell N from S on, spread over the processors; VMFT_TELL=1 aloud.
 */
#include "daemon-story.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FEW      60
#define SETTLE_S 900.0 /* after the last fault: long enough for every retry and cool-down to be over */

typedef enum
{
  FAULT_KILL_DAEMON,
  FAULT_RESTART_LIBVIRTD_A,
  FAULT_RESTART_LIBVIRTD_B,
  FAULT_REFUSE_B,
  FAULT_CUT_LINK,
  FAULT_LOSE_JOB,
  FAULT_KILL_QEMU_B,
  FAULT_NO_SAMPLES,
  FAULT_CLOCK_JUMPS,
  N_FAULTS,
} Fault;

typedef struct
{
  Story *s;
  GRand *rand;
  gboolean dies;        /* host "a" fails in the end */
  gboolean qemu_killed; /* so that a loss is ours to bear */
  guint n_restarts;
} Telling;

static void
strike (Telling *t, Fault fault)
{
  Story *s = t->s;
  const char *uuid =
      g_ptr_array_index (s->uuids, (guint) g_rand_int_range (t->rand, 0, (gint) s->uuids->len));

  switch (fault)
    {
    case FAULT_KILL_DAEMON:
      story_kill_daemon (s);
      story_advance (s, g_rand_double_range (t->rand, 0.0, 5.0));
      story_start_daemon (s);
      t->n_restarts++;
      break;
    case FAULT_RESTART_LIBVIRTD_A:
      vmft_fake_world_restart_libvirtd (s->world, "a", g_rand_double_range (t->rand, 0.5, 10.0));
      break;
    case FAULT_RESTART_LIBVIRTD_B:
      vmft_fake_world_restart_libvirtd (s->world, "b", g_rand_double_range (t->rand, 0.5, 10.0));
      break;
    case FAULT_REFUSE_B:
      vmft_fake_world_refuse (s->world, "b", "no room");
      break;
    case FAULT_CUT_LINK:
      vmft_fake_world_set_link (s->world, "a", 0.0);
      story_advance (s, g_rand_double_range (t->rand, 0.5, 15.0));
      vmft_fake_world_set_link (s->world, "a", STORY_LINK_BPS);
      break;
    case FAULT_LOSE_JOB:
      vmft_fake_world_lose_job (s->world, uuid);
      break;
    case FAULT_KILL_QEMU_B:
      vmft_fake_world_kill_qemu (s->world, "b", uuid);
      t->qemu_killed = TRUE;
      break;
    case FAULT_NO_SAMPLES:
      vmft_fake_world_set_sampling (s->world, FALSE);
      break;
    case FAULT_CLOCK_JUMPS:
      vmft_fake_clock_jump (VMFT_FAKE_CLOCK (s->clock),
                            (gint64) (g_rand_double_range (t->rand, -60.0, 60.0) * G_USEC_PER_SEC));
      break;
    case N_FAULTS:
    default:
      g_assert_not_reached ();
    }
}

static void
add_vms (Telling *t)
{
  guint n = (guint) g_rand_int_range (t->rand, 1, 6);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *name = g_strdup_printf ("vm%u", i);
      double memory_mib = 256.0 * (1 << g_rand_int_range (t->rand, 0, 4));

      story_add_vm (t->s, name, memory_mib, g_rand_double_range (t->rand, 0.0, 1.0) * 200.0,
                    memory_mib * g_rand_double_range (t->rand, 0.02, 0.8));
    }
}

/* --- what must hold in every story --- */

static void
check_history (Telling *t)
{
  const VmftQuery query = { 0 };
  g_autoptr (GVariant) history =
      g_variant_ref_sink (vmft_daemon_list_migrations (t->s->daemon, &query, NULL));
  g_autoptr (GHashTable) completed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GVariantIter iter;
  GVariant *row;

  g_variant_iter_init (&iter, history);
  while (g_variant_iter_next (&iter, "@a{sv}", &row))
    {
      g_autoptr (GVariant) record = row;
      const char *state = vmft_dict_string (record, "state");
      const char *uuid = vmft_dict_string (record, "uuid");

      /* each job came to a certain end, and no VM was moved twice */
      if (t->s->daemon != NULL && !t->dies)
        g_assert_true (g_strcmp0 (state, "completed") == 0 || g_strcmp0 (state, "failed") == 0 ||
                       g_strcmp0 (state, "aborted") == 0);
      if (g_strcmp0 (state, "completed") == 0)
        g_assert_true (g_hash_table_add (completed, g_strdup (uuid)));
    }
}

static void
check_end (Telling *t)
{
  const GPtrArray *losses = vmft_fake_world_get_losses (t->s->world);
  g_autoptr (GError) error = NULL;

  g_assert_true (vmft_fake_world_check (t->s->world, &error)); /* never two running copies */
  g_assert_no_error (error);
  if (t->dies || t->qemu_killed)
    return;
  for (guint i = 0; i < losses->len; i++)
    {
      const VmftFakeLoss *loss = g_ptr_array_index (losses, i);

      g_error ("%s was lost on %s although its host lived: %s", loss->uuid, loss->host, loss->why);
    }
  check_history (t);
}

static void
tell (guint32 seed)
{
  g_autoptr (Story) s = story_new ("act", VMFT_TRUST_KERNEL, NULL, seed);
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  Telling t = { .s = s, .rand = rand, .dies = g_rand_double (rand) < 0.5 };
  guint n_faults = (guint) g_rand_int_range (rand, 0, 5);

  g_test_message ("story %u", seed);
  add_vms (&t);
  story_run_up (s);
  story_say_fault (s, 1.0);
  story_advance (s, g_rand_double_range (rand, 0.9, 3.0));
  for (guint i = 0; i < n_faults; i++)
    {
      strike (&t, (Fault) g_rand_int_range (rand, 0, N_FAULTS));
      story_advance (s, g_rand_double_range (rand, 0.0, 20.0));
    }
  if (t.dies)
    vmft_fake_world_kill_host (s->world, "a");
  story_advance (s, t.dies ? 30.0 : SETTLE_S);
  check_end (&t);
}

/* --- telling many --- */

static guint
number (const char *name, guint fallback)
{
  const char *text = g_getenv (name);

  return text ? (guint) g_ascii_strtoull (text, NULL, 10) : fallback;
}

static GLogWriterOutput
say_only_what_is_wrong (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) == 0 && g_getenv ("VMFT_TELL") == NULL)
    return G_LOG_WRITER_HANDLED;
  return g_log_writer_standard_streams (level, fields, n_fields, user_data);
}

static void
test_random_stories (void)
{
  guint n = number ("VMFT_STORIES", FEW), first = number ("VMFT_SEED", 1);
  guint n_workers = MIN (g_get_num_processors (), n);
  g_autofree pid_t *workers = g_new0 (pid_t, n_workers);

  for (guint w = 0; w < n_workers; w++)
    {
      workers[w] = fork ();
      g_assert_cmpint (workers[w], >=, 0);
      if (workers[w] != 0)
        continue;
      for (guint i = w; i < n; i += n_workers)
        tell (first + i);
      _exit (0);
    }
  for (guint w = 0; w < n_workers; w++)
    {
      int status = 0;

      g_assert_cmpint (waitpid (workers[w], &status, 0), ==, workers[w]);
      g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
    }
}

int
main (int argc, char **argv)
{
  g_setenv ("VMFT_DATA_DIR", VMFT_SOURCE_ROOT "/data", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (say_only_what_is_wrong, NULL, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  g_test_add_func ("/daemon-stories/random", test_random_stories);
  return g_test_run ();
}
