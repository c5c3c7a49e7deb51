#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stand-in host's record, its disks and the scenarios, without a host: what is recorded, what a seed decides."""
import json
import os
import socket
import struct
import sys
import tempfile
import time
import unittest
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "testbed"))
from scenarios import load_scenarios  # noqa: E402
from scenarios.base import NoFailure  # noqa: E402
from standin.nbd import NbdDisk  # noqa: E402
from standin.recorder import INJECTION, Recorder, parse_pressure, split_beat  # noqa: E402
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
        self.recorder.add_console("[    9.500000] systemd[1]: Reached target sysinit.target")
        self.recorder.add_console("not a kernel line")
        self.assertEqual([text for _, text in self.recorder.lines()],
                         ["host01 kernel: [    2.500000] one", "host01 kernel: [    9.000000] the last words",
                          "host01 systemd[1]: Reached target sysinit.target"])

    def test_injection_is_not_recorded(self):
        self.recorder.add_console("[    1.0] scsi_debug:every_nth_store: every_nth needs statistics=1, set it")
        self.assertEqual(self.recorder.lines(), [])

    def test_pressure(self):
        text = ("3.5 /proc/pressure/memory:some avg10=1.25 avg60=0.00 avg300=0.00 total=77 "
                "/proc/pressure/memory:full avg10=0.00 avg60=0.00 avg300=0.00 total=5 "
                "/proc/pressure/cpu:some avg10=9.00 avg60=0.00 avg300=0.00 total=12 "
                "/proc/meminfo:MemAvailable: 4711 kB /proc/meminfo:SwapFree: 12 kB")
        pressure = parse_pressure(text)
        self.assertEqual(pressure["memory"], {"some": {"avg10": 1.25, "total": 77}, "full": {"avg10": 0.0, "total": 5}})
        self.assertEqual(pressure["cpu"], {"some": {"avg10": 9.0, "total": 12}})
        self.assertEqual(pressure["meminfo"], {"MemAvailable": 4711, "SwapFree": 12})
        self.assertEqual(parse_pressure("3.5 "), {})
        self.assertEqual(split_beat(text)["/proc/meminfo"], ["MemAvailable: 4711 kB", "SwapFree: 12 kB"])
        self.recorder.add_beat(text)
        self.recorder.add_beat("4.5 /proc/pressure/memory:some avg10=1.2")
        self.assertEqual([values for _, values in self.recorder.pressure()], [pressure])

    def test_wait_silence(self):
        self.recorder.add_beat("1 ")
        self.assertIsNotNone(self.recorder.wait_silence(0.1, 5))
        self.assertIsNone(self.recorder.wait_silence(60, 0.2))

    def test_wait_for(self):
        self.recorder.add_console("[    1.0] Device offlined")
        self.assertIsNotNone(self.recorder.wait_for("offlined", 1))
        self.assertIsNone(self.recorder.wait_for("offlined", 0.1, count=2))
        self.assertIsNone(self.recorder.wait_for("offlined", 0.1, since=time.time() + 60))


class FakeHost:
    """Takes every command; whatever is waited for comes at once, or never."""

    def __init__(self, fails=True):
        self.commands = []
        self.disks = {"nvme": mock.Mock(bad=[]), "sata": mock.Mock(bad=[])}
        self.monitor = mock.Mock()
        self.recorder = mock.Mock()
        for wait in (self.recorder.wait_for, self.recorder.wait_silence, self.recorder.seen):
            wait.return_value = 1.0 if fails else None

    def run(self, command, timeout=60):
        self.commands.append(command)
        return "100000|"

    start = run


def act(name, seed, fails=True):
    """A scenario's fault, with nobody to suffer it: the scenario and how long it waited."""
    scenario = load_scenarios()[name](seed)
    scenario.host = FakeHost(fails)
    scenario.marks["inject"] = 0.0
    with mock.patch("time.sleep") as sleep:
        scenario.prepare()
        if scenario.has_fault:
            scenario.result = scenario.fault()
    return scenario, [call.args[0] for call in sleep.call_args_list]


def deeds(name, seed):
    """What a scenario does for a seed, without the times at which it does."""
    scenario, pauses = act(name, seed)
    stages = [{key: value for key, value in stage.items() if key != "time"} for stage in scenario.stages]
    disks = {kind: list(disk.bad) for kind, disk in scenario.host.disks.items()}
    return scenario.host.commands, scenario.host.monitor.mock_calls, disks, stages, pauses


