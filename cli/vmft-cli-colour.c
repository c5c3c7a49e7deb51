/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a terminal can show and a file need not: colours, and how wide a line may be. */
#include "vmft-cli.h"

#include <sys/ioctl.h>
#include <unistd.h>

static const struct
{
  const char *sgr;
  const char *const states[10];
} colours[] = {
  { "1;31", { "confirmed", "failed", "not connected (retrying)", NULL } },
  { "33",
    { "suspected", "incident", "evacuating", "recovering", "switching", "aborted", "learning", "migrating",
      NULL } },
  { "32", { "completed", "watching", "connected", "running", "post-copy", NULL } },
  { "2", { "cleared", "not running", NULL } },
};

gboolean
vmft_cli_is_terminal (void)
{
  return isatty (STDOUT_FILENO) && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
}

/* https://no-color.org: any value but the empty one */
static gboolean
may_colour (void)
{
  const char *refused = g_getenv ("NO_COLOR");

  return vmft_cli_is_terminal () && (refused == NULL || *refused == '\0');
}

const char *
vmft_cli_state_sgr (const char *state)
{
  for (guint i = 0; may_colour () && i < G_N_ELEMENTS (colours); i++)
    if (g_strv_contains (colours[i].states, state))
      return colours[i].sgr;
  return NULL;
}

char *
vmft_cli_paint (const char *text)
{
  const char *sgr = vmft_cli_state_sgr (text);

  return sgr ? g_strdup_printf ("\033[%sm%s\033[0m", sgr, text) : g_strdup (text);
}

void
vmft_cli_add_state (VmftTable *table, const char *state)
{
  vmft_table_add_printf (table, "%s", state);
  vmft_table_paint (table, vmft_cli_state_sgr (state));
}

void
vmft_cli_terminal_size (guint *columns, guint *rows)
{
  struct winsize size = { 0 };

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
    size = (struct winsize){ 0 };
  *columns = size.ws_col > 0 ? size.ws_col : 80;
  *rows = size.ws_row > 0 ? size.ws_row : 24;
}
