/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An order to move VMs, and what came of it for those who wait. */
#include "vmft-cli.h"

#include <string.h>

#define POLL_MS 500
/* a plan that did not work out is followed by another within a second */
#define QUIET_POLLS 5

typedef struct
{
  VmftCli *cli;
  gint64 floor;       /* the newest migration before the order */
  GHashTable *newest; /* VM's UUID -> its newest record since then */
  GHashTable *states; /* migration id -> state said last */
  gboolean drawn;     /* a bar stands on the terminal's current line */
} Order;

static GVariant *
list_migrations (VmftCli *cli, guint limit, GError **error)
{
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "limit", "u", limit);
  return vmft_cli_query (cli, "ListMigrations", NULL, g_variant_dict_end (&options), error);
}

static gboolean
is_over (GVariant *record)
{
  static const char *const over[] = { "completed", "failed", "aborted", NULL };

  return g_strv_contains (over, vmft_cli_text (record, "state"));
}

static gint64
newest_id (GVariant *list)
{
  g_autoptr (GPtrArray) rows = vmft_cli_rows (list);

  return rows->len > 0 ? vmft_dict_int64 (rows->pdata[0], "id", 0) : 0;
}

/* Those since the order, by their numbers: the history may be long. */
static GVariant *
list_since (Order *self, GError **error)
{
  g_autoptr (GVariant) newest = list_migrations (self->cli, 1, error);
  gint64 n;

  if (newest == NULL)
    return NULL;
  n = newest_id (newest) - self->floor;
  return n > 1 ? list_migrations (self->cli, (guint) MIN (n, G_MAXUINT), error) : g_steal_pointer (&newest);
}

/* --- telling --- */

static void
tell_bar (Order *self, GVariant *record)
{
  g_autofree char *text = vmft_cli_describe_job (record, 0);
  g_autofree char *plain = vmft_text_printable (text, -1);
  g_autofree char *cut = NULL;
  guint columns = 80, rows = 24;

  vmft_cli_terminal_size (&columns, &rows);
  cut = g_utf8_substring (plain, 0, MIN (g_utf8_strlen (plain, -1), (glong) columns - 1));
  g_print ("\r%s\033[K", cut);
  self->drawn = TRUE;
}

static void
tell_change (Order *self, GVariant *record)
{
  g_autofree char *text = NULL;

  if (!vmft_cli_is_news (self->states, record))
    return;
  text = vmft_cli_describe_event ("migration", record);
  g_print ("%s%s\n", self->drawn ? "\r\033[K" : "", text);
  self->drawn = FALSE;
}

/* --- waiting --- */

/* Returns: whether something is still under way */
static gboolean
look (Order *self, GVariant *list)
{
  g_autoptr (GPtrArray) rows = vmft_cli_rows (list);
  GVariant *running = NULL;
  gboolean busy = FALSE;

  g_hash_table_remove_all (self->newest);
  for (guint i = rows->len; i > 0; i--) /* oldest first */
    {
      GVariant *row = rows->pdata[i - 1];

      if (vmft_dict_int64 (row, "id", 0) <= self->floor)
        continue;
      g_hash_table_replace (self->newest, g_strdup (vmft_cli_text (row, "uuid")), g_variant_ref (row));
      busy |= !is_over (row);
      if (!is_over (row) && (running == NULL || vmft_dict_double (row, "progress", 0.0) > 0.0))
        running = row;
      if (!self->cli->json)
        tell_change (self, row);
    }
  if (running != NULL && !self->cli->json && vmft_cli_is_terminal ())
    tell_bar (self, running);
  return busy;
}

static gboolean
wait_until_quiet (Order *self, GError **error)
{
  for (guint quiet = 0; quiet < QUIET_POLLS; g_usleep (POLL_MS * 1000))
    {
      g_autoptr (GVariant) list = list_since (self, error);

      if (list == NULL)
        return FALSE;
      quiet = look (self, list) ? 0 : quiet + 1;
    }
  return TRUE;
}

/* --- what came of it --- */

