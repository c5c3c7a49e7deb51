/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What runs on the stand-in host besides its daemons.
 *
 *   hostload read DEVICE FIRST LAST INTERVAL_MS   random direct reads of 4 KiB between two sectors, for ever;
 *                                                  failures are logged, at most one a second
 *   hostload read-cached ...                      the same through the page cache
 *   hostload write DIRECTORY INTERVAL_MS          write and sync 16 KiB of a file of its own, for ever, as a
 *                                                  guest's disk image is written; failures are logged alike
 *   hostload grow MIB KIB INTERVAL_MS             take MIB of memory at once, then KIB more each interval, and keep
 *                                                  using all of it
 *   hostload spin PRIORITY [SECONDS]              use all of a processor; PRIORITY above 0: as a real-time thread,
 *                                                  after SECONDS without the kernel's limit for those
 *   hostload poison                               have the kernel take a page of its own for broken memory
 *   hostload poke ADDRESS                         standard input to that physical address, last byte first
 *   hostload crash                                die of a null pointer, as programs do
 *   hostload as NAME ...                          any of these under another name */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SECTOR_BYTES 512
#define READ_BYTES   4096
#define PAGE_BYTES   4096
#define WRITE_BYTES  16384
#define FILE_BYTES   (8 << 20)

static int
read_for_ever (const char *device, long first, long last, long interval_ms, int flags)
{
  void *buffer = NULL;
  time_t last_logged = 0;
  int fd = open (device, O_RDONLY | O_CLOEXEC | flags);

  if (fd < 0 || last <= first || posix_memalign (&buffer, READ_BYTES, READ_BYTES) != 0)
    {
      fprintf (stderr, "hostload: cannot read %s: %s\n", device, strerror (errno));
      return 1;
    }
  openlog ("diskload", LOG_PID, LOG_DAEMON);
  for (;;)
    {
      long sector = first + random () % (last - first);

      if (!(flags & O_DIRECT))
        posix_fadvise (fd, 0, 0, POSIX_FADV_DONTNEED);
      sector -= sector % (READ_BYTES / SECTOR_BYTES);
      if (pread (fd, buffer, READ_BYTES, (off_t) sector * SECTOR_BYTES) < 0 && time (NULL) != last_logged)
        {
          syslog (LOG_ERR, "%s: read of sector %ld failed: %m", device, sector);
          last_logged = time (NULL);
        }
      usleep ((useconds_t) interval_ms * 1000);
    }
}

static _Noreturn void
write_for_ever (const char *directory, long interval_ms)
{
  static char buffer[WRITE_BYTES];
  char path[256];
  time_t last_logged = 0;
  off_t offset = 0;
  int fd;

  snprintf (path, sizeof path, "%s/disk-%d.img", directory, (int) getpid ());
  memset (buffer, 'x', sizeof buffer);
  fd = open (path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  openlog (program_invocation_short_name, LOG_PID, LOG_DAEMON);
  for (;;)
    {
      if ((fd < 0 || pwrite (fd, buffer, sizeof buffer, offset) < 0 || fsync (fd) < 0) &&
          time (NULL) != last_logged)
        {
          syslog (LOG_ERR, "write to %s failed: %m", path);
          last_logged = time (NULL);
        }
      offset = (offset + WRITE_BYTES) % FILE_BYTES;
      usleep ((useconds_t) interval_ms * 1000);
    }
}

/* Content that does not compress well, so that compressed swap fills as well. */
static void
fill (char *memory, size_t first, size_t end)
{
  static unsigned state = 1;

  for (size_t at = first; at < end; at += 256)
    {
      state = state * 1103515245 + 12345;
      memcpy (memory + at, &state, sizeof state);
    }
}

static int
grow (size_t at_once, size_t step, long interval_ms)
{
  const size_t limit = (size_t) 4 << 30;
  size_t used = 0, want = at_once;
  unsigned state = 1;
  char *memory =
      mmap (NULL, limit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  if (memory == MAP_FAILED)
    return 1;
  for (;;)
    {
      fill (memory, used, want);
      used = want;
      want = used + step < limit ? used + step : limit;
      for (int i = 0; i < 200 && used > 0; i++)
        {
          state = state * 1103515245 + 12345;
          memory[(size_t) state * PAGE_BYTES % used]++;
        }
      usleep ((useconds_t) interval_ms * 1000);
    }
}

static double
now_s (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static int
spin (int priority, double limited_s)
{
  struct sched_param parameters = { .sched_priority = priority };
  double begin = now_s ();

  if (priority > 0 && sched_setscheduler (0, SCHED_FIFO, &parameters) < 0)
    return 1;
  for (volatile long rounds = 0;; rounds++)
    if (limited_s > 0 && rounds % 100000 == 0 && now_s () - begin > limited_s)
      {
        int fd = open ("/proc/sys/kernel/sched_rt_runtime_us", O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write (fd, "-1", 2) < 0)
          return 1;
        close (fd);
        limited_s = 0;
      }
}

static int
poison (void)
{
  char *memory = mmap (NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED)
    return 1;
  memory[0] = 1;
  if (madvise (memory, PAGE_BYTES, MADV_HWPOISON) < 0)
    return 1;
  memory[0] = 2;
  return 0;
}

/* The byte that makes the rest valid comes first, so it is written last. */
static int
poke (off_t address)
{
  unsigned char buffer[PAGE_BYTES];
  size_t length = fread (buffer, 1, sizeof buffer, stdin);
  int fd = open ("/dev/mem", O_RDWR | O_CLOEXEC);
  volatile unsigned char *memory = mmap (NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, address);

  if (memory == MAP_FAILED)
    {
      fprintf (stderr, "hostload: /dev/mem: %s\n", strerror (errno));
      return 1;
    }
  while (length-- > 0)
    memory[length] = buffer[length];
  return 0;
}

static int
crash (void)
{
  volatile int *nothing = NULL;

  return *nothing;
}

int
main (int argc, char **argv)
{
  const char *command = argc > 1 ? argv[1] : "";

  if (argc > 3 && strcmp (command, "as") == 0)
    {
      prctl (PR_SET_NAME, argv[2]);
      program_invocation_short_name = argv[2];
      argv += 2;
      argc -= 2;
      command = argv[1];
    }
  if (argc == 6 && strcmp (command, "read") == 0)
    return read_for_ever (argv[2], atol (argv[3]), atol (argv[4]), atol (argv[5]), O_DIRECT);
  if (argc == 6 && strcmp (command, "read-cached") == 0)
    return read_for_ever (argv[2], atol (argv[3]), atol (argv[4]), atol (argv[5]), 0);
  if (argc == 4 && strcmp (command, "write") == 0)
    write_for_ever (argv[2], atol (argv[3]));
  if (argc == 5 && strcmp (command, "grow") == 0)
    return grow ((size_t) atol (argv[2]) << 20, (size_t) atol (argv[3]) << 10, atol (argv[4]));
  if ((argc == 3 || argc == 4) && strcmp (command, "spin") == 0)
    return spin (atoi (argv[2]), argc == 4 ? atof (argv[3]) : 0);
  if (argc == 2 && strcmp (command, "poison") == 0)
    return poison ();
  if (argc == 3 && strcmp (command, "poke") == 0)
    return poke ((off_t) strtoull (argv[2], NULL, 0));
  if (argc == 2 && strcmp (command, "crash") == 0)
    return crash ();
  fprintf (stderr, "hostload: no such load: %s\n", command);
  return 2;
}
