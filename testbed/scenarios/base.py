# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the scenarios have in common: a host, ordinary life on it, a fault in stages, and the labels."""
import random
import time

from standin.host import Host
from standin.run import format_time, write_run

from .noise import Noise

CLOCKS_S = 0.1  # the stand-in's clock is some milliseconds off ours: what is injected comes after its label


class NoFailure(Exception):
    """The fault was injected and the host did not fail, or failed where it should not: a run without a label."""


class Scenario:
    """One run. A subclass sets NAME and overrides what differs: HARDWARE, prepare, worsen, fail, recover.

    All chance comes from self.random, which the seed alone decides; no length is tuned towards anything.
    """

    NAME = None
    RECOVERING = False
    BENIGN_S = (26.0, 40.0)   # how long ordinary life lasts before the fault
    AFTERMATH_S = (2.0, 5.0)  # how long the record goes on after the failure
    RELIEF_S = (15.0, 30.0)   # how long it goes on after a recovery
    HARDWARE = {}             # arguments of Host

    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        # How far a fault gets that recovers.
        self.reach = self.random.uniform(0.3, 1.0) if self.RECOVERING else 1.0
        self.host = None
        self.forward = None          # a TCP port of this machine that gets the host's syslog as well
        self.on_beat = None          # told of each heartbeat's readings
        self.may_inject = lambda: True  # asked, after ordinary life, until it says so
        self.on_mark = lambda name, when: None  # told of "ready", "inject", "failure" and "recovered" as they come
        self.marks = {}
        self.lengths = None  # of ordinary life, the aftermath and the relief, in seconds
        self.stages = []

    def prepare(self):
        """Set up what will fail, before the benign part, during which it works."""

    def worsen(self):
        """Inject the fault in stages: errors, and nothing has failed yet."""
        raise NotImplementedError

    def fail(self):
        """Go on until the host fails; returns when it did, None if it did not."""
        raise NotImplementedError

    def recover(self):
        """Undo what worsen() did. A scenario that has it has a twin, NAME-recovering."""
        raise NotImplementedError

    @classmethod
    def has_twin(cls):
        return cls.recover is not Scenario.recover

    @property
    def has_fault(self):
        return type(self).worsen is not Scenario.worsen

    def stage(self, name, **parameters):
        """Note in the labels that a stage begins."""
        self.stages.append({"name": name, "time": format_time(time.time()), **parameters})

    @staticmethod
    def wait(seconds):
        time.sleep(seconds)

    def between(self, low, high):
        return self.random.uniform(low, high)

    def steps(self, name, length_s, count, **parameters):
        """A stage of count steps at random moments, the first at once: yields their numbers, then the rest passes.
        Of a fault that recovers only the beginning is seen."""
        length_s *= self.reach
        count = max(1, round(count * self.reach))
        self.stage(name, length_s=round(length_s, 2), steps=count, **parameters)
        moments = sorted(self.random.uniform(0, length_s) for _ in range(count - 1))
        begin = 0.0
        for number, moment in enumerate(moments + [length_s]):
            yield number
            self.wait(moment - begin)
            begin = moment

    def bad_ranges(self, disk, length_s, count, first, end, size):
        """A stage in which ever more of a disk cannot be read or written."""
        growth = self.between(1.3, 2.2)
        ranges = 1.0
        for _ in self.steps("bad places", length_s, count, growth=round(growth, 2)):
            for _ in range(min(round(ranges), 64)):
                place = self.random.randrange(first, end - size, 4096)
                disk.bad.append((place, place + size))
            ranges *= growth

    def fault(self):
        """Inject; returns when the host failed, None if it recovered."""
        self.worsen()
        if not self.RECOVERING:
            failure = self.fail()
            if failure is None:
                raise NoFailure("%s: injected, and nothing failed" % self.NAME)
            return failure
        self.recover()
        self.stage("recovered")
        return None

    def mark(self, name, when=None):
        """Note in the labels when something came to be (now), and tell of it, once."""
        if name not in self.marks:
            self.marks[name] = time.time() if when is None else when
            self.on_mark(name, self.marks[name])

    def live(self):
        """Ordinary life, then the fault and what comes after it."""
        benign_s, aftermath_s, relief_s = self.lengths
        time.sleep(benign_s)
        if not self.has_fault:
            return
        while not self.may_inject():
            time.sleep(0.2)
        self.mark("inject")
        time.sleep(CLOCKS_S)
        failure = self.fault()
        if failure is None:
            self.on_mark("recovered", time.time())
        else:
            self.mark("failure", failure)
        time.sleep(relief_s if failure is None else aftermath_s)

    def run(self, image, directory):
        """Boot, live, fail, and write the run to directory. Raises HostError or NoFailure, and writes nothing then."""
        self.lengths = [self.between(*bounds) for bounds in (self.BENIGN_S, self.AFTERMATH_S, self.RELIEF_S)]
        self.host = Host(image, **self.HARDWARE, forward=self.forward)
        with self.host:
            self.host.recorder.on_beat = self.on_beat
            self.host.wait_ready()
            self.on_mark("ready", time.time())
            self.prepare()
            noise = Noise(self.host, random.Random("%s:noise" % self.seed))
            noise.start()
            self.live()
            end = time.time()
            cpu_s = self.host.cpu_seconds()
            noise.stop()
            if directory:
                lines = [line for line in self.host.recorder.lines() if line[0] <= end]
                pressure = [beat for beat in self.host.recorder.pressure() if beat[0] <= end]
                write_run(directory, self.labels(lines, cpu_s), lines, pressure)

    def abandon(self):
        """End the host now, from another thread; run() will fail."""
        if self.host is not None:
            self.host.close()

    def labels(self, lines, cpu_s):
        inject, failure = self.marks.get("inject"), self.marks.get("failure")
        return {
            "scenario": self.NAME,
            "recovering": self.RECOVERING,
            "inject_time": None,
            "failure_time": None,
            **{name + "_time": format_time(when) for name, when in self.marks.items()},
            "start_time": format_time(self.host.start_time),
            "boot_s": round(self.host.boot_seconds, 2),
            "benign_s": round(self.lengths[0], 2),
            "cpu_s": round(cpu_s, 1),
            "seed": self.seed,
            "stages": self.stages,
            "lines": {
                "all": len(lines),
                "benign": sum(1 for when, _ in lines if inject is None or when < inject),
                "pre_failure": sum(1 for when, _ in lines
                                   if inject and inject <= when and (not failure or when < failure)),
                "post_failure": sum(1 for when, _ in lines if failure and when >= failure),
            },
        }
