#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completes a manual's source text by what the programs themselves say, so that no key, command or method is missing.

usage: reference.py TEMPLATE OUTPUT keys PROGRAM       "@KEYS@" becomes the configuration table that PROGRAM prints
       reference.py TEMPLATE OUTPUT commands PROGRAM   "@COMMANDS@" becomes the commands of PROGRAM and their options
       reference.py TEMPLATE OUTPUT interface XML      "@INTERFACE@" becomes the D-Bus interfaces of XML
"""
import os
import re
import subprocess
import sys


def escape(text):
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def say(program, *arguments):
    environment = dict(os.environ, LC_ALL="C.UTF-8", COLUMNS="200")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True, env=environment).stdout


# --- configuration ---

def keys(program):
    text, last = [], None
    for line in say(program).splitlines():
        group, key, kind, default, allowed, about = line.split("\t")
        if group != last:
            title = f"[{group.replace(' *', ' NAME')}]"
            text += ["", title, "-" * len(title), ""]
            last = group
        facts = kind
        if kind == "choice":
            facts = "one of " + ", ".join(f"**{escape(word)}**" for word in allowed.split("|"))
        elif ".." in allowed:
            low, high = allowed.split("..")
            unit = " s" if kind == "duration" else ""
            facts += f", {low} to {high}{unit}" if high else f", at least {low}{unit}"
        if default == "(required)":
            facts += "; required"
        elif default:
            facts += f"; default **{escape(default)}**"
        text += [f"**{escape(key)}=**", f"    {escape(about[0].upper() + about[1:])}.", f"    ({facts})", ""]
    return "\n".join(text)


# --- commands ---

def options(program, verb):
    found = []
    for line in say(program, verb, "--help").splitlines():
        match = re.match(r"^  (?:-(\w), )?--([\w-]+)(?:=(\S+))?\s\s+(\S.*)$", line)
        if match and match.group(2) not in ("help", "json"):
            short, name, value, about = match.groups()
            term = (f"-{short}, " if short else "") + f"--{name}" + (f"={value}" if value else "")
            found.append((term, about))
    return found


def commands(program):
    text = []
    lines = say(program, "--help").splitlines()
    for line, following in zip(lines, lines[1:] + [""]):
        match = re.match(r"^  ([a-z][a-z-]*)((?: \S+)*)(?:\s\s+(\S.*))?$", line)
        if not match or match.group(1) == os.path.basename(program):
            continue
        verb, arguments, about = match.groups()
        about = about or following.strip()
        text.append(f"**{verb}**{' ' + escape(arguments.strip()) if arguments.strip() else ''}")
        text.append(f"    {escape(about[:1].upper() + about[1:])}.")
        for term, detail in options(program, verb):
            text += ["", f"    {escape(term)}", f"        {escape(detail[:1].upper() + detail[1:])}."]
        text.append("")
    return "\n".join(text)


# --- D-Bus ---

def tidy(comment):
    lines = [line.strip() for line in comment.strip().splitlines()]
    # the parameters are in the signature; what is said of them is kept
    kept = [re.sub(r"^@(\w+):\s*", r"\1: ", line) for line in lines]
    return kept


def signature(body):
    def side(direction):
        found = re.findall(r'<arg name="(\w+)" type="([^"]+)"(?: direction="(\w+)")?/>', body)
        return ", ".join(f"{kind} {name}" for name, kind, way in found if (way or "in") == direction)
    back = side("out")
    return f"({side('in')})" + (f" -> ({back})" if back else "")


def member(kind, name, body, comment):
    lines = tidy(comment)
    if lines and re.match(rf"^{name}\b:?", lines[0]):
        lines[0] = re.sub(rf"^{name}:?\s*", "", lines[0])
    paragraphs, current = [], []
    for line in lines + [""]:
        if line:
            current.append(line)
        elif current:
            paragraphs.append(" ".join(current))
            current = []
    head = f"*{kind}* **{name}** " + escape(body)
    return [head, *[f"    {escape(paragraph)}\n" for paragraph in paragraphs or [" "]], ""]


def interface(path):
    with open(path, encoding="utf-8") as file:
        xml = file.read()
    text = []
    pattern = re.compile(
        r'(?:<!--(?P<comment>(?:(?!-->).)*)-->\s*)?'
        r'(?:<interface name="(?P<interface>[^"]+)">'
        r'|<property name="(?P<property>\w+)" type="(?P<type>[^"]+)" access="(?P<access>\w+)"(?:/>|>.*?</property>)'
        r'|<method name="(?P<method>\w+)"(?:/>|>(?P<body>.*?)</method>)'
        r'|<signal name="(?P<signal>\w+)"(?:/>|>(?P<args>.*?)</signal>))', re.S)
    for match in pattern.finditer(xml):
        comment = match.group("comment") or ""
        if match.group("interface"):
            title = match.group("interface")
            text += ["", title, "-" * len(title), ""]
        elif match.group("property"):
            text += member("property", match.group("property"), f"{match.group('type')}, {match.group('access')}", comment)
        elif match.group("method"):
            text += member("method", match.group("method"), signature(match.group("body") or ""), comment)
        else:
            text += member("signal", match.group("signal"), signature(match.group("args") or ""), comment)
    return "\n".join(text)


def main():
    template, output, kind, source = sys.argv[1:5]
    made = {"keys": keys, "commands": commands, "interface": interface}[kind](source)
    with open(template, encoding="utf-8") as file:
        text = file.read()
    marker = f"@{kind.upper()}@"
    if marker not in text:
        sys.exit(f"{template}: {marker} is missing")
    with open(output, "w", encoding="utf-8") as file:
        file.write(text.replace(marker, made))


main()
