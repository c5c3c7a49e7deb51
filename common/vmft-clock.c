/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-clock.h"

G_DEFINE_INTERFACE (VmftClock, vmft_clock, G_TYPE_OBJECT)

static void
vmft_clock_default_init (VmftClockInterface *iface)
{
}

VmftTime
vmft_clock_real_us (VmftClock *self)
{
  return VMFT_CLOCK_GET_IFACE (self)->real_us (self);
}

gint64
vmft_clock_monotonic_us (VmftClock *self)
{
  return VMFT_CLOCK_GET_IFACE (self)->monotonic_us (self);
}

guint
vmft_clock_add_timer (VmftClock *self,
                      guint delay_ms,
                      GSourceFunc func,
                      gpointer user_data,
                      GDestroyNotify notify)
{
  return VMFT_CLOCK_GET_IFACE (self)->add_timer (self, delay_ms, func, user_data, notify);
}

void
vmft_clock_remove_timer (VmftClock *self, guint id)
{
  VMFT_CLOCK_GET_IFACE (self)->remove_timer (self, id);
}

void
vmft_clear_timer (VmftClock *self, guint *id)
{
  guint old = *id;

  *id = 0;
  if (old != 0)
    vmft_clock_remove_timer (self, old);
}

/* --- the machine's clock --- */

struct _VmftRealClock
{
  GObject parent;
};

static VmftTime
real_clock_real_us (VmftClock *clock)
{
  return g_get_real_time ();
}

static gint64
real_clock_monotonic_us (VmftClock *clock)
{
  return g_get_monotonic_time ();
}

static guint
real_clock_add_timer (VmftClock *clock,
                      guint delay_ms,
                      GSourceFunc func,
                      gpointer user_data,
                      GDestroyNotify notify)
{
  return g_timeout_add_full (G_PRIORITY_DEFAULT, delay_ms, func, user_data, notify);
}

static void
real_clock_remove_timer (VmftClock *clock, guint id)
{
  g_source_remove (id);
}

static void
real_clock_iface_init (VmftClockInterface *iface)
{
  iface->real_us = real_clock_real_us;
  iface->monotonic_us = real_clock_monotonic_us;
  iface->add_timer = real_clock_add_timer;
  iface->remove_timer = real_clock_remove_timer;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftRealClock,
                               vmft_real_clock,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_CLOCK, real_clock_iface_init))

static void
vmft_real_clock_class_init (VmftRealClockClass *klass)
{
}

static void
vmft_real_clock_init (VmftRealClock *self)
{
}

VmftClock *
vmft_real_clock_new (void)
{
  return g_object_new (VMFT_TYPE_REAL_CLOCK, NULL);
}

/* --- the virtual clock of tests and simulations --- */

typedef struct
{
  guint id;
  gint64 due_us; /* on the monotonic axis */
  guint delay_ms;
  GSourceFunc func;
  gpointer user_data;
  GDestroyNotify notify;
} FakeTimer;

struct _VmftFakeClock
{
  GObject parent;

  VmftTime real_us;
  gint64 monotonic_us;
  guint last_id;
  GList *timers; /* of FakeTimer, by due time, then id */
};

static void
fake_timer_free (FakeTimer *timer)
{
  if (timer->notify)
    timer->notify (timer->user_data);
  g_free (timer);
}

