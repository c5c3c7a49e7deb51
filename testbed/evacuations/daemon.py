# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real vmftd of each host, on a system bus of its own, killed and started again but never told that it is a test."""
import json
import os
import signal
import socket
import subprocess
import time

from .hosts import ADDRESS, TESTBED, TWO_HOSTS, other, two_hosts, wait_for

TOP = os.path.dirname(TESTBED)
BUS_CONFIG = os.path.join(TESTBED, "lib/bus.conf")
# what there is to know does not expire within a run, and nothing is given up for lost
CONFIG = """[Daemon]
mode=act
state-directory={work}/state
bus={bus}
hostname=*
sysfs={work}/sysfs

[Source kernel]
type=file
path={work}/kern.log
trust=kernel

[Detector]
model={top}/data/kernel-message.model
families={top}/data/fault-families.conf

[Policy]
max-failures=100
cool-down=0
replan-interval=1s

[Arrivals]
socket={socket}
reserve-memory={reserve_memory}

[Migration]
peer-to-peer={peer_to_peer}

[Destination {other}]
uri=qemu+tcp://{address}/system
migrate-uri=tcp://{address}
bandwidth={bandwidth}
{destination}
{more}
"""
DEFAULTS = {"bus": "system", "socket": "/run/vmft/hook", "destination": "", "more": "", "peer_to_peer": "true", "reserve_memory": "64M", "bandwidth": "22M"}


def child_of(pid, name):
    """nsenter forks into the host's process namespace: what it runs is its child, once it has become that"""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            child = int(children.read().split()[0])
        with open(f"/proc/{child}/comm", encoding="ascii") as comm:
            return child if comm.read().strip() == name else None
    except (OSError, IndexError):
        return None


def listens(path):
    """a socket is there before anyone can connect to it"""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


class Daemon:
    """
    @name: of its directory below @work
    @options: over DEFAULTS; with bus "none" nobody can ask it, but two of them can be on one host
    """

    def __init__(self, host, build, work, name=None, **options):
        self.host = host
        self.build = build
        self.work = os.path.join(work, name or host)
        self.options = {**DEFAULTS, **options}
        self.process = None
        self.pid = None
        self.first = None  # descriptors and memory when this process was new
        os.makedirs(os.path.join(self.work, "sysfs"), exist_ok=True)
        open(self.path("kern.log"), "w", encoding="ascii").close()
        address = two_hosts("path", host, "/run/dbus/system_bus_socket", check=True).stdout.strip()
        self.bus = self.start_bus(address) if self.options["bus"] == "system" else None
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={address}"}

    def path(self, name):
        return os.path.join(self.work, name)

    def spawn(self, name, *command):
        with open(self.path(name), "ab") as output:
            return subprocess.Popen([TWO_HOSTS, "exec", self.host, *command], stdout=output, stderr=output,
                                    stdin=subprocess.DEVNULL)  # fmt: skip

    def start_bus(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        bus = self.spawn("bus.log", "dbus-daemon", "--nofork", "--nopidfile", "--config-file=" + BUS_CONFIG)
        if not wait_for(lambda: listens(path), 15):
            raise RuntimeError(f"no system bus on host {self.host}")
        return bus

    # --- life ---

    def write_config(self):
        with open(self.path("vmftd.conf"), "w", encoding="ascii") as config:
            config.write(CONFIG.format(work=self.work, top=TOP, other=other(self.host),
                                       address=ADDRESS[other(self.host)], **self.options))  # fmt: skip

    def start(self):
        self.write_config()
        # the hook asks at /run/vmft/hook, where vmftd listens by itself
        self.process = self.spawn("vmftd.log", "env", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket",
                                  os.path.join(self.build, "daemon/vmftd"), "--config", self.path("vmftd.conf"))  # fmt: skip
        self.pid = wait_for(lambda: child_of(self.process.pid, "vmftd"), 20)
        self.first = None
        if not wait_for(self.is_up, 30):
            raise RuntimeError(f"vmftd of host {self.host} does not answer:\n{self.said()}")

    def is_up(self):
        if self.bus is None:
            return "libvirt answers" in self.said()
        return self.ctl("status") is not None

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def end(self):
        for process in (self.process, self.bus):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait()

    def set(self, **options):
        """a new configuration, in force when this returns"""
        count = self.said().count("configuration reloaded")
        self.options.update(options)
        self.write_config()
        os.kill(self.pid, signal.SIGHUP)
        if not wait_for(lambda: self.said().count("configuration reloaded") > count, 30):
            raise RuntimeError(f"vmftd of host {self.host} does not take its configuration:\n{self.said()}")

    def said(self):
        with open(self.path("vmftd.log"), errors="replace", encoding="utf-8") as log:
            return log.read()

    # --- what it is asked ---

    def run_ctl(self, *words, timeout=150):
        """vmftctl as it ended: returncode, stdout, stderr"""
        return subprocess.run([os.path.join(self.build, "cli/vmftctl"), *words], capture_output=True, text=True,
                              env=self.environment, timeout=timeout, check=False)  # fmt: skip

    def ctl(self, *words):
        """what vmftctl prints, parsed; None where it fails"""
        try:
            run = self.run_ctl(*words, "--json", timeout=30)
        except subprocess.TimeoutExpired:
            return None
        if run.returncode != 0:
            return None
        return json.loads(run.stdout) if run.stdout.strip() else {}

    def rows(self, *words):
        answer = self.ctl(*words)
        return answer if isinstance(answer, list) else [answer] if answer else []

    def migrations(self):
        return self.rows("history")

    def last_migration(self):
        return max((row["id"] for row in self.migrations()), default=0)

    def since(self, last):
        return [row for row in self.migrations() if row["id"] > last]

    # --- what happens to its host ---

    def say_fault(self, device):
        """the kernel finds a bad sector; nobody else writes this file"""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        with open(self.path("kern.log"), "a", encoding="ascii") as log:
            for n, text in enumerate(("critical medium error", "I/O error")):
                log.write(f"{stamp}.{n:06d}+00:00 host kernel: [ 4000.{n:06d}] {text}, dev {device}, sector {4000 + n} "
                          "op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2\n")  # fmt: skip

    def clear(self):
        """the disk has been replaced"""
        for incident in self.rows("incidents"):
            if incident.get("state") != "cleared":
                self.ctl("acknowledge", str(incident["id"]), "--clear")

    # --- leaks ---

    def count_fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def measure(self):
        """descriptors and KiB that this process has gained since it was new; looks at destinations come and go"""
        fds = []
        for _ in range(10):
            fds.append(self.count_fds())
            time.sleep(0.05)
        now = (min(fds), self.resident_kib())
        if self.first is None:
            self.first = now
        return now[0] - self.first[0], now[1] - self.first[1]
