# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's entry: hands `register` and `unregister` to the add-on.

The add-on is imported when it is switched on, not before: outside Blender, where tools walk over
this folder, there is no bpy.
"""


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    from . import addon

    addon.register()


def unregister() -> None:
    """Called by Blender when the add-on is switched off."""
    from . import addon

    addon.unregister()
