# SPDX-License-Identifier: LGPL-2.1-or-later
"""A PCIe link degrades: corrected errors, then a non-fatal one, then a fatal one.

The kernel's own aer_inject stands in for the link, QEMU's root port for one of the errors. The failure is the fatal
error, with which the device is gone.
"""
import struct

from .base import Scenario

# Correctable: receiver error, bad TLP, bad DLLP, replay timer timeout
CORRECTABLE = (0x1, 0x40, 0x80, 0x1000)
DATA_LINK_PROTOCOL, MALFORMED_TLP = 0x10, 0x40000


class Aer(Scenario):
    NAME = "aer"

    def prepare(self):
        self.host.run("modprobe aer_inject aer_mask_override=1 && ls /dev/aer_inject")

    def inject(self, uncorrectable, correctable):
        # struct aer_error_inj of the kernel: bus, device, function, both statuses, the header log, the domain
        data = struct.pack("<BBBxIIIIIII", 1, 0, 0, uncorrectable, correctable, 1, 2, 3, 4, 0)
        self.host.run("printf '%s' >/dev/aer_inject" % "".join("\\x%02x" % byte for byte in data))

    def worsen(self):
        growth = self.between(0.1, 0.7)
        for number in self.steps("corrected errors", self.between(8, 45), self.random.randint(4, 14),
                                 growth=round(growth, 2)):
            for _ in range(1 + int(number * growth)):
                self.inject(0, self.random.choice(CORRECTABLE))
        if not self.RECOVERING:
            length_s = self.between(2, 12)
            self.stage("completion timeout", length_s=round(length_s, 2))
            self.host.monitor.human("pcie_aer_inject_error port1 COMP_TIME")
            self.wait(length_s)

    def fail(self):
        self.stage("fatal error")
        begin = self.host.recorder.now()
        self.inject(self.random.choice((DATA_LINK_PROTOCOL, MALFORMED_TLP)), 0)
        return self.host.recorder.wait_for(r"severity=Uncorrected \(Fatal\)", 60, since=begin)

    def recover(self):
        pass
