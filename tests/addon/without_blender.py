# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads modules of the add-on that need no bpy, leaving out their packages' `__init__`, which do.

wheels = without_blender.load("addon.environment.wheels")
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> Any:
    """The module `name`; the packages above it are empty."""
    parts = name.split(".")[:-1]
    for end in range(1, len(parts) + 1):
        package = ".".join(parts[:end])
        if package not in sys.modules:
            module = ModuleType(package)
            module.__path__ = [str(ROOT.joinpath(*parts[:end]))]
            sys.modules[package] = module
    return importlib.import_module(name)
