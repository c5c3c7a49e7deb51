/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-libvirt.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * The one way to run libvirt calls off the main loop. Every call of libvirt may block (the migrate call does so
 * for minutes), and libvirt keeps its last error per thread: so a call runs in a worker thread, turns its error
 * into a GError there, and hands the result to the main loop through a GTask.
 */

/**
 * VmftLibvirtFunc:
 * @task: to be returned by the function, exactly once
 * @connection: (nullable): the connection the call was made for
 * @task_data: the task's data
 *
 * Runs in a worker thread.
 */
typedef void (*VmftLibvirtFunc) (GTask *task, virConnectPtr connection, gpointer task_data);

/**
 * vmft_libvirt_pool_new: Returns: (transfer full): a thread pool of the room's own. GIO's is limited to a few
 * threads and migrations would starve file I/O in it. Free with vmft_libvirt_pool_free().
 */
GThreadPool *vmft_libvirt_pool_new (void);

/** vmft_libvirt_pool_free: lets calls under way end by themselves; does not wait for them. */
void vmft_libvirt_pool_free (GThreadPool *pool);

/**
 * vmft_libvirt_pool_run:
 * @task: (transfer none): kept alive until @func has returned it
 * @connection: (nullable): referenced for the time of the call; the last reference may be dropped in the worker,
 *   because closing a connection is a call of its own
 */
void vmft_libvirt_pool_run (GThreadPool *pool, GTask *task, virConnectPtr connection, VmftLibvirtFunc func);

/**
 * vmft_libvirt_pool_run_uri: as vmft_libvirt_pool_run(), on a connection to @uri that is opened in the worker and
 * closed afterwards. The task fails with %VMFT_ERROR_UNAVAILABLE when it cannot be opened.
 */
void vmft_libvirt_pool_run_uri (GThreadPool *pool, GTask *task, const char *uri, VmftLibvirtFunc func);

/**
 * vmft_libvirt_open:
 * @uri: a libvirt URI
 *
 * Worker threads only. Sets keep-alive, so that a dead peer is noticed within 15 seconds.
 *
 * Returns: (transfer full): the connection, or NULL with %VMFT_ERROR_UNAVAILABLE.
 */
virConnectPtr vmft_libvirt_open (const char *uri, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_libvirt_lookup:
 *
 * Worker threads only. Returns: (transfer full): the domain, or NULL with %VMFT_ERROR_NOT_FOUND.
 */
virDomainPtr vmft_libvirt_lookup (virConnectPtr connection,
                                  const char *uuid,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_libvirt_set_error:
 * @domain: (nullable): the domain it is about
 * @what: what was tried, "cannot sample the dirty rate"
 *
 * Turns this thread's last libvirt error into a #GError "NAME: @what: <libvirt's words>". Must be called in the thread
 * that made the call, before any other call of libvirt: even virDomainGetName() forgets the error.
 *
 * Returns: %FALSE, always.
 */
gboolean vmft_libvirt_set_error (GError **error, virDomainPtr domain, const char *what);

/** vmft_libvirt_error_code: Returns: the #VmftError that stands for libvirt's error @code (a #virErrorNumber). */
int vmft_libvirt_error_code (int code);

/** vmft_libvirt_init: initialises libvirt and its event loop on the default main context; any number of times. */
void vmft_libvirt_init (void);

/** vmft_typed_params_ullong: Returns: unsigned parameter @name, whatever its numeric type, or @fallback. */
guint64 vmft_typed_params_ullong (const VmftTypedParams *params, const char *name, guint64 fallback);

G_END_DECLS
