/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What runs on the stand-in host besides its daemons.
 *
 *   hostload read DEVICE FIRST LAST INTERVAL_MS   random direct reads of 4 KiB between two sectors, for ever;
 *                                                  failures are logged, at most one a second
 *   hostload crash                                die of a null pointer, as programs do */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SECTOR_BYTES 512
#define READ_BYTES   4096

static int
read_for_ever (const char *device, long first, long last, long interval_ms)
{
  void *buffer = NULL;
  time_t last_logged = 0;
  int fd = open (device, O_RDONLY | O_DIRECT | O_CLOEXEC);

  if (fd < 0 || last <= first || posix_memalign (&buffer, READ_BYTES, READ_BYTES) != 0)
    {
      fprintf (stderr, "hostload: cannot read %s: %s\n", device, strerror (errno));
      return 1;
    }
  openlog ("diskload", LOG_PID, LOG_DAEMON);
  for (;;)
    {
      long sector = first + random () % (last - first);

      sector -= sector % (READ_BYTES / SECTOR_BYTES);
      if (pread (fd, buffer, READ_BYTES, (off_t) sector * SECTOR_BYTES) < 0 && time (NULL) != last_logged)
        {
          syslog (LOG_ERR, "%s: read of sector %ld failed: %m", device, sector);
          last_logged = time (NULL);
        }
      usleep ((useconds_t) interval_ms * 1000);
    }
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
  if (argc == 6 && strcmp (argv[1], "read") == 0)
    return read_for_ever (argv[2], atol (argv[3]), atol (argv[4]), atol (argv[5]));
  if (argc == 2 && strcmp (argv[1], "crash") == 0)
    return crash ();
  fprintf (stderr, "usage: hostload read DEVICE FIRST LAST INTERVAL_MS | crash\n");
  return 2;
}
