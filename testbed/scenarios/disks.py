# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks behind our NBD server die: slow, then ever more bad places, then silence, then an error at everything.

The failure is whatever comes first of: the disk answers nothing but errors, its file system is read-only.
"""
import time

from .base import Scenario

GIVING_UP = "Aborting journal|Remounting filesystem read-only"
MIB = 1 << 20


class DyingDisk(Scenario):
    """KIND, DEVICE and PREPARE tell one from another."""

    KIND = DEVICE = PREPARE = None

    def prepare(self):
        self.disk = self.host.disks[self.KIND]
        timeout_s = self.random.randint(2, 5)
        self.host.run(self.PREPARE.format(timeout_s=timeout_s, timeout_ms=timeout_s * 1000))
        self.host.run("mkfs.ext4 -q {0} && mkdir -p /vm && mount -o errors=remount-ro {0} /vm".format(self.DEVICE))
        self.host.start("hostload as qemu-system-x86 write /vm %d" % self.random.randint(60, 200))
        self.host.start("hostload read %s 60000 120000 %d" % (self.DEVICE, self.random.randint(5, 20)))

    def worsen(self):
        length_s, self.disk.delay_s = self.between(2, 10), self.between(0.05, 0.25)
        self.stage("slow", length_s=round(length_s, 2), delay_s=round(self.disk.delay_s, 3))
        self.wait(length_s)
        self.disk.delay_s = 0.0
        self.bad_ranges(self.disk, self.between(8, 35), self.random.randint(4, 10), 30 * MIB, 58 * MIB, 32768)
        if not self.RECOVERING:
            length_s = self.between(4, 12)
            self.stage("hangs", length_s=round(length_s, 2))
            self.disk.hang = True
            self.wait(length_s)
            self.disk.hang = False
            self.wait(self.between(1, 8))

    def fail(self):
        self.stage("dead")
        self.disk.dead = True
        dead = time.time()
        noticed = self.host.recorder.wait_for(GIVING_UP + "|Disabling device|I/O error", 200, since=dead)
        earlier = self.host.recorder.seen(GIVING_UP, since=self.marks["inject"])
        if noticed is None and earlier is None:
            return None
        return min(dead, earlier or dead)

    def recover(self):
        # The disk has found spare blocks for the bad ones.
        self.disk.bad.clear()


class Nvme(DyingDisk):
    NAME = "nvme"
    HARDWARE = {"disks": {"nvme": 64}}
    KIND, DEVICE = "nvme", "/dev/nvme0n1"
    PREPARE = "modprobe nvme && sleep 1 && echo {timeout_ms} >/sys/block/nvme0n1/queue/io_timeout"


class Sata(DyingDisk):
    NAME = "sata"
    HARDWARE = {"disks": {"sata": 64}}
    KIND, DEVICE = "sata", "/dev/sda"
    PREPARE = "modprobe ahci && modprobe sd_mod && sleep 2 && echo {timeout_s} >/sys/block/sda/device/timeout"
