/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* process_vm_readv */
#endif
#include "vmft-page-sample.h"

#include "vmft-common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
/* QEMU's own 512 pages a GiB, but enough of them for a small guest */
#define PAGES_PER_GIB 512
#define MIN_PAGES     4096
#define MAX_PAGES     32768
/* one call reads so many */
#define CHUNK 256
/* QEMU's RAM block may be a little smaller than what libvirt rounds up to */
#define RAM_SLACK_BYTES (G_GUINT64_CONSTANT (2) << 20)
#define PRESENT         (G_GUINT64_CONSTANT (1) << 63)
#define SWAPPED         (G_GUINT64_CONSTANT (1) << 62)
/* fewer changed pages than this say little about how they change */
#define MIN_CHANGED 8
/* what QEMU sends around the changed bytes of a page */
#define XBZRLE_HEADER 12

typedef enum
{
  PAGE_ABSENT,
  PAGE_SWAPPED,
  PAGE_ZERO,
  PAGE_WRITTEN,
} PageState;

typedef struct
{
  guint64 address;
  guint64 hash;
  PageState state;
} Page;

struct _VmftPageSample
{
  int pid;
  int pagemap;
  guint64 ram_bytes;
  guint n_pages;
  Page *pages; /* by address */
  guint8 *kept;
  gint64 begun_us;
};

guint
vmft_xbzrle_bytes (const guint8 *before, const guint8 *after, guint n)
{
  guint bytes = 0;

  for (guint i = 0; i < n && bytes < n;)
    {
      guint same = 0, other = 0;

      while (i + same < n && before[i + same] == after[i + same])
        same++;
      i += same;
      while (i + other < n && before[i + other] != after[i + other])
        other++;
      i += other;
      /* two lengths of one byte, or of two from 128 on, and the changed bytes; a rest that is the same needs none */
      if (other > 0)
        bytes += (same < 128 ? 1 : 2) + (other < 128 ? 1 : 2) + other;
    }
  return MIN (bytes, n);
}

static guint64
hash_page (const guint8 *page, gboolean *zero)
{
  guint64 hash = 0, any = 0, word;

  for (guint i = 0; i < PAGE; i += sizeof word)
    {
      memcpy (&word, page + i, sizeof word);
      any |= word;
      hash = (hash ^ word) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
      hash ^= hash >> 29;
    }
  *zero = any == 0;
  return hash;
}

/* A page that is not there would be made by looking at it, and one that is swapped out would come back. */
static PageState
look_up_page (const VmftPageSample *self, guint64 address)
{
  guint64 entry = 0;

  if (pread (self->pagemap, &entry, sizeof entry, (off_t) (address / PAGE * sizeof entry)) != sizeof entry)
    return PAGE_ABSENT;
  if (entry & PRESENT)
    return PAGE_WRITTEN;
  return entry & SWAPPED ? PAGE_SWAPPED : PAGE_ABSENT;
}

/* Of so many pages of a mapping, how many are there. */
#define PROBES 256

static guint64
resident_bytes (const VmftPageSample *self, guint64 start, guint64 size)
{
  guint64 step = MAX (size / PROBES / PAGE, 1) * PAGE;
  guint there = 0;

  for (guint i = 0; i < PROBES; i++)
    there += look_up_page (self, start + (i * step) % size) != PAGE_ABSENT;
  return size / PROBES * there;
}

/* The mapping that is the guest's RAM: written to, never executed, large enough, and of those the one in use. */
static gboolean
find_ram (const VmftPageSample *self, const char *proc, guint64 memory_bytes, guint64 *start, guint64 *size)
{
  g_autofree char *path = g_strdup_printf ("%s/%d/maps", proc, self->pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint64 most = 0;

  *size = 0;
  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      guint64 first = 0, end = 0, resident;
      char flags[5] = "";

      if (sscanf (lines[i], "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %4s", &first, &end, flags) !=
              3 ||
          !g_str_has_prefix (flags, "rw-") || end - first < PAGE ||
          end - first + RAM_SLACK_BYTES < memory_bytes)
        continue;
      resident = resident_bytes (self, first, end - first);
      if (*size > 0 && resident <= most)
        continue;
      most = resident;
      *start = first;
      *size = end - first;
    }
  return *size > 0;
}

static gint
compare_pages (gconstpointer a, gconstpointer b)
{
  const Page *left = a, *right = b;

  return left->address < right->address ? -1 : left->address > right->address;
}

static void
choose_pages (VmftPageSample *self, guint64 start, guint64 size)
{
  double wanted = (double) size / (1 << 30) * PAGES_PER_GIB;
  g_autoptr (GRand) random = g_rand_new ();

  self->n_pages = (guint) CLAMP (wanted, MIN_PAGES, MAX_PAGES);
  self->pages = g_new0 (Page, self->n_pages);
  for (guint i = 0; i < self->n_pages; i++)
    self->pages[i].address = start + (guint64) (g_rand_double (random) * (double) (size / PAGE)) * PAGE;
  qsort (self->pages, self->n_pages, sizeof *self->pages, compare_pages);
}

/* Pages that went in between are as absent as the others: the read stops before them, and goes on after. */
static gboolean
read_pages (const VmftPageSample *self, struct iovec *remote, guint n, guint8 *buffer, gboolean *got)
{
  guint done = 0;

  while (done < n)
    {
      struct iovec local = { buffer + (gsize) done * PAGE, (gsize) (n - done) * PAGE };
      ssize_t bytes = process_vm_readv (self->pid, &local, 1, remote + done, n - done, 0);

      if (bytes < 0 && errno != EFAULT)
        return FALSE;
      for (guint i = 0; i < (bytes > 0 ? (guint) bytes / PAGE : 0); i++)
        got[done++] = TRUE;
      if (done < n)
        done++;
    }
  return TRUE;
}

