#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stand-in host's record and the scenarios, without a host: what is recorded, how it is dated, what a seed decides."""
import json
import os
import socket
import sys
import tempfile
import time
import unittest
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "testbed"))
from scenarios import load_scenarios  # noqa: E402
from standin.recorder import INJECTION, Recorder  # noqa: E402
from standin.run import Run, RunError, format_time, parse_time, write_run  # noqa: E402

RECORDED = os.path.join(ROOT, "testbed", "recorded")


class TestRun(unittest.TestCase):
    def test_round_trip(self):
        with tempfile.TemporaryDirectory() as directory:
            write_run(directory, {"scenario": "hdd", "inject_time": format_time(105.5), "start_time": format_time(99),
                                  "boot_s": 1.5}, [(100.0, "h kernel: one"), (105.25, "h x[1]: tw\u00f6")])
            run = Run(directory)
            self.assertEqual(run.lines, [(100.0, b"h kernel: one"), (105.25, "h x[1]: tw\u00f6".encode())])
            self.assertEqual(run.moment("inject_time"), 105.5)
            self.assertIsNone(run.moment("failure_time"))
            self.assertEqual(run.boot_end, 100.5)

    def test_times(self):
        self.assertEqual(format_time(0.000001), "1970-01-01T00:00:00.000001+00:00")
        self.assertEqual(parse_time("1970-01-01T01:00:01+01:00"), 1.0)
        self.assertRaises(ValueError, parse_time, "1970-01-01T00:00:00")
        self.assertRaises(ValueError, parse_time, "now")

    def test_bad_runs(self):
        for labels, log in (("{", "x"), ("[]", "x"), ('{"scenario": "hdd"}', "no time at all\n"), (None, None)):
            with tempfile.TemporaryDirectory() as directory:
                for name, text in (("labels.json", labels), ("log.txt", log)):
                    if text is not None:
                        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                            file.write(text)
                self.assertRaises(RunError, Run, directory)


class TestRecorder(unittest.TestCase):
    def setUp(self):
        self.recorder = Recorder()
        self.addCleanup(self.recorder.close)

    def send(self, *lines):
        with socket.create_connection(("127.0.0.1", self.recorder.port)) as connection:
            connection.sendall(b"".join(line + b"\n" for line in lines))
        deadline = time.monotonic() + 5
        while len(self.recorder.syslog) < len(lines) and time.monotonic() < deadline:
            time.sleep(0.01)

    def test_syslog(self):
        self.recorder.boot_wall = 1000.0
        self.send(b"<6>1 2026-01-01T00:00:00+00:00 host01 kernel - - - [    2.500000] sd 0:0:0:0: [sda] Attached",
                  b"<30>1 2026-01-01T00:00:00+00:00 host01 crond 77 - - \xef\xbb\xbf USER root pid 1")
        lines = self.recorder.lines()
        self.assertEqual(lines[0], (1002.5, "host01 kernel: [    2.500000] sd 0:0:0:0: [sda] Attached"))
        self.assertEqual(lines[1][1], "host01 crond[77]: USER root pid 1")
        self.assertAlmostEqual(lines[1][0], time.time(), delta=10)

    def test_console_fills_in(self):
        self.recorder.boot_wall = 1000.0
        self.send(b"<6>1 2026-01-01T00:00:00+00:00 host01 kernel - - - [    2.500000] one")
        self.recorder.add_console("[    2.500000] one")
        self.recorder.add_console("[    9.000000] the last words")
        self.recorder.add_console("not a kernel line")
        self.assertEqual([text for _, text in self.recorder.lines()],
                         ["host01 kernel: [    2.500000] one", "host01 kernel: [    9.000000] the last words"])

    def test_injection_is_not_recorded(self):
        self.recorder.add_console("[    1.0] scsi_debug:every_nth_store: every_nth needs statistics=1, set it")
        self.assertEqual(self.recorder.lines(), [])

    def test_wait_for(self):
        self.recorder.add_console("[    1.0] Device offlined")
        self.assertIsNotNone(self.recorder.wait_for("offlined", 1))
        self.assertIsNone(self.recorder.wait_for("offlined", 0.1, count=2))
        self.assertIsNone(self.recorder.wait_for("offlined", 0.1, since=time.time() + 60))


class FakeHost:
    """Takes every command; the disk goes offline as soon as somebody waits for it."""

    def __init__(self, goes_offline=True):
        self.commands = []
        self.recorder = mock.Mock()
        self.recorder.wait_for.return_value = 1.0 if goes_offline else None

    def run(self, command, timeout=60):
        self.commands.append(command)

    start = run


def stages_of(seed):
    """The hdd scenario's commands and stages for a seed, without the times at which they came."""
    scenario = load_scenarios()["hdd"](seed)
    scenario.host = FakeHost()
    with mock.patch("time.sleep") as sleep:
        scenario.prepare()
        scenario.fault()
    pauses = [call.args[0] for call in sleep.call_args_list]
    stages = [{key: value for key, value in stage.items() if key != "time"} for stage in scenario.stages]
    return scenario.host.commands, stages, pauses


class TestScenarios(unittest.TestCase):
    def test_there_are(self):
        self.assertLessEqual({"benign", "hdd"}, set(load_scenarios()))

    def test_seed_decides(self):
        self.assertEqual(stages_of("1:hdd:1"), stages_of("1:hdd:1"))
        self.assertNotEqual(stages_of("1:hdd:1"), stages_of("1:hdd:2"))

    def test_pauses_add_up(self):
        for number in range(200):
            _, stages, pauses = stages_of("x:%d" % number)
            self.assertTrue(all(pause >= 0 for pause in pauses))
            self.assertAlmostEqual(sum(pauses), sum(stage.get("length_s", 0) for stage in stages), delta=0.1)

    def test_no_failure_is_no_run(self):
        scenario = load_scenarios()["hdd"]("s")
        scenario.host = FakeHost(goes_offline=False)
        with mock.patch("time.sleep"):
            scenario.prepare()
            self.assertIsNone(scenario.fault())


class TestRecordedRuns(unittest.TestCase):
    """Those in the repository, for whoever replays them."""

    def test_runs(self):
        names = sorted(os.listdir(RECORDED))
        self.assertGreaterEqual(sum(name.startswith("hdd-") for name in names), 10)
        self.assertGreaterEqual(sum(name.startswith("benign-") for name in names), 2)
        for name in names:
            with self.subTest(name):
                self.check(Run(os.path.join(RECORDED, name)), name)

    def check(self, run, name):
        times = [when for when, _ in run.lines]
        self.assertEqual(times, sorted(times))
        self.assertEqual(run.labels["scenario"], name.split("-")[0])
        self.assertFalse([text for _, text in run.lines if INJECTION.search(text.decode("utf-8"))])
        self.assertTrue(all(text.startswith(b"host01 ") for _, text in run.lines))
        json.dumps(run.labels)
        inject, failure = run.moment("inject_time"), run.moment("failure_time")
        if run.labels["scenario"] == "benign":
            self.assertIsNone(inject)
            return
        self.assertGreater(inject - run.boot_end, 25)
        self.assertTrue(15 < failure - inject < 65)
        first = min(when for when, text in run.lines if b"Sense Key" in text)
        self.assertTrue(inject <= first < failure)


if __name__ == "__main__":
    unittest.main()
