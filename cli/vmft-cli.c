/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include <math.h>

#define BUS_NAME     "org.vmft1"
#define MANAGER_PATH "/org/vmft1"
#define MANAGER      "org.vmft1.Manager"
#define TIMEOUT_MS   30000

gboolean
vmft_cli_parse (VmftCli *cli,
                const GOptionEntry *entries,
                int *argc,
                char ***argv,
                int min,
                int max,
                VmftExit *exit)
{
  const GOptionEntry common[] = { { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, "Print JSON", NULL },
                                  { NULL } };
  g_autofree char *summary = g_strdup_printf ("%s.", cli->verb->summary);
  g_autoptr (GOptionContext) context = g_option_context_new (cli->verb->arguments);
  g_autoptr (GError) error = NULL;
  g_autofree char *program = g_strdup_printf ("vmftctl %s", cli->verb->name);

  g_set_prgname (program);
  g_option_context_set_summary (context, summary);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, common, NULL);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      *exit = vmft_cli_usage (cli, "%s", error->message);
      return FALSE;
    }
  if (*argc - 1 < min || *argc - 1 > max)
    {
      *exit = *argc - 1 < min ? vmft_cli_usage (cli, "an argument is missing")
                              : vmft_cli_usage (cli, "“%s” is one argument too many", (*argv)[max + 1]);
      return FALSE;
    }
  /* they go over the bus and into JSON, which take nothing else */
  for (int i = 1; i < *argc; i++)
    if (!g_utf8_validate ((*argv)[i], -1, NULL))
      {
        *exit = vmft_cli_usage (cli, "argument %d is not UTF-8", i);
        return FALSE;
      }
  return TRUE;
}

VmftExit
vmft_cli_usage (VmftCli *cli, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("vmftctl %s: %s (usage: vmftctl %s [OPTION…]%s%s)\n", cli->verb->name, text, cli->verb->name,
              *cli->verb->arguments ? " " : "", cli->verb->arguments);
  return VMFT_EXIT_USAGE;
}

static VmftExit
exit_for (const GError *error)
{
  if (g_error_matches (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND))
    return VMFT_EXIT_NOT_FOUND;
  if (g_error_matches (error, VMFT_ERROR, VMFT_ERROR_INVALID) ||
      g_error_matches (error, VMFT_ERROR, VMFT_ERROR_CONFIG))
    return VMFT_EXIT_USAGE;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED))
    return VMFT_EXIT_DENIED;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED))
    return VMFT_EXIT_UNREACHABLE;
  return VMFT_EXIT_FAILED;
}

VmftExit
vmft_cli_fail (VmftCli *cli, const GError *error)
{
  g_autoptr (GError) plain = g_error_copy (error);
  VmftExit exit = exit_for (error);
  g_autofree char *text = NULL;

  g_dbus_error_strip_remote_error (plain);
  text = vmft_text_printable (plain->message, -1);
  if (exit == VMFT_EXIT_UNREACHABLE)
    g_printerr ("vmftctl: vmftd cannot be reached: %s (is vmftd running?)\n", text);
  else
    g_printerr ("vmftctl %s: %s\n", cli->verb->name, text);
  return exit;
}

gboolean
vmft_cli_connect (VmftCli *cli, VmftExit *exit)
{
  g_autoptr (GError) error = NULL;

  /* registers the domain, so that the daemon's errors come back as what they are */
  vmft_error_quark ();
  if (cli->bus == NULL)
    cli->bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  if (cli->bus != NULL)
    return TRUE;
  g_printerr ("vmftctl: the system bus cannot be reached: %s\n", error->message);
  *exit = VMFT_EXIT_UNREACHABLE;
  return FALSE;
}

/* Every method takes its options last. */
static GVariant *
with_options (GVariant *arguments, GVariant *options)
{
  g_autoptr (GVariant) held = arguments ? g_variant_ref_sink (arguments) : NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_TUPLE);
  for (gsize i = 0; held != NULL && i < g_variant_n_children (held); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (held, i);

      g_variant_builder_add_value (&builder, child);
    }
  g_variant_builder_add_value (&builder, options ? options : g_variant_new ("a{sv}", NULL));
  return g_variant_builder_end (&builder);
}

static GVariant *
call (VmftCli *cli,
      const char *path,
      const char *interface,
      const char *method,
      GVariant *arguments,
      GError **error)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      cli->bus, BUS_NAME, path, interface, method, arguments, NULL,
      G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, TIMEOUT_MS, NULL, error);

  if (reply == NULL)
    return NULL;
  return g_variant_n_children (reply) > 0 ? g_variant_get_child_value (reply, 0) : g_steal_pointer (&reply);
}

GVariant *
vmft_cli_query_at (VmftCli *cli,
                   const char *path,
                   const char *interface,
                   const char *method,
                   GVariant *arguments,
                   GVariant *options,
                   GError **error)
{
  return call (cli, path, interface, method, with_options (arguments, options), error);
}

GVariant *
vmft_cli_query (VmftCli *cli, const char *method, GVariant *arguments, GVariant *options, GError **error)
{
  return vmft_cli_query_at (cli, MANAGER_PATH, MANAGER, method, arguments, options, error);
}

