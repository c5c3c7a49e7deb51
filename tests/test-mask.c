/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-common.h"
#include "vmft-mask-private.h"
#include "vmft-mask-regex.h"
#include "vmft-mask.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <glib/gstdio.h>
#include <pcre2.h>
#include <string.h>

/* The paper's masks, word for word. */
static const VmftMaskSpec paper[] = {
  { "ID", "((?<=[^A-Za-z0-9])|^)(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))((?=[^A-Za-z0-9])|$)" },
  { "IP", "((?<=[^A-Za-z0-9])|^)(\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3})((?=[^A-Za-z0-9])|$)" },
  { "SEQ", "((?<=[^A-Za-z0-9])|^)([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)" },
  { "SEQ", "((?<=[^A-Za-z0-9])|^)([0-9A-F]{4} ?){4,}((?=[^A-Za-z0-9])|$)" },
  { "HEX", "((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)" },
  { "NUM", "((?<=[^A-Za-z0-9])|^)([\\-\\+]?\\d+)((?=[^A-Za-z0-9])|$)" },
  { "CMD", "(?<=executed cmd )(\".+?\")" },
};

static char *
mask (const char *text, gsize length)
{
  char *out = g_malloc (vmft_mask_bound (length) + 1);
  gsize used = vmft_mask_default (text, length, out);

  g_assert_cmpuint (used, <=, vmft_mask_bound (length));
  out[used] = '\0';
  return out;
}

