# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an exported file back and compare it with what should be in it."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy
from mathutils import Vector, kdtree

from .export_maps import lane_values, pixels, source_pixels
from .head import expression_names
from .material import maps_of
from .presets import Preset

FAR = 1e-5  # metres; what single precision and a change of unit may move a vertex
COLOUR = 1.5 / 255.0
STRIDE = 31  # odd, so it comes by all four channels; looking at each value takes seconds
# The maps that the material in a file of each kind shows; the others lie beside it.
SHOWN = {
    ".glb": {"albedo", "normal", "orm"},
    ".fbx": {"albedo", "normal"},
    ".usdc": {"albedo", "normal"},
}


@dataclass(frozen=True)
class Expectation:
    """A head as it should arrive, in metres, Z up."""

    name: str
    shapes: dict[str, list[Vector]]  # expression -> every vertex; "" is the head at rest


def expectation(head: bpy.types.Object, metres_per_unit: float) -> Expectation:
    """What a file of this object, which stands at the origin, should hold."""
    return Expectation(
        head.name,
        {name: [at * metres_per_unit for at in places] for name, places in _shapes(head).items()},
    )


def differences(
    expected: Expectation,
    maps: Mapping[str, bpy.types.Image],
    preset: Preset,
    path: Path,
    pictures: Mapping[str, Path],
) -> list[str]:
    """Read a file into the shown scene; what is not as expected, in sentences; none when all is.

    Args:
        expected: what should be in it.
        maps: the head's maps.
        preset: what it was written for.
        path: the file.
        pictures: kind -> file beside it.
    """
    try:
        found = read(path)
    except RuntimeError as error:
        return [f"It can't be read: {str(error).strip()}"]
    if found is None:
        return ["There is no mesh in it."]
    problems = _shape_problems(expected, found)
    arrived = maps_of(found)
    if preset.pictures:
        problems += _picture_problems(preset, maps, pictures)
        wanted = {kind: bpy.data.images.load(str(path)) for kind, path in pictures.items()}
    else:
        wanted = dict(maps)
    for kind in wanted.keys() & SHOWN[preset.suffix]:
        if kind not in arrived:
            problems.append(f"The map {kind} is missing.")
        elif not _same(pixels(arrived[kind]), pixels(wanted[kind])):
            problems.append(f"The map {kind} is another one.")
    return problems


def read(path: Path) -> bpy.types.Object | None:
    """Import a file of any kind; its mesh object with the most vertices.

    Raises:
        RuntimeError: Blender can't read it.
    """
    before = set(bpy.data.objects)
    {
        ".glb": bpy.ops.import_scene.gltf,
        ".fbx": bpy.ops.wm.fbx_import,
        ".usdc": bpy.ops.wm.usd_import,
    }[path.suffix](filepath=str(path))
    bpy.context.view_layer.update()
    meshes = [item for item in set(bpy.data.objects) - before if item.type == "MESH"]
    return max(meshes, key=lambda item: len(item.data.vertices), default=None)


def _shape_problems(expected: Expectation, found: bpy.types.Object) -> list[str]:
    """How the vertices and the names of a mesh that was read differ."""
    shapes = _shapes(found)
    problems = []
    if set(shapes) != set(expected.shapes):
        lost = sorted(set(expected.shapes) - set(shapes))
        added = sorted(set(shapes) - set(expected.shapes))
        problems.append(f"Expressions lost: {lost}, unexpected: {added}.")
    names = [name for name in expected.shapes if name in shapes]
    there = [expected.shapes[name] for name in names]
    here = [shapes[name] for name in names]
    tree = kdtree.KDTree(len(there[0]))
    for index, place in enumerate(there[0]):
        tree.insert(place, index)
    tree.balance()
    met: set[int] = set()
    stray = 0
    for vertex, place in enumerate(here[0]):
        # Several vertices may be in one place, like lips that touch, and part in an expression.
        near = [index for _, index, _ in tree.find_range(place, FAR)]
        same = [
            index
            for index in near
            if all(
                (mine[vertex] - theirs[index]).length_squared < FAR * FAR
                for mine, theirs in zip(here, there, strict=True)
            )
        ]
        met.update(same)
        stray += not same
    if stray:
        problems.append(f"{stray} vertices of {len(here[0])} are elsewhere.")
    if len(met) < len(there[0]):
        problems.append(f"{len(there[0]) - len(met)} vertices of {len(there[0])} are missing.")
    return problems


def _shapes(item: bpy.types.Object) -> dict[str, list[Vector]]:
    """Where every vertex is in the world, at rest ("") and in each expression."""
    matrix = item.matrix_world
    keys = item.data.shape_keys
    if keys is None:
        return {"": [matrix @ vertex.co for vertex in item.data.vertices]}
    names = ["", *expression_names(item)]
    return {
        name: [matrix @ point.co for point in block.points]
        for name, block in zip(names, keys.key_blocks, strict=True)
    }


def _picture_problems(
    preset: Preset, maps: Mapping[str, bpy.types.Image], pictures: Mapping[str, Path]
) -> list[str]:
    """Which pictures beside the file don't hold the channels of the maps that they should."""
    problems = []
    for kind, lanes in preset.pictures:
        if kind not in pictures:
            continue
        image = bpy.data.images.load(str(pictures[kind]))
        image.colorspace_settings.name = "Non-Color"
        image.alpha_mode = "CHANNEL_PACKED"
        values, sources = pixels(image), source_pixels(lanes, maps)
        for channel, lane in enumerate(lanes):
            lane_found = values[channel::4]
            if not _same(lane_found, lane_values(lane, sources, len(lane_found))):
                problems.append(f"Channel {channel + 1} of {pictures[kind].name} is wrong.")
    return problems


def _same(first: array, second: array) -> bool:
    """Whether two pictures' values are equal but for rounding, in every `STRIDE`th of them."""
    return len(first) == len(second) and all(
        abs(here - there) < COLOUR
        for here, there in zip(first[::STRIDE], second[::STRIDE], strict=True)
    )
