# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a stand-in host says: its syslog as its own rsyslogd sends it (RFC 5424 over TCP), and its serial console.

A kernel line is dated by its own uptime stamp, a daemon's line by its arrival. Kernel lines that never got out
(the host died, or its rsyslogd had not started) are taken from the console.
"""
import re
import socket
import threading
import time

RFC5424 = re.compile(r"<(\d+)>1 \S+ \S+ (\S+) (\S+) \S+ (?:-|\[.*?\]) ?(.*)")
UPTIME = re.compile(r"\[ *(\d+\.\d+)\] ?(.*)")
# What systemd says before there is a journal goes through the kernel's buffer, and is not the kernel's.
SYSTEMD = re.compile(r"\[ *\d+\.\d+\] (systemd(?:-[a-z]+)?\[\d+\]): (.*)")
# Lines in which the machinery of injection names itself; a failing disk does not announce who breaks it.
INJECTION = re.compile(r"scsi_debug:|  dev_size_mb=|aer_inject|Injecting memory failure|mce: \[Hardware Error\]: Fake")
HOST_NAME = "host01"


def split_beat(text):
    """A heartbeat's "UPTIME /proc/pressure/memory:some avg10=... /proc/meminfo:MemTotal: 1 kB ..." as the lines of each
    file it tells of."""
    files = {}
    for word in text.split()[1:]:
        if word.startswith("/proc/"):
            path, _, first = word.partition(":")
            files.setdefault(path, []).append(first)
        elif files:
            files[path][-1] += " " + word
    return files


def parse_pressure(text):
    """The same as {"memory": {"some": {"avg10": share, "total": microseconds}, "full": ...}, "io":, "cpu":,
    "meminfo": {"MemAvailable": KiB, ...}}"""
    found = {}
    for path, lines in split_beat(text).items():
        name = path.rsplit("/", 1)[1]
        part = found.setdefault(name, {})
        for line in lines:
            first, *values = line.split()
            if name == "meminfo":
                part[first.rstrip(":")] = int(values[0])
            else:
                pairs = dict(value.split("=") for value in values)
                part[first] = {"avg10": float(pairs["avg10"]), "total": int(pairs["total"])}
    return found


class Recorder:
    """Collects lines from several threads; every arrival wakes those who wait for one."""

    def __init__(self):
        self.arrival = threading.Condition()
        self.syslog = []      # (arrival, tag, message)
        self.console = []     # (arrival, text)
        self.beats = []       # (arrival, readings)
        self.on_beat = None   # told of the readings of each as it comes
        self.boot_wall = None  # wall time at which the kernel's clock was 0
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self):
        return self.server.getsockname()[1]

    def close(self):
        self.server.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._receive, args=(connection,), daemon=True).start()

    def _receive(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                for line in stream:
                    self._add_syslog(line.decode("utf-8", "replace").rstrip("\n"))
            except OSError:
                pass  # the host's power is off

    def _add_syslog(self, line):
        match = RFC5424.match(line)
        if not match:
            return
        _, program, pid, message = match.groups()
        message = message.lstrip("\ufeff").replace("#015", "")
        tag = program if pid == "-" else "%s[%s]" % (program, pid)
        with self.arrival:
            self.syslog.append((time.time(), tag, message if program == "kernel" else message.strip()))
            self.arrival.notify_all()

    def add_console(self, line):
        with self.arrival:
            self.console.append((time.time(), line))
            self.arrival.notify_all()

    def add_beat(self, readings):
        if self.on_beat:
            self.on_beat(readings)
        with self.arrival:
            self.beats.append((time.time(), readings))
            self.arrival.notify_all()

    def wait_silence(self, gap_s, timeout):
        """Wait until no sign of life has come for gap_s seconds; when the last one came, or None after timeout."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with self.arrival:
                self.arrival.wait(0.5)
                last = self.beats[-1][0] if self.beats else None
            if last is not None and time.time() - last > gap_s:
                return last
        return None

    @staticmethod
    def now():
        """For what is to be counted since now."""
        return time.time()

    def seen(self, pattern, count=1, since=0.0):
        """When the count-th line that matches came on the console; None if it has not."""
        regex = re.compile(pattern)
        with self.arrival:
            times = [when for when, text in self.console if when >= since and regex.search(text)]
        return times[count - 1] if len(times) >= count else None

    def wait_for(self, pattern, timeout, count=1, since=0.0):
        """The same, waiting; None after timeout seconds."""
        deadline = time.monotonic() + timeout
        while True:
            when = self.seen(pattern, count, since)
            left = deadline - time.monotonic()
            if when is not None or left <= 0:
                return when
            with self.arrival:
                self.arrival.wait(min(left, 0.5))

    def pressure(self):
        """(seconds, what parse_pressure() makes of a heartbeat) of all of them"""
        with self.arrival:
            beats = list(self.beats)
        rows = []
        for when, text in beats:
            try:
                rows.append((when, parse_pressure(text)))
            except (KeyError, IndexError, ValueError):
                pass  # a last word, cut off
        return rows

    def lines(self):
        """(seconds, "HOST TAG: MESSAGE") of everything, in order."""
        known = set()
        rows = []
        with self.arrival:
            syslog, console = list(self.syslog), list(self.console)
        for when, tag, message in syslog:
            match = UPTIME.match(message) if tag == "kernel" else None
            if match:
                known.add((float(match[1]), match[2].strip()))
                when = self._kernel_time(when, float(match[1]))
            rows.append((when, tag, message))
        for when, text in console:
            match = UPTIME.match(text)
            if match and (float(match[1]), match[2].strip()) not in known:
                systemd = SYSTEMD.match(text)
                tag, message = systemd.groups() if systemd else ("kernel", text)
                rows.append((self._kernel_time(when, float(match[1])), tag, message))
        rows.sort(key=lambda row: row[0])
        return [(when, "%s %s: %s" % (HOST_NAME, tag, message))
                for when, tag, message in rows if not INJECTION.search(message)]

    def _kernel_time(self, arrival, uptime):
        if self.boot_wall is None:
            return arrival
        return min(arrival, self.boot_wall + uptime)
