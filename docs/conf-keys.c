/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the table that declares the configuration, for the manual: group, key, type, default, allowed, help. */
#include "vmft-conf.h"

int
main (void)
{
  static const char *const types[] = { "text",         "absolute path", "list",  "choice",  "yes or no",
                                       "whole number", "number",        "bytes", "duration" };
  guint n_keys = 0;
  const VmftConfKey *keys = vmft_conf_keys (&n_keys);

  for (guint i = 0; i < n_keys; i++)
    g_print ("%s\t%s\t%s\t%s\t%s\t%s\n", keys[i].group, keys[i].key, types[keys[i].type],
             keys[i].fallback ? keys[i].fallback : "(required)", keys[i].allowed ? keys[i].allowed : "",
             keys[i].help);
  return 0;
}
