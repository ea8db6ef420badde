# SPDX-License-Identifier: GPL-3.0-or-later
"""The head that the checks inside Blender share: a ball with a nose and three expressions."""

from pathlib import Path

import bpy
import mock_head

EXPRESSIONS = ("smile", "jaw_open", "anger")
SIZE = 16


def write(folder: Path, name: str = "Ada") -> Path:
    """The head's file."""
    path = folder / "head.glb"
    mock_head.write_head(path, name, EXPRESSIONS)
    return path


def bring_in(scene: object, folder: Path) -> bpy.types.Object:
    """The head in the scene; each texel of its maps has values of its own."""
    head = scene.head.import_head(bpy.context, write(folder))
    for seed, image in enumerate(scene.material.maps_of(head).values()):
        image.pixels.foreach_set(gradient(seed))
        image.pack()
    return head


def gradient(seed: int) -> list[float]:
    """RGBA values that differ between channels, texels and seeds; opaque, in 8 bits."""
    values = []
    for texel in range(SIZE * SIZE):
        values += [(texel * (7 + 2 * channel) + 50 * seed) % 256 / 255 for channel in range(3)]
        values.append(1.0)
    return values


def state() -> dict[str, list[str]]:
    """The names of everything in the file."""
    kinds = (
        *("actions", "armatures", "cameras", "collections", "images", "lights", "materials"),
        *("meshes", "node_groups", "objects", "scenes", "shape_keys", "worlds"),
    )
    return {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds}
