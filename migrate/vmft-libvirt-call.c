/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-libvirt-call.h"

#include "vmft-common.h"

#include <libvirt-glib/libvirt-glib.h>

/* more than any sensible number of VMs leaving at once: each blocks one thread, each poll another for a moment */
#define MAX_THREADS          128

#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT      3

typedef struct
{
  GTask *task;
  virConnectPtr connection;
  char *uri;
  VmftLibvirtFunc func;
} Call;

static void
call_free (Call *call)
{
  if (call->connection != NULL)
    virConnectClose (call->connection);
  g_clear_object (&call->task);
  g_free (call->uri);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

static void
run_call (gpointer data, gpointer user_data)
{
  g_autoptr (Call) call = data;
  g_autoptr (GError) error = NULL;

  if (call->uri != NULL)
    {
      call->connection = vmft_libvirt_open (call->uri, &error);
      if (call->connection == NULL)
        {
          g_task_return_error (call->task, g_steal_pointer (&error));
          return;
        }
    }
  call->func (call->task, call->connection, g_task_get_task_data (call->task));
}

GThreadPool *
vmft_libvirt_pool_new (void)
{
  return g_thread_pool_new (run_call, NULL, MAX_THREADS, FALSE, NULL);
}

void
vmft_libvirt_pool_free (GThreadPool *pool)
{
  g_thread_pool_free (pool, FALSE, FALSE);
}

void
vmft_libvirt_pool_run (GThreadPool *pool, GTask *task, virConnectPtr connection, VmftLibvirtFunc func)
{
  Call *call = g_new0 (Call, 1);

  call->task = g_object_ref (task);
  call->func = func;
  if (connection != NULL && virConnectRef (connection) == 0)
    call->connection = connection;
  g_thread_pool_push (pool, call, NULL);
}

void
vmft_libvirt_pool_run_uri (GThreadPool *pool, GTask *task, const char *uri, VmftLibvirtFunc func)
{
  Call *call = g_new0 (Call, 1);

  call->task = g_object_ref (task);
  call->func = func;
  call->uri = g_strdup (uri);
  g_thread_pool_push (pool, call, NULL);
}

virConnectPtr
vmft_libvirt_open (const char *uri, GError **error)
{
  virConnectPtr connection = virConnectOpen (uri);

  if (connection == NULL)
    {
      virErrorPtr last = virGetLastError ();

      g_set_error (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "cannot reach libvirt at %s: %s", uri,
                   last != NULL ? last->message : "unknown error");
      return NULL;
    }
  /* not every driver has one (the test driver runs in this process): no keep-alive is no error */
  if (virConnectSetKeepAlive (connection, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) != 0)
    virResetLastError ();
  return connection;
}

virDomainPtr
vmft_libvirt_lookup (virConnectPtr connection, const char *uuid, GError **error)
{
  virDomainPtr domain = virDomainLookupByUUIDString (connection, uuid);

  if (domain == NULL)
    vmft_libvirt_set_error (error, NULL, uuid);
  return domain;
}

int
vmft_libvirt_error_code (int code)
{
  switch (code)
    {
    case VIR_ERR_NO_DOMAIN:
      return VMFT_ERROR_NOT_FOUND;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_RPC:
    case VIR_ERR_SYSTEM_ERROR:
    case VIR_ERR_INTERNAL_ERROR:
      return VMFT_ERROR_UNAVAILABLE;
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_MIGRATE_UNSAFE:
    case VIR_ERR_HOOK_SCRIPT_FAILED:
    case VIR_ERR_CPU_INCOMPATIBLE:
      return VMFT_ERROR_REFUSED;
    case VIR_ERR_OPERATION_TIMEOUT:
    case VIR_ERR_AGENT_UNRESPONSIVE:
      return VMFT_ERROR_TIMEOUT;
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_INVALID_ARG:
      return VMFT_ERROR_INVALID;
    default:
      return VMFT_ERROR_FAILED;
    }
}

gboolean
vmft_libvirt_set_error (GError **error, virDomainPtr domain, const char *what)
{
  g_autoptr (virError) last = virSaveLastError ();
  const char *name = domain != NULL ? virDomainGetName (domain) : NULL;
  gboolean known = last != NULL && last->code != VIR_ERR_OK;

  g_set_error (error, VMFT_ERROR, known ? vmft_libvirt_error_code (last->code) : VMFT_ERROR_FAILED,
               "%s%s%s: %s", name != NULL ? name : "", name != NULL ? ": " : "", what,
               known && last->message != NULL ? last->message : "unknown error");
  virResetLastError ();
  return FALSE;
}

static void
ignore_error (void *user_data, virErrorPtr error)
{
  /* every error reaches us as a return value; libvirt would print it a second time on stderr */
}

void
vmft_libvirt_init (void)
{
  static gsize once = 0;

  if (!g_once_init_enter (&once))
    return;
  virInitialize ();
  virSetErrorFunc (NULL, ignore_error);
  gvir_event_register ();
  g_once_init_leave (&once, 1);
}

guint64
vmft_typed_params_ullong (const VmftTypedParams *params, const char *name, guint64 fallback)
{
  virTypedParameterPtr item = virTypedParamsGet (params->items, params->n_items, name);

  if (item == NULL)
    return fallback;
  switch (item->type)
    {
    case VIR_TYPED_PARAM_INT:
      return item->value.i < 0 ? fallback : (guint64) item->value.i;
    case VIR_TYPED_PARAM_UINT:
      return item->value.ui;
    case VIR_TYPED_PARAM_LLONG:
      return item->value.l < 0 ? fallback : (guint64) item->value.l;
    case VIR_TYPED_PARAM_ULLONG:
      return item->value.ul;
    case VIR_TYPED_PARAM_BOOLEAN:
      return item->value.b != 0;
    default:
      return fallback;
    }
}
