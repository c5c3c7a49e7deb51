/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-inference-breaker.h"

/* Whatever a provider asks for: an hour from now it is asked again. */
#define MAX_RETRY_AFTER_S 3600.0

void
vmft_breaker_init (VmftBreaker *self, guint max_failures, double open_s)
{
  *self = (VmftBreaker){ .max_failures = max_failures, .open_us = (gint64) (open_s * G_USEC_PER_SEC) };
}

gboolean
vmft_breaker_allows (const VmftBreaker *self, gint64 now_us)
{
  return now_us >= self->blocked_us && !self->probing;
}

void
vmft_breaker_begin (VmftBreaker *self)
{
  self->probing = self->open;
}

gboolean
vmft_breaker_succeed (VmftBreaker *self)
{
  gboolean closed = self->open;

  self->failures = 0;
  self->open = FALSE;
  self->probing = FALSE;
  if (closed)
    self->blocked_us = 0;
  return closed;
}

void
vmft_breaker_abandon (VmftBreaker *self)
{
  self->probing = FALSE;
}

static void
block_until (VmftBreaker *self, gint64 until_us)
{
  self->blocked_us = MAX (self->blocked_us, until_us);
}

gboolean
vmft_breaker_fail (VmftBreaker *self, gint64 now_us, double retry_after_s)
{
  gboolean was_open = self->open;

  if (retry_after_s > 0)
    block_until (self, now_us + (gint64) (MIN (retry_after_s, MAX_RETRY_AFTER_S) * G_USEC_PER_SEC));
  self->probing = FALSE;
  if (++self->failures < self->max_failures)
    return FALSE;
  self->open = TRUE;
  block_until (self, now_us + self->open_us);
  self->n_opened += was_open ? 0 : 1;
  return !was_open;
}
