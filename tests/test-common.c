/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"

#include <math.h>

static void
test_printable (void)
{
  static const char bytes[] = "ok\x1b[2J \xff\xfe h\xc3\xa9\0tail";
  g_autofree char *safe = vmft_text_printable (bytes, sizeof bytes - 1);

  g_assert_cmpstr (safe, ==, "ok?[2J ?? h\xc3\xa9?tail");
  g_assert_true (g_utf8_validate (safe, -1, NULL));
}

static void
test_sizes_and_durations (void)
{
  g_autoptr (GError) error = NULL;
  guint64 bytes = 0;
  double seconds = 0;

  g_assert_true (vmft_text_parse_bytes ("64MiB", &bytes, &error));
  g_assert_cmpuint (bytes, ==, 64 << 20);
  g_assert_true (vmft_text_parse_duration ("1.5min", &seconds, &error));
  g_assert_cmpfloat (seconds, ==, 90.0);
  g_assert_false (vmft_text_parse_bytes ("-1", &bytes, &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (vmft_text_parse_bytes ("12 parsecs", &bytes, NULL));
  g_assert_false (vmft_text_parse_duration ("nan", &seconds, NULL));
  g_assert_false (vmft_text_parse_duration ("5 weeks", &seconds, NULL));
  g_assert_false (vmft_text_parse_duration ("", &seconds, NULL));
}

static void
test_json_round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) back = NULL;
  g_autofree char *text = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", "vm \"1\"");
  g_variant_dict_insert (&dict, "never", "d", INFINITY);
  g_variant_dict_insert (&dict, "bytes", "t", G_GUINT64_CONSTANT (1) << 40);
  text = vmft_json_from_variant (g_variant_dict_end (&dict), FALSE);
  g_assert_nonnull (strstr (text, "\"never\":null"));

  back = vmft_json_to_variant (text, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (vmft_dict_string (back, "name"), ==, "vm \"1\"");
  g_assert_cmpint (vmft_dict_int64 (back, "bytes", 0), ==, G_GINT64_CONSTANT (1) << 40);
  g_assert_cmpfloat (vmft_dict_double (back, "absent", 2.5), ==, 2.5);

  g_assert_cmpfloat (vmft_dict_double (back, "never", INFINITY), ==, INFINITY);
  g_clear_pointer (&back, g_variant_unref);
  back = vmft_json_to_variant ("{\"a\":[null,1,{\"b\":null}]}", &error);
  g_assert_no_error (error);
  g_clear_pointer (&text, g_free);
  text = g_variant_print (back, FALSE);
  g_assert_null (strstr (text, "nothing"));

  g_assert_null (vmft_json_to_variant ("{\"a\":", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (vmft_json_to_variant ("17", NULL));
  {
    g_autofree char *deep = g_strnfill (1 << 20, '[');
    g_autoptr (GVariant) brackets =
        vmft_json_to_variant ("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"\"]", &error);

    g_assert_nonnull (brackets);
    g_assert_null (vmft_json_to_variant (deep, NULL));
  }
}

static void
test_json_half_a_surrogate_pair (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) back = vmft_json_to_variant (
      "{\"a\":\"\\ud800xy\",\"\\ud800kk\":[\"\\ud800vv\"],\"b\":\"1\\n\\ud83d\\ude00\"}", &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (vmft_dict_string (back, "a"), "???"));
  g_assert_cmpstr (vmft_dict_string (back, "b"), ==, "1\n\xf0\x9f\x98\x80");
  text = g_variant_print (back, FALSE);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_nonnull (strstr (text, "<[<'???"));
}

static void
test_table (void)
{
  static const char *const headings[] = { "Name", "State", NULL };
  static const char *const row[] = { "a-long-name", "up\n", NULL };
  g_autoptr (VmftTable) table = vmft_table_new (headings);
  g_autofree char *text = NULL;

  vmft_table_add (table, row);
  vmft_table_add_printf (table, "%s", "b");
  vmft_table_add_printf (table, "%d", 7);
  text = vmft_table_to_string (table);
  g_assert_cmpstr (text, ==,
                   " Name          State\n"
                   "----------------------\n"
                   " a-long-name   up?\n"
                   " b             7\n");
}

static gboolean
count_and_stop_at_three (gpointer data)
{
  return ++*(int *) data < 3;
}

static void
test_fake_clock (void)
{
  g_autoptr (VmftClock) clock = vmft_fake_clock_new (1000);
  int repeated = 0, late = 0;
  guint id;

  vmft_clock_add_timer (clock, 10, count_and_stop_at_three, &repeated, NULL);
  id = vmft_clock_add_timer (clock, 50, count_and_stop_at_three, &late, NULL);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), 25 * 1000);
  g_assert_cmpint (repeated, ==, 2);
  g_assert_cmpint (vmft_clock_real_us (clock), ==, 26 * 1000);
  vmft_clear_timer (clock, &id);
  vmft_fake_clock_advance (VMFT_FAKE_CLOCK (clock), G_USEC_PER_SEC);
  g_assert_cmpint (repeated, ==, 3);
  g_assert_cmpint (late, ==, 0);

  vmft_fake_clock_jump (VMFT_FAKE_CLOCK (clock), -G_USEC_PER_SEC);
  g_assert_cmpint (vmft_clock_real_us (clock), ==, 26 * 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/common/text/printable", test_printable);
  g_test_add_func ("/common/text/sizes-and-durations", test_sizes_and_durations);
  g_test_add_func ("/common/json/round-trip", test_json_round_trip);
  g_test_add_func ("/common/json/half-a-surrogate-pair", test_json_half_a_surrogate_pair);
  g_test_add_func ("/common/table", test_table);
  g_test_add_func ("/common/clock/fake", test_fake_clock);
  return g_test_run ();
}
