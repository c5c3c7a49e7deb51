# SPDX-License-Identifier: LGPL-2.1-or-later
"""The firmware reports memory errors (ACPI APEI, a polled generic hardware error source), corrected ones, then a fatal.

The firmware is us: a HEST table names an error source in memory that the kernel leaves alone, and error records in the
format of UEFI's CPER are written there.
"""
import struct
import uuid

from .base import Scenario

SOURCE = 0x10000000
RECORD = SOURCE + 0x1000
MEMORY_ERROR = uuid.UUID("a5bc1114-6f64-4ede-b863-3e83ed7c83b1")
RECOVERABLE, FATAL, CORRECTED = 0, 1, 2
POLL_MS = 1000
# Which fields of the memory error section hold something: status, address, node, card, module, bank, row, column, type
VALID = 0x437b


def hest():
    """ACPI 6.4, 18.3.2.7: one generic hardware error source, polled."""
    address = struct.pack("<BBBBQ", 0, 64, 0, 4, SOURCE)
    notification = struct.pack("<BBHIIIIII", 0, 28, 0, POLL_MS, 0, 0, 0, 0, 0)
    return (struct.pack("<I", 1) + struct.pack("<HHHBBIII", 9, 0, 0xffff, 0, 1, 1, 1, 4096) + address + notification
            + struct.pack("<I", 4096))


def record(severity, address):
    """A generic error status block with one memory error section (UEFI 2.9, N.2.5)."""
    memory = struct.pack("<QQQQHHHHHHHHQQQBBHHH", VALID, 0x400, address, 0xfffffffffffff000, 0, 1, 2, 3, 0, 0x12f, 0x88,
                         0, 0, 0, 0, 2 if severity == CORRECTED else 3, 0, 0, 0, 0)
    section = (MEMORY_ERROR.bytes_le + struct.pack("<IHBBI", severity, 0x201, 2, 0, len(memory)) + bytes(16)
               + b"DIMM_B1".ljust(20, b"\0") + memory)
    status = (1 if severity != CORRECTED else 2) | 1 << 4
    return struct.pack("<IIIII", status, 0, 0, len(section), severity) + section


class Ghes(Scenario):
    NAME = "ghes"
    HARDWARE = {"acpi_table": ("HEST", hest()), "kernel_arguments": "memmap=64K$0x%x" % SOURCE}

    def prepare(self):
        self.poke(SOURCE, RECORD.to_bytes(8, "little"))
        self.address = self.random.randrange(0x8000, 0x10000) << 12

    def worsen(self):
        for _ in self.steps("corrected errors", self.between(10, 45), self.random.randint(4, 14)):
            self.report(CORRECTED)
        if not self.RECOVERING:
            length_s = self.between(2, 10)
            self.stage("recoverable error", length_s=round(length_s, 2))
            self.report(RECOVERABLE)
            self.wait(length_s)

    def fail(self):
        self.stage("fatal error")
        begin = self.host.recorder.now()
        self.report(FATAL)
        return self.host.recorder.wait_for("Fatal hardware error|Kernel panic", 60, since=begin)

    def recover(self):
        pass

    def report(self, severity):
        self.poke(RECORD, record(severity, self.address + self.random.randrange(4) * 64))

    def poke(self, address, data):
        # The kernel may go down with it before the command ends.
        self.host.start("printf '%s' | hostload poke 0x%x" % ("".join("\\x%02x" % byte for byte in data), address))
