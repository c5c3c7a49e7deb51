/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-connection.h"

#include "vmft-common.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 5000

typedef struct
{
  int event_id;
  virConnectDomainEventGenericCallback callback;
  GWeakRef *target; /* g_atomic_rc_box: worker threads share it without ever holding the target itself */
} Watch;

/* an open connection with what is registered on it; made and freed in worker threads, both being libvirt calls */
typedef struct
{
  virConnectPtr connection;
  GArray *callback_ids; /* of int */
} Link;

/* libvirt's close callback may come from any thread, and late */
typedef struct
{
  GWeakRef self;
  guint generation;
} CloseNote;

struct _VmftConnection
{
  GObject parent;

  char *uri;
  VmftClock *clock;
  GThreadPool *pool;
  GPtrArray *watches; /* of Watch; fixed once started */
  Link *link;         /* NULL while there is no connection */
  guint generation;   /* counts links */
  guint timer;
  guint backoff_ms;
};

G_DEFINE_FINAL_TYPE (VmftConnection, vmft_connection, G_TYPE_OBJECT)

enum
{
  OPENED,
  CLOSED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void try_open (VmftConnection *self);
static void on_closed (virConnectPtr connection, int reason, void *opaque);

static void
release_target (gpointer target)
{
  g_atomic_rc_box_release_full (target, (GDestroyNotify) g_weak_ref_clear);
}

static void
watch_free (Watch *watch)
{
  release_target (watch->target);
  g_free (watch);
}

static void
close_note_free (gpointer data)
{
  CloseNote *note = data;

  g_weak_ref_clear (&note->self);
  g_free (note);
}

static void
link_drop (Link *link)
{
  virConnectClose (link->connection);
  g_array_unref (link->callback_ids);
  g_free (link);
}

/* --- losing the connection --- */

static void
close_link (GTask *task, virConnectPtr connection, gpointer task_data)
{
  Link *link = task_data;

  /* each registration holds a reference on the connection: without this it would never close */
  for (guint i = 0; i < link->callback_ids->len; i++)
    virConnectDomainEventDeregisterAny (link->connection, g_array_index (link->callback_ids, int, i));
  virConnectUnregisterCloseCallback (link->connection, on_closed);
  g_task_return_boolean (task, TRUE);
}

/* the link leaves through a worker thread */
static void
give_up_link (VmftConnection *self)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, NULL, NULL);

  g_task_set_task_data (task, g_steal_pointer (&self->link), (GDestroyNotify) link_drop);
  vmft_libvirt_pool_run (self->pool, task, NULL, close_link);
}

static gboolean
on_timer (gpointer user_data)
{
  VmftConnection *self = user_data;

  self->timer = 0;
  try_open (self);
  return G_SOURCE_REMOVE;
}

static void
try_later (VmftConnection *self)
{
  self->timer = vmft_clock_add_timer (self->clock, self->backoff_ms, on_timer, self, NULL);
  self->backoff_ms = MIN (self->backoff_ms * 2, BACKOFF_MAX_MS);
}

static void
lose_link (VmftConnection *self, guint generation, const char *reason)
{
  if (self->link == NULL || self->generation != generation)
    return;
  g_warning ("lost libvirt at %s: %s", self->uri, reason);
  give_up_link (self);
  self->backoff_ms = BACKOFF_MIN_MS;
  try_later (self);
  g_signal_emit (self, signals[CLOSED], 0, reason);
}

typedef struct
{
  VmftConnection *self;
  guint generation;
  int reason;
} Closed;

static void
closed_free (gpointer data)
{
  Closed *closed = data;

  g_object_unref (closed->self);
  g_free (closed);
}

static gboolean
on_closed_idle (gpointer user_data)
{
  Closed *closed = user_data;
  const char *const words[] = { "I/O error", "closed by libvirtd", "no answer to keep-alive", "closed" };

  lose_link (closed->self, closed->generation, words[CLAMP (closed->reason, 0, 3)]);
  return G_SOURCE_REMOVE;
}

static void
on_closed (virConnectPtr connection, int reason, void *opaque)
{
  CloseNote *note = opaque;
  VmftConnection *self = g_weak_ref_get (&note->self);
  Closed *closed = NULL;

  if (self == NULL)
    return;
  closed = g_new0 (Closed, 1);
  closed->self = self;
  closed->generation = note->generation;
  closed->reason = reason;
  g_idle_add_full (G_PRIORITY_DEFAULT, on_closed_idle, closed, closed_free);
}

/* --- opening --- */

