# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is thrown at an evacuation. A fault has up to three acts: before the alarm, while VMs leave, and at the end of the
round; the second says whether it struck. One that found nothing to strike is thrown again, at a VM made for it."""
import os
import re
import time

from .hosts import other, two_hosts, wait_for

LINK = "200mbit"
SLOW_LINK = "50mbit"
PHASE_S = 60
NOTICE_S = 90
CLASH = """<domain type='qemu'><name>{name}</name>{uuid}<memory unit='MiB'>64</memory>
<os><type arch='x86_64'>hvm</type></os></domain>"""


class Fault:
    """
    @phase: what a VM must be in to be struck: "pre-copy" or "post-copy"; None: the evacuation as a whole
    """

    phase = None
    turn = 1  # those that wait for one VM's turn come last, those that hold up everything first

    def __init__(self, round_):
        self.round = round_
        self.hosts = round_.hosts
        self.random = round_.random
        self.source = round_.source
        self.target = other(round_.source)

    @classmethod
    def name(cls):
        return re.sub("(?!^)([A-Z])", r"_\1", cls.__name__).lower()

    def before(self):
        """what there is before the alarm"""

    def strike(self):
        """Returns: whether it hit anything"""
        raise NotImplementedError

    def after(self):
        """what must not stay"""

    # --- what faults share ---

    def find_job(self):
        """a VM in the phase, as soon as there is one"""
        found = []

        def look():
            found[:] = [g for g in self.round.guests
                        if self.lasts_in_phase(g) and self.hosts.sending(self.source, g, self.phase)]  # fmt: skip
            return found or self.round.is_over()

        wait_for(look, PHASE_S)
        return found[0] if found else None

    def lasts_in_phase(self, guest):
        """A VM that goes by post-copy is in pre-copy for a moment; what strikes then strikes the first pages after it."""
        return self.phase != "pre-copy" or self.round.modes.get(guest) != "post-copy"

    def libvirtd(self, host, verb="kill"):
        two_hosts("libvirtd", host, verb)
        if verb == "kill":
            time.sleep(0.5 + self.random.random())
            two_hosts("libvirtd", host, "start", check=True)

    def kill_target_qemu(self, guest):
        pid = two_hosts("exec", self.target, "cat", f"/run/libvirt/qemu/{guest}.pid").stdout.strip()
        return bool(pid) and two_hosts("exec", self.target, "kill", "-9", pid).returncode == 0

    def cut_link(self):
        two_hosts("cut", check=True)
        time.sleep(1 + 2 * self.random.random())
        two_hosts("heal", check=True)

    def warm_up(self):
        """Post-copy has gone on for a while when its link breaks, slowly: see Hosts.why_stuck()."""
        two_hosts("link", SLOW_LINK, check=True)
        time.sleep(2.5 + self.random.random())

    def was_said(self, words):
        """whether the source's vmftd gives this reason for a move of this round"""
        return any(words in row.get("message", "") for row in self.round.moves())


class DestinationRefuses(Fault):
    """no memory there: its vmftd says so through libvirt's hook"""

    turn = 0

    def before(self):
        self.round.daemons[self.target].set(reserve_memory="64T")

    def strike(self):
        struck = bool(wait_for(lambda: self.was_said("refused by"), NOTICE_S))
        self.after()
        return struck

    def after(self):
        if self.round.daemons[self.target].options["reserve_memory"] != "64M":
            self.round.daemons[self.target].set(reserve_memory="64M")


class NameClash(Fault):
    """a stranger there has the VM's name: nobody touches it, and the VM goes once it has left"""

    turn = 2
    guest = None
    uuid = None

    def clash(self):
        return self.hosts.virsh(self.target, "domuuid", self.guest)

    def before(self):
        self.guest = self.random.choice(self.round.guests)
        self.hosts.clean(self.target, self.guest)
        path = os.path.join(self.round.work, "clash.xml")
        with open(path, "w", encoding="ascii") as xml:
            xml.write(CLASH.format(name=self.guest, uuid=""))
        self.hosts.virsh(self.target, "define", path)
        self.uuid = self.clash()

    def strike(self):
        struck = wait_for(lambda: self.was_said("already exists"), NOTICE_S)
        if self.clash() != self.uuid:
            self.round.complain(f"the stranger {self.guest} on {self.target} was touched")
        self.after()
        return bool(struck)

    def after(self):
        if self.uuid is not None and self.clash() == self.uuid:
            self.hosts.virsh(self.target, "undefine", self.guest)


