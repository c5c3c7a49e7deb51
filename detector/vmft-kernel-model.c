/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-kernel-model.h"

#include "vmft-detector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC          "vmft kernel-message model 1\n"
#define MAX_WORDS      512
#define MIN_PART_WORDS 4 /* fewer are no message: "failed to", "unable to open" */
#define MAX_PART_WORDS 32
#define MIN_VALUE      4 /* digits of a bare hexadecimal number; "fd0" is none */
#define MAX_BYTES      (4 << 20)

#define FNV_OFFSET     0x811c9dc5u
#define FNV_PRIME      0x01000193u

struct _VmftKernelModel
{
  guint bits;
  double scale;
  double bias;
  gint8 weights[];
};

/* The header's "@key value" line, or NULL. Keys stand in a fixed order, so @at only moves forward. */
static char *
take_field (const char **at, const char *end, const char *key)
{
  gsize key_length = strlen (key);
  const char *newline = memchr (*at, '\n', (gsize) (end - *at));
  const char *value = *at + key_length + 1;

  if (!newline || newline < value || memcmp (*at, key, key_length) != 0 || value[-1] != ' ')
    return NULL;
  *at = newline + 1;
  return g_strndup (value, (gsize) (newline - value));
}

static gboolean
parse_number (const char *text, double *value)
{
  char *end = NULL;

  *value = text ? g_ascii_strtod (text, &end) : NAN;
  return text && end != text && *end == '\0' && isfinite (*value);
}

static gboolean
checksum_holds (const char *data,
                gsize head_length,
                const char *weights,
                gsize n_weights,
                const char *expected)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (checksum, (const guchar *) data, (gssize) head_length);
  g_checksum_update (checksum, (const guchar *) weights, (gssize) n_weights);
  return g_strcmp0 (g_checksum_get_string (checksum), expected) == 0;
}

VmftKernelModel *
vmft_kernel_model_parse (const char *name, const char *data, gsize length, GError **error)
{
  const char *at = data + strlen (MAGIC);
  const char *end = data + length;
  g_autofree char *bits_text = NULL, *scale_text = NULL, *bias_text = NULL, *source = NULL, *digest = NULL;
  double bits = 0, scale = 0, bias = 0;
  gsize head_length, n_weights;
  VmftKernelModel *self;

  if (length < strlen (MAGIC) || memcmp (data, MAGIC, strlen (MAGIC)) != 0)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "%s: not a kernel-message model", name);
      return NULL;
    }
  bits_text = take_field (&at, end, "bits");
  scale_text = take_field (&at, end, "scale");
  bias_text = take_field (&at, end, "bias");
  source = take_field (&at, end, "source");
  head_length = (gsize) (at - data);
  digest = take_field (&at, end, "sha256");
  if (!parse_number (bits_text, &bits) || !parse_number (scale_text, &scale) ||
      !parse_number (bias_text, &bias) || !source || !digest || bits < 8 || bits > 20 ||
      bits != floor (bits) || at == end || *at++ != '\n')
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "%s: broken header", name);
      return NULL;
    }
  n_weights = (gsize) 1 << (guint) bits;
  if ((gsize) (end - at) != n_weights || !checksum_holds (data, head_length, at, n_weights, digest))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "%s: wrong checksum", name);
      return NULL;
    }

  self = g_malloc (sizeof *self + n_weights);
  self->bits = (guint) bits;
  self->scale = scale;
  self->bias = bias;
  memcpy (self->weights, at, n_weights);
  return self;
}

VmftKernelModel *
vmft_kernel_model_load (const char *path, GError **error)
{
  g_autofree char *found = path ? g_strdup (path) : vmft_detector_data_path ("kernel-message.model");
  g_autofree char *data = NULL;
  g_autoptr (GError) local = NULL;
  gsize length = 0;

  if (!g_file_get_contents (found, &data, &length, &local))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND, "kernel-message model: %s", local->message);
      return NULL;
    }
  if (length > MAX_BYTES)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT, "%s: too large", found);
      return NULL;
    }
  return vmft_kernel_model_parse (found, data, length, error);
}

void
vmft_kernel_model_free (VmftKernelModel *self)
{
  g_free (self);
}

static inline char
lower (char c)
{
  return c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c;
}

static inline gboolean
is_letter (char c)
{
  char l = lower (c);

  return l >= 'a' && l <= 'z';
}

/* "[   42.132541]", "[<:NUM:>.<:NUM:>]": every character but letters outside a mask. */
static gsize
skip_stamp (const char *text, gsize length)
{
  gsize i = 0;

  while (i < length && text[i] == ' ')
    i++;
  if (i == length || text[i] != '[')
    return 0;
  for (i++; i < length && text[i] != ']'; i++)
    {
      if (i + 7 <= length && memcmp (text + i, "<:NUM:>", 7) == 0)
        i += 6;
      else if (text[i] != ' ' && text[i] != '.' && !g_ascii_isdigit (text[i]))
        return 0;
    }
  return i < length ? i + 1 : 0;
}