static void
test_by_hand (void)
{
  static const char *const cases[][2] = {
    { "", "" },
    { "sector 8 of sda1", "sector <:NUM:> of sda1" },
    { "-5 +7 --9 a-3 1-5", "<:NUM:> <:NUM:> -<:NUM:> a-<:NUM:> <:NUM:>-<:NUM:>" },
    { "10.0.0.1 1.2.3.4.5 1.2.3.4567", "<:IP:> <:IP:>.<:NUM:> <:NUM:>.<:NUM:>.<:NUM:>.<:NUM:>" },
    { "52:54:00:ab:cd:ef aa:bb:cc", "<:ID:> aa:bb:cc" },
    { "aa:bb:cc:dd:eeg", "<:ID:>:eeg" },
    { "0x1f 0xg 0x", "<:HEX:> 0xg 0x" },
    { "abcdef abcdef abcdef x", "<:SEQ:> x" },
    { "abcdefabcdefabcdef", "<:SEQ:>" },
    { "00AB 00CD 1234 5678", "<:SEQ:>" },
    { "executed cmd \"rm 5 \" now", "executed cmd <:CMD:> now" },
    { "executed cmd \"\"\" x", "executed cmd <:CMD:> x" },
    { "executed cmd \"\n\"", "executed cmd \"\n\"" },
    /* an earlier mask takes part of a later one's match, or becomes its neighbour */
    { "1.2.3.44:55:66:77", "<:NUM:>.<:NUM:>.<:NUM:>.<:ID:>" },
    { "aaaaaa bbbbbb cccccc:dd:ee:ff", "aaaaaa bbbbbb <:ID:>" },
    { "1.2.3.4-5", "<:IP:><:NUM:>" },
    { "abcdef abcdef abcdef 10.0.0.1", "<:SEQ:><:IP:>" },
    { "ABCD 12345678 12345678 12345678", "ABCD <:SEQ:>" },
    { "ABCD ABCD ABCD ABCD abcdef abcdef abcdef", "<:SEQ:><:SEQ:>" },
    /* bytes that are no UTF-8, and letters outside ASCII, are neighbours as punctuation is */
    { "\xff"
      "5\xfe caf\xc3\xa9"
      "5",
      "\xff<:NUM:>\xfe caf\xc3\xa9<:NUM:>" },
    /* \d matches ARABIC-INDIC DIGIT THREE, the lookarounds take it for punctuation */
    { "\xd9\xa3\xd9\xa3 5\xd9\xa3"
      "7a",
      "<:NUM:> <:NUM:>\xd9\xa3"
      "7a" },
    { "1.2.3.4\xd9\xa3\xd9\xa3\xd9\xa3", "<:IP:><:NUM:>" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = mask (cases[i][0], strlen (cases[i][0]));

      g_assert_cmpstr (out, ==, cases[i][1]);
    }
}

typedef struct
{
  pcre2_code *codes[G_N_ELEMENTS (paper)];
  pcre2_match_data *data;
  pcre2_match_context *context;
} Expressions;

static void
expressions_init (Expressions *self)
{
  for (gsize i = 0; i < G_N_ELEMENTS (paper); i++)
    {
      PCRE2_SIZE offset;
      int status;

      self->codes[i] = pcre2_compile ((PCRE2_SPTR) paper[i].pattern, PCRE2_ZERO_TERMINATED,
                                      PCRE2_UTF | PCRE2_UCP, &status, &offset, NULL);
      g_assert_nonnull (self->codes[i]);
      pcre2_jit_compile (self->codes[i], PCRE2_JIT_COMPLETE);
    }
  self->context = pcre2_match_context_create (NULL);
  pcre2_set_match_limit (self->context, 20000);
  self->data = pcre2_match_data_create (16, NULL);
}

static void
expressions_clear (Expressions *self)
{
  for (gsize i = 0; i < G_N_ELEMENTS (paper); i++)
    pcre2_code_free (self->codes[i]);
  pcre2_match_context_free (self->context);
  pcre2_match_data_free (self->data);
}

/* Returns: the text with the seven expressions replaced one after the other; NULL when one gives up. */
static char *
replace_all (Expressions *self, const char *text)
{
  g_autofree char *now = g_strdup (text);

  for (gsize i = 0; i < G_N_ELEMENTS (paper); i++)
    {
      g_autoptr (GString) out = g_string_new (NULL);
      gsize at = 0, length = strlen (now);
      int status;

      while ((status = pcre2_match (self->codes[i], (PCRE2_SPTR) now, length, at, 0, self->data,
                                    self->context)) > 0)
        {
          const PCRE2_SIZE *span = pcre2_get_ovector_pointer (self->data);

          g_string_append_len (out, now + at, (gssize) (span[0] - at));
          g_string_append_printf (out, "<:%s:>", paper[i].name);
          at = span[1];
        }
      if (status != PCRE2_ERROR_NOMATCH)
        return NULL;
      g_string_append (out, now + at);
      g_free (now);
      now = g_strdup (out->str);
    }
  return g_steal_pointer (&now);
}

static void
assert_same (Expressions *expressions, const char *text)
{
  g_autofree char *expected = replace_all (expressions, text), *out = mask (text, strlen (text));

  if (expected != NULL && !g_str_equal (expected, out))
    g_error ("\"%s\" becomes \"%s\", not \"%s\"", text, out, expected);
}

/* Strings of pieces that stand at the masks' edges. */
static void
test_against_expressions (void)
{
  static const char *const pieces[] = { "a",
                                        "f",
                                        "ab",
                                        "g",
                                        "0",
                                        "1",
                                        "12",
                                        "123",
                                        "1234",
                                        "12345678",
                                        "abcdef",
                                        "abcdef0",
                                        "ABCD",
                                        "F",
                                        "X",
                                        "1A2B",
                                        "0x",
                                        "x",
                                        "0x1f",
                                        "executed cmd \"",
                                        "aa:bb:cc:dd",
                                        ":",
                                        ".",
                                        " ",
                                        "  ",
                                        "-",
                                        "+",
                                        "_",
                                        "\"",
                                        "/",
                                        "1.2.3.4",
                                        "10.0.",
                                        "\xd9\xa3",
                                        "\xc2\xb2",
                                        "\xc3\xa9",
                                        "\xc2\xa0",
                                        "<",
                                        ">",
                                        "123456789012",
                                        "\xe0\xa5\xa7" };
  g_autoptr (GRand) rand = g_rand_new_with_seed (20241206);
  Expressions expressions;

  expressions_init (&expressions);
  for (guint i = 0; i < 60000; i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      guint few = i % 3 == 0 ? 4 : G_N_ELEMENTS (pieces),
            from = g_rand_int_range (rand, 0, G_N_ELEMENTS (pieces));

      for (gint n = g_rand_int_range (rand, 0, 20); n > 0; n--)
        g_string_append (text, pieces[(from + g_rand_int_range (rand, 0, few)) % G_N_ELEMENTS (pieces)]);
      assert_same (&expressions, text->str);
    }
  expressions_clear (&expressions);
}

/* Runs that touch and cross the edges of the scanner's blocks. */
static void
test_block_edges (void)
{
  static const char *const tails[] = {
    "5",   "-5",  "0x1f", "10.0.0.1",     "aa:bb:cc:dd",         "abcdef abcdef abcdef ",
    "zz9", "9zz", "\"",   "\xd9\xa3\x31", "executed cmd \"a 1\""
  };
  Expressions expressions;

  expressions_init (&expressions);
  for (guint fill = 40; fill < 200; fill++)
    {
      for (gsize i = 0; i < G_N_ELEMENTS (tails); i++)
        {
          g_autofree char *filling = g_strnfill (fill, "w 1"[fill % 3]);
          g_autofree char *text = g_strconcat (filling, " ", tails[i], " ", tails[(i + 1) % 3], NULL);
          g_autofree char *joined = g_strconcat (filling, tails[i], NULL);

          assert_same (&expressions, text);
          assert_same (&expressions, joined);
        }
    }
  expressions_clear (&expressions);
}

static void
test_samples (void)
{
  static const char *const samples[] = { "BGL", "Linux", "OpenSSH" };
  const char *shared = g_getenv ("VMFT_SHARED");
  g_autofree char *root =
      shared != NULL ? g_strdup (shared) : g_build_filename (VMFT_SOURCE_ROOT, "..", "shared", NULL);
  Expressions expressions;

  expressions_init (&expressions);
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++)
    {
      g_autofree char *name = g_strconcat (samples[i], ".txt", NULL);
      g_autofree char *path = g_build_filename (root, "data", "drain", name, NULL);
      g_autofree char *text = NULL;
      g_auto (GStrv) lines = NULL;

      if (!g_file_get_contents (path, &text, NULL, NULL))
        {
          g_test_skip ("no samples: set VMFT_SHARED to the folder with data/drain");
          break;
        }
      lines = g_strsplit (text, "\n", -1);
      for (guint j = 0; lines[j] != NULL; j++)
        assert_same (&expressions, lines[j]);
    }
  expressions_clear (&expressions);
}

