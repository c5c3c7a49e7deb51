#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every configuration key, every command and every D-Bus method is in the manual, and the pages format cleanly.

usage: test-manuals.py SOURCE_ROOT DOCS_BUILD_DIR CONF_KEYS VMFTCTL VMFT_EVAL
"""
import os
import re
import shutil
import subprocess
import sys

PAGES = ("vmftd.8", "vmft-hook.8", "vmftctl.1", "vmftd.conf.5", "vmft-eval.1", "org.vmft1.5", "vmft.7")


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def say(*command):
    environment = dict(os.environ, LC_ALL="C.UTF-8")
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def page(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8") as file:
        # undo troff's escapes
        return file.read().replace("\\-", "-").replace("\\(aq", "'").replace("\\fB", "").replace("\\fP", "").replace("\\fI", "")


def commands(program):
    return re.findall(r"^  ([a-z][a-z-]*)(?:\s|$)", say(program, "--help"), re.M)


def test_keys(directory, conf_keys):
    text = page(directory, "vmftd.conf.5")
    for line in say(conf_keys).splitlines():
        group, key = line.split("\t")[:2]
        check(f"{key}=" in text, f"vmftd.conf(5) lacks [{group}] {key}")


def test_commands(directory, name, program, least):
    text = page(directory, name)
    verbs = commands(program)
    check(len(verbs) >= least, f"{name}: commands found: {verbs}")
    for verb in verbs:
        if verb == "vmftctl":
            continue
        check(re.search(rf"^\.B {verb}\b|^{verb}\b", text, re.M), f"{name} lacks {verb}")


def test_records(root, directory):
    """What --json has promised is told."""
    text = page(directory, "org.vmft1.5") + page(directory, "vmftctl.1")
    with open(os.path.join(root, "tests/cli/json.released"), encoding="utf-8") as file:
        lines = [line.split("|") for line in file if "|" in line and not line.startswith("#")]
    members = {member for line in lines if not line[0].startswith("config show") for member in line[2].split()}
    check(len(members) > 80, f"members found: {members}")
    lacking = sorted(member for member in members if not re.search(rf"\b{member}\b", text))
    check(not lacking, f"org.vmft1(5) lacks {lacking}")


def test_interface(root, directory):
    text = page(directory, "org.vmft1.5")
    with open(os.path.join(root, "data/org.vmft1.xml"), encoding="utf-8") as file:
        xml = file.read()
    names = re.findall(r'<(?:method|signal|property|interface) name="([\w.]+)"', xml)
    check(len(names) > 20, f"members found: {names}")
    for name in names:
        check(name in text, f"org.vmft1(5) lacks {name}")
    for told, kind, name in re.findall(r'(-->)?\s*<(method|signal|property|interface) name="([\w.]+)"', xml):
        check(told, f"{kind} {name} has no comment in org.vmft1.xml")


def test_format(directory):
    if shutil.which("groff") is None:
        print("# skipped: groff is not installed: pages are not formatted")
        return
    for name in PAGES:
        answer = subprocess.run(["groff", "-man", "-t", "-Kutf8", "-Tutf8", "-wall", "-z", os.path.join(directory, name)],
                                capture_output=True, text=True, check=False)
        check(answer.returncode == 0 and answer.stderr == "", f"{name}: {answer.stderr}")


def main():
    root, directory, conf_keys, vmftctl, vmft_eval = sys.argv[1:6]
    if not os.path.exists(os.path.join(directory, PAGES[0])):
        print("the manuals were not built: rst2man (python3-docutils) is not installed")
        return 77
    test_keys(directory, conf_keys)
    test_commands(directory, "vmftctl.1", vmftctl, 24)
    test_commands(directory, "vmft-eval.1", vmft_eval, 3)
    test_records(root, directory)
    test_interface(root, directory)
    test_format(directory)
    return 0


sys.exit(main())
