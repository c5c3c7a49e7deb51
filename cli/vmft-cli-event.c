/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens, in a line each: for watch. */
#include "vmft-cli.h"

#include <math.h>
#include <string.h>

char *
vmft_cli_bar (double share, guint width)
{
  gboolean utf8 = g_get_charset (NULL);
  guint full = (guint) (CLAMP (share, 0.0, 1.0) * width + 0.5);
  GString *bar = g_string_new ("[");

  for (guint i = 0; i < width; i++)
    g_string_append (bar, i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "-"));
  return g_string_free (g_string_append_c (bar, ']'), FALSE);
}

gboolean
vmft_cli_is_news (GHashTable *states, GVariant *migration)
{
  gint64 id = vmft_dict_int64 (migration, "id", 0);
  const char *state = vmft_cli_text (migration, "state");

  if (g_strcmp0 (g_hash_table_lookup (states, &id), state) == 0)
    return FALSE;
  g_hash_table_insert (states, g_memdup2 (&id, sizeof id), g_strdup (state));
  return TRUE;
}

char *
vmft_cli_describe_job (GVariant *job, int name_width)
{
  g_autofree char *bar = vmft_cli_bar (vmft_dict_double (job, "progress", 0.0), 20);
  g_autofree char *left = vmft_cli_duration (job, "remaining_s");
  g_autofree char *forecast = vmft_cli_duration (job, "forecast_p50_s");
  g_autofree char *late = vmft_cli_duration (job, "forecast_p90_s");
  g_autofree char *way = vmft_cli_way (job);
  gboolean known = vmft_dict_double (job, "remaining_s", -1.0) >= 0.0;
  const char *name = vmft_cli_text (job, "name");
  int gap = MAX (name_width - (int) g_utf8_strlen (name, -1), 0);

  return g_strdup_printf ("%s%*s  %s %3.0f%%  %s left, forecast %s (p90 %s)  %s, %s", name, gap, "", bar,
                          100.0 * vmft_dict_double (job, "progress", 0.0), known ? left : "?", forecast, late,
                          way, vmft_cli_text (job, "state"));
}

static char *
describe_incident (GVariant *record)
{
  return g_strdup_printf ("incident %" G_GINT64_FORMAT " %s: %s on %s, %" G_GINT64_FORMAT " alarms%s: %s",
                          vmft_dict_int64 (record, "id", 0), vmft_cli_text (record, "state"),
                          vmft_cli_text (record, "class"), vmft_cli_text (record, "locus"),
                          vmft_dict_int64 (record, "alarms", 0),
                          vmft_dict_boolean (record, "drill", FALSE) ? ", a drill" : "",
                          vmft_dict_string (record, "family") ? vmft_cli_text (record, "family")
                                                              : vmft_cli_text (record, "template"));
}

static char *
describe_plan (GVariant *record)
{
  const char *guard = vmft_cli_text (record, "guard");
  g_autoptr (GPtrArray) steps = vmft_cli_children (record, "steps");

  return g_strdup_printf ("plan %" G_GINT64_FORMAT " for incident %" G_GINT64_FORMAT
                          ": %s%s%s, %u to leave: %s",
                          vmft_dict_int64 (record, "id", 0), vmft_dict_int64 (record, "incident_id", 0),
                          vmft_cli_text (record, "verdict"), *guard != '-' ? ", held back: " : "",
                          *guard != '-' ? guard : "", steps->len, vmft_cli_text (record, "reason"));
}

static char *
describe_migration (GVariant *record)
{
  g_autofree char *took = vmft_cli_duration (record, "total_s");
  g_autofree char *forecast = vmft_cli_duration (record, "forecast_p50_s");
  g_autofree char *way = vmft_cli_way (record);
  const char *message = vmft_cli_text (record, "message");
  gboolean ended = isfinite (vmft_dict_double (record, "total_s", NAN));

  return g_strdup_printf ("migration %" G_GINT64_FORMAT " of %s: %s %s%s%s, forecast %s%s%s",
                          vmft_dict_int64 (record, "id", 0), vmft_cli_text (record, "name"), way,
                          vmft_cli_text (record, "state"), ended ? " after " : "", ended ? took : "",
                          forecast, *message != '-' ? ": " : "", *message != '-' ? message : "");
}

char *
vmft_cli_describe_event (const char *event, GVariant *record)
{
  g_autofree char *text = NULL;

  if (strcmp (event, "incident") == 0)
    text = describe_incident (record);
  else if (strcmp (event, "plan") == 0)
    text = describe_plan (record);
  else if (strcmp (event, "migration") == 0)
    text = describe_migration (record);
  else if (strcmp (event, "alarm") == 0)
    text = g_strdup_printf ("alarm p %.3f, %s on %s: %s", vmft_dict_double (record, "p", 0.0),
                            vmft_cli_text (record, "class"), vmft_cli_text (record, "locus"),
                            vmft_cli_text (record, "line"));
  else
    text = g_strdup_printf (
        "vmftd %s", vmft_dict_boolean (record, "running", FALSE) ? "is there" : "is gone; waiting for it");
  return vmft_text_printable (text, -1);
}
