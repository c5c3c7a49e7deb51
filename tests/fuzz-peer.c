/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What another host, or whoever stands in its place, says of itself. */
#include "daemon/vmft-peer.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftPeerState) state = vmft_peer_state_parse (text, &error);
  GHashTableIter iter;
  const char *template_text;
  const double *age_s;

  g_assert_true ((state == NULL) == (error != NULL));
  if (state == NULL)
    return 0;
  if (state->suspicion != NULL)
    {
      g_assert_true (g_utf8_validate (state->suspicion, -1, NULL));
      g_assert_cmpuint (strlen (state->suspicion), <=, 256);
      g_assert_null (strpbrk (state->suspicion, "\r\n\x1b"));
    }
  g_hash_table_iter_init (&iter, state->templates);
  while (g_hash_table_iter_next (&iter, (gpointer *) &template_text, (gpointer *) &age_s))
    {
      g_assert_true (g_utf8_validate (template_text, -1, NULL));
      g_assert_cmpfloat (*age_s, >=, 0.0);
    }
  return 0;
}
