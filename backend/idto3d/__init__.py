# SPDX-License-Identifier: GPL-3.0-or-later
"""ID-to-3D: a person's head from photographs, by score distillation."""

__version__ = "0.1.0"