static gint
fake_timer_compare (gconstpointer a, gconstpointer b)
{
  const FakeTimer *x = a, *y = b;

  if (x->due_us != y->due_us)
    return x->due_us < y->due_us ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

static VmftTime
fake_clock_real_us (VmftClock *clock)
{
  return VMFT_FAKE_CLOCK (clock)->real_us;
}

static gint64
fake_clock_monotonic_us (VmftClock *clock)
{
  return VMFT_FAKE_CLOCK (clock)->monotonic_us;
}

static guint
fake_clock_add_timer (VmftClock *clock,
                      guint delay_ms,
                      GSourceFunc func,
                      gpointer user_data,
                      GDestroyNotify notify)
{
  VmftFakeClock *self = VMFT_FAKE_CLOCK (clock);
  FakeTimer *timer = g_new0 (FakeTimer, 1);

  timer->id = ++self->last_id;
  timer->delay_ms = delay_ms;
  timer->due_us = self->monotonic_us + (gint64) delay_ms * 1000;
  timer->func = func;
  timer->user_data = user_data;
  timer->notify = notify;
  self->timers = g_list_insert_sorted (self->timers, timer, fake_timer_compare);
  return timer->id;
}

static void
fake_clock_remove_timer (VmftClock *clock, guint id)
{
  VmftFakeClock *self = VMFT_FAKE_CLOCK (clock);

  for (GList *l = self->timers; l != NULL; l = l->next)
    {
      FakeTimer *timer = l->data;

      if (timer->id != id)
        continue;
      self->timers = g_list_delete_link (self->timers, l);
      fake_timer_free (timer);
      return;
    }
}

static void
drain_main_context (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

static void
fake_clock_run_first (VmftFakeClock *self)
{
  FakeTimer *timer = self->timers->data;
  guint id = timer->id;
  gboolean again = timer->func (timer->user_data);

  /* the callback may have removed its own timer */
  for (GList *l = self->timers; l != NULL; l = l->next)
    {
      if (((FakeTimer *) l->data)->id != id)
        continue;
      self->timers = g_list_delete_link (self->timers, l);
      if (again)
        {
          timer->due_us += MAX ((gint64) timer->delay_ms * 1000, 1);
          self->timers = g_list_insert_sorted (self->timers, timer, fake_timer_compare);
        }
      else
        {
          fake_timer_free (timer);
        }
      return;
    }
}

void
vmft_fake_clock_advance (VmftFakeClock *self, gint64 us)
{
  gint64 end_us = self->monotonic_us + us;

  drain_main_context ();
  while (self->timers != NULL && ((FakeTimer *) self->timers->data)->due_us <= end_us)
    {
      gint64 step_us = MAX (((FakeTimer *) self->timers->data)->due_us - self->monotonic_us, 0);

      self->monotonic_us += step_us;
      self->real_us += step_us;
      fake_clock_run_first (self);
      drain_main_context ();
    }
  self->real_us += end_us - self->monotonic_us;
  self->monotonic_us = end_us;
}

void
vmft_fake_clock_jump (VmftFakeClock *self, gint64 us)
{
  self->real_us += us;
}

void
vmft_fake_clock_suspend (VmftFakeClock *self, gint64 us)
{
  vmft_fake_clock_stall (self, us);
  for (GList *l = self->timers; l != NULL; l = l->next)
    ((FakeTimer *) l->data)->due_us += us;
}

void
vmft_fake_clock_stall (VmftFakeClock *self, gint64 us)
{
  self->monotonic_us += us;
  self->real_us += us;
}

static void
fake_clock_iface_init (VmftClockInterface *iface)
{
  iface->real_us = fake_clock_real_us;
  iface->monotonic_us = fake_clock_monotonic_us;
  iface->add_timer = fake_clock_add_timer;
  iface->remove_timer = fake_clock_remove_timer;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftFakeClock,
                               vmft_fake_clock,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_CLOCK, fake_clock_iface_init))

static void
vmft_fake_clock_finalize (GObject *object)
{
  VmftFakeClock *self = VMFT_FAKE_CLOCK (object);

  g_list_free_full (self->timers, (GDestroyNotify) fake_timer_free);
  G_OBJECT_CLASS (vmft_fake_clock_parent_class)->finalize (object);
}

static void
vmft_fake_clock_class_init (VmftFakeClockClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_fake_clock_finalize;
}

static void
vmft_fake_clock_init (VmftFakeClock *self)
{
}

VmftClock *
vmft_fake_clock_new (VmftTime start_us)
{
  VmftFakeClock *self = g_object_new (VMFT_TYPE_FAKE_CLOCK, NULL);

  self->real_us = start_us;
  self->monotonic_us = G_USEC_PER_SEC;
  return VMFT_CLOCK (self);
}
