# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the scenarios have in common: a host, ordinary life on it, a fault in stages, and the labels."""
import random
import time

from standin.host import Host
from standin.run import format_time, write_run

from .noise import Noise


class NoFailure(Exception):
    """The fault was injected and the host did not fail: a run that cannot be labelled."""


class Scenario:
    """One run. A subclass sets NAME and overrides what differs: hardware, prepare, fault.

    All chance comes from self.random, which the seed alone decides; no length is tuned towards anything.
    """

    NAME = None
    BENIGN_S = (26.0, 40.0)   # how long ordinary life lasts before the fault
    AFTERMATH_S = (2.0, 5.0)  # how long the record goes on after the failure
    HARDWARE = {}             # arguments of Host

    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        self.host = None
        self.marks = {}
        self.stages = []

    def prepare(self):
        """Set up what will fail, before the benign part, during which it works."""

    def fault(self):
        """Inject the fault in stages; returns the time of the failure. A scenario without one has no fault()."""
        raise NotImplementedError

    def stage(self, name, **parameters):
        """Note in the labels that a stage begins."""
        self.stages.append({"name": name, "time": format_time(time.time()), **parameters})

    def between(self, low, high):
        return self.random.uniform(low, high)

    @property
    def has_fault(self):
        return type(self).fault is not Scenario.fault

    def run(self, image, directory):
        """Boot, live, fail, and write the run to directory. Raises HostError or NoFailure, and writes nothing then."""
        benign_s = self.between(*self.BENIGN_S)
        aftermath_s = self.between(*self.AFTERMATH_S)
        with Host(image, **self.HARDWARE) as self.host:
            self.host.wait_ready()
            self.prepare()
            noise = Noise(self.host, random.Random("%s:noise" % self.seed))
            noise.start()
            time.sleep(benign_s)
            failure = None
            if self.has_fault:
                self.marks["inject"] = time.time()
                failure = self.fault()
                if failure is None:
                    raise NoFailure("%s: injected, and nothing failed" % self.NAME)
                self.marks["failure"] = failure
                time.sleep(aftermath_s)
            noise.stop()
            end = time.time()
            lines = [line for line in self.host.recorder.lines() if line[0] <= end]
            write_run(directory, self.labels(lines, benign_s), lines)

    def abandon(self):
        """End the host now, from another thread; run() will fail."""
        if self.host is not None:
            self.host.close()

    def labels(self, lines, benign_s):
        inject, failure = self.marks.get("inject"), self.marks.get("failure")
        return {
            "scenario": self.NAME,
            "inject_time": None,
            "failure_time": None,
            **{name + "_time": format_time(when) for name, when in self.marks.items()},
            "start_time": format_time(self.host.start_time),
            "boot_s": round(self.host.boot_seconds, 2),
            "benign_s": round(benign_s, 2),
            "seed": self.seed,
            "stages": self.stages,
            "lines": {
                "all": len(lines),
                "benign": sum(1 for when, _ in lines if inject is None or when < inject),
                "pre_failure": sum(1 for when, _ in lines if inject and failure and inject <= when < failure),
                "post_failure": sum(1 for when, _ in lines if failure and when >= failure),
            },
        }
