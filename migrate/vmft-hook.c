/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmft-hook: libvirt's hook, linked to from /etc/libvirt/hooks/qemu.d/50-vmft.
 *
 * Tells vmftd of VMs that come and go, and on the destination of a migration asks it whether the VM may come. It never
 * calls libvirt, which waits for it, answers within 200 ms, and lets everything pass when vmftd is away: a hook must
 * not be what keeps a VM on a dying host. Standard output stays empty: anything there would be a new domain XML.
 */
#include "vmft-hook-protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define XML_MAX (1024 * 1024)

static long
now_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* waits for @events on @fd until @deadline_ms */
static bool
wait_for (int fd, short events, long deadline_ms)
{
  struct pollfd item = { .fd = fd, .events = events };
  long left_ms = deadline_ms - now_ms ();

  return left_ms > 0 && poll (&item, 1, (int) left_ms) == 1;
}

static size_t
read_until (int fd, char *buffer, size_t size, long deadline_ms, bool line)
{
  size_t n = 0;

  while (n < size - 1 && wait_for (fd, POLLIN, deadline_ms))
    {
      ssize_t got = read (fd, buffer + n, size - 1 - n);

      if (got < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (got <= 0)
        break;
      n += (size_t) got;
      if (line && memchr (buffer, '\n', n) != NULL)
        break;
    }
  buffer[n] = '\0';
  return n;
}

/* the text between @open and the next '<' of libvirt's own formatting; empty when it is not there */
static void
find_text (const char *xml, const char *open, char *text, size_t size)
{
  const char *begin = strstr (xml, open);
  const char *end = NULL;

  text[0] = '\0';
  if (begin == NULL)
    return;
  begin += strlen (open);
  end = strchr (begin, '<');
  if (end == NULL || (size_t) (end - begin) >= size)
    return;
  memcpy (text, begin, (size_t) (end - begin));
  text[end - begin] = '\0';
}

/* one word for the line: what libvirt gives is trusted, but must not break the line */
static void
make_word (char *text, const char *fallback, size_t size)
{
  if (text[0] == '\0')
    snprintf (text, size, "%s", fallback);
  for (char *c = text; *c != '\0'; c++)
    {
      if (*c == ' ' || *c == '\n' || *c == '\t' || *c == '\r')
        *c = '_';
    }
}

static int
connect_to_daemon (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  /* for tests; libvirt hands its hooks a clean environment */
  const char *path = secure_getenv ("VMFT_HOOK_SOCKET");
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0)
    return -1;
  snprintf (address.sun_path, sizeof address.sun_path, "%s", path != NULL ? path : VMFT_HOOK_SOCKET);
  /* on a Unix socket this never blocks: it works, or the backlog is full, or nobody is there */
  if (connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

static bool
send_line (int fd, const char *line, long deadline_ms)
{
  size_t length = strlen (line);
  size_t sent = 0;

  while (sent < length && wait_for (fd, POLLOUT, deadline_ms))
    {
      ssize_t n = send (fd, line + sent, length - sent, MSG_NOSIGNAL);

      if (n < 0 && errno != EINTR && errno != EAGAIN)
        return false;
      sent += n > 0 ? (size_t) n : 0;
    }
  return sent == length;
}

/* Returns: whether vmftd refuses; @reason: its words */
static bool
is_refused (const char *line, char *reason, size_t size, long deadline_ms)
{
  const char *prefix = "refuse ";
  char answer[VMFT_HOOK_LINE_MAX] = "";
  int fd = connect_to_daemon ();
  bool refused = false;

  if (fd < 0)
    return false;
  if (send_line (fd, line, deadline_ms))
    {
      read_until (fd, answer, sizeof answer, deadline_ms, true);
      answer[strcspn (answer, "\n")] = '\0';
      refused = strncmp (answer, prefix, strlen (prefix)) == 0;
      snprintf (reason, size, "%s", refused ? answer + strlen (prefix) : "");
    }
  close (fd);
  return refused;
}

static bool
is_of_interest (const char *operation)
{
  const char *const names[] = { "migrate", "started", "stopped", "release", "reconnect" };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    {
      if (strcmp (operation, names[i]) == 0)
        return true;
    }
  return false;
}

int
main (int argc, char **argv)
{
  static char xml[XML_MAX];
  long deadline_ms = now_ms () + VMFT_HOOK_TIMEOUT_MS - 40;
  char line[VMFT_HOOK_LINE_MAX] = "", reason[VMFT_HOOK_LINE_MAX] = "";
  char uuid[64] = "", memory[32] = "", name[256] = "";

  if (argc < 4 || !is_of_interest (argv[2]))
    return 0;
  fcntl (STDIN_FILENO, F_SETFL, O_NONBLOCK);
  read_until (STDIN_FILENO, xml, sizeof xml, deadline_ms, false);
  find_text (xml, "<uuid>", uuid, sizeof uuid);
  find_text (xml, "<memory unit='KiB'>", memory, sizeof memory);
  make_word (uuid, "-", sizeof uuid);
  snprintf (name, sizeof name, "%s", argv[1]);
  make_word (name, "-", sizeof name);
  snprintf (line, sizeof line, "%s %.32s %.32s %s %llu %s\n", VMFT_HOOK_VERSION, argv[2], argv[3], uuid,
            strtoull (memory, NULL, 10) * 1024, name);
  if (!is_refused (line, reason, sizeof reason, deadline_ms))
    return 0;
  /* only this operation can be refused; libvirt ignores what any other returns */
  if (strcmp (argv[2], "migrate") != 0)
    return 0;
  fprintf (stderr, "%s%s\n", VMFT_HOOK_REFUSED, reason);
  return 1;
}
