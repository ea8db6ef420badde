# SPDX-License-Identifier: GPL-3.0-or-later
"""A viewport that is turned to a head."""

import bpy
import head_file
from mathutils import Vector


def check_the_face_fills_the_viewport(scene, folder):
    head = scene.head.import_head(bpy.context, head_file.write(folder))
    head.location, head.rotation_euler = (3.0, 1.0, 0.5), (0.0, 0.0, 1.0)
    bpy.context.view_layer.update()
    space = a_viewport()
    scene.view.look_at(space, head)
    view = space.region_3d
    eye = view.view_location + view.view_rotation @ Vector((0.0, 0.0, view.view_distance))
    assert (head.matrix_world.inverted() @ eye).y < -0.2  # before the face
    seen = [
        view.view_rotation.inverted() @ (head.matrix_world @ Vector(corner) - eye)
        for corner in head.bound_box
    ]
    # A lens of 50 mm shows 0.64 to each side of the middle, and less along the shorter side.
    assert 0.25 < max(abs(corner.y / corner.z) for corner in seen) < 0.45


def check_a_head_that_is_gone(scene, folder):
    with bpy.context.temp_override(window=a_window(), area=an_area()):
        assert bpy.ops.idto3d.look_at_head.poll()
        try:
            bpy.ops.idto3d.look_at_head(item="Nobody")
        except RuntimeError as error:
            assert "gone from the scene" in str(error)
        else:
            raise AssertionError("nobody was found")


def a_viewport():
    return an_area().spaces.active


def an_area():
    return next(area for area in a_window().screen.areas if area.type == "VIEW_3D")


def a_window():
    return bpy.context.window_manager.windows[0]
