# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways in which a host fails. One file a scenario: a subclass of Scenario in scenarios/NAME.py, with its NAME.

Whatever can recover is there twice: "NAME-recovering" shows the same errors, and nothing fails.
"""
import importlib
import pkgutil

from .base import Scenario


def make_twin(scenario):
    return type(scenario.__name__ + "Recovering", (scenario,),
                {"NAME": scenario.NAME + "-recovering", "RECOVERING": True})


def load_scenarios():
    """NAME -> class, of every file in this package, and the twins."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module("." + module.name, __name__)).values():
            if isinstance(value, type) and issubclass(value, Scenario) and getattr(value, "NAME", None):
                found[value.NAME] = value
                if value.has_twin():
                    twin = make_twin(value)
                    found[twin.NAME] = twin
    return found