/* Whether a VM that the plan refuses runs here and has not been told to stay. */
static gboolean
was_to_leave (GPtrArray *vms, const char *uuid)
{
  for (guint i = 0; i < vms->len; i++)
    if (strcmp (vmft_cli_text (vms->pdata[i], "uuid"), uuid) == 0)
      return vmft_dict_boolean (vms->pdata[i], "running", TRUE) &&
             !vmft_dict_boolean (vms->pdata[i], "off", FALSE);
  return FALSE;
}

static void
print_stays (GVariant *vm, const char *why)
{
  g_autofree char *text = g_strdup_printf ("%s stays: %s", vmft_cli_text (vm, "name"), why);
  g_autofree char *plain = vmft_text_printable (text, -1);

  g_printerr ("vmftctl: %s\n", plain);
}

/* Returns: whether every VM that was to leave has left */
static gboolean
print_stayed (Order *self, GVariant *plan, GVariant *list)
{
  g_autoptr (GPtrArray) steps = vmft_cli_children (plan, "steps");
  g_autoptr (GPtrArray) refusals = vmft_cli_children (plan, "refusals");
  g_autoptr (GPtrArray) vms = vmft_cli_rows (list);
  gboolean all = TRUE;

  for (guint i = 0; i < steps->len; i++)
    {
      GVariant *record = g_hash_table_lookup (self->newest, vmft_cli_text (steps->pdata[i], "uuid"));

      if (record != NULL && strcmp (vmft_cli_text (record, "state"), "completed") == 0)
        continue;
      print_stays (steps->pdata[i], record ? vmft_cli_text (record, "message") : "nothing was tried");
      all = FALSE;
    }
  for (guint i = 0; i < refusals->len; i++)
    if (was_to_leave (vms, vmft_cli_text (refusals->pdata[i], "uuid")))
      {
        print_stays (refusals->pdata[i], vmft_cli_text (refusals->pdata[i], "reason"));
        all = FALSE;
      }
  return all;
}

static void
print_json (Order *self, GVariant *plan)
{
  GVariantBuilder records;
  GHashTableIter iter;
  gpointer record;
  GVariantDict dict;
  g_autoptr (GVariant) whole = NULL;

  g_variant_builder_init (&records, G_VARIANT_TYPE ("aa{sv}"));
  g_hash_table_iter_init (&iter, self->newest);
  while (g_hash_table_iter_next (&iter, NULL, &record))
    g_variant_builder_add_value (&records, record);
  g_variant_dict_init (&dict, plan);
  g_variant_dict_insert_value (&dict, "migrations", g_variant_builder_end (&records));
  whole = g_variant_ref_sink (g_variant_dict_end (&dict));
  vmft_cli_print_json (whole);
}

static VmftExit
follow (Order *self, const char *method, GVariant *arguments, GVariant *options, VmftCliPrint print)
{
  g_autoptr (GVariant) owned_arguments = arguments ? g_variant_ref_sink (arguments) : NULL;
  g_autoptr (GVariant) owned_options = g_variant_ref_sink (options);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) before = NULL;
  g_autoptr (GVariant) plan = NULL;
  g_autoptr (GVariant) vms = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_connect (self->cli, &exit))
    return exit;
  before = list_migrations (self->cli, 1, &error);
  if (before == NULL)
    return vmft_cli_fail (self->cli, error);
  self->floor = newest_id (before);
  plan = vmft_cli_call (self->cli, method, owned_arguments, owned_options, &exit);
  if (plan == NULL)
    return exit;
  if (!self->cli->json)
    print (plan);
  if (!wait_until_quiet (self, &error))
    return vmft_cli_fail (self->cli, error);
  vms = vmft_cli_query (self->cli, "ListVMs", NULL, NULL, &error);
  if (vms == NULL)
    return vmft_cli_fail (self->cli, error);
  if (self->cli->json)
    print_json (self, plan);
  return print_stayed (self, plan, vms) ? VMFT_EXIT_OK : VMFT_EXIT_FAILED;
}

VmftExit
vmft_cli_order (VmftCli *cli,
                const char *method,
                GVariant *arguments,
                GVariant *options,
                gboolean wait,
                VmftCliPrint print)
{
  g_autoptr (GHashTable) newest =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  g_autoptr (GHashTable) states = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  Order self = { .cli = cli, .newest = newest, .states = states };

  if (!wait)
    return vmft_cli_show (cli, method, arguments, options, print);
  return follow (&self, method, arguments, options, print);
}
