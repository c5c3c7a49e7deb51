/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The testbed's guest: a static program that is /init of an initramfs and all of the guest's user space.
 *
 * It fills memory with data that does not compress, rewrites a working set at a set rate, checks its own
 * pages as it goes and says so on the serial console several times a second, so that anyone who reads the
 * console on the destination can tell a guest that arrived whole from one that libvirt merely calls running.
 *
 * Kernel command line:
 *   vmft.fill=MiB         written once, checked a little with every beat
 *   vmft.working_set=MiB  swept in order, each page checked and then rewritten
 *   vmft.dirty_rate=MiB/s how fast the sweep goes, counted in whole 4 KiB pages touched
 *   vmft.page_bytes=N     bytes rewritten in each page of the sweep, 64 to 4096 (XBZRLE gains on few)
 *   vmft.once=1           say READY and reset the machine: does a guest boot here at all? */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES                  4096
#define PAGE_WORDS                  (PAGE_BYTES / sizeof (uint64_t))
#define PAGES_PER_MIB               256
#define BEATS_PER_SECOND            4
#define FILL_PAGES_CHECKED_PER_BEAT 64
/* Words compared in a page that is rewritten whole: enough to see a stale page, few enough to keep the rate. */
#define WORDS_CHECKED 8
/* A sweep that fell behind (a pause, a throttle) goes on from now; it must not catch up in a burst. */
#define MAX_ARREARS_S 0.05

typedef struct
{
  uint64_t *words;
  size_t n_pages;
} Area;

typedef struct
{
  Area fill;
  Area working_set;
  size_t fill_next;      /* the page of the fill to check next */
  size_t sweep_next;     /* the page of the working set to rewrite next */
  uint64_t sweeps;       /* complete passes over the working set */
  uint64_t touched;      /* pages rewritten since the start */
  uint64_t bad;          /* pages whose content was not what was written */
  size_t words_per_page; /* rewritten in each sweep */
} Guest;

