# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's modules without bpy, imported as Blender does: as parts of one package."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
NAME = "idto3d_extension"


def load(module: str) -> ModuleType:
    """`load("addon.jobs")`: the module, from the repository."""
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        assert spec is not None and spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"{NAME}.{module}")
