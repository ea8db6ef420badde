# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels Result, Light and Export show; the panels themselves are in addon/panel.py."""

import bpy

CLASSES = ()


def draw_result(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The head in the scene: its expressions and where it came from."""
    layout.operator("idto3d.import_head", icon="IMPORT")


def draw_light(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The world's light, turntable and baked-light check."""


def draw_export(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """A preset, a file, the button."""
