# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control: a thin pool fills up. It says so at its low-water mark, as lvm2 sets it, which is no hardware's fault.

The failure is the moment at which the pool has no space left and its file system gets errors.
"""
from .base import Scenario

CHUNK_SECTORS = 128
POOL_CHUNKS = 256


class ThinPool(Scenario):
    NAME = "thin-pool"

    def prepare(self):
        low_water = self.random.randint(16, 96)
        pool_sectors = POOL_CHUNKS * CHUNK_SECTORS
        self.host.run(
            "modprobe loop && modprobe dm_thin_pool && dd if=/dev/zero of=/tmp/meta bs=1M count=4 && "
            "dd if=/dev/zero of=/tmp/data bs=1M count=%d && losetup /dev/loop6 /tmp/meta && "
            "losetup /dev/loop7 /tmp/data && "
            "dmsetup create --noudevsync pool --table '0 %d thin-pool /dev/loop6 /dev/loop7 %d %d 1 error_if_no_space' && "
            "dmsetup message pool 0 'create_thin 0' && dmsetup mknodes && "
            "dmsetup create --noudevsync thin --table '0 %d thin /dev/mapper/pool 0' && dmsetup mknodes"
            % (pool_sectors // 2048, pool_sectors, CHUNK_SECTORS, low_water, 4 * pool_sectors))
        self.host.run("mkfs.ext4 -q -E nodiscard /dev/mapper/thin && mkdir -p /vm && "
                      "mount -o errors=remount-ro /dev/mapper/thin /vm")

    def worsen(self):
        pause_s = self.between(0.3, 2.0)
        self.stage("filling", pause_s=round(pause_s, 2))
        self.host.start("for i in $(seq 60); do dd if=/dev/urandom of=/vm/disk$i bs=64k count=8 conv=fsync; "
                        "sleep %.2f; done" % pause_s)

    def fail(self):
        return self.host.recorder.wait_for("out-of-data-space", 400, since=self.marks["inject"])
