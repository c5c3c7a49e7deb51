/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-common.h"

G_BEGIN_DECLS

/**
 * VmftConfType: how a value is written.
 * @VMFT_CONF_STRING: any text
 * @VMFT_CONF_PATH: an absolute path
 * @VMFT_CONF_LIST: texts separated by commas, semicolons or white space
 * @VMFT_CONF_CHOICE: one of the words that @allowed lists, separated by '|'
 * @VMFT_CONF_BOOLEAN: true, false, yes, no, on, off, 1 or 0
 * @VMFT_CONF_INTEGER: a whole number within @allowed, "LOW..HIGH"
 * @VMFT_CONF_NUMBER: a number within @allowed
 * @VMFT_CONF_BYTES: vmft_text_parse_bytes(); rates are bytes per second
 * @VMFT_CONF_DURATION: vmft_text_parse_duration(), within @allowed (in seconds) when given
 */
typedef enum
{
  VMFT_CONF_STRING,
  VMFT_CONF_PATH,
  VMFT_CONF_LIST,
  VMFT_CONF_CHOICE,
  VMFT_CONF_BOOLEAN,
  VMFT_CONF_INTEGER,
  VMFT_CONF_NUMBER,
  VMFT_CONF_BYTES,
  VMFT_CONF_DURATION,
} VmftConfType;

/**
 * VmftConfKey: one line of the table that declares the whole configuration.
 * @group: the group; "Source *" stands for every "[Source NAME]"
 * @fallback: (nullable): value when the key is absent; NULL makes it required; "" means not set
 * @allowed: (nullable): see #VmftConfType
 * @help: one sentence for the manual
 */
typedef struct
{
  const char *group;
  const char *key;
  VmftConfType type;
  const char *fallback;
  const char *allowed;
  const char *help;
} VmftConfKey;

/** vmft_conf_keys: Returns: (transfer none): the table, in the order of the manual. */
const VmftConfKey *vmft_conf_keys (guint *n_keys);

/** VmftConf: `vmftd.conf` with its drop-ins: immutable, behind a reference count. */
typedef struct _VmftConf VmftConf;

/** vmft_conf_new: Returns: (transfer full): what holds when nothing is configured. */
VmftConf *vmft_conf_new (void);

/**
 * vmft_conf_load:
 * @path: the main file; `PATH.d/` holds the drop-ins, `*.conf` in order of name, later ones win key by key
 * @error: %VMFT_ERROR_CONFIG, in one line: file, group, key, and what is allowed; %VMFT_ERROR_NOT_FOUND when
 *   there is no @path
 *
 * Returns: (transfer full): the configuration.
 */
VmftConf *vmft_conf_load (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_conf_set: one value from the command line, while @self is not shared yet. %VMFT_ERROR_CONFIG.
 *
 * A named group that is new gets its defaults with it.
 */
gboolean vmft_conf_set (VmftConf *self, const char *group, const char *key, const char *text, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

VmftConf *vmft_conf_ref (VmftConf *self);
void vmft_conf_unref (VmftConf *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftConf, vmft_conf_unref)

/** vmft_conf_list_named: Returns: (transfer container): NAME of each "[KIND NAME]", sorted, NULL-terminated. */
const char **vmft_conf_list_named (VmftConf *self, const char *kind);

/** vmft_conf_get_string: @group: with its name, "Source kern". Returns: (nullable): NULL when not set. */
const char *vmft_conf_get_string (VmftConf *self, const char *group, const char *key);

/** vmft_conf_get_list: Returns: (transfer full): the words, NULL-terminated. */
char **vmft_conf_get_list (VmftConf *self, const char *group, const char *key);

gboolean vmft_conf_get_boolean (VmftConf *self, const char *group, const char *key);

/** vmft_conf_get_uint: Returns: an integer or a number of bytes. */
guint64 vmft_conf_get_uint (VmftConf *self, const char *group, const char *key);

/** vmft_conf_get_double: Returns: a number, or a duration in seconds. */
double vmft_conf_get_double (VmftConf *self, const char *group, const char *key);

/** vmft_conf_to_variant: Returns: (transfer floating): `a{sv}`: group -> `a{ss}` of the values in force. */
GVariant *vmft_conf_to_variant (VmftConf *self);

G_END_DECLS
