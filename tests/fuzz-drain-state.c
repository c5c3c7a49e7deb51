/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State of which a disk or an enemy made something else: loading it fails cleanly, or gives a miner that works.
 * The input is taken for a snapshot with a checksum that fits, and for rows written `key field=value …`. */
#include "vmft-drain-load.h"
#include "vmft-drain-state.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
use (VmftDrain *drain)
{
  static const char *const lines[] = { "a b c", "a b d", "", "x", "y", "7 8", "a b c d e f" };

  for (guint i = 0; i < 3 * G_N_ELEMENTS (lines); i++)
    {
      const char *line = lines[i % G_N_ELEMENTS (lines)];
      VmftDrainTemplate info;
      VmftDrainMatch match;

      vmft_drain_add (drain, line, strlen (line), &match);
      g_assert_true (vmft_drain_template (drain, match.id, &info));
    }
}

static void
take_snapshot (const VmftDrainConfig *config, const guint8 *data, gsize size)
{
  static const char magic[] = "vmft-drain 1\n";
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  GByteArray *array = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (VmftDrain) drain = NULL;
  g_autoptr (GError) error = NULL;
  guint8 sum[32];
  gsize sum_bytes = sizeof sum;

  g_checksum_update (checksum, data, (gssize) size);
  g_checksum_get_digest (checksum, sum, &sum_bytes);
  g_byte_array_append (array, (const guint8 *) magic, strlen (magic));
  g_byte_array_append (array, sum, sizeof sum);
  g_byte_array_append (array, data, (guint) size);
  bytes = g_byte_array_free_to_bytes (array);
  drain = vmft_drain_load (config, bytes, &error);
  g_assert_true ((drain == NULL) == (error != NULL));
  if (drain != NULL)
    use (drain);
}

static void
take_row (VmftDrainLoad *load, const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", 12);
  g_autoptr (GVariant) record = NULL;
  GVariantDict dict;

  if (words[0] == NULL || !g_utf8_validate (text, -1, NULL))
    return;
  g_variant_dict_init (&dict, NULL);
  for (guint i = 1; words[i] != NULL; i++)
    {
      char *value = strchr (words[i], '=');
      gint64 number;

      if (value == NULL)
        continue;
      *value++ = '\0';
      if (g_str_equal (words[i], "live"))
        g_variant_dict_insert (&dict, words[i], "b", *value == '1');
      else if (g_ascii_string_to_signed (value, 10, G_MININT64, G_MAXINT64, &number, NULL))
        g_variant_dict_insert (&dict, words[i], "x", number);
      else
        g_variant_dict_insert (&dict, words[i], "s", g_strdelimit (value, ",", ' '));
    }
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  vmft_drain_load_row (load, words[0], record);
}

static void
take_rows (const VmftDrainConfig *config, const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_auto (GStrv) rows = g_strsplit (text, "\n", -1);
  g_autoptr (VmftDrain) empty = vmft_drain_new (config, NULL), drain = NULL;
  g_autoptr (VmftDrainLoad) load = vmft_drain_load_begin (config, NULL);
  g_autofree char *fingerprint = vmft_drain_fingerprint (empty);
  g_autofree char *meta = g_strdup_printf ("meta serial=99 used=99 fingerprint=%s", fingerprint);
  g_autoptr (GError) error = NULL;

  take_row (load, meta);
  for (guint i = 0; rows[i] != NULL; i++)
    take_row (load, rows[i]);
  drain = vmft_drain_load_end (load, &error);
  g_assert_true ((drain == NULL) == (error != NULL));
  if (drain != NULL)
    use (drain);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  VmftDrainConfig config;

  vmft_drain_config_init (&config);
  config.max_clusters = 3;
  take_snapshot (&config, data, size);
  take_rows (&config, data, size);
  return 0;
}
