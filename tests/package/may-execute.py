#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether an AppArmor profile lets its program execute what a path of a tree leads to.

usage: may-execute.py PROFILE TREE PATH
Only the profile's own rules count, neither what it includes nor what an administrator added. Without the profile nothing
is judged.
"""
import os
import re
import sys

RULE = re.compile(r'(?:audit\s+)?(?P<deny>deny\s+)?(?:owner\s+)?(?P<glob>/\S*)\s+(?P<access>[a-zA-Z]+)(?:\s*->\s*\S+)?,')
GLOBS = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
# nothing of any package is there, and no profile of libvirt trusts the place: who lets it pass has been read wrongly
NOWHERE = "/usr/libexec/vmft/nowhere"


def matches(glob, path):
    parts = re.findall(r"\*\*|\[[^]]*\]|.", glob)
    pattern = "".join(GLOBS.get(part, part if len(part) > 1 else re.escape(part)) for part in parts)
    return re.fullmatch(pattern, path) is not None


def rules(text):
    """The outermost profile's rules on files that can be executed; profiles within it have their own."""
    depth = 0
    for line in (line.strip() for line in text.splitlines()):
        rule = RULE.fullmatch(line.split(" #")[0].strip())
        if rule and depth == 1 and "x" in rule["access"]:
            yield rule
        elif not line.startswith("#") and line.endswith("{"):
            depth += 1
        elif line == "}":
            depth -= 1


def may_execute(text, path):
    found = [rule for rule in rules(text) if matches(rule["glob"], path)]
    return bool(found) and not any(rule["deny"] for rule in found)


def resolve(tree, path):
    """As the kernel does before it asks AppArmor, with links that begin anew at the tree."""
    for _ in range(40):
        if not os.path.islink(tree + path):
            return path
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(tree + path)))
    raise OSError(f"{path}: links without end")


def main():
    profile, tree, path = sys.argv[1:4]
    if not os.path.exists(profile):
        print(f"# skipped: {profile} (Debian package libvirt-daemon-system) is not installed: nobody says what it may execute")
        return 0
    with open(profile, encoding="utf-8") as file:
        text = file.read()
    real = resolve(tree, path)
    if not os.access(tree + real, os.X_OK):
        print(f"{path} leads to {real}, which is no program")
        return 1
    if may_execute(text, NOWHERE):
        print(f"{profile}: not understood: it would let everything be executed")
        return 1
    if not may_execute(text, real):
        print(f"{path} leads to {real}, which {profile} does not let be executed")
        return 1
    print(f"# {path} leads to {real}, which {profile} lets be executed")
    return 0


sys.exit(main())
