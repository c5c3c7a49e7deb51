# SPDX-License-Identifier: LGPL-2.1-or-later
"""Evacuations of four guests back and forth between two real hosts, with faults thrown into each."""