GVariant *
vmft_cli_call_at (VmftCli *cli,
                  const char *path,
                  const char *interface,
                  const char *method,
                  GVariant *arguments,
                  GVariant *options,
                  VmftExit *exit)
{
  g_autoptr (GVariant) tuple = g_variant_ref_sink (with_options (arguments, options));
  g_autoptr (GError) error = NULL;
  GVariant *answer;

  if (!vmft_cli_connect (cli, exit))
    return NULL;
  answer = call (cli, path, interface, method, tuple, &error);
  if (answer == NULL)
    *exit = vmft_cli_fail (cli, error);
  return answer;
}

GVariant *
vmft_cli_call (VmftCli *cli, const char *method, GVariant *arguments, GVariant *options, VmftExit *exit)
{
  return vmft_cli_call_at (cli, MANAGER_PATH, MANAGER, method, arguments, options, exit);
}

VmftExit
vmft_cli_show (VmftCli *cli, const char *method, GVariant *arguments, GVariant *options, VmftCliPrint print)
{
  VmftExit exit = VMFT_EXIT_OK;
  g_autoptr (GVariant) answer = vmft_cli_call (cli, method, arguments, options, &exit);

  if (answer == NULL)
    return exit;
  if (cli->json)
    vmft_cli_print_json (answer);
  else
    print (answer);
  return VMFT_EXIT_OK;
}

VmftExit
vmft_cli_list (VmftCli *cli,
               int argc,
               char **argv,
               const char *method,
               VmftCliListing listing,
               VmftCliPrint print)
{
  int limit = 50;
  gint64 incident = 0;
  gboolean open = FALSE;
  const GOptionEntry of_incident = { "incident",        'i', 0, G_OPTION_ARG_INT64, &incident,
                                     "Of one incident", "ID" };
  const GOptionEntry only_open = {
    "open", 'o', 0, G_OPTION_ARG_NONE, &open, "Only those that are not cleared", NULL
  };
  const GOptionEntry entries[] = {
    { "limit", 'n', 0, G_OPTION_ARG_INT, &limit, "The newest N (0: all)", "N" },
    listing == VMFT_CLI_LIST_OPEN ? only_open : of_incident,
    { NULL },
  };
  GVariantDict options;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 0, 0, &exit))
    return exit;
  if (limit < 0 || incident < 0)
    return vmft_cli_usage (cli, "a number must not be negative");
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "limit", "u", (guint) limit);
  if (incident > 0)
    g_variant_dict_insert (&options, "incident", "t", (guint64) incident);
  if (open)
    g_variant_dict_insert (&options, "open", "b", open);
  return vmft_cli_show (cli, method, NULL, g_variant_dict_end (&options), print);
}

void
vmft_cli_print_json (GVariant *value)
{
  g_autofree char *text = vmft_json_from_variant (value, TRUE);

  g_print ("%s\n", text);
}

VmftExit
vmft_cli_done (VmftCli *cli, const char *format, ...)
{
  g_autoptr (GVariant) done = NULL;
  va_list args;

  va_start (args, format);
  done = g_variant_ref_sink (g_variant_new_parsed_va (format, &args));
  va_end (args);
  if (cli->json)
    vmft_cli_print_json (done);
  return VMFT_EXIT_OK;
}

void
vmft_cli_print_table (VmftTable *table)
{
  g_autofree char *text = vmft_table_to_string (table);

  g_print ("%s\n", text);
}

guint64
vmft_cli_parse_id (VmftCli *cli, const char *text)
{
  guint64 id = 0;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT64, &id, NULL))
    {
      vmft_cli_usage (cli, "“%s” is not an id", text);
      return 0;
    }
  return id;
}

const char *
vmft_cli_text (GVariant *record, const char *key)
{
  const char *text = vmft_dict_string (record, key);

  return text && *text ? text : "-";
}

const char *
vmft_cli_mode (GVariant *record)
{
  gboolean save = vmft_dict_boolean (record, "save", FALSE) ||
                  g_strcmp0 (vmft_dict_string (record, "action"), "save") == 0;

  return save ? "save" : vmft_cli_text (record, "mode");
}

char *
vmft_cli_way (GVariant *record)
{
  const char *mode = vmft_cli_mode (record);

  return strcmp (mode, "save") == 0
             ? g_strdup (mode)
             : g_strdup_printf ("%s to %s", mode, vmft_cli_text (record, "destination"));
}

char *
vmft_cli_duration (GVariant *record, const char *key)
{
  double seconds = vmft_dict_double (record, key, NAN);

  return isnan (seconds) ? g_strdup ("-") : vmft_text_duration (seconds);
}

char *
vmft_cli_time (GVariant *record, const char *key)
{
  return vmft_text_time (vmft_dict_int64 (record, key, VMFT_TIME_UNKNOWN));
}

char *
vmft_cli_bytes (GVariant *record, const char *key)
{
  double bytes = vmft_dict_double (record, key, NAN);

  return isfinite (bytes) ? vmft_text_bytes (bytes) : g_strdup ("-");
}

GPtrArray *
vmft_cli_rows (GVariant *list)
{
  GPtrArray *rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (gsize i = 0; g_variant_is_container (list) && i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (list, i);

      while (g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT))
        {
          GVariant *inner = g_variant_get_variant (child);

          g_variant_unref (child);
          child = inner;
        }
      if (g_variant_is_of_type (child, G_VARIANT_TYPE_VARDICT))
        g_ptr_array_add (rows, g_steal_pointer (&child));
    }
  return rows;
}

GPtrArray *
vmft_cli_children (GVariant *record, const char *key)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (record, key, NULL);

  return list ? vmft_cli_rows (list) : g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
}
