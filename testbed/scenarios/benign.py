# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing fails."""
from .base import Scenario


class Benign(Scenario):
    NAME = "benign"
    BENIGN_S = (60.0, 90.0)
