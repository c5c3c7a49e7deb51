# SPDX-License-Identifier: LGPL-2.1-or-later
"""The evacuations themselves: which faults come when, and what became of the guests, judged without vmft."""
import os
import random
import shutil
import subprocess
import tempfile
import time

from .daemon import Daemon
from .faults import FAULTS, LINK
from .hosts import TWO_HOSTS, Beats, Hosts, other, two_hosts, wait_for

GUESTS = ["g1", "g2", "g3", "g4"]
# dirty rate and working set, MiB; one keeps its definition
SHAPES = [("0", "16", False), ("2", "8", True), ("5", "16", False), ("8", "24", False)]
# on a busy machine the link may carry less than a guest writes: post-copy is the way out then
MODES = ["pre-copy,hybrid", "post-copy", "xbzrle,hybrid", "hybrid"]
CYCLE = 10  # within which every fault comes
ROUND_S = 150
TRIES = 3


def deal(seed, cycle):
    """every fault once in ten rounds, in an order of the seed's; some rounds have two"""
    rng = random.Random(f"{seed}/{cycle}")
    drawn = list(FAULTS)
    rng.shuffle(drawn)
    hands = [[fault] for fault in drawn[:CYCLE]]
    for fault, hand in zip(drawn[CYCLE:], rng.sample(hands, len(drawn) - CYCLE)):
        hand.append(fault)
    return hands


def words_of(text):
    return set(text.replace(",", " ").split())


class Round:
    """One evacuation, as the faults see it."""

    def __init__(self, chaos, n):
        self.n = n
        self.random = random.Random(f"{chaos.options.seed}/{n}/how")
        self.source = "AB"[n % 2]
        self.guests = list(GUESTS)
        self.modes = {}
        self.doomed = set()
        self.stuck = set()
        self.chaos = chaos
        self.hosts = chaos.hosts
        self.daemons = chaos.daemons
        self.work = chaos.work
        self.first = self.daemons[self.source].last_migration()

    def moves(self):
        """what the source's vmftd says of this round's moves"""
        return self.daemons[self.source].since(self.first)

    def complain(self, text):
        self.chaos.complain(text)

    def is_over(self):
        """whether no VM is left to leave; one that cannot be kept does not count"""
        left = self.hosts.virsh(self.source, "list", "--name")
        return left is not None and not set(left.split()) - self.doomed - self.stuck

    def note_stuck(self):
        """those of which a half hangs, though they leave something here"""
        for guest in self.guests:
            if self.hosts.state(self.source, guest).startswith("paused (post-copy failed") and self.hosts.is_stuck(guest):
                self.stuck.add(guest)

    def wait(self):
        deadline = time.monotonic() + ROUND_S
        while time.monotonic() < deadline:
            if wait_for(self.is_over, 20):
                return True
            self.note_stuck()
        return self.is_over()