static Link *
open_link (VmftConnection *self, CloseNote *note, GError **error)
{
  virConnectPtr connection = vmft_libvirt_open (self->uri, error);
  Link *link = NULL;

  if (connection == NULL)
    {
      close_note_free (note);
      return NULL;
    }
  link = g_new0 (Link, 1);
  link->connection = connection;
  link->callback_ids = g_array_new (FALSE, FALSE, sizeof (int));
  if (virConnectRegisterCloseCallback (connection, on_closed, note, close_note_free) != 0)
    close_note_free (note);
  for (guint i = 0; i < self->watches->len; i++)
    {
      Watch *watch = g_ptr_array_index (self->watches, i);
      gpointer target = g_atomic_rc_box_acquire (watch->target);
      int id = virConnectDomainEventRegisterAny (connection, NULL, watch->event_id, watch->callback, target,
                                                 release_target);

      /* a driver without an event misses that event alone */
      if (id < 0)
        release_target (target);
      else
        g_array_append_val (link->callback_ids, id);
    }
  virResetLastError ();
  return link;
}

static void
open_in_thread (GTask *task, virConnectPtr none, gpointer task_data)
{
  g_autoptr (GError) error = NULL;
  Link *link = open_link (g_task_get_source_object (task), task_data, &error);

  if (link != NULL)
    g_task_return_pointer (task, link, (GDestroyNotify) link_drop);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
on_opened (GObject *object, GAsyncResult *result, gpointer user_data)
{
  VmftConnection *self = VMFT_CONNECTION (object);
  g_autoptr (GError) error = NULL;

  self->link = g_task_propagate_pointer (G_TASK (result), &error);
  if (self->link == NULL)
    {
      g_warning ("%s; trying again in %u s", error->message, self->backoff_ms / 1000);
      try_later (self);
      return;
    }
  self->backoff_ms = BACKOFF_MIN_MS;
  g_info ("connected to libvirt at %s", self->uri);
  g_signal_emit (self, signals[OPENED], 0);
}

static void
try_open (VmftConnection *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, on_opened, NULL);
  CloseNote *note = g_new0 (CloseNote, 1);

  g_weak_ref_init (&note->self, self);
  note->generation = ++self->generation;
  g_task_set_task_data (task, note, NULL);
  vmft_libvirt_pool_run (self->pool, task, NULL, open_in_thread);
}

/* --- the object --- */

VmftConnection *
vmft_connection_new (const char *uri, VmftClock *clock)
{
  VmftConnection *self = g_object_new (VMFT_TYPE_CONNECTION, NULL);

  self->uri = g_strdup (uri);
  self->clock = g_object_ref (clock);
  return self;
}

void
vmft_connection_start (VmftConnection *self)
{
  g_return_if_fail (self->generation == 0);

  try_open (self);
}

gboolean
vmft_connection_is_open (VmftConnection *self)
{
  return self->link != NULL;
}

void
vmft_connection_watch (VmftConnection *self,
                       int event_id,
                       virConnectDomainEventGenericCallback callback,
                       GObject *target)
{
  Watch *watch = g_new0 (Watch, 1);

  g_return_if_fail (self->generation == 0);
  watch->event_id = event_id;
  watch->callback = callback;
  watch->target = g_atomic_rc_box_new0 (GWeakRef);
  g_weak_ref_init (watch->target, target);
  g_ptr_array_add (self->watches, watch);
}

gpointer
vmft_connection_event_target (gpointer opaque)
{
  return g_weak_ref_get (opaque);
}

void
vmft_connection_call (VmftConnection *self, GTask *task, VmftLibvirtFunc func)
{
  if (self->link != NULL)
    vmft_libvirt_pool_run (self->pool, task, self->link->connection, func);
  else
    g_task_return_new_error (task, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "no connection to libvirt at %s",
                             self->uri);
}

void
vmft_connection_call_long (VmftConnection *self, GTask *task, VmftLibvirtFunc func)
{
  vmft_libvirt_pool_run_uri (self->pool, task, self->uri, func);
}

void
vmft_connection_call_uri (VmftConnection *self, GTask *task, const char *uri, VmftLibvirtFunc func)
{
  vmft_libvirt_pool_run_uri (self->pool, task, uri, func);
}

static void
vmft_connection_finalize (GObject *object)
{
  VmftConnection *self = VMFT_CONNECTION (object);

  vmft_clear_timer (self->clock, &self->timer);
  if (self->link != NULL)
    give_up_link (self);
  vmft_libvirt_pool_free (self->pool);
  g_ptr_array_unref (self->watches);
  g_clear_object (&self->clock);
  g_free (self->uri);
  G_OBJECT_CLASS (vmft_connection_parent_class)->finalize (object);
}

static void
vmft_connection_class_init (VmftConnectionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_connection_finalize;
  signals[OPENED] =
      g_signal_new ("opened", VMFT_TYPE_CONNECTION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[CLOSED] = g_signal_new ("closed", VMFT_TYPE_CONNECTION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
vmft_connection_init (VmftConnection *self)
{
  vmft_libvirt_init ();
  self->pool = vmft_libvirt_pool_new ();
  self->watches = g_ptr_array_new_with_free_func ((GDestroyNotify) watch_free);
  self->backoff_ms = BACKOFF_MIN_MS;
}
