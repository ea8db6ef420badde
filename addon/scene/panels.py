# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels Result, Light and Export show; the panels themselves are in addon/panel.py."""

import json
import textwrap

import bpy

from . import export, expressions, head, light, light_check, turntable, view

LINE = 42  # characters

CLASSES = ()


def draw_result(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The current head: its expressions, and whether it may be sold."""
    shown = head.current_head(context)
    if shown is None:
        layout.label(text="No head in this scene yet.", icon="INFO")
        layout.operator(head.ImportHead.bl_idname, icon="IMPORT")
        return
    row = layout.row()
    row.label(text=shown.name, icon="USER")
    row.operator(view.LookAtHead.bl_idname, text="", icon="VIEWZOOM").item = shown.name
    _draw_licence(layout, shown)
    names = head.expression_names(shown)
    if names:
        column = layout.column(align=True)
        for name in names:
            row = column.row(align=True)
            block = shown.data.shape_keys.key_blocks[name]
            row.prop(block, "value", text=name.replace("_", " ").capitalize(), slider=True)
            alone = expressions.is_alone(shown, name)
            solo = row.operator(
                expressions.SoloExpression.bl_idname,
                text="",
                icon="SOLO_ON" if alone else "SOLO_OFF",
                depress=alone,
            )
            solo.expression = name
        layout.operator(expressions.ResetExpressions.bl_idname, icon="LOOP_BACK")
        layout.operator(expressions.ExpressionClip.bl_idname, icon="ACTION")
    layout.operator(head.ImportHead.bl_idname, icon="IMPORT")


def _draw_licence(layout: bpy.types.UILayout, shown: bpy.types.Object) -> None:
    about = json.loads(shown.get(head.ABOUT, "{}"))
    commercial = about.get("commercial_use")
    if commercial is not None:
        allowed = commercial["allowed"]
        layout.label(
            text=f"Commercial use: {'yes' if allowed else 'no'}",
            icon="CHECKMARK" if allowed else "CANCEL",
        )


def draw_light(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The world's light, the turntable, the check for baked light and its picture."""
    settings = context.scene.idto3d_light
    column = layout.column()
    column.prop(settings, "environment")
    if settings.environment == "FILE":
        column.prop(settings, "path")
    column.prop(settings, "rotation")
    column.prop(settings, "strength")
    column.prop(settings, "show_surroundings")
    if settings.problem:
        _draw_text(column, settings.problem)
    if settings.is_on:
        column.operator(light.LightOff.bl_idname, icon="LOOP_BACK")
    else:
        column.operator(light.LightOn.bl_idname, icon="LIGHT_SUN")
    layout.separator()
    layout.operator(turntable.RenderTurntable.bl_idname, icon="RENDER_ANIMATION")
    layout.operator(light_check.CheckBakedLight.bl_idname, icon="LIGHT_HEMI")
    shown = head.current_head(context)
    picture = None if shown is None else bpy.data.images.get(light_check.check_name(shown))
    if picture is not None:
        layout.template_icon(picture.preview_ensure().icon_id, scale=8.0)
        layout.label(text="Bare, light from the left, from the right")
        _draw_text(layout, light_check.verdict(picture[light_check.DIFFERENCE]))


def draw_export(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """A button for each program that the head may go to."""
    export.draw(layout, context)


def _draw_text(layout: bpy.types.UILayout, text: str) -> None:
    """A text in lines that fit the sidebar."""
    column = layout.column(align=True)
    for line in textwrap.wrap(text, LINE):
        column.label(text=line)
