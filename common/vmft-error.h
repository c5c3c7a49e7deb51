/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VMFT_ERROR vmft_error_quark ()
GQuark vmft_error_quark (void);

/**
 * VmftError:
 * @VMFT_ERROR_FAILED: something went wrong that no other code names.
 * @VMFT_ERROR_INVALID: input (line, option, record) that does not parse.
 * @VMFT_ERROR_CONFIG: a configuration error; the message names file, group, key and what is allowed.
 * @VMFT_ERROR_NOT_FOUND: no such domain, incident, plan or file.
 * @VMFT_ERROR_UNAVAILABLE: a service (libvirtd, bus, log inference) cannot be reached now; trying again may
 * help.
 * @VMFT_ERROR_REFUSED: policy or a guard says no; the message says why.
 * @VMFT_ERROR_BUSY: the object is being worked on already.
 * @VMFT_ERROR_TIMEOUT: a deadline passed.
 * @VMFT_ERROR_CORRUPT: state on disk that cannot be trusted.
 *
 * D-Bus carries each as `org.vmft1.Error.<Name>`.
 */
typedef enum
{
  VMFT_ERROR_FAILED,
  VMFT_ERROR_INVALID,
  VMFT_ERROR_CONFIG,
  VMFT_ERROR_NOT_FOUND,
  VMFT_ERROR_UNAVAILABLE,
  VMFT_ERROR_REFUSED,
  VMFT_ERROR_BUSY,
  VMFT_ERROR_TIMEOUT,
  VMFT_ERROR_CORRUPT,
} VmftError;

G_END_DECLS
