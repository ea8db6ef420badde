# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the head from all around, with the artist's renderer and light."""

from pathlib import Path

import bpy

from .head import NeedsHead, current_head
from .studio import animate_turn, as_png, close_studio, open_studio

SECONDS_BETWEEN_LOOKS = 0.5


class RenderTurntable(NeedsHead, bpy.types.Operator):
    """Render the head from all around into numbered pictures, in the light of this scene"""

    bl_idname = "idto3d.render_turntable"
    bl_label = "Render Turntable"
    bl_options = {"REGISTER"}

    directory: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Folder", description="Folder for the pictures", subtype="DIR_PATH"
    )
    filter_folder: bpy.props.BoolProperty(  # type: ignore[valid-type]
        default=True, options={"HIDDEN"}
    )
    frames: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Pictures",
        description="How many pictures one turn has",
        default=36,
        min=2,
        soft_max=240,
    )
    size: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Size",
        description="Width and height of the pictures in pixels",
        default=512,
        min=16,
        soft_max=2048,
        subtype="PIXEL",
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Let the person choose a folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Render: at once without a window, else in the background with Blender's progress bar."""
        if not self.directory:
            self.report({"ERROR"}, "Choose a folder for the pictures.")
            return {"CANCELLED"}
        head = current_head(context)
        scene = open_studio(context, head)
        scene.render.resolution_x = scene.render.resolution_y = self.size
        animate_turn(scene, head, self.frames)
        as_png(scene)
        name = bpy.path.clean_name(head.name)
        scene.render.filepath = str(Path(bpy.path.abspath(self.directory)) / f"{name}_####")
        if bpy.app.background:
            try:
                bpy.ops.render.render(animation=True, scene=scene.name)
            finally:
                close_studio(scene)
        else:
            bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=scene.name)
            bpy.app.timers.register(
                _closer(scene.name), first_interval=SECONDS_BETWEEN_LOOKS, persistent=True
            )
        return {"FINISHED"}


def _closer(scene_name: str):
    """A timer that removes the studio when its pictures are done or were cancelled."""

    def look() -> float | None:
        if bpy.app.is_job_running("RENDER"):
            return SECONDS_BETWEEN_LOOKS
        # By name: after an undo or another file the scene that was meant may be gone.
        scene = bpy.data.scenes.get(scene_name)
        if scene is not None:
            close_studio(scene)
        return None

    return look


CLASSES = (RenderTurntable,)