class TestScenarios(unittest.TestCase):
    NAMES = sorted(load_scenarios())

    def test_there_are(self):
        failing = {"hdd", "buffer-io", "oom", "cpu", "mce", "mce-intel", "ghes", "nvme", "sata", "raid", "aer"}
        self.assertEqual({"benign", "hwpoison", "thin-pool"} | failing | {name + "-recovering" for name in failing},
                         set(self.NAMES))

    def test_seed_decides(self):
        for name in self.NAMES:
            with self.subTest(name):
                self.assertEqual(deeds(name, "1"), deeds(name, "1"))
                if name not in ("benign", "hwpoison"):
                    self.assertNotEqual(deeds(name, "1"), deeds(name, "2"))

    def test_pauses(self):
        for name in self.NAMES:
            for number in range(20):
                scenario, pauses = act(name, "x:%d" % number)
                self.assertTrue(all(pause >= 0 for pause in pauses), name)
                self.assertLess(sum(pauses), 150, name)
                if name == "hdd":
                    staged = sum(stage.get("length_s", 0) for stage in scenario.stages)
                    self.assertAlmostEqual(sum(pauses), staged, delta=0.1)

    def test_twins_do_not_fail(self):
        for name in self.NAMES:
            if name.endswith("-recovering"):
                scenario, _ = act(name, "1", fails=False)
                self.assertIsNone(scenario.result)
                self.assertEqual(scenario.stages[-1]["name"], "recovered")
                self.assertFalse(any(disk.dead is True for disk in scenario.host.disks.values()))
                self.assertTrue(all(disk.bad == [] for disk in scenario.host.disks.values()))

    def test_no_failure_is_no_run(self):
        for name in self.NAMES:
            if name != "benign" and not name.endswith("-recovering"):
                with self.assertRaises(NoFailure, msg=name):
                    act(name, "s", fails=False)


class TestNbd(unittest.TestCase):
    """The disk, as QEMU would talk to it."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.disk = NbdDisk(os.path.join(directory.name, "disk"), 1)
        self.addCleanup(self.disk.close)
        self.client = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.client.close)
        self.client.settimeout(10)
        self.client.connect(os.path.join(directory.name, "disk"))
        self.stream = self.client.makefile("rb")
        self.addCleanup(self.stream.close)
        self.assertEqual(self.stream.read(18), b"NBDMAGICIHAVEOPT\0\3")
        self.client.sendall(struct.pack(">I8sII", 3, b"IHAVEOPT", 7, 0))
        self.assertEqual(self.stream.read(20)[12:16], b"\0\0\0\3")
        self.assertEqual(struct.unpack(">HQH", self.stream.read(12))[1], 1 << 20)
        self.assertEqual(self.stream.read(20)[12:16], b"\0\0\0\1")

    def request(self, kind, offset, length, data=b""):
        self.client.sendall(struct.pack(">IHHQQI", 0x25609513, 0, kind, 77, offset, length) + data)

    def answer(self, length=0):
        _, error, handle = struct.unpack(">IIQ", self.stream.read(16))
        self.assertEqual(handle, 77)
        return (error, b"") if error else (0, self.stream.read(length))

    def test_data(self):
        self.request(1, 4000, 200, b"x" * 200)
        self.assertEqual(self.answer(), (0, b""))
        self.request(0, 3999, 202)
        self.assertEqual(self.answer(202), (0, b"\0" + b"x" * 200 + b"\0"))
        self.request(0, (1 << 20) - 512, 1024)
        self.assertEqual(self.answer()[0], 5)

    def test_faults(self):
        self.disk.bad.append((8192, 12288))
        for offset, error in ((0, 0), (4096, 0), (8192, 5), (11776, 5), (12288, 0)):
            self.request(0, offset, 512)
            self.assertEqual(self.answer(512)[0], error)
        self.disk.dead = True
        self.request(3, 0, 0)
        self.assertEqual(self.answer()[0], 5)

    def test_hang(self):
        self.disk.hang = True
        self.request(3, 0, 0)
        self.client.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            self.client.recv(1)
        self.disk.hang = False
        self.client.settimeout(10)
        self.assertEqual(struct.unpack(">IIQ", self.client.recv(16))[1], 0)


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
        self.assertEqual(run.labels["scenario"], name.rsplit("-", 1)[0])
        self.assertFalse([text for _, text in run.lines if INJECTION.search(text.decode("utf-8"))])
        self.assertTrue(all(text.startswith(b"host01 ") for _, text in run.lines))
        json.dumps(run.labels)
        inject, failure = run.moment("inject_time"), run.moment("failure_time")
        if run.labels["scenario"] == "benign":
            self.assertIsNone(inject)
            return
        self.assertGreater(inject, run.boot_end)
        if name.rsplit("-", 1)[0].endswith("-recovering"):
            self.assertTrue(run.labels["recovering"])
            self.assertIsNone(failure)
            return
        self.assertTrue(inject <= failure < inject + 200)
        if run.labels["scenario"] == "hdd":
            first = min(when for when, text in run.lines if b"Sense Key" in text)
            self.assertTrue(inject <= first < failure)


if __name__ == "__main__":
    unittest.main()