/* The length of the mask or wildcard at @text, or 0. */
static gsize
skip_mask (const char *text, gsize length)
{
  if (length >= 3 && memcmp (text, "<*>", 3) == 0)
    return 3;
  if (length < 4 || text[1] != ':')
    return 0;
  for (gsize i = 2; i + 1 < length && text[i] != ' '; i++)
    if (text[i] == ':' && text[i + 1] == '>')
      return i + 2;
  return 0;
}

/* A number in hexadecimal that no mask took ("00007ffc91f70de0"): a value, as conversions are in the format
 * strings the model was trained on. Its letters are no words. */
static gsize
skip_value (const char *text, gsize length)
{
  gsize n = 0;
  gboolean has_digit = FALSE, all_hex = TRUE;

  for (; n < length && g_ascii_isalnum (text[n]); n++)
    {
      has_digit |= g_ascii_isdigit (text[n]);
      all_hex &= g_ascii_isxdigit (text[n]);
    }
  return has_digit && all_hex && n >= MIN_VALUE ? n : 0;
}

static inline guint32
hash_bytes (guint32 hash, const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    hash = (hash ^ (guint8) lower (text[i])) * FNV_PRIME;
  return hash;
}

static inline guint32
fold (guint32 hash, guint bits)
{
  return ((hash >> bits) ^ hash) & ((1u << bits) - 1);
}

static int
compare_buckets (const void *a, const void *b)
{
  guint32 x = *(const guint32 *) a, y = *(const guint32 *) b;

  return x < y ? -1 : x > y;
}

/* A word, and the pair that it makes with the one before it (none before the first). */
typedef struct
{
  guint32 word;
  guint32 pair;
} Buckets;

static guint
collect_words (const VmftKernelModel *self, const char *text, gsize length, Buckets *words)
{
  guint n_words = 0;
  guint32 previous = 0;
  gsize i = skip_stamp (text, length);

  while (i < length && n_words < MAX_WORDS)
    {
      gsize skip = text[i] == '<' ? skip_mask (text + i, length - i) : 0;
      gsize start = i;

      if (skip == 0 && (i == 0 || !g_ascii_isalnum (text[i - 1])))
        skip = skip_value (text + i, length - i);
      if (skip > 0)
        {
          i += skip;
          continue;
        }
      while (i < length && is_letter (text[i]))
        i++;
      if (i - start >= 2)
        {
          words[n_words].pair =
              fold (hash_bytes ((previous ^ (guint8) ' ') * FNV_PRIME, text + start, i - start), self->bits);
          previous = hash_bytes (FNV_OFFSET, text + start, i - start);
          words[n_words++].word = fold (previous, self->bits);
        }
      else if (i == start)
        i++;
    }
  return n_words;
}

static double
to_probability (const VmftKernelModel *self, gint64 sum, guint n_distinct)
{
  return 1.0 / (1.0 + exp (-(self->bias + self->scale * (double) sum / sqrt (n_distinct))));
}

double
vmft_kernel_model_score (const VmftKernelModel *self, const char *text, gsize length)
{
  Buckets words[MAX_WORDS];
  guint32 buckets[2 * MAX_WORDS];
  guint n_words = collect_words (self, text, length, words);
  guint n = 0, n_distinct = 0;
  gint64 sum = 0;

  if (n_words == 0)
    return 0.0;
  for (guint i = 0; i < n_words; i++)
    {
      buckets[n++] = words[i].word;
      if (i > 0)
        buckets[n++] = words[i].pair;
    }
  qsort (buckets, n, sizeof buckets[0], compare_buckets);
  for (guint i = 0; i < n; i++)
    if (i == 0 || buckets[i] != buckets[i - 1])
      {
        sum += self->weights[buckets[i]];
        n_distinct++;
      }
  return to_probability (self, sum, n_distinct);
}

/* A part of a text that grows word by word. */
typedef struct
{
  guint32 buckets[2 * MAX_PART_WORDS];
  guint n;
  gint64 sum;
} Part;

static void
add_bucket (const VmftKernelModel *self, Part *part, guint32 bucket)
{
  for (guint i = 0; i < part->n; i++)
    if (part->buckets[i] == bucket)
      return;
  part->buckets[part->n++] = bucket;
  part->sum += self->weights[bucket];
}

double
vmft_kernel_model_score_worst_part (const VmftKernelModel *self, const char *text, gsize length)
{
  Buckets words[MAX_WORDS];
  guint n_words = collect_words (self, text, length, words);
  double worst = vmft_kernel_model_score (self, text, length);

  for (guint first = 0; first + MIN_PART_WORDS <= n_words; first++)
    {
      Part part = { .n = 0 };

      for (guint i = first; i < MIN (n_words, first + MAX_PART_WORDS); i++)
        {
          add_bucket (self, &part, words[i].word);
          if (i > first)
            add_bucket (self, &part, words[i].pair);
          if (i + 1 >= first + MIN_PART_WORDS)
            worst = MAX (worst, to_probability (self, part.sum, part.n));
        }
    }
  return worst;
}
