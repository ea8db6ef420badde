# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit > Preferences > Add-ons > ID-to-3D: the backend, where jobs are, how images are kept."""

import bpy

from .package import PACKAGE, preferences
from .setup import page

__all__ = ["CLASSES", "Preferences", "preferences"]


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
    base_python: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Made From",
        description="The Python that the environment is made from, 3.11 or later. Empty: the one "
        "that Blender brings; then the environment needs this Blender to stay where it is",
        subtype="FILE_PATH",
    )
    torch: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Torch",
        description="The build of torch, the library that does the computing",
        items=(
            ("AUTO", "Automatic", "Chosen for this machine's graphics card"),
            ("CPU", "CPU", "Any machine; about 2 GB installed"),
            ("CUDA", "NVIDIA (CUDA)", "For NVIDIA cards, on Linux and Windows; several GB"),
            ("ROCM", "AMD (ROCm)", "For AMD cards, on Linux; several GB"),
            ("APPLE", "Apple", "For Macs"),
        ),
        default="AUTO",
    )
    index: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Package Index",
        description="Address of the package index to install from, for example a mirror of your "
        "company. Empty: what pip is set to, by default pypi.org",
    )
    keep_wheels: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Keep Downloads",
        description="Keep the downloaded packages in the environment's folder, so that a repair "
        "needs no network",
    )
    jobs_folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Jobs",
        description="Folder in which each job gets its own folder. Empty: ID-to-3D in your "
        "documents",
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
        page.draw_backend(self.layout, context)
        page.draw_doctor(self.layout, context)
        column = self.layout.column()
        column.prop(self, "jobs_folder")
        column.prop(self, "images")


CLASSES = (Preferences,)