static double
now_s (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

/* splitmix64's finaliser: neighbouring inputs give unrelated words, so no page compresses or repeats. */
static uint64_t
mix (uint64_t x)
{
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* A page is its seed multiplied along: one multiplication a word is what TCG can afford. */
static uint64_t
page_word (uint64_t seed, size_t i)
{
  return seed ^ ((uint64_t) (i + 1) * 0xd6e8feb86659fd93u * (seed | 1));
}

static uint64_t
page_seed (size_t page, uint64_t generation)
{
  return mix (((uint64_t) page << 24) ^ generation);
}

static void
page_write (uint64_t *page, size_t n_words, uint64_t seed)
{
  for (size_t i = 0; i < n_words; i++)
    page[i] = page_word (seed, i);
}

static bool
page_check (const uint64_t *page, size_t n_words, uint64_t seed)
{
  size_t step = n_words > WORDS_CHECKED ? n_words / WORDS_CHECKED : 1;

  for (size_t i = 0; i < n_words; i += step)
    {
      if (page[i] != page_word (seed, i))
        return false;
    }
  return true;
}

static Area
area_new (size_t mib)
{
  Area area = { NULL, mib * PAGES_PER_MIB };
  void *memory = NULL;

  if (mib == 0)
    return area;
  memory = mmap (NULL, area.n_pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    {
      printf ("vmft-guest: FAILED mmap of %zu MiB: %s\n", mib, strerror (errno));
      area.n_pages = 0;
      return area;
    }
  area.words = memory;
  for (size_t page = 0; page < area.n_pages; page++)
    page_write (area.words + page * PAGE_WORDS, PAGE_WORDS, page_seed (page, 0));
  return area;
}

static void
guest_report_bad (Guest *self, const char *area, size_t page)
{
  self->bad++;
  printf ("vmft-guest: CORRUPT area=%s page=%zu sweep=%" PRIu64 "\n", area, page, self->sweeps);
}

static void
guest_check_fill (Guest *self)
{
  for (size_t i = 0; i < FILL_PAGES_CHECKED_PER_BEAT && self->fill.n_pages > 0; i++)
    {
      size_t page = self->fill_next;

      if (!page_check (self->fill.words + page * PAGE_WORDS, PAGE_WORDS, page_seed (page, 0)))
        guest_report_bad (self, "fill", page);
      self->fill_next = (page + 1) % self->fill.n_pages;
    }
}

static void
guest_touch_page (Guest *self)
{
  size_t page = self->sweep_next;
  uint64_t *words = self->working_set.words + page * PAGE_WORDS;

  if (!page_check (words, self->words_per_page, page_seed (page, self->sweeps)))
    guest_report_bad (self, "working-set", page);
  page_write (words, self->words_per_page, page_seed (page, self->sweeps + 1));

  self->touched++;
  if (++self->sweep_next == self->working_set.n_pages)
    {
      self->sweep_next = 0;
      self->sweeps++;
    }
}

static void
guest_run (Guest *self, double dirty_rate_mib)
{
  double pages_per_s = self->working_set.n_pages > 0 ? dirty_rate_mib * PAGES_PER_MIB : 0;
  double last_beat_s = now_s ();
  double pace_s = last_beat_s;
  uint64_t touched_at_beat = 0;
  uint64_t touched_at_pace = 0;
  uint64_t beat = 0;

  for (;;)
    {
      double t = now_s ();
      double due = (t - pace_s) * pages_per_s - (double) (self->touched - touched_at_pace);

      if (due > pages_per_s * MAX_ARREARS_S)
        {
          due = pages_per_s * MAX_ARREARS_S;
          pace_s = t;
          touched_at_pace = self->touched + (uint64_t) due;
        }
      for (; due >= 1; due--)
        guest_touch_page (self);

      if (t - last_beat_s >= 1.0 / BEATS_PER_SECOND)
        {
          double rate = (double) (self->touched - touched_at_beat) / PAGES_PER_MIB / (t - last_beat_s);

          guest_check_fill (self);
          printf ("vmft-guest: beat=%" PRIu64 " t=%.2f rate=%.1f sweeps=%" PRIu64 " bad=%" PRIu64 "\n",
                  ++beat, t, rate, self->sweeps, self->bad);
          last_beat_s = t;
          touched_at_beat = self->touched;
        }
      usleep (pages_per_s > 0 ? 4000 : 50000);
    }
}

static double
option (const char *cmdline, const char *key, double fallback)
{
  const char *found = strstr (cmdline, key);

  return found ? strtod (found + strlen (key), NULL) : fallback;
}

static void
read_cmdline (char *buffer, size_t size)
{
  ssize_t n = 0;
  int fd = open ("/proc/cmdline", O_RDONLY);

  if (fd >= 0)
    {
      n = read (fd, buffer, size - 1);
      close (fd);
    }
  buffer[n > 0 ? n : 0] = '\0';
}

static void
open_console (void)
{
  int fd = open ("/dev/ttyS0", O_RDWR);

  for (int i = 0; fd >= 0 && i < 3; i++)
    dup2 (fd, i);
  setvbuf (stdout, NULL, _IOLBF, 0);
}

int
main (void)
{
  char cmdline[4096];
  Guest guest = { 0 };
  double dirty_rate_mib = 0;
  double page_bytes = 0;
  double start_s = 0;

  mkdir ("/proc", 0755);
  mkdir ("/dev", 0755);
  if (mount ("proc", "/proc", "proc", 0, NULL) != 0 || mount ("dev", "/dev", "devtmpfs", 0, NULL) != 0)
    return 1;
  open_console ();
  read_cmdline (cmdline, sizeof cmdline);

  dirty_rate_mib = option (cmdline, "vmft.dirty_rate=", 0);
  page_bytes = option (cmdline, "vmft.page_bytes=", 64);
  page_bytes = page_bytes < 64 ? 64 : page_bytes > PAGE_BYTES ? PAGE_BYTES : page_bytes;
  guest.words_per_page = (size_t) page_bytes / sizeof (uint64_t);

  start_s = now_s ();
  guest.fill = area_new ((size_t) option (cmdline, "vmft.fill=", 0));
  guest.working_set = area_new ((size_t) option (cmdline, "vmft.working_set=", 0));
  printf ("vmft-guest: READY rate=%.1f working_set=%zu fill=%zu page_bytes=%.0f boot=%.2f init=%.2f\n",
          dirty_rate_mib, guest.working_set.n_pages / PAGES_PER_MIB, guest.fill.n_pages / PAGES_PER_MIB,
          page_bytes, start_s, now_s () - start_s);
  if (option (cmdline, "vmft.once=", 0) > 0)
    {
      tcdrain (STDOUT_FILENO);
      reboot (RB_AUTOBOOT);
    }
  guest_run (&guest, dirty_rate_mib);
  return 0;
}
