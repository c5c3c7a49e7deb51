#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in headless Chromium: that it shows what the daemon says, follows events, asks for the token, and
executes nothing of what strangers wrote. Talks WebDriver to chromedriver with the standard library alone.

usage: test-page.py HTTP_SERVER CANNED_JSON [SCREENSHOT]
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

DEADLINE_S = 20
TOKEN = "0123456789abcdef0123"
SKIP = 77


class Browser:
    """One session of chromedriver."""

    def __init__(self, directory):
        log = open(os.path.join(directory, "chromedriver.log"), "w", encoding="utf-8")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.driver.stdout:
            port = re.search(r"started successfully on port (\d+)", line)
            if port:
                break
        self.base = f"http://127.0.0.1:{port.group(1)}/session"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--window-size=1180,1180", f"--user-data-dir={directory}/profile"]
        options = {"args": arguments, "binary": shutil.which("chromium")}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options,
                                                   "goog:loggingPrefs": {"browser": "ALL"},
                                                   "unhandledPromptBehavior": "ignore"}}}
        self.base += "/" + self.call("POST", "", wanted)["sessionId"]

    def call(self, method, path, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from None

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, expression, what):
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            if self.run(f"return Boolean({expression})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"never: {what}; the page says: {self.run('return document.body.innerText')}")

    def close(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()


class Server:
    """vmft's HTTP server on canned records."""

    def __init__(self, program, records, *token):
        self.process = subprocess.Popen([program, records, *token], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/"

    def publish(self, event, path):
        self.process.stdin.write(f"{event} {path}\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def text(browser, selector):
    return browser.run("return document.querySelector(arguments[0]).innerText", selector)


def no_complaints(browser):
    log = browser.call("POST", "/se/log", {"type": "browser"})
    bad = [entry for entry in log if entry["level"] == "SEVERE" and "401" not in entry["message"]]
    check(not bad, f"the browser complains: {bad}")


def test_shows(browser, server, records):
    browser.call("POST", "/url", {"url": server.url})
    browser.wait("document.querySelector('#stream').innerText === 'live'", "the stream is live")
    browser.wait("document.querySelector('.vm')", "machines are shown")
    check(text(browser, "#host") == "node1", "host name")
    check(text(browser, "#health") == "failing", "health")
    check(text(browser, "#operation") == "act", "mode of operation")
    check("critical medium error, dev sda" in text(browser, ".incident.confirmed ol"), "the incident's lines")
    check("86%" in text(browser, ".incident.confirmed"), "probability of failure")
    machines = browser.run("return [...document.querySelectorAll('.vm')].map((vm) => vm.innerText)")
    check(len(machines) == len(records["vms"]), "every machine")
    check("cannot move: it has a host device" in machines[3], "the reason why one cannot move")
    rows = browser.run("return document.querySelectorAll('.vm')[1].querySelectorAll('.row').length")
    check(rows == 6, "a bar of lead time and one for each mode")
    fits = browser.run("return [...document.querySelectorAll('.vm')[1].querySelectorAll('.track')]"
                       ".map((track) => [...track.querySelectorAll('i')].map((bar) => bar.className).join())")
    check(fits[0] == "lead,mark" and fits[1] == "" and "miss" in fits[2] and "fit" in fits[5], f"colours: {fits}")
    widths = browser.run("const bars = document.querySelectorAll('.vm')[1].querySelectorAll('.track i:last-child');"
                         "return [...bars].map((bar) => bar.getBoundingClientRect().width)")
    check(widths[1] > widths[2] > widths[3] > widths[4] > 1, f"longer bars for longer times: {widths}")
    check(browser.run("return document.querySelector('#migrations progress').value") == 0.62, "progress")
    check(len(browser.run("return [...document.querySelectorAll('#history tbody tr')]")) == 4, "history")


def test_hostile(browser):
    check("<script>alert" in text(browser, ".incident.confirmed ol"), "markup in a line is shown as text")
    check("chosen, 93%" in text(browser, "#vms"), "the mode chosen and its probability")
    check("<img src=x" in text(browser, "#vms"), "markup in a name is shown as text")
    check(browser.run("return document.querySelectorAll('main script, main img').length") == 0, "no element from it")
    try:
        alert = browser.call("GET", "/alert/text")
        raise AssertionError(f"a script ran: {alert}")
    except RuntimeError as error:
        check("no such alert" in str(error), f"no alert: {error}")
    blocked = browser.run("const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
                          "document.body.append(s); return window.ran === undefined")
    check(blocked, "the policy blocks inline scripts")
    browser.call("POST", "/se/log", {"type": "browser"})  # the block is in the log, as it should


def test_follows(browser, server, records, directory):
    changed = json.loads(json.dumps(records))
    changed["incidents"] = [incident for incident in records["incidents"] if incident["state"] == "cleared"]
    changed["migrations"] = []
    path = os.path.join(directory, "changed.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(changed, file)
    start = time.monotonic()
    server.publish("incident", path)
    browser.wait("document.querySelector('#health').innerText === 'healthy'", "the page follows an event")
    took = time.monotonic() - start
    check(took < 5, f"by the event, not by the next poll: {took:.1f} s")
    check(text(browser, "#migrations") == "None.", "no migration any more")
    print(f"# the page showed an event after {took * 1000:.0f} ms")


def shape(browser, width, dark):
    """A window of that width, in that colour scheme."""
    browser.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
        "width": width, "height": 1180, "deviceScaleFactor": 1, "mobile": False}})
    browser.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
        "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}})


def luminance(browser, selector, what):
    return browser.run("return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
                       ".match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765", selector, what)


def test_looks(browser, server, records, directory, shots):
    """Long names on a telephone do not push anything out of the window; dark is dark; nothing there is said."""
    long = json.loads(json.dumps(records))
    for vm in long["vms"]:
        vm["name"] = "a-very-long-name-" * 12
    for migration in long["migrations"]:
        migration["name"] = "a-very-long-name-" * 12
    long["incidents"][0]["locus"] = "block " + "x" * 120
    for number, width in enumerate((380, 700, 1180)):
        path = os.path.join(directory, f"long-{width}.json")
        long["status"]["vms"] = 100 + number
        with open(path, "w", encoding="utf-8") as file:
            json.dump(long, file)
        server.publish("incident", path)
        server.publish("status", path)
        shape(browser, width, False)
        browser.wait("document.querySelector('.vm h3').innerText.includes('a-very-long-name')", "long names")
        wide = browser.run("return document.documentElement.scrollWidth")
        check(wide <= width, f"at {width} px the page is {wide} px wide")
        shots(f"{width}")
    for dark in (False, True):
        shape(browser, 1180, dark)
        back, front = luminance(browser, "body", "backgroundColor"), luminance(browser, "body", "color")
        check((back < 0.3 < 0.7 < front) if dark else (back > 0.7 > 0.3 > front), f"dark={dark}: {back} {front}")
    shots("dark")
    shape(browser, 1180, False)
    empty = dict(records, vms=[], incidents=[], migrations=[], history=[])
    path = os.path.join(directory, "empty.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(empty, file)
    server.publish("incident", path)
    browser.wait("document.querySelectorAll('.vm').length === 0", "no machine any more")
    for part in ("incidents", "migrations", "vms", "history"):
        check(text(browser, f"#{part}").strip() != "", f"{part} says that there is none")
    shots("empty")


def test_token(browser, program, path):
    server = Server(program, path, TOKEN)
    browser.call("POST", "/url", {"url": server.url})
    browser.wait("!document.querySelector('#login').hidden", "it asks for the token")
    check(browser.run("return document.querySelectorAll('.vm').length") == 0, "nothing is shown without it")
    submit = ("document.querySelector('#token').value = arguments[0];"
              "document.querySelector('#login button').click()")
    browser.run(submit, "wrong-" + TOKEN)
    browser.wait("document.querySelector('#login-error').innerText !== ''", "it says that the token is wrong")
    browser.run(submit, TOKEN)
    browser.wait("document.querySelector('.vm')", "the right token opens it")
    browser.wait("document.querySelector('#stream').innerText === 'live'", "the stream carries the token")
    check(browser.run("return document.querySelector('#login').hidden"), "the form is gone")
    server.close()


def screenshot(browser, path):
    import base64
    with open(path, "wb") as file:
        file.write(base64.b64decode(browser.call("GET", "/screenshot")))


def main():
    program, path = sys.argv[1:3]
    for tool in ("chromium", "chromedriver"):
        if shutil.which(tool) is None:
            print(f"{tool} (Debian packages chromium, chromium-driver) is not installed")
            return SKIP
    with open(path, encoding="utf-8") as file:
        records = json.load(file)
    with tempfile.TemporaryDirectory(prefix="vmft-page-", ignore_cleanup_errors=True) as directory:
        browser = Browser(directory)

        def shots(name):
            if len(sys.argv) > 3:
                screenshot(browser, re.sub(r"\.png$", f"-{name}.png", sys.argv[3]))

        try:
            server = Server(program, path)
            test_shows(browser, server, records)
            if len(sys.argv) > 3:
                screenshot(browser, sys.argv[3])
            test_hostile(browser)
            test_follows(browser, server, records, directory)
            test_looks(browser, server, records, directory, shots)
            no_complaints(browser)
            server.close()
            test_token(browser, program, path)
        finally:
            browser.close()
    print("the page shows, follows and guards")
    return 0


sys.exit(main())
