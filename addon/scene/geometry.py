# SPDX-License-Identifier: GPL-3.0-or-later
"""From a file's arrays to Blender's mesh: welded at the seams of its UV layout, Z up.

Without bpy but for the two functions that fill a mesh, so the rest can be tried anywhere.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import add, itemgetter
from typing import TYPE_CHECKING

from .glb import HeadFile

if TYPE_CHECKING:
    import bpy

# glTF's Y up, +Z front to Blender's Z up, -Y front.
Z_UP = ((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1))
ROW = 12  # bytes of a vector of three


@dataclass(frozen=True)
class Weld:
    """Which vertices of a file are one vertex, split because UV charts meet there."""

    first: list[int]  # for each welded vertex, the first one in the file
    welded: list[int]  # for each vertex in the file, its welded one


def weld(head: HeadFile) -> Weld:
    """Join what has the same place, normal and motion.

    Lips that only touch stay apart: they look in different directions and move apart.
    """
    layers = [] if head.normals is None else [head.normals.tobytes()]
    layers += [target.tobytes() for target in head.targets.values()]
    places = head.positions.tobytes()
    at_place: dict[bytes, list[int]] = {}  # place -> welded vertices there
    first: list[int] = []
    welded: list[int] = []
    for vertex, start in enumerate(range(0, len(places), ROW)):
        twins = at_place.setdefault(places[start : start + ROW], [])
        for twin in twins:
            other = ROW * first[twin]
            for layer in layers:
                if layer[start : start + ROW] != layer[other : other + ROW]:
                    break
            else:
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


def picked(values: array, rows: Sequence[int], width: int) -> array:
    """The rows of `width` values that are asked for (two at least), in that order."""
    pick = itemgetter(*rows)
    result = array("f", bytes(4 * width * len(rows)))
    for column in range(width):
        result[column::width] = array("f", pick(values[column::width]))
    return result


def corner_uv(head: HeadFile) -> array:
    """u and v of each corner of each face, v upwards as in Blender."""
    assert head.uv is not None
    upwards = head.uv[:]
    upwards[1::2] = array("f", [1.0 - v for v in head.uv[1::2]])
    return picked(upwards, head.triangles, 2)


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
    if head.normals is not None and head.uv is not None:
        # The normal map was baked for the file's normals, not for those that Blender would find.
        lanes = [picked(head.normals, vertices.first, 3)[axis::3] for axis in range(3)]
        mesh.normals_split_custom_set_from_vertices(list(zip(*lanes, strict=True)))


def add_expressions(item: "bpy.types.Object", head: HeadFile, vertices: Weld) -> None:
    """A shape key for each expression of the file, all at rest."""
    rest = picked(head.positions, vertices.first, 3)
    # From Blender 5.0 on a new key is fully on.
    item.shape_key_add(name="Basis", from_mix=False).value = 0.0
    for name, offsets in head.targets.items():
        key = item.shape_key_add(name=name, from_mix=False)
        key.value = 0.0
        shown = map(add, rest, picked(offsets, vertices.first, 3))
        key.points.foreach_set("co", array("f", shown))
