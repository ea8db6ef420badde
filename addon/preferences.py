# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit > Preferences > Add-ons > ID-to-3D: the backend, where jobs are, how images are kept."""

from pathlib import Path

import bpy

from . import process
from .package import PACKAGE, preferences

__all__ = ["CLASSES", "Preferences", "preferences", "python_problem"]


class Preferences(bpy.types.AddonPreferences):
    """Settings that Blender stores for the person."""

    bl_idname = PACKAGE

    backend_python: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Existing Python",
        description="The Python of an environment in which idto3d is installed already, for "
        "example .venv/bin/python in the folder of the project. Leave it empty to use the "
        "add-on's own environment",
        subtype="FILE_PATH",
    )
    environment_folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Environment",
        description="Folder of the add-on's own environment. Empty: in Blender's folder for "
        "this add-on",
        subtype="DIR_PATH",
    )
    jobs_folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Jobs",
        description="Folder in which each job gets its own folder. Empty: in Blender's folder "
        "for this add-on",
        subtype="DIR_PATH",
    )
    images: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Images",
        description="What becomes of a head's maps when it is imported",
        items=(
            ("PACK", "Pack", "Put the maps into the .blend file"),
            ("SAVE", "Save Beside", "Save the maps in a folder beside the .blend file"),
        ),
        default="PACK",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the page."""
        layout = self.layout
        layout.prop(self, "backend_python")
        problem = python_problem(self.backend_python)
        if problem:
            layout.label(text=problem, icon="INFO")


def python_problem(path: str) -> str:
    """Why `path` can't be the backend's Python, in a sentence; "" when it may be."""
    return process.python_problem(Path(bpy.path.abspath(path)) if path else None)


CLASSES = (Preferences,)
