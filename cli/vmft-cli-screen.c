/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include <unistd.h>

#define EVENTS_KEPT 100

/* The alternate screen, without a cursor: what was on the terminal before is there again afterwards. */
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

struct _VmftCliScreen
{
  VmftCli *cli;
  GQueue events; /* of char *, newest first */
  guint columns, rows;
  guint row; /* being written */
  GString *picture;
};

VmftCliScreen *
vmft_cli_screen_new (VmftCli *cli)
{
  VmftCliScreen *self = g_new0 (VmftCliScreen, 1);

  self->cli = cli;
  g_queue_init (&self->events);
  self->picture = g_string_new (NULL);
  g_print (ENTER);
  vmft_cli_screen_draw (self);
  return self;
}

void
vmft_cli_screen_free (VmftCliScreen *self)
{
  g_print (LEAVE);
  g_queue_clear_full (&self->events, g_free);
  g_string_free (self->picture, TRUE);
  g_free (self);
}

void
vmft_cli_screen_add_event (VmftCliScreen *self, const char *time, const char *text)
{
  g_queue_push_head (&self->events, g_strdup_printf ("%s  %s", time, text));
  while (self->events.length > EVENTS_KEPT)
    g_free (g_queue_pop_tail (&self->events));
}

/* --- one line; what does not fit is cut, so that none takes two rows --- */

static void
put_line (VmftCliScreen *self, const char *text, const char *sgr)
{
  g_autofree char *plain = vmft_text_printable (text, -1);
  g_autofree char *cut = g_utf8_substring (plain, 0, MIN (g_utf8_strlen (plain, -1), (glong) self->columns));

  if (self->row + 1 >= self->rows)
    return;
  if (sgr != NULL)
    g_string_append_printf (self->picture, "\033[%sm%s\033[0m\033[K\r\n", sgr, cut);
  else
    g_string_append_printf (self->picture, "%s\033[K\r\n", cut);
  self->row++;
}

static void
put_heading (VmftCliScreen *self, const char *text)
{
  put_line (self, "", NULL);
  put_line (self, text, "1");
}

/* --- the parts of the picture --- */

static void
put_status (VmftCliScreen *self, GVariant *status)
{
  g_autofree char *now = vmft_text_time (g_get_real_time ());
  g_autofree char *text = g_strdup_printf (
      "%s: %s, mode %s, VMs %" G_GINT64_FORMAT ", libvirt %s    %.19s", vmft_cli_text (status, "host"),
      vmft_cli_text (status, "state"), vmft_cli_text (status, "operation"),
      vmft_dict_int64 (status, "vms", 0),
      vmft_dict_boolean (status, "libvirt_connected", FALSE) ? "connected" : "not connected", now);

  put_line (self, text, vmft_cli_state_sgr (vmft_cli_text (status, "state")));
  if (vmft_dict_string (status, "inhibited_because") != NULL)
    {
      g_autofree char *until = vmft_cli_time (status, "inhibited_until_us");
      g_autofree char *inhibited =
          g_strdup_printf ("inhibited until %.19s: %s", until, vmft_cli_text (status, "inhibited_because"));

      put_line (self, inhibited, vmft_cli_state_sgr ("suspected"));
    }
}

static GVariant *
query (VmftCliScreen *self, const char *method, guint limit, gboolean open)
{
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "limit", "u", limit);
  if (open)
    g_variant_dict_insert (&options, "open", "b", TRUE);
  return vmft_cli_query (self->cli, method, NULL, g_variant_dict_end (&options), NULL);
}

static void
put_incidents (VmftCliScreen *self)
{
  g_autoptr (GVariant) list = query (self, "ListIncidents", 10, TRUE);
  g_autoptr (GPtrArray) rows = list ? vmft_cli_rows (list) : NULL;

  put_heading (self, "Open incidents");
  for (guint i = 0; rows != NULL && i < rows->len; i++)
    {
      g_autofree char *text = vmft_cli_describe_event ("incident", rows->pdata[i]);

      put_line (self, text, vmft_cli_state_sgr (vmft_cli_text (rows->pdata[i], "state")));
    }
  if (rows == NULL || rows->len == 0)
    put_line (self, "none", NULL);
}

static gboolean
is_running (GVariant *job)
{
  static const char *const ended[] = { "completed", "failed", "aborted", NULL };

  return !g_strv_contains (ended, vmft_cli_text (job, "state"));
}

static void
put_migrations (VmftCliScreen *self)
{
  g_autoptr (GVariant) list = query (self, "ListMigrations", 100, FALSE);
  g_autoptr (GPtrArray) rows = list ? vmft_cli_rows (list) : NULL;
  int width = 0;
  guint n = 0;

  put_heading (self, "Migrations");
  for (guint i = 0; rows != NULL && i < rows->len; i++)
    if (is_running (rows->pdata[i]))
      width = MAX (width, (int) g_utf8_strlen (vmft_cli_text (rows->pdata[i], "name"), -1));
  for (guint i = rows ? rows->len : 0; i > 0; i--)
    {
      g_autofree char *text = NULL;

      if (!is_running (rows->pdata[i - 1]))
        continue;
      text = vmft_cli_describe_job (rows->pdata[i - 1], width);
      put_line (self, text, NULL);
      n++;
    }
  if (n == 0)
    put_line (self, "none", NULL);
}

static void
put_events (VmftCliScreen *self)
{
  put_heading (self, "Events");
  for (GList *l = self->events.head; l != NULL; l = l->next)
    put_line (self, l->data, NULL);
  if (self->events.head == NULL)
    put_line (self, "none since this was started; Ctrl-C ends it", NULL);
}

void
vmft_cli_screen_draw (VmftCliScreen *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) status = vmft_cli_query (self->cli, "GetStatus", NULL, NULL, &error);

  vmft_cli_terminal_size (&self->columns, &self->rows);
  self->row = 0;
  g_string_assign (self->picture, "\033[H");
  if (status != NULL)
    {
      put_status (self, status);
      put_incidents (self);
      put_migrations (self);
    }
  else
    {
      put_line (self, "vmftd does not answer; waiting for it", vmft_cli_state_sgr ("failed"));
    }
  put_events (self);
  g_string_append (self->picture, "\033[J");
  g_print ("%s", self->picture->str);
}
