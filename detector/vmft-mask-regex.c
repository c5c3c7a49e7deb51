/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-mask-regex.h"

#include "vmft-error.h"
#include "vmft-mask.h"
#include "vmft-utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (pcre2_code, pcre2_code_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (pcre2_compile_context, pcre2_compile_context_free)

/* A sound mask needs a few steps per byte; this is where a line stops being worth more. */
#define MATCH_LIMIT     100000
#define DEPTH_LIMIT     10000
#define HEAP_LIMIT_KIB  4096
#define JIT_STACK_BYTES (1024 * 1024)
#define MAX_PATTERN     4096
#define MAX_NAME        16
#define PROBE_BYTES     512
#define MAX_PIECES      256

/* Invalid bytes become characters of the last private-use plane while PCRE2 looks at them. */
#define OPAQUE_BASE ((gunichar) 0x10ff00)

typedef struct
{
  pcre2_code *code;
  char *name;
  char *replacement;
} Mask;

struct _VmftMaskRegex
{
  gboolean builtin; /* the default masks, which need no PCRE2 */
  GArray *masks;    /* Mask */
  pcre2_match_context *context;
  pcre2_match_data *data;
  pcre2_jit_stack *stack;
  GString *subject; /* of the mask at work */
  GString *result;
  guint64 limited;
  guint64 fingerprint;
};

/* The paper's masks: an operator who lists just them gets the scanner, which they agree with. */
static const VmftMaskSpec default_masks[] = {
  { "ID", "((?<=[^A-Za-z0-9])|^)(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))((?=[^A-Za-z0-9])|$)" },
  { "IP", "((?<=[^A-Za-z0-9])|^)(\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3})((?=[^A-Za-z0-9])|$)" },
  { "SEQ", "((?<=[^A-Za-z0-9])|^)([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)" },
  { "SEQ", "((?<=[^A-Za-z0-9])|^)([0-9A-F]{4} ?){4,}((?=[^A-Za-z0-9])|$)" },
  { "HEX", "((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)" },
  { "NUM", "((?<=[^A-Za-z0-9])|^)([\\-\\+]?\\d+)((?=[^A-Za-z0-9])|$)" },
  { "CMD", "(?<=executed cmd )(\".+?\")" },
};

static void
mask_clear (gpointer data)
{
  Mask *mask = data;

  pcre2_code_free (mask->code);
  g_free (mask->name);
  g_free (mask->replacement);
}

static gboolean
is_default (const VmftMaskSpec *specs, gsize n_specs)
{
  if (n_specs != G_N_ELEMENTS (default_masks))
    return FALSE;
  for (gsize i = 0; i < n_specs; i++)
    {
      if (!g_str_equal (specs[i].name, default_masks[i].name) ||
          !g_str_equal (specs[i].pattern, default_masks[i].pattern))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_spec (const VmftMaskSpec *spec, GError **error)
{
  gsize length = strlen (spec->name);

  if (length == 0 || length > MAX_NAME ||
      strspn (spec->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != length)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                   "mask \"%s\": a name has 1 to %d letters, digits or dashes", spec->name, MAX_NAME);
      return FALSE;
    }
  if (strlen (spec->pattern) > MAX_PATTERN || !g_utf8_validate (spec->pattern, -1, NULL))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                   "mask %s: a pattern is UTF-8 and at most %d bytes long", spec->name, MAX_PATTERN);
      return FALSE;
    }
  return TRUE;
}

static pcre2_code *
compile (const VmftMaskSpec *spec, GError **error)
{
  g_autoptr (pcre2_compile_context) context = pcre2_compile_context_create (NULL);
  g_autoptr (pcre2_code) code = NULL;
  PCRE2_SIZE offset = 0;
  int status = 0;

  pcre2_set_newline (context, PCRE2_NEWLINE_LF);
  code = pcre2_compile ((PCRE2_SPTR) spec->pattern, PCRE2_ZERO_TERMINATED,
                        PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &status, &offset, context);
  if (code == NULL)
    {
      char message[256] = "";

      pcre2_get_error_message (status, (PCRE2_UCHAR *) message, sizeof message);
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                   "mask %s: %s at character %" G_GSIZE_FORMAT " of \"%s\"", spec->name, message, offset + 1,
                   spec->pattern);
      return NULL;
    }
  /* Without JIT on this machine the interpreter does it, under the same limits. */
  pcre2_jit_compile (code, PCRE2_JIT_COMPLETE);
  return g_steal_pointer (&code);
}

/* One step of re.sub(): the next match at or after *@at. Returns: PCRE2's status. */
static int
next_match (VmftMaskRegex *self, const Mask *mask, gsize at, gsize *first, gsize *end)
{
  int status = pcre2_match (mask->code, (PCRE2_SPTR) self->subject->str, self->subject->len, at,
                            PCRE2_NO_UTF_CHECK, self->data, self->context);
  const PCRE2_SIZE *span = pcre2_get_ovector_pointer (self->data);

  if (status >= 0)
    {
      *first = span[0];
      *end = span[1];
    }
  return status;
}

