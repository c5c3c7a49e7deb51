# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk wears out: it corrects errors for a while, then cannot read a growing stretch, then no longer answers.

The disk is Debian's scsi_debug, everything above it (SCSI error handling, block layer) the real thing. The failure
is the moment from which on no command is answered: whoever has a disk there hangs. The kernel notices later, and
takes the device offline ("offline_time" in the labels).
"""
import time

from .base import Scenario

PARAMETERS = "/sys/module/scsi_debug/parameters"
DRIVER = "/sys/bus/pseudo/drivers/scsi_debug"
# scsi_debug's opts: what every every_nth-th command meets
OPT_MEDIUM_ERROR = 2
OPT_NO_ANSWER = 4
OPT_RECOVERED_ERROR = 8
DISK_MIB = 32
DISK_SECTORS = DISK_MIB * 2048


class Hdd(Scenario):
    NAME = "hdd"

    def prepare(self):
        self.first_bad = self.random.randrange(4000, 40000, 8)
        self.host.run("modprobe scsi_debug dev_size_mb=%d statistics=1 delay=0 opts=0 medium_error_start=%d "
                      "medium_error_count=0 && modprobe sd_mod && sleep 1 && ls /dev/sda" % (DISK_MIB, self.first_bad))
        interval_ms = self.random.randint(4, 12)
        self.host.start("hostload read /dev/sda %d %d %d"
                        % (self.first_bad - 1500, min(self.first_bad + 4500, DISK_SECTORS), interval_ms))

    def worsen(self):
        self.recovered_errors()
        self.medium_errors()

    def recover(self):
        self.set_driver(every_nth=0, opts=0)

    def recovered_errors(self):
        length_s, every = self.between(3.0, 18.0), self.random.randint(15, 90)
        self.stage("recovered errors", length_s=round(length_s, 2), every=every)
        self.set_driver(every_nth=every, opts=OPT_RECOVERED_ERROR)
        self.wait(length_s)

    def medium_errors(self):
        length_s, count, growth = self.between(14.0, 44.0), self.random.randint(6, 14), self.between(1.5, 2.6)
        self.set_driver(every_nth=0, opts=OPT_MEDIUM_ERROR)
        sectors = 1.0
        for _ in self.steps("medium errors", length_s, count, growth=round(growth, 2), first_sector=self.first_bad):
            self.host.run("echo %d >%s/medium_error_count" % (min(sectors, 6000), PARAMETERS))
            sectors = sectors * growth + 1

    def fail(self):
        timeout_s = self.random.randint(1, 6)
        self.host.run("echo %d >/sys/block/sda/device/timeout; echo 1 >/sys/block/sda/device/eh_timeout" % timeout_s)
        self.stage("no answer", command_timeout_s=timeout_s)
        failure = time.time()
        self.set_driver(every_nth=1, opts=OPT_NO_ANSWER)
        self.mark("failure", failure)
        # Error handling resets the disk, its bus and its host before it gives up, which takes about half a minute.
        offline = self.host.recorder.wait_for(r"Device offlined|rejecting I/O to offline device", 90, since=failure)
        if offline is None:
            return None
        self.mark("offline", offline)
        return failure

    def set_driver(self, **values):
        self.host.run("; ".join("echo %d >%s/%s" % (value, DRIVER, name) for name, value in values.items()))
