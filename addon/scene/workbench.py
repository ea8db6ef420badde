# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene beside the artist's in which files are written and read; afterwards nothing is left."""

from collections.abc import Iterator
from contextlib import contextmanager

import bpy

# Whatever an import or an export may add.
KINDS = (
    *("actions", "armatures", "cameras", "collections", "images", "lights", "materials"),
    *("meshes", "node_groups", "objects", "scenes", "textures", "worlds"),
)


@contextmanager
def workbench(context: bpy.types.Context, unit_metres: float = 1.0) -> Iterator[bpy.types.Scene]:
    """An empty scene in the window, until the end of the block.

    Everything that the block adds to the file is removed then, and the artist's scene is back,
    whatever happened.

    Args:
        context: its window shows the scene.
        unit_metres: how long a unit is in this scene.
    """
    window, shown = context.window, context.window.scene
    before = {kind: set(getattr(bpy.data, kind)) for kind in KINDS}
    scene = bpy.data.scenes.new("ID-to-3D workbench")
    scene.unit_settings.scale_length = unit_metres
    window.scene = scene
    try:
        yield scene
    finally:
        window.scene = shown
        added = [item for kind in KINDS for item in set(getattr(bpy.data, kind)) - before[kind]]
        bpy.data.batch_remove(added)


@contextmanager
def borrowed_name(owners: bpy.types.bpy_prop_collection, name: str) -> Iterator[None]:
    """A name is free for something else until the end of the block.

    Files carry the names of what was written, and a copy can't have its original's name at the
    same time.
    """
    owner = owners.get(name)
    if owner is not None:
        owner.name = f"{name} original"
    try:
        yield
    finally:
        if owner is not None:
            for other in owners:
                if other.name == name:
                    other.name = f"{name} copy"
            owner.name = name
