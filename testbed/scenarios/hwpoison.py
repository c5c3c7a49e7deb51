# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control: memory breaks under a VM's process. There is no warning, and nobody can foresee it."""
from .base import Scenario


class Hwpoison(Scenario):
    NAME = "hwpoison"

    def worsen(self):
        self.stage("memory failure")

    def fail(self):
        begin = self.host.recorder.now()
        self.host.start("hostload as qemu-system-x86 poison")
        return self.host.recorder.wait_for("Memory failure: ", 60, since=begin)
