# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender that the tests run: the repository's own, or another to try the add-on in it.

IDTO3D_BLENDER=/path/to/python names a Python that can import bpy.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("IDTO3D_BLENDER", ROOT / ".venv-blender" / "bin" / "python"))
MISSING = "needs Blender's Python module (make blender)"


def builder() -> Path:
    """Blender's own tool for extensions, a script for its Python."""
    folders = "lib/python3*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    (found,) = PYTHON.parents[1].glob(folders)
    return found
