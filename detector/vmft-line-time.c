/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-line-time.h"

#include <string.h>
#include <time.h>

#define HALF_YEAR_US (G_GINT64_CONSTANT (183) * 24 * 3600 * G_USEC_PER_SEC)

typedef struct
{
  int year, month, day, hour, minute, second, us;
} Civil;

gboolean
vmft_cursor_number (VmftCursor *cursor, guint min, guint max, gint64 *value)
{
  const char *p = cursor->p, *end = (gsize) (cursor->end - p) > max ? p + max : cursor->end;
  gint64 n = 0;

  while (p < end && (guchar) (*p - '0') <= 9)
    n = n * 10 + (*p++ - '0');
  if ((gsize) (p - cursor->p) < min)
    return FALSE;
  cursor->p = p;
  *value = n;
  return TRUE;
}

/* Returns: the number of two digits at @p; sets *@bad when they are none. */
static inline int
two_digits (const char *p, guint *bad)
{
  guint tens = (guint) (guchar) p[0] - '0', ones = (guint) (guchar) p[1] - '0';

  *bad |= (guint) (tens > 9) | (guint) (ones > 9);
  return (int) (tens * 10 + ones);
}

/* Digits after the decimal point; what is finer than a microsecond is cut. */
static int
fraction (VmftCursor *cursor)
{
  const char *p = cursor->p;
  guint digits = 0, bad = 0;
  int us = 0;

  if (cursor->end - p > 6 && !g_ascii_isdigit (p[6])) /* rsyslog's and QEMU's six */
    {
      us = (two_digits (p, &bad) * 100 + two_digits (p + 2, &bad)) * 100 + two_digits (p + 4, &bad);
      if (!bad)
        {
          cursor->p = p + 6;
          return us;
        }
      us = 0;
    }
  for (; p < cursor->end && g_ascii_isdigit (*p); p++)
    {
      if (digits++ < 6)
        us = us * 10 + (*p - '0');
    }
  for (; digits < 6; digits++)
    us *= 10;
  cursor->p = p;
  return us;
}

/* `08:33:48`, perhaps with a fraction. */
static gboolean
clock_time (VmftCursor *cursor, Civil *civil)
{
  const char *p = cursor->p;
  guint bad = 0;

  if (cursor->end - p < 8 || p[2] != ':' || p[5] != ':')
    return FALSE;
  civil->hour = two_digits (p, &bad);
  civil->minute = two_digits (p + 3, &bad);
  civil->second = two_digits (p + 6, &bad);
  if (bad || civil->hour > 23 || civil->minute > 59 || civil->second > 60)
    return FALSE;
  cursor->p = p + 8;
  if (cursor->end - cursor->p > 1 && (*cursor->p == '.' || *cursor->p == ',') &&
      g_ascii_isdigit (cursor->p[1]))
    {
      cursor->p++;
      civil->us = fraction (cursor);
    }
  return TRUE;
}

/* `2026-11-23`. */
static gboolean
iso_date (VmftCursor *cursor, Civil *civil)
{
  const char *p = cursor->p;
  guint bad = 0;

  if (cursor->end - p < 10 || p[4] != '-' || p[7] != '-')
    return FALSE;
  civil->year = two_digits (p, &bad) * 100 + two_digits (p + 2, &bad);
  civil->month = two_digits (p + 5, &bad);
  civil->day = two_digits (p + 8, &bad);
  cursor->p = p + 10;
  return !bad && civil->year >= 1970 && civil->month >= 1 && civil->month <= 12 && civil->day >= 1 &&
         civil->day <= 31;
}

