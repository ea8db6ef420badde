# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene of its own to picture a head in; the artist's scene is not touched."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
from mathutils import Vector

LENS_MILLIMETRES = 85.0  # a portrait's
SENSOR = 36.0


@contextmanager
def studio(context: bpy.types.Context, head: bpy.types.Object) -> Iterator[bpy.types.Scene]:
    """`open_studio`, closed again at the end."""
    scene = open_studio(context, head)
    try:
        yield scene
    finally:
        close_studio(scene)


def open_studio(context: bpy.types.Context, head: bpy.types.Object) -> bpy.types.Scene:
    """A new scene that shows the head through a portrait camera.

    It is a copy of the artist's scene, so engine, samples, colour management and world are
    theirs, but holds nothing else than the head and the camera.
    """
    scene = context.scene.copy()
    scene.name = f"{head.name} studio"
    if hasattr(scene, "idto3d"):
        scene.idto3d.jobs.clear()  # else a job would bring its head in twice
    for collection in list(scene.collection.children):
        scene.collection.children.unlink(collection)
    for item in list(scene.collection.objects):
        scene.collection.objects.unlink(item)
    scene.collection.objects.link(head)
    scene.camera = add_camera(scene, head)
    scene.render.use_sequencer = scene.render.use_compositing = False
    scene.render.resolution_percentage = 100
    scene.render.use_border = False
    return scene


def close_studio(scene: bpy.types.Scene) -> None:
    """Remove the scene with its camera and what else was made for it."""
    for item in list(scene.collection.objects):
        if item.users_scene == (scene,):
            remove_object(item)
    bpy.data.scenes.remove(scene)


def remove_object(item: bpy.types.Object) -> None:
    """Remove an object, its camera or lamp, and the actions that move it."""
    animation = item.animation_data
    action = None if animation is None else animation.action
    data, kind = item.data, item.type
    bpy.data.objects.remove(item)
    if kind == "CAMERA":
        bpy.data.cameras.remove(data)
    elif kind == "LIGHT":
        bpy.data.lights.remove(data)
    if action is not None and action.users == 0:
        bpy.data.actions.remove(action)


def add_camera(scene: bpy.types.Scene, head: bpy.types.Object) -> bpy.types.Object:
    """A camera before the face that has the whole head in its frame, from every side."""
    lens = bpy.data.cameras.new(scene.name)
    lens.lens = LENS_MILLIMETRES
    camera = bpy.data.objects.new(scene.name, lens)
    scene.collection.objects.link(camera)
    place_camera(camera, head, 0.0)
    return camera


def place_camera(camera: bpy.types.Object, head: bpy.types.Object, turn: float) -> None:
    """Let a camera look at the head from `turn` radians around it; 0 is before the face."""
    low, high = bounds(head)
    middle, radius = (low + high) / 2, (high.xy - low.xy).length / 2
    distance = radius + 1.1 * max(high.z - low.z, 2 * radius) * camera.data.lens / SENSOR
    camera.data.sensor_width = SENSOR
    camera.location = middle + distance * Vector((math.sin(turn), -math.cos(turn), 0.0))
    camera.rotation_euler = (math.pi / 2, 0.0, turn)


def bounds(head: bpy.types.Object) -> tuple[Vector, Vector]:
    """The lowest and highest corner of the head's box in the world."""
    corners = [head.matrix_world @ Vector(corner) for corner in head.bound_box]
    low, high = (
        [pick(corner[axis] for corner in corners) for axis in range(3)] for pick in (min, max)
    )
    return Vector(low), Vector(high)


def animate_turn(scene: bpy.types.Scene, head: bpy.types.Object, frames: int) -> None:
    """One turn of the scene's camera around the head; after the last frame it would begin anew."""
    scene.frame_start, scene.frame_end, scene.frame_step = 1, frames, 1
    for frame in range(frames):
        place_camera(scene.camera, head, math.tau * frame / frames)
        scene.camera.keyframe_insert("location", frame=frame + 1)
        scene.camera.keyframe_insert("rotation_euler", frame=frame + 1)


def render_still(scene: bpy.types.Scene, path: Path, colours: str = "RGB") -> None:
    """Render the present frame into a PNG file, "RGB" or "RGBA"; the person waits."""
    as_png(scene, colours)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)


def as_png(scene: bpy.types.Scene, colours: str = "RGB") -> None:
    """Pictures are PNG files, whatever the artist's scene writes."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # from Blender 5.0 on
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = colours
