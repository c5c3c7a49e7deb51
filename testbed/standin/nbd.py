# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk whose faults are ours: a small NBD server (fixed newstyle, one export) behind an emulated disk of QEMU's.

What the kernel in the host meets is a real NVMe or SATA disk that reads slowly, fails in some places, no longer
answers, or fails at everything. Content is kept in memory, by blocks that were written.
"""
import errno
import os
import socket
import struct
import threading

BLOCK = 4096
OPTION_EXPORT_NAME, OPTION_ABORT, OPTION_INFO, OPTION_GO = 1, 2, 6, 7
REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED = 1, 3, 0x80000001
REPLY_MAGIC = 0x3e889045565a9
FLAGS_OF_EXPORT = 1 | 4  # has flags, can flush
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
REQUEST_MAGIC, SIMPLE_REPLY_MAGIC = 0x25609513, 0x67446698
MAX_REQUEST = 32 << 20


class Closed(Exception):
    """The other end has gone, or says what cannot be understood."""


class NbdDisk:
    """delay_s: before every answer; bad: (first, end) byte ranges that fail; hang: no answers while set; dead: all
    fails. All may change while it is in use."""

    def __init__(self, path, size_mib):
        self.size = size_mib << 20
        self.blocks = {}
        self.bad = []
        self.delay_s = 0.0
        self.dead = False
        self.failures = 0
        self.going_on = threading.Event()
        self.going_on.set()
        self.closed = threading.Event()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(4)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def hang(self):
        return not self.going_on.is_set()

    @hang.setter
    def hang(self, value):
        if value:
            self.going_on.clear()
        else:
            self.going_on.set()

    def close(self):
        self.closed.set()
        self.going_on.set()
        # A close alone does not wake the thread that accepts.
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                if self._negotiate(connection):
                    while self._answer(connection):
                        pass
            except (Closed, OSError):
                pass

    @staticmethod
    def _receive(connection, length):
        data = bytearray()
        while len(data) < length:
            chunk = connection.recv(length - len(data))
            if not chunk:
                raise Closed
            data += chunk
        return bytes(data)

    def _negotiate(self, connection):
        """Options up to the one that starts the transmission; False if the client leaves."""
        connection.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        self._receive(connection, 4)
        while True:
            _, option, length = struct.unpack(">8sII", self._receive(connection, 16))
            if length > MAX_REQUEST:
                raise Closed
            self._receive(connection, length)

            def reply(kind, payload=b"", option=option):
                connection.sendall(struct.pack(">QIII", REPLY_MAGIC, option, kind, len(payload)) + payload)

            if option == OPTION_EXPORT_NAME:
                connection.sendall(struct.pack(">QH", self.size, FLAGS_OF_EXPORT))
                return True
            if option in (OPTION_INFO, OPTION_GO):
                reply(REPLY_INFO, struct.pack(">HQH", 0, self.size, FLAGS_OF_EXPORT))
                reply(REPLY_ACK)
                if option == OPTION_GO:
                    return True
            elif option == OPTION_ABORT:
                reply(REPLY_ACK)
                return False
            else:
                reply(REPLY_UNSUPPORTED)

    def _answer(self, connection):
        magic, _, kind, handle, offset, length = struct.unpack(">IHHQQI", self._receive(connection, 28))
        if magic != REQUEST_MAGIC or length > MAX_REQUEST or kind == DISCONNECT:
            return False
        data = self._receive(connection, length) if kind == WRITE else b""
        if self.delay_s:
            self.closed.wait(self.delay_s)
        self.going_on.wait()
        if self.closed.is_set():
            return False
        error = errno.EIO if self._fails(kind, offset, length) else 0
        if error:
            self.failures += 1
        elif kind == WRITE:
            self._write(offset, data)
        payload = self._read(offset, length) if kind == READ and not error else b""
        connection.sendall(struct.pack(">IIQ", SIMPLE_REPLY_MAGIC, error, handle) + payload)
        return True

    def _fails(self, kind, offset, length):
        if kind not in (READ, WRITE, FLUSH):
            return True
        if self.dead:
            return True
        if kind == FLUSH:
            return False
        return offset + length > self.size or any(offset < end and offset + length > first for first, end in self.bad)

    def _pieces(self, offset, length):
        """(block, offset in it, length) of what a request touches."""
        end = offset + length
        while offset < end:
            inside = offset % BLOCK
            size = min(BLOCK - inside, end - offset)
            yield offset // BLOCK, inside, size
            offset += size

    def _read(self, offset, length):
        empty = bytes(BLOCK)
        return b"".join(self.blocks.get(block, empty)[inside:inside + size]
                        for block, inside, size in self._pieces(offset, length))

    def _write(self, offset, data):
        at = 0
        for block, inside, size in self._pieces(offset, len(data)):
            if block not in self.blocks:
                self.blocks[block] = bytearray(BLOCK)
            self.blocks[block][inside:inside + size] = data[at:at + size]
            at += size


def device_options(kind, path):
    """QEMU's options for such a disk as the host's NVMe or SATA disk."""
    node = ["-blockdev", "driver=nbd,node-name=%s,server.type=unix,server.path=%s" % (kind, path)]
    if kind == "nvme":
        return node + ["-device", "nvme,drive=nvme,serial=%s" % "S3EVNX0J"]
    if kind == "sata":
        return node + ["-device", "ide-hd,drive=sata,bus=ide.1,rerror=report,werror=report,serial=%s" % "WD-WCC4E"]
    raise ValueError("no such kind of disk: %s" % kind)


def socket_path(directory, kind):
    return os.path.join(directory, kind)
