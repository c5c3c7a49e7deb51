/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines into two miners, one of which is saved and loaded again whenever a line is empty: both tell the same. */
#include "vmft-drain-state.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static VmftDrain *
reload (VmftDrain *drain, const VmftDrainConfig *config)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = vmft_drain_save (drain);

  vmft_drain_free (drain);
  drain = vmft_drain_load (config, bytes, &error);
  g_assert_no_error (error);
  return drain;
}

/* The first bytes are the configuration. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (VmftDrain) whole = NULL, stopped = NULL;
  VmftDrainConfig config;

  if (size < 4)
    return 0;
  vmft_drain_config_init (&config);
  config.depth = 3 + data[0] % 4;
  config.similarity = (data[1] % 11) / 10.0;
  config.max_children = 1 + data[2] % 8;
  config.max_clusters = data[3] % 16;
  whole = vmft_drain_new (&config, NULL);
  stopped = vmft_drain_new (&config, NULL);
  data += 4;
  size -= 4;
  while (size > 0)
    {
      const guint8 *newline = memchr (data, '\n', size);
      gsize length = newline != NULL ? (gsize) (newline - data) : size;
      g_autofree char *line = g_memdup2 (data, length);
      VmftDrainMatch a, b;

      if (length == 0)
        stopped = reload (g_steal_pointer (&stopped), &config);
      vmft_drain_add (whole, line != NULL ? line : "", length, &a);
      vmft_drain_add (stopped, line != NULL ? line : "", length, &b);
      g_assert_true (a.id == b.id && a.generation == b.generation && a.words == b.words);
      g_assert_true (a.is_new == b.is_new && a.changed == b.changed);
      data += MIN (length + 1, size);
      size -= MIN (length + 1, size);
    }
  return 0;
}
