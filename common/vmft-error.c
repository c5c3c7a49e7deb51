/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-error.h"

#include <gio/gio.h>

static const GDBusErrorEntry entries[] = {
  { VMFT_ERROR_FAILED, "org.vmft1.Error.Failed" },
  { VMFT_ERROR_INVALID, "org.vmft1.Error.Invalid" },
  { VMFT_ERROR_CONFIG, "org.vmft1.Error.Config" },
  { VMFT_ERROR_NOT_FOUND, "org.vmft1.Error.NotFound" },
  { VMFT_ERROR_UNAVAILABLE, "org.vmft1.Error.Unavailable" },
  { VMFT_ERROR_REFUSED, "org.vmft1.Error.Refused" },
  { VMFT_ERROR_BUSY, "org.vmft1.Error.Busy" },
  { VMFT_ERROR_TIMEOUT, "org.vmft1.Error.Timeout" },
  { VMFT_ERROR_CORRUPT, "org.vmft1.Error.Corrupt" },
};

GQuark
vmft_error_quark (void)
{
  static gsize quark = 0;

  g_dbus_error_register_error_domain ("vmft-error-quark", &quark, entries, G_N_ELEMENTS (entries));
  return (GQuark) quark;
}
