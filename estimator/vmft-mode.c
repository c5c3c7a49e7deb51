/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-mode.h"

#include "vmft-error.h"

static const char *const mode_names[VMFT_N_MODES] = { "pre-copy", "xbzrle", "auto-converge", "hybrid",
                                                      "post-copy" };

const char *
vmft_mode_to_string (VmftMode mode)
{
  g_return_val_if_fail ((guint) mode < VMFT_N_MODES, "unknown");
  return mode_names[mode];
}

/* "pre-copy" and "precopy" alike: compares @text with @name, passing over the hyphens of both. */
static gboolean
same_but_for_hyphens (const char *text, const char *name)
{
  for (;;)
    {
      while (*text == '-')
        text++;
      while (*name == '-')
        name++;
      if (g_ascii_tolower (*text) != *name)
        return FALSE;
      if (*name == '\0')
        return TRUE;
      text++;
      name++;
    }
}

gboolean
vmft_mode_from_string (const char *text, VmftMode *mode)
{
  for (guint i = 0; text != NULL && i < VMFT_N_MODES; i++)
    if (same_but_for_hyphens (text, mode_names[i]))
      {
        *mode = (VmftMode) i;
        return TRUE;
      }
  return FALSE;
}

char *
vmft_modes_to_string (guint modes)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < VMFT_N_MODES; i++)
    if (modes & vmft_mode_bit ((VmftMode) i))
      g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", mode_names[i]);
  if (text->len == 0)
    g_string_append (text, "none");
  return g_string_free (text, FALSE);
}

gboolean
vmft_modes_from_string (const char *text, guint *modes, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (text, ", \t\n", -1);
  guint set = 0;

  for (char **word = words; *word != NULL; word++)
    {
      VmftMode mode;

      if (**word == '\0')
        continue;
      if (g_ascii_strcasecmp (*word, "all") == 0)
        set |= VMFT_MODES_ALL;
      else if (vmft_mode_from_string (*word, &mode))
        set |= vmft_mode_bit (mode);
      else
        {
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID,
                       "no migration mode \"%s\"; there are pre-copy, xbzrle, auto-converge, hybrid, "
                       "post-copy and all",
                       *word);
          return FALSE;
        }
    }
  if (set == 0)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "an empty set of migration modes");
      return FALSE;
    }
  *modes = set;
  return TRUE;
}
