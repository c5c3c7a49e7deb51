/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a language model, or whoever stands in its place, replies; and what is scrubbed before it is asked. */
#include "detector/vmft-inference-prompt.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autofree char *scrubbed = vmft_prompt_scrub (text);

  for (int style = VMFT_PROMPT_FEW_SHOT; style <= VMFT_PROMPT_ZERO_SHOT; style++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VmftReply) reply =
          vmft_prompt_parse_reply ((VmftPromptStyle) style, (const char *) data, size, &error);

      g_assert_true ((reply == NULL) == (error != NULL));
      g_assert_true (reply == NULL || reply->reason == NULL || g_utf8_validate (reply->reason, -1, NULL));
    }
  for (const char *c = scrubbed; *c != '\0'; c++)
    g_assert_true (*c == ' ' || g_ascii_isgraph (*c));
  g_assert_cmpuint (strcspn (scrubbed, "0123456789\"\\"), ==, strlen (scrubbed));
  return 0;
}