class Chaos:
    def __init__(self, options, build):
        self.options = options
        self.build = build
        self.started = time.monotonic()
        self.work = tempfile.mkdtemp(prefix="chaos.", dir=os.environ["VMFT_TESTBED_DIR"] + ".work")
        self.daemons = {}
        self.alarms = 0
        self.complaints = 0
        self.report = {
            "rounds": 0, "vms_moved": 0, "vms_lost": 0, "vms_lost_avoidable": 0, "vms_stuck_in_qemu": 0, "corrupt_pages": 0,
            "double_runs": 0, "fd_growth": 0, "rss_growth_kib": 0, "faults": {fault.name(): 0 for fault in FAULTS},
            "complaints": [], "seconds": 0,
        }  # fmt: skip

    def say(self, *words):
        if not self.options.json:
            print(*words, flush=True)

    def complain(self, text):
        self.report["complaints"].append(text)
        self.say(f"  {text}")

    # --- guests ---

    def make_guests(self, host, wanted):
        """those that are not there, all at once"""
        makers = []
        for guest, (rate, size, persistent) in wanted.items():
            self.hosts.take_away(guest)
            self.beats.forget(guest)
            options = ["--memory", "128", "--dirty-rate", rate, "--working-set", size, "--timeout", "120"]
            makers.append(subprocess.Popen([TWO_HOSTS, "guest", host, guest, *options,
                                            *(["--persistent"] if persistent else [])],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))  # fmt: skip
        for maker in makers:
            if maker.wait() != 0:
                raise RuntimeError(f"a guest does not start: {maker.stderr.read()}")

    def gather(self, round_):
        host = round_.source
        missing = {g: shape for g, shape in zip(GUESTS, SHAPES) if not self.hosts.runs(host, g)}
        self.make_guests(host, missing)
        modes = {guest: MODES[(i + round_.n) % len(MODES)] for i, guest in enumerate(GUESTS)}
        self.set_modes(round_, modes)
        for guest in GUESTS:
            self.beats.forget(guest)

    def set_modes(self, round_, modes):
        """as the VMs' owners would, and vmftd has heard of it"""
        round_.modes.update(modes)
        for guest, words in modes.items():
            self.hosts.set_modes(round_.source, guest, words)

        def heard():
            rows = {vm["name"]: words_of(vm["allowed_modes"]) for vm in self.daemons[round_.source].rows("list")}
            return all(rows.get(guest) == words_of(words) for guest, words in modes.items())

        if not wait_for(heard, 60):
            self.complain(f"vmftd of {round_.source} never heard of {modes}")

    # --- a round ---

    def alarm(self, round_):
        """a disk that has not failed before, so that the incident is a new one"""
        self.alarms += 1
        device = "sd" + chr(ord("a") + self.alarms // 26 % 26) + chr(ord("a") + self.alarms % 26)
        round_.daemons[round_.source].say_fault(device)

    def throw(self, round_, fault):
        for n in range(TRIES):
            if n > 0:
                self.once_more(round_, fault, n)
            if fault.strike():
                self.report["faults"][fault.name()] += 1
                self.say(f"  {fault.name()}{' (at a VM made for it)' if n > 0 else ''}")
                return
        self.complain(f"{fault.name()} found nothing to strike")

    def once_more(self, round_, fault, n):
        """all had gone already: a VM more, which is in the right phase for long"""
        guest = f"spare{n}"
        round_.wait()
        self.daemons[round_.source].clear()
        fault.before()
        self.make_guests(round_.source, {guest: ("5", "8", False)})
        self.set_modes(round_, {guest: fault.phase or "pre-copy"})
        round_.guests.append(guest)
        self.alarm(round_)

    def judge(self, round_):
        target = other(round_.source)
        for guest in round_.guests:
            if self.beats.alive_on(target, guest):
                self.report["vms_moved"] += 1
            elif self.beats.alive_on(round_.source, guest, 5):
                self.complain(f"{guest} is still on {round_.source}")
                self.hosts.take_away(guest)
            else:
                self.note_loss(round_, guest)
            self.report["corrupt_pages"] += self.beats.bad_pages(guest)
            self.report["double_runs"] += self.beats.doubled(guest)
        for guest in set(round_.guests) - set(GUESTS):
            self.hosts.take_away(guest)

    def note_loss(self, round_, guest):
        why = [why for host in "AB" if (why := self.hosts.why_stuck(host, guest))]
        stuck = guest in round_.stuck or bool(why)
        avoidable = guest not in round_.doomed and not stuck
        self.report["vms_lost"] += 1
        self.report["vms_stuck_in_qemu"] += stuck
        if stuck:
            self.say(f"  {guest}: {', '.join(why) or 'its QEMU hung'}")
        self.report["vms_lost_avoidable"] += avoidable
        if avoidable:
            self.complain(f"{guest} is lost, avoidably: " + ", ".join(
                f"{host}: {self.hosts.state(host, guest) or 'absent'}" for host in "AB"))  # fmt: skip
            self.tell_story(round_)
        self.hosts.take_away(guest)

    def tell_story(self, round_):
        self.say(self.daemons[round_.source].said()[-4000:])

    def measure(self):
        for daemon in self.daemons.values():
            fds, kib = daemon.measure()
            self.report["fd_growth"] = max(self.report["fd_growth"], fds)
            self.report["rss_growth_kib"] = max(self.report["rss_growth_kib"], kib)

    def play(self, n):
        round_ = Round(self, n)
        hand = sorted((fault(round_) for fault in deal(self.options.seed, n // CYCLE)[n % CYCLE]),
                      key=lambda fault: fault.turn)  # fmt: skip
        self.say(f"round {n + 1}: {round_.source} to {other(round_.source)}")
        self.gather(round_)
        for fault in hand:
            fault.before()
        self.alarm(round_)
        for fault in hand:
            self.throw(round_, fault)
        if not round_.wait():
            self.complain(f"round {n + 1} did not end in time")
            self.tell_story(round_)
        self.judge(round_)
        for fault in hand:
            fault.after()
        self.daemons[round_.source].clear()
        self.measure()
        self.report["rounds"] += 1

    # --- all of it ---

    def begin(self):
        hooks = os.path.join(self.work, "hooks")
        os.makedirs(os.path.join(hooks, "qemu.d"))
        shutil.copy(os.path.join(self.build, "migrate/vmft-hook"), os.path.join(hooks, "qemu.d/50-vmft"))
        two_hosts("up", "--hooks", hooks, check=True, timeout=180)
        two_hosts("accelerator", timeout=300)  # builds the guest, so that four do not do it at once
        two_hosts("link", LINK, check=True)
        self.hosts = Hosts()
        self.beats = Beats()
        for host in "AB":
            self.daemons[host] = Daemon(host, self.build, self.work)
            self.daemons[host].start()

    def run(self):
        self.begin()
        for n in range(self.options.rounds):
            self.play(n)
        self.report["seconds"] = round(time.monotonic() - self.started)
        return self.report

    def end(self):
        for daemon in self.daemons.values():
            daemon.end()
        two_hosts("down", timeout=120)
        shutil.rmtree(self.work, ignore_errors=True)
