# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on: Blender's side of ID-to-3D. Imports bpy and the standard library only.

Modules are loaded when the add-on is switched on, so that those without bpy can be used, and
tested, outside of Blender.
"""

from types import ModuleType


def modules() -> tuple[ModuleType, ...]:
    """The modules with something to register, in an order in which each finds what it needs."""
    from . import generate, help, panel, photos, preferences, properties, tick
    from .scene import (
        export,
        expressions,
        head,
        light,
        light_check,
        panels,
        preview,
        turntable,
        view,
    )
    from .setup import operators as setup

    scene = (head, preview, expressions, light, light_check, turntable, export, view, panels)
    return (preferences, setup, properties, *scene, photos, generate, help, panel, tick)


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    import bpy

    for module in modules():
        for kind in module.CLASSES:
            bpy.utils.register_class(kind)
        if hasattr(module, "register"):
            module.register()


def unregister() -> None:
    """Called by Blender when the add-on is switched off; leaves nothing behind."""
    import bpy

    for module in reversed(modules()):
        if hasattr(module, "unregister"):
            module.unregister()
        for kind in reversed(module.CLASSES):
            bpy.utils.unregister_class(kind)
