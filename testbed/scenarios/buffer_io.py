# SPDX-License-Identifier: LGPL-2.1-or-later
"""A volume under a file system loses a growing stretch, then all of itself: buffer and file system I/O errors.

The volume is device-mapper's own: what is bad is mapped to its "error" target. The failure is the moment at which
ext4 gives up and remounts read-only.
"""
from .base import Scenario

SECTORS = 65536
TABLE = "dmsetup suspend --noflush --nolockfs vmstore && printf '%s' | dmsetup load vmstore && dmsetup resume --noudevsync vmstore"


class BufferIo(Scenario):
    NAME = "buffer-io"

    def prepare(self):
        # Behind the journal, which ext4 puts in the middle of a volume this small.
        self.first_bad = self.random.randrange(42000, 48000, 8)
        self.host.run("modprobe loop && modprobe dm_mod && dd if=/dev/zero of=/tmp/store bs=1M count=32 && "
                      "losetup /dev/loop7 /tmp/store && echo 0 %d linear /dev/loop7 0 | dmsetup create --noudevsync vmstore && "
                      "dmsetup mknodes && mkfs.ext4 -q /dev/mapper/vmstore && mkdir -p /vm && "
                      "mount -o errors=remount-ro /dev/mapper/vmstore /vm" % SECTORS)
        self.host.start("hostload as qemu-system-x86 write /vm %d" % self.random.randint(60, 200))
        self.host.start("hostload read-cached /dev/mapper/vmstore 40000 %d %d" % (SECTORS, self.random.randint(5, 30)))

    def worsen(self):
        growth = self.between(1.8, 3.0)
        sectors = 8
        for _ in self.steps("bad stretch", self.between(10, 50), self.random.randint(4, 10), growth=round(growth, 2),
                            first_sector=self.first_bad):
            after = self.first_bad + sectors
            self.load("0 %d linear /dev/loop7 0\\n%d %d error\\n%d %d linear /dev/loop7 %d\\n"
                      % (self.first_bad, self.first_bad, sectors, after, SECTORS - after, after))
            sectors = min(int(sectors * growth) // 8 * 8 + 8, 16000)

    def fail(self):
        self.stage("all bad")
        begin = self.host.recorder.now()
        self.load("0 %d error\\n" % SECTORS)
        return self.host.recorder.wait_for("Aborting journal|Remounting filesystem read-only", 30, since=begin)

    def recover(self):
        self.load("0 %d linear /dev/loop7 0\\n" % SECTORS)

    def load(self, table):
        self.host.run(TABLE % table)
