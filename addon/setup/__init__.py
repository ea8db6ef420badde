# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's own environment, seen from Blender's preferences: set up, repaired, examined.

`session`, `doctor` and `state` need no bpy.
"""