/* Applies one mask to the subject. Returns: PCRE2_ERROR_NOMATCH when it went through, else what stopped it. */
static int
apply_one (VmftMaskRegex *self, const Mask *mask)
{
  gsize at = 0, first = 0, end = 0;
  GString *swap;
  int status;

  g_string_truncate (self->result, 0);
  for (gsize from = 0; (status = next_match (self, mask, from, &first, &end)) >= 0;)
    {
      if (end <= first || first < at) /* an empty match, or \K's tricks: masks nothing */
        {
          if (MAX (end, from) >= self->subject->len)
            {
              status = PCRE2_ERROR_NOMATCH;
              break;
            }
          from = (gsize) (g_utf8_next_char (self->subject->str + MAX (end, from)) - self->subject->str);
          continue;
        }
      g_string_append_len (self->result, self->subject->str + at, (gssize) (first - at));
      g_string_append (self->result, mask->replacement);
      at = from = end;
    }
  if (at == 0)
    return status;
  g_string_append_len (self->result, self->subject->str + at, (gssize) (self->subject->len - at));
  swap = self->subject;
  self->subject = self->result;
  self->result = swap;
  return status;
}

static gboolean
try_probe (VmftMaskRegex *self, const Mask *mask, GError **error)
{
  gsize first = 0, end = 0;
  int status = next_match (self, mask, 0, &first, &end);

  if (status >= 0 && first >= end)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                   "mask %s: matches the empty string, so it would mask everywhere", mask->name);
      return FALSE;
    }
  if (status < 0 && status != PCRE2_ERROR_NOMATCH)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG,
                   "mask %s: takes too many steps on a line of %" G_GSIZE_FORMAT
                   " bytes (\"%.12s…\"): nested or adjacent repeats try every way to divide the same text",
                   mask->name, self->subject->len, self->subject->str);
      return FALSE;
    }
  return TRUE;
}

static gboolean
probe_piece (VmftMaskRegex *self, const Mask *mask, const char *piece, const char *pattern, GError **error)
{
  static const char *const spoilers[] = { "", "!", "g", "\n", "~\x01" };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (spoilers); i++)
    {
      g_string_truncate (self->subject, 0);
      while (*piece != '\0' && self->subject->len < PROBE_BYTES)
        g_string_append (self->subject, piece);
      g_string_append (self->subject, spoilers[i / 2]);
      if (i % 2 == 1)
        g_string_append_printf (self->subject, "\x01%s", pattern);
      if (!try_probe (self, mask, error))
        return FALSE;
    }
  return TRUE;
}

/* Repeats of what the pattern itself and log lines are made of, each ending in something that spoils the
 * match at the last moment: what makes nested repeats backtrack. The pattern behind it brings what a match
 * has to have somewhere, or PCRE2 would not even try. */
static gboolean
probe (VmftMaskRegex *self, const Mask *mask, const char *pattern, GError **error)
{
  static const char *const common[] = { "a",  "A",     "0",       "f",      " ",  ".",   ":",
                                        "-",  "/",     "_",       "\"",     "x1", "aa ", "a,",
                                        "0.", "ab:0 ", "abcdef ", "0123 A", "=",  "(",   "\t" };
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (pieces, g_strdup (""));
  for (gsize i = 0; i < G_N_ELEMENTS (common); i++)
    g_ptr_array_add (pieces, g_strdup (common[i]));
  for (const char *p = pattern; *p != '\0' && pieces->len < MAX_PIECES; p = g_utf8_next_char (p))
    {
      const char *next = g_utf8_next_char (p), *after = *next != '\0' ? g_utf8_next_char (next) : next;

      g_ptr_array_add (pieces, g_strndup (p, (gsize) (next - p)));
      g_ptr_array_add (pieces, g_strndup (p, (gsize) (after - p)));
    }
  for (guint i = 0; i < pieces->len; i++)
    {
      if (!probe_piece (self, mask, g_ptr_array_index (pieces, i), pattern, error))
        return FALSE;
    }
  return TRUE;
}

/* FNV-1a over names and patterns, each with its NUL, so that boundaries count. */
static guint64
fingerprint (const VmftMaskSpec *specs, gsize n_specs)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  for (gsize i = 0; i < 2 * n_specs; i++)
    {
      const char *text = i % 2 == 0 ? specs[i / 2].name : specs[i / 2].pattern;

      for (gsize j = 0; j <= strlen (text); j++)
        hash = (hash ^ (guchar) text[j]) * G_GUINT64_CONSTANT (0x100000001b3);
    }
  return hash;
}

