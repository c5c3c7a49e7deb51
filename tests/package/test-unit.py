#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd, D-Bus and polkit will read: the unit is hardened, the user can be made, the files parse and agree
with what the daemon asks for.

usage: test-unit.py SOURCE_ROOT VMFTD_SERVICE VMFTD
"""
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

EXPOSURE_MAX = 3.0
SKIPPED = []


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_exposure(unit):
    if shutil.which("systemd-analyze") is None:
        SKIPPED.append("exposure: systemd-analyze is not installed")
        return
    answer = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
    exposure = re.search(r"exposure level for vmftd.service: ([0-9.]+)", answer.stdout)
    if exposure is None:
        SKIPPED.append(f"exposure: systemd-analyze cannot tell: {answer.stderr.strip()}")
        return
    print(f"# exposure level {exposure.group(1)}")
    check(float(exposure.group(1)) < EXPOSURE_MAX, f"exposure {exposure.group(1)}")


def test_unit(unit):
    with open(unit, encoding="utf-8") as file:
        lines = dict(line.split("=", 1) for line in file.read().splitlines() if re.match(r"^[A-Za-z]+=", line))
    for key, value in (("Type", "notify"), ("WatchdogSec", "30"), ("StateDirectory", "vmft"), ("User", "vmft")):
        check(lines.get(key) == value, f"{key}={lines.get(key)}")
    check("@" not in lines["ExecStart"], "the path of the program is filled in")


def test_user(root):
    if shutil.which("systemd-sysusers") is None:
        SKIPPED.append("user: systemd-sysusers is not installed")
        return
    answer = run("systemd-sysusers", "--dry-run", os.path.join(root, "data/systemd/vmft.sysusers"))
    check(answer.returncode == 0, answer.stderr)


def test_bus_policy(root):
    tree = ElementTree.parse(os.path.join(root, "data/polkit/org.vmft1.conf"))
    owners = {policy.get("user") for policy in tree.findall("policy") if policy.find("allow[@own='org.vmft1']") is not None}
    check(owners == {"root", "vmft"}, f"who may own the name: {owners}")


def test_actions(root):
    tree = ElementTree.parse(os.path.join(root, "data/polkit/org.vmft1.policy"))
    actions = {action.get("id"): action for action in tree.findall("action")}
    check(set(actions) == {f"org.vmft1.{verb}" for verb in ("read", "plan", "migrate", "configure")}, f"{set(actions)}")
    for name, action in actions.items():
        # a daemon that is not root may only ask about actions that are its own
        owner = action.find("annotate[@key='org.freedesktop.policykit.owner']")
        check(owner is not None and owner.text == "unix-user:vmft", f"{name}: owner")
        if name in ("org.vmft1.migrate", "org.vmft1.configure"):
            for default in action.find("defaults"):
                check(default.text.startswith("auth_admin"), f"{name}: {default.tag} is {default.text}")
    with open(os.path.join(root, "daemon/vmft-auth.h"), encoding="utf-8") as file:
        asked = set(re.findall(r'"(org\.vmft1\.[a-z]+)"', file.read()))
    check(asked and asked <= set(actions), f"the daemon asks for {asked}")


def test_configuration(root, daemon):
    answer = run(daemon, "--check-config", "-c", os.path.join(root, "data/vmftd.conf"))
    check(answer.returncode == 0, answer.stderr)
    with open(os.path.join(root, "data/vmftd.conf"), encoding="utf-8") as file:
        check(re.search(r"^mode=observe$", file.read(), re.M), "as installed it observes")


def main():
    root, unit, daemon = sys.argv[1:4]
    test_exposure(unit)
    test_unit(unit)
    test_user(root)
    test_bus_policy(root)
    test_actions(root)
    test_configuration(root, daemon)
    for reason in SKIPPED:
        print(f"# skipped: {reason}")
    return 0


sys.exit(main())
