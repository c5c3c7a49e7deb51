/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A quick hash of bytes that may be read eight at a time: up to seven bytes past the end are touched. */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

#define VMFT_HASH_PADDING 8

/* The first @length (1 to 8) bytes at @p as a number, the same on every machine. */
static inline guint64
vmft_hash_load (const char *p, gsize length)
{
  guint64 v;

  memcpy (&v, p, sizeof v);
  v = GUINT64_FROM_LE (v);
  return length >= 8 ? v : v & ((G_GUINT64_CONSTANT (1) << (8 * length)) - 1);
}

static inline guint64
vmft_hash_step (guint64 h, guint64 v)
{
  h = (h ^ v) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  return h ^ (h >> 32);
}

/* Two lanes, since a multiplication's latency is what costs. */
static inline guint64
vmft_hash_bytes (const char *p, gsize length, guint64 seed)
{
  guint64 a = seed ^ length, b = ~seed;

  for (; length > 16; p += 16, length -= 16)
    {
      a = vmft_hash_step (a, vmft_hash_load (p, 8));
      b = vmft_hash_step (b, vmft_hash_load (p + 8, 8));
    }
  if (length > 8)
    {
      a = vmft_hash_step (a, vmft_hash_load (p, 8));
      b = vmft_hash_step (b, vmft_hash_load (p + 8, length - 8));
    }
  else if (length > 0)
    {
      a = vmft_hash_step (a, vmft_hash_load (p, length));
    }
  return vmft_hash_step (vmft_hash_step (a, b), length);
}

G_END_DECLS
