# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways in which a host fails. One file a scenario: a subclass of Scenario in scenarios/NAME.py, with its NAME."""
import importlib
import pkgutil

from .base import Scenario


def load_scenarios():
    """NAME -> class, of every file in this package."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module("." + module.name, __name__)).values():
            if isinstance(value, type) and issubclass(value, Scenario) and getattr(value, "NAME", None):
                found[value.NAME] = value
    return found
