# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's maps as the pictures that an export preset wants beside its file."""

from array import array
from collections.abc import Mapping
from pathlib import Path

import bpy

from .presets import Lane, Lanes, Preset


def picture_path(path: Path, kind: str) -> Path:
    """Where the picture of a kind lies for an exported file: Ada.fbx -> Ada_albedo.png."""
    return path.with_name(f"{path.stem}_{kind}.png")


def write_pictures(
    preset: Preset, maps: Mapping[str, bpy.types.Image], path: Path
) -> dict[str, Path]:
    """Write a preset's pictures beside an exported file; kind -> picture.

    A picture whose maps the head lacks, because the artist exchanged the material, is left out.
    """
    written = {}
    for kind, lanes in preset.pictures:
        if any(lane and lane.source not in maps for lane in lanes):
            continue
        written[kind] = picture_path(path, kind)
        _write(lanes, maps, written[kind])
    return written


def lane_values(lane: Lane | None, sources: Mapping[str, array], count: int) -> array:
    """The values of one channel, `count` of them; `sources` as `source_pixels` gives them."""
    if lane is None:
        return array("f", bytes(4 * count))
    values = sources[lane.source][lane.channel :: 4]
    return array("f", map((1.0).__sub__, values)) if lane.inverted else values


def source_pixels(lanes: Lanes, maps: Mapping[str, bpy.types.Image]) -> dict[str, array]:
    """The values of the maps that a picture is made of."""
    return {source: pixels(maps[source]) for source in {lane.source for lane in lanes if lane}}


def pixels(image: bpy.types.Image) -> array:
    """An image's values, four for each pixel, from the lower left row by row."""
    values = array("f", bytes(16 * image.size[0] * image.size[1]))
    image.pixels.foreach_get(values)
    return values


def _write(lanes: Lanes, maps: Mapping[str, bpy.types.Image], path: Path) -> None:
    sources = source_pixels(lanes, maps)
    width, height = maps[next(iter(sources))].size
    values = array("f", [1.0]) * (4 * width * height)
    for channel, lane in enumerate(lanes):
        values[channel::4] = lane_values(lane, sources, width * height)
    image = bpy.data.images.new(path.stem, width, height, alpha=len(lanes) == 4)
    try:
        image.alpha_mode = "CHANNEL_PACKED"  # or transparent pixels would lose their colour
        image.pixels.foreach_set(values)
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
    finally:
        bpy.data.images.remove(image)
