# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two hosts as they are, asked without vmft: what libvirt says there, and what the guests themselves say."""
import os
import re
import subprocess
import time

TESTBED = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TWO_HOSTS = os.path.join(TESTBED, "two-hosts")
ADDRESS = {"A": "10.77.0.1", "B": "10.77.0.2"}
BEAT = re.compile(rb"beat=(\d+) .*bad=(\d+)")
POLICY_XMLNS = "https://vmft.org/xmlns/domain/1.0"


def two_hosts(*args, check=False, timeout=90):
    return subprocess.run(
        [TWO_HOSTS, *args], capture_output=True, text=True, check=check, timeout=timeout, stdin=subprocess.DEVNULL
    )


def other(host):
    return "B" if host == "A" else "A"


def wait_for(what, seconds):
    """what() as soon as it is true, or its last answer when the time is over"""
    deadline = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def lasts(what):
    """whether what() is true for about two seconds"""
    for _ in range(8):
        if not what():
            return False
        time.sleep(0.25)
    return True


# of QEMU NAME: where its main thread sleeps, then where each vCPU does
WCHAN = """p=$(cat "/run/libvirt/qemu/$1.pid") || exit; cat "/proc/$p/wchan"; echo
for t in /proc/$p/task/*; do case $(cat "$t/comm") in CPU*) cat "$t/wchan"; echo ;; esac; done"""


class Hosts:
    """libvirt of both, straight from here."""

    def __init__(self):
        self.uri = {host: two_hosts("uri", host, check=True).stdout.strip() for host in "AB"}

    def virsh(self, host, *args, timeout=20):
        """standard output, or None where libvirt refuses or is silent"""
        try:
            run = subprocess.run(["virsh", "-q", "-c", self.uri[host], *args], capture_output=True, text=True,
                                 timeout=timeout, stdin=subprocess.DEVNULL, check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
        return run.stdout.strip() if run.returncode == 0 else None

    def state(self, host, guest):
        """'running (migrated)', 'paused (post-copy failed)', … or "" """
        return self.virsh(host, "domstate", guest, "--reason") or ""

    def runs(self, host, guest):
        return self.state(host, guest).startswith("running")

    def sending(self, host, guest, phase):
        """whether an outgoing job of the guest is in the phase wanted: "pre-copy" or "post-copy" """
        state = self.state(host, guest)
        if phase == "post-copy":
            return state.startswith("paused (post-copy)")
        return state.startswith("running") and "Memory processed" in (self.virsh(host, "domjobinfo", guest) or "")

    def why_stuck(self, host, guest):
        """Why nobody can resume a broken post-copy job, as far as this half of the guest is the reason; "" where it is
        not. Both ways are QEMU 7.2's, seen when the link breaks near the beginning or the end of post-copy.

        Under emulation a vCPU may wait for a page that is still on the other host while it holds QEMU's big lock, and
        QEMU then never hears that the job is to be resumed. And a source that has sent everything waits for its
        return path, which waits to be resumed, in a phase in which it cannot be."""
        for what, is_so in (("waits for a page with its lock held", self.waits_with_lock),
                            ("waits for an answer on a connection that is gone", self.waits_for_nobody)):  # fmt: skip
            if lasts(lambda is_so=is_so: is_so(host, guest)):
                return f"its QEMU on {host} {what}"
        return ""

    def waits_with_lock(self, host, guest):
        sleeps = two_hosts("exec", host, "sh", "-c", WCHAN, "sh", guest).stdout.split()
        return bool(sleeps) and sleeps[0].startswith("futex") and "handle_userfault" in sleeps[1:]

    def waits_for_nobody(self, host, guest):
        if not self.state(host, guest).startswith("paused (post-copy failed"):
            return False
        status = self.virsh(host, "qemu-monitor-command", guest, '{"execute":"query-migrate"}') or ""
        streams = two_hosts("exec", host, "sh", "-c", 'ss -tnpH | grep -F "pid=$(cat "/run/libvirt/qemu/$1.pid"),"', "sh",
                            guest).stdout  # fmt: skip
        return '"status":"postcopy-active"' in status and not streams.strip()

    def is_stuck(self, guest):
        return any(self.why_stuck(host, guest) for host in "AB")

    def set_modes(self, host, guest, modes):
        self.virsh(host, "metadata", guest, "--uri", POLICY_XMLNS, "--key", "vmft", "--live",
                   "--set", f"<policy modes='{modes}'/>")  # fmt: skip

    def clean(self, host, guest):
        """Gone when this returns. A QEMU that hangs keeps libvirt from destroying it; and when half of a post-copy job
        is destroyed while it is being resumed, libvirt 9.0 holds the job for ever: nothing but a restart frees the
        domain then."""

        def is_gone():
            if self.state(host, guest).partition(" (")[0] not in ("", "shut off"):
                self.virsh(host, "destroy", guest)
            self.virsh(host, "undefine", guest)
            known = self.virsh(host, "list", "--all", "--name")
            if known is not None and guest not in known.split():
                return True
            two_hosts("exec", host, "sh", "-c", 'kill -9 "$(cat "/run/libvirt/qemu/$1.pid")"', "sh", guest)
            return False

        if wait_for(is_gone, 45):
            return
        two_hosts("libvirtd", host, "restart")
        if not wait_for(is_gone, 45):
            raise RuntimeError(f"{host} does not part with {guest}: {self.state(host, guest)}")

    def take_away(self, guest):
        """from both, the half that hangs first: the other one waits for it"""
        for host in sorted("AB", key=lambda host: not self.why_stuck(host, guest)):
            self.clean(host, guest)


class Beats:
    """What the guests wrote on their consoles. A guest counts its heartbeats in its own memory: a number that both
    hosts have seen means that two copies of it ran."""

    def __init__(self):
        log = {host: two_hosts("path", host, "/var/log/libvirt", check=True).stdout.strip() for host in "AB"}
        self.log = log

    def console(self, host, guest):
        return os.path.join(self.log[host], f"console-{guest}.log")

    def lines(self, host, guest):
        try:
            with open(self.console(host, guest), "rb") as console:
                return [(int(m[1]), int(m[2])) for m in BEAT.finditer(console.read())]
        except FileNotFoundError:
            return []

    def alive_on(self, host, guest, seconds=20):
        before = len(self.lines(host, guest))
        return wait_for(lambda: len(self.lines(host, guest)) >= before + 2, seconds)

    def bad_pages(self, guest):
        return max([bad for host in "AB" for _, bad in self.lines(host, guest)], default=0)

    def doubled(self, guest):
        seen = [{beat for beat, _ in self.lines(host, guest)} for host in "AB"]
        return len(seen[0] & seen[1])

    def forget(self, guest):
        for host in "AB":
            if os.path.exists(self.console(host, guest)):
                os.truncate(self.console(host, guest), 0)
