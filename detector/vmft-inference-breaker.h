/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VmftBreaker: a circuit breaker; times are monotonic microseconds. Closed, it lets all attempts through; so many
 * failures in a row open it; after a while it lets one attempt through, whose outcome closes or reopens it. A
 * provider that asks to be left alone holds it back in the same manner.
 */
typedef struct
{
  guint max_failures;
  gint64 open_us;
  guint failures;    /* in a row */
  gint64 blocked_us; /* no attempt before this; 0: not blocked */
  gboolean open;
  gboolean probing;
  guint64 n_opened;
} VmftBreaker;

/** vmft_breaker_init: @open_s: how long it stays open. */
void vmft_breaker_init (VmftBreaker *self, guint max_failures, double open_s);

/** vmft_breaker_allows: Returns: whether an attempt may begin now. */
gboolean vmft_breaker_allows (const VmftBreaker *self, gint64 now_us);

/** vmft_breaker_begin: an attempt begins. */
void vmft_breaker_begin (VmftBreaker *self);

/** vmft_breaker_succeed: an attempt succeeded. Returns: whether that closed the breaker. */
gboolean vmft_breaker_succeed (VmftBreaker *self);

/** vmft_breaker_abandon: an attempt ended without an outcome. */
void vmft_breaker_abandon (VmftBreaker *self);

/**
 * vmft_breaker_fail: an attempt failed.
 * @retry_after_s: the provider wants no attempt for so long; 0 when it did not say
 *
 * Returns: whether that opened the breaker
 */
gboolean vmft_breaker_fail (VmftBreaker *self, gint64 now_us, double retry_after_s);

G_END_DECLS
