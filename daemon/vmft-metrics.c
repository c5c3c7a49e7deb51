/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-metrics.h"

#include "vmft-common.h"

#include <math.h>

struct _VmftMetrics
{
  GString *text;
  const char *name; /* of the metric begun last */
  gsize header;     /* where its header starts */
  gsize body;       /* where its samples start */
};

VmftMetrics *
vmft_metrics_new (void)
{
  VmftMetrics *self = g_new0 (VmftMetrics, 1);

  self->text = g_string_new (NULL);
  return self;
}

/* A metric without a sample leaves no header behind. */
static void
drop_empty (VmftMetrics *self)
{
  if (self->name != NULL && self->text->len == self->body)
    g_string_truncate (self->text, self->header);
}

static void
begin (VmftMetrics *self, const char *name, const char *type, const char *help)
{
  drop_empty (self);
  self->name = name;
  self->header = self->text->len;
  g_string_append_printf (self->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
  self->body = self->text->len;
}

void
vmft_metrics_gauge (VmftMetrics *self, const char *name, const char *help)
{
  begin (self, name, "gauge", help);
}

void
vmft_metrics_counter (VmftMetrics *self, const char *name, const char *help)
{
  begin (self, name, "counter", help);
}

static void
append_label (GString *text, const char *name, const char *value)
{
  /* printable: no newline is left to escape */
  g_autofree char *safe = vmft_text_printable (value, -1);

  g_string_append_printf (text, "%s=\"", name);
  for (const char *c = safe; *c != '\0'; c++)
    {
      if (*c == '"' || *c == '\\')
        g_string_append_c (text, '\\');
      g_string_append_c (text, *c);
    }
  g_string_append_c (text, '"');
}

static void
append_value (GString *text, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (isnan (value))
    g_string_append (text, " NaN\n");
  else if (isinf (value))
    g_string_append (text, value > 0 ? " +Inf\n" : " -Inf\n");
  else
    g_string_append_printf (text, " %s\n", g_ascii_dtostr (buffer, sizeof buffer, value));
}

void
vmft_metrics_add (VmftMetrics *self, double value, ...)
{
  const char *label;
  gboolean first = TRUE;
  va_list list;

  g_string_append (self->text, self->name);
  va_start (list, value);
  while ((label = va_arg (list, const char *)) != NULL)
    {
      g_string_append_c (self->text, first ? '{' : ',');
      append_label (self->text, label, va_arg (list, const char *));
      first = FALSE;
    }
  va_end (list);
  if (!first)
    g_string_append_c (self->text, '}');
  append_value (self->text, value);
}

char *
vmft_metrics_to_string (VmftMetrics *self)
{
  drop_empty (self);
  self->name = NULL;
  return g_strdup (self->text->str);
}

void
vmft_metrics_free (VmftMetrics *self)
{
  g_string_free (self->text, TRUE);
  g_free (self);
}
