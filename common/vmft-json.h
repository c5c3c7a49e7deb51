/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Records leave their room as a GVariant `a{sv}` made by `vmft_<record>_to_variant ()`. The same value goes
 * over D-Bus, into the history, out of HTTP and out of `vmftctl --json`: one representation, one schema.
 */

/**
 * vmft_json_from_variant:
 * @value: any variant; floating references are sunk
 * @pretty: indent for people
 *
 * Returns: (transfer full): JSON text. Infinite and not-a-number doubles, which JSON lacks, become null.
 */
char *vmft_json_from_variant (GVariant *value, gboolean pretty);

/**
 * vmft_json_to_variant:
 * @text: JSON, whose top level must be an object or array
 * @error: return location, %VMFT_ERROR_INVALID
 *
 * Returns: (transfer full): `a{sv}` for an object, `av` for an array; integers are `x`, other numbers `d`. A
 * member that is null is left out, a null element of an array is NaN: D-Bus could not carry them.
 */
GVariant *vmft_json_to_variant (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_dict_string: Returns: (nullable): the string @key of an `a{sv}`, owned by @dict. */
const char *vmft_dict_string (GVariant *dict, const char *key);

/** vmft_variant_double: Returns: the number in @value, whatever its numeric type, or @fallback when it is none. */
double vmft_variant_double (GVariant *value, double fallback);

/** vmft_dict_double: Returns: number @key of an `a{sv}`, whatever its numeric type, or @fallback. */
double vmft_dict_double (GVariant *dict, const char *key, double fallback);

/** vmft_dict_int64: Returns: number @key of an `a{sv}`, whatever its integer type, or @fallback. */
gint64 vmft_dict_int64 (GVariant *dict, const char *key, gint64 fallback);

/** vmft_dict_boolean: Returns: boolean @key of an `a{sv}`, or @fallback. */
gboolean vmft_dict_boolean (GVariant *dict, const char *key, gboolean fallback);

G_END_DECLS
