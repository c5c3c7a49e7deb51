# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stand-in host: Debian's kernel in QEMU, a control channel into it, and QEMU's monitor."""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from .nbd import NbdDisk, device_options, socket_path
from .recorder import Recorder

HERE = os.path.dirname(os.path.abspath(__file__))
KERNEL_ARGUMENTS = ("console=ttyS0 loglevel=7 printk.devkmsg=on mitigations=off nmi_watchdog=0 no_timer_check "
                    "panic=0 psi=1 net.ifnames=0 systemd.show_status=0")
PR_SET_PDEATHSIG = 1


class HostError(Exception):
    """The stand-in host did not do what was asked of it."""


def build_image():
    """Directory with the kernel and the initramfs; built, and packages installed, when needed."""
    result = subprocess.run([os.path.join(HERE, "build-image")], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        raise HostError("cannot build the stand-in host's image")
    return result.stdout.strip()


def _die_with_parent():
    # A QEMU never outlives the command that started it, however that ends.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Monitor:
    """QMP, one command at a time."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise HostError("no QEMU monitor: %s" % error) from error
                time.sleep(0.05)
        self.stream = self.socket.makefile("rw")
        self.stream.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        with self.lock:
            self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self.stream.flush()
            while True:
                line = self.stream.readline()
                if not line:
                    raise HostError("QEMU is gone")
                reply = json.loads(line)
                if "error" in reply:
                    raise HostError("%s: %s" % (command, reply["error"].get("desc")))
                if "return" in reply:
                    return reply["return"]

    def human(self, line):
        """A command of the human monitor (mce, pcie_aer_inject_error, ...); its answer as text."""
        return self.execute("human-monitor-command", **{"command-line": line})

    def close(self):
        self.socket.close()


class Host:
    """A stand-in host. Use it as a context manager: entering starts QEMU, leaving ends it and removes its sockets. So
    does close() from any thread, whenever it comes."""

    def __init__(self, image, cpu="qemu64", memory_mib=512, disks=None, acpi_table=None, kernel_arguments="",
                 forward=None):
        """disks: {"nvme" or "sata": MiB}, then in self.disks; acpi_table: (signature, bytes); forward: a TCP port of
        this machine that gets the host's syslog as well."""
        if forward:
            kernel_arguments += " vmft.forward_port=%d" % forward
        self.cpu, self.memory_mib, self.image = cpu, memory_mib, image
        self.kernel_arguments = kernel_arguments
        self.wanted_disks, self.acpi_table = disks or {}, acpi_table
        self.changing = threading.RLock()  # a signal may come while the same thread holds it
        self.closed = False
        self.recorder = Recorder()
        self.disks = {}
        self.start_time = None
        self.ready_time = self.ready_uptime = None
        self.events = []  # (seconds, command, result) of what was done to it
        self.results = {}
        self.next_id = 0
        self.control = None
        self.dir = None
        self.process = None
        self.monitor = None

    def _start(self):
        if self.closed:
            raise HostError("given up before it was started")
        self.dir = tempfile.mkdtemp(prefix="vmft-host.")
        self.start_time = time.time()
        self._listen("console", self._console_line)
        self._listen("control", self._control_line)
        devices = self._make_disks(self.wanted_disks) + self._make_table(self.acpi_table)
        self.process = subprocess.Popen(
            self._command(devices), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=_die_with_parent, start_new_session=True)
        self.monitor = Monitor(self._path("qmp"))

    def _path(self, name):
        return os.path.join(self.dir, name)

    def _command(self, devices):
        socket_of = "socket,id=%s,path=" + self.dir + "/%s"
        return [
            "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", self.cpu, "-smp", "1",
            "-m", str(self.memory_mib),
            "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", self.image + "/vmlinux", "-initrd", self.image + "/initrd",
            "-append", "%s vmft.log_port=%d %s" % (KERNEL_ARGUMENTS, self.recorder.port, self.kernel_arguments),
            "-chardev", socket_of % ("console", "console"), "-serial", "chardev:console",
            "-device", "virtio-serial-pci", "-chardev", socket_of % ("control", "control"),
            "-device", "virtserialport,chardev=control,name=control,nr=1",
            "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,romfile=",
            "-device", "pcie-root-port,id=port1,chassis=1",
            "-netdev", "user,id=net1,restrict=on", "-device", "e1000e,netdev=net1,id=nic1,bus=port1,romfile=",
            "-netdev", "user,id=net2,restrict=on", "-device", "e1000,netdev=net2,id=nic2,romfile=",
            "-device", "qemu-xhci,id=usb", "-device", "virtio-rng-pci",
            "-qmp", "unix:%s,server=on,wait=off" % self._path("qmp"), *devices]

    def _make_disks(self, disks):
        options = []
        for kind, size_mib in disks.items():
            path = socket_path(self.dir, kind)
            self.disks[kind] = NbdDisk(path, size_mib)
            options += device_options(kind, path)
        return options

    def _make_table(self, table):
        if table is None:
            return []
        signature, data = table
        with open(self._path("acpi"), "wb") as file:
            file.write(data)
        return ["-acpitable", "sig=%s,rev=1,oem_id=BOCHS,data=%s" % (signature, self._path("acpi"))]

    def _listen(self, name, handle):
        server = socket.socket(socket.AF_UNIX)
        server.bind(self._path(name))
        server.listen(1)
        server.settimeout(20)

        def serve():
            with server:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
            if name == "control":
                self.control = connection
            with connection, connection.makefile("rb") as stream:
                try:
                    for line in stream:
                        handle(line.decode("utf-8", "replace").rstrip("\r\n"))
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()

    def _console_line(self, line):
        self.recorder.add_console(line)

    def _control_line(self, line):
        word, _, rest = line.partition(" ")
        now = time.time()
        if word == "UPTIME":
            self.recorder.boot_wall = now - float(rest)
            self.control.sendall(b"%d\n" % round(now))
        elif word == "BEAT":
            self.recorder.add_beat(rest)
        else:
            with self.recorder.arrival:
                if word == "READY":
                    self.ready_time, self.ready_uptime = now, float(rest)
                elif word == "DONE":
                    number, _, result = rest.partition(" ")
                    self.results[number] = result
                self.recorder.arrival.notify_all()

    def _wait(self, condition, timeout, what):
        deadline = time.monotonic() + timeout
        with self.recorder.arrival:
            while not condition():
                left = deadline - time.monotonic()
                if self.process.poll() is not None:
                    raise HostError("QEMU ended: %s" % self.process.stderr.read().decode("utf-8", "replace").strip())
                if left <= 0:
                    raise HostError("%s: not within %d s" % (what, timeout))
                self.recorder.arrival.wait(min(left, 0.5))

    def wait_ready(self, timeout=180):
        self._wait(lambda: self.ready_time is not None, timeout, "boot")

    def start(self, command):
        """Run a shell command inside and do not wait for it; returns its id."""
        self.next_id += 1
        number = str(self.next_id)
        self.events.append((time.time(), command, None))
        self.control.sendall(("%s %s\n" % (number, command)).encode())
        return number

    def run(self, command, timeout=150):
        """Run a shell command inside, wait for it, raise if it fails; returns the end of what it said."""
        number = self.start(command)
        self._wait(lambda: number in self.results, timeout, command)
        status, _, output = self.results[number].partition(" ")
        if status != "0":
            raise HostError("%s: status %s: %s" % (command, status, output))
        return output

    @property
    def boot_seconds(self):
        """How long it took, by our clock or the kernel's, whichever says more: the latter jumps when QEMU is slow."""
        return max(self.ready_time - self.start_time, self.ready_uptime) if self.ready_time else None

    def cpu_seconds(self):
        """Processor time of this machine that the host has taken so far."""
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        with self.changing:
            self.closed = True
            self._end()

    def _end(self):
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process.stderr.close()
        if self.monitor is not None:
            self.monitor.close()
        for disk in self.disks.values():
            disk.close()
        self.recorder.close()
        if self.dir is not None:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            with self.changing:
                self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()
