#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adds up JUnit reports: names what failed and what was skipped and why, then the one closing line."""

import argparse
import glob
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
    if args.broken:
        print(f"failed: {args.broken} step(s) of tests/run could not be built or run, see above")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