VmftMaskRegex *
vmft_mask_regex_new (const VmftMaskSpec *specs, gsize n_specs, GError **error)
{
  g_autoptr (VmftMaskRegex) self = g_new0 (VmftMaskRegex, 1);

  self->masks = g_array_new (FALSE, FALSE, sizeof (Mask));
  g_array_set_clear_func (self->masks, mask_clear);
  self->fingerprint = fingerprint (specs, n_specs);
  self->context = pcre2_match_context_create (NULL);
  self->data = pcre2_match_data_create (1, NULL);
  self->stack = pcre2_jit_stack_create (32 * 1024, JIT_STACK_BYTES, NULL);
  self->subject = g_string_sized_new (1024);
  self->result = g_string_sized_new (1024);
  pcre2_set_match_limit (self->context, MATCH_LIMIT);
  pcre2_set_depth_limit (self->context, DEPTH_LIMIT);
  pcre2_set_heap_limit (self->context, HEAP_LIMIT_KIB);
  pcre2_jit_stack_assign (self->context, NULL, self->stack);

  self->builtin = is_default (specs, n_specs);
  if (self->builtin)
    return g_steal_pointer (&self);
  for (gsize i = 0; i < n_specs; i++)
    {
      Mask mask = { NULL };

      if (!check_spec (&specs[i], error))
        return NULL;
      mask.code = compile (&specs[i], error);
      if (mask.code == NULL)
        return NULL;
      mask.name = g_strdup (specs[i].name);
      mask.replacement = g_strdup_printf ("<:%s:>", specs[i].name);
      g_array_append_val (self->masks, mask);
      if (!probe (self, &mask, specs[i].pattern, error))
        return NULL;
    }
  return g_steal_pointer (&self);
}

/* Cuts a line of a mask file in two. Returns: %FALSE when there is no pattern. */
static gboolean
parse_mask (char *line, VmftMaskSpec *spec)
{
  char *end = line + strcspn (line, " \t");

  if (*end == '\0')
    return FALSE;
  *end++ = '\0';
  spec->name = line;
  spec->pattern = end + strspn (end, " \t");
  return *spec->pattern != '\0';
}

VmftMaskRegex *
vmft_mask_regex_load (const char *path, GError **error)
{
  g_autoptr (GArray) specs = g_array_new (FALSE, FALSE, sizeof (VmftMaskSpec));
  g_autoptr (GError) local = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  VmftMaskRegex *self;

  if (!g_file_get_contents (path, &text, NULL, &local))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "masks: %s", local->message);
      return NULL;
    }
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *line = g_strchug (lines[i]);
      VmftMaskSpec spec;

      if (*line == '\0' || *line == '#')
        continue;
      if (!parse_mask (line, &spec))
        {
          g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "%s:%u: a mask is a name, blanks, a pattern",
                       path, i + 1);
          return NULL;
        }
      g_array_append_val (specs, spec);
    }
  self = vmft_mask_regex_new ((const VmftMaskSpec *) (gpointer) specs->data, specs->len, error);
  if (self == NULL)
    g_prefix_error (error, "%s: ", path);
  return self;
}

void
vmft_mask_regex_free (VmftMaskRegex *self)
{
  g_array_unref (self->masks);
  pcre2_match_context_free (self->context);
  pcre2_match_data_free (self->data);
  pcre2_jit_stack_free (self->stack);
  g_string_free (self->subject, TRUE);
  g_string_free (self->result, TRUE);
  g_free (self);
}

/* PCRE2 wants UTF-8: invalid bytes, and those of the characters that stand for them, become opaque. */
static void
set_subject (VmftMaskRegex *self, const char *text, gsize length)
{
  g_string_truncate (self->subject, 0);
  for (gsize at = 0; at < length;)
    {
      gunichar c;
      gsize used = vmft_utf8_next (text + at, length - at, &c);

      if (c >= OPAQUE_BASE)
        {
          for (gsize i = 0; i < used; i++)
            g_string_append_unichar (self->subject, OPAQUE_BASE + (guchar) text[at + i]);
        }
      else
        {
          g_string_append_len (self->subject, text + at, (gssize) used);
        }
      at += used;
    }
}

static void
take_subject (VmftMaskRegex *self, GString *out)
{
  const char *text = self->subject->str;

  g_string_truncate (out, 0);
  for (gsize at = 0; at < self->subject->len;)
    {
      gunichar c;
      gsize used = vmft_utf8_next (text + at, self->subject->len - at, &c);

      if (c >= OPAQUE_BASE)
        g_string_append_c (out, (char) (c - OPAQUE_BASE));
      else
        g_string_append_len (out, text + at, (gssize) used);
      at += used;
    }
}

void
vmft_mask_regex_apply (VmftMaskRegex *self, const char *text, gsize length, GString *out)
{
  if (self->builtin)
    {
      g_string_set_size (out, vmft_mask_bound (length));
      g_string_truncate (out, vmft_mask_default (text, length, out->str));
      return;
    }
  set_subject (self, text, length);
  for (guint i = 0; i < self->masks->len; i++)
    {
      if (apply_one (self, &g_array_index (self->masks, Mask, i)) != PCRE2_ERROR_NOMATCH)
        self->limited++;
    }
  take_subject (self, out);
}

guint64
vmft_mask_regex_limited (VmftMaskRegex *self)
{
  return self->limited;
}

guint64
vmft_mask_regex_fingerprint (VmftMaskRegex *self)
{
  return self->fingerprint;
}

guint64
vmft_mask_regex_default_fingerprint (void)
{
  return fingerprint (default_masks, G_N_ELEMENTS (default_masks));
}
