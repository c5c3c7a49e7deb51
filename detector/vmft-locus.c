/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-locus.h"

#include <string.h>

#define SCAN_BYTES 1024

/*
 * Shapes of names: 'a' one to four lower-case letters, '9' one or more digits, 'f' two hex digits, 'F' four hex
 * digits, '7' one octal digit; anything else stands for itself. @keep is how many pattern characters name the
 * whole device; the rest is a partition or journal suffix.
 */
typedef struct
{
  const char *prefix;
  const char *shape;
  guint keep;
} DeviceShape;

static const DeviceShape block_shapes[] = {
  { "nvme", "9n9p9", 3 }, { "nvme", "9c9n9", 5 }, { "nvme", "9n9", 3 }, { "nvme", "9", 1 },
  { "mmcblk", "9p9", 1 }, { "mmcblk", "9", 1 },   { "dm-", "9-9", 1 },  { "dm-", "9", 1 },
  { "md", "9p9", 1 },     { "md", "9-9", 1 },     { "md", "9", 1 },     { "sd", "a9-9", 1 },
  { "sd", "a9", 1 },      { "sd", "a-9", 1 },     { "sd", "a", 1 },     { "vd", "a9", 1 },
  { "vd", "a", 1 },       { "xvd", "a9", 1 },     { "xvd", "a", 1 },    { "hd", "a9", 1 },
  { "hd", "a", 1 },       { "loop", "9p9", 1 },   { "loop", "9-9", 1 }, { "loop", "9", 1 },
  { "nbd", "9p9", 1 },    { "nbd", "9", 1 },      { "zram", "9", 1 },   { "sr", "9", 1 },
  { "fd", "9", 1 },       { "rbd", "9p9", 1 },    { "rbd", "9", 1 },    { "bcache", "9", 1 },
  { "drbd", "9", 1 },     { "pmem", "9", 1 },
};

static const DeviceShape address_shapes[] = { { "", "9:9:9:9", 7 } };
static const DeviceShape port_shapes[] = { { "ata", "9.9", 1 }, { "ata", "9", 1 } };
static const DeviceShape pci_shapes[] = { { "", "F:f:f.7", 7 } };

static gsize
match_run (char kind, const char *text, gsize length)
{
  gsize n = 0, most = kind == 'a' ? 4 : kind == 'f' ? 2 : kind == 'F' ? 4 : kind == '7' ? 1 : 9;

  while (n < length && n < most)
    {
      char c = text[n];
      gboolean fits = kind == 'a'   ? c >= 'a' && c <= 'z'
                      : kind == '9' ? g_ascii_isdigit (c)
                      : kind == '7' ? c >= '0' && c <= '7'
                                    : g_ascii_isxdigit (c);
      if (!fits)
        break;
      n++;
    }
  return (kind == 'f' || kind == 'F') && n != most ? 0 : n;
}

/* Bytes of @name that name the device when all of it has this shape, or 0. */
static gsize
match_shape (const DeviceShape *shape, const char *name, gsize length)
{
  gsize at = strlen (shape->prefix), keep = 0;

  if (length < at || memcmp (name, shape->prefix, at) != 0)
    return 0;
  for (guint i = 0; shape->shape[i]; i++)
    {
      char kind = shape->shape[i];
      gsize n = strchr ("a9fF7", kind) ? match_run (kind, name + at, length - at)
                                       : (gsize) (at < length && name[at] == kind);

      if (n == 0)
        return 0;
      at += n;
      if (i + 1 == shape->keep)
        keep = at;
    }
  return at == length ? keep : 0;
}

static gsize
match_shapes (const DeviceShape *shapes, gsize n_shapes, const char *name, gsize length)
{
  for (gsize i = 0; i < n_shapes; i++)
    {
      gsize keep = match_shape (&shapes[i], name, length);

      if (keep > 0)
        return keep;
    }
  return 0;
}

#define MATCH(shapes, name, length) match_shapes (shapes, G_N_ELEMENTS (shapes), name, length)

