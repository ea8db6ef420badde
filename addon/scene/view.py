# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a viewport to a head: it is small beside what scenes are usually made of."""

import math

import bpy
from mathutils import Euler, Vector

# Distance of the view over the diagonal of the head's box, through a lens of 50 mm: the head fills
# some two thirds of a viewport's height.
DISTANCE = 1.2
LENS_MILLIMETRES = 50.0


class LookAtHead(bpy.types.Operator):
    """Turn this viewport to the head, from the front"""

    bl_idname = "idto3d.look_at_head"
    bl_label = "Look at the Head"

    item: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Object", description="Name of the head or of its preview", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only in a 3D viewport."""
        return context.area is not None and context.area.type == "VIEW_3D"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Move the view."""
        item = bpy.data.objects.get(self.item)
        if item is None:
            self.report({"ERROR"}, "This head is gone from the scene.")
            return {"CANCELLED"}
        look_at(context.space_data, item)
        return {"FINISHED"}


def look_at(space: bpy.types.SpaceView3D, item: bpy.types.Object) -> None:
    """Turn a viewport to the face of an object that faces its own -Y."""
    corners = [item.matrix_world @ Vector(corner) for corner in item.bound_box]
    low, high = (
        Vector([choose(corner[axis] for corner in corners) for axis in range(3)])
        for choose in (min, max)
    )
    view = space.region_3d
    view.view_perspective = "PERSP"
    # A little from the side: a face straight from the front looks flat.
    front = Euler((math.radians(85.0), 0.0, math.radians(20.0))).to_quaternion()
    view.view_rotation = item.matrix_world.to_quaternion() @ front
    view.view_location = 0.5 * (low + high)
    view.view_distance = DISTANCE * (high - low).length * space.lens / LENS_MILLIMETRES


CLASSES = (LookAtHead,)
