# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on: Blender's side of ID-to-3D. Imports bpy and the standard library only."""

import bpy

from . import setup
from .import_head import ImportHead, draw_menu
from .panel import HeadPanel
from .preferences import Preferences

CLASSES = (*setup.CLASSES, Preferences, ImportHead, HeadPanel)


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    for kind in CLASSES:
        bpy.utils.register_class(kind)
    bpy.types.TOPBAR_MT_file_import.append(draw_menu)


def unregister() -> None:
    """Called by Blender when the add-on is switched off; leaves nothing behind."""
    setup.unregister()
    bpy.types.TOPBAR_MT_file_import.remove(draw_menu)
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
