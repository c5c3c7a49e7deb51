/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

#include <string.h>

#define MAX_CHANGES 16

/* What of a VM's record is its policy. */
static const char *const members[] = {
  "name", "uuid", "priority", "allowed_modes", "max_downtime_ms", "off"
};

static GVariant *
policy_of (GVariant *vm)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (vm, members[i], NULL);

      if (value != NULL)
        g_variant_dict_insert_value (&dict, members[i], value);
    }
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
print_policy (GVariant *policy)
{
  gint64 downtime_ms = vmft_dict_int64 (policy, "max_downtime_ms", 0);
  g_autofree char *downtime = g_strdup_printf ("%" G_GINT64_FORMAT " ms", downtime_ms);

  g_print ("%-14s %s (%s)\n", "VM:", vmft_cli_text (policy, "name"), vmft_cli_text (policy, "uuid"));
  g_print ("%-14s %" G_GINT64_FORMAT "\n", "Priority:", vmft_dict_int64 (policy, "priority", 0));
  g_print ("%-14s %s\n", "Modes:", vmft_cli_text (policy, "allowed_modes"));
  g_print ("%-14s %s\n", "Max downtime:", downtime_ms > 0 ? downtime : "the daemon's");
  g_print ("%-14s %s\n", "Off:", vmft_dict_boolean (policy, "off", FALSE) ? "yes" : "no");
}

/* --- KEY=VALUE --- */

/* Each returns what is wrong with @value (transfer full), or NULL when it went into @changes. */

static char *
set_priority (GVariantDict *changes, const char *value)
{
  guint64 number = 0;

  if (!g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT32, &number, NULL))
    return g_strdup_printf ("“%s” is not a number", value);
  g_variant_dict_insert (changes, "priority", "u", (guint) number);
  return NULL;
}

static char *
set_modes (GVariantDict *changes, const char *value)
{
  g_variant_dict_insert (changes, "modes", "s", value);
  return NULL;
}

static char *
set_max_downtime (GVariantDict *changes, const char *value)
{
  g_autoptr (GError) error = NULL;
  double seconds = 0.0;

  if (!vmft_text_parse_duration (value, &seconds, &error))
    return g_strdup (error->message);
  g_variant_dict_insert (changes, "max-downtime-ms", "u", (guint) CLAMP (seconds * 1000.0 + 0.5, 0.0, 4e9));
  return NULL;
}

static char *
set_off (GVariantDict *changes, const char *value)
{
  gboolean yes = strcmp (value, "yes") == 0;

  if (!yes && strcmp (value, "no") != 0)
    return g_strdup_printf ("“%s” is neither yes nor no", value);
  g_variant_dict_insert (changes, "off", "b", yes);
  return NULL;
}

static const struct
{
  const char *name;   /* on the command line */
  const char *option; /* of SetPolicy() */
  char *(*set) (GVariantDict *changes, const char *value);
} keys[] = {
  { "priority", "priority", set_priority },
  { "modes", "modes", set_modes },
  { "max-downtime", "max-downtime-ms", set_max_downtime },
  { "off", "off", set_off },
};

/* Returns: (transfer full) (nullable): what is wrong with "KEY=VALUE". "KEY=" goes into @reset. */
static char *
add_change (GVariantDict *changes, GStrvBuilder *reset, const char *text)
{
  const char *value = strchr (text, '=');
  g_autofree char *name = value ? g_strndup (text, (gsize) (value - text)) : NULL;

  if (value == NULL)
    return g_strdup_printf ("“%s” is not KEY=VALUE", text);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *problem = NULL;

      if (strcmp (keys[i].name, name) != 0)
        continue;
      if (value[1] == '\0')
        {
          g_strv_builder_add (reset, keys[i].option);
          return NULL;
        }
      problem = keys[i].set (changes, value + 1);
      return problem ? g_strdup_printf ("%s: %s", name, problem) : NULL;
    }
  return g_strdup_printf ("“%s” is none of priority, modes, max-downtime and off", name);
}

/* Returns: (transfer floating) (nullable): options of SetPolicy(); NULL with usage printed. */
static GVariant *
read_changes (VmftCli *cli, int argc, char **argv)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) reset = NULL;
  GVariantDict changes;

  g_variant_dict_init (&changes, NULL);
  for (int i = 2; i < argc; i++)
    {
      g_autofree char *problem = add_change (&changes, builder, argv[i]);

      if (problem == NULL)
        continue;
      g_variant_dict_clear (&changes);
      vmft_cli_usage (cli, "%s", problem);
      return NULL;
    }
  reset = g_strv_builder_end (builder);
  g_variant_dict_insert (&changes, "reset", "^as", reset);
  return g_variant_dict_end (&changes);
}

VmftExit
vmft_verb_policy (VmftCli *cli, int argc, char **argv)
{
  g_autoptr (GVariant) vm = NULL;
  g_autoptr (GVariant) policy = NULL;
  GVariant *changes = NULL;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, NULL, &argc, &argv, 1, 1 + MAX_CHANGES, &exit))
    return exit;
  if (argc > 2)
    {
      changes = read_changes (cli, argc, argv);
      if (changes == NULL)
        return VMFT_EXIT_USAGE;
    }
  vm = vmft_cli_call (cli, changes ? "SetPolicy" : "GetVM", g_variant_new ("(s)", argv[1]), changes, &exit);
  if (vm == NULL)
    return exit;
  policy = policy_of (vm);
  if (cli->json)
    vmft_cli_print_json (policy);
  else
    print_policy (policy);
  return VMFT_EXIT_OK;
}
