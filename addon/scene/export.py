# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a head for a game engine or another program, and look whether it arrived."""

import contextlib
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

import bpy
from mathutils import Matrix

from . import arkit, export_check, export_files, export_maps
from .head import NeedsHead, current_head, expression_names, key_positions
from .material import OCCLUSION_GROUP, maps_of
from .presets import PRESETS, Preset, preset_named
from .workbench import borrowed_name, workbench


class ExportFailed(Exception):
    """The file is not there or not right; the text is for the person."""


class ExportHead(NeedsHead, bpy.types.Operator):
    """Write the head with its maps for another program; your scene stays as it is"""

    bl_idname = "idto3d.export_head"
    bl_label = "Export Head"
    bl_options = {"REGISTER"}

    preset: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="For",
        description="The program that the file is for",
        items=[(preset.name, preset.label, preset.description) for preset in PRESETS],
    )
    filepath: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="File", description="The file to write", subtype="FILE_PATH"
    )
    arkit_names: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="ARKit Names",
        description="Write smile, jaw_open, pucker, funnel, cheek_puff, brow_raise and blink as "
        "ARKit's shapes, left and right apart; the other expressions keep their names",
    )
    check: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Check the File",
        description="Read the file back and compare vertices, expressions and maps",
        default=True,
    )

    @classmethod
    def description(
        cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties
    ) -> str:
        """The tooltip: what the preset does."""
        return preset_named(properties.preset).description

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only outside the edit modes, whose changes are not in the mesh yet."""
        if not super().poll(context):
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first.")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Let the person choose a file, named for the head."""
        name = bpy.path.clean_name(current_head(context).name)
        self.filepath = name + preset_named(self.preset).suffix
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the file; report what was written, or why nothing was."""
        if not self.filepath:
            self.report({"ERROR"}, "Choose a file to write.")
            return {"CANCELLED"}
        preset = preset_named(self.preset)
        path = Path(bpy.path.abspath(self.filepath)).with_suffix(preset.suffix)
        head = current_head(context)
        try:
            pictures = export_head(context, head, preset, path, self.arkit_names, self.check)
        except ExportFailed as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        beside = f" with {len(pictures)} pictures" if pictures else ""
        checked = " Checked: it reads back the same." if self.check else ""
        self.report({"INFO"}, f"Wrote {path.name}{beside}.{checked}")
        return {"FINISHED"}


def export_head(
    context: bpy.types.Context,
    head: bpy.types.Object,
    preset: Preset,
    path: Path,
    arkit_names: bool = False,
    check: bool = True,
) -> list[Path]:
    """Write a head as a preset says; the artist's scene is as before in the end.

    Args:
        context: in object mode.
        head: as it is posed, it is written at rest, with its neck's base at the origin.
        preset: for which program.
        path: the file, with the preset's suffix; a former one is replaced.
        arkit_names: see `arkit`.
        check: whether to read the file back and compare.

    Returns:
        The pictures beside the file.

    Raises:
        ExportFailed: the disk or Blender refused, or the file reads back differently.
    """
    maps = maps_of(head)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures = export_maps.write_pictures(preset, maps, path)
        with workbench(context, preset.metres_per_unit) as scene, _own_names(head, preset):
            copy = _copy_at_rest(scene, head, preset, arkit_names)
            expected = export_check.expectation(copy, preset.metres_per_unit)
            export_files.write(scene, copy, preset, path, pictures)
    except (OSError, RuntimeError) as error:
        raise ExportFailed(
            f"{path.name} could not be written: {str(error).strip()}. "
            "Choose another folder or free some space."
        ) from error
    if check:
        with workbench(context) as scene:
            problems = export_check.differences(expected, maps, preset, path, pictures)
        if problems:
            raise ExportFailed(f"{path.name} reads back differently: {' '.join(problems)}")
    return list(pictures.values())


@contextlib.contextmanager
def _own_names(head: bpy.types.Object, preset: Preset) -> Iterator[None]:
    """What is written may be called as the head is, and its armature as engines expect it."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(borrowed_name(bpy.data.objects, head.name))
        stack.enter_context(borrowed_name(bpy.data.meshes, head.data.name))
        stack.enter_context(borrowed_name(bpy.data.node_groups, OCCLUSION_GROUP))
        if preset.armature:
            stack.enter_context(borrowed_name(bpy.data.objects, export_files.ARMATURE))
        yield


def _copy_at_rest(
    scene: bpy.types.Scene, head: bpy.types.Object, preset: Preset, arkit_names: bool
) -> bpy.types.Object:
    """A copy of the head in the preset's unit, at the origin, every expression off."""
    copy = head.copy()
    copy.data = head.data.copy()
    copy.name = head.name.removesuffix(" original")
    copy.data.name = head.data.name.removesuffix(" original")
    copy.parent = None
    copy.animation_data_clear()
    copy.modifiers.clear()
    copy.constraints.clear()
    scene.collection.objects.link(copy)
    copy.hide_viewport = copy.hide_render = False
    copy.hide_set(False)
    keys = copy.data.shape_keys
    if keys is not None:
        keys.animation_data_clear()
        for block in keys.key_blocks:
            block.value, block.mute = 0.0, False
            # What USD would change anyway; so all files have the same names.
            block.name = re.sub(r"[^A-Za-z0-9_]", "_", block.name)
    if arkit_names and keys is not None:
        _rename_for_arkit(copy)
    scale = Matrix.Diagonal((*head.matrix_world.to_scale(), 1.0))
    copy.data.transform(scale * (1.0 / preset.metres_per_unit), shape_keys=True)
    copy.matrix_world = Matrix.Identity(4)
    copy.active_shape_key_index, copy.show_only_shape_key = 0, False
    return copy


def _rename_for_arkit(copy: bpy.types.Object) -> None:
    """Exchange a copy's shape keys for those of `arkit`."""
    rest = key_positions(copy, 0)
    blocks = copy.data.shape_keys.key_blocks
    offsets = {
        name: array("f", map(float.__sub__, key_positions(copy, index), rest))
        for index, name in enumerate(expression_names(copy), start=1)
    }
    for block in list(blocks)[1:]:
        copy.shape_key_remove(block)
    for name, moved in arkit.arkit_expressions(offsets, rest[0::3]).items():
        key = copy.shape_key_add(name=name, from_mix=False)
        key.value = 0.0
        key.points.foreach_set("co", array("f", map(float.__add__, rest, moved)))


def draw(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """A button for each preset."""
    column = layout.column(align=True)
    for preset in PRESETS:
        button = column.operator(
            ExportHead.bl_idname, text=f"{preset.label} ({preset.suffix})", icon="EXPORT"
        )
        button.preset = preset.name


CLASSES = (ExportHead,)
