# SPDX-License-Identifier: LGPL-2.1-or-later
"""A recorded run, a directory:

log.txt         "TIME HOST TAG: MSG" a line
labels.json     what was done to it, and when: scenario, recovering, inject_time, failure_time (null where nothing
                fails), start_time, boot_s, seed, stages
pressure.jsonl  /proc/pressure once a second, an object a line: "time", then "memory", "io" and "cpu", each with "some"
                and "full", of "avg10" (per cent) and "total" (microseconds stalled since the boot), and "meminfo":
                some of /proc/meminfo, in KiB
"""
import json
import os
from datetime import datetime, timezone

LOG = "log.txt"
LABELS = "labels.json"
PRESSURE = "pressure.jsonl"


class RunError(Exception):
    """The directory does not hold a usable run; the message names the file."""


def format_time(seconds):
    """Seconds since the epoch -> ISO 8601 in UTC with microseconds, or None for None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")


def parse_time(text):
    """ISO 8601 with an offset -> seconds since the epoch; ValueError if it is anything else."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError("no UTC offset: %s" % text)
    return parsed.timestamp()


class Run:
    """labels: the labels as they are; lines: (seconds, what follows the time) in order, bytes as recorded."""

    def __init__(self, directory):
        self.directory = directory
        self.labels = self._load_labels(os.path.join(directory, LABELS))
        self.lines = self._load_lines(os.path.join(directory, LOG))

    @staticmethod
    def _load_labels(path):
        try:
            with open(path, encoding="utf-8") as file:
                labels = json.load(file)
        except OSError as error:
            raise RunError("%s: %s" % (path, error.strerror)) from error
        except ValueError as error:
            raise RunError("%s: not JSON: %s" % (path, error)) from error
        if not isinstance(labels, dict) or "scenario" not in labels:
            raise RunError("%s: no scenario in it" % path)
        return labels

    @staticmethod
    def _load_lines(path):
        lines = []
        try:
            with open(path, "rb") as file:
                for line in file:
                    stamp, _, rest = line.rstrip(b"\n").partition(b" ")
                    try:
                        lines.append((parse_time(stamp.decode("ascii")), rest))
                    except ValueError:
                        # A line without a time of its own belongs to the one before.
                        if lines:
                            lines.append((lines[-1][0], line.rstrip(b"\n")))
        except OSError as error:
            raise RunError("%s: %s" % (path, error.strerror)) from error
        if not lines:
            raise RunError("%s: no line with a time in it" % path)
        return lines

    def moment(self, label):
        """A time in the labels ("inject_time"), in seconds since the epoch; None if the run has none."""
        text = self.labels.get(label)
        if text is None:
            return None
        try:
            return parse_time(text)
        except (TypeError, ValueError) as error:
            raise RunError("%s: %s is not a time: %r" % (self.directory, label, text)) from error

    @property
    def boot_end(self):
        """When the host had booted, as far as the labels tell."""
        start = self.moment("start_time")
        return None if start is None else start + float(self.labels.get("boot_s") or 0)


def write_run(directory, labels, lines, pressure=()):
    """Write a run; lines: (seconds, text after the time), pressure: (seconds, dictionary). The log is complete before
    the labels say so."""
    os.makedirs(directory, exist_ok=True)
    if pressure:
        with open(os.path.join(directory, PRESSURE), "w", encoding="utf-8") as file:
            for seconds, values in pressure:
                file.write(json.dumps({"time": format_time(seconds), **values}, separators=(",", ":")) + "\n")
    with open(os.path.join(directory, LOG), "w", encoding="utf-8", errors="replace") as file:
        for seconds, text in lines:
            file.write("%s %s\n" % (format_time(seconds), text))
    path = os.path.join(directory, LABELS)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump(labels, file, indent=1)
        file.write("\n")
    os.replace(path + ".tmp", path)
