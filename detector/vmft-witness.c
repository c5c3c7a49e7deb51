/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-witness.h"

#include <string.h>

#define MAX_RECORDS 512 /* alarms, not lines: a power of two */
#define MAX_SOURCES 6

typedef struct
{
  guint64 text;
  gint64 uptime_us;
  VmftTime arrival_us;
  guint n_sources;
  guint sources[MAX_SOURCES];
  gboolean trusted;
} Record;

struct _VmftWitness
{
  guint next;
  guint first_source; /* with one source alone there is nothing to compare */
  gboolean several;
  Record records[MAX_RECORDS];
};

VmftWitness *
vmft_witness_new (void)
{
  return g_new0 (VmftWitness, 1);
}

void
vmft_witness_free (VmftWitness *self)
{
  g_free (self);
}

static guint64
hash_text (const VmftSlice *text)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  for (gsize i = 0; i < text->length; i++)
    hash = (hash ^ (guint8) text->data[i]) * G_GUINT64_CONSTANT (0x100000001b3);
  return hash | 1;
}

static gboolean
has_source (const Record *record, guint source)
{
  for (guint i = 0; i < record->n_sources; i++)
    if (record->sources[i] == source)
      return TRUE;
  return FALSE;
}

static gboolean
is_same (const Record *record, const VmftLine *line, guint64 text)
{
  if (record->text != text)
    return FALSE;
  if (record->uptime_us >= 0 && line->uptime_us >= 0 && record->uptime_us != line->uptime_us)
    return FALSE;
  return ABS (vmft_time_diff_s (line->arrival_us, record->arrival_us)) <= VMFT_WITNESS_S;
}

/* The oldest record that fits and that this source has not shown yet: a text said twice is two records. */
static Record *
find (VmftWitness *self, const VmftLine *line, guint64 text, guint source)
{
  for (guint i = 0; i < MAX_RECORDS; i++)
    {
      Record *record = &self->records[(self->next + i) % MAX_RECORDS];

      if (is_same (record, line, text) && record->n_sources < MAX_SOURCES && !has_source (record, source))
        return record;
    }
  return NULL;
}

gboolean
vmft_witness_see (VmftWitness *self, const VmftLine *line, const char *source_name, gboolean *trusted)
{
  guint source = g_str_hash (source_name) | 1;
  guint64 text = hash_text (&line->text);
  gboolean kernel = line->trust == VMFT_TRUST_KERNEL;
  Record *record;

  if (self->first_source == 0)
    self->first_source = source;
  self->several |= source != self->first_source;

  record = self->several ? find (self, line, text, source) : NULL;
  if (record)
    {
      record->sources[record->n_sources++] = source;
      record->trusted |= kernel;
      *trusted = record->trusted;
      return TRUE;
    }
  self->records[self->next] = (Record){ .text = text,
                                        .uptime_us = line->uptime_us,
                                        .arrival_us = line->arrival_us,
                                        .n_sources = 1,
                                        .sources = { source },
                                        .trusted = kernel };
  self->next = (self->next + 1) % MAX_RECORDS;
  *trusted = kernel;
  return FALSE;
}
