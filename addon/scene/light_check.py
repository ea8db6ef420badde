# SPDX-License-Identifier: GPL-3.0-or-later
"""Is light baked into the albedo? The bare albedo, and lit from either side, side by side."""

import math
import tempfile
from array import array
from pathlib import Path

import bpy

from .head import NeedsHead, current_head
from .material import maps_of
from .studio import render_still, studio

SIZE = 256  # of each of the three pictures
SAMPLES = 8
SUN, FILL = 5.0, 1.0  # watts for a square metre; some fill, to see the dark side's albedo too
NOTICEABLE = 0.06  # from here on a difference in brightness is worth a word
DIFFERENCE = "idto3d_difference"
# Where the light comes from, around the upward axis: none, picture's left, picture's right.
LIGHTS = (None, -math.pi / 3, math.pi / 3)


class CheckBakedLight(NeedsHead, bpy.types.Operator):
    """Render the albedo bare and under two opposite lights, side by side: light that is baked
    into it stays on one side whichever light is on. Takes a few seconds"""

    bl_idname = "idto3d.check_baked_light"
    bl_label = "Check for Baked Light"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the picture, say what it shows."""
        image = check_baked_light(context, current_head(context))
        self.report({"INFO"}, verdict(image[DIFFERENCE]))
        return {"FINISHED"}


def check_name(head: bpy.types.Object) -> str:
    """The name of the picture that the check of a head makes."""
    return f"{head.name} light check"


def check_baked_light(context: bpy.types.Context, head: bpy.types.Object) -> bpy.types.Image:
    """Three pictures in one: bare albedo, light from the left, light from the right.

    Its property `DIFFERENCE` is how much brighter the albedo's left half is than the right one.
    """
    with tempfile.TemporaryDirectory() as folder:
        pictures = [_picture(context, head, light, Path(folder) / "x.png") for light in LIGHTS]
    name = check_name(head)
    before = bpy.data.images.get(name)
    if before is not None:
        bpy.data.images.remove(before)
    image = bpy.data.images.new(name, len(LIGHTS) * SIZE, SIZE)
    image.pixels.foreach_set(side_by_side(pictures, SIZE))
    image.update()
    image.pack()
    image[DIFFERENCE] = brightness_difference(pictures[0], SIZE)
    return image


def side_by_side(pictures: list[array], size: int) -> array:
    """Square pictures of RGBA floats, row by row, in one wide one."""
    row = 4 * size
    result = array("f")
    for start in range(0, row * size, row):
        for picture in pictures:
            result.extend(picture[start : start + row])
    return result


def brightness_difference(picture: array, size: int) -> float:
    """How much brighter the left half is than the right one, as a share of their mean.

    Only where the head covers a pixel and the one that mirrors it.
    """
    left = right = 0.0
    for row in range(size):
        for column in range(size // 2):
            here = 4 * (row * size + column)
            there = 4 * (row * size + size - 1 - column)
            if min(picture[here + 3], picture[there + 3]) > 0.99:
                left += sum(picture[here : here + 3])
                right += sum(picture[there : there + 3])
    return 2 * (left - right) / (left + right) if left + right > 0 else 0.0


def verdict(difference: float) -> str:
    """What a difference in brightness means, in a sentence or two."""
    percent = round(100 * abs(difference))
    if abs(difference) < NOTICEABLE:
        return f"Both halves of the face are about equally bright ({percent} % apart)."
    side = "left" if difference > 0 else "right"
    return (
        f"The picture's {side} half is {percent} % brighter: the photos' light may be baked in. "
        "Photos in even light help."
    )


def _picture(
    context: bpy.types.Context, head: bpy.types.Object, light: float | None, path: Path
) -> array:
    with studio(context, head) as scene:
        bare = head.copy()
        bare.data = head.data.copy()
        scene.collection.objects.unlink(head)
        scene.collection.objects.link(bare)
        bare.data.materials.clear()
        bare.data.materials.append(_bare_material(head, lit=light is not None))
        if light is not None:
            _add_sun(scene, light, SUN)
            _add_sun(scene, -light, FILL)
        scene.world = None
        scene.render.engine = "CYCLES"
        scene.cycles.device = "CPU"
        scene.cycles.samples = SAMPLES
        scene.cycles.use_denoising = False
        scene.render.film_transparent = True
        scene.view_settings.view_transform = "Standard"
        scene.view_settings.look = "None"
        scene.view_settings.exposure, scene.view_settings.gamma = 0.0, 1.0
        scene.render.resolution_x = scene.render.resolution_y = SIZE
        try:
            render_still(scene, path, colours="RGBA")
        finally:
            mesh, used = bare.data, bare.data.materials[0]
            bpy.data.meshes.remove(mesh)
            bpy.data.materials.remove(used)
    image = bpy.data.images.load(str(path))
    pixels = array("f", bytes(16 * SIZE * SIZE))
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels


def _bare_material(head: bpy.types.Object, lit: bool) -> bpy.types.Material:
    """The head's albedo and nothing else: matt where there is light, glowing where not."""
    material = bpy.data.materials.new("ID-to-3D light check")
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = maps_of(head).get("albedo")
    shader = nodes.new("ShaderNodeBsdfDiffuse" if lit else "ShaderNodeEmission")
    output = nodes.new("ShaderNodeOutputMaterial")
    links.new(texture.outputs["Color"], shader.inputs["Color"])
    links.new(shader.outputs[0], output.inputs["Surface"])
    return material


def _add_sun(scene: bpy.types.Scene, turn: float, energy: float) -> None:
    """A sun from the picture's left (negative turn) or right, somewhat from above."""
    lamp = bpy.data.lights.new(scene.name, "SUN")
    lamp.energy, lamp.angle = energy, math.radians(10.0)
    sun = bpy.data.objects.new(scene.name, lamp)
    sun.rotation_euler = (math.radians(60.0), 0.0, turn)
    scene.collection.objects.link(sun)


CLASSES = (CheckBakedLight,)
