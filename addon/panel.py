# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the 3D viewport's sidebar: how to make a head, and the way to get it in."""

import bpy

from .import_head import ImportHead
from .preferences import preferences, python_problem


class HeadPanel(bpy.types.Panel):
    """A head from photographs."""

    bl_idname = "VIEW3D_PT_idto3d"
    bl_label = "ID-to-3D"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "ID-to-3D"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        column = self.layout.column(align=True)
        column.label(text="1. Make a head in a terminal:")
        column.label(text=command(preferences(context).backend_python))
        column.separator()
        column.label(text="2. Bring it in (result/head.glb):")
        column.operator(ImportHead.bl_idname, icon="IMPORT")


def command(backend_python: str) -> str:
    """The command line that makes a head, with the backend's Python where it is known."""
    program = "idto3d"
    if not python_problem(backend_python):
        program = f'"{bpy.path.abspath(backend_python)}" -m idto3d.cli'
    return f"{program} generate PHOTOS --output FOLDER"