class OwnLeftover(Fault):
    """an earlier try left a definition of the VM there, which is in the way until vmftd takes it away"""

    turn = 2
    old = None

    def before(self):
        guest = self.random.choice(self.round.guests)
        uuid = self.hosts.virsh(self.source, "domuuid", guest)
        self.old = f"{guest}-old"
        path = os.path.join(self.round.work, "old.xml")
        # libvirt minds one of the same UUID under another name
        self.hosts.clean(self.target, guest)
        with open(path, "w", encoding="ascii") as xml:
            xml.write(CLASH.format(name=self.old, uuid=f"<uuid>{uuid}</uuid>"))
        self.hosts.virsh(self.target, "define", path)

    def is_gone(self):
        return self.hosts.virsh(self.target, "list", "--all", "--name") is not None and \
            self.old not in self.hosts.virsh(self.target, "list", "--all", "--name").split()

    def strike(self):
        if wait_for(self.is_gone, NOTICE_S):
            return True
        self.round.complain(f"{self.old} is still on {self.target}")
        return False

    def after(self):
        self.hosts.virsh(self.target, "undefine", self.old)


class DestinationLibvirtdDies(Fault):
    phase = "pre-copy"

    def strike(self):
        if self.find_job() is None:
            return False
        self.libvirtd(self.target)
        return True


class DestinationQemuDiesInPrecopy(Fault):
    phase = "pre-copy"

    def strike(self):
        guest = self.find_job()
        return guest is not None and self.kill_target_qemu(guest)


class DestinationQemuDiesInPostcopy(Fault):
    """the one loss that nobody can prevent: half of the guest was there"""

    phase = "post-copy"

    def strike(self):
        guest = self.find_job()
        if guest is None:
            return False
        self.round.doomed.add(guest)
        return self.kill_target_qemu(guest)


class LinkCutInPrecopy(Fault):
    phase = "pre-copy"

    def strike(self):
        if self.find_job() is None:
            return False
        self.cut_link()
        return True


class LinkCutInPostcopy(Fault):
    phase = "post-copy"

    def strike(self):
        guest = self.find_job()
        if guest is None:
            return False
        self.warm_up()
        struck = self.hosts.sending(self.source, guest, self.phase)
        if struck:
            self.cut_link()
        two_hosts("link", LINK, check=True)
        return struck


class SourceLibvirtdRestartsInPrecopy(Fault):
    phase = "pre-copy"

    def strike(self):
        if self.find_job() is None:
            return False
        self.libvirtd(self.source, self.random.choice(["kill", "restart"]))
        return True


class SourceLibvirtdRestartsInPostcopy(Fault):
    phase = "post-copy"

    def strike(self):
        if self.find_job() is None:
            return False
        self.libvirtd(self.source, self.random.choice(["kill", "restart"]))
        return True


class VmftdKilled(Fault):
    """SIGKILL in each of its states, one after the other, as far as this evacuation has them"""

    # not all of them last long enough to be seen from outside: "waiting" is the moment before the first call
    states = ("waiting", "running", "post-copy", "recovering")

    def is_in(self, state):
        if state == "waiting":
            return True
        return any(row["state"] == state for row in self.round.moves()) or self.round.is_over()

    def strike(self):
        daemon = self.round.daemons[self.source]
        n = 0
        for state in self.states:
            if state == "recovering":
                # broken on purpose: while it waits to be resumed, vmftd dies
                if not any(row["state"] == "post-copy" for row in self.round.moves()):
                    continue
                self.warm_up()
                two_hosts("cut", "--streams")
                two_hosts("link", LINK, check=True)
            wait_for(lambda state=state: self.is_in(state), 20 if state != "recovering" else 5)
            if self.round.is_over():
                break
            daemon.kill()
            daemon.start()
            n += 1
        return n > 0


class VmftdKilledDirect(VmftdKilled):
    """the same without peer-to-peer: its jobs die with it"""

    states = ("running", "waiting", "post-copy")

    def before(self):
        self.round.daemons[self.source].set(peer_to_peer="false")

    def after(self):
        self.round.daemons[self.source].set(peer_to_peer="true")


class AbortRaces(Fault):
    """the operator's abort comes when the job is about to be done"""

    phase = "pre-copy"

    def strike(self):
        if self.find_job() is None:
            return False
        running = [row for row in self.round.moves() if row["state"] == "running"]
        wait_for(lambda: self.is_nearly_done() or self.round.is_over(), 15)
        time.sleep(self.random.random() * 0.5)
        for row in running:
            self.round.daemons[self.source].ctl("abort", str(row["id"]))
        return bool(running)

    def is_nearly_done(self):
        return any(row["state"] == "running" and row.get("progress", 0) > 0.7 for row in self.round.moves())


FAULTS = [DestinationRefuses, NameClash, OwnLeftover, DestinationLibvirtdDies, DestinationQemuDiesInPrecopy,
          DestinationQemuDiesInPostcopy, LinkCutInPrecopy, LinkCutInPostcopy, SourceLibvirtdRestartsInPrecopy,
          SourceLibvirtdRestartsInPostcopy, VmftdKilled, VmftdKilledDirect, AbortRaces]  # fmt: skip