/* Both ways through the scanner agree where both apply. */
static void
test_two_ways (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (guint i = 0; i < 20000; i++)
    {
      char text[64], one[512], other[512];
      gsize length = (gsize) g_rand_int_range (rand, 0, sizeof text), a, b;

      for (gsize j = 0; j < length; j++)
        text[j] = "0123456789abcdefABCDEFgx  ::..-+\"_\n\xff\xc3\xa9"[g_rand_int_range (rand, 0, 37)];
      a = vmft_mask_default (text, length, one);
      b = vmft_mask_foreign (text, length, other);
      g_assert_cmpmem (one, a, other, b);
    }
}

static VmftMaskRegex *
new_regex (const char *name, const char *pattern, GError **error)
{
  const VmftMaskSpec spec = { name, pattern };

  return vmft_mask_regex_new (&spec, 1, error);
}

static void
test_operator_masks (void)
{
  static const VmftMaskSpec specs[] = { { "DEV", "\\b(sd[a-z]|nvme\\d+n\\d+)\\b" }, { "NUM", "\\d+" } };
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftMaskRegex) masks = vmft_mask_regex_new (specs, 2, &error);
  g_autoptr (VmftMaskRegex) defaults = vmft_mask_regex_new (paper, G_N_ELEMENTS (paper), &error);
  g_autoptr (GString) out = g_string_new (NULL);

  g_assert_no_error (error);
  vmft_mask_regex_apply (masks, "dev sda, \xff nvme0n1 12 \xd9\xa3", 24, out);
  g_assert_cmpstr (out->str, ==, "dev <:DEV:>, \xff <:DEV:> <:NUM:> <:NUM:>");
  vmft_mask_regex_apply (masks, "", 0, out);
  g_assert_cmpstr (out->str, ==, "");
  g_assert_cmpuint (vmft_mask_regex_limited (masks), ==, 0);

  /* The paper's own list is the scanner, although its SEQ would not pass the trial. */
  vmft_mask_regex_apply (defaults, "at 10.0.0.1", 11, out);
  g_assert_cmpstr (out->str, ==, "at <:IP:>");
  g_assert_cmpuint (vmft_mask_regex_fingerprint (defaults), ==, vmft_mask_regex_default_fingerprint ());
  g_assert_cmpuint (vmft_mask_regex_fingerprint (masks), !=, vmft_mask_regex_default_fingerprint ());
}

