# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the add-on is: its name for Blender, its preferences, its folders."""

from pathlib import Path

import bpy

# The extension's package, which holds `addon`: Blender keeps the preferences under its name.
PACKAGE = __package__.rpartition(".")[0]
# The extension's folder, with `addon/`, `backend/` and `assets/`; read only.
ROOT = Path(__file__).resolve().parents[1]


def preferences(context: bpy.types.Context) -> bpy.types.AddonPreferences:
    """The add-on's preferences."""
    return context.preferences.addons[PACKAGE].preferences


def user_folder(name: str) -> Path:
    """A folder of the add-on's own that may be written to, where Blender wants it; not created."""
    return Path(bpy.utils.extension_path_user(PACKAGE, path=name, create=False))
