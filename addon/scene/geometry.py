# SPDX-License-Identifier: GPL-3.0-or-later
"""From a file's arrays to Blender's mesh: welded at the seams of its UV layout, Z up.

Without bpy but for the two functions that fill a mesh, so the rest can be tried anywhere.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .glb import HeadFile

if TYPE_CHECKING:
    import bpy

# glTF's Y up, +Z front to Blender's Z up, -Y front.
Z_UP = ((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1))


@dataclass(frozen=True)
class Weld:
    """Which vertices of a file are one vertex, split because UV charts meet there."""

    first: list[int]  # for each welded vertex, the first one in the file
    welded: list[int]  # for each vertex in the file, its welded one


def weld(head: HeadFile) -> Weld:
    """Join what has the same place, normal and motion.

    Lips that only touch stay apart: they look in different directions and move apart.
    """
    layers = [head.positions, *head.targets.values()]
    if head.normals is not None:
        layers.append(head.normals)
    count = len(head.positions) // 3
    # A tuple of floats is hashed slowly, its bytes fast; most vertices differ in place already.
    places = _rows(head.positions)
    others: dict[bytes, list[int]] = {}
    first: list[int] = []
    welded: list[int] = []
    for vertex in range(count):
        twins = others.setdefault(places[vertex], [])
        for twin in twins:
            if all(_row(layer, first[twin]) == _row(layer, vertex) for layer in layers[1:]):
                welded.append(twin)
                break
        else:
            twins.append(len(first))
            welded.append(len(first))
            first.append(vertex)
    return Weld(first, welded)


def unwelded(head: HeadFile) -> Weld:
    """Every vertex stays: for files without a UV layout, where none was split."""
    everything = list(range(len(head.positions) // 3))
    return Weld(everything, everything)


def _rows(values: array) -> list[bytes]:
    data = values.tobytes()
    return [data[start : start + 12] for start in range(0, len(data), 12)]


def _row(values: array, index: int) -> array:
    return values[3 * index : 3 * index + 3]


def picked(values: array, rows: Iterable[int], width: int) -> array:
    """The rows of `width` values that are asked for, in that order."""
    rows = list(rows)
    result = array("f", bytes(4 * width * len(rows)))
    for column in range(width):
        lane = values[column::width]
        result[column::width] = array("f", [lane[row] for row in rows])
    return result


def corner_uv(head: HeadFile) -> array:
    """u and v of each corner of each face, v upwards as in Blender."""
    assert head.uv is not None
    result = picked(head.uv, head.triangles, 2)
    result[1::2] = array("f", [1.0 - v for v in result[1::2]])
    return result


def moved(positions: array, offsets: array) -> array:
    """Positions with an expression's offsets added."""
    return array("f", [at + by for at, by in zip(positions, offsets, strict=True)])


def fill_mesh(mesh: "bpy.types.Mesh", head: HeadFile, vertices: Weld) -> None:
    """Replace the geometry of a mesh without shape keys by that of a file; still Y up.

    The caller turns it by `mesh.transform(Z_UP)` once the shape keys are there.
    """
    mesh.clear_geometry()
    corners = array("i", [vertices.welded[index] for index in head.triangles])
    mesh.vertices.add(len(vertices.first))
    mesh.vertices.foreach_set("co", picked(head.positions, vertices.first, 3))
    mesh.loops.add(len(corners))
    mesh.loops.foreach_set("vertex_index", corners)
    mesh.polygons.add(len(corners) // 3)
    mesh.polygons.foreach_set("loop_start", array("i", range(0, len(corners), 3)))
    if head.uv is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.uv.foreach_set("vector", corner_uv(head))
    if head.colours is not None:
        colours = mesh.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
        rgba = array("f", [1.0]) * (4 * len(vertices.first))
        rgb = picked(head.colours, vertices.first, 3)
        for channel in range(3):
            rgba[channel::4] = rgb[channel::3]
        colours.data.foreach_set("color", rgba)
    mesh.update(calc_edges=True)
    mesh.shade_smooth()


def add_expressions(item: "bpy.types.Object", head: HeadFile, vertices: Weld) -> None:
    """A shape key for each expression of the file, all at rest."""
    item.shape_key_add(name="Basis", from_mix=False)
    for name, offsets in head.targets.items():
        key = item.shape_key_add(name=name, from_mix=False)
        key.value = 0.0  # from Blender 5.0 on a new key is fully on
        shown = picked(moved(head.positions, offsets), vertices.first, 3)
        key.points.foreach_set("co", shown)
