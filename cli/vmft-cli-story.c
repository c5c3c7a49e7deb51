/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One incident from its first line to its last migration, for people: shared by why and replay. */
#include "vmft-cli.h"

#define MAX_LINES 12

static void
print_incident (GVariant *incident)
{
  g_autofree char *first = vmft_cli_time (incident, "first_us");
  g_autofree char *confirmed = vmft_cli_time (incident, "confirmed_us");
  g_autofree char *state = vmft_cli_paint (vmft_cli_text (incident, "state"));

  g_print ("%-12s %" G_GINT64_FORMAT ", %s, class %s, locus %s%s\n",
           "Incident:", vmft_dict_int64 (incident, "id", 0), state, vmft_cli_text (incident, "class"),
           vmft_cli_text (incident, "locus"),
           vmft_dict_boolean (incident, "drill", FALSE) ? ", a drill" : "");
  g_print ("%-12s first alarm %s, evidence complete %s, %" G_GINT64_FORMAT " alarms of %" G_GINT64_FORMAT
           " templates, %s\n",
           "Evidence:", first, confirmed, vmft_dict_int64 (incident, "alarms", 0),
           vmft_dict_int64 (incident, "templates", 0),
           vmft_dict_boolean (incident, "trusted", FALSE) ? "from a trusted source"
                                                          : "from no trusted source");
  if (vmft_dict_string (incident, "no_plan") != NULL)
    g_print ("%-12s none: %s\n", "Plan:", vmft_cli_text (incident, "no_plan"));
}

static void
print_lines (GPtrArray *alarms)
{
  const char *last = NULL;

  /* the list comes newest first; a story starts at its beginning */
  for (guint i = alarms->len, shown = 0; i > 0 && shown < MAX_LINES; i--, shown++)
    {
      GVariant *alarm = alarms->pdata[i - 1];
      g_autofree char *time = vmft_cli_time (alarm, "time_us");

      g_print ("  %s  p %.3f  %s\n", time, vmft_dict_double (alarm, "p", 0.0), vmft_cli_text (alarm, "line"));
      if (g_strcmp0 (last, vmft_cli_text (alarm, "template")) != 0)
        g_print ("  %23s  template “%s”, family %s, locus %s\n", "", vmft_cli_text (alarm, "template"),
                 vmft_cli_text (alarm, "family"), vmft_cli_text (alarm, "locus"));
      last = vmft_cli_text (alarm, "template");
    }
  if (alarms->len > MAX_LINES)
    g_print ("  … and %u more (vmftctl alarms --incident ID)\n", alarms->len - MAX_LINES);
}

static void
print_outcome (GVariant *job)
{
  g_autofree char *forecast = vmft_cli_duration (job, "forecast_p50_s");
  g_autofree char *late = vmft_cli_duration (job, "forecast_p90_s");
  g_autofree char *actual = vmft_cli_duration (job, "total_s");
  g_autofree char *downtime = vmft_cli_duration (job, "downtime_s");
  g_autofree char *way = vmft_cli_way (job);

  g_print (" %s: %s %s after %s (forecast %s, p90 %s), downtime %s%s%s\n", vmft_cli_text (job, "name"), way,
           vmft_cli_text (job, "state"), actual, forecast, late, downtime,
           vmft_dict_string (job, "message") ? ": " : "",
           vmft_dict_string (job, "message") ? vmft_cli_text (job, "message") : "");
}

void
vmft_cli_print_story (GVariant *story)
{
  g_autoptr (GVariant) incident = g_variant_lookup_value (story, "incident", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GPtrArray) alarms = vmft_cli_children (story, "alarms");
  g_autoptr (GPtrArray) plans = vmft_cli_children (story, "plans");
  g_autoptr (GPtrArray) migrations = vmft_cli_children (story, "migrations");

  if (incident != NULL)
    print_incident (incident);
  print_lines (alarms);
  for (guint i = plans->len; i > 0; i--)
    {
      GVariant *plan = plans->pdata[i - 1];
      g_autofree char *reaction = vmft_cli_duration (plan, "evidence_to_call_s");

      g_print ("\n");
      vmft_cli_print_plan (plan, TRUE);
      if (*reaction != '-')
        g_print ("%-12s %s from the line that completed the evidence to the first migrate call\n",
                 "Reaction:", reaction);
    }
  if (migrations->len > 0)
    g_print ("\nMigrations:\n");
  for (guint i = migrations->len; i > 0; i--)
    print_outcome (migrations->pdata[i - 1]);
}
