# SPDX-License-Identifier: GPL-3.0-or-later
"""head.glb to head.blend, run by a Python that has bpy: `python -I blend.py IN.glb OUT.blend`.

It stands alone and imports nothing of the package, because bpy lives in an environment of its
own. The scene it makes: the head with its shape keys and a skin material, Blender's own studio
HDRI as the world, a camera before the face. The head faces -Y and stands with the neck's base on
the origin.
"""

import argparse
import math
import os
import sys
import traceback
from pathlib import Path

import bpy
from mathutils import Vector

# Light bleeds through skin by millimetres, red the furthest (Jensen et al. 2001, table 1, skin1).
SUBSURFACE_RADIUS_METRES = (0.00367, 0.00137, 0.00068)
SUBSURFACE_WEIGHT = 0.15
RENDER_SAMPLES = 32


def import_head(path: Path) -> bpy.types.Object:
    """The one mesh of the GLB, in an otherwise empty file, named as in the GLB."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    # Merging welds the vertices that the UV seams split; it compares the shape keys too, so
    # lips that only touch stay apart.
    bpy.ops.import_scene.gltf(filepath=str(path), merge_vertices=True)
    meshes = [item for item in bpy.data.objects if item.type == "MESH"]
    if len(meshes) != 1:
        raise ValueError(f"{path} holds {len(meshes)} meshes instead of one head")
    head = meshes[0]
    head.data.name = head.name
    for polygon in head.data.polygons:
        polygon.use_smooth = True
    if head.data.shape_keys:
        head.data.shape_keys.name = head.name
        for key in head.data.shape_keys.key_blocks:
            key.value = 0.0
    head.active_shape_key_index = 0
    head.show_only_shape_key = False
    return head


def make_skin(head: bpy.types.Object) -> None:
    """Add subsurface scattering to the Principled BSDF that the importer wired to the maps."""
    for material in head.data.materials:
        shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        shader.inputs["Subsurface Weight"].default_value = SUBSURFACE_WEIGHT
        scale = max(SUBSURFACE_RADIUS_METRES)
        shader.inputs["Subsurface Scale"].default_value = scale
        shader.inputs["Subsurface Radius"].default_value = [
            radius / scale for radius in SUBSURFACE_RADIUS_METRES
        ]
        shader.inputs["IOR"].default_value = 1.4  # skin's


def light_world(scene: bpy.types.Scene) -> None:
    """A soft studio from the HDRIs that every Blender brings along (CC0), packed.

    It lights the head; the camera itself sees a plain grey backdrop.
    """
    folder = Path(bpy.utils.system_resource("DATAFILES")) / "studiolights" / "world"
    world = bpy.data.worlds.new("Studio")
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    scene.world = world
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    output = nodes.new("ShaderNodeOutputWorld")
    background = nodes.new("ShaderNodeBackground")
    backdrop = nodes.new("ShaderNodeBackground")
    backdrop.inputs["Color"].default_value = (0.18, 0.18, 0.18, 1.0)
    choice = nodes.new("ShaderNodeMixShader")
    path = nodes.new("ShaderNodeLightPath")
    environment = nodes.new("ShaderNodeTexEnvironment")
    environment.image = bpy.data.images.load(str(folder / "studio.exr"))
    environment.image.pack()
    mapping = nodes.new("ShaderNodeMapping")
    coordinates = nodes.new("ShaderNodeTexCoord")
    # The soft box comes from the upper left of the picture and models the face.
    mapping.inputs["Rotation"].default_value[2] = math.radians(150.0)
    links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    links.new(mapping.outputs["Vector"], environment.inputs["Vector"])
    links.new(environment.outputs["Color"], background.inputs["Color"])
    links.new(path.outputs["Is Camera Ray"], choice.inputs[0])
    links.new(background.outputs["Background"], choice.inputs[1])
    links.new(backdrop.outputs["Background"], choice.inputs[2])
    links.new(choice.outputs["Shader"], output.inputs["Surface"])
    row = [coordinates, mapping, environment, background, choice, output]
    for column, node in enumerate(row):
        node.location = (column * 260.0, 0.0)
    backdrop.location, path.location = (780.0, -200.0), (780.0, 400.0)


def place_camera(scene: bpy.types.Scene, head: bpy.types.Object) -> None:
    """An 85 mm lens before the face, the whole head in the frame."""
    corners = [head.matrix_world @ Vector(corner) for corner in head.bound_box]
    low = Vector(min(corner[axis] for corner in corners) for axis in range(3))
    high = Vector(max(corner[axis] for corner in corners) for axis in range(3))
    middle, height = (low + high) / 2, high.z - low.z
    lens = bpy.data.cameras.new("Portrait")
    lens.lens = 85.0
    distance = 1.05 * height * lens.lens / lens.sensor_width
    camera = bpy.data.objects.new("Portrait", lens)
    camera.location = (middle.x, low.y - distance, middle.z)
    camera.rotation_euler = (math.radians(90.0), 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera


def set_renderer(scene: bpy.types.Scene) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.samples = RENDER_SAMPLES
    scene.cycles.use_denoising = True
    scene.render.resolution_x = scene.render.resolution_y = 1024
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.unit_settings.system = "METRIC"


def render(scene: bpy.types.Scene, path: Path, size: int, expression: str | None) -> None:
    """One picture of `size` pixels, of the neutral face or with one shape key at 1."""
    scene.render.resolution_x = scene.render.resolution_y = size
    if expression is not None:
        head = next(item for item in scene.objects if item.type == "MESH")
        head.data.shape_keys.key_blocks[expression].value = 1.0
    scene.render.filepath = str(path.resolve())
    bpy.ops.render.render(write_still=True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("glb", type=Path)
    parser.add_argument("blend", type=Path)
    parser.add_argument("--render", type=Path, help="also render a picture to look at")
    parser.add_argument("--expression", help="shape key to show in that picture")
    parser.add_argument("--size", type=int, default=512, help="side of that picture in pixels")
    options = parser.parse_args(arguments)
    head = import_head(options.glb)
    make_skin(head)
    scene = bpy.context.scene
    light_world(scene)
    place_camera(scene, head)
    set_renderer(scene)
    bpy.context.view_layer.objects.active = head
    head.select_set(True)
    bpy.ops.file.pack_all()
    bpy.context.preferences.filepaths.save_version = 0  # no head.blend1 beside it
    bpy.ops.wm.save_as_mainfile(filepath=str(options.blend.resolve()), compress=True)
    if options.render is not None:
        render(scene, options.render, options.size, options.expression)


if __name__ == "__main__":
    code = 0
    try:
        main(sys.argv[1:])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # bpy's own teardown crashes in some versions; everything is on disk by now.
    os._exit(code)
