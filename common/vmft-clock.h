/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-time.h"

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * VmftClock:
 *
 * Time as the daemon sees it: one of the three seams (clock, log source, hypervisor) behind which a fake can
 * stand, so that the whole daemon also runs as a deterministic simulation. Code that needs the time or a
 * timer takes a clock; nothing in vmft calls g_get_real_time() or g_timeout_add() past it.
 */
#define VMFT_TYPE_CLOCK vmft_clock_get_type ()
G_DECLARE_INTERFACE (VmftClock, vmft_clock, VMFT, CLOCK, GObject)

struct _VmftClockInterface
{
  GTypeInterface parent;

  VmftTime (*real_us) (VmftClock *self);
  gint64 (*monotonic_us) (VmftClock *self);
  guint (*add_timer) (VmftClock *self,
                      guint delay_ms,
                      GSourceFunc func,
                      gpointer user_data,
                      GDestroyNotify notify);
  void (*remove_timer) (VmftClock *self, guint id);
};

/** vmft_clock_real_us: Returns: wall-clock time now; may jump. */
VmftTime vmft_clock_real_us (VmftClock *self);

/** vmft_clock_monotonic_us: Returns: microseconds on a clock that never jumps; only differences count. */
gint64 vmft_clock_monotonic_us (VmftClock *self);

/**
 * vmft_clock_add_timer:
 * @delay_ms: time until @func runs, and between runs while it returns %G_SOURCE_CONTINUE
 * @notify: (nullable): frees @user_data when the timer goes
 *
 * Returns: an id for vmft_clock_remove_timer(), never 0.
 */
guint vmft_clock_add_timer (VmftClock *self,
                            guint delay_ms,
                            GSourceFunc func,
                            gpointer user_data,
                            GDestroyNotify notify);

/** vmft_clock_remove_timer: removes the timer @id, which must be live. */
void vmft_clock_remove_timer (VmftClock *self, guint id);

/** vmft_clear_timer: removes the timer in *@id, if any, and sets it to 0. */
void vmft_clear_timer (VmftClock *self, guint *id);

#define VMFT_TYPE_REAL_CLOCK vmft_real_clock_get_type ()
G_DECLARE_FINAL_TYPE (VmftRealClock, vmft_real_clock, VMFT, REAL_CLOCK, GObject)

/** vmft_real_clock_new: Returns: (transfer full): the machine's clock, with timers on the default main
 * context. */
VmftClock *vmft_real_clock_new (void);

#define VMFT_TYPE_FAKE_CLOCK vmft_fake_clock_get_type ()
G_DECLARE_FINAL_TYPE (VmftFakeClock, vmft_fake_clock, VMFT, FAKE_CLOCK, GObject)

/**
 * vmft_fake_clock_new:
 * @start_us: wall-clock time at which the story begins
 *
 * Returns: (transfer full): a virtual clock that moves only through vmft_fake_clock_advance().
 */
VmftClock *vmft_fake_clock_new (VmftTime start_us);

/**
 * vmft_fake_clock_advance:
 * @us: how far; timers due on the way run in order of due time, then of creation, each seeing its own due
 * time
 *
 * Between timers the default main context is drained, so that idle sources and finished #GTasks happen "at"
 * the virtual moment that caused them.
 */
void vmft_fake_clock_advance (VmftFakeClock *self, gint64 us);

/** vmft_fake_clock_jump: moves wall-clock time alone, as NTP or an operator would. */
void vmft_fake_clock_jump (VmftFakeClock *self, gint64 us);

/** vmft_fake_clock_suspend: time passes, but not for timers: each has as long to go afterwards as before. */
void vmft_fake_clock_suspend (VmftFakeClock *self, gint64 us);

/** vmft_fake_clock_stall: time passes while the process does not run: timers due meanwhile come late. */
void vmft_fake_clock_stall (VmftFakeClock *self, gint64 us);

G_END_DECLS
