# SPDX-License-Identifier: GPL-3.0-or-later
"""The import is in scene/head.py; these names stay until the panels come from there too."""

from .scene.head import ImportHead, draw_menu

__all__ = ["ImportHead", "draw_menu"]
