# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machine checks: ever more corrected memory errors, then one that is not. A class per processor maker."""
from .base import Scenario

CHECK_NOW = "echo 1 >/sys/devices/system/machinecheck/machinecheck0/check_interval"


class MachineChecks(Scenario):
    """BANK, CORRECTED(random) and FATAL: what the processor's registers say."""

    BANK = None
    MISC = "0x0"
    PREPARE = CHECK_NOW

    def prepare(self):
        self.host.run(self.PREPARE)
        self.page = self.random.randrange(0x10000, 0x1c000) << 12

    def corrected(self):
        raise NotImplementedError

    def raise_check(self, status, global_status, address):
        self.host.monitor.human("mce 0 %d 0x%x 0x%x 0x%x %s" % (self.BANK, status, global_status, address, self.MISC))

    def worsen(self):
        growth = self.between(0.1, 0.6)
        for number in self.steps("corrected errors", self.between(10, 50), self.random.randint(4, 16),
                                 growth=round(growth, 2)):
            for _ in range(1 + int(number * growth)):
                self.raise_check(self.corrected(), 0, self.page + (self.random.randrange(64) << 6))
                self.wait(0.3)

    def fail(self):
        self.stage("uncorrected error")
        begin = self.host.recorder.now()
        self.raise_check(self.FATAL, 5, self.page + 0x40)
        return self.host.recorder.wait_for("Fatal machine check|Kernel panic", 60, since=begin)

    def recover(self):
        pass


class Amd(MachineChecks):
    NAME = "mce"
    HARDWARE = {"cpu": "phenom,-hypervisor"}
    PREPARE = "modprobe edac_mce_amd && " + CHECK_NOW
    BANK = 4
    FATAL = 0xbe00000000080813

    def corrected(self):
        return 0x9c00400000080813 | self.random.randrange(256) << 48


class Intel(MachineChecks):
    NAME = "mce-intel"
    HARDWARE = {"cpu": "SandyBridge,-hypervisor"}
    BANK = 8
    MISC = "0x8c"
    FATAL = 0xbe00000000800090

    def corrected(self):
        return 0x8c00004000010090
