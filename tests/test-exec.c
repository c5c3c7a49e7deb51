/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-exec.h"

typedef struct
{
  gboolean done;
  gboolean ok;
  VmftExecResult result;
  char *message;
  GError *error;
} Run;

static void
on_done (GObject *object, GAsyncResult *async, gpointer user_data)
{
  Run *run = user_data;

  run->ok = vmft_exec_run_finish (async, &run->result, &run->message, &run->error);
  run->done = TRUE;
}

static void
execute (Run *run, const char *command, const char *input, double timeout_s)
{
  g_autoptr (VmftClock) clock = vmft_real_clock_new ();

  vmft_exec_run_async (clock, command, input, timeout_s, NULL, on_done, run);
  while (!run->done)
    g_main_context_iteration (NULL, TRUE);
}

static void
run_clear (Run *run)
{
  g_clear_pointer (&run->message, g_free);
  g_clear_error (&run->error);
}

static void
check (const char *command, const char *input, VmftExecResult result, const char *message)
{
  Run run = { 0 };

  execute (&run, command, input, 30);
  g_assert_true (run.ok);
  g_assert_cmpint (run.result, ==, result);
  g_assert_cmpstr (run.message, ==, message);
  run_clear (&run);
}

static void
test_exit_codes (void)
{
  check ("true", "", VMFT_EXEC_DONE, "the command ended with status 0");
  check ("false", "", VMFT_EXEC_FAILED, "the command ended with status 1");
  check ("sh -c 'exit 75'", "", VMFT_EXEC_AGAIN, "the command ended with status 75");
  check ("sh -c 'kill -9 $$'", "", VMFT_EXEC_FAILED, "the command died of signal 9");
}

static void
test_input_and_output (void)
{
  g_autofree char *large = g_strnfill (300000, 'a');

  check ("cat", "one\ntwo\n", VMFT_EXEC_DONE, "two");
  check ("wc -c", large, VMFT_EXEC_DONE, "300000");
  /* not reading is allowed, and so is printing a lot, or nonsense */
  check ("echo hello", large, VMFT_EXEC_DONE, "hello");
  check ("sh -c 'yes | head -c 300000; echo; echo last'", "", VMFT_EXEC_DONE, "last");
  check ("printf 'a\\tb\\377'", "", VMFT_EXEC_DONE, "a b?");
}

static void
test_timeout (void)
{
  Run run = { 0 };
  gint64 start_us = g_get_monotonic_time ();

  execute (&run, "sleep 30", "", 0.2);
  g_assert_cmpint (run.result, ==, VMFT_EXEC_FAILED);
  g_assert_cmpstr (run.message, ==, "the command took too long");
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 10 * G_USEC_PER_SEC);
  run_clear (&run);
}

/* the command has ended, its child keeps the output open */
static void
test_left_behind (void)
{
  VmftClock *clock = vmft_real_clock_new ();
  gint64 deadline_us = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
  Run run = { 0 };

  g_object_add_weak_pointer (G_OBJECT (clock), (gpointer *) &clock);
  vmft_exec_run_async (clock, "sh -c 'echo done; sleep 1 &'", "", 0.2, NULL, on_done, &run);
  g_object_unref (clock);
  while (!run.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (run.result, ==, VMFT_EXEC_DONE);
  g_assert_cmpstr (run.message, ==, "done");
  run_clear (&run);
  /* once the child is gone, too, nothing is held any more, and nothing is said a second time */
  while (clock != NULL && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (clock);
}

static void
test_not_startable (void)
{
  const char *const bad[] = { "/no/such/command", "'unbalanced", "" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      Run run = { 0 };

      execute (&run, bad[i], "", 1);
      g_assert_false (run.ok);
      g_assert_error (run.error, VMFT_ERROR, VMFT_ERROR_FAILED);
      run_clear (&run);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/exec/exit-codes", test_exit_codes);
  g_test_add_func ("/exec/input-and-output", test_input_and_output);
  g_test_add_func ("/exec/timeout", test_timeout);
  g_test_add_func ("/exec/left-behind", test_left_behind);
  g_test_add_func ("/exec/not-startable", test_not_startable);
  return g_test_run ();
}
