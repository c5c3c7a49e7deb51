/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-text.h"

#include "vmft-error.h"

#include <math.h>
#include <string.h>

char *
vmft_text_printable (const char *text, gssize length)
{
  const char *p = text ? text : "";
  const char *end = p + (length < 0 ? (gssize) strlen (p) : length);
  GString *out = g_string_sized_new ((gsize) (end - p));

  while (p < end)
    {
      gunichar c = g_utf8_get_char_validated (p, end - p);

      if (c == (gunichar) -1 || c == (gunichar) -2 || c == 0)
        {
          g_string_append_c (out, '?');
          p++;
          continue;
        }
      if (g_unichar_iscntrl (c) || g_unichar_type (c) == G_UNICODE_FORMAT)
        g_string_append_c (out, c == '\t' ? ' ' : '?');
      else
        g_string_append_len (out, p, g_utf8_next_char (p) - p);
      p = g_utf8_next_char (p);
    }
  return g_string_free (out, FALSE);
}

char *
vmft_text_time (VmftTime time_us)
{
  g_autoptr (GDateTime) seconds = NULL;
  g_autofree char *text = NULL;

  if (time_us != VMFT_TIME_UNKNOWN)
    seconds = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
  if (seconds == NULL)
    return g_strdup ("-");
  text = g_date_time_format (seconds, "%Y-%m-%d %H:%M:%S");
  return g_strdup_printf ("%s.%03d", text, (int) (ABS (time_us) % G_USEC_PER_SEC / 1000));
}

char *
vmft_text_duration (double seconds)
{
  double s = fabs (seconds);

  if (!isfinite (seconds))
    return g_strdup (isnan (seconds) ? "unknown" : "never");
  if (s < 1.0)
    return g_strdup_printf ("%.0f ms", seconds * 1e3);
  if (s < 120.0)
    return g_strdup_printf ("%.1f s", seconds);
  if (s < 7200.0)
    return g_strdup_printf ("%.1f min", seconds / 60.0);
  return g_strdup_printf ("%.1f h", seconds / 3600.0);
}

char *
vmft_text_bytes (double bytes)
{
  static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
  guint unit = 0;

  while (fabs (bytes) >= 1024.0 && unit + 1 < G_N_ELEMENTS (units))
    {
      bytes /= 1024.0;
      unit++;
    }
  return g_strdup_printf (unit == 0 || bytes >= 100.0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static gboolean
parse_number (const char *text, double *value, const char **suffix)
{
  char *end = NULL;

  *value = g_ascii_strtod (text, &end);
  if (end == text || !isfinite (*value) || *value < 0.0)
    return FALSE;
  while (g_ascii_isspace (*end))
    end++;
  *suffix = end;
  return TRUE;
}

gboolean
vmft_text_parse_bytes (const char *text, guint64 *bytes, GError **error)
{
  static const char letters[] = "KMGTP";
  const char *suffix = NULL, *letter = NULL;
  double value = 0.0;
  gboolean ok = parse_number (text, &value, &suffix);

  if (ok && *suffix != '\0' && g_ascii_strcasecmp (suffix, "B") != 0)
    {
      letter = strchr (letters, g_ascii_toupper (*suffix));
      ok = letter != NULL && (suffix[1] == '\0' || g_ascii_strcasecmp (suffix + 1, "iB") == 0 ||
                              g_ascii_strcasecmp (suffix + 1, "B") == 0);
    }
  if (ok && letter != NULL)
    value *= pow (1024.0, (double) (letter - letters) + 1.0);
  if (!ok || value >= 9e18)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                   "“%s” is not a size (a number with an optional suffix K, M, G or T)", text);
      return FALSE;
    }
  *bytes = (guint64) value;
  return TRUE;
}

gboolean
vmft_text_parse_duration (const char *text, double *seconds, GError **error)
{
  static const struct
  {
    const char *name;
    double scale_s;
  } units[] = { { "", 1.0 },   { "us", 1e-6 },  { "ms", 1e-3 },  { "s", 1.0 },    { "sec", 1.0 },
                { "m", 60.0 }, { "min", 60.0 }, { "h", 3600.0 }, { "d", 86400.0 } };
  const char *suffix = NULL;
  double value = 0.0;

  if (parse_number (text, &value, &suffix))
    for (guint i = 0; i < G_N_ELEMENTS (units); i++)
      if (g_str_equal (suffix, units[i].name))
        {
          *seconds = value * units[i].scale_s;
          return TRUE;
        }
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
               "“%s” is not a duration (a number with an optional unit us, ms, s, min, h or d)", text);
  return FALSE;
}
