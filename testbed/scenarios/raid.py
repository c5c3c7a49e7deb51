# SPDX-License-Identifier: LGPL-2.1-or-later
"""A mirror loses one disk, then the other: md corrects errors, runs degraded, and then cannot.

The failure is the moment at which the second disk answers nothing but errors.
"""
import time

from .base import Scenario

MIB = 1 << 20


class Raid(Scenario):
    NAME = "raid"
    HARDWARE = {"disks": {"nvme": 64, "sata": 64}}

    def prepare(self):
        self.host.run("modprobe nvme && modprobe ahci && modprobe sd_mod && modprobe raid1 && sleep 2 && "
                      "mdadm --create /dev/md0 --run --level=1 --metadata=1.2 --assume-clean -n2 /dev/nvme0n1 /dev/sda "
                      "&& mkfs.ext4 -q /dev/md0 && mkdir -p /vm && mount -o errors=remount-ro /dev/md0 /vm")
        self.host.start("hostload as qemu-system-x86 write /vm %d" % self.random.randint(60, 200))
        self.host.start("hostload read /dev/md0 0 120000 %d" % self.random.randint(10, 30))

    def worsen(self):
        self.bad_ranges(self.host.disks["nvme"], self.between(8, 30), self.random.randint(3, 8),
                        2 * MIB, 60 * MIB, 16384)
        if not self.RECOVERING:
            length_s = self.between(5, 20)
            self.stage("first disk dead", length_s=round(length_s, 2))
            self.host.disks["nvme"].dead = True
            self.wait(length_s)

    def fail(self):
        self.stage("second disk dead")
        dead = time.time()
        self.host.disks["sata"].dead = True
        noticed = self.host.recorder.wait_for("I/O error|Remounting filesystem read-only", 200, since=dead)
        return dead if noticed else None

    def recover(self):
        self.host.disks["nvme"].bad.clear()
