# SPDX-License-Identifier: GPL-3.0-or-later
"""The head in the making: one object whose mesh is exchanged in place."""

from pathlib import Path

import bpy
from mathutils import Matrix

from . import geometry, glb, material

# Custom property of the objects that are previews: whose.
PREVIEW = "idto3d_preview"

CLASSES = ()


def refresh_preview(context: bpy.types.Context, path: Path, name: str) -> bpy.types.Object:
    """Show the newest preview of a person: the same object and mesh each time.

    Where the artist moved, hid or coloured the object, it stays so. An object in edit mode is
    left alone until the artist leaves it.

    Args:
        context: its scene gets the object at the first time.
        path: the preview, a .glb file.
        name: the person's.

    Raises:
        glb.UnreadableFile: there is no such file or it is damaged; the object is untouched.
    """
    found = glb.read_head(path)
    shown = find_preview(name)
    if shown is None:
        mesh = bpy.data.meshes.new(f"{name} (preview)")
        mesh.materials.append(material.preview_material())
        shown = bpy.data.objects.new(mesh.name, mesh)
        shown[PREVIEW] = name
        context.scene.collection.objects.link(shown)
    if shown.mode != "EDIT":
        geometry.fill_mesh(shown.data, found, geometry.unwelded(found))
        shown.data.transform(Matrix(geometry.Z_UP))
        shown.data.update()
    return shown


def remove_preview(context: bpy.types.Context, name: str) -> None:
    """Take a person's preview away with all that belongs to it; fine when there is none."""
    shown = find_preview(name)
    if shown is None:
        return
    bpy.data.meshes.remove(shown.data)  # takes its object along
    left = bpy.data.materials.get(material.PREVIEW_MATERIAL)
    if left is not None and left.users == 0:
        bpy.data.materials.remove(left)


def find_preview(name: str) -> bpy.types.Object | None:
    """The object that shows a person's preview."""
    return next((item for item in bpy.data.objects if item.get(PREVIEW) == name), None)
