/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-estimator.h"

static void
test_names (void)
{
  for (guint i = 0; i < VMFT_N_MODES; i++)
    {
      VmftMode mode = VMFT_N_MODES;

      g_assert_true (vmft_mode_from_string (vmft_mode_to_string ((VmftMode) i), &mode));
      g_assert_cmpint (mode, ==, i);
    }
}

static void
test_spellings (void)
{
  VmftMode mode = VMFT_MODE_PRECOPY;

  g_assert_true (vmft_mode_from_string ("PostCopy", &mode));
  g_assert_cmpint (mode, ==, VMFT_MODE_POSTCOPY);
  g_assert_true (vmft_mode_from_string ("autoconverge", &mode));
  g_assert_cmpint (mode, ==, VMFT_MODE_AUTO_CONVERGE);
  g_assert_false (vmft_mode_from_string ("post-copyx", &mode));
  g_assert_false (vmft_mode_from_string ("post", &mode));
  g_assert_false (vmft_mode_from_string ("", &mode));
  g_assert_false (vmft_mode_from_string (NULL, &mode));
}

static void
test_sets (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *none = vmft_modes_to_string (0);
  guint modes = 0;

  g_assert_true (vmft_modes_from_string ("hybrid, pre-copy\txbzrle", &modes, &error));
  text = vmft_modes_to_string (modes);
  g_assert_cmpstr (text, ==, "pre-copy, xbzrle, hybrid");
  g_assert_cmpstr (none, ==, "none");
  g_assert_true (vmft_modes_from_string ("all", &modes, &error));
  g_assert_cmpuint (modes, ==, VMFT_MODES_ALL);

  modes = 0;
  g_assert_false (vmft_modes_from_string ("pre-copy, teleport", &modes, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "teleport"));
  g_assert_cmpuint (modes, ==, 0);
  g_clear_error (&error);
  g_assert_false (vmft_modes_from_string (" ,", &modes, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mode/names", test_names);
  g_test_add_func ("/mode/spellings", test_spellings);
  g_test_add_func ("/mode/sets", test_sets);
  return g_test_run ();
}
