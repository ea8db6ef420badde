# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's own environment: made, repaired, moved and removed from Blender's preferences."""

from .operators import CLASSES, unregister

__all__ = ["CLASSES", "unregister"]
