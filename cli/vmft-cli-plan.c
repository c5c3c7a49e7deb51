/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans and estimates for people: shared by the verbs that show them. */
#include "vmft-cli.h"

#include <math.h>

void
vmft_cli_print_estimates (GPtrArray *estimates, const char *indent)
{
  static const char *const headings[] = { "Mode",      "Time",  "p90", "Downtime", "Data",
                                          "Converges", "a*s+b", "",    NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  for (guint i = 0; i < estimates->len; i++)
    {
      GVariant *estimate = estimates->pdata[i];
      gboolean possible = vmft_dict_boolean (estimate, "possible", TRUE);
      g_autofree char *p50 = vmft_cli_duration (estimate, "total_p50_s");
      g_autofree char *p90 = vmft_cli_duration (estimate, "total_p90_s");
      g_autofree char *downtime = vmft_cli_duration (estimate, "downtime_p50_s");
      g_autofree char *bytes = vmft_cli_bytes (estimate, "bytes");
      g_autofree char *linear = vmft_cli_duration (estimate, "linear_s");

      vmft_table_add_printf (table, "%s", vmft_cli_text (estimate, "mode"));
      vmft_table_add_printf (table, "%s", p50);
      vmft_table_add_printf (table, "%s", p90);
      vmft_table_add_printf (table, "%s", downtime);
      vmft_table_add_printf (table, "%s", bytes);
      vmft_table_add_printf (table, "%.0f%%", 100.0 * vmft_dict_double (estimate, "p_converge", 0.0));
      vmft_table_add_printf (table, "%s", linear);
      vmft_table_add_printf (table, "%s", possible ? "" : vmft_cli_text (estimate, "reason"));
    }
  text = vmft_table_to_string (table);
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++)
    g_print ("%s%s\n", indent, lines[i]);
}

static void
print_steps (GPtrArray *steps)
{
  static const char *const headings[] = { "VM", "Mode", "To", "Start", "Finish", "p90", "In time", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autofree char *text = NULL;

  for (guint i = 0; i < steps->len; i++)
    {
      GVariant *step = steps->pdata[i];
      g_autofree char *start = vmft_cli_duration (step, "start_p50_s");
      g_autofree char *finish = vmft_cli_duration (step, "finish_p50_s");
      g_autofree char *late = vmft_cli_duration (step, "finish_p90_s");

      vmft_table_add_printf (table, "%s", vmft_cli_text (step, "name"));
      vmft_table_add_printf (table, "%s", vmft_cli_mode (step));
      vmft_table_add_printf (table, "%s", vmft_cli_text (step, "destination"));
      vmft_table_add_printf (table, "%s", start);
      vmft_table_add_printf (table, "%s", finish);
      vmft_table_add_printf (table, "%s", late);
      vmft_table_add_printf (table, "%.0f%%", 100.0 * vmft_dict_double (step, "p_arrive", 0.0));
    }
  text = vmft_table_to_string (table);
  g_print ("%s", text);
}

static void
print_lead (GVariant *plan)
{
  g_autofree char *p10 = vmft_cli_duration (plan, "lead_p10_s");
  g_autofree char *p50 = vmft_cli_duration (plan, "lead_p50_s");
  g_autofree char *p90 = vmft_cli_duration (plan, "lead_p90_s");
  g_autofree char *elapsed = vmft_cli_duration (plan, "elapsed_s");

  if (!isfinite (vmft_dict_double (plan, "lead_p50_s", INFINITY)))
    return;
  g_print ("%-12s p10 %s, p50 %s, p90 %s (%s after the first alarm; origin %s), fails with %.0f%%\n",
           "Time left:", p10, p50, p90, elapsed, vmft_cli_text (plan, "lead_origin"),
           100.0 * vmft_dict_double (plan, "p_fails", 0.0));
}

static void
print_obstacles (GVariant *plan)
{
  g_autoptr (GPtrArray) obstacles = vmft_cli_children (plan, "obstacles");

  for (guint i = 0; i < obstacles->len; i++)
    g_print (" %s cannot go to %s: %s\n", vmft_cli_text (obstacles->pdata[i], "name"),
             vmft_cli_text (obstacles->pdata[i], "destination"),
             vmft_cli_text (obstacles->pdata[i], "reason"));
}

void
vmft_cli_print_plan (GVariant *plan, gboolean estimates)
{
  g_autoptr (GPtrArray) steps = vmft_cli_children (plan, "steps");
  g_autoptr (GPtrArray) refusals = vmft_cli_children (plan, "refusals");
  g_autofree char *made = vmft_cli_time (plan, "now_us");
  const char *guard = vmft_cli_text (plan, "guard");

  g_print ("%-12s %s at %s%s%s%s\n", "Plan:", vmft_cli_text (plan, "verdict"), made,
           *guard != '-' ? " (guard: " : "", *guard != '-' ? guard : "", *guard != '-' ? ")" : "");
  g_print ("%-12s %s\n", "Reason:", vmft_cli_text (plan, "reason"));
  print_lead (plan);
  if (steps->len > 0)
    print_steps (steps);
  for (guint i = 0; i < steps->len; i++)
    {
      GVariant *step = steps->pdata[i];
      g_autoptr (GPtrArray) modes = vmft_cli_children (step, "estimates");

      g_print (" %s: %s\n", vmft_cli_text (step, "name"), vmft_cli_text (step, "reason"));
      if (estimates && modes->len > 0 && !vmft_dict_boolean (step, "save", FALSE))
        vmft_cli_print_estimates (modes, "    ");
    }
  for (guint i = 0; i < refusals->len; i++)
    g_print (" %s stays%s: %s\n", vmft_cli_text (refusals->pdata[i], "name"),
             vmft_dict_boolean (refusals->pdata[i], "concerned", FALSE) ? " although the fault concerns it"
                                                                        : "",
             vmft_cli_text (refusals->pdata[i], "reason"));
  print_obstacles (plan);
}
