# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit > Preferences > Add-ons > ID-to-3D: where the backend's Python is."""

import os
from pathlib import Path

import bpy

# The extension's package, which holds `addon`: Blender keeps the preferences under its name.
PACKAGE = __package__.rpartition(".")[0]


class Preferences(bpy.types.AddonPreferences):
    """Settings that Blender stores for the person."""

    bl_idname = PACKAGE

    backend_python: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Backend's Python",
        description="The Python of the environment in which idto3d is installed, "
        "for example .venv/bin/python in the folder of the project",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the page."""
        layout = self.layout
        layout.prop(self, "backend_python")
        problem = python_problem(self.backend_python)
        if problem:
            layout.label(text=problem, icon="INFO")


def preferences(context: bpy.types.Context) -> Preferences:
    """The add-on's preferences."""
    return context.preferences.addons[PACKAGE].preferences


def python_problem(path: str) -> str:
    """Why `path` can't be the backend's Python, in a sentence; "" when it may be."""
    if not path:
        return "Choose the Python of the environment in which idto3d is installed."
    absolute = Path(bpy.path.abspath(path))
    if not absolute.is_file():
        return "There is no such file."
    if not os.access(absolute, os.X_OK):
        return "This file is no program."
    return ""