static void
test_refused_masks (void)
{
  static const char *const refused[][3] = {
    { "NUM", "(\\d+", "mask NUM: missing closing parenthesis at character 5" },
    { "NUM", "\\d*", "empty" },
    { "a_b", "\\d+", "letters, digits or dashes" },
    { "", "\\d+", "letters, digits or dashes" },
    { "NUM", "\xff", "UTF-8" },
    { "W", "(a+)+$", "too many steps" },
    { "W", "(\\w+\\s?)+;", "too many steps" },
    { "W", "(x+x+)+y", "too many steps" },
    { "W", "(.*,)(.*,)(.*,)(.*,)(.*,)(.*,)x", "too many steps" },
    { "W", "([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)", "too many steps" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VmftMaskRegex) masks = new_regex (refused[i][0], refused[i][1], &error);

      if (masks != NULL)
        g_error ("%s is accepted", refused[i][1]);
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
      if (strstr (error->message, refused[i][2]) == NULL)
        g_error ("\"%s\" does not say \"%s\"", error->message, refused[i][2]);
    }
}

/* What slips through the trial is stopped by the limit, and counted. */
static void
test_match_limit (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VmftMaskRegex) masks = new_regex ("W", "(?:(?:qzw)+(?:qzw)+)+y", &error);
  g_autoptr (GString) line = g_string_new (NULL), out = g_string_new (NULL);

  g_assert_no_error (error);
  while (line->len < 200)
    g_string_append (line, "qzw");
  g_string_append (line, "! y");
  vmft_mask_regex_apply (masks, line->str, line->len, out);
  g_assert_cmpstr (out->str, ==, line->str);
  g_assert_cmpuint (vmft_mask_regex_limited (masks), ==, 1);
}

/* The file's form is that of the paper's list. */
static void
test_mask_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = g_string_new ("# masks\n\n");
  g_autoptr (VmftMaskRegex) masks = NULL, missing = NULL, broken = NULL;
  g_autofree char *path = NULL;

  g_close (g_file_open_tmp ("masks-XXXXXX", &path, NULL), NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (paper); i++)
    g_string_append_printf (text, "%s\t %s\n", paper[i].name, paper[i].pattern);
  g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
  masks = vmft_mask_regex_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (vmft_mask_regex_fingerprint (masks), ==, vmft_mask_regex_default_fingerprint ());

  g_assert_true (g_file_set_contents (path, "NUM \\d+\nIP\n", -1, NULL));
  broken = vmft_mask_regex_load (path, &error);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, ":2:"));
  g_clear_error (&error);
  g_unlink (path);
  missing = vmft_mask_regex_load (path, &error);
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mask/by-hand", test_by_hand);
  g_test_add_func ("/mask/against-expressions", test_against_expressions);
  g_test_add_func ("/mask/block-edges", test_block_edges);
  g_test_add_func ("/mask/samples", test_samples);
  g_test_add_func ("/mask/two-ways", test_two_ways);
  g_test_add_func ("/mask/operator", test_operator_masks);
  g_test_add_func ("/mask/refused", test_refused_masks);
  g_test_add_func ("/mask/file", test_mask_file);
  g_test_add_func ("/mask/match-limit", test_match_limit);
  return g_test_run ();
}
