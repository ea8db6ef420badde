# SPDX-License-Identifier: GPL-3.0-or-later
"""What each program that a head may go to wants of a file. No bpy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lane:
    """One channel of a picture that is written: a channel of one of the head's maps."""

    source: str  # "albedo", "normal" or "orm"
    channel: int  # 0 red, 1 green, 2 blue
    inverted: bool = False


Lanes = tuple[Lane | None, ...]  # red, green, blue and perhaps alpha; None is black

ALBEDO: Lanes = tuple(Lane("albedo", channel) for channel in range(3))
NORMAL: Lanes = tuple(Lane("normal", channel) for channel in range(3))
OCCLUSION, ROUGHNESS, METALLIC = (Lane("orm", channel) for channel in range(3))


@dataclass(frozen=True)
class Preset:
    """How a head is written for one program."""

    name: str
    label: str
    description: str
    suffix: str
    # Pictures beside the file, by the end of their names. Without any, the file holds the maps.
    pictures: tuple[tuple[str, Lanes], ...] = ()
    metres_per_unit: float = 1.0
    armature: bool = False  # with one bone that carries the whole head


PRESETS = (
    Preset(
        "GLTF",
        "glTF",
        "One .glb file with everything in it, for the web and for most programs",
        ".glb",
    ),
    Preset(
        "GODOT",
        "Godot",
        "One .glb file to drop into a Godot 4 project: the same as for glTF",
        ".glb",
    ),
    Preset(
        "UNITY",
        "Unity",
        "An .fbx file in metres with one head bone, which Unity needs to keep the expressions, "
        "and a mask map: metallic, occlusion, smoothness in alpha",
        ".fbx",
        (
            ("albedo", ALBEDO),
            ("normal", NORMAL),
            ("mask", (METALLIC, OCCLUSION, None, Lane("orm", 1, inverted=True))),
        ),
        armature=True,
    ),
    Preset(
        "UNREAL",
        "Unreal Engine",
        "An .fbx file in centimetres with one head bone, a normal map with green down as "
        "DirectX has it, and a packed map: occlusion, roughness, metallic",
        ".fbx",
        (
            ("albedo", ALBEDO),
            ("normal", (NORMAL[0], Lane("normal", 1, inverted=True), NORMAL[2])),
            ("orm", (OCCLUSION, ROUGHNESS, METALLIC)),
        ),
        metres_per_unit=0.01,
        armature=True,
    ),
    Preset(
        "USD",
        "USD",
        "A .usdc file with one picture for each property, for Unreal's USD stage, Omniverse, "
        "Maya and Houdini",
        ".usdc",
        (
            ("albedo", ALBEDO),
            ("normal", NORMAL),
            ("roughness", (ROUGHNESS,) * 3),
            ("metallic", (METALLIC,) * 3),
            ("occlusion", (OCCLUSION,) * 3),
        ),
    ),
)


def preset_named(name: str) -> Preset:
    """The preset of that name."""
    return next(preset for preset in PRESETS if preset.name == name)
