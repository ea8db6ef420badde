# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an exported file back and compare it with what should be in it."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import sub
from pathlib import Path

import bpy
from mathutils import kdtree

from .export_maps import lane_values, pixels, source_pixels
from .geometry import picked
from .head import expression_names, key_positions
from .material import maps_of
from .presets import Preset

FAR = 1e-5  # metres; what single precision and a change of unit may move a vertex
COLOUR = 1.5 / 255.0
STRIDE = 127  # odd, so it comes by all four channels; looking at each value takes seconds
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
    shapes: dict[str, array]  # expression -> x, y, z of every vertex; "" is the head at rest


def expectation(head: bpy.types.Object, metres_per_unit: float) -> Expectation:
    """What a file of this object, which stands at the origin, should hold."""
    shapes = _shapes(head)
    if metres_per_unit != 1.0:
        shapes = {
            name: array("f", [value * metres_per_unit for value in values])
            for name, values in shapes.items()
        }
    return Expectation(head.name, shapes)


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
    found.data.transform(found.matrix_world, shape_keys=True)
    shapes = _shapes(found)
    problems = []
    lost = sorted(set(expected.shapes) - set(shapes))
    added = sorted(set(shapes) - set(expected.shapes))
    if lost or added:
        problems.append(f"Expressions lost: {lost}, unexpected: {added}.")
    names = [name for name in expected.shapes if name in shapes]
    here, there = [shapes[name] for name in names], [expected.shapes[name] for name in names]
    twins = _twins(here, there)
    stray = {vertex for vertex, twin in enumerate(twins) if twin is None}
    if stray:
        problems.append(f"{len(stray)} vertices of {len(twins)} are elsewhere.")
    missing = _missing(here[0], there[0], set(twins))
    if missing:
        problems.append(f"{missing} vertices of {len(there[0]) // 3} are missing.")
    sound = [(vertex, twin) for vertex, twin in enumerate(twins) if twin is not None]
    for name, mine, theirs in list(zip(names, here, there, strict=True))[1:]:
        if sound and _greatest_distance(mine, theirs, sound) > FAR:
            problems.append(f"The expression {name} is another one.")
    return problems


def _twins(here: list[array], there: list[array]) -> list[int | None]:
    """For each vertex of the first the one of the second that is in the same place at rest.

    Several may be in one place, like lips that touch, and part in an expression: then it is the
    one that is nearest in all of them.
    """
    tree = _tree(there[0])
    twins: list[int | None] = []
    for vertex, place in enumerate(_points(here[0])):
        near = [index for _, index, _ in tree.find_range(place, FAR)]
        if len(near) > 1:
            near.sort(key=lambda other: _distance_over_all(here, there, vertex, other))
        twins.append(near[0] if near else None)
    return twins


def _missing(here: array, there: array, met: set[int | None]) -> int:
    """How many vertices of the second are nobody's twin and not even in the place of one."""
    unmet = [place for vertex, place in enumerate(_points(there)) if vertex not in met]
    if not unmet:
        return 0
    tree = _tree(here)
    return sum(not tree.find_range(place, FAR) for place in unmet)


def _tree(values: array) -> kdtree.KDTree:
    tree = kdtree.KDTree(len(values) // 3)
    for index, place in enumerate(_points(values)):
        tree.insert(place, index)
    tree.balance()
    return tree


def _points(values: array) -> Iterator[tuple[float, float, float]]:
    return zip(values[0::3], values[1::3], values[2::3], strict=True)


def _distance_over_all(here: list[array], there: list[array], mine: int, theirs: int) -> float:
    return sum(
        abs(first[3 * mine + axis] - second[3 * theirs + axis])
        for first, second in zip(here, there, strict=True)
        for axis in range(3)
    )


def _greatest_distance(mine: array, theirs: array, pairs: list[tuple[int, int]]) -> float:
    """The greatest difference of a coordinate between vertices that belong together."""
    first, second = zip(*pairs, strict=True)
    apart = map(sub, picked(mine, first, 3), picked(theirs, second, 3))
    return max(map(abs, apart))


def _shapes(item: bpy.types.Object) -> dict[str, array]:
    """Where every vertex is in the object's space, at rest ("") and in each expression."""
    names = ["", *expression_names(item)]
    return {name: key_positions(item, index) for index, name in enumerate(names)}


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
