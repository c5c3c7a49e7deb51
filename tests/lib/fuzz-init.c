/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every fuzz target begins with: what GLib calls critical is found as a crash is, and its input kept. */
#include <glib.h>
#include <signal.h>
#include <stdlib.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);

static void
on_trap (int signal_number)
{
  abort ();
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  signal (SIGTRAP, on_trap); /* GLib's way out, which libFuzzer does not watch */
  return 0;
}
