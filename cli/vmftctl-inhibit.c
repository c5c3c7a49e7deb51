/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-cli.h"

/* "2026-11-23T18:00:00Z", a local time without zone, or how long from now ("2h"). */
static gboolean
parse_until (const char *text, VmftTime *until_us)
{
  g_autoptr (GTimeZone) local = g_time_zone_new_local ();
  g_autoptr (GDateTime) moment = g_date_time_new_from_iso8601 (text, local);
  double seconds = 0.0;

  if (moment != NULL)
    {
      *until_us = g_date_time_to_unix (moment) * G_USEC_PER_SEC;
      return TRUE;
    }
  if (!vmft_text_parse_duration (text, &seconds, NULL))
    return FALSE;
  *until_us = vmft_time_add_s (g_get_real_time (), seconds);
  return TRUE;
}

VmftExit
vmft_verb_inhibit (VmftCli *cli, int argc, char **argv)
{
  g_autofree char *until = NULL, *why = NULL;
  gboolean end = FALSE;
  const GOptionEntry entries[] = {
    { "until", 0, 0, G_OPTION_ARG_STRING, &until, "Until TIME (ISO 8601), or for so long (2h)", "TIME" },
    { "why", 0, 0, G_OPTION_ARG_STRING, &why, "For the record", "TEXT" },
    { "end", 0, 0, G_OPTION_ARG_NONE, &end, "End an inhibition", NULL },
    { NULL },
  };
  g_autoptr (GVariant) reply = NULL;
  VmftTime until_us = 0;
  VmftExit exit = VMFT_EXIT_OK;

  if (!vmft_cli_parse (cli, entries, &argc, &argv, 0, 0, &exit))
    return exit;
  if (end ? (until || why) : (!until || !why))
    return vmft_cli_usage (cli, "say --until TIME and --why TEXT, or --end");
  if (!end && !parse_until (until, &until_us))
    return vmft_cli_usage (cli, "“%s” is neither a time nor a duration", until);
  reply =
      vmft_cli_call (cli, "Inhibit", g_variant_new ("(xs)", (gint64) until_us, why ? why : ""), NULL, &exit);
  return reply ? vmft_cli_done (cli, "{'until_us': <%x>, 'why': <%s>}", (gint64) until_us, why ? why : "")
               : exit;
}
