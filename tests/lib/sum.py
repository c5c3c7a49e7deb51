#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adds up test reports: names what failed and what was skipped and why, then the one closing line.

A report is JUnit XML; beside meson's lies its testlog.json (NAME.json), because a program that ends badly after its
last test case (a leak, a crash while cleaning up) fails there alone.
"""

import argparse
import json
import os
import sys
import xml.etree.ElementTree as ET


def cases(path):
    """Yields (name, verdict, reason) for each test case of a report."""
    report = os.path.basename(path).split(".")[0]
    for suite in ET.parse(path).getroot().iter("testsuite"):
        for case in suite.findall("testcase"):
            name = f"{report}: {suite.get('name', '')}/{case.get('name', '')}"
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                yield name, "failed", ""
            elif skipped is not None:
                yield name, "skipped", skipped.get("message") or (skipped.text or "").strip()
            else:
                yield name, "passed", ""


def programs(path):
    """Yields (name, result, output) for each test program of meson's own log."""
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            entry = json.loads(line)
            yield entry["name"], entry["result"], entry.get("stdout", "")


def unseen_failures(path, count):
    """Programs that failed although none of their test cases is reported as failed."""
    log = path.replace(".junit.xml", ".json")
    if not os.path.exists(log):
        return
    report = os.path.basename(path).split(".")[0]
    failed_names = " ".join(name for name, verdict, _ in cases(path) if verdict == "failed")
    for name, result, output in programs(log):
        if result in ("OK", "SKIP", "EXPECTEDFAIL") or "not ok" in output or name.split("/")[-1].strip() in failed_names:
            continue
        count["failed"] += 1
        print(f"failed: {report}: {name} ended with {result} outside its test cases")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broken", type=int, default=0, help="steps that could not even run")
    parser.add_argument("reports", nargs="*")
    args = parser.parse_args()

    count = {"passed": 0, "failed": args.broken, "skipped": 0}
    for path in args.reports:
        if not os.path.exists(path):
            continue
        for name, verdict, reason in cases(path):
            count[verdict] += 1
            if verdict != "passed":
                print(f"{verdict}: {name}" + (f" ({reason})" if reason else ""))
        unseen_failures(path, count)
    if args.broken:
        print(f"failed: {args.broken} step(s) of tests/run could not be built or run, see above")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
