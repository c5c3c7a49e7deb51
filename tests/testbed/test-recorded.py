#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmft-eval over every recorded run: an alarm before the failure wherever there can be one, none before the fault."""
import json
import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RECORDED = os.path.join(ROOT, "testbed", "recorded")
# The log says nothing of these before they fail. Of memory running out, pressure does.
UNFORESEEN = {"hwpoison", "thin-pool", "oom"}


class TestRecordedRuns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = [sys.executable, os.path.join(ROOT, "testbed", "summary")]
        result = subprocess.run(command + ["--eval", os.environ["VMFT_EVAL"], RECORDED], stdout=subprocess.PIPE, check=True)
        cls.rows = json.loads(result.stdout)

    def test_foreseen(self):
        for name, row in self.rows.items():
            with self.subTest(name):
                if row["failing"] and name not in UNFORESEEN:
                    self.assertEqual(row["foreseen"], row["runs"])
        self.assertGreaterEqual(sum(row["failing"] for row in self.rows.values()), 8)

    def test_no_false_alarms(self):
        for name, row in self.rows.items():
            with self.subTest(name):
                self.assertEqual(row["false_alarms"], 0)
        self.assertEqual(self.rows["benign"]["foreseen"], 0)

    def test_pressure_tells_of_memory(self):
        self.assertEqual(self.rows["oom"]["stalled"], self.rows["oom"]["runs"])

    def test_twins_are_counted(self):
        twins = [row for name, row in self.rows.items() if name.endswith("-recovering")]
        self.assertGreaterEqual(len(twins), 2)
        self.assertFalse(any(row["failing"] for row in twins))


if __name__ == "__main__":
    unittest.main()