/* Days since the epoch of a date in the Gregorian calendar; years from March make leap days come last. */
static gint64
days_of (const Civil *civil)
{
  int year = civil->year - (civil->month <= 2), era = year / 400, of_era = year % 400;
  int of_year = (153 * (civil->month + (civil->month > 2 ? -3 : 9)) + 2) / 5 + civil->day - 1;

  return (gint64) era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static VmftTime
utc_time (const Civil *civil)
{
  gint64 seconds = ((days_of (civil) * 24 + civil->hour) * 60 + civil->minute) * 60 + civil->second;

  return seconds * G_USEC_PER_SEC + civil->us;
}

/* Unknown for a date that does not exist, like 29 February of most years. */
static VmftTime
local_time (const Civil *civil)
{
  struct tm tm = {
    .tm_year = (int) civil->year - 1900,
    .tm_mon = (int) civil->month - 1,
    .tm_mday = (int) civil->day,
    .tm_hour = (int) civil->hour,
    .tm_min = (int) civil->minute,
    .tm_sec = (int) civil->second,
    .tm_isdst = -1,
  };
  time_t seconds = mktime (&tm);

  if (seconds == (time_t) -1 || tm.tm_mon != civil->month - 1)
    return VMFT_TIME_UNKNOWN;
  return (VmftTime) seconds * G_USEC_PER_SEC + civil->us;
}

/* `Z`, `+00:00`, `+0000`. Returns: %FALSE when there is an offset that is none. */
static gboolean
offset (VmftCursor *cursor, gboolean *given, int *minutes)
{
  char sign = cursor->p < cursor->end ? *cursor->p : '\0';
  int hours, rest;
  guint bad = 0;

  *minutes = 0;
  *given = sign == 'Z' || sign == 'z' || sign == '+' || sign == '-';
  if (!*given)
    return TRUE;
  cursor->p++;
  if (sign == 'Z' || sign == 'z')
    return TRUE;
  if (cursor->end - cursor->p < 4)
    return FALSE;
  hours = two_digits (cursor->p, &bad);
  cursor->p += 2;
  vmft_cursor_skip (cursor, ':');
  if (cursor->end - cursor->p < 2)
    return FALSE;
  rest = two_digits (cursor->p, &bad);
  cursor->p += 2;
  *minutes = (sign == '-' ? -1 : 1) * (hours * 60 + rest);
  return !bad && hours <= 23 && rest <= 59;
}

gboolean
vmft_cursor_iso_time (VmftCursor *cursor, VmftTime *time_us)
{
  VmftCursor c = *cursor;
  Civil civil = { 0 };
  gboolean has_offset;
  int minutes;

  if (!iso_date (&c, &civil) || (!vmft_cursor_skip (&c, 'T') && !vmft_cursor_skip (&c, ' ')) ||
      !clock_time (&c, &civil) || !offset (&c, &has_offset, &minutes))
    return FALSE;
  *cursor = c;
  *time_us = has_offset ? utc_time (&civil) - (gint64) minutes * 60 * G_USEC_PER_SEC : local_time (&civil);
  return TRUE;
}

static gboolean
month_name (VmftCursor *cursor, int *month)
{
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

  if (cursor->end - cursor->p < 3)
    return FALSE;
  for (guint i = 0; i < 12; i++)
    {
      if (memcmp (cursor->p, names + 3 * i, 3) == 0)
        {
          *month = (int) i + 1;
          cursor->p += 3;
          return TRUE;
        }
    }
  return FALSE;
}

/* `Nov 23 08:33:48`; a day of one digit has a second space before it. */
static gboolean
month_day_time (VmftCursor *cursor, Civil *civil)
{
  gint64 day = 0;

  if (!month_name (cursor, &civil->month) || !vmft_cursor_skip (cursor, ' '))
    return FALSE;
  vmft_cursor_skip (cursor, ' ');
  if (!vmft_cursor_number (cursor, 1, 2, &day) || day < 1 || day > 31)
    return FALSE;
  civil->day = (int) day;
  return vmft_cursor_skip (cursor, ' ') && clock_time (cursor, civil);
}

/* The year, this one or a neighbour, that brings the date within half a year of @arrival_us. */
static VmftTime
nearest_year (Civil *civil, VmftTime arrival_us)
{
  static const int offsets[] = { 0, -1, 1 };
  time_t arrival_s = (time_t) (arrival_us / G_USEC_PER_SEC);
  struct tm now;

  if (arrival_us == VMFT_TIME_UNKNOWN || localtime_r (&arrival_s, &now) == NULL)
    return VMFT_TIME_UNKNOWN;
  for (gsize i = 0; i < G_N_ELEMENTS (offsets); i++)
    {
      VmftTime t;

      civil->year = now.tm_year + 1900 + offsets[i];
      t = local_time (civil);
      if (t != VMFT_TIME_UNKNOWN && ABS (t - arrival_us) <= HALF_YEAR_US)
        return t;
    }
  return VMFT_TIME_UNKNOWN;
}

gboolean
vmft_cursor_bsd_time (VmftCursor *cursor, VmftTime arrival_us, VmftTime *time_us)
{
  VmftCursor c = *cursor;
  Civil civil = { 0 };

  if (!month_day_time (&c, &civil))
    return FALSE;
  *cursor = c;
  *time_us = nearest_year (&civil, arrival_us);
  return TRUE;
}

gboolean
vmft_cursor_ctime (VmftCursor *cursor, VmftTime *time_us)
{
  VmftCursor c = *cursor;
  Civil civil = { 0 };
  gint64 year = 0;

  if (c.end - c.p < 4 || !g_ascii_isalpha (*c.p))
    return FALSE;
  c.p += 3; /* the day of the week says nothing new */
  if (!vmft_cursor_skip (&c, ' ') || !month_day_time (&c, &civil) || !vmft_cursor_skip (&c, ' ') ||
      !vmft_cursor_number (&c, 4, 4, &year) || year < 1970)
    return FALSE;
  civil.year = (int) year;
  *cursor = c;
  *time_us = local_time (&civil);
  return TRUE;
}
