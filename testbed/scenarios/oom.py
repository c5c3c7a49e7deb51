# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory runs out: a VM's process grows and is swapped (zram) until the kernel kills it.

The kernel says nothing before it kills. What can be seen beforehand is stalling, in pressure.jsonl.
"""
from .base import Scenario


class Oom(Scenario):
    NAME = "oom"

    def prepare(self):
        self.host.run("modprobe zram num_devices=2; echo 120M >/sys/block/zram1/disksize && mkswap /dev/zram1 && "
                      "swapon /dev/zram1")
        self.host.start("hostload as qemu-system-x86 grow %d 0 500" % self.random.randint(40, 80))

    def worsen(self):
        # How much is left free differs from kernel to kernel; a step is a share of it.
        free_kib = int(self.host.run("awk '/MemAvailable|SwapFree/ { sum += $2 } END { print sum }' /proc/meminfo")
                       .strip("|"))
        at_once = self.between(0.3, 0.7) * free_kib
        length_s = self.between(15, 45)
        interval_ms = self.random.randint(200, 900)
        share = self.between(0.75, 0.97) if self.RECOVERING else 1.3
        step = (free_kib * share - at_once) / length_s * interval_ms / 1000
        self.stage("growing", length_s=round(length_s, 2), at_once_mib=round(at_once / 1024), step_kib=round(step),
                   interval_ms=interval_ms)
        self.host.start("hostload as qemu-grow grow %d %d %d" % (at_once // 1024, max(step, 4), interval_ms))
        if self.RECOVERING:
            self.wait(length_s)

    def fail(self):
        return self.host.recorder.wait_for("Out of memory: Killed process", 600, since=self.marks["inject"])

    def recover(self):
        self.host.run("killall qemu-grow", timeout=120)
