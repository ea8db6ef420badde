# SPDX-License-Identifier: GPL-3.0-or-later
"""head.glb to head.blend, run by a Python that has bpy: `python -I blend.py IN.glb OUT.blend`.

It imports nothing of this package, because bpy lives in an environment of its own, but the add-on
from the folder of the project: the head, its skin and its light are what the add-on would make.
The scene: the head with its shape keys, facing -Y, with the neck's base on the origin; Blender's
own studio HDRI as the world; a camera before the face.
"""

import argparse
import importlib
import importlib.util
import math
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

import bpy
from mathutils import Vector

ROOT = Path(__file__).resolve().parents[3]
RENDER_SAMPLES = 32


def load_addon() -> tuple[ModuleType, ModuleType]:
    """The add-on's modules for heads and for light, the latter with its settings registered."""
    spec = importlib.util.spec_from_file_location(
        "idto3d_extension", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    sys.modules["idto3d_extension"] = importlib.util.module_from_spec(spec)
    head = importlib.import_module("idto3d_extension.addon.scene.head")
    light = importlib.import_module("idto3d_extension.addon.scene.light")
    bpy.utils.register_class(light.LightSettings)
    light.register()
    return head, light


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
    bpy.ops.wm.read_factory_settings(use_empty=True)
    heads, light = load_addon()
    head = heads.import_head(bpy.context, options.glb)
    scene = bpy.context.scene
    light.switch_on(scene)
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