static gboolean
set_name (VmftLocus *locus, VmftLocusKind kind, const char *name, gsize length)
{
  if (length == 0 || length >= sizeof locus->name)
    return FALSE;
  *locus = (VmftLocus){ .kind = kind };
  memcpy (locus->name, name, length);
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph (locus->name[i]))
      locus->name[i] = '?';
  return TRUE;
}

gboolean
vmft_locus_set_device (VmftLocus *locus, VmftLocusKind kind, const char *name, gsize length)
{
  gsize keep = 0;

  if (kind == VMFT_LOCUS_BLOCK)
    {
      keep = MATCH (block_shapes, name, length);
      if (keep == 0)
        keep = MATCH (port_shapes, name, length);
    }
  return set_name (locus, kind, name, keep > 0 ? keep : length);
}

static inline gboolean
is_name_byte (char c)
{
  return g_ascii_isalnum (c) || c == ':' || c == '.' || c == '-';
}

/* The token at *@at, without the punctuation that a sentence hangs on it. */
static gboolean
next_token (const char *text, gsize length, gsize *at, gsize *start, gsize *token_length)
{
  gsize end;

  while (*at < length && !g_ascii_isalnum (text[*at]))
    (*at)++;
  *start = *at;
  while (*at < length && is_name_byte (text[*at]))
    (*at)++;
  for (end = *at; end > *start && !g_ascii_isalnum (text[end - 1]);)
    end--;
  *token_length = end - *start;
  return *token_length > 0;
}

void
vmft_locus_scan (const char *text, gsize length, VmftLocus *locus)
{
  VmftLocus second = { .kind = VMFT_LOCUS_HOST }, third = { .kind = VMFT_LOCUS_HOST };
  gsize at = 0, start, n;

  length = MIN (length, SCAN_BYTES);
  while (next_token (text, length, &at, &start, &n))
    {
      const char *name = text + start;
      gsize keep = MATCH (block_shapes, name, n);

      if (keep > 0 && set_name (locus, VMFT_LOCUS_BLOCK, name, keep))
        return;
      if (second.name[0] == '\0')
        {
          keep = MATCH (address_shapes, name, n);
          if (keep == 0)
            keep = MATCH (port_shapes, name, n);
          if (keep > 0 && set_name (&second, VMFT_LOCUS_BLOCK, name, keep))
            continue;
        }
      if (third.name[0] == '\0' && MATCH (pci_shapes, name, n) > 0 &&
          !set_name (&third, VMFT_LOCUS_PCI, name, n))
        third.name[0] = '\0';
    }
  *locus = second.name[0] ? second : third;
}

gboolean
vmft_locus_scsi_pair (const char *text, gsize length, VmftLocus *address, VmftLocus *disk)
{
  gsize at = 0, start, n;
  const char *name;

  if (length < 12 || memcmp (text, "sd ", 3) != 0 || !next_token (text, length, &at, &start, &n) ||
      !next_token (text, length, &at, &start, &n) || MATCH (address_shapes, text + start, n) == 0 ||
      !set_name (address, VMFT_LOCUS_BLOCK, text + start, n) || !next_token (text, length, &at, &start, &n))
    return FALSE;
  name = text + start;
  return name[-1] == '[' && MATCH (block_shapes, name, n) == n && set_name (disk, VMFT_LOCUS_BLOCK, name, n);
}

static gboolean
is_controller (const char *name)
{
  return g_str_has_prefix (name, "nvme") && !strchr (name + 4, 'n');
}

gboolean
vmft_locus_is_vague (const VmftLocus *locus)
{
  return locus->kind == VMFT_LOCUS_BLOCK &&
         (strchr (locus->name, ':') || g_str_has_prefix (locus->name, "ata") || is_controller (locus->name));
}

gboolean
vmft_locus_overlaps (const VmftLocus *a, const VmftLocus *b)
{
  const VmftLocus *controller = is_controller (a->name) ? a : b;
  const VmftLocus *other = controller == a ? b : a;
  gsize length = strlen (controller->name);

  if (vmft_locus_equal (a, b))
    return TRUE;
  return a->kind == VMFT_LOCUS_BLOCK && b->kind == VMFT_LOCUS_BLOCK && is_controller (controller->name) &&
         strncmp (controller->name, other->name, length) == 0 && other->name[length] == 'n';
}
