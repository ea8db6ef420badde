# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's own environment: made, repaired, moved and removed from Blender's preferences."""

from .operators import CLASSES, register, unregister

__all__ = ["CLASSES", "register", "unregister"]
