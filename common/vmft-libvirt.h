/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's handles freed by scope, once and for all (libvirt-dbus' manner): no manual free anywhere else. */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_BEGIN_DECLS

static inline void
vmft_connect_close (virConnectPtr connection)
{
  virConnectClose (connection);
}

static inline void
vmft_domain_free (virDomainPtr domain)
{
  virDomainFree (domain);
}

static inline void
vmft_storage_pool_free (virStoragePoolPtr pool)
{
  virStoragePoolFree (pool);
}

static inline void
vmft_storage_vol_free (virStorageVolPtr volume)
{
  virStorageVolFree (volume);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virConnect, vmft_connect_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virDomain, vmft_domain_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virError, virFreeError)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virStoragePool, vmft_storage_pool_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virStorageVol, vmft_storage_vol_free)

/** VmftTypedParams: libvirt's growing parameter list in one value, for g_auto(). */
typedef struct
{
  virTypedParameterPtr items;
  int n_items;
  int n_allocated; /* as libvirt's virTypedParamsAdd* functions want it */
} VmftTypedParams;

static inline void
vmft_typed_params_clear (VmftTypedParams *params)
{
  virTypedParamsFree (params->items, params->n_items);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VmftTypedParams, vmft_typed_params_clear)

G_END_DECLS
