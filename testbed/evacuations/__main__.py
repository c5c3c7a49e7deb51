# SPDX-License-Identifier: LGPL-2.1-or-later
"""chaos: evacuations of four guests back and forth between two real hosts, with faults thrown into each.

Each host has its vmftd, in mode act, for the whole run; a kernel's line about a bad sector makes one of them send all
its guests to the other. The verdict is not vmft's: a checker reads both hosts and what the guests say on their consoles.
A guest counts its heartbeats in its own memory, so a number that both hosts have seen means that two copies ran.
"""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile

from .rounds import Chaos


def parse():
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=10, help="evacuations; every fault comes within ten (10)")
    parser.add_argument("--seed", type=int, default=1, help="which faults come when, and how (1)")
    parser.add_argument("--json", action="store_true", help="print the report alone, as JSON")
    parser.add_argument("--keep", metavar="DIR", help="copy what the daemons said there")
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds is 1 or more")
    return options


def print_report(report, as_json):
    if as_json:
        print(json.dumps(report, indent=2))
        return
    print()
    for key, value in report.items():
        if isinstance(value, dict):
            print(f"{key}")
            for name, n in value.items():
                print(f"  {name:40} {n}")
        elif not isinstance(value, list):
            print(f"{key:20} {value}")


# A daemon that has been evacuated from and to may hold a connection or two more than at its start; a leak grows by
# several a round.
MAX_FD_GROWTH = 16
# What SQLite's cache, libvirt's connections and four VMs' histories come to in a daemon that is seconds old (2 to 12 MiB
# were seen); ten rounds of a leak that matters are more.
MAX_RSS_GROWTH_KIB = 40960


def is_good(report):
    if report["fd_growth"] > MAX_FD_GROWTH or report["rss_growth_kib"] > MAX_RSS_GROWTH_KIB:
        return False
    bad = report["vms_lost_avoidable"] + report["corrupt_pages"] + report["double_runs"] + len(report["complaints"])
    return bad == 0 and report["vms_moved"] > 0


def main():
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    own = "VMFT_TESTBED_DIR" not in os.environ
    if own:
        os.environ["VMFT_TESTBED_DIR"] = tempfile.mkdtemp(prefix="vmft-chaos.", dir="/tmp")
    work = os.environ["VMFT_TESTBED_DIR"] + ".work"
    os.makedirs(work, exist_ok=True)
    chaos = Chaos(options, os.path.abspath(options.build))
    try:
        report = chaos.run()
    finally:
        if options.keep:
            shutil.copytree(chaos.work, options.keep, dirs_exist_ok=True)
        chaos.end()
        os.rmdir(work)
    print_report(report, options.json)
    return 0 if is_good(report) else 1


if __name__ == "__main__":
    sys.exit(main())
