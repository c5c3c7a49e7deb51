#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every command prints with --json still has the members that were released; and no command is left out.

usage: json-schema.py VMFTCTL RELEASED LOG CONF ID
"""
import json
import re
import subprocess
import sys

# Commands whose JSON cannot be had here: they need a destination, a job or an answer; test-vmftctl.sh asks some.
ELSEWHERE = {"migrate", "abort", "history", "accuracy", "watch", "record"}


def at(value, path):
    """Returns every part of value at path."""
    found = [value]
    for step in re.findall(r"[^.\[\]]+|\[\]", path):
        if step == "[]":
            found = [inner for outer in found for inner in outer]
        else:
            found = [outer[step] for outer in found]
    return found


def main():
    vmftctl, released, log, conf, incident = sys.argv[1:6]
    words = {"@LOG@": log, "@CONF@": conf, "@ID@": incident}
    answers, wrong, asked = {}, [], set()
    with open(released, encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    for line in lines:
        command, path, members = (part.strip() for part in line.split("|"))
        asked.add(command.split()[0])
        if command not in answers:
            arguments = [words.get(word, word) for word in command.split()]
            run = subprocess.run([vmftctl, *arguments, "--json"], capture_output=True, text=True, check=False)
            if run.returncode != 0:
                sys.exit(f"vmftctl {command} --json: status {run.returncode}: {run.stderr}")
            answers[command] = json.loads(run.stdout)
        parts = at(answers[command], path)
        if not parts:
            wrong.append(f"{command}: nothing at {path}")
        for part in parts:
            lacking = set(members.split()) - set(part)
            if lacking:
                wrong.append(f"{command}: {path} lacks {' '.join(sorted(lacking))}")
    usage = subprocess.run([vmftctl, "--help"], capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"^  ([a-z]+)(?:\s|$)", usage, re.M)) - {"vmftctl"}
    wrong += [f"{verb} --json is not asked for" for verb in sorted(verbs - asked - ELSEWHERE)]
    if wrong:
        sys.exit("\n".join(sorted(set(wrong))))


main()
