#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real vmftd on two hosts: killed in each of its states it repeats no decision and loses no guest; two of them that
send to one host do not overfill it; none sends to a host that says it is suspect; and who orders a move can wait for
it."""
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../testbed"))
from evacuations.daemon import Daemon  # noqa: E402
from evacuations.hosts import Beats, Hosts, other, two_hosts, wait_for  # noqa: E402

BUILD = os.environ["VMFT_BUILD_DIR"]
OVER = ("completed", "failed", "aborted")
STARTED = time.monotonic()


def step(text):
    print(f"- {text} ({time.monotonic() - STARTED:.0f} s)", flush=True)


class Test:
    def __init__(self, work):
        self.work = work
        self.here = "A"
        self.alarms = 0
        self.hosts = Hosts()
        self.beats = Beats()
        self.daemons = {}

    def check(self, ok, text):
        if ok:
            return
        for name, daemon in self.daemons.items():
            print(f"--- vmftd {name}:\n{daemon.said()[-3000:]}")
        sys.exit(f"FAIL: {text}")

    def start(self, name, host, **options):
        self.daemons[name] = Daemon(host, BUILD, self.work, name, **options)
        self.daemons[name].start()
        return self.daemons[name]

    def end_all(self):
        for daemon in self.daemons.values():
            daemon.end()
        self.daemons = {}

    def guest(self, name, *options):
        two_hosts("guest", self.here, name, "--memory", "128", *options, check=True, timeout=180)

    def guests(self, *names):
        """all at once"""
        two_hosts("accelerator", check=True, timeout=300)  # makes the guest's image, so that they do not do it at once
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(self.guest, names))

    def alarm(self, daemon):
        self.alarms += 1
        daemon.say_fault("sd" + chr(ord("b") + self.alarms))

    def expect_alive(self, host, guest):
        self.check(self.beats.alive_on(host, guest), f"{guest} does not live on {host}")
        self.check(not self.hosts.runs(other(host), guest), f"{guest} runs on both hosts")
        self.check(self.beats.bad_pages(guest) == 0, f"{guest} has bad pages")
        self.check(self.beats.doubled(guest) == 0, f"{guest} ran twice")

    # --- killed ---

    def kill_in(self, daemon, state, peer_to_peer):
        step(f"SIGKILL while {state}, {'peer-to-peer' if peer_to_peer else 'direct'}")
        guest, target = "g", other(self.here)
        mode = "pre-copy" if state in ("planned", "running") else "post-copy"
        self.hosts.set_modes(self.here, guest, mode)
        heard = lambda: any(vm["name"] == guest and vm["allowed_modes"] == mode for vm in daemon.rows("list"))  # noqa: E731
        self.check(wait_for(heard, 30), f"the daemon does not hear that {guest} may only go by {mode}")
        self.beats.forget(guest)
        first = daemon.last_migration()
        self.alarm(daemon)
        if state == "recovering":
            self.check(wait_for(lambda: any(row["state"] == "post-copy" for row in daemon.since(first)), 40), "no post-copy")
            time.sleep(3)  # see Hosts.why_stuck()
            two_hosts("cut", "--streams")
        if state != "planned":
            self.check(wait_for(lambda: any(row["state"] == state for row in daemon.since(first)), 40), f"never {state}")
        if state == "running":  # and libvirt knows of it
            self.check(wait_for(lambda: self.hosts.sending(self.here, guest, "pre-copy"), 20), "no job")
        daemon.kill()
        daemon.start()
        self.check(wait_for(lambda: not self.hosts.runs(self.here, guest) and self.hosts.runs(target, guest), 90),
                   f"{guest} did not leave {self.here}")  # fmt: skip
        rows = lambda: [row for row in daemon.since(first) if row["name"] == guest]  # noqa: E731
        self.check(wait_for(lambda: rows() and all(row["state"] in OVER for row in rows()), 60), f"not over: {rows()}")
        ends = [row["state"] for row in sorted(rows(), key=lambda row: row["id"])]
        if state == "planned":
            self.check(ends[-1] == "completed" and ends.count("completed") == 1, f"it ended {ends}")
        elif peer_to_peer or state != "running":
            self.check(ends == ["completed"], f"the job was not taken up: {ends}")
        else:
            self.check(ends == ["aborted", "completed"], f"a direct job dies with vmftd and is planned afresh: {ends}")
        self.expect_alive(target, guest)
        daemon.clear()

    def test_killed(self):
        self.guest("g", "--dirty-rate", "4", "--working-set", "8")
        two_hosts("link", "80mbit", check=True)
        for host in "AB":
            self.start(host, host)
        for peer_to_peer, states in ((True, ("planned", "running", "post-copy", "recovering")),
                                     (False, ("running", "post-copy"))):  # fmt: skip
            for host in "AB":
                self.daemons[host].set(peer_to_peer=str(peer_to_peer).lower())
            for state in states:
                self.kill_in(self.daemons[self.here], state, peer_to_peer)
                self.here = other(self.here)
        self.hosts.take_away("g")
        self.end_all()

    # --- ordered ---

    def test_ordered(self):
        """What the exit status promises has happened by then."""
        step("an operator moves one VM, then all, and waits for it")
        self.here = "A"
        self.guests("o1", "o2", "o3", "o4")
        two_hosts("link", "100mbit", check=True)
        daemon = self.start("A", "A")
        self.check(wait_for(lambda: len(daemon.rows("list")) == 4, 30), "not all VMs are known")
        self.check(daemon.run_ctl("policy", "o4", "off=yes").returncode == 0, "the policy of o4 cannot be set")
        run = daemon.run_ctl("migrate", "o1", "--mode", "pre-copy", "--wait")
        self.check(run.returncode == 0 and "completed" in run.stdout, f"migrate --wait: {run}")
        self.check(self.hosts.runs("B", "o1") and not self.hosts.runs("A", "o1"), "o1 had not left")
        run = daemon.run_ctl("evacuate", "--wait", "--json")
        self.check(run.returncode == 0, f"evacuate --wait: {run}")
        ends = {row["name"]: row["state"] for row in json.loads(run.stdout)["migrations"]}
        self.check(ends == {"o2": "completed", "o3": "completed"}, f"it ended {ends}")
        two_hosts("libvirtd", "B", "kill", check=True)
        self.check(daemon.run_ctl("policy", "o4", "off=no").returncode == 0, "the policy of o4 cannot be set")
        run = daemon.run_ctl("evacuate", "--wait")
        two_hosts("libvirtd", "B", "start", check=True)
        self.check(run.returncode == 1 and "o4" in run.stdout + run.stderr, f"o4 cannot have left: {run}")
        self.expect_alive("A", "o4")
        for guest in ("o1", "o2", "o3"):
            self.expect_alive("B", guest)
        for guest in ("o1", "o2", "o3", "o4"):
            self.hosts.take_away(guest)
        self.end_all()

    # --- a destination that says no ---

    def test_suspect(self):
        step("nothing is sent to a host that says it is suspect, until it no longer is")
        self.here = "A"
        self.guest("s")
        target = self.start("B", "B", more="[HTTP]\nlisten=10.77.0.2:8638\ntoken-file=" + self.token())
        # both say the same line, which holds a plan back for longer than this test: test-policy looks at that
        source = self.start("A", "A", destination="status-url=http://10.77.0.2:8638/api/v1/status\n"
                                                  "status-token-file=" + self.token(),
                            more="[Policy]\nsame-template-time=0")  # fmt: skip
        self.alarm(target)
        self.check(wait_for(lambda: "suspect itself: incident" in source.said(), 40), "A never heard of it")
        self.alarm(source)
        self.check(wait_for(lambda: source.rows("plan", "--last"), 20), "no plan")
        plan = source.rows("plan", "--last")[0]
        self.check(not plan["steps"] and "suspect" in str(plan), f"it would send to a suspect host: {plan}")
        target.clear()
        self.check(wait_for(lambda: self.hosts.runs("B", "s"), 90), "it was not sent when B was well again")
        self.expect_alive("B", "s")
        self.check("0123456789abcdef" not in source.said() + target.said(), "a token in a log")
        self.hosts.take_away("s")
        self.end_all()

    def token(self):
        path = os.path.join(self.work, "token")
        with open(path, "w", encoding="ascii") as token:
            token.write("0123456789abcdef\n")
        os.chmod(path, 0o600)
        return path

    def test_two_sources(self):
        step("two daemons that send to one host at once do not overfill it: its own word counts")
        self.here = "A"
        self.guests("t1", "t2")
        two_hosts("link", "100mbit", check=True)
        proc = os.path.join(self.work, "proc")
        os.makedirs(proc)
        with open(os.path.join(proc, "meminfo"), "w", encoding="ascii") as meminfo:
            meminfo.write("MemTotal: 400000 kB\nMemAvailable: 204800 kB\nSwapFree: 0 kB\n")
        # room for one of them while the other is on its way
        target = self.start("B", "B", bus=f"none\nproc={proc}", reserve_memory="1M")
        first, second = (
            self.start(f"A{n}", "A", bus="none", socket=f"/run/vmft/hook{n}",
                       more=f"[VM {other_guest}]\ntags=not-mine\n[HTTP]\nlisten=127.0.0.1:0\n[Arrivals]\nlimit=0")
            for n, other_guest in ((1, "t2"), (2, "t1"))
        )  # fmt: skip
        self.alarm(first)
        self.alarm(second)
        self.check(wait_for(lambda: all(self.hosts.runs("B", guest) for guest in ("t1", "t2")), 120), "not both arrived")
        self.check("is left beside what is coming" in first.said() + second.said(), "nobody was turned away")
        self.check(target.said().count("refused: it needs 128 MiB") > 0, "B let both in at once")
        for guest in ("t1", "t2"):
            self.expect_alive("B", guest)
        self.end_all()


def main():
    if os.geteuid() != 0:
        print("SKIP: needs root")
        return 77
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "true"], check=False).returncode != 0:
        print("SKIP: no namespaces can be made here")
        return 77
    # hosts and daemons end with the test, also when its time is over
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    os.environ["VMFT_TESTBED_DIR"] = tempfile.mkdtemp(prefix="vmft-test.", dir="/tmp")
    work = tempfile.mkdtemp(prefix="vmft-migrate.", dir="/tmp")
    test = None
    try:
        os.makedirs(os.path.join(work, "hooks/qemu.d"))
        shutil.copy(os.path.join(BUILD, "migrate/vmft-hook"), os.path.join(work, "hooks/qemu.d/50-vmft"))
        two_hosts("up", "--hooks", os.path.join(work, "hooks"), check=True, timeout=180)
        test = Test(work)
        for name in sys.argv[1:] or ("killed", "ordered", "suspect", "two_sources"):
            getattr(test, f"test_{name}")()
    finally:
        if test is not None:
            test.end_all()
        two_hosts("down")
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(os.environ["VMFT_TESTBED_DIR"], ignore_errors=True)
    print(f"ok ({time.monotonic() - STARTED:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