typedef void (
    *PageFunc) (VmftPageSample *self, guint index, const Page *seen, const guint8 *bytes, gpointer data);

static gboolean
visit_chunk (VmftPageSample *self, guint first, guint n, guint8 *buffer, PageFunc func, gpointer data)
{
  struct iovec remote[CHUNK];
  gboolean got[CHUNK] = { FALSE };
  Page seen[CHUNK];
  guint slot[CHUNK];
  guint n_read = 0;

  for (guint i = 0; i < n; i++)
    {
      seen[i] =
          (Page){ self->pages[first + i].address, 0, look_up_page (self, self->pages[first + i].address) };
      if (seen[i].state != PAGE_WRITTEN)
        continue;
      remote[n_read] = (struct iovec){ GSIZE_TO_POINTER (seen[i].address), PAGE };
      slot[n_read++] = i;
    }
  if (!read_pages (self, remote, n_read, buffer, got))
    return FALSE;
  for (guint i = 0; i < n_read; i++)
    {
      gboolean zero;

      if (!got[i])
        {
          seen[slot[i]].state = PAGE_ABSENT;
          continue;
        }
      seen[slot[i]].hash = hash_page (buffer + (gsize) i * PAGE, &zero);
      if (zero)
        seen[slot[i]].state = PAGE_ZERO;
      else
        func (self, first + slot[i], &seen[slot[i]], buffer + (gsize) i * PAGE, data);
    }
  for (guint i = 0; i < n; i++)
    if (seen[i].state != PAGE_WRITTEN)
      func (self, first + i, &seen[i], NULL, data);
  return TRUE;
}

static gboolean
visit (VmftPageSample *self, PageFunc func, gpointer data, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (CHUNK * PAGE);

  for (guint i = 0; i < self->n_pages; i += CHUNK)
    if (!visit_chunk (self, i, MIN (CHUNK, self->n_pages - i), buffer, func, data))
      {
        g_set_error (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "cannot read the memory of process %d: %s",
                     self->pid, g_strerror (errno));
        return FALSE;
      }
  return TRUE;
}

static void
remember (VmftPageSample *self, guint index, const Page *seen, const guint8 *bytes, gpointer data)
{
  guint stride = self->n_pages / VMFT_PAGE_SAMPLE_KEPT;

  self->pages[index] = *seen;
  if (bytes != NULL && index % stride == 0 && index / stride < VMFT_PAGE_SAMPLE_KEPT)
    memcpy (self->kept + (gsize) (index / stride) * PAGE, bytes, PAGE);
}

VmftPageSample *
vmft_page_sample_new (const char *proc, int pid, guint64 memory_bytes, GError **error)
{
  g_autoptr (VmftPageSample) self = g_new0 (VmftPageSample, 1);
  g_autofree char *pagemap = g_strdup_printf ("%s/%d/pagemap", proc, pid);
  guint64 start, size;

  self->pid = pid;
  self->pagemap = open (pagemap, O_RDONLY | O_CLOEXEC);
  if (self->pagemap < 0 || !find_ram (self, proc, memory_bytes, &start, &size))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_UNAVAILABLE, "cannot look into the memory of process %d",
                   pid);
      return NULL;
    }
  self->ram_bytes = size;
  choose_pages (self, start, size);
  self->kept = g_malloc0 ((gsize) VMFT_PAGE_SAMPLE_KEPT * PAGE);
  self->begun_us = g_get_monotonic_time ();
  if (!visit (self, remember, NULL, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
vmft_page_sample_free (VmftPageSample *self)
{
  if (self->pagemap >= 0)
    close (self->pagemap);
  g_free (self->pages);
  g_free (self->kept);
  g_free (self);
}

typedef struct
{
  VmftPageLook *look;
  guint n_deltas;
  double delta_bytes;
} Comparison;

static void
compare (VmftPageSample *self, guint index, const Page *seen, const guint8 *bytes, gpointer data)
{
  Comparison *comparison = data;
  VmftPageLook *look = comparison->look;
  const Page *before = &self->pages[index];
  guint stride = self->n_pages / VMFT_PAGE_SAMPLE_KEPT;
  gboolean changed = before->state == PAGE_WRITTEN && seen->state == PAGE_WRITTEN
                         ? before->hash != seen->hash
                         : (before->state == PAGE_WRITTEN) != (seen->state == PAGE_WRITTEN) &&
                               before->state != PAGE_SWAPPED && seen->state != PAGE_SWAPPED;

  look->resident += seen->state != PAGE_ABSENT;
  look->written += seen->state == PAGE_WRITTEN || seen->state == PAGE_SWAPPED;
  look->changed += changed;
  if (!changed || bytes == NULL || index % stride != 0 || index / stride >= VMFT_PAGE_SAMPLE_KEPT)
    return;
  comparison->n_deltas++;
  comparison->delta_bytes +=
      vmft_xbzrle_bytes (self->kept + (gsize) (index / stride) * PAGE, bytes, PAGE) + XBZRLE_HEADER;
}

gboolean
vmft_page_sample_look (VmftPageSample *self, VmftPageLook *look, GError **error)
{
  Comparison comparison = { .look = look };

  *look = (VmftPageLook){ .ram_bytes = self->ram_bytes,
                          .pages = self->n_pages,
                          .seconds = (double) (g_get_monotonic_time () - self->begun_us) / G_USEC_PER_SEC };
  if (!visit (self, compare, &comparison, error))
    return FALSE;
  if (comparison.n_deltas >= MIN_CHANGED)
    look->rewrite_share = MIN (1.0, comparison.delta_bytes / comparison.n_deltas / PAGE);
  return TRUE;
}
